//! Entra's dialogue, with and without the flag `aadOptscim062020`. Replayed: the shapes are those of Microsoft's
//! pages "Develop a SCIM endpoint" and "Known issues", and of reports: scimmy 51 and 86, scim-patch 872, SCIM-SDK 419.

use serde_json::{Value, json};

use crate::service::{ENTERPRISE, Service, USER};

fn user() -> Value {
    json!({
        "schemas": [USER, ENTERPRISE, "urn:example:unknown:2.0:User"],
        "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
        "userName": "Test_User_ab6490ee@example.org",
        "active": true,
        "emails": [{"primary": true, "type": "work", "value": "Test_User_fd0ea19b@example.org"}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName"},
        "roles": [],
        "urn:example:unknown:2.0:User": {"colour": "blue"},
    })
}

fn created(service: &mut Service) -> String {
    let created = service.send("POST", "/Users", user()).expect(201);
    assert_eq!(created.body["meta"]["resourceType"], "User");
    assert!(created.body["urn:example:unknown:2.0:User"].is_null());
    format!("/Users/{}", created.id())
}

#[test]
fn replayed_filters_that_find_a_user() {
    let mut service = Service::new();
    created(&mut service);
    for (filter, number) in [
        ("userName eq \"Test_User_dfeef4c5\"", 0),
        ("userName eq \"test_user_AB6490EE@example.org\"", 1),
        ("externalId eq 0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef", 1),
        ("externalId eq \"0A21f0f2-8d2a-4f8e-bf98-7363c4aed4ef\"", 0),
        (
            "emails[type eq \"work\"].value eq \"test_user_fd0ea19b@EXAMPLE.org\"",
            1,
        ),
        (
            "emails[type eq \"home\"].value eq \"test_user_fd0ea19b@example.org\"",
            0,
        ),
        (
            "userName eq \"Test_User_ab6490ee@example.org\" and active eq true",
            1,
        ),
    ] {
        let found = service.filter("/Users", filter).expect(200);
        assert_eq!(found.body["totalResults"], number, "{filter}");
        assert_eq!(
            found.body["Resources"].as_array().unwrap().len(),
            number,
            "{filter}"
        );
    }
}

#[test]
fn replayed_active_is_a_text_without_the_flag_and_a_boolean_with_it() {
    let mut service = Service::new();
    let url = created(&mut service);
    for (value, is_active) in [
        (json!("False"), false),
        (json!("True"), true),
        (json!("false"), false),
        (json!(true), true),
        (json!(false), false),
    ] {
        let operation = json!([{"op": "Replace", "path": "active", "value": value}]);
        let body = service.patch(&url, operation).expect(200).body;
        assert_eq!(body["active"], json!(is_active));
        let found = service
            .index
            .by_address("test_user_ab6490ee@example.org")
            .unwrap();
        assert_eq!(found.is_active(), is_active);
    }
    let odd = json!([{"op": "Replace", "path": "active", "value": "maybe"}]);
    service.patch(&url, odd).expect_error(400, "invalidValue");
}

#[test]
fn replayed_a_value_of_an_element_that_is_not_there_makes_it() {
    let mut service = Service::new();
    let body = json!({"schemas": [USER], "userName": "bob", "externalId": "b"});
    let id = service.send("POST", "/Users", body).expect(201).id();
    let url = format!("/Users/{id}");
    let add = json!([{"op": "Add", "path": "emails[type eq \"work\"].value", "value": "bob@example.org"}]);
    let body = service.patch(&url, add).expect(200).body;
    assert_eq!(
        body["emails"],
        json!([{"type": "work", "value": "bob@example.org"}])
    );
    assert!(service.index.mailbox("bob@example.org").is_some());
    let replace = json!([{"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "b@example.org"}]);
    let body = service.patch(&url, replace).expect(200).body;
    assert_eq!(
        body["emails"],
        json!([{"type": "work", "value": "b@example.org"}])
    );
    let nothing = json!([{"op": "Replace", "path": "emails[type eq \"home\"].value", "value": "x@example.org"}]);
    service.patch(&url, nothing).expect_error(400, "noTarget");
}

#[test]
fn replayed_names_with_dots_and_urns_inside_of_a_value() {
    let mut service = Service::new();
    let url = created(&mut service);
    let value = json!({
        "displayName": "New Name",
        "name.givenName": "New",
        "title": "",
        (format!("{ENTERPRISE}:employeeNumber")): "4711",
        (format!("{ENTERPRISE}:department")): "Mail",
    });
    let body = service
        .patch(&url, json!([{"op": "replace", "value": value}]))
        .expect(200)
        .body;
    assert_eq!(
        body["name"],
        json!({"formatted": "givenName familyName", "familyName": "familyName", "givenName": "New"})
    );
    assert_eq!(
        body[ENTERPRISE],
        json!({"employeeNumber": "4711", "department": "Mail"})
    );
    assert_eq!(body["schemas"], json!([USER, ENTERPRISE]));
    assert_eq!(body["displayName"], "New Name");
}

#[test]
fn replayed_names_with_filters_inside_of_a_value() {
    let mut service = Service::new();
    let url = created(&mut service);
    let value = json!({
        "displayName": "New Name",
        "emails[type eq \"work\"].value": "new@example.org",
        "phoneNumbers[type eq \"mobile\"].value": "+49 1",
        "phoneNumbers[type eq \"mobile\"].primary": "True",
        "phoneNumbers[type eq \"work\"].value": "+49 2",
        (format!("{USER}:addresses[type eq \"work\"].locality")): "Ulm",
        "urn:example:unknown:2.0:User:colours[type eq \"eye\"].value": "blue",
    });
    let body = service
        .patch(&url, json!([{"op": "Add", "value": value}]))
        .expect(200)
        .body;
    assert_eq!(
        body["emails"],
        json!([{"primary": true, "type": "work", "value": "new@example.org"}])
    );
    assert_eq!(
        body["phoneNumbers"],
        json!([
            {"type": "mobile", "value": "+49 1", "primary": true},
            {"type": "work", "value": "+49 2"},
        ])
    );
    assert_eq!(
        body["addresses"],
        json!([{"type": "work", "locality": "Ulm"}])
    );
    assert!(service.index.mailbox("new@example.org").is_none());
    assert!(service.index.by_address("new@example.org").is_some());
    // Whoever replaces what is not there is told, and by which name.
    for (name, scim_type) in [
        ("ims[type eq \"xmpp\"].value", "noTarget"),
        ("colours[type eq \"eye\"].value", "invalidPath"),
        ("emails[type eq \"work\"].colour", "invalidPath"),
        ("emails[type eq \"work\"", "invalidFilter"),
        ("groups[type eq \"direct\"].value", "mutability"),
    ] {
        let operation = json!([{"op": "Replace", "value": {(name): "x", "title": "x"}}]);
        let body = service
            .patch(&url, operation)
            .expect_error(400, scim_type)
            .body;
        let name = name.replace('"', "\\\"");
        let detail = body["detail"].as_str().unwrap();
        assert!(detail.contains(&name), "{detail}");
    }
}

#[test]
fn replayed_a_manager_is_set_changed_and_taken_away() {
    let mut service = Service::new();
    let url = created(&mut service);
    let path = format!("{ENTERPRISE}:manager");
    for (value, expected) in [
        (json!("id-1"), json!({"value": "id-1"})),
        (json!({"value": "id-2"}), json!({"value": "id-2"})),
        (json!(""), Value::Null),
        (json!({"value": "id-3"}), json!({"value": "id-3"})),
        (Value::Null, Value::Null),
        (json!({"value": "id-4"}), json!({"value": "id-4"})),
        (json!({"value": ""}), Value::Null),
    ] {
        let operation = json!([{"op": "Add", "path": path, "value": value}]);
        let body = service.patch(&url, operation).expect(200).body;
        assert_eq!(body[ENTERPRISE]["manager"], expected, "{value}");
    }
    service
        .patch(&url, json!([{"op": "Add", "path": path, "value": "id-5"}]))
        .expect(200);
    let body = service
        .patch(&url, json!([{"op": "Remove", "path": path}]))
        .expect(200)
        .body;
    assert!(body[ENTERPRISE].is_null());
    assert_eq!(body["schemas"], json!([USER]));
}

#[test]
fn replayed_groups_with_and_without_the_flag() {
    let mut service = Service::new();
    let (alice, bob) = (service.user("alice"), service.user("bob"));
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group",
                    "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
        "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159",
        "displayName": "displayName",
        "meta": {"resourceType": "Group"},
    });
    let group = service.send("POST", "/Groups", body).expect(201).id();
    let url = format!("/Groups/{group}");
    let shown = service
        .get(&format!("{url}?excludedAttributes=members"))
        .expect(200)
        .body;
    assert!(shown.get("members").is_none());
    let found =
        service.get("/Groups?excludedAttributes=members&filter=displayName+eq+%22displayName%22");
    assert_eq!(found.body["totalResults"], 1);
    assert!(found.body["Resources"][0].get("members").is_none());

    let both = json!([{"$ref": null, "value": alice}, {"$ref": null, "value": bob}]);
    let add = json!([{"op": "Add", "path": "members", "value": both}]);
    let first = service.patch(&url, add.clone()).expect(200);
    let again = service.patch(&url, add).expect(200);
    assert_eq!(
        first.etag, again.etag,
        "who is a member already is no change"
    );
    assert_eq!(service.members(&group), ["alice", "bob"]);
    let is_member = service.filter(
        "/Groups",
        &format!("id eq \"{group}\" and members eq \"{bob}\""),
    );
    assert_eq!(is_member.body["totalResults"], 1);

    let remove =
        json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": bob}]}]);
    service.patch(&url, remove).expect(200);
    assert_eq!(service.members(&group), ["alice"]);
    let remove = json!([{"op": "remove", "path": format!("members[value eq \"{alice}\"]")}]);
    service.patch(&url, remove.clone()).expect(200);
    assert!(service.members(&group).is_empty());
    service.patch(&url, remove).expect(200);
    let rename = json!([{"op": "Replace", "path": "displayName", "value": "1879db59"}]);
    service.patch(&url, rename).expect(200);
    assert_eq!(
        service
            .filter("/Groups", "displayName eq \"1879DB59\"")
            .body["totalResults"],
        1
    );
    service.send("DELETE", &url, Value::Null).expect(204);
}

#[test]
fn replayed_a_large_group_is_patched_without_a_body() {
    let mut service = Service::new();
    let users: Vec<_> = (0..201).map(|n| service.user(&format!("u{n}"))).collect();
    let group = service.group("all", &[]);
    let members: Vec<_> = users.iter().map(|id| json!({"value": id})).collect();
    let url = format!("/Groups/{group}");
    let add = json!([{"op": "Add", "path": "members", "value": members}]);
    let reply = service.patch(&url, add).expect(204);
    assert!(reply.body.is_null());
    assert!(reply.etag.is_some());
    assert_eq!(
        service.get(&url).body["members"].as_array().unwrap().len(),
        201
    );
}

#[test]
fn replayed_a_soft_deleted_user_is_readable_and_comes_back() {
    let mut service = Service::new();
    let url = created(&mut service);
    let disable = json!([{"op": "Replace", "path": "active", "value": "False"}]);
    service.patch(&url, disable).expect(200);
    assert_eq!(service.get(&url).expect(200).body["active"], false);
    let enable = json!([{"op": "Replace", "path": "active", "value": "True"}]);
    service.patch(&url, enable).expect(200);
    service.send("DELETE", &url, Value::Null).expect(204);
    service.get(&url).expect_error(404, "");
    let back = service.send("POST", "/Users", user()).expect(201);
    assert_eq!(
        format!("/Users/{}", back.id()),
        url,
        "the same person has the same mailbox"
    );
}

#[test]
fn replayed_pages_of_five() {
    let mut service = Service::new();
    for number in 0..11 {
        service.user(&format!("u{number:02}"));
    }
    let mut seen = Vec::new();
    for page in 0..3 {
        let start = 5 * page + 1;
        let reply = service
            .get(&format!("/Users?startIndex={start}&count=5"))
            .expect(200);
        assert_eq!(reply.body["totalResults"], 11);
        assert_eq!(reply.body["startIndex"], start);
        assert_eq!(reply.body["itemsPerPage"], if page == 2 { 1 } else { 5 });
        seen.extend(reply.names().into_iter().map(str::to_owned));
    }
    let expected: Vec<_> = (0..11).map(|number| format!("u{number:02}")).collect();
    assert_eq!(seen, expected);
}

/// Its gallery's validator looks for every attribute that is mapped, and fails without the Group schema.
#[test]
fn replayed_schemas_list_what_is_mapped() {
    let mut service = Service::new();
    let body = service.get("/Schemas").expect(200).body;
    let attribute = |urn: &str, name: &str| {
        let schemas = body["Resources"].as_array().unwrap();
        let schema = schemas
            .iter()
            .find(|schema| schema["id"] == urn)
            .expect(urn);
        let attributes = schema["attributes"].as_array().unwrap();
        attributes.iter().any(|attribute| attribute["name"] == name)
    };
    for name in [
        "userName",
        "active",
        "displayName",
        "emails",
        "name",
        "addresses",
        "phoneNumbers",
        "password",
        "roles",
    ] {
        assert!(attribute(USER, name), "{name}");
    }
    assert!(attribute(crate::service::GROUP, "members"));
    for name in [
        "employeeNumber",
        "manager",
        "department",
        "division",
        "costCenter",
        "organization",
    ] {
        assert!(attribute(ENTERPRISE, name), "{name}");
    }
}

/// Its validator changes every single-valued attribute that `/Schemas` lists, by a PATCH and by a PUT.
#[test]
fn replayed_the_validator_updates_every_single_valued_attribute() {
    let mut service = Service::new();
    let url = created(&mut service);
    let schemas = service.get("/Schemas").expect(200).body;
    let mut tried = 0;
    for schema in schemas["Resources"].as_array().unwrap() {
        let (id, is_core) = (schema["id"].as_str().unwrap(), schema["id"] == USER);
        if !is_core && id != ENTERPRISE {
            continue;
        }
        for attribute in schema["attributes"].as_array().unwrap() {
            let name = attribute["name"].as_str().unwrap();
            let is_writable = attribute["mutability"] == "readWrite";
            if attribute["multiValued"] == true || attribute["type"] == "complex" || !is_writable {
                continue;
            }
            let value = match attribute["type"].as_str().unwrap() {
                "boolean" => json!(false),
                "dateTime" => json!("2026-11-30T00:00:00Z"),
                _ => json!(format!("{name}@example.org")),
            };
            let path = if is_core {
                name.to_owned()
            } else {
                format!("{id}:{name}")
            };
            let operation = json!([{"op": "Replace", "path": path, "value": value}]);
            let patched = service.patch(&url, operation).expect(200).body;
            let home = |body: &'_ Value| {
                if is_core {
                    body.clone()
                } else {
                    body[id].clone()
                }
            };
            let told = |body: &Value| home(body)[name].clone();
            assert_eq!(told(&patched), value, "{path}");
            let put = service.send("PUT", &url, patched).expect(200).body;
            assert_eq!(told(&put), value, "{path}");
            tried += 1;
        }
    }
    assert!(tried >= 15, "{tried}");
}

/// Its validator empties what it has set, by `null` and by an empty text: an attribute is gone, or says nothing.
#[test]
fn replayed_the_validator_updates_with_null_and_with_an_empty_text() {
    for value in [Value::Null, json!("")] {
        let mut service = Service::new();
        let url = created(&mut service);
        for path in [
            "title",
            "displayName",
            "name.familyName",
            "emails[type eq \"work\"].display",
            &format!("{ENTERPRISE}:department"),
            &format!("{ENTERPRISE}:manager"),
        ] {
            let set = json!([{"op": "Add", "path": path, "value": "set"}]);
            let before = service.patch(&url, set).expect(200).body;
            assert!(before.to_string().contains("\"set\""), "{path}");
            let empty = json!([{"op": "Replace", "path": path, "value": value}]);
            let after = service.patch(&url, empty).expect(200).body;
            assert!(!after.to_string().contains("\"set\""), "{path}: {after}");
            assert_eq!(after["userName"], before["userName"]);
            assert_eq!(after["active"], true);
        }
    }
}
