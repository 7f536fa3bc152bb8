//! What RFC 7644 says of requests and answers, whoever sends them.

use gatepost_accounts::scim::Effect;
use serde_json::{Value, json};

use crate::service::{BASE, ENTERPRISE, GROUP, MAIL, Service, USER};

fn rich() -> Value {
    json!({
        "schemas": [USER, ENTERPRISE, MAIL],
        "userName": "alice@example.org",
        "externalId": "a-1",
        "name": {"givenName": "Alice", "familyName": "Smith"},
        "emails": [
            {"value": "alice@example.org", "type": "work", "primary": true},
            {"value": "a@example.net", "type": "home"},
        ],
        (ENTERPRISE): {"employeeNumber": "7", "manager": {"value": "m"}},
        (MAIL): {"quota": 1_073_741_824, "forwarding": ["bob@elsewhere.example"]},
    })
}

#[test]
fn a_resource_has_everything_that_clients_read() {
    let mut service = Service::new();
    let body = service.send("POST", "/Users", rich()).expect(201).body;
    assert_eq!(body["schemas"], json!([USER, ENTERPRISE, MAIL]));
    let meta = &body["meta"];
    assert_eq!(meta["resourceType"], "User");
    assert_eq!(meta["created"], "2026-11-30T00:53:21.000Z");
    assert_eq!(meta["lastModified"], meta["created"]);
    assert_eq!(
        meta["location"],
        json!(format!("{BASE}/Users/{}", body["id"].as_str().unwrap()))
    );
    let found = service.index.mailbox("Alice@Example.org").unwrap();
    assert_eq!(found.quota(), Some(1 << 30));
    assert_eq!(
        service.index.aliases("alice@example.org"),
        ["alice@example.org", "bob@elsewhere.example"]
    );
}

#[test]
fn attributes_and_excluded_attributes_say_what_is_shown() {
    let mut service = Service::new();
    let id = service.send("POST", "/Users", rich()).expect(201).id();
    for (query, expected) in [
        (
            "attributes=userName",
            json!({"userName": "alice@example.org"}),
        ),
        (
            "attributes=USERNAME,unknown,urn:x:y",
            json!({"userName": "alice@example.org"}),
        ),
        (
            "attributes=name.givenName",
            json!({"name": {"givenName": "Alice"}}),
        ),
        (
            "attributes=emails.value",
            json!({"emails": [{"value": "alice@example.org"}, {"value": "a@example.net"}]}),
        ),
        (
            "attributes=urn%3Aietf%3Aparams%3Ascim%3Aschemas%3Aextension%3Aenterprise%3A2.0%3AUser%3AemployeeNumber",
            json!({(ENTERPRISE): {"employeeNumber": "7"}}),
        ),
        ("attributes=password", json!({})),
    ] {
        let mut body = service
            .get(&format!("/Users/{id}?{query}"))
            .expect(200)
            .body;
        let object = body.as_object_mut().unwrap();
        assert_eq!(object.remove("id"), Some(json!(id)), "{query}");
        assert_eq!(
            object.remove("schemas"),
            Some(json!([USER, ENTERPRISE, MAIL])),
            "{query}"
        );
        assert_eq!(body, expected, "{query}");
    }
    let body = service
        .get(&format!(
            "/Users/{id}?excludedAttributes=id,emails,name.familyName,{ENTERPRISE},groups"
        ))
        .expect(200)
        .body;
    assert_eq!(body["id"], json!(id));
    assert_eq!(body["name"], json!({"givenName": "Alice"}));
    assert!(body["emails"].is_null() && body[ENTERPRISE].is_null() && body["groups"].is_null());
    assert_eq!(body["userName"], "alice@example.org");
}

#[test]
fn entity_tags_tell_states_apart() {
    let mut service = Service::new();
    let created = service.send("POST", "/Users", rich()).expect(201);
    let url = format!("/Users/{}", created.id());
    assert_eq!(
        created.etag.as_deref(),
        created.body["meta"]["version"].as_str()
    );
    assert_eq!(created.etag.as_deref(), Some("W/\"1\""));
    service.if_none_match = Some("W/\"7\", W/\"1\"");
    let known = service.send("GET", &url, Value::Null);
    assert_eq!((known.status, known.body), (304, Value::Null));
    service.if_none_match = None;

    let change = json!([{"op": "replace", "path": "title", "value": "Dr"}]);
    service.if_match = Some("W/\"9\"");
    service.patch(&url, change.clone()).expect_error(412, "");
    service.send("PUT", &url, rich()).expect_error(412, "");
    service
        .send("DELETE", &url, Value::Null)
        .expect_error(412, "");
    service.if_match = Some("W/\"1\"");
    assert_eq!(
        service
            .patch(&url, change.clone())
            .expect(200)
            .etag
            .as_deref(),
        Some("W/\"2\"")
    );
    service.patch(&url, change.clone()).expect_error(412, "");
    service.if_match = Some("*");
    let same = service.patch(&url, change).expect(200);
    assert_eq!(
        same.etag.as_deref(),
        Some("W/\"2\""),
        "what changes nothing makes no version"
    );
    assert_eq!(same.effect, Effect::Nothing);
    assert!(same.notes.is_empty());
    service.send("DELETE", &url, Value::Null).expect(204);
}

#[test]
fn pages_are_in_an_order_that_stays() {
    let mut service = Service::new();
    let ids: Vec<_> = (0..7).map(|n| service.user(&format!("u{n}"))).collect();
    // Changes move nobody, and who goes leaves no gap.
    service
        .patch(
            &format!("/Users/{}", ids[1]),
            json!([{"op": "add", "path": "title", "value": "x"}]),
        )
        .expect(200);
    service
        .send("DELETE", &format!("/Users/{}", ids[3]), Value::Null)
        .expect(204);
    for (query, expected, number) in [
        ("", &["u0", "u1", "u2", "u4", "u5", "u6"][..], 6),
        ("startIndex=0&count=2", &["u0", "u1"], 2),
        ("startIndex=-5&count=1", &["u0"], 1),
        ("startIndex=5&count=5", &["u5", "u6"], 2),
        ("startIndex=7", &[], 0),
        ("startIndex=99999999999999999999", &[], 0),
        ("count=0", &[], 0),
        ("count=-1", &[], 0),
        ("count=&startIndex=6", &["u6"], 1),
        (
            "filter=title+pr+or+userName+sw+%22u5%22&startIndex=2&count=1",
            &["u5"],
            1,
        ),
    ] {
        let reply = service.get(&format!("/Users?{query}"));
        if query.contains("9999999") {
            reply.expect_error(400, "invalidValue");
            continue;
        }
        let reply = reply.expect(200);
        assert_eq!(reply.names(), expected, "{query}");
        assert_eq!(reply.body["itemsPerPage"], number, "{query}");
        let total = if query.contains("filter") { 2 } else { 6 };
        assert_eq!(reply.body["totalResults"], total, "{query}");
    }
    for query in ["count=many", "startIndex=one", "count=1&count=2"] {
        service
            .get(&format!("/Users?{query}"))
            .expect_error(400, "invalidValue");
    }
}

#[test]
fn a_page_has_a_hundred_by_default_and_a_thousand_at_most() {
    let mut service = Service::new();
    for number in 0..1_002 {
        let body = json!({"schemas": [USER], "userName": format!("u{number}")}).to_string();
        assert_eq!(
            service.answer("POST", "/Users", body.as_bytes()).status,
            201
        );
    }
    assert_eq!(service.answer("GET", "/Users", b"").names().len(), 100);
    let most = service.answer("GET", "/Users?count=5000", b"");
    assert_eq!(most.names().len(), 1_000);
    assert_eq!(most.body["itemsPerPage"], 1_000);
    assert_eq!(most.body["totalResults"], 1_002);
}

#[test]
fn filters_compare_as_the_schema_says() {
    let mut service = Service::new();
    let first = service.send("POST", "/Users", rich()).expect(201).id();
    let bob = service.user("bob");
    let staff = service.group("staff", &[&bob]);
    for (filter, expected) in [
        (
            "userName eq \"ALICE@example.org\"",
            &["alice@example.org"][..],
        ),
        ("userName ne \"alice@example.org\"", &["bob"]),
        ("userName co \"LICE\"", &["alice@example.org"]),
        ("userName sw \"b\"", &["bob"]),
        ("userName ew \".org\"", &["alice@example.org"]),
        ("userName gt \"alice@example.org\"", &["bob"]),
        ("userName le \"alice@example.org\"", &["alice@example.org"]),
        ("externalId eq \"a-1\"", &["alice@example.org"]),
        ("externalId eq \"A-1\"", &[]),
        ("title pr", &[]),
        ("not (title pr)", &["alice@example.org", "bob"]),
        (
            "NOT(title pr) AND active eq true",
            &["alice@example.org", "bob"],
        ),
        ("active ne false", &["alice@example.org", "bob"]),
        ("active eq \"True\"", &["alice@example.org", "bob"]),
        ("externalId eq null", &[]),
        ("name eq null", &["bob"]),
        ("name.familyName ne null", &["alice@example.org"]),
        ("emails co \"example.net\"", &["alice@example.org"]),
        (
            "emails[type eq \"home\" and value ew \"example.net\"]",
            &["alice@example.org"],
        ),
        ("emails[type eq \"work\" and value ew \"example.net\"]", &[]),
        (
            "emails.type eq \"home\" and emails.value eq \"alice@example.org\"",
            &["alice@example.org"],
        ),
        ("meta.lastModified ge \"2026-11-30T00:53:22Z\"", &["bob"]),
        (
            "meta.created lt \"2026-11-30T01:53:22+01:00\"",
            &["alice@example.org"],
        ),
        (
            "urn:ietf:params:scim:schemas:core:2.0:User:userName eq \"bob\"",
            &["bob"],
        ),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber eq 7",
            &["alice@example.org"],
        ),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq \"m\"",
            &["alice@example.org"],
        ),
        (
            "urn:gatepost:params:scim:schemas:extension:mail:2.0:User:quota gt 1000",
            &["alice@example.org"],
        ),
        ("groups.display eq \"staff\"", &["bob"]),
        ("unknown eq \"x\"", &[]),
        ("not (unknown eq \"x\") and userName eq bob", &["bob"]),
        ("urn:x:y:z pr or userName eq bob", &["bob"]),
        (
            "(userName eq bob or userName eq alice@example.org) and externalId pr",
            &["alice@example.org", "bob"],
        ),
        ("userName eq bob smith", &[]),
        ("userName eq bob (smith)", &[]),
        ("(userName eq bob)", &["bob"]),
        ("password pr", &[]),
        ("id eq \"nobody\"", &[]),
    ] {
        let reply = service.filter("/Users", filter).expect(200);
        assert_eq!(reply.names(), expected, "{filter}");
    }
    for (filter, expected) in [
        (format!("members eq \"{bob}\""), 1),
        (format!("members[value eq \"{bob}\"]"), 1),
        (format!("members.value eq {bob}"), 1),
        (format!("not (members.value eq {bob})"), 0),
        (format!("members.value eq {first}"), 0),
        (format!("displayName eq staff and members eq {first}"), 0),
        (format!("id eq {staff} or members eq {first}"), 1),
    ] {
        let reply = service.filter("/Groups", &filter).expect(200);
        assert_eq!(reply.body["totalResults"], expected, "{filter}");
    }
}

#[test]
fn what_cannot_be_read_as_a_filter_is_refused() {
    let mut service = Service::new();
    for filter in [
        "userName",
        "userName eq",
        "eq \"a\"",
        "userName is \"a\"",
        "userName eq \"a",
        "userName eq \"\\x\"",
        "userName eq \"a\" and",
        "userName eq \"a\" userName eq \"b\"",
        "(userName eq \"a\"",
        "userName eq \"a\")",
        "emails[type eq \"work\"",
        "emails[emails[value pr]]",
        "userName[value eq \"a\"] x",
        "not userName eq \"a\"",
        "active gt true",
        "active eq maybe",
        "quota eq 5 and \u{e9} eq 1",
        "meta.created eq \"yesterday\"",
        "urn:gatepost:params:scim:schemas:extension:mail:2.0:User:quota co 5",
        "'; drop table users",
        "nickName: pr",
        "userName. eq \"a\"",
        "urn:example:User:: pr",
    ] {
        service
            .filter("/Users", filter)
            .expect_error(400, "invalidFilter");
    }
    for filter in [
        "members pr",
        "members.type co \"a\"",
        "members[value ne \"a\"]",
        "members[type eq \"User\"]",
    ] {
        service
            .filter("/Groups", filter)
            .expect_error(400, "invalidFilter");
    }
}

#[test]
fn a_search_is_a_list_whose_question_is_the_body() {
    let mut service = Service::new();
    service.user("alice");
    service.user("bob");
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "filter": "userName sw \"b\"",
        "attributes": ["userName", "active"],
        "startIndex": 1,
        "count": 10,
    });
    let reply = service.send("POST", "/Users/.search", body).expect(200);
    assert_eq!(reply.names(), ["bob"]);
    assert!(reply.body["Resources"][0].get("emails").is_none());
    // Of all kinds: users first, and then groups.
    service.group("staff", &[]);
    for (start, count, expected) in [
        (1, 10, &["alice", "bob", "staff"][..]),
        (2, 1, &["bob"]),
        (2, 2, &["bob", "staff"]),
        (3, 5, &["staff"]),
        (4, 5, &[]),
    ] {
        let reply = service
            .send(
                "POST",
                "/.search",
                json!({"startIndex": start, "count": count}),
            )
            .expect(200);
        assert_eq!(reply.names(), expected);
        assert_eq!(reply.body["totalResults"], 3);
        assert_eq!(reply.body["startIndex"], start);
    }
    let either = json!({"filter": "userName eq bob or displayName eq staff"});
    assert_eq!(
        service.send("POST", "/.search", either).expect(200).names(),
        ["bob", "staff"]
    );
}

#[test]
fn patches_do_what_the_standard_says() {
    let mut service = Service::new();
    let id = service.send("POST", "/Users", rich()).expect(201).id();
    let url = format!("/Users/{id}");
    let mut check = |operations: Value, name: &str, expected: Value| {
        let body = service.patch(&url, operations).expect(200).body;
        assert_eq!(body[name], expected);
    };
    check(
        json!([{"op": "add", "path": "emails", "value": [{"value": "x@example.org", "primary": true}]}]),
        "emails",
        json!([
            {"value": "alice@example.org", "type": "work"},
            {"value": "a@example.net", "type": "home"},
            {"value": "x@example.org", "primary": true},
        ]),
    );
    // What is there already is not added again.
    check(
        json!([{"op": "add", "path": "emails", "value": {"value": "x@example.org"}},
               {"op": "remove", "path": "emails[type eq \"home\"]"},
               {"op": "replace", "path": "emails[value sw \"alice\"].display", "value": "A"}]),
        "emails",
        json!([
            {"value": "alice@example.org", "type": "work", "display": "A"},
            {"value": "x@example.org", "primary": true},
        ]),
    );
    check(
        json!([{"op": "replace", "path": "emails[primary eq true]", "value": {"value": "y@example.org"}},
               {"op": "remove", "path": "emails[type eq \"work\"].display"}]),
        "emails",
        json!([{"value": "alice@example.org", "type": "work"}, {"value": "y@example.org"}]),
    );
    check(
        json!([{"op": "remove", "path": "emails", "value": [{"value": "Y@example.org"}]}]),
        "emails",
        json!([{"value": "alice@example.org", "type": "work"}]),
    );
    check(
        json!([{"op": "remove", "path": "emails"}]),
        "emails",
        Value::Null,
    );
    check(
        json!([{"op": "replace", "path": "name", "value": {"givenName": "B"}}]),
        "name",
        json!({"givenName": "B", "familyName": "Smith"}),
    );
    check(
        json!([{"op": "remove", "path": "name.familyName"}]),
        "name",
        json!({"givenName": "B"}),
    );
    check(
        json!([{"op": "remove", "path": "name.givenName"}]),
        "name",
        Value::Null,
    );
    check(
        json!([{"op": "add", "path": ENTERPRISE, "value": {"division": "d"}}]),
        ENTERPRISE,
        json!({"division": "d", "employeeNumber": "7", "manager": {"value": "m"}}),
    );
    check(
        json!([{"op": "remove", "path": ENTERPRISE}]),
        ENTERPRISE,
        Value::Null,
    );
    check(
        json!([{"op": "add", "path": format!("{MAIL}:forwarding"), "value": "c@elsewhere.example"}]),
        MAIL,
        json!({"quota": 1_073_741_824, "forwarding": ["bob@elsewhere.example", "c@elsewhere.example"]}),
    );
    check(
        json!([{"op": "replace", "value": {(MAIL): {"quota": "2048"}}}]),
        MAIL,
        json!({"quota": 2048, "forwarding": ["bob@elsewhere.example", "c@elsewhere.example"]}),
    );
    check(
        json!([{"op": "replace", "path": "active", "value": false}, {"op": "remove", "path": "active"}]),
        "active",
        json!(false),
    );
    check(
        json!([{"op": "add", "path": "urn:example:x:y", "value": 1}, {"op": "add", "path": "password", "value": "secret"}]),
        "active",
        json!(false),
    );
}

#[test]
fn patches_that_cannot_be_done_are_refused() {
    let mut service = Service::new();
    let url = format!("/Users/{}", service.user("alice"));
    for (operation, scim_type) in [
        (json!({"op": "remove"}), "noTarget"),
        (json!({"op": "remove", "path": "userName"}), "mutability"),
        (
            json!({"op": "replace", "path": "userName", "value": null}),
            "mutability",
        ),
        (
            json!({"op": "replace", "path": "userName", "value": ""}),
            "invalidValue",
        ),
        (
            json!({"op": "replace", "path": "id", "value": "x"}),
            "mutability",
        ),
        (
            json!({"op": "replace", "path": "meta.created", "value": "x"}),
            "mutability",
        ),
        (
            json!({"op": "add", "path": "groups", "value": [{"value": "x"}]}),
            "mutability",
        ),
        (
            json!({"op": "replace", "path": "boss", "value": "x"}),
            "invalidPath",
        ),
        (
            json!({"op": "replace", "path": "name.", "value": "x"}),
            "invalidPath",
        ),
        (
            json!({"op": "replace", "path": "nickName:", "value": "x"}),
            "invalidPath",
        ),
        (
            json!({"op": "replace", "path": "name[a eq \"b\"]", "value": "x"}),
            "invalidPath",
        ),
        (
            json!({"op": "replace", "path": "emails[type eq \"work\"", "value": "x"}),
            "invalidFilter",
        ),
        (
            json!({"op": "replace", "path": "emails[type eq \"home\"].value", "value": "x"}),
            "noTarget",
        ),
        (
            json!({"op": "add", "path": "emails[type ne \"work\"].value", "value": "x"}),
            "noTarget",
        ),
        (
            json!({"op": "replace", "path": "active", "value": "maybe"}),
            "invalidValue",
        ),
        (
            json!({"op": "replace", "path": "title", "value": {"a": 1}}),
            "invalidValue",
        ),
        (
            json!({"op": "replace", "path": "emails", "value": [{"value": "a", "primary": true}, {"value": "b", "primary": true}]}),
            "invalidValue",
        ),
        (json!({"op": "replace", "value": "x"}), "invalidValue"),
        (json!({"op": "move", "path": "title"}), "invalidSyntax"),
        (json!({"path": "title"}), "invalidSyntax"),
        (json!({"op": "add", "path": 7}), "invalidSyntax"),
        (json!("add"), "invalidSyntax"),
    ] {
        service
            .patch(&url, json!([operation]))
            .expect_error(400, scim_type);
        // Nothing of what comes before is done either.
        let first = json!({"op": "add", "path": "title", "value": "x"});
        service
            .patch(&url, json!([first, operation]))
            .expect_error(400, scim_type);
    }
    service
        .send("PATCH", &url, json!({"schemas": []}))
        .expect_error(400, "invalidSyntax");
}

#[test]
fn a_put_replaces_everything_that_it_may() {
    let mut service = Service::new();
    let created = service.send("POST", "/Users", rich()).expect(201);
    let url = format!("/Users/{}", created.id());
    let body = service
        .send(
            "PUT",
            &url,
            json!({"schemas": [USER], "userName": "alice@example.org"}),
        )
        .expect(200)
        .body;
    assert!(body["name"].is_null() && body["emails"].is_null() && body[ENTERPRISE].is_null());
    assert_eq!(body["externalId"], "a-1");
    assert_eq!(body["meta"]["created"], created.body["meta"]["created"]);
    assert_eq!(body["active"], true);
    let unbound = json!({"userName": "alice@example.org", "externalId": null});
    assert!(
        service
            .send("PUT", &url, unbound)
            .expect(200)
            .body
            .get("externalId")
            .is_none()
    );
}

#[test]
fn what_is_not_there_or_not_done_is_said() {
    let mut service = Service::new();
    let id = service.user("alice");
    let group = service.group("staff", &[]);
    for (method, url, status) in [
        ("GET", "/", 404),
        ("GET", "/Me", 501),
        ("POST", "/Bulk", 501),
        ("PUT", "/Users", 405),
        ("DELETE", "/Groups", 405),
        ("GET", "/Users/.search", 405),
        ("POST", "/Schemas", 405),
        ("OPTIONS", "/Users", 405),
        ("GET", "/Schemas?filter=a+pr", 403),
        ("GET", "/Schemas/urn:x", 404),
        ("GET", "/ResourceTypes/Device", 404),
        ("GET", "/Users/x", 404),
        ("PUT", "/Users/x", 400),
        ("DELETE", "/Users/x", 404),
    ] {
        let reply = service.send(method, url, Value::Null);
        assert_eq!(reply.status, status, "{method} {url}");
        assert_eq!(
            reply.body["status"],
            json!(status.to_string()),
            "{method} {url}"
        );
    }
    // A user is no group.
    service.get(&format!("/Groups/{id}")).expect_error(404, "");
    service
        .get(&format!("/Users/{group}"))
        .expect_error(404, "");
    service
        .get("/Schemas/urn:ietf:params:scim:schemas:core:2.0:user")
        .expect(200);
    service.get("/ResourceTypes/Group").expect(200);
    for body in [
        json!({}),
        json!({"userName": null}),
        json!({"userName": 7}),
        json!({"displayName": "x"}),
    ] {
        service
            .send("POST", "/Users", body)
            .expect_error(400, "invalidValue");
    }
    service
        .send("POST", "/Groups", json!({"schemas": [GROUP]}))
        .expect_error(400, "invalidValue");
}

#[test]
fn nobody_is_let_in_by_what_is_not_said() {
    let mut service = Service::new();
    let created = service
        .send("POST", "/Users", json!({"userName": "alice"}))
        .expect(201);
    assert_eq!(
        created.body["active"], true,
        "it is said even if nobody did"
    );
    let url = format!("/Users/{}", created.id());
    service
        .patch(&url, json!([{"op": "replace", "value": {"active": false}}]))
        .expect(200);
    for body in [
        json!({"userName": "alice"}),
        json!({"userName": "alice", "active": null}),
    ] {
        assert_eq!(
            service.send("PUT", &url, body).expect(200).body["active"],
            false
        );
    }
    for operation in [
        json!({"op": "remove", "path": "active"}),
        json!({"op": "replace", "path": "active", "value": null}),
        json!({"op": "replace", "value": {"active": null}}),
    ] {
        assert_eq!(
            service.patch(&url, json!([operation])).expect(200).body["active"],
            false
        );
    }
}

#[test]
fn a_group_is_another_state_once_a_member_is_gone() {
    let mut service = Service::new();
    let (alice, bob) = (service.user("alice"), service.user("bob"));
    let url = format!("/Groups/{}", service.group("staff", &[&alice, &bob]));
    let before = service.get(&url).etag;
    service
        .send("DELETE", &format!("/Users/{alice}"), Value::Null)
        .expect(204);
    let after = service.get(&url);
    assert_ne!(after.etag, before);
    assert_eq!(after.body["members"].as_array().map(Vec::len), Some(1));
}
