//! canaille 0.3.6's dialogue. Replayed, as it was seen when it ran.

use serde_json::{Value, json};

use crate::service::{BASE, GROUP, Service, USER};

/// What it reads before every operation, to build its own model from.
#[track_caller]
fn discover(service: &mut Service) {
    let types = service.get("/ResourceTypes").expect(200).body;
    let names: Vec<_> = types["Resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names, ["User", "Group"]);
    let schemas = service.get("/Schemas").expect(200).body;
    let user = schemas["Resources"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["id"] == USER)
        .unwrap();
    let names: Vec<_> = user["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    // It raises, and sends nothing, where an attribute is missing that it fills.
    for name in [
        "userName",
        "name",
        "displayName",
        "nickName",
        "profileUrl",
        "title",
        "userType",
        "preferredLanguage",
        "locale",
        "timezone",
        "active",
        "password",
        "emails",
        "phoneNumbers",
        "ims",
        "photos",
        "addresses",
        "groups",
        "entitlements",
        "roles",
        "x509Certificates",
    ] {
        assert!(names.contains(&name), "{name}");
    }
    service.get("/ServiceProviderConfig").expect(200);
}

fn user() -> Value {
    json!({
        "schemas": [USER],
        "userName": "alice",
        "externalId": "5f6b4f4e-3f0c-4a70-9a4e-6a1f4c8c2a11",
        "name": {"formatted": "Alice Smith", "familyName": "Smith", "givenName": "Alice"},
        "emails": [{"value": "alice@example.org"}, {"value": "a.smith@example.net"}],
        "active": true,
        "password": "$pbkdf2-sha512$29000$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo",
    })
}

#[test]
fn replayed_create_change_lock_and_delete() {
    let mut service = Service::new();
    let filter = "externalId eq \"5f6b4f4e-3f0c-4a70-9a4e-6a1f4c8c2a11\"";
    discover(&mut service);
    assert_eq!(
        service.filter("/Users", filter).expect(200).body["totalResults"],
        0
    );
    let id = service.send("POST", "/Users", user()).expect(201).id();
    let url = format!("/Users/{id}");
    assert_eq!(
        service.index.aliases("a.smith@example.net"),
        ["alice@example.org"]
    );

    discover(&mut service);
    let found = service.filter("/Users", filter).expect(200);
    let mut whole = found.body["Resources"][0].clone();
    whole["displayName"] = json!("Alice");
    whole["password"] = json!("$pbkdf2-sha512$29000$b3RoZXI$b3RoZXI");
    assert_eq!(
        service.send("PUT", &url, whole.clone()).expect(200).body["displayName"],
        "Alice"
    );
    whole["active"] = json!(false);
    service.send("PUT", &url, whole).expect(200);
    assert!(service.index.may_send_as("alice@example.org").is_empty());
    service.send("DELETE", &url, Value::Null).expect(204);
    assert_eq!(
        service.filter("/Users", filter).expect(200).body["totalResults"],
        0
    );
}

#[test]
fn replayed_a_group_is_put_whole() {
    let mut service = Service::new();
    let id = service.send("POST", "/Users", user()).expect(201).id();
    let member = json!({"value": id, "$ref": format!("{BASE}/Users/{id}"), "type": "User", "display": "Alice Smith"});
    let body =
        json!({"schemas": [GROUP], "externalId": "g", "displayName": "staff", "members": [member]});
    let group = service
        .send("POST", "/Groups", body.clone())
        .expect(201)
        .id();
    service
        .send("PUT", &format!("/Groups/{group}"), body)
        .expect(200);
    assert_eq!(service.members(&group), ["alice"]);
}
