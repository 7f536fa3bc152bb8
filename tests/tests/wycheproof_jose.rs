//! Wycheproof's vectors for JSON Web Signatures and Keys, on both backends: step by step, and as a library's
//! user verifies them.
//!
//! Where we deviate is listed in `vectors/wycheproof_jose.tsv`, each with its reason. The list is
//! compared in both directions: a case that deviates without being listed fails, and so does a listed
//! one that no longer deviates.

use gatepost_core::exchange::{LoginSettings, MAX_PAYLOAD};
use gatepost_core::jose::{JwkSet, UnverifiedJwt};
use gatepost_core::sasl::Mechanism;
use gatepost_core::{Audience, Policy, UnixTime};
use gatepost_tests::corpora::{self, trial};
use gatepost_tests::judge::{BACKENDS, Backend, PreparedKey, judge, oauthbearer};
use gatepost_tests::vectors::jose::{self, KEYS, SIGNATURES, Test};
use serde_json::Value;

fn main() {
    let accepts: [(&str, &str, Accepts); 4] = [
        (SIGNATURES, "", accepts_signature),
        (KEYS, "", accepts_key_set),
        (SIGNATURES, " through a KeySet", accepts_as_library),
        (KEYS, " through a KeySet", accepts_as_library),
    ];
    let mut trials = vec![];
    let mut left_out = vec![];
    for (file, way, accepts) in accepts {
        for backend in BACKENDS {
            let name = format!("{file}{way} on {}", backend.name);
            match jose::tests(file) {
                Some(tests) => trials.push(trial(name, move || {
                    check(&tests, |test| accepts(backend, &test.keys, &test.token));
                })),
                None => left_out.push(name),
            }
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

fn accepts_as_library(backend: Backend, keys: &Value, token: &str) -> bool {
    backend.verifies(keys, token)
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("an array").iter()
}
