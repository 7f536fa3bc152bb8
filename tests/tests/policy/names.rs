//! Whose a token is, and whether the account is active.

use gatepost_core::{Active, UserCase};
use serde_json::{Value, json};

use super::{
    ALICE, NOW, check, check_at, claims, outcome, pair, policy, policy_with, raw, with, without,
};

#[test]
fn the_first_claim_that_is_there_names_the_user() {
    let mut policy = policy();
    policy.username_claims = &["email", "preferred_username"];
    let second = |value: Value| {
        let mut claims = without("email");
        claims["preferred_username"] = value;
        claims
    };
    pair(
        &policy,
        &second(json!("alice@example.com")),
        &[
            (without("email"), "no_user_name"),
            (second(json!("")), "unusable_user_name"),
            (second(json!("a b")), "unusable_user_name"),
            (second(json!("a\u{0}b")), "unusable_user_name"),
            (second(json!("a\nb")), "unusable_user_name"),
            (second(json!("a\u{2028}b")), "unusable_user_name"),
            (second(json!("a".repeat(257))), "unusable_user_name"),
            (second(json!("a@Gatepost.invalid")), "unusable_user_name"),
            (second(json!(5)), "malformed_claims"),
            (second(json!(["alice@example.com"])), "malformed_claims"),
        ],
    );
    let longest = "a".repeat(256);
    check(&policy, &second(json!(longest)), Ok(&longest));
    // No silent way round a claim that is there.
    let both = with(&[("preferred_username", json!("bob@example.com"))]);
    check(&policy, &both, ALICE);
    let mut empty = both.clone();
    empty["email"] = json!("");
    check(&policy, &empty, Err("unusable_user_name"));
}

#[test]
fn a_path_leads_to_one_place() {
    let mut policy = policy();
    policy.username_claims = &["mail.name"];
    let mail = |value: Value| with(&[("mail", value)]);
    pair(
        &policy,
        &mail(json!({"name": "alice@example.com"})),
        &[
            (mail(json!({"names": "alice@example.com"})), "no_user_name"),
            (mail(json!("alice@example.com")), "no_user_name"),
            (mail(json!([{"name": "alice@example.com"}])), "no_user_name"),
            (
                with(&[("mail.name", json!("x")), ("mail", json!({"name": "y"}))]),
                "malformed_claims",
            ),
        ],
    );
    check(
        &policy,
        &with(&[("mail.name", json!("alice@example.com"))]),
        ALICE,
    );
    let twice = raw(
        &[],
        r#""mail":{"name":"alice@example.com","name":"bob@example.com"}"#,
    );
    check_at(&policy, NOW, &twice, Err("malformed_claims"));
}

#[test]
fn names_are_compared_after_their_case_is_normalised() {
    let token = with(&[("email", json!("Alice@EXAMPLE.com"))]).to_string();
    for (case, user, others) in [
        (
            UserCase::LowerDomain,
            "Alice@example.com",
            ["alice@example.com", "Alice@example.co"],
        ),
        (
            UserCase::Lower,
            "alice@example.com",
            ["alice@example.co", "bob@example.com"],
        ),
        (
            UserCase::Keep,
            "Alice@EXAMPLE.com",
            ["alice@example.com", "Alice@example.com"],
        ),
    ] {
        let policy = policy_with(|policy| policy.user_case = case);
        let header = json!({"alg": "HS256"});
        let login = |user| outcome(&policy, NOW, &header, &token, user);
        for claimed in [None, Some("Alice@EXAMPLE.com"), Some(user)] {
            assert_eq!(login(claimed).code(), Ok(user), "{case:?} {claimed:?}");
        }
        for claimed in others {
            assert_eq!(
                login(Some(claimed)).code(),
                Err("wrong_user"),
                "{case:?} {claimed}"
            );
        }
    }
}

#[test]
fn the_client_may_only_be_whom_the_token_names() {
    let header = json!({"alg": "HS256"});
    let payload = claims().to_string();
    let login = |user| outcome(&policy(), NOW, &header, &payload, user);
    assert_eq!(login(Some("alice@example.com")).code(), ALICE);
    assert_eq!(login(Some("bob@example.com")).code(), Err("wrong_user"));
    assert_eq!(login(Some("alice")).code(), Err("wrong_user"));
    assert_eq!(
        login(Some("alice@example.com ")).code(),
        Err("unusable_user_name")
    );
}

#[test]
fn an_account_is_active_or_not() {
    let mut policy = policy();
    policy.active = Some(Active {
        claim: "on",
        value: None,
    });
    let on = |value: Value| with(&[("on", value)]);
    pair(
        &policy,
        &on(json!(false)),
        &[
            (claims(), "inactive"),
            (on(Value::Null), "malformed_claims"),
        ],
    );
    for (wanted, good, bad) in [
        ("true", json!(true), json!(false)),
        ("true", json!("true"), json!("True")),
        ("1", json!(1), json!(1.0)),
        ("yes", json!("yes"), json!("yes ")),
    ] {
        policy.active = Some(Active {
            claim: "on",
            value: Some(wanted),
        });
        pair(
            &policy,
            &on(good),
            &[
                (on(bad), "inactive"),
                (claims(), "inactive"),
                (on(Value::Null), "malformed_claims"),
                (on(json!([wanted])), "malformed_claims"),
            ],
        );
    }
    policy.active = Some(Active {
        claim: "account.on",
        value: Some("true"),
    });
    let nested = |value: Value| with(&[("account", json!({"on": value}))]);
    pair(
        &policy,
        &nested(json!(true)),
        &[(nested(json!(false)), "inactive")],
    );
}
