//! What a provider pushes over SCIM: filters, paths, patches and whole requests, whatever they hold.

use std::sync::LazyLock;

use gatepost_accounts::id::Id;
use gatepost_accounts::scim::filter::Filter;
use gatepost_accounts::scim::patch::Patch;
use gatepost_accounts::scim::path::Path;
use gatepost_accounts::scim::schema::{GROUPS, USERS};
use serde_json::{Map, Value, json};

use crate::scim::{Reply, Service};

type Object = Map<String, Value>;

/// The URN that may stand before every name of a user's core attributes.
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User:";

/// Alice, with something in many attributes.
fn alice() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "alice@example.org",
        "externalId": "a-1",
        "active": true,
        "title": "Dr. \"A\"",
        "name": {"givenName": "Alice", "familyName": "Smith"},
        "emails": [
            {"value": "alice@example.org", "type": "work", "primary": true},
            {"value": "a@elsewhere.example", "type": "home"},
        ],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
            "employeeNumber": "7", "manager": {"value": "m"},
        },
    })
}

/// The same, as a resource is kept.
static ALICE: LazyLock<Object> = LazyLock::new(|| alice().as_object().cloned().unwrap_or_default());

/// A service that knows Alice, Bob and the staff, of whom Alice is; and their ids.
fn service() -> (Service, [String; 3]) {
    static SERVICE: LazyLock<(Service, [String; 3])> = LazyLock::new(make_service);
    SERVICE.clone()
}

fn make_service() -> (Service, [String; 3]) {
    let mut service = Service::new();
    let alice = service.create("/Users", &alice());
    let bob = service.create("/Users", &json!({"userName": "bob"}));
    let staff = json!({"displayName": "staff", "members": [{"value": alice}]});
    let staff = service.create("/Groups", &staff);
    (service, [alice, bob, staff])
}

/// A filter of users and of groups.
///
/// # Panics
/// Where it says of a user neither that it matches nor that its negation does, or both; or where twice itself is
/// something else.
pub fn scim_filter(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    for (resource_type, resource) in [(&USERS, &*ALICE), (&GROUPS, &Map::new())] {
        let Ok(filter) = Filter::parse(resource_type, text) else {
            continue;
        };
        let is_match = filter.matches(resource);
        for (written, expected) in [
            (format!("not ({text})"), !is_match),
            (format!("({text}) and ({text})"), is_match),
            (format!("({text}) or ({text})"), is_match),
        ] {
            // It may be too long or too deep now.
            if let Ok(other) = Filter::parse(resource_type, &written) {
                assert_eq!(other.matches(resource), expected, "{written}");
            }
        }
    }
}

/// The path of an operation.
///
/// # Panics
/// Where a name with its URN is read otherwise than without, or where what is removed can be removed again.
pub fn scim_path(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let is_path = Path::parse(&USERS, text).is_ok();
    if Path::parse(&USERS, &format!("{USER}{text}")).is_ok() && !text.contains(':') {
        assert!(is_path, "{text} is a path with its URN only");
    }
    let _ = Path::parse(&GROUPS, text);
    let body = json!({"Operations": [{"op": "remove", "path": text}]});
    let removed = |resource: &Object| {
        let patch = Patch::parse(&USERS, body.as_object()?.clone()).ok()?;
        let patched = patch.apply(Id::from_bytes([7; 16]), resource.clone());
        Some(patched.ok()?.resource().clone())
    };
    if let Some(once) = removed(&ALICE) {
        assert_eq!(removed(&once), Some(once), "{text} is removed twice");
    }
}

/// The body of a PATCH, of a user and of a group.
///
/// # Panics
/// Where a PUT of what was patched changes it, or something stays of a PATCH that is refused.
pub fn scim_patch(data: &[u8]) {
    let (mut service, [alice, _, staff]) = service();
    for url in [format!("/Users/{alice}"), format!("/Groups/{staff}")] {
        let reply = service.send("PATCH", &url, data);
        let is_known = [200, 204, 400, 409, 413].contains(&reply.status);
        assert!(is_known, "{}: {}", reply.status, reply.body);
        if reply.status == 200 {
            let before = service.send("GET", &url, b"").body;
            let put = service.push("PUT", &url, &before);
            assert_eq!((put.status, put.body), (200, before), "{url}");
        }
    }
}

/// Requests that follow one another, each a line with its method and URL, and its body until the next empty line.
/// In a URL `A`, `B` and `S` behind a `~` stand for those who are known.
///
/// # Panics
/// Where an answer is none of SCIM's, or what is made cannot be read.
pub fn scim_request(data: &[u8]) {
    let (mut service, ids) = service();
    let Ok(text) = str::from_utf8(data) else {
        // What is no text may be a body.
        check_answer(&service.send("POST", "/Users", data));
        return;
    };
    for request in text.split("\n\n") {
        let (line, body) = request.split_once('\n').unwrap_or((request, ""));
        let (method, url) = line.split_once(' ').unwrap_or((line, ""));
        let named = |text: &str| {
            let names = ["~A", "~B", "~S"].into_iter().zip(&ids);
            names.fold(text.to_owned(), |text, (name, id)| text.replace(name, id))
        };
        let reply = service.send(method, &named(url), named(body).as_bytes());
        check_answer(&reply);
        if reply.status == 201 {
            let kind = reply.body["meta"]["resourceType"].as_str();
            let id = reply.body["id"].as_str().expect("an id");
            let url = format!("/{}s/{id}", kind.expect("a type"));
            assert_eq!(service.send("GET", &url, b"").status, 200);
        }
    }
}

fn check_answer(reply: &Reply) {
    let Reply { status, body } = reply;
    match status {
        200 | 201 => assert!(body["schemas"].is_array(), "{body}"),
        204 | 304 => assert!(body.is_null(), "{body}"),
        400..=499 | 501 => assert_eq!(body["status"], json!(status.to_string()), "{body}"),
        _ => panic!("{status}: {body}"),
    }
    if body.get("Resources").is_some() {
        check_list(reply);
    }
}

fn check_list(reply: &Reply) {
    if reply.status == 200 {
        let resources = reply.body["Resources"].as_array().expect("a list");
        assert_eq!(reply.body["itemsPerPage"], json!(resources.len()));
    }
}
