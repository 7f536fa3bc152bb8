//! Wycheproof's vectors for JSON Web Signatures and Keys, on both backends.
//!
//! Where we deviate is listed in `vectors/wycheproof_jose.tsv`, each with its reason. The list is
//! compared in both directions: a case that deviates without being listed fails, and so does a listed
//! one that no longer deviates.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gatepost_core::exchange::{MAX_PAYLOAD, Rules};
use gatepost_core::jose::{JwkSet, UnverifiedJwt};
use gatepost_core::sasl::Mechanism;
use gatepost_core::{Audience, Policy, UnixTime};
use gatepost_tests::corpora::{self, folder, read_json, trial};
use gatepost_tests::judge::{BACKENDS, Backend, PreparedKey, judge, oauthbearer};
use libtest_mimic::Trial;
use serde_json::Value;

const SIGNATURES: &str = "json_web_signature_test.json";
const KEYS: &str = "json_web_key_test.json";
const DEVIATIONS: &str = include_str!("../vectors/wycheproof_jose.tsv");

fn main() {
    let accepts: [(&str, Accepts); 2] = [(SIGNATURES, accepts_signature), (KEYS, accepts_key_set)];
    let mut trials = vec![];
    let mut left_out = vec![];
    for (file, accepts) in accepts {
        for backend in BACKENDS {
            let name = format!("{file} on {}", backend.name);
            match folder("wycheproof") {
                Some(folder) => trials.push(suite(name, folder.join(file), backend, accepts)),
                None => left_out.push(name),
            }
        }
    }
    trials.push(trial("deviations are of known suites", || {
        let suites = DEVIATIONS
            .lines()
            .skip(1)
            .map(|line| line.split('\t').next());
        assert!(
            suites
                .flatten()
                .all(|suite| [SIGNATURES, KEYS].contains(&suite))
        );
    }));
    corpora::run(trials, &left_out);
}

/// Whether the token of a test is taken with the keys of its group.
type Accepts = fn(Backend, &Value, &str) -> bool;

fn suite(name: String, path: PathBuf, backend: Backend, accepts: Accepts) -> Trial {
    trial(name, move || check(&path, backend, accepts))
}

fn check(path: &Path, backend: Backend, accepts: Accepts) {
    let suite = read_json(path);
    let mut deviations = BTreeMap::new();
    let mut count = 0;
    for group in array(&suite["testGroups"]) {
        // Secrets have no public half.
        let keys = group.get("public").unwrap_or(&group["private"]);
        for test in array(&group["tests"]) {
            count += 1;
            let ours = verdict(accepts(backend, keys, text(&test["jws"])));
            let theirs = text(&test["result"]).to_owned();
            if ours != theirs {
                let id = test["tcId"].as_u64().expect("tcId");
                deviations.insert(id, (theirs, ours.to_owned()));
            }
        }
    }
    assert_eq!(suite["numberOfTests"], count, "tests in the file");
    assert_eq!(deviations, listed(path), "tcId: (the file, ours)");
}

fn verdict(accepted: bool) -> &'static str {
    if accepted { "valid" } else { "invalid" }
}

/// The deviations that are listed for a file: what it says, and what we say.
fn listed(path: &Path) -> BTreeMap<u64, (String, String)> {
    let file = path.file_name().and_then(|name| name.to_str());
    let rows = DEVIATIONS.lines().skip(1).map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [suite, id, theirs, ours, reason] = columns[..] else {
            panic!("five columns: {line}");
        };
        assert!(!reason.is_empty(), "a deviation has a reason: {line}");
        (suite, id.parse().expect("tcId"), theirs, ours)
    });
    rows.filter(|(suite, ..)| Some(*suite) == file)
        .map(|(_, id, theirs, ours)| (id, (theirs.to_owned(), ours.to_owned())))
        .collect()
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
        Rules::default(),
        Mechanism::OAuthBearer,
        &message,
        &trusted,
        now,
    );
    outcome.provider.is_some()
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("an array").iter()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}
