//! What a policy takes and refuses, at its boundaries, with the time as data.
//!
//! Every login that is accepted has a counterpart with one thing wrong. All of them run on both backends.

mod claims;
mod dates;
mod delegates;
mod keys;
mod kinds;
mod messages;
mod names;
mod shapes;
mod steps;
mod tenants;

use std::sync::LazyLock;

use gatepost_core::exchange::LoginSettings;
use gatepost_core::sasl::Mechanism;
use gatepost_core::{Audience, Policy, UnixTime};
use gatepost_core_tests::judge::{BACKENDS, Outcome, judge, oauthbearer, xoauth2};
use gatepost_core_tests::mint::Issuer;
use serde_json::{Value, json};

const NOW: i64 = 1_795_312_000;
const ISSUER: &str = "https://id.example.com";
const ALICE: Result<&str, &str> = Ok("alice@example.com");

static KEYS: LazyLock<[Issuer; 6]> = LazyLock::new(|| std::array::from_fn(|_| Issuer::new()));

fn policy() -> Policy<'static> {
    let mut policy = Policy::new("example", Audience::OneOf(&["mail"]));
    policy.issuer = Some(ISSUER);
    policy.username_claims = &["email"];
    policy
}

fn policy_with(change: impl FnOnce(&mut Policy<'static>)) -> Policy<'static> {
    let mut policy = policy();
    change(&mut policy);
    policy
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "s-1", "aud": "mail", "email": "alice@example.com",
        "exp": NOW + 300, "iat": NOW,
    })
}

fn with(changes: &[(&str, Value)]) -> Value {
    let mut claims = claims();
    for (name, value) in changes {
        claims[*name] = value.clone();
    }
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().expect("an object").remove(name);
    claims
}

/// The claims, with `raw` instead of any member of the same names; for what `Value` cannot write.
fn raw(removed: &[&str], raw: &str) -> String {
    let mut claims = claims();
    for name in removed {
        claims.as_object_mut().expect("an object").remove(*name);
    }
    let text = claims.to_string();
    format!("{},{raw}}}", text.strip_suffix('}').expect("an object"))
}

/// Judges a token that is signed with HS256, on both backends.
#[track_caller]
fn outcome(
    policy: &Policy<'_>,
    now: impl Into<Option<i64>>,
    header: &Value,
    payload: &str,
    user: Option<&str>,
) -> Outcome {
    let now = now.into().map(UnixTime::from_seconds);
    let token = KEYS[0].sign_with_header("HS256", header, payload.as_bytes());
    let jwks = [KEYS[0].jwk("HS256")];
    let (mechanism, message) = match user {
        Some(user) => (Mechanism::XOAuth2, xoauth2(user, &token)),
        None => (Mechanism::OAuthBearer, oauthbearer(&token)),
    };
    let [first, second] = BACKENDS.map(|backend| {
        let keys = backend.prepare_all(&jwks);
        let trusted = [keys[0].trusted(policy)];
        judge(LoginSettings::default(), mechanism, &message, &trusted, now)
    });
    assert_eq!(first, second, "the backends agree");
    first
}

#[track_caller]
fn check_at(
    policy: &Policy<'_>,
    now: impl Into<Option<i64>>,
    payload: &str,
    expected: Result<&str, &str>,
) {
    let now = now.into();
    let header = json!({"alg": "HS256"});
    let outcome = outcome(policy, now, &header, payload, None);
    assert_eq!(outcome.code(), expected, "{payload} at {now:?}");
}

#[track_caller]
fn check(policy: &Policy<'_>, claims: &Value, expected: Result<&str, &str>) {
    check_at(policy, NOW, &claims.to_string(), expected);
}

/// `good` is taken, and each of `bad` is refused for its reason.
#[track_caller]
fn pair(policy: &Policy<'_>, good: &Value, bad: &[(Value, &str)]) {
    check(policy, good, ALICE);
    for (claims, code) in bad {
        check(policy, claims, Err(code));
    }
}
