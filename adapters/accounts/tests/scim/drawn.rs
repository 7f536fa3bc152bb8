//! Whatever comes is answered: filters, paths, patches and requests, drawn at random from pieces of real ones. A fuzzer
//! has these same functions.

use gatepost_accounts::id::Id;
use gatepost_accounts::scim::filter::Filter;
use gatepost_accounts::scim::object;
use gatepost_accounts::scim::patch::Patch;
use gatepost_accounts::scim::path::Path;
use gatepost_accounts::scim::schema::{GROUPS, USERS};
use serde_json::json;

use crate::service::Service;
use crate::whole::Numbers;

const PIECES: &[&str] = &[
    "userName",
    "emails",
    "members",
    "name.givenName",
    "active",
    "meta.created",
    "groups",
    "urn:",
    ":",
    ".",
    "value",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    "manager",
    "[",
    "]",
    "(",
    ")",
    "\"",
    "\\",
    "\\u0000",
    " ",
    " eq ",
    " pr",
    " and ",
    " or ",
    "not ",
    "co",
    "gt",
    "true",
    "null",
    "1",
    "\"work\"",
    "type",
    "primary",
    "\u{e9}",
    "\u{202e}",
    "*",
    "@example.org",
    "id",
    "displayName",
];

const BODIES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"op\":",
    "\"add\"",
    "\"remove\"",
    "\"replace\"",
    "\"path\":",
    "\"value\":",
    "\"Operations\":[",
    "\"userName\":",
    "\"emails\":",
    "\"members\":",
    "\"displayName\":",
    "\"active\":",
    "\"False\"",
    "null",
    "true",
    "7",
    "1e999",
    "\"x\"",
    "\"a@example.org\"",
    "\"password\":\"p\"",
    "{\"value\":\"b@example.org\"}",
    "\"urn:gatepost:params:scim:schemas:extension:mail:2.0:User\":",
    "\"forwarding\":",
    "\"quota\":",
    "\"id\":",
    "\"schemas\":",
];

fn drawn(numbers: &mut Numbers, pieces: &[&'static str], most: usize) -> String {
    let number = numbers.below(most);
    (0..number).map(|_| numbers.one_of(pieces)).collect()
}

#[test]
fn every_filter_and_path_is_read_or_refused() {
    let mut numbers = Numbers(1);
    let user = json!({"userName": "alice", "emails": [{"value": "a@example.org", "type": "work"}], "active": true});
    let user = user.as_object().unwrap();
    let (mut filters, mut matched, mut paths) = (0, 0, 0);
    for _ in 0..30_000 {
        let text = drawn(&mut numbers, PIECES, 9);
        for resource_type in [&USERS, &GROUPS] {
            if let Ok(filter) = Filter::parse(resource_type, &text) {
                matched += usize::from(filter.matches(user));
                filters += 1;
            }
            paths += usize::from(Path::parse(resource_type, &text).is_ok());
        }
    }
    assert!(
        filters > 100 && matched > 0 && paths > 100,
        "{filters}, {matched}, {paths}"
    );
}

#[test]
fn every_patch_is_done_or_refused() {
    let mut numbers = Numbers(2);
    let id = Id::from_bytes([1; 16]);
    let (mut parsed, mut done) = (0, 0);
    for _ in 0..20_000 {
        let path = drawn(&mut numbers, PIECES, 6).replace(['\\', '"'], "");
        let value = drawn(&mut numbers, BODIES, 4);
        let value = if object(format!("{{\"v\":{value}}}").as_bytes()).is_ok() {
            value
        } else {
            "\"x\"".to_owned()
        };
        let op = numbers.one_of(&["add", "Replace", "remove"]);
        let body = format!(
            "{{\"Operations\":[{{\"op\":\"{op}\",\"path\":\"{path}\",\"value\":{value}}}]}}"
        );
        let Ok(body) = object(body.as_bytes()) else {
            continue;
        };
        let Ok(read) = Patch::parse(&USERS, body) else {
            continue;
        };
        parsed += 1;
        let user =
            json!({"userName": "alice", "emails": [{"value": "a@example.org", "type": "work"}]});
        if let Ok(patched) = read.apply(id, user.as_object().unwrap().clone()) {
            assert!(patched.resource().contains_key("userName"));
            done += 1;
        }
    }
    assert!(parsed > 300 && done > 100, "{parsed} read, {done} done");
}

#[test]
fn every_request_is_answered_and_leaves_the_store_whole() {
    let mut numbers = Numbers(3);
    let mut service = Service::new();
    let urls = [
        format!("/Users/{}", service.user("alice")),
        format!("/Groups/{}", service.group("staff", &[])),
        "/Users".to_owned(),
        "/Groups".to_owned(),
        "/.search".to_owned(),
        "/Schemas".to_owned(),
    ];
    let mut statuses = std::collections::BTreeMap::new();
    for _ in 0..2_000 {
        let method = numbers.one_of(&["GET", "POST", "PUT", "PATCH", "DELETE", "X"]);
        let method = if method == "DELETE" && numbers.below(10) > 0 {
            "PATCH"
        } else {
            method
        };
        let url = &urls[numbers.below(urls.len())];
        let inside = drawn(&mut numbers, BODIES, 12);
        let name = numbers.one_of(&["bob", "carol", "x@example.org"]);
        let body = match numbers.below(4) {
            0 => inside,
            1 => format!("{{\"userName\":\"{name}\",\"displayName\":\"{name}\"}}"),
            2 => format!(
                "{{\"Operations\":[{{\"op\":\"replace\",\"value\":{{\"displayName\":\"{name}\"}}}}]}}"
            ),
            _ => format!("{{\"userName\":\"{name}\",\"displayName\":\"{name}\",{inside}\"x\":1}}"),
        };
        let query = drawn(&mut numbers, PIECES, 4);
        let url = if numbers.below(3) == 0 {
            format!("{url}?filter={query}")
        } else {
            url.clone()
        };
        let reply = service.send_bytes(method, &url, body.as_bytes());
        assert_ne!(reply.status, 500);
        *statuses.entry(reply.status).or_insert(0) += 1;
    }
    for status in [200, 201, 400, 404, 405, 409] {
        assert!(statuses.contains_key(&status), "{statuses:?}");
    }
}
