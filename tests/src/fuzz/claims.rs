//! Claims, judged by the core and by what `serde_json` reads in them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepost_core::jose::UnverifiedJwt;
use gatepost_core::{Audience, Claim, DEFAULT_SKEW, Identity, Policy, UnixTime, Violation};
use serde_json::{Number, Value};

use super::{AnySignature, read_json};

/// When the claims are judged, in the middle of what the corpus' tokens allow.
pub(super) const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

const ISSUER: &str = "https://id.example.com";

/// What the corpus' tokens have to say.
pub(super) fn policy() -> Policy<'static> {
    let mut policy = Policy::new("fuzz", Audience::OneOf(&["mail"]));
    policy.issuer = Some(ISSUER);
    policy.scopes = &["email"];
    policy.username_claims = &["email", "realm_access.name", "sub"];
    policy
}

/// Claims, as the payload of a token whose signature holds.
///
/// # Panics
/// Where what the core reads and makes of them is not what `serde_json` says. It may refuse more.
pub fn claims(data: &[u8]) {
    let token = format!(
        "{}.{}.{}",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#),
        URL_SAFE_NO_PAD.encode(data),
        URL_SAFE_NO_PAD.encode([0; 64]),
    );
    let jwt = UnverifiedJwt::parse(&token).expect("a token made well");
    let mut scratch = vec![0; token.len()];
    let payload = jwt
        .verify(&AnySignature, &mut scratch)
        .expect("any signature");
    match policy().check(NOW, &payload, None) {
        Ok(identity) => assert_identity(&identity, data),
        Err(Violation::Malformed) => {}
        // Whatever else is wrong, all of it has been read as JSON.
        Err(violation) => {
            if let Some(claims) = read_json(data).map(without_nulls) {
                assert!(claims.is_object());
                assert!(breaks(violation, &claims), "{violation:?}: {claims}");
            }
        }
    }
}

fn assert_identity(identity: &Identity, payload: &[u8]) {
    assert_accepted(identity.user(), payload);
    if let Some(claims) = read_json(payload).map(without_nulls) {
        let seconds = identity.expires_at().unwrap().seconds();
        assert!(is_floor(seconds, number(&claims, "exp")), "{seconds}");
    }
}

/// Whether a token with these claims opens the mailbox of `user`.
///
/// # Panics
/// Where it does not.
#[track_caller]
pub(super) fn assert_accepted(user: &str, payload: &[u8]) {
    let Some(claims) = read_json(payload).map(without_nulls) else {
        return;
    };
    assert_eq!(claims["iss"], ISSUER);
    assert!(claims["sub"].is_string());
    assert!(has_audience(&claims));
    assert!(has_scope(&claims));
    assert!(claims.get("cnf").is_none() && claims.get("events").is_none());
    let now = seconds(NOW);
    let skew = f64::from(DEFAULT_SKEW);
    let exp = as_seconds(number(&claims, "exp"));
    assert!(now < exp + skew);
    for start in ["nbf", "iat"] {
        if claims.get(start).is_some() {
            let start = as_seconds(number(&claims, start));
            assert!(start >= 0.0 && start < now + skew + 1.0 && start < exp + 1.0);
        }
    }
    let is_named = |name: &&str| name.eq_ignore_ascii_case(user);
    assert!(user_names(&claims).iter().any(is_named));
    if claims.get("email").is_some() {
        let verified = claims.get("email_verified");
        assert!(verified.is_none_or(|value| value == true || value == "true"));
    }
}

/// What may tell that a token is no access token.
const KIND_TELLS: [&str; 10] = [
    "events",
    "typ",
    "token_use",
    "token_type",
    "tokenType",
    "TokenType",
    "type",
    "nonce",
    "at_hash",
    "c_hash",
];

/// Whether the claims break the rule that the core says they break.
fn breaks(violation: Violation, claims: &Value) -> bool {
    let is_missing = |name: &str| claims.get(name).is_none();
    match violation {
        Violation::MalformedClaim(Claim::Sub) => !claims["sub"].is_string(),
        Violation::MalformedClaim(Claim::Iss) => !claims["iss"].is_string(),
        Violation::MalformedClaim(Claim::Aud) => !is_strings(&claims["aud"]),
        Violation::MalformedClaim(Claim::Scope) => !is_strings(scope(claims)),
        Violation::Missing(Claim::Exp) => is_missing("exp"),
        Violation::Missing(Claim::Sub) => is_missing("sub"),
        Violation::Missing(Claim::Iss) => is_missing("iss"),
        Violation::Missing(Claim::Aud) => is_missing("aud"),
        Violation::KeyBound => !is_missing("cnf"),
        Violation::NotAccessToken(_) => KIND_TELLS.iter().any(|name| !is_missing(name)),
        Violation::EmailNotVerified => !is_missing("email_verified"),
        Violation::Expired { now, expires_at } => {
            now == NOW && is_floor(expires_at.seconds(), number(claims, "exp"))
        }
        Violation::NotYetValid { not_before } => {
            is_floor(not_before.seconds(), number(claims, "nbf"))
        }
        Violation::IssuedInFuture => as_seconds(number(claims, "iat")) > seconds(NOW),
        Violation::ConflictingDates => {
            let exp = as_seconds(number(claims, "exp"));
            let starts = ["nbf", "iat"].map(|name| claims[name].as_f64());
            starts.iter().flatten().any(|start| exp < *start)
        }
        Violation::WrongIssuer => claims["iss"] != ISSUER,
        Violation::WrongAudience => !has_audience(claims),
        Violation::InsufficientScope => !has_scope(claims),
        _ => true,
    }
}

fn has_audience(claims: &Value) -> bool {
    strings(&claims["aud"]).contains(&"mail")
}

fn has_scope(claims: &Value) -> bool {
    let scopes = strings(scope(claims));
    scopes
        .iter()
        .any(|scope| scope.split(' ').any(|word| word == "email"))
}

fn scope(claims: &Value) -> &Value {
    claims.get("scope").unwrap_or(&claims["scp"])
}

/// What the first of the claims that may hold the name holds; there is one way only to each.
fn user_names(claims: &Value) -> Vec<&str> {
    let nested = claims.get("realm_access.name");
    let candidates = [
        claims.get("email"),
        nested.or(claims["realm_access"].get("name")),
        claims.get("sub"),
    ];
    let first = candidates.into_iter().flatten().next();
    first.map_or(Vec::new(), strings)
}

/// What is null is not there.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let there = members.into_iter().filter(|(_, value)| !value.is_null());
            there
                .map(|(name, value)| (name, without_nulls(value)))
                .collect()
        }
        other => other,
    }
}

/// A claim that is a string or an array of them.
fn strings(claim: &Value) -> Vec<&str> {
    match claim {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    }
}

fn is_strings(claim: &Value) -> bool {
    match claim {
        Value::Array(items) => items.iter().all(Value::is_string),
        one => one.is_string(),
    }
}

#[track_caller]
fn number<'c>(claims: &'c Value, name: &str) -> &'c Number {
    let number = claims[name].as_number();
    number.unwrap_or_else(|| panic!("{name} is no number"))
}

fn as_seconds(number: &Number) -> f64 {
    number.as_f64().expect("a finite number")
}

/// Whether `floor` is the largest integer not above `number`, as far as an `f64` can tell.
fn is_floor(floor: i64, number: &Number) -> bool {
    if let Some(integer) = number.as_i64() {
        return floor == integer;
    }
    let number = as_seconds(number);
    let rounding = number.abs() * f64::EPSILON;
    let off = number - seconds(UnixTime::from_seconds(floor));
    (-rounding..=1.0 + rounding).contains(&off)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "what is compared is rounded as well"
)]
fn seconds(time: UnixTime) -> f64 {
    time.seconds() as f64
}
