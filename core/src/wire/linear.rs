//! The work of reading is linear in the input, however hostile that is: each byte is read a few times, and
//! never once for every member.

use std::{format, string::String, vec::Vec};

use super::{
    json::{Error, Object, Value},
    scanned,
};
use crate::{claims::Hints, wire::json::MAX_DEPTH};

/// Most readings of each byte: is it UTF-8, what is it in JSON, and what is it in a name.
const READINGS: usize = 3;

/// An object with `count` members, named by `name`.
fn object(count: usize, name: impl Fn(usize) -> String) -> String {
    let members: Vec<_> = (0..count)
        .map(|i| format!("\"{}\":{}", name(i), "7".repeat(48)))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// Payloads, each made to have something read again for every member.
fn hostile() -> Vec<(&'static str, String)> {
    let deep = format!(
        "{{\"a\":{}{}}}",
        "[".repeat(usize::from(MAX_DEPTH) - 1),
        "]".repeat(usize::from(MAX_DEPTH) - 1)
    );
    let nested = "{\"a\":".repeat(usize::from(MAX_DEPTH)) + "1" + &"}".repeat(MAX_DEPTH.into());
    // `b` to `z` and so on: 16 objects in each other, each with many members.
    let wide = (0..MAX_DEPTH).fold("7".into(), |inner: String, _| {
        let members = object(24, |i| format!("m{i}"));
        members.replacen('{', &format!("{{\"a\":{inner},"), 1)
    });
    [
        ("plain names", object(127, |i| format!("claim-{i:03}"))),
        (
            "one escaped name",
            object(127, |i| match i {
                0 => "\\u006e001".into(),
                i => format!("n{i:03}x"),
            }),
        ),
        (
            "one escaped name at the end",
            object(127, |i| match i {
                126 => "\\u006e001".into(),
                i => format!("n{i:03}x"),
            }),
        ),
        (
            "escaped names alone",
            object(127, |i| format!("\\u006e{i:03}")),
        ),
        (
            "names that differ in the middle alone",
            object(127, |i| format!("https://{i:03}/members")),
        ),
        (
            "long names that differ at the end alone",
            object(127, |i| "n".repeat(32) + &format!("{i:03}")),
        ),
        (
            "names that are equal but for their length",
            object(127, |i| "n".repeat(i)),
        ),
        ("arrays in each other", deep),
        ("objects in each other", nested),
        ("wide objects in each other", wide),
        (
            "long strings",
            object(3, |i| format!("{i}") + &"\\\\".repeat(2000)),
        ),
        (
            "one array",
            format!("{{\"a\":[{}]}}", "1,".repeat(3000) + "1"),
        ),
    ]
    .into()
}

#[track_caller]
fn check(what: &str, payload: &str, readings: usize, work: impl FnOnce(&[u8])) {
    let scanned = scanned::during(|| work(payload.as_bytes()));
    let bound = readings * payload.len();
    assert!(
        scanned <= bound,
        "{what}: {scanned} bytes read of {}",
        payload.len()
    );
    assert!(scanned > 0, "{what}: nothing was counted");
}

// N7: one escaped name, or equal fingerprints, had each later member walk the object again.
#[test]
fn members_are_read_once() {
    for (what, payload) in hostile() {
        check(what, &payload, READINGS, |payload| {
            Object::parse(payload)
                .unwrap()
                .members()
                .for_each(|member| assert!(member.is_ok(), "{what}"));
        });
    }
}

// N7: hints are read before anything vouches for the payload.
#[test]
fn hints_are_read_once() {
    for (what, payload) in hostile() {
        check(what, &payload, READINGS, |payload| {
            let hints = Hints::of(payload);
            for _ in 0..40 {
                assert!(hints.issuer().is_ok(), "{what}");
                assert!(!hints.is_minted_for("mail") && hints.issued_at().is_none());
            }
        });
    }
}

#[test]
fn refused_objects_are_read_no_more_often() {
    for (what, payload, why) in [
        (
            "the last name is the first, escaped",
            object(127, |i| match i {
                0 => "n000".into(),
                126 => "\\u006e000".into(),
                i => format!("\\u006d{i:03}"),
            }),
            Error::DuplicateName,
        ),
        (
            "too many members",
            object(1000, |i| format!("\\u006e{i:03}")),
            Error::TooManyMembers,
        ),
    ] {
        check(what, &payload, READINGS, |payload| {
            let mut members = Object::parse(payload).unwrap().members();
            let refusal = members.find_map(Result::err);
            assert_eq!(refusal, Some(why), "{what}");
        });
    }
}

#[test]
fn nested_values_are_walked_by_who_asks_for_them_alone() {
    let payload = format!("{{\"a\":{}}}", object(100, |i| format!("\\u006e{i:03}")));
    check("an object", &payload, READINGS, |payload| {
        let mut members = Object::parse(payload).unwrap().members();
        let (_, value) = members.next().unwrap().unwrap();
        assert!(matches!(value, Value::Object(_)));
    });
}
