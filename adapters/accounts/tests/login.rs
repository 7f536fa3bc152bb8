//! Which account a good token opens, and how one comes to have it.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

use gatepost_accounts::id::Id;
use gatepost_accounts::index::Index;
use gatepost_accounts::login::{Binding, Found, Join, Strangers, User, bind, create, find};
use gatepost_accounts::memory::Memory;
use gatepost_accounts::model::{Source, SourceId};
use gatepost_accounts::routes::Routes;
use gatepost_accounts::scim::{self, Context, Effect};
use gatepost_accounts::time::Timestamp;
use serde_json::{Value, json};

/// Accounts of two sources, `idp` and `other`.
struct World {
    store: Memory,
    sources: [Source; 2],
    routes: Routes,
    drawn: u128,
}

fn source(id: u32, name: &str) -> Source {
    Source {
        id: SourceId(id),
        name: name.to_owned(),
        domains: ["example.com"].into_iter().collect(),
    }
}

impl World {
    fn new() -> Self {
        Self {
            store: Memory::new(),
            sources: [source(1, "idp"), source(2, "other")],
            routes: Routes::new(),
            drawn: 0,
        }
    }

    fn context<'c>(
        sources: &'c [Source],
        place: usize,
        routes: &'static Routes,
        drawn: u128,
    ) -> Context<'c> {
        Context {
            source: &sources[place],
            base_url: "https://mail.example.com/scim/v2",
            routes,
            now: Timestamp::from_millis(1),
            fresh: Id::from_bytes(drawn.to_be_bytes()),
        }
    }

    fn push(&mut self, place: usize, method: &str, path: &str, body: &Value) -> Value {
        self.drawn += 1;
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = scim::Request {
            method,
            path,
            body: body.as_bytes(),
            ..scim::Request::default()
        };
        let routes = Box::leak(Box::new(self.routes.clone()));
        let context = Self::context(&self.sources, place, routes, self.drawn);
        let answer = scim::answer(request, context, &mut self.store);
        assert!(answer.response.status < 300, "{method} {path}");
        let body: String = answer.response.body.into_chunks().collect();
        serde_json::from_str(&body).unwrap_or_default()
    }

    fn create(&mut self, name: &str, external_id: Option<&str>) -> String {
        let user = json!({"schemas": [USER], "userName": name, "externalId": external_id});
        let made = self.push(0, "POST", "/Users", &user);
        made["id"].as_str().unwrap().to_owned()
    }

    fn bind(&mut self, account: &str, subject: &str, address: &str) -> Effect {
        let binding = Binding {
            source: SourceId(1),
            account: Id::parse(account).unwrap(),
            subject: subject.to_owned(),
            address: address.to_owned(),
        };
        bind(&mut self.store, &binding).unwrap()
    }

    fn make(&mut self, user: &User<'_>) -> bool {
        self.drawn += 1;
        let routes = Box::leak(Box::new(self.routes.clone()));
        let context = Self::context(&self.sources, 0, routes, self.drawn);
        create(&mut self.store, context, user).unwrap().is_some()
    }

    /// What is found, with tokens of a provider whose accounts come from the first source.
    fn find(&self, join: Join, strangers: Strangers, user: &User<'_>) -> String {
        let mut index = Index::new(self.routes.clone());
        for change in self.store.changes() {
            index.apply(change);
        }
        let sources = [(&self.sources[0], join)];
        match find((&index, &self.routes), &sources, strangers, user) {
            Found::Known(entry) => format!("known {}", entry.mailbox().unwrap_or("-")),
            Found::Unbound(entry) => format!("unbound {}", entry.mailbox().unwrap_or("-")),
            Found::Missing(place) => format!("missing {place}"),
            Found::Stranger => "stranger".to_owned(),
            Found::Unknown => "unknown".to_owned(),
            Found::AddressTaken => "taken".to_owned(),
        }
    }
}

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ALICE: &str = "alice@example.com";
const BOB: &str = "bob@example.com";

fn user<'u>(subject: &'u str, name: &'u str) -> User<'u> {
    User {
        subject: Some(subject),
        name,
        address: None,
    }
}

fn verified<'u>(subject: &'u str, address: &'u str) -> User<'u> {
    User {
        address: Some(address),
        ..user(subject, address)
    }
}

const JOINS: [Join; 2] = [Join::Subject, Join::Address];
const STRANGERS: [Strangers; 3] = [Strangers::Refuse, Strangers::Allow, Strangers::Create];

#[test]
fn the_subject_finds_an_account_whatever_the_token_calls_its_user() {
    let mut world = World::new();
    world.create(ALICE, Some("s-1"));
    for (join, strangers) in JOINS
        .into_iter()
        .flat_map(|join| STRANGERS.map(|one| (join, one)))
    {
        for name in [ALICE, BOB, "alice", "old@example.org"] {
            let found = world.find(join, strangers, &user("s-1", name));
            assert_eq!(found, format!("known {ALICE}"), "{name}");
        }
    }
}

#[test]
fn the_accounts_of_another_provider_s_source_are_not_found() {
    let mut world = World::new();
    let user_of_other = json!({"schemas": [USER], "userName": ALICE, "externalId": "s-1"});
    world.push(1, "POST", "/Users", &user_of_other);
    for join in JOINS {
        for strangers in STRANGERS {
            let found = world.find(join, strangers, &verified("s-1", ALICE));
            assert_eq!(found, "taken");
        }
    }
}

#[test]
fn an_extension_of_an_address_is_no_name_of_somebody_else_s() {
    let mut world = World::new();
    world.create(ALICE, Some("s-1"));
    for strangers in STRANGERS {
        let stranger = user("s-2", "Alice+x@example.com");
        assert_eq!(world.find(Join::Subject, strangers, &stranger), "taken");
    }
    assert!(!world.make(&user("s-2", "alice+x@example.com")));
}

#[test]
fn an_address_finds_an_account_once_if_it_is_verified_and_the_source_says_so() {
    let mut world = World::new();
    let alice = world.create(ALICE, Some("internal-1"));
    let refuse = Strangers::Refuse;
    let by = |world: &World, join, user: User<'_>| world.find(join, refuse, &user);
    assert_eq!(by(&world, Join::Subject, verified("s-1", ALICE)), "taken");
    assert_eq!(by(&world, Join::Address, user("s-1", ALICE)), "taken");
    let unnamed = User {
        subject: None,
        ..verified("", ALICE)
    };
    assert_eq!(by(&world, Join::Address, unnamed), "taken");
    let unbound = format!("unbound {ALICE}");
    assert_eq!(
        by(&world, Join::Address, verified("s-1", "ALICE@example.com")),
        unbound
    );
    // Bound once, whoever shows the address afterwards.
    assert_eq!(world.bind(&alice, "s-1", BOB), Effect::Nothing);
    assert_eq!(world.bind(&alice, "s-1", ALICE), Effect::Commit);
    assert_eq!(world.bind(&alice, "s-2", ALICE), Effect::Nothing);
    for join in JOINS {
        assert_eq!(
            by(&world, join, user("s-1", "renamed")),
            format!("known {ALICE}")
        );
        assert_eq!(by(&world, join, verified("s-2", ALICE)), "taken");
    }
    // What a source that is joined by address calls the account is nobody's subject from then on.
    let internal = user("internal-1", "x@example.com");
    assert_eq!(by(&world, Join::Address, internal), "unknown");
    assert_eq!(
        by(&world, Join::Subject, internal),
        format!("known {ALICE}")
    );
    // Nor does a subject get a second account.
    let bob = world.create(BOB, None);
    assert_eq!(world.bind(&bob, "s-1", BOB), Effect::Nothing);
    assert_eq!(world.bind(&bob, "internal-1", BOB), Effect::Nothing);
}

#[test]
fn what_a_login_has_bound_outlives_whatever_the_source_says_of_the_account() {
    let mut world = World::new();
    let alice = world.create(ALICE, Some("internal-1"));
    world.bind(&alice, "s-1", ALICE);
    let path = format!("/Users/{alice}");
    let renamed =
        json!({"schemas": [USER], "userName": "a.smith@example.com", "externalId": "internal-1"});
    world.push(0, "PUT", &path, &renamed);
    let found = |world: &World| world.find(Join::Subject, Strangers::Refuse, &user("s-1", "x"));
    assert_eq!(found(&world), "known a.smith@example.com");
    let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
    world.push(0, "PATCH", &path, &off);
    assert_eq!(found(&world), "known a.smith@example.com");
    world.push(0, "DELETE", &path, &Value::Null);
    assert_eq!(found(&world), "unknown");
    // The same person comes back, with what was theirs.
    world.push(0, "POST", "/Users", &renamed);
    assert_eq!(found(&world), "known a.smith@example.com");
    world.push(0, "DELETE", &path, &Value::Null);
    let other = world.create(BOB, None);
    assert_eq!(world.bind(&other, "s-1", BOB), Effect::Commit);
    // Not what is another's by now.
    world.push(0, "POST", "/Users", &renamed);
    assert_eq!(found(&world), format!("known {BOB}"));
}

#[test]
fn who_has_no_account_is_refused_allowed_or_given_one_as_is_configured() {
    let mut world = World::new();
    world.create(ALICE, Some("s-1"));
    let carol = user("s-3", "Carol@example.com");
    let found = |strangers, user: &User<'_>| world.find(Join::Subject, strangers, user);
    assert_eq!(found(Strangers::Refuse, &carol), "unknown");
    assert_eq!(found(Strangers::Allow, &carol), "stranger");
    assert_eq!(found(Strangers::Create, &carol), "missing 0");
    // Nobody has an address that is another's.
    for strangers in STRANGERS {
        assert_eq!(found(strangers, &user("s-3", "Alice@Example.com")), "taken");
    }
    // Outside of the source's domains there is nothing to have.
    for name in ["carol", "carol@example.org"] {
        assert_eq!(found(Strangers::Create, &user("s-3", name)), "unknown");
    }
    let unnamed = User {
        subject: None,
        ..carol
    };
    assert_eq!(found(Strangers::Create, &unnamed), "unknown");
    assert!(world.make(&carol));
    let found = world.find(Join::Subject, Strangers::Refuse, &carol);
    assert_eq!(found, "known carol@example.com");
}

#[test]
fn nobody_is_created_whom_the_source_has_deleted_or_whose_address_was_another_s() {
    let mut world = World::new();
    let alice = world.create(ALICE, Some("s-1"));
    world.push(0, "DELETE", &format!("/Users/{alice}"), &Value::Null);
    for (subject, name) in [
        ("s-1", "new@example.com"),
        ("s-2", ALICE),
        ("s-2", "carol@example.org"),
        ("s-2", "a b@example.com"),
    ] {
        assert!(!world.make(&user(subject, name)), "{subject} {name}");
    }
    assert!(world.make(&user("s-2", "new@example.com")));
    // Already there.
    assert!(!world.make(&user("s-2", "newer@example.com")));
}
