//! What holds of accounts, addresses and sources, over requests.

use gatepost_accounts::id::Id;
use gatepost_accounts::model::{Kind, SourceId};
use gatepost_accounts::name::Address;
use gatepost_accounts::routes::List;
use gatepost_accounts::scim::{Effect, Note};
use gatepost_accounts::store::Owner;
use serde_json::{Value, json};

use crate::service::{GROUP, IDP, MAIL, OTHER, Service, USER};

fn owner(id: &str, source: SourceId) -> Owner {
    Owner {
        account: Id::parse(id).unwrap(),
        source,
    }
}

fn with_address(name: &str, address: &str) -> Value {
    json!({"schemas": [USER], "userName": name, "externalId": name, "emails": [{"value": address}]})
}

#[test]
fn a_source_sees_and_changes_only_what_it_owns() {
    let mut service = Service::new();
    let id = service.user("alice");
    let group = service.group("staff", &[&id]);
    service.be(OTHER);
    for (method, url) in [
        ("GET", "/Users/"),
        ("DELETE", "/Users/"),
        ("GET", "/Groups/"),
        ("DELETE", "/Groups/"),
    ] {
        let id = if url == "/Users/" { &id } else { &group };
        service
            .send(method, &format!("{url}{id}"), Value::Null)
            .expect_error(404, "");
    }
    let change = json!([{"op": "replace", "value": {"active": false}}]);
    service
        .patch(&format!("/Users/{id}"), change)
        .expect_error(404, "");
    service
        .send("PUT", &format!("/Users/{id}"), json!({"userName": "x"}))
        .expect_error(404, "");
    assert_eq!(service.get("/Users").body["totalResults"], 0);
    for filter in [
        "userName eq alice",
        "externalId eq ext-alice",
        "emails.value eq \"alice@example.org\"",
        "userName pr",
    ] {
        assert_eq!(
            service.filter("/Users", filter).body["totalResults"],
            0,
            "{filter}"
        );
    }
    // Nor can it make somebody else's account a member of its group.
    let member = json!({"displayName": "ours", "members": [{"value": id}]});
    service
        .send("POST", "/Groups", member)
        .expect_error(400, "invalidValue");
    // Its names and external ids are its own.
    let body = json!({"userName": "alice", "externalId": "ext-alice"});
    service.send("POST", "/Users", body).expect(201);
    service.group("staff", &[]);
}

#[test]
fn an_address_has_one_owner_over_all_sources() {
    let mut service = Service::new();
    let alice = service.user("alice");
    service.be(OTHER);
    let refused = service.send("POST", "/Users", with_address("bob", "Alice@example.org"));
    let refused = refused.expect_error(409, "uniqueness");
    let address = Address::parse("alice@example.org").unwrap();
    let taken = Note::AddressTaken {
        address: address.clone(),
        held: "alice@example.org".to_owned(),
        owner: Some(owner(&alice, IDP)),
    };
    assert_eq!(refused.notes, [taken]);
    let bob = service
        .send("POST", "/Users", with_address("bob", "bob@example.org"))
        .expect(201)
        .id();
    let change =
        json!([{"op": "add", "path": "emails", "value": [{"value": "alice@example.org"}]}]);
    service
        .patch(&format!("/Users/{bob}"), change)
        .expect_error(409, "uniqueness");
    service
        .send(
            "PUT",
            &format!("/Users/{bob}"),
            with_address("alice@example.org", "bob@example.org"),
        )
        .expect_error(409, "uniqueness");
    // An address elsewhere is nobody's here, so that two may name it.
    service.user("carol");
    for name in ["dave", "erin"] {
        service
            .send(
                "POST",
                "/Users",
                with_address(name, "shared@elsewhere.example"),
            )
            .expect(201);
    }
    assert!(
        service
            .index
            .by_address("shared@elsewhere.example")
            .is_none()
    );
    assert_eq!(
        service
            .filter("/Users", "emails eq \"shared@elsewhere.example\"")
            .body["totalResults"],
        2
    );
}

#[test]
fn the_address_of_a_list_is_nobody_s() {
    let mut service = Service::new();
    service.routes.add_list(List {
        source: IDP,
        group: "Staff".to_owned(),
        address: Address::parse("staff@example.org").unwrap(),
        may_members_send: true,
    });
    // A long list is told to Postfix in parts, and mail for a part is for its members.
    for address in [
        "staff@example.org",
        "staff~0@example.org",
        "Staff~17@example.org",
    ] {
        let refused = service
            .send("POST", "/Users", with_address("x", address))
            .expect_error(409, "uniqueness");
        assert!(matches!(
            &refused.notes[..],
            [Note::AddressTaken { owner: None, .. }]
        ));
    }
    for (name, address) in [("y", "staff~x@example.org"), ("z", "other~0@example.org")] {
        service
            .send("POST", "/Users", with_address(name, address))
            .expect(201);
    }
}

#[test]
fn an_extension_of_an_address_is_its_owner_s() {
    let mut service = Service::new();
    service.routes.add_list(List {
        source: IDP,
        group: "Staff".to_owned(),
        address: Address::parse("staff@example.org").unwrap(),
        may_members_send: true,
    });
    let alice = service.user("alice");
    service.be(OTHER);
    for (address, detail) in [
        (
            "Alice+Invoices@example.org",
            "the address alice+invoices@example.org is an extension of alice@example.org, which is another's already",
        ),
        (
            "staff+x@example.org",
            "the address staff+x@example.org is an extension of staff@example.org, which is another's already",
        ),
    ] {
        let refused = service
            .send("POST", "/Users", with_address("bob", address))
            .expect_error(409, "uniqueness");
        assert_eq!(refused.body["detail"], detail);
        assert!(
            matches!(&refused.notes[..], [Note::AddressTaken { .. }]),
            "{:?}",
            refused.notes
        );
    }
    // Nor can who has an extension be robbed of it.
    let bob = with_address("bob", "bob+x@example.org");
    let bob = service.send("POST", "/Users", bob).expect(201).id();
    let refused = service
        .send("POST", "/Users", with_address("carol", "bob@example.org"))
        .expect_error(409, "uniqueness");
    assert_eq!(
        refused.body["detail"],
        "another has an extension of the address bob@example.org already"
    );
    for (name, address) in [
        ("dave", "bobby@example.org"),
        ("erin", "bob@example.net"),
        ("frank", "alice+x@example.net"),
        ("grace", "+alice@example.org"),
    ] {
        service
            .send("POST", "/Users", with_address(name, address))
            .expect(201);
    }
    // An account may have its own.
    let all = ["bob+x@example.org", "bob@example.org", "bob+y@example.org"];
    service
        .send("PUT", &format!("/Users/{bob}"), with_addresses("bob", &all))
        .expect(200);
    let owner = |service: &Service, address: &str| {
        let found = service.index.by_address(address);
        found.map(|entry| entry.id().to_string())
    };
    assert_eq!(owner(&service, "alice@example.org"), Some(alice));
    for address in all {
        assert_eq!(owner(&service, address).as_ref(), Some(&bob), "{address}");
    }
}

#[test]
fn a_renamed_user_stays_who_they_are() {
    let mut service = Service::new();
    let id = service
        .send("POST", "/Users", with_address("alice", "alice@example.org"))
        .expect(201)
        .id();
    let mut renamed = with_address("alice.smith", "alice.smith@example.org");
    renamed["externalId"] = json!("alice");
    let reply = service
        .send("PUT", &format!("/Users/{id}"), renamed)
        .expect(200);
    assert_eq!(reply.id(), id);
    let found = service.index.by_subject(IDP, "alice").unwrap();
    assert_eq!(found.id().to_string(), id);
    assert_eq!(found.mailbox(), Some("alice.smith@example.org"));
    assert!(service.index.by_address("alice@example.org").is_none());
    assert!(service.index.by_name(IDP, "ALICE.smith").is_some());
}

#[test]
fn who_is_deleted_and_comes_back_is_the_same() {
    let mut service = Service::new();
    let id = service.user("alice");
    let group = service.group("staff", &[&id]);
    service
        .send("DELETE", &format!("/Users/{id}"), Value::Null)
        .expect(204);
    service.get(&format!("/Users/{id}")).expect_error(404, "");
    service
        .send("DELETE", &format!("/Users/{id}"), Value::Null)
        .expect_error(404, "");
    assert!(
        service.members(&group).is_empty(),
        "who is gone is in no group"
    );
    assert!(!service.index.domain("example.org"));
    // Another source's user of that external id is somebody else.
    service.be(OTHER);
    let other = service.send(
        "POST",
        "/Users",
        json!({"userName": "a", "externalId": "ext-alice"}),
    );
    assert_ne!(other.expect(201).id(), id);
    service.be(IDP);
    service.user("bob");
    let mut body = with_address("alice2", "alice2@example.org");
    body["externalId"] = json!("ext-alice");
    let back = service.send("POST", "/Users", body).expect(201);
    assert_eq!(back.id(), id);
    assert!(back.notes.contains(&Note::Returned {
        id: Id::parse(&id).unwrap()
    }));
    assert_eq!(
        service.get("/Users").names(),
        ["bob", "alice2"],
        "at the end, so that pages stay"
    );
    assert!(
        service.members(&group).is_empty(),
        "rights do not come back by themselves"
    );
}

#[test]
fn an_address_that_is_used_again_leads_to_another_account() {
    let mut service = Service::new();
    let first = service.user("alice");
    service
        .send("DELETE", &format!("/Users/{first}"), Value::Null)
        .expect(204);
    let reply = service
        .send("POST", "/Users", with_address("new", "alice@example.org"))
        .expect(201);
    let second = reply.id();
    assert_ne!(first, second);
    let reused = Note::AddressReused {
        address: Address::parse("alice@example.org").unwrap(),
        before: owner(&first, IDP),
        now: Id::parse(&second).unwrap(),
    };
    assert!(reply.notes.contains(&reused), "{:?}", reply.notes);
    assert_eq!(
        service
            .index
            .mailbox("alice@example.org")
            .unwrap()
            .id()
            .to_string(),
        second
    );
    // And so does one that was given away by a rename.
    let put = with_address("new", "new@example.org");
    service
        .send("PUT", &format!("/Users/{second}"), put)
        .expect(200);
    let reply = service
        .send("POST", "/Users", with_address("third", "alice@example.org"))
        .expect(201);
    assert!(
        matches!(&reply.notes[0], Note::AddressReused { before, .. } if before.account.to_string() == second)
    );
}

#[test]
fn every_change_is_noted_with_what_was_before() {
    let mut service = Service::new();
    let id = service.user("alice");
    let reply = service.patch(
        &format!("/Users/{id}"),
        json!([{"op": "replace", "value": {"active": false, "password": "x"}}]),
    );
    let [
        Note::Changed {
            kind,
            before,
            after,
            members,
            ..
        },
    ] = &reply.notes[..]
    else {
        panic!("{:?}", reply.notes)
    };
    assert_eq!((*kind, *members), (Kind::Account, 0));
    assert!(before.as_ref().unwrap().contains("\"active\":true"));
    assert!(after.as_ref().unwrap().contains("\"active\":false"));
    let group = service.group("staff", &[&id]);
    let reply = service.patch(
        &format!("/Groups/{group}"),
        json!([{"op": "remove", "path": "members"}]),
    );
    assert!(matches!(
        &reply.notes[..],
        [Note::Changed { members: 1, .. }]
    ));
    let reply = service.send("DELETE", &format!("/Users/{id}"), Value::Null);
    assert!(matches!(
        &reply.notes[..],
        [Note::Changed {
            before: Some(_),
            after: None,
            ..
        }]
    ));
}

#[test]
fn members_are_users_or_groups_of_the_source() {
    let mut service = Service::new();
    let alice = service.user("alice");
    let inner = service.group("inner", &[&alice]);
    let outer = service.group("outer", &[&inner]);
    assert_eq!(service.members(&outer), ["inner"]);
    let types = service.get(&format!("/Groups/{outer}")).body;
    assert_eq!(types["members"][0]["type"], "Group");
    let add = |id: &str| json!([{"op": "add", "path": "members", "value": [{"value": id}]}]);
    let url = format!("/Groups/{outer}");
    for nobody in ["x", "00000000-0000-0000-0000-000000000001", ""] {
        service
            .patch(&url, add(nobody))
            .expect_error(400, "invalidValue");
        let remove = json!([{"op": "remove", "path": "members", "value": [{"value": nobody}]}]);
        service.patch(&url, remove).expect(200);
    }
    service
        .patch(&url, add(&outer))
        .expect_error(400, "invalidValue");
    service
        .patch(
            &url,
            json!([{"op": "add", "path": "members", "value": [{"display": "x"}]}]),
        )
        .expect_error(400, "invalidValue");
    service.patch(&url, json!([{"op": "replace", "path": format!("members[value eq \"{inner}\"].value"), "value": alice}])).expect_error(400, "mutability");
    // Groups may contain each other; whoever reads them does so once.
    service
        .patch(&format!("/Groups/{inner}"), add(&outer))
        .expect(200);
    let account = Id::parse(&alice).unwrap();
    assert_eq!(service.index.groups_of(account), ["inner", "outer"]);
    // Operations are done in their order.
    let both = json!([
        {"op": "remove", "path": "members"},
        {"op": "add", "path": "members", "value": [{"value": alice}, {"value": inner}]},
        {"op": "remove", "path": format!("members[value eq \"{inner}\" or value eq \"x\"]")},
    ]);
    service.patch(&url, both).expect(200);
    assert_eq!(service.members(&outer), ["alice"]);
}

#[test]
fn a_list_is_a_group_by_its_name() {
    let mut service = Service::new();
    let (alice, bob) = (service.user("alice"), service.user("bob"));
    let group = service.group("Staff", &[&alice, &bob]);
    let mut routes = gatepost_accounts::routes::Routes::new();
    routes.add_list(List {
        source: IDP,
        group: "staff".to_owned(),
        address: Address::parse("staff@example.org").unwrap(),
        may_members_send: true,
    });
    routes.add_catch_all("example.net", Address::parse("alice@example.org").unwrap());
    let mut index = gatepost_accounts::index::Index::new(routes);
    service
        .patch(
            &format!("/Users/{bob}"),
            json!([{"op": "replace", "path": "active", "value": false}]),
        )
        .expect(200);
    for change in service.store.changes() {
        index.apply(change);
    }
    let mut members = index.aliases("Staff@example.org");
    members.sort_unstable();
    assert_eq!(members, ["alice@example.org", "bob@example.org"]);
    assert_eq!(
        index.may_send_as("staff@example.org"),
        ["alice@example.org"]
    );
    assert!(index.mailbox("staff@example.org").is_none());
    assert_eq!(index.aliases("anybody@example.net"), ["alice@example.org"]);
    assert!(index.aliases("anybody@example.org").is_empty());
    assert!(index.domain("EXAMPLE.net"));

    let rename = json!([{"op": "replace", "path": "displayName", "value": "others"}]);
    let seen = service.store.changes().len();
    service
        .patch(&format!("/Groups/{group}"), rename)
        .expect(200);
    service.store.changes()[seen..]
        .iter()
        .for_each(|change| index.apply(change));
    assert!(index.aliases("staff@example.org").is_empty());
}

#[test]
fn quota_and_forwarding_are_judged() {
    let mut service = Service::new();
    let body =
        |extension: Value| json!({"schemas": [USER, MAIL], "userName": "alice", (MAIL): extension});
    for extension in [
        json!({"quota": -1}),
        json!({"quota": 1.5}),
        json!({"quota": "1G"}),
        json!({"quota": 18_446_744_073_709_551_615_u64}),
        json!({"forwarding": ["nobody"]}),
        json!({"forwarding": ["a@b c"]}),
        json!({"forwarding": ["|/bin/sh@x"]}),
        json!({"forwarding": (0..21).map(|n| format!("a{n}@b")).collect::<Vec<_>>()}),
        json!("x"),
    ] {
        service
            .send("POST", "/Users", body(extension))
            .expect_error(400, "invalidValue");
    }
    service
        .send(
            "POST",
            "/Users",
            body(json!({"quota": "0", "forwarding": "a@b"})),
        )
        .expect(201);
}

/// Mail servers compare names without regard to the case of ASCII letters alone: others would be two mailboxes.
#[test]
fn an_address_has_no_capitals_that_mail_servers_do_not_know() {
    let mut service = Service::new();
    for address in [
        "\u{c9}@example.org",
        "a\u{391}@example.org",
        "\u{130}@example.org",
    ] {
        let refused = service.send("POST", "/Users", with_address("alice", address));
        let detail = refused.expect_error(400, "invalidValue").body["detail"].to_string();
        assert!(
            detail.contains(address) && detail.contains("capital"),
            "{detail}"
        );
        service
            .send("POST", "/Users", json!({"userName": address}))
            .expect_error(400, "invalidValue");
    }
    let alice = service
        .send(
            "POST",
            "/Users",
            with_address("alice", "\u{e9}@example.org"),
        )
        .expect(201)
        .id();
    let rename = json!([{"op": "replace", "path": "emails.value", "value": "\u{c9}@example.org"}]);
    service
        .patch(&format!("/Users/{alice}"), rename)
        .expect_error(400, "invalidValue");
    for address in [
        "\u{df}@example.org",
        "\u{5d0}@example.org",
        "\u{e5}B@example.org",
    ] {
        service
            .send("POST", "/Users", with_address(address, address))
            .expect(201);
    }
    // Elsewhere it is nothing here.
    service
        .send(
            "POST",
            "/Users",
            with_address("bob", "\u{c9}@elsewhere.example"),
        )
        .expect(201);
}

/// It is compared with a token's `sub` byte for byte: what nobody sees would never fit.
/// What a mail server takes for a command, an option, a home directory or a route.
#[test]
fn an_address_is_nothing_that_mail_servers_take_for_something_else() {
    let mut service = Service::new();
    for address in [
        "|cat@example.org",
        "-x@example.org",
        "~root@example.org",
        "a|b@example.org",
        "alice%example.net@example.org",
        "example.net!alice@example.org",
        "/etc/passwd@example.org",
        ":include:x@example.org",
        "\"x\"@example.org",
        ".x@example.org",
    ] {
        for (name, address) in [(address, "x@example.org"), ("x", address)] {
            service
                .send("POST", "/Users", with_address(name, address))
                .expect_error(400, "invalidValue");
        }
    }
    for address in [
        "a-b@example.org",
        "a~b@example.org",
        "_x@example.org",
        "+x@example.net",
    ] {
        service
            .send("POST", "/Users", with_address(address, address))
            .expect(201);
    }
    // Elsewhere it is nothing here. Nor is it one here once the domain is ours.
    service.domains = vec!["example.org"];
    let body = with_addresses("bob", &["-b@example.net", "b@example.net"]);
    let bob = service
        .send("POST", "/Users", body.clone())
        .expect(201)
        .id();
    service.domains = vec!["example.org", "example.net"];
    service
        .send("PUT", &format!("/Users/{bob}"), body)
        .expect(200);
    assert!(service.index.by_address("b@example.net").is_some());
    assert!(service.index.by_address("-b@example.net").is_none());
}

#[test]
fn an_external_id_is_what_can_be_seen_of_it() {
    let mut service = Service::new();
    let alice = service.user("alice");
    for id in [
        " x",
        "x ",
        "\tx",
        "x\u{200b}",
        "\u{feff}x",
        "x\u{a0}",
        "x\u{202e}y",
        "x\u{ad}",
        " ",
    ] {
        for (url, name) in [("/Users", "userName"), ("/Groups", "displayName")] {
            service
                .send("POST", url, json!({(name): "new", "externalId": id}))
                .expect_error(400, "invalidValue");
        }
        let change = json!([{"op": "replace", "path": "externalId", "value": id}]);
        service
            .patch(&format!("/Users/{alice}"), change)
            .expect_error(400, "invalidValue");
    }
    for id in ["CN=Al Smith,OU=*?/", "\u{e9}", "a|b:c"] {
        let change = json!([{"op": "replace", "path": "externalId", "value": id}]);
        service
            .patch(&format!("/Users/{alice}"), change)
            .expect(200);
    }
}

#[test]
fn two_groups_or_users_of_a_source_are_not_called_the_same() {
    let mut service = Service::new();
    service.user("alice");
    let bob = service.user("bob");
    service
        .send(
            "POST",
            "/Users",
            json!({"userName": "x", "externalId": "ext-alice"}),
        )
        .expect_error(409, "uniqueness");
    service
        .patch(
            &format!("/Users/{bob}"),
            json!([{"op": "replace", "path": "userName", "value": "Alice"}]),
        )
        .expect_error(409, "uniqueness");
    service
        .patch(
            &format!("/Users/{bob}"),
            json!([{"op": "replace", "path": "userName", "value": "BOB"}]),
        )
        .expect(200);
    service.group("staff", &[]);
    service
        .send(
            "POST",
            "/Groups",
            json!({"schemas": [GROUP], "displayName": "STAFF"}),
        )
        .expect_error(409, "uniqueness");
}

fn with_addresses(name: &str, addresses: &[&str]) -> Value {
    let emails = addresses.iter().map(|address| json!({"value": address}));
    let emails: Vec<_> = emails.collect();
    json!({"schemas": [USER], "userName": name, "externalId": name, "emails": emails})
}

#[test]
fn who_says_the_same_gets_the_addresses_of_the_domains_that_there_are_now() {
    let mut service = Service::new();
    let body = with_addresses(
        "alice",
        &["a@example.org", "a@example.net", "a@example.com"],
    );
    let id = service
        .send("POST", "/Users", body.clone())
        .expect(201)
        .id();
    let url = format!("/Users/{id}");
    let same = service.send("PUT", &url, body.clone()).expect(200);
    assert_eq!(same.effect, Effect::Nothing);
    service.domains = vec!["example.com", "example.net"];
    let derived = service.send("PUT", &url, body.clone()).expect(200);
    assert_eq!(derived.effect, Effect::Commit);
    let mailbox = |service: &Service, address: &str| {
        let found = service.index.by_address(address);
        found.and_then(|entry| entry.mailbox().map(str::to_owned))
    };
    for (address, expected) in [
        ("a@example.org", None),
        ("a@example.net", Some("a@example.net".to_owned())),
        ("a@example.com", Some("a@example.net".to_owned())),
    ] {
        assert_eq!(mailbox(&service, address), expected, "{address}");
    }
    let same = service.send("PUT", &url, body).expect(200);
    assert_eq!(same.effect, Effect::Nothing);
}

/// Who was left without an address when the domains changed can be locked all the same.
#[test]
fn who_claims_nothing_new_is_not_refused_for_what_another_has() {
    let mut service = Service::new();
    service.domains = vec!["example.org"];
    let body = with_addresses(
        "alice",
        &["a@example.org", "b@example.net", "a b@example.net"],
    );
    let alice = service
        .send("POST", "/Users", body.clone())
        .expect(201)
        .id();
    let url = format!("/Users/{alice}");
    service.domains = vec!["example.org", "example.net"];
    service.be(OTHER);
    let bob = with_address("bob", "b@example.net");
    let bob = service.send("POST", "/Users", bob).expect(201).id();
    service.be(IDP);
    let lock = json!([{"op": "replace", "path": "active", "value": false}]);
    let locked = service.patch(&url, lock).expect(200);
    assert_eq!(locked.body["active"], false);
    let taken = Note::AddressTaken {
        address: Address::parse("b@example.net").unwrap(),
        held: "b@example.net".to_owned(),
        owner: Some(owner(&bob, OTHER)),
    };
    assert!(locked.notes.contains(&taken), "{:?}", locked.notes);
    let of = |service: &Service| {
        service
            .index
            .by_address("b@example.net")
            .map(gatepost_accounts::index::Entry::id)
    };
    assert_eq!(of(&service), Id::parse(&bob));
    let same = service.send("PUT", &url, body.clone()).expect(200);
    assert_eq!((same.effect, same.notes), (Effect::Nothing, vec![]));
    // Whoever claims it anew is refused, as ever.
    let anew = with_addresses("alice", &["b@example.net"]);
    service
        .send("PUT", &url, anew)
        .expect_error(409, "uniqueness");
    service.be(OTHER);
    service
        .send("DELETE", &format!("/Users/{bob}"), Value::Null)
        .expect(204);
    service.be(IDP);
    service.send("PUT", &url, body).expect(200);
    assert_eq!(of(&service), Id::parse(&alice));
}
