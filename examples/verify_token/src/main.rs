//! Keys in, token in, identity and verified claims out: a library user's first program.

use gatepost_core::{
    Audience, KeySet, Policy, Rejection, UnixTime, Verified, Violation, exchange::MAX_PAYLOAD,
    verify,
};

/// What the provider publishes at its `jwks_uri`, and a token that it has issued.
const JWK_SET: &[u8] = include_bytes!("../keys.json");
const TOKEN: &str = include_str!("../token.jwt");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut keys = KeySet::<8>::new();
    keys.add_jwk_set(JWK_SET, |report| eprintln!("{report}"))?;

    let mut policy = Policy::new("example", Audience::OneOf(&["mail"]));
    policy.issuer = Some("https://id.example.com");
    policy.username_claims = &["email"];
    policy.scopes = &["mail"];

    // The token was issued at 1795312000 and is good for five minutes; a program reads a clock here.
    let now = UnixTime::from_seconds(1_795_312_100);
    let mut scratch = [0; MAX_PAYLOAD];
    let verified = verify(TOKEN, &keys, &policy, now, &mut scratch)?;
    show(&verified);
    assert_eq!(verified.user(), "Alice@example.com");

    let late = UnixTime::from_seconds(1_795_316_000);
    let expired = verify(TOKEN, &keys, &policy, late, &mut scratch);
    let expired = rejected(expired).expect("an expired token");
    assert!(matches!(
        expired,
        Rejection::Claims(Violation::Expired { .. })
    ));

    policy.audience = Audience::OneOf(&["calendar"]);
    let foreign = verify(TOKEN, &keys, &policy, now, &mut scratch);
    let foreign = rejected(foreign).expect("a token for others");
    assert_eq!(foreign.code(), "wrong_audience");

    let altered = TOKEN.replacen(".eyJ", ".eyK", 1);
    let forged = verify(&altered, &keys, &policy, now, &mut scratch);
    let forged = rejected(forged).expect("an altered token");
    assert_eq!(forged.code(), "bad_signature");
    Ok(())
}

/// Prints what a good token says. Nothing is copied: it all lies in the scratch buffer.
fn show(verified: &Verified<'_>) {
    println!("accepted: {}", verified.user());
    for claim in ["iss", "sub", "email"] {
        if let Some(text) = verified.text(claim) {
            println!("  {claim}: {text}");
        }
    }
    for scope in verified.scopes() {
        println!("  scope: {scope}");
    }
    if let (Some(issued), Some(expires)) = (verified.date("iat"), verified.date("exp")) {
        let (issued, expires) = (issued.seconds(), expires.seconds());
        println!("  good from {issued} to {expires}, in seconds since 1970");
    }
}

/// Prints why a token is no good.
fn rejected(outcome: Result<Verified<'_>, Rejection>) -> Option<Rejection> {
    let rejection = outcome.err()?;
    println!("rejected: {rejection} ({})", rejection.code());
    Some(rejection)
}
