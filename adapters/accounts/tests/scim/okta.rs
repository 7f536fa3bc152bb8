//! Okta's dialogue. Replayed: its specification test of 12 requests ("SCIM 2.0 Spec Test"), its pages on SCIM 2.0, and
//! reports: langwatch 7131, SCIM-SDK 419 and 757, scimgateway 113, tuist 13209.

use gatepost_accounts::scim::Response;
use serde_json::{Value, json};

use crate::service::{GROUP, PATCH_OP, Service, USER};

fn user(name: &str) -> Value {
    json!({
        "schemas": [USER],
        "userName": name,
        "name": {"givenName": "Test", "familyName": "User"},
        "emails": [{"primary": true, "value": name, "type": "work"}],
        "displayName": "Test User",
        "locale": "en-US",
        "externalId": format!("00u{}", name.len()),
        "groups": [],
        "password": "1mz050nq",
        "active": true,
    })
}

/// The twelve requests, in their order; the one about time is in the benchmarks.
#[test]
fn replayed_the_twelve_requests_of_its_specification_test() {
    let mut service = Service::new();
    service.user("somebody");
    // 1: a page of one user, with everything a user has.
    let first = service.get("/Users?count=1&startIndex=1").expect(200);
    assert_eq!(
        first.body["schemas"],
        json!(["urn:ietf:params:scim:api:messages:2.0:ListResponse"])
    );
    assert!(first.body["itemsPerPage"].is_number() && first.body["startIndex"].is_number());
    let one = &first.body["Resources"][0];
    assert!(one["id"].is_string() && one["userName"].is_string() && one["active"].is_boolean());
    assert!(one["emails"][0]["value"].is_string());
    // 2: the same by its id.
    let id = one["id"].as_str().unwrap().to_owned();
    assert_eq!(service.get(&format!("/Users/{id}")).expect(200).id(), id);
    // 3: nobody of that name.
    let nobody = service
        .filter("/Users", "userName eq \"abcdefgh@example.org\"")
        .expect(200);
    assert_eq!(nobody.body["totalResults"], 0);
    assert_eq!(nobody.body["Resources"], json!([]));
    // 4: nobody of that id.
    let error = service
        .get("/Users/010101001010101011001010101011")
        .expect_error(404, "");
    assert_eq!(error.body["status"], "404");
    // 5: a user is made.
    let name = "Runscope300g7mdg0@example.org";
    let created = service.send("POST", "/Users", user(name)).expect(201);
    assert_eq!(
        created.body["name"],
        json!({"givenName": "Test", "familyName": "User"})
    );
    // 6: and read.
    let id = created.id();
    assert_eq!(
        service.get(&format!("/Users/{id}")).expect(200).body["userName"],
        name
    );
    // 7: and made again.
    service
        .send("POST", "/Users", user(name))
        .expect_error(409, "uniqueness");
    // 8: the name is found in capitals.
    let found = service.filter(
        "/Users",
        &format!("userName eq \"{}\"", name.to_uppercase()),
    );
    assert_eq!(found.expect(200).body["Resources"][0]["id"], json!(id));
    // 9, 10: groups.
    let groups = service.get("/Groups?startIndex=1&count=100").expect(200);
    assert_eq!(groups.body["Resources"], json!([]));
    // 11: a request without a token that opens anything.
    let unauthorized = Response::unauthorized();
    assert_eq!(unauthorized.status, 401);
    let body: Value = serde_json::from_str(&unauthorized.body.text()).unwrap();
    assert_eq!(body["status"], "401");
    assert_eq!(
        body["schemas"],
        json!(["urn:ietf:params:scim:api:messages:2.0:Error"])
    );
    // 12: nothing of that path.
    service.get("/Userz").expect_error(404, "");
}

#[test]
fn replayed_only_active_changes_by_a_value_without_a_path() {
    let mut service = Service::new();
    let created = service
        .send("POST", "/Users", user("a@example.org"))
        .expect(201);
    let url = format!("/Users/{}", created.id());
    let deactivate = json!([{"op": "replace", "value": {"active": false}}]);
    let changed = service.patch(&url, deactivate).expect(200);
    let (mut before, mut after) = (created.body, changed.body);
    assert_eq!(after["active"], false);
    for body in [&mut before, &mut after] {
        body.as_object_mut()
            .unwrap()
            .retain(|name, _| name != "active" && name != "meta");
    }
    assert_eq!(before, after);
    // It never deletes users; the mail of those who left still comes.
    assert!(service.index.mailbox("a@example.org").is_some());
    assert!(service.index.may_send_as("a@example.org").is_empty());
}

#[test]
fn replayed_a_user_is_put_whole() {
    let mut service = Service::new();
    let id = service
        .send("POST", "/Users", user("a@example.org"))
        .expect(201)
        .id();
    let mut body = user("b@example.org");
    body["id"] = json!(id);
    body["externalId"] = json!("00u13");
    body["meta"] = json!({"resourceType": "User"});
    body["groups"] = json!([]);
    let put = service
        .send("PUT", &format!("/Users/{id}"), body)
        .expect(200);
    assert_eq!(put.id(), id);
    assert!(service.index.mailbox("a@example.org").is_none());
    assert!(service.index.mailbox("b@example.org").is_some());
}

#[test]
fn replayed_groups_are_renamed_pushed_and_emptied() {
    let mut service = Service::new();
    let (alice, bob) = (service.user("alice"), service.user("bob"));
    let body = json!({
        "schemas": [GROUP],
        "displayName": "Test SCIMv2",
        "members": [{"value": alice, "display": "alice@example.org"}],
    });
    let group = service.send("POST", "/Groups", body).expect(201);
    assert_eq!(
        group.body["members"][0]["type"], "User",
        "members come without a type"
    );
    let group = group.id();
    let url = format!("/Groups/{group}");

    let rename = json!([{"op": "replace", "value": {"id": group, "displayName": "Test 1 SCIMv2"}}]);
    service.patch(&url, rename).expect(200);
    assert_eq!(service.members(&group), ["alice"]);

    let change = json!([
        {"op": "remove", "path": format!("members[value eq \"{alice}\"]")},
        {"op": "add", "path": "members", "value": [{"value": bob, "display": "bob@example.org"}]},
    ]);
    service.patch(&url, change).expect(200);
    assert_eq!(service.members(&group), ["bob"]);

    let push =
        json!([{"op": "replace", "path": "members", "value": [{"value": alice}, {"value": bob}]}]);
    service.patch(&url, push).expect(200);
    assert_eq!(service.members(&group), ["alice", "bob"]);
    let empty =
        json!([{"op": "replace", "value": {"id": group, "displayName": "Test", "members": []}}]);
    service.patch(&url, empty).expect(200);
    assert!(service.members(&group).is_empty());
    service
        .patch(
            &url,
            json!([{"op": "add", "path": "members", "value": [{"value": bob}]}]),
        )
        .expect(200);
    service
        .patch(
            &url,
            json!([{"op": "replace", "path": "members", "value": []}]),
        )
        .expect(200);
    assert!(service.members(&group).is_empty());

    let body = json!({"schemas": [GROUP], "id": group, "displayName": "Test", "members": [{"value": bob}]});
    service.send("PUT", &url, body).expect(200);
    assert_eq!(service.members(&group), ["bob"]);
    service.send("DELETE", &url, Value::Null).expect(204);
}

#[test]
fn replayed_operations_may_have_no_schemas() {
    let mut service = Service::new();
    let url = format!("/Users/{}", service.user("alice"));
    let body = json!({"schemas": [PATCH_OP], "operations": [{"OP": "REPLACE", "Value": {"active": false}}]});
    assert_eq!(
        service.send("PATCH", &url, body).expect(200).body["active"],
        false
    );
}
