//! `exp`, `nbf` and `iat`, to the second.

use serde_json::json;

use super::{ALICE, NOW, check_at, claims, pair, policy, raw, with};

#[test]
fn a_token_expires_at_the_second() {
    let exp = NOW + 300;
    let payload = claims().to_string();
    for (now, expected) in [
        (exp - 1, ALICE),
        (exp + 59, ALICE),
        (exp + 60, Err("expired")),
    ] {
        check_at(&policy(), now, &payload, expected);
    }
    let mut strict = policy();
    strict.skew = 0;
    check_at(&strict, exp - 1, &payload, ALICE);
    check_at(&strict, exp, &payload, Err("expired"));
}

/// A device that has just started does not know what time it is.
#[test]
fn without_a_clock_no_claim_is_judged_and_no_token_called_bad() {
    for payload in [
        claims(),
        with(&[("exp", json!(1))]),
        with(&[("aud", json!("calendar"))]),
    ] {
        check_at(&policy(), None, &payload.to_string(), Err("clock_not_set"));
    }
}

#[test]
fn a_token_begins_at_the_second() {
    for (name, code) in [("nbf", "not_yet_valid"), ("iat", "issued_in_future")] {
        let payload = with(&[(name, json!(NOW)), ("exp", json!(NOW + 600))]).to_string();
        let payload = if name == "nbf" {
            payload.replace(&format!("\"iat\":{NOW}"), "\"iat\":1")
        } else {
            payload
        };
        check_at(&policy(), NOW - 60, &payload, ALICE);
        check_at(&policy(), NOW - 61, &payload, Err(code));
        let mut strict = policy();
        strict.skew = 0;
        check_at(&strict, NOW, &payload, ALICE);
        check_at(&strict, NOW - 1, &payload, Err(code));
    }
}

#[test]
fn dates_are_numbers_of_any_notation() {
    let exp = NOW + 300;
    for written in [
        format!("{exp}"),
        format!("{exp}.0"),
        format!("{exp}.999"),
        format!("{exp}.000E+0"),
        format!("{exp}0e-1"),
        format!("{}.{}e3", exp / 1000, exp % 1000),
    ] {
        let payload = raw(&["exp"], &format!("\"exp\":{written}"));
        check_at(&policy(), exp + 59, &payload, ALICE);
        check_at(&policy(), exp + 60, &payload, Err("expired"));
    }
    check_at(&policy(), NOW, &raw(&["exp"], r#""exp":1e18"#), ALICE);
    for written in [
        "1e19",
        "1e400",
        "-1",
        "-1e9",
        "true",
        "\"1795312300\"",
        "[1795312300]",
        "{}",
        "\"2026-11-22T05:00:00Z\"",
    ] {
        for name in ["exp", "nbf", "iat"] {
            let payload = raw(&[name], &format!("\"{name}\":{written}"));
            check_at(&policy(), NOW, &payload, Err("malformed_claims"));
        }
    }
    // No number of JSON at all.
    for written in ["01", "+1", ".5", "1.", "0x10", "NaN"] {
        let payload = raw(&["exp"], &format!("\"exp\":{written}"));
        check_at(&policy(), NOW, &payload, Err("malformed_claims"));
    }
}

#[test]
fn a_token_that_was_never_good_is_refused() {
    let exp = ("exp", json!(NOW - 30));
    let good = with(&[
        exp.clone(),
        ("iat", json!(NOW - 31)),
        ("nbf", json!(NOW - 30)),
    ]);
    let late = |name| {
        with(&[
            exp.clone(),
            ("iat", json!(NOW - 31)),
            (name, json!(NOW - 29)),
        ])
    };
    pair(
        &policy(),
        &good,
        &[
            (late("iat"), "malformed_claims"),
            (late("nbf"), "malformed_claims"),
        ],
    );
}
