//! Patches and filters as RFC 7644 has them, drawn at random, and the same each time.

use serde_json::{Value, json};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Numbers that look random (xorshift64).
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap_or_default()
    }

    pub(super) fn one_of<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())].clone()
    }
}

/// Somebody with something in many attributes.
pub(super) fn alice() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
        "userName": "Alice@example.org",
        "externalId": "a-1",
        "active": true,
        "displayName": "Alice Smith",
        "title": "Boss \"a\"",
        "name": {"givenName": "Alice", "familyName": "Smith"},
        "emails": [
            {"value": "alice@example.org", "type": "work", "primary": true},
            {"value": "a.smith@elsewhere.com", "type": "home"},
        ],
        "roles": [{"value": "admin"}, {"value": "staff", "type": "x"}],
        (ENTERPRISE): {"employeeNumber": "7", "department": "Mail", "manager": {"value": "m-1"}},
    })
}

/// One to three operations.
pub(super) fn operations(numbers: &mut Numbers) -> Value {
    (0..=numbers.below(3)).map(|_| operation(numbers)).collect()
}

fn operation(numbers: &mut Numbers) -> Value {
    let text = |numbers: &mut Numbers| numbers.one_of(&["x", "Ann", "\u{e9}t\u{e9}", "a b"]);
    let email = |numbers: &mut Numbers| {
        numbers.one_of(&[
            "new@example.org",
            "other@elsewhere.com",
            "alice@example.org",
        ])
    };
    let number = format!("{ENTERPRISE}:employeeNumber");
    let manager = format!("{ENTERPRISE}:manager");
    let op = numbers.one_of(&["add", "replace", "remove"]);
    let (path, value) = match numbers.below(14) {
        0 => ("title", json!(text(numbers))),
        1 => ("displayName", json!(text(numbers))),
        2 => ("nickName", json!(text(numbers))),
        3 => ("name.givenName", json!(text(numbers))),
        4 => (
            "name",
            json!({"familyName": text(numbers), "formatted": text(numbers)}),
        ),
        5 => (
            "emails",
            json!([{"value": email(numbers), "type": "other"}]),
        ),
        6 => (
            "emails",
            json!([{"value": email(numbers), "primary": true}]),
        ),
        7 => ("emails[type eq \"work\"].value", json!(email(numbers))),
        8 => (
            "emails[type eq \"home\"]",
            json!({"value": email(numbers), "type": "home"}),
        ),
        9 => (
            "emails[value co \"elsewhere\"].display",
            json!(text(numbers)),
        ),
        10 => (number.as_str(), json!(text(numbers))),
        11 => (manager.as_str(), json!({"value": text(numbers)})),
        12 => ("roles", json!([{"value": text(numbers)}])),
        _ => return whole(numbers),
    };
    match op {
        "remove" => json!({"op": op, "path": path}),
        _ => json!({"op": op, "path": path, "value": value}),
    }
}

/// An operation without a path.
fn whole(numbers: &mut Numbers) -> Value {
    let op = numbers.one_of(&["add", "replace"]);
    let values = [
        json!({"title": "t", "active": false}),
        json!({"name": {"givenName": "G"}, "nickName": "n"}),
        json!({"emails": [{"value": "whole@example.org", "type": "work"}]}),
        json!({(ENTERPRISE): {"department": "D"}}),
    ];
    json!({"op": op, "value": numbers.one_of(&values)})
}

/// A filter of some comparisons.
pub(super) fn filter(numbers: &mut Numbers) -> String {
    join(numbers, 3)
}

fn join(numbers: &mut Numbers, depth: usize) -> String {
    if depth == 0 {
        return comparison(numbers);
    }
    match numbers.below(6) {
        0 => format!(
            "{} and {}",
            join(numbers, depth - 1),
            join(numbers, depth - 1)
        ),
        1 => format!(
            "{} or {}",
            join(numbers, depth - 1),
            join(numbers, depth - 1)
        ),
        2 => format!("not ({})", join(numbers, depth - 1)),
        3 => format!("({})", join(numbers, depth - 1)),
        _ => comparison(numbers),
    }
}

fn comparison(numbers: &mut Numbers) -> String {
    let texts = [
        "userName",
        "title",
        "displayName",
        "nickName",
        "externalId",
        "name.familyName",
        "name.middleName",
        "emails.value",
        "emails.type",
        "roles.value",
        "urn:ietf:params:scim:schemas:core:2.0:User:userName",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
    ];
    let values = [
        "alice@example.org",
        "ALICE@EXAMPLE.ORG",
        "Alice Smith",
        "smith",
        "a-1",
        "A-1",
        "work",
        "Mail",
        "admin",
        "m-1",
        "Boss \\\"a\\\"",
        "x",
        "",
    ];
    let parts = ["a", "S", "example", "@", "work", "ail"];
    match numbers.below(8) {
        0 => format!("{} pr", numbers.one_of(&texts)),
        1 => format!(
            "active {} {}",
            numbers.one_of(&["eq", "ne"]),
            numbers.one_of(&["true", "false"])
        ),
        2 => {
            let operator = numbers.one_of(&["co", "sw", "ew"]);
            format!(
                "{} {operator} \"{}\"",
                numbers.one_of(&texts),
                numbers.one_of(&parts)
            )
        }
        3 => {
            let operator = numbers.one_of(&["gt", "ge", "lt", "le"]);
            format!(
                "{} {operator} \"{}\"",
                numbers.one_of(&texts),
                numbers.one_of(&values)
            )
        }
        4 => {
            let inner = numbers.one_of(&[
                "type eq \"work\"",
                "type eq \"home\" and value co \"smith\"",
                "primary eq true and value ew \"org\"",
                "not (type eq \"work\")",
                "value eq \"ALICE@example.org\" or type pr",
            ]);
            format!("emails[{inner}]")
        }
        _ => {
            let operator = numbers.one_of(&["eq", "eq", "ne"]);
            format!(
                "{} {operator} \"{}\"",
                numbers.one_of(&texts),
                numbers.one_of(&values)
            )
        }
    }
}

/// A filter of which, half the time, a word is gone, doubled, or another.
pub(super) fn broken(numbers: &mut Numbers) -> String {
    let text = filter(numbers);
    let mut words: Vec<_> = text.split(' ').map(str::to_owned).collect();
    let at = numbers.below(words.len());
    match numbers.below(8) {
        0 => drop(words.remove(at)),
        1 => words.insert(at, words[at].clone()),
        2 => {
            let other = ["(", ")", "[", "]", "and", "not", "eq", "\"", "pr"];
            numbers.one_of(&other).clone_into(&mut words[at]);
        }
        3 => words[at].push(numbers.one_of(&['(', ')', '"', ']', '.', ':', '\\'])),
        _ => {}
    }
    words.join(" ")
}
