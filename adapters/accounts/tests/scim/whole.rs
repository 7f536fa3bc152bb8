//! A request is applied whole or not at all: with requests drawn at random, and a store that fails anywhere.

use gatepost_accounts::id::Id;
use gatepost_accounts::memory::Memory;
use gatepost_accounts::model::{Kind, Source, SourceId};
use gatepost_accounts::routes::Routes;
use gatepost_accounts::scim::{self, Answer, Context, Effect, Request};
use gatepost_accounts::store::{Key, Member, Owner, Record, Transaction, Unavailable, Written};
use gatepost_accounts::time::Timestamp;
use serde_json::{Value, json};

use crate::service::{ENTERPRISE, MAIL, Service, USER};

/// Numbers that look random, and are the same each time (xorshift64).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    pub(crate) fn one_of<'v>(&mut self, values: &[&'v str]) -> &'v str {
        values[self.below(values.len())]
    }
}

fn operation(numbers: &mut Numbers) -> Value {
    let enterprise = format!("{ENTERPRISE}:manager");
    let forwarding = format!("{MAIL}:forwarding");
    let path = numbers.one_of(&[
        "userName",
        "active",
        "title",
        "name",
        "name.givenName",
        "emails",
        "emails.value",
        "emails[type eq \"work\"]",
        "emails[type eq \"work\"].value",
        "emails[primary eq true].type",
        "emails[value co \"b\"]",
        "roles",
        &enterprise,
        &forwarding,
        ENTERPRISE,
        "id",
        "boss",
        "externalId",
        "",
    ]);
    let values = [
        json!("x"),
        json!("b@example.org"),
        json!(true),
        json!("False"),
        Value::Null,
        json!(""),
        json!([]),
        json!([{"value": "c@example.org", "type": "work"}]),
        json!([{"value": "d@example.org", "primary": true}, {"value": "e@example.net"}]),
        json!({"value": "b@example.org", "primary": "true"}),
        json!({"givenName": "G", "familyName": "F"}),
        json!({"title": "t", "active": false, "name.familyName": "N"}),
        json!({"manager": {"value": "m"}, "division": "d"}),
        json!(7),
    ];
    let value = values[numbers.below(values.len())].clone();
    json!({"op": numbers.one_of(&["add", "replace", "Remove"]), "path": path, "value": value})
}

/// Without what a later request has to differ in.
fn bare(mut body: Value) -> Value {
    let object = body.as_object_mut().unwrap();
    object.remove("meta");
    object.remove("id");
    body
}

#[test]
fn a_patch_of_several_operations_is_each_of_them_in_turn_or_none() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let (mut done, mut refused) = (0, 0);
    for _ in 0..800 {
        let operations: Vec<_> = (0..=numbers.below(3))
            .map(|_| operation(&mut numbers))
            .collect();
        // The harness checks that a request that is refused leaves the store as it was.
        let (mut whole, mut single) = (Service::new(), Service::new());
        let url = format!("/Users/{}", whole.user("alice"));
        single.user("alice");
        let together = whole.patch(&url, json!(operations));
        let mut in_turn = Vec::new();
        for operation in &operations {
            in_turn.push(single.patch(&url, json!([operation])));
        }
        if in_turn.iter().all(|reply| reply.status == 200) {
            let last = in_turn.pop().unwrap();
            assert_eq!(together.status, 200, "{operations:?}: {}", together.body);
            assert_eq!(bare(together.body), bare(last.body), "{operations:?}");
            done += 1;
        } else if together.status != 200 {
            refused += 1;
        }
    }
    assert!(
        done > 150 && refused > 150,
        "{done} done, {refused} refused"
    );
}

/// Whatever a PATCH makes of a resource, a PUT of it changes nothing: it is what the schema says.
#[test]
fn what_is_patched_is_as_if_it_were_put() {
    let mut numbers = Numbers(42);
    for _ in 0..600 {
        let mut service = Service::new();
        let url = format!("/Users/{}", service.user("alice"));
        let operations: Vec<_> = (0..4).map(|_| operation(&mut numbers)).collect();
        for operation in &operations {
            service.patch(&url, json!([operation]));
        }
        let before = service.get(&url).expect(200);
        let put = service.send("PUT", &url, before.body.clone()).expect(200);
        assert_eq!(put.body, before.body, "{operations:?}");
        assert_eq!(put.effect, Effect::Nothing);
    }
}

/// A store that fails at a call, and at every one after it.
struct Failing {
    store: Memory,
    calls_left: usize,
}

impl Failing {
    fn next(&mut self) -> Result<&mut Memory, Unavailable> {
        self.calls_left = self.calls_left.checked_sub(1).ok_or(Unavailable)?;
        Ok(&mut self.store)
    }
}

impl Transaction for Failing {
    fn find(
        &mut self,
        kind: Kind,
        source: SourceId,
        key: Key<'_>,
        limit: usize,
    ) -> Result<Vec<Record>, Unavailable> {
        self.next()?.find(kind, source, key, limit)
    }
    fn positions(
        &mut self,
        kind: Kind,
        source: SourceId,
        key: Key<'_>,
        limit: usize,
    ) -> Result<Vec<u64>, Unavailable> {
        self.next()?.positions(kind, source, key, limit)
    }
    fn after(
        &mut self,
        kind: Kind,
        source: SourceId,
        position: u64,
        limit: usize,
    ) -> Result<Vec<Record>, Unavailable> {
        self.next()?.after(kind, source, position, limit)
    }
    fn page(
        &mut self,
        kind: Kind,
        source: SourceId,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<Record>, Unavailable> {
        self.next()?.page(kind, source, offset, limit)
    }
    fn count(&mut self, kind: Kind, source: SourceId) -> Result<u64, Unavailable> {
        self.next()?.count(kind, source)
    }
    fn returned(
        &mut self,
        kind: Kind,
        source: SourceId,
        external_id: &str,
    ) -> Result<Option<Record>, Unavailable> {
        self.next()?.returned(kind, source, external_id)
    }
    fn owner(&mut self, address: &str) -> Result<Option<Owner>, Unavailable> {
        self.next()?.owner(address)
    }
    fn prefixed(
        &mut self,
        prefix: &str,
        is_wanted: &mut dyn FnMut(&str, Owner) -> bool,
    ) -> Result<Option<(String, Owner)>, Unavailable> {
        self.next()?.prefixed(prefix, is_wanted)
    }
    fn former_owner(&mut self, address: &str) -> Result<Option<Owner>, Unavailable> {
        self.next()?.former_owner(address)
    }
    fn insert(&mut self, record: &Record) -> Result<Written, Unavailable> {
        self.next()?.insert(record)
    }
    fn update(&mut self, record: &Record) -> Result<Written, Unavailable> {
        self.next()?.update(record)
    }
    fn members(
        &mut self,
        group: Id,
        after: Option<Id>,
        limit: usize,
    ) -> Result<Vec<Member>, Unavailable> {
        self.next()?.members(group, after, limit)
    }
    fn groups_of(&mut self, member: Id, limit: usize) -> Result<Vec<(Id, String)>, Unavailable> {
        self.next()?.groups_of(member, limit)
    }
    fn unknown(&mut self, source: SourceId, ids: &[Id]) -> Result<Vec<Id>, Unavailable> {
        self.next()?.unknown(source, ids)
    }
    fn edit_members(
        &mut self,
        group: Id,
        added: &[Id],
        removed: &[Id],
    ) -> Result<usize, Unavailable> {
        self.next()?.edit_members(group, added, removed)
    }
    fn replace_members(&mut self, group: Id, members: &[Id]) -> Result<usize, Unavailable> {
        self.next()?.replace_members(group, members)
    }
}

fn send(store: &mut Failing, method: &str, url: &str, body: &Value) -> Answer {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let source = Source {
        id: SourceId(1),
        name: "idp".to_owned(),
        domains: ["example.org"].into_iter().collect(),
    };
    let request = Request {
        method,
        path,
        query,
        body: body.as_bytes(),
        ..Request::default()
    };
    let context = Context {
        source: &source,
        base_url: "https://mail.example.org",
        routes: &Routes::new(),
        now: Timestamp::from_millis(0),
        fresh: Id::from_bytes([7; 16]),
    };
    scim::answer(request, context, store)
}

#[test]
fn a_store_that_fails_anywhere_is_503_and_nothing_that_was_written_stays() {
    let mut service = Service::new();
    let (alice, bob) = (service.user("alice"), service.user("bob"));
    let group = service.group("staff", &[&alice]);
    let user = json!({"schemas": [USER], "userName": "carol", "externalId": "c", "emails": [{"value": "c@example.org"}]});
    let edit = json!({"Operations": [
        {"op": "add", "path": "members", "value": [{"value": bob}]},
        {"op": "replace", "path": "displayName", "value": "all"},
    ]});
    let whole = json!({"displayName": "all", "members": [{"value": bob}]});
    for (method, url, body) in [
        ("POST", "/Users".to_owned(), user.clone()),
        ("PUT", format!("/Users/{alice}"), user),
        ("DELETE", format!("/Users/{alice}"), Value::Null),
        ("POST", "/Groups".to_owned(), whole.clone()),
        ("PATCH", format!("/Groups/{group}"), edit),
        ("PUT", format!("/Groups/{group}"), whole),
        ("DELETE", format!("/Groups/{group}"), Value::Null),
        ("GET", "/Users?filter=title+pr".to_owned(), Value::Null),
        ("GET", "/Groups".to_owned(), Value::Null),
    ] {
        let mut calls = 0;
        loop {
            let mut store = Failing {
                store: service.store.clone(),
                calls_left: calls,
            };
            let answer = send(&mut store, method, &url, &body);
            if answer.response.status != 503 {
                assert!(
                    answer.response.status < 300,
                    "{method} {url}: {}",
                    answer.response.body.text()
                );
                break;
            }
            let is_untouched = store.store == service.store;
            assert!(
                is_untouched || answer.effect == Effect::RollBack,
                "{method} {url} at call {calls}"
            );
            assert!(answer.notes.is_empty() || answer.effect == Effect::Nothing);
            calls += 1;
        }
        assert!(calls > 0, "{method} {url} asks the store");
    }
}
