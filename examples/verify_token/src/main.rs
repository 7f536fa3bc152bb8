//! Keys in, token in, identity out: judges one token on the core alone.

use gatepost_core::{
    Audience, Identity, Policy, Rejection, UnixTime, Violation,
    crypto::{Backend, RustCrypto},
    jose::{JwkSet, KeyBuffer, UnverifiedJwt, VerifyError},
};

/// What the provider publishes at its `jwks_uri`, and a token that it has issued.
const KEYS: &[u8] = include_bytes!("../keys.json");
const TOKEN: &str = include_str!("../token.jwt");

/// Judges `token` at the time `now` by the keys of `jwk_set` and by `policy`.
fn judge(
    token: &str,
    jwk_set: &[u8],
    policy: &Policy<'_>,
    now: UnixTime,
) -> Result<Identity, Rejection> {
    let jwt = UnverifiedJwt::parse(token)?;
    let mut buffer = KeyBuffer::new();
    let mut scratch = [0; 4096]; // Three bytes for every four of the longest token that is taken.
    for jwk in JwkSet::parse(jwk_set).map_err(|_| Rejection::NoKeys)? {
        // A key that cannot be used does not spoil the others; one of another name is not the token's.
        let Ok(jwk) = jwk else { continue };
        if jwk.kid() != jwt.header().kid() {
            continue;
        }
        let Ok(material) = jwk.material(&mut buffer) else {
            continue;
        };
        // A program that judges more than one token prepares its keys once.
        let Ok(key) = RustCrypto.prepare(&material, jwk.algorithms()) else {
            continue;
        };
        return match jwt.verify(&key, &mut scratch) {
            Ok(payload) => Ok(policy.check(now, &payload, None)?),
            Err(VerifyError::Signature) => Err(Rejection::BadSignature),
            Err(VerifyError::Token(error)) => Err(error.into()),
        };
    }
    Err(Rejection::UnknownKey)
}

fn main() {
    let mut policy = Policy::new("example", Audience::OneOf(&["mail"]));
    policy.issuer = Some("https://id.example.com");
    policy.username_claims = &["email"];
    policy.scopes = &["mail"];

    // The token was issued at 1795312000 and is good for five minutes; a program reads a clock here.
    let in_time = UnixTime::from_seconds(1_795_312_100);
    let identity = judge(TOKEN, KEYS, &policy, in_time).expect("a good token");
    println!("accepted: {}", identity.user());
    assert_eq!(identity.user(), "Alice@example.com");

    let late = UnixTime::from_seconds(1_795_316_000);
    let rejection = judge(TOKEN, KEYS, &policy, late).expect_err("an expired token");
    println!("rejected: {} ({})", rejection.reason(), rejection.code());
    assert!(matches!(
        rejection,
        Rejection::Claims(Violation::Expired { .. })
    ));

    policy.audience = Audience::OneOf(&["calendar"]);
    let rejection = judge(TOKEN, KEYS, &policy, in_time).expect_err("a token for others");
    println!("rejected: {} ({})", rejection.reason(), rejection.code());
    assert_eq!(rejection.code(), "wrong_audience");

    let altered = TOKEN.replacen(".eyJ", ".eyK", 1);
    let rejection = judge(&altered, KEYS, &policy, in_time).expect_err("an altered token");
    println!("rejected: {} ({})", rejection.reason(), rejection.code());
    assert_eq!(rejection.code(), "bad_signature");
}
