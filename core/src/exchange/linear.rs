//! The work of a step is linear in its input: however many keys there are, a token that nobody has vouched for
//! is read a fixed number of times.

use std::{format, string::String, vec, vec::Vec};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{Exchange, Input, LoginSettings, MAX_PAYLOAD, Output, Provider, TrustedKey};
use crate::{
    Audience, Policy, UnixTime,
    crypto::{Algorithm, AlgorithmSet, InvalidSignature, VerifyingKey},
    wire::scanned,
};

/// Most readings of each byte in a step: twice in base64url, then its encoding, hints, and claims with names.
const READINGS: usize = 6;

/// A key for which a signature holds, or does not.
struct Key(bool);

impl VerifyingKey for Key {
    fn algorithms(&self) -> AlgorithmSet {
        AlgorithmSet::ALL
    }

    fn verify(&self, _: Algorithm, _: &[u8], _: &[u8]) -> Result<(), InvalidSignature> {
        if self.0 {
            Ok(())
        } else {
            Err(InvalidSignature)
        }
    }
}

fn encode(part: &str) -> String {
    let mut buffer = vec![0; part.len() * 2];
    let len = URL_SAFE_NO_PAD.encode_slice(part, &mut buffer).unwrap();
    String::from_utf8(buffer[..len].to_vec()).unwrap()
}

/// A token without `kid`, so that every key may be its own, and with its issuer where it is found last.
fn token(escaped: &str) -> String {
    sign(&claims(escaped))
}

fn claims(escaped: &str) -> String {
    let members = (0..120).map(|i| format!("\"{escaped}{i:03}\":\"{}\",", "x".repeat(30)));
    let members = members.collect::<Vec<_>>().concat();
    format!("{{{members}\"iss\":\"https://login.example/t7/v2.0\"}}")
}

/// A token with `claims`, and with anything for a signature.
fn sign(claims: &str) -> String {
    let [header, claims] = [r#"{"alg":"ES256"}"#, claims].map(encode);
    format!("{header}.{claims}.{}", "A".repeat(86))
}

#[track_caller]
fn check(what: &str, policies: &[Policy<'_>], keys: &[TrustedKey<'_>]) {
    for escaped in ["n", "\\u006e"] {
        check_token(what, &token(escaped), READINGS, policies, keys);
    }
}

#[track_caller]
fn check_token(
    what: &str,
    token: &str,
    readings: usize,
    policies: &[Policy<'_>],
    keys: &[TrustedKey<'_>],
) {
    let provider = |policy| Provider::new(policy);
    let providers: Vec<_> = policies.iter().map(provider).collect();
    let settings = LoginSettings::new(&providers);
    let all = vec![keys; providers.len()];
    let mut scratch = vec![0; MAX_PAYLOAD];
    let mut exchange = Exchange::of_token(settings, token.as_bytes());
    let now = UnixTime::from_seconds(7);
    let mut input = Input::Start;
    loop {
        let mut is_over = true;
        let read = scanned::during(|| {
            is_over = !matches!(exchange.step(now, input), Output::FindKeys(_));
        });
        let bound = readings * token.len();
        assert!(
            read <= bound,
            "{what}: {read} bytes read of {}",
            token.len()
        );
        if is_over {
            break;
        }
        input = Input::Keys {
            keys: &all,
            scratch: &mut scratch,
        };
    }
}

// N7: each key that is for one issuer or client had the payload walked again.
#[test]
fn many_keys_read_a_token_no_more_often() {
    let mut policy = Policy::new("example", Audience::Any);
    policy.issuer = Some("https://login.example/t7/v2.0");
    let mut other = Policy::new("other", Audience::Any);
    other.issuer = Some("https://other.example");
    let any = Policy::new("any", Audience::Any);
    for good in [true, false] {
        let plain = TrustedKey::new(&Key(false), None);
        let key = Key(good);
        let last = TrustedKey::new(&key, None);
        for (what, issuer, owner) in [
            ("keys of anybody", None, None),
            (
                "keys for one issuer",
                Some("https://login.example/{tenantid}/v2.0"),
                None,
            ),
            (
                "keys for another issuer",
                Some("https://login.example/"),
                None,
            ),
            ("keys for one client", None, Some("mail")),
            (
                "keys for one client of one issuer",
                Some("https://login.example/t7/v2.0"),
                Some("default"),
            ),
        ] {
            let mut keys = vec![
                TrustedKey {
                    owner,
                    issuer,
                    ..plain
                };
                40
            ];
            keys.push(TrustedKey {
                owner,
                issuer,
                ..last
            });
            check(what, &[policy], &keys);
            check(what, &[other, policy, any], &keys);
        }
    }
}

/// Each path into an object walks that object: how often is up to the policy, which bounds its paths, and not up
/// to the token.
#[test]
fn each_path_of_the_policy_reads_what_it_goes_into_once_more() {
    let paths: Vec<_> = (0..16).map(|i| format!("a.b{i}")).collect();
    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
    let mut policy = Policy::new("example", Audience::Any);
    policy.username_claims = &paths;
    let keys = [TrustedKey::new(&Key(true), None)];
    for escaped in ["n", "\\u006e"] {
        let token = sign(&format!("{{\"a\":{}}}", claims(escaped)));
        let readings = READINGS + 2 * paths.len();
        check_token("paths", &token, readings, &[policy], &keys);
    }
}
