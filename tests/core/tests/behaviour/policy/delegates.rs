//! Who may log in as somebody else: a shared mailbox.

use gatepost_core::{Delegate, Policy};
use serde_json::{Value, json};

use super::*;

/// Who logs in, and who that really is.
#[track_caller]
fn login(policy: &Policy<'_>, claims: &Value, user: &str) -> Result<String, &'static str> {
    let header = json!({"alg": "HS256"});
    let outcome = outcome(policy, NOW, &header, &claims.to_string(), Some(user));
    let user = outcome.code()?;
    let actor = outcome.actor.as_deref();
    // Nobody acts for themselves.
    let expected = Some("alice@example.com").filter(|actor| *actor != user);
    assert_eq!(actor, expected, "{user}");
    Ok(user.to_owned())
}

#[test]
fn nobody_is_a_delegate_by_default() {
    let shared = with(&[("mailboxes", json!(["info@example.com"]))]);
    let mut policy = policy();
    policy.domains = &["example.com"];
    assert_eq!(
        login(&policy, &shared, "info@example.com"),
        Err("wrong_user")
    );
}

#[test]
fn a_delegate_acts_as_those_whom_a_table_or_a_claim_names() {
    let table = [Delegate {
        user: "alice@example.com",
        may_act_as: &["info@Example.com", "ceo@example.org"],
    }];
    let mut policy = policy();
    policy.domains = &["example.com"];
    policy.delegates = &table;
    policy.delegates_claim = Some("mail.shared");
    let shared = |value: Value| with(&[("mail", json!({"shared": value}))]);
    for (claims, user, expected) in [
        (claims(), "alice@example.com", Ok("alice@example.com")),
        (claims(), "info@example.com", Ok("info@example.com")),
        (claims(), "bob@example.com", Err("wrong_user")),
        // Not within the provider's domains, whoever says so.
        (claims(), "ceo@example.org", Err("wrong_user")),
        (
            shared(json!("ceo@example.org")),
            "ceo@example.org",
            Err("wrong_user"),
        ),
        (
            shared(json!("team@example.com")),
            "team@example.com",
            Ok("team@example.com"),
        ),
        (
            shared(json!(["x@example.com", "team@example.com"])),
            "team@example.com",
            Ok("team@example.com"),
        ),
        (
            shared(json!({"team@example.com": true})),
            "team@example.com",
            Err("wrong_user"),
        ),
        (
            shared(json!(["*", ""])),
            "team@example.com",
            Err("wrong_user"),
        ),
    ] {
        assert_eq!(
            login(&policy, &claims, user).as_deref(),
            expected.as_ref().map(|user: &&str| &**user),
            "{claims} {user}"
        );
    }
    // Whose token it is decides, not who is asked for.
    let bob = with(&[("email", json!("bob@example.com"))]);
    assert_eq!(login(&policy, &bob, "info@example.com"), Err("wrong_user"));
    // Without domains there is no telling whose mailboxes these are.
    policy.domains = &[];
    assert_eq!(
        login(&policy, &claims(), "info@example.com"),
        Err("wrong_user")
    );
}
