//! Wycheproof's vectors for JSON Web Signatures and Keys, on both backends; the sets of keys also as a
//! library's user reads them.
//!
//! Where we deviate is listed in `vectors/wycheproof_jose.tsv`, each with its reason. The list is
//! compared in both directions: a case that deviates without being listed fails, and so does a listed
//! one that no longer deviates.

use gatepost_aws_lc::AwsLc;
use gatepost_core::crypto::{self, RustCrypto};
use gatepost_core::exchange::{LoginSettings, MAX_PAYLOAD};
use gatepost_core::jose::{JwkSet, UnverifiedJwt};
use gatepost_core::sasl::Mechanism;
use gatepost_core::{Audience, KeySet, Policy, Rejection, UnixTime, verify};
use gatepost_tests::corpora::{self, trial};
use gatepost_tests::judge::{BACKENDS, Backend, PreparedKey, judge, oauthbearer};
use gatepost_tests::vectors::jose::{self, KEYS, SIGNATURES, Test};
use serde_json::Value;

/// Whether a token verifies with a JWK Set.
type Verifies = fn(&Value, &str) -> bool;

fn main() {
    let accepts: [(&str, Accepts); 2] = [(SIGNATURES, accepts_signature), (KEYS, accepts_key_set)];
    let mut trials = vec![];
    let mut left_out = vec![];
    for (file, accepts) in accepts {
        for backend in BACKENDS {
            let name = format!("{file} on {}", backend.name);
            match jose::tests(file) {
                Some(tests) => trials.push(trial(name, move || {
                    check(&tests, |test| accepts(backend, &test.keys, &test.token));
                })),
                None => left_out.push(name),
            }
        }
    }
    let libraries: [(&str, Verifies); 2] = [
        ("RustCrypto", verifies::<RustCrypto>),
        ("AwsLc", verifies::<AwsLc>),
    ];
    for (backend, verifies) in libraries {
        let name = format!("{KEYS} through a KeySet on {backend}");
        match jose::tests(KEYS) {
            Some(tests) => trials.push(trial(name, move || {
                check(&tests, |test| verifies(&test.keys, &test.token));
            })),
            None => left_out.push(name),
        }
    }
    corpora::run(trials, &left_out);
}

/// Whether the token of a test is taken with the keys of its group.
type Accepts = fn(Backend, &Value, &str) -> bool;

fn check(tests: &[Test], taken: impl Fn(&Test) -> bool) {
    let differing = tests.iter().filter(|test| taken(test) != test.is_taken);
    let ids: Vec<u64> = differing.map(|test| test.id).collect();
    assert_eq!(ids, [0; 0], "tcId that neither agree nor deviate as listed");
}

/// The signature alone: the payloads of these tests are no claims.
fn accepts_signature(backend: Backend, jwk: &Value, token: &str) -> bool {
    let Ok(key) = backend.prepare(jwk) else {
        return false;
    };
    let Ok(jwt) = UnverifiedJwt::parse(token) else {
        return false;
    };
    let is_wanted = jwt
        .header()
        .kid()
        .is_none_or(|kid| key.kid.as_deref() == Some(kid));
    is_wanted && jwt.verify(&*key.key, &mut [0; MAX_PAYLOAD]).is_ok()
}

/// As an adapter uses a set: keys that cannot be used are passed over, the exchange chooses among the
/// rest, and a provider is named once a signature has verified.
fn accepts_key_set(backend: Backend, set: &Value, token: &str) -> bool {
    let text = set.to_string();
    let Ok(parsed) = JwkSet::parse(text.as_bytes()) else {
        return false;
    };
    let usable = parsed.map(|jwk| jwk.is_ok());
    let keys: Vec<PreparedKey> = array(&set["keys"])
        .zip(usable)
        .filter(|(_, usable)| *usable)
        .filter_map(|(jwk, _)| backend.prepare(jwk).ok())
        .collect();
    let policy = Policy::new("wycheproof", Audience::Any);
    let trusted: Vec<_> = keys.iter().map(|key| key.trusted(&policy)).collect();
    let (message, now) = (oauthbearer(token), UnixTime::from_seconds(0));
    let outcome = judge(
        LoginSettings::default(),
        Mechanism::OAuthBearer,
        &message,
        &trusted,
        now,
    );
    outcome.provider.is_some()
}

/// As a library's user verifies a token with a set that never was public.
fn verifies<B: crypto::Backend + Default>(set: &Value, token: &str) -> bool {
    let mut keys = KeySet::<{ JwkSet::MAX_KEYS }, B>::with_backend(B::default()).taking_secrets();
    let json = set.to_string();
    if keys.add_jwk_set(json.as_bytes(), |_| ()).is_err() {
        return false;
    }
    let policy = Policy::new("wycheproof", Audience::Any);
    let now = UnixTime::from_seconds(0);
    let mut scratch = vec![0; MAX_PAYLOAD];
    let outcome = verify(token, &keys, &policy, now, &mut scratch);
    // The signature alone: the payloads of these tests are no claims.
    matches!(outcome, Ok(_) | Err(Rejection::Claims(_)))
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("an array").iter()
}
