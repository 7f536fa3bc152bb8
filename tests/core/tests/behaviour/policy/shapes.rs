//! Odd JSON, in headers, payloads and keys.

use gatepost_core::jose::{Jwk, KeyError, ShortName};
use serde_json::{Value, json};

use super::{ALICE, NOW, check, check_at, claims, outcome, pair, policy, policy_with, raw, with};

#[test]
fn escapes_hide_no_claim() {
    check(&policy(), &claims(), ALICE);
    for (written, code) in [
        (r#""\u0063nf":{"jkt":"x"}"#, "key_bound_token"),
        (r#""n\u0062f":1900000000"#, "not_yet_valid"),
        (r#""non\u0063e":"x""#, "not_access_token"),
        (r#""token_\u0075se":"refresh""#, "not_access_token"),
        (r#""\u0065xp":1"#, "malformed_claims"),
    ] {
        check_at(&policy(), NOW, &raw(&[], written), Err(code));
    }
    check_at(
        &policy(),
        NOW,
        &raw(&["exp"], r#""\u0065xp":1795312300"#),
        ALICE,
    );
    check_at(
        &policy(),
        NOW,
        &raw(&["exp"], r#""\u0065xp":1795311000"#),
        Err("expired"),
    );
}

#[test]
fn odd_json_is_refused_cleanly() {
    let nested = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let members = |count| {
        (0..count)
            .map(|i| format!("\"m{i}\":0"))
            .collect::<Vec<_>>()
            .join(",")
    };
    check_at(
        &policy(),
        NOW,
        &raw(&[], &format!("\"x\":{}", nested(15))),
        ALICE,
    );
    check_at(&policy(), NOW, &raw(&[], &members(122)), ALICE);
    let whole = claims().to_string();
    for payload in [
        raw(&[], &format!("\"x\":{}", nested(16))),
        raw(&[], &format!("\"x\":{}", nested(200))),
        raw(&[], &members(123)),
        raw(&[], r#""exp":1900000000"#),
        raw(&[], r#""email":"bob@example.com""#),
        raw(&[], r#""x":1,"x":2"#),
        raw(&[], r#""x":"\ud800""#),
        raw(&[], r#""x":tru"#),
        format!("{whole}x"),
        format!("{whole}{whole}"),
        format!("[{whole}]"),
        format!("\u{feff}{whole}"),
        whole.replace('}', ",}"),
        whole.replace('}', ""),
        whole.replace('"', "'"),
        "[]".to_owned(),
        "null".to_owned(),
        "5".to_owned(),
        "\"x\"".to_owned(),
        String::new(),
        nested(200),
    ] {
        check_at(&policy(), NOW, &payload, Err("malformed_claims"));
    }
}

#[test]
fn odd_headers_are_refused_cleanly() {
    let payload = claims().to_string();
    let judge = |header: Value| outcome(&policy(), NOW, &header, &payload, None);
    let alg = |name: &str, value: Value| {
        let mut header = json!({"alg": "HS256"});
        header[name] = value;
        header
    };
    for good in [
        json!({"alg": "HS256"}),
        alg("kid", json!("HS256")),
        alg("jku", json!("https://evil.example")),
    ] {
        assert_eq!(judge(good.clone()).code(), ALICE, "{good}");
    }
    let deep = (0..200).fold(json!(1), |value, _| json!([value]));
    for (bad, code) in [
        (json!([]), "malformed_token"),
        (json!([{"alg": "HS256"}]), "malformed_token"),
        (json!(null), "malformed_token"),
        (json!("HS256"), "malformed_token"),
        (json!({}), "malformed_token"),
        (alg("x", deep), "malformed_token"),
        (alg("kid", json!("")), "malformed_token"),
        (alg("kid", json!(5)), "malformed_token"),
        (alg("kid", Value::Null), "malformed_token"),
        (alg("typ", json!(5)), "not_access_token"),
        (alg("alg", json!("hs256")), "unsupported_algorithm"),
        (alg("alg", json!("none")), "unsupported_algorithm"),
        (alg("alg", json!(5)), "malformed_token"),
        (alg("crit", json!(["exp"])), "unsupported_extension"),
        (alg("crit", json!([])), "unsupported_extension"),
        (alg("b64", json!(false)), "unsupported_extension"),
        (alg("b64", json!(true)), "unsupported_extension"),
        (alg("kid", json!("other")), "unknown_key"),
        (alg("alg", json!("HS384")), "unknown_key"),
    ] {
        assert_eq!(judge(bad.clone()).code(), Err(code), "{bad}");
    }
}

#[test]
fn escapes_hide_no_member_of_a_key() {
    let jwk = |written: &str| {
        format!(
            r#"{{"kty":"OKP","crv":"Ed25519","x":"{}",{written}}}"#,
            "A".repeat(43)
        )
    };
    let parse = |written: &str| Jwk::parse(jwk(written).as_bytes()).err();
    assert_eq!(parse(r#""use":"sig""#), None);
    for (written, error) in [
        (r#""\u0075se":"enc""#, KeyError::NotForSignatures),
        (r#""key_\u006fps":["sign"]"#, KeyError::NotForSignatures),
        (
            r#""\u0061lg":"ES224""#,
            KeyError::UnsupportedAlgorithm(ShortName::new("ES224")),
        ),
    ] {
        assert_eq!(parse(written), Some(error), "{written}");
    }
}

/// J3: `null` is absence, everywhere.
#[test]
fn a_claim_that_is_null_is_absent() {
    let missing = ["exp", "sub", "iss", "aud"].map(|name| (name, "missing_claim"));
    let bad: Vec<_> = missing
        .into_iter()
        .chain([("email", "no_user_name")])
        .map(|(name, code)| (with(&[(name, Value::Null)]), code))
        .collect();
    pair(&policy(), &claims(), &bad);
    for name in ["iat", "nbf", "scope", "azp", "jti"] {
        check(&policy(), &with(&[(name, Value::Null)]), ALICE);
    }
}

/// A nested object may not lead to one path in two ways either: the later would win.
#[test]
fn two_ways_to_a_nested_path_are_refused() {
    let policy = policy_with(|policy| policy.username_claims = &["profile.mail.user"]);
    let nested = |profile: Value| with(&[("profile", profile)]);
    let alice = "alice@example.com";
    for good in [
        json!({"mail": {"user": alice}}),
        json!({"mail.user": alice}),
        json!({"mail.user": alice, "mail": true}),
        json!({"mail": true, "mail.user": alice}),
    ] {
        check(&policy, &nested(good), ALICE);
    }
    for two in [
        r#""profile":{"mail":{"user":"alice@example.com"},"mail.user":"bob@example.com"}"#,
        r#""profile":{"mail.user":"bob@example.com","mail":{"user":"alice@example.com"}}"#,
    ] {
        check_at(&policy, NOW, &raw(&[], two), Err("malformed_claims"));
    }
}
