//! The dialogues of Rauthy, Pocket ID and the plugins of Keycloak. Replayed: the shapes are those of their sources
//! (rauthy `src/data/src/entity/scim`, pocket-id `backend/internal/service/scim_service.go`, mitodl/keycloak-scim) and of
//! keycloak-scim's issue 134, scim-for-keycloak's 127 and 132, and keycloak-scim-server's 74 and 112.

use serde_json::{Value, json};

use crate::service::{GROUP, Service, USER};

#[test]
fn replayed_rauthy_finds_by_its_id_and_then_by_the_address() {
    let mut service = Service::new();
    let user = json!({
        "schemas": [USER],
        "externalId": "YVeHs8HvRKmvEsTsgJZHRVBm",
        "userName": "alice@example.org",
        "name": {"familyName": "Smith", "givenName": "Alice"},
        "displayName": "alice@example.org",
        "emails": [{"value": "alice@example.org", "primary": true}],
        "active": true,
    });
    for filter in [
        "externalId eq \"YVeHs8HvRKmvEsTsgJZHRVBm\"",
        "userName eq \"alice@example.org\"",
    ] {
        assert_eq!(
            service.filter("/Users", filter).expect(200).body["totalResults"],
            0
        );
    }
    let id = service
        .send("POST", "/Users", user.clone())
        .expect(201)
        .id();
    let mut whole = user;
    whole["id"] = json!(id);
    service
        .send("PUT", &format!("/Users/{id}"), whole)
        .expect(200);

    let body = json!({"schemas": [GROUP], "externalId": "g-id", "displayName": "admin"});
    let group = service.send("POST", "/Groups", body).expect(201).id();
    let url = format!("/Groups/{group}");
    let member = json!([{"op": "add", "path": "members", "value": [{"value": id, "display": "alice@example.org"}]}]);
    service.patch(&url, member).expect(200);
    let rename =
        json!([{"op": "replace", "value": {"displayName": "admins", "externalId": "g-id"}}]);
    service.patch(&url, rename).expect(200);
    // It looks for its groups by what they are called.
    let shown = service.get(&format!("/Users/{id}")).body;
    assert_eq!(shown["groups"][0]["display"], "admins");
    let unlink = json!([{"op": "replace", "value": {"displayName": "admins", "externalId": null}}]);
    let body = service.patch(&url, unlink).expect(200).body;
    assert!(body.get("externalId").is_none());
    assert_eq!(
        service.filter("/Groups", "externalId eq \"g-id\"").body["totalResults"],
        0
    );
    let remove = json!([{"op": "remove", "path": "members", "value": [{"value": id}]}]);
    service.patch(&url, remove).expect(200);
    assert!(service.members(&group).is_empty());
}

/// It asks for pages of 100 and stops at one that is shorter.
#[test]
fn replayed_rauthy_lists_by_hundreds() {
    let mut service = Service::new();
    for number in 0..230 {
        service.user(&format!("u{number:03}"));
    }
    let (mut seen, mut start) = (0, 1);
    loop {
        let body = service
            .get(&format!("/Users?startIndex={start}&count=100"))
            .expect(200)
            .body;
        let number = body["Resources"].as_array().unwrap().len();
        (seen, start) = (seen + number, start + number);
        if number < 100 {
            break;
        }
    }
    assert_eq!(seen, 230);
}

/// It lists everything before it changes anything, adds `itemsPerPage` to `startIndex`, and deletes what is not its own.
#[test]
fn replayed_pocket_id_lists_everything_and_deletes_what_it_does_not_know() {
    let mut service = Service::new();
    for number in 0..25 {
        service.user(&format!("u{number:02}"));
    }
    let (mut ids, mut start) = (Vec::new(), 1);
    loop {
        let body = service
            .get(&format!("/Users?startIndex={start}&count=1000"))
            .expect(200)
            .body;
        let resources = body["Resources"].as_array().unwrap();
        for resource in resources {
            assert!(resource["meta"]["lastModified"].is_string());
            ids.push(resource["id"].as_str().unwrap().to_owned());
        }
        start += body["itemsPerPage"].as_u64().unwrap();
        if resources.is_empty() || start > body["totalResults"].as_u64().unwrap() {
            break;
        }
    }
    assert_eq!(ids.len(), 25);
    for id in &ids[..20] {
        service
            .send("DELETE", &format!("/Users/{id}"), Value::Null)
            .expect(204);
    }
    assert_eq!(
        service.get("/Users?startIndex=1&count=1000").body["totalResults"],
        5
    );
}

#[test]
fn replayed_pocket_id_and_keycloak_leave_members_out_of_an_empty_group() {
    let mut service = Service::new();
    let alice = service.user("alice");
    let group = service.group("staff", &[&alice]);
    let body = json!({"schemas": [GROUP], "displayName": "staff", "externalId": "7a3b"});
    let put = service
        .send("PUT", &format!("/Groups/{group}"), body)
        .expect(200);
    assert_eq!(put.body["members"], json!([]));
}

#[test]
fn replayed_keycloak_empties_a_group_by_a_path_alone() {
    let mut service = Service::new();
    let alice = service.user("alice");
    let group = service.group("staff", &[&alice]);
    service
        .patch(
            &format!("/Groups/{group}"),
            json!([{"op": "remove", "path": "members"}]),
        )
        .expect(200);
    assert!(service.members(&group).is_empty());
}

/// Where a filter saw less than the check of uniqueness, the client went round in circles.
#[test]
fn replayed_keycloak_finds_whoever_it_conflicts_with() {
    let mut service = Service::new();
    service.user("alice");
    for name in ["alice", "ALICE", "Alice"] {
        let body = json!({"schemas": [USER], "userName": name});
        service
            .send("POST", "/Users", body)
            .expect_error(409, "uniqueness");
        let found = service.filter("/Users", &format!("userName eq \"{name}\""));
        assert_eq!(found.body["totalResults"], 1, "{name}");
    }
}

/// Older versions of scim-for-keycloak send their own id: it is not ours.
#[test]
fn replayed_keycloak_s_own_id_is_passed_over() {
    let mut service = Service::new();
    let body = json!({"schemas": [USER], "id": "6a2b1c", "userName": "alice", "emails": [{"value": "alice@example.org"}]});
    let created = service.send("POST", "//Users", body).expect(201);
    assert_ne!(created.id(), "6a2b1c");
    service
        .get(&format!("//Users//{}", created.id()))
        .expect(200);
}
