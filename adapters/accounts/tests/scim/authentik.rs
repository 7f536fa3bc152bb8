//! authentik's dialogue. Replayed: the shapes are those of its source, `authentik/providers/scim` of 2025.10, and of its
//! issues 16455, 16677, 23950, 24173 and 25686.

use serde_json::{Value, json};

use crate::service::{GROUP, PATCH_OP, Service, USER};

fn user(id: Option<&str>, name: &str) -> Value {
    let mut user = json!({
        "schemas": [USER],
        "userName": "alice",
        "name": {"formatted": name, "givenName": name, "familyName": ""},
        "displayName": name,
        "photos": [{"value": "https://id.example.org/a.png", "type": "photo"}],
        "locale": "",
        "emails": [{"value": "Alice@example.org", "type": "other", "primary": true}],
        "externalId": "cf2f02d1b36a4f7d8f0e40b1f1dd9e2c",
        "active": true,
    });
    if let Some(id) = id {
        user["id"] = json!(id);
    }
    user
}

#[test]
fn replayed_first_sync_of_a_user() {
    let mut service = Service::new();
    let config = service.get("/ServiceProviderConfig").expect(200).body;
    assert_eq!(config["patch"]["supported"], true);
    assert_eq!(config["filter"]["supported"], true);
    // It cuts its PATCHes by this number, though bulk is not supported.
    assert_eq!(
        config["bulk"],
        json!({"supported": false, "maxOperations": 1000, "maxPayloadSize": 4 << 20})
    );

    let created = service
        .send("POST", "/Users", user(None, "Alice"))
        .expect(201);
    let id = created.id();
    let url = format!("/Users/{id}");
    assert_eq!(
        created.location.unwrap(),
        format!("https://mail.example.org/scim/idp{url}")
    );
    assert_eq!(created.body["groups"], json!([]));
    let found = service.index.mailbox("alice@example.org").unwrap();
    assert_eq!(
        found.external_id(),
        Some("cf2f02d1b36a4f7d8f0e40b1f1dd9e2c")
    );

    let changed = service
        .send("PUT", &url, user(Some(&id), "Alice Smith"))
        .expect(200);
    assert_eq!(changed.body["displayName"], "Alice Smith");
    assert_eq!(changed.id(), id);
}

#[test]
fn replayed_a_user_who_is_there_is_found_after_the_conflict_without_quotes() {
    let mut service = Service::new();
    let id = service
        .send("POST", "/Users", user(None, "Alice"))
        .expect(201)
        .id();
    service
        .send("POST", "/Users", user(None, "Alice"))
        .expect_error(409, "uniqueness");
    let found = service.get("/Users?filter=userName+eq+alice").expect(200);
    assert_eq!(found.body["totalResults"], 1);
    assert_eq!(found.body["Resources"][0]["id"], json!(id));
    let body = json!({"schemas": [USER], "userName": "Bob (Ops) Smith"});
    let id = service.send("POST", "/Users", body).expect(201).id();
    let found = service.get("/Users?filter=userName+eq+bob+(ops)+smith");
    assert_eq!(found.expect(200).body["Resources"][0]["id"], json!(id));
    let found = service
        .get("/Users?filter=userName%20eq%20%22ALICE%22")
        .expect(200);
    assert_eq!(found.body["totalResults"], 1);
}

#[test]
fn replayed_groups_and_members_one_operation_each() {
    let mut service = Service::new();
    let (alice, bob) = (service.user("alice"), service.user("bob"));
    let body = json!({"schemas": [GROUP], "externalId": "g-1", "displayName": "staff"});
    let created = service.send("POST", "/Groups", body.clone()).expect(201);
    assert_eq!(
        created.body["members"],
        json!([]),
        "authentik adds nobody where there is no list"
    );
    let id = created.id();
    service
        .send("POST", "/Groups", body)
        .expect_error(409, "uniqueness");
    assert_eq!(
        service.filter("/Groups", "displayName eq \"staff\"").body["totalResults"],
        1
    );

    let url = format!("/Groups/{id}");
    let operation =
        |op: &str, id: &str| json!({"op": op, "path": "members", "value": [{"value": id}]});
    service
        .patch(
            &url,
            json!([operation("add", &alice), operation("add", &bob)]),
        )
        .expect(200);
    assert_eq!(service.members(&id), ["alice", "bob"]);
    // The value says who goes; by RFC 7644 it has no meaning, and everybody would.
    service
        .patch(&url, json!([operation("remove", &alice)]))
        .expect(200);
    assert_eq!(service.members(&id), ["bob"]);

    let whole =
        json!({"schemas": [GROUP], "id": id, "externalId": "g-1", "displayName": "everybody"});
    service
        .patch(&url, json!([{"op": "replace", "value": whole}]))
        .expect(200);
    assert_eq!(service.members(&id), ["bob"]);
    let of_another = json!({"id": alice, "displayName": "everybody"});
    service
        .patch(&url, json!([{"op": "replace", "value": of_another}]))
        .expect_error(400, "mutability");
    let shown = service.get(&format!("/Users/{bob}")).body;
    assert_eq!(shown["groups"][0]["value"], json!(id));
    assert_eq!(shown["groups"][0]["display"], "everybody");
}

#[test]
fn replayed_a_thousand_operations_are_one_request_and_more_are_refused() {
    let mut service = Service::new();
    let users: Vec<_> = (0..30).map(|n| service.user(&format!("u{n}"))).collect();
    let group = service.group("staff", &[]);
    let operation =
        |n: usize| json!({"op": "add", "path": "members", "value": [{"value": users[n % 30]}]});
    let operations: Vec<_> = (0..1000).map(operation).collect();
    service
        .patch(&format!("/Groups/{group}"), json!(operations))
        .expect(200);
    assert_eq!(service.members(&group).len(), 30);
    let operations: Vec<_> = (0..1001).map(operation).collect();
    let body = json!({"schemas": [PATCH_OP], "Operations": operations});
    service
        .send("PATCH", &format!("/Groups/{group}"), body)
        .expect_error(413, "");
}

#[test]
fn replayed_deactivation_and_deletion() {
    let mut service = Service::new();
    let id = service
        .send("POST", "/Users", user(None, "Alice"))
        .expect(201)
        .id();
    let url = format!("/Users/{id}");
    let mut without = user(Some(&id), "Alice");
    without["active"] = json!(false);
    service.send("PUT", &url, without.clone()).expect(200);
    assert!(
        !service
            .index
            .mailbox("alice@example.org")
            .unwrap()
            .is_active()
    );
    // Older mappings do not say: that activates nobody.
    without.as_object_mut().unwrap().remove("active");
    let kept = service.send("PUT", &url, without).expect(200);
    assert_eq!(kept.body["active"], false);
    service.send("DELETE", &url, Value::Null).expect(204);
    service.get(&url).expect_error(404, "");
    assert!(service.index.mailbox("alice@example.org").is_none());
}
