//! canaille 0.3.6's dialogue, recorded when it ran against this provider: its command line created a user and a group,
//! changed and locked the user, renamed the group, and deleted both. The ids of this provider are put in again.

use serde_json::{Value, json};

use crate::service::{BASE, ENTERPRISE, GROUP, MAIL, Service, USER};

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
    let group = schemas["Resources"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["id"] == GROUP)
        .unwrap();
    let members = group["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "members")
        .unwrap();
    let names: Vec<_> = members["subAttributes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names, ["value", "$ref", "type", "display"]);
    service.get("/ServiceProviderConfig").expect(200);
}

const EXTERNAL_ID: &str = "16a882f5-dd2f-457e-b0e9-7a47113b9c82";

/// A user as it writes one: with the schemas of all extensions that we announce, and the hash of a password.
fn user(family_name: &str, is_active: bool) -> Value {
    json!({
        "schemas": [USER, ENTERPRISE, MAIL],
        "externalId": EXTERNAL_ID,
        "userName": "alice",
        "name": {"familyName": family_name, "givenName": "Alice"},
        "active": is_active,
        "password": "$pbkdf2-sha512$25000$g3BOCQGAMCbkPAfgXEuplQ$98cocKYf8SCbjoCkwMqaFxdY4Pi.PHd4iaXXWeD752gAdaxyIocoyitzGrtTNmfSw5Zph3/xcPX.KXlOvrTOMg",
        "emails": [{"value": "alice@example.org"}],
    })
}

fn group(name: &str, member: &str) -> Value {
    let location = format!("{BASE}/Users/{member}");
    json!({
        "schemas": [GROUP],
        "externalId": "5029c403-34ad-4ddc-be37-4173b27b9923",
        "displayName": name,
        "members": [{"value": member, "$ref": location, "type": "User"}],
    })
}

/// Looks for the user, as it does before every write and for every member; gives how many there are.
#[track_caller]
fn look_for(service: &mut Service, url: &str) -> u64 {
    discover(service);
    service.get(url).expect(200).body["totalResults"]
        .as_u64()
        .unwrap()
}

#[test]
fn recorded_create_change_lock_rename_and_delete() {
    let users = format!("/Users?filter=externalId+eq+%22{EXTERNAL_ID}%22");
    let groups = "/Groups?filter=externalId+eq+%225029c403-34ad-4ddc-be37-4173b27b9923%22";
    let mut service = Service::new();
    assert_eq!(look_for(&mut service, &users), 0);
    let id = service
        .send("POST", "/Users", user("Smith", true))
        .expect(201)
        .id();
    assert!(
        service.index.mailbox("alice@example.org").is_some(),
        "before any login"
    );
    assert_eq!(look_for(&mut service, groups), 0);
    assert_eq!(look_for(&mut service, &users), 1);
    let staff = service
        .send("POST", "/Groups", group("staff", &id))
        .expect(201)
        .id();
    let (user_url, group_url) = (format!("/Users/{id}"), format!("/Groups/{staff}"));
    for (family_name, is_active) in [("Jones", true), ("Jones", false)] {
        assert_eq!(look_for(&mut service, &users), 1);
        let changed = service
            .send("PUT", &user_url, user(family_name, is_active))
            .expect(200);
        assert_eq!(changed.body["name"]["familyName"], family_name);
        assert_eq!(
            changed.body["schemas"],
            json!([USER]),
            "of extensions only those that hold something"
        );
        // It writes every group of the user again.
        assert_eq!(look_for(&mut service, groups), 1);
        service
            .send("PUT", &group_url, group("staff", &id))
            .expect(200);
    }
    assert!(service.index.may_send_as("alice@example.org").is_empty());
    service
        .send("PUT", &group_url, group("crew", &id))
        .expect(200);
    assert_eq!(service.members(&staff), ["alice"]);
    assert_eq!(look_for(&mut service, groups), 1);
    service.send("DELETE", &group_url, Value::Null).expect(204);
    assert_eq!(look_for(&mut service, &users), 1);
    service.send("DELETE", &user_url, Value::Null).expect(204);
    assert_eq!(look_for(&mut service, &users), 0);
    assert!(service.index.is_empty());
}
