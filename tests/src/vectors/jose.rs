//! Wycheproof's vectors for JSON Web Signatures and Keys, and where we do not share their verdicts.
//!
//! The list of deviations, `tests/vectors/wycheproof_jose.tsv`, holds for both directions: a case that
//! deviates without being listed fails, and so does a listed one that no longer deviates.

use serde_json::Value;

use super::Case;
use crate::corpora::{folder, read_json};

/// The suite of tokens.
pub const SIGNATURES: &str = "json_web_signature_test.json";
/// The suite of JWK Sets.
pub const KEYS: &str = "json_web_key_test.json";

const DEVIATIONS: &str = include_str!("../../vectors/wycheproof_jose.tsv");

/// One test of a suite.
#[derive(Clone, Debug)]
pub struct Test {
    /// Its number in the file.
    pub id: u64,
    /// The JWK or the JWK Set.
    pub keys: Value,
    /// The token.
    pub token: String,
    /// Whether we take it.
    pub is_taken: bool,
}

/// The tests of `suite`; `None` where the corpus is not there.
///
/// # Panics
/// Where the file is not what Wycheproof publishes, or the list of deviations is malformed.
#[must_use]
pub fn tests(suite: &str) -> Option<Vec<Test>> {
    let file = read_json(&folder("wycheproof")?.join(suite));
    let deviations = deviations(suite);
    let mut tests = vec![];
    for group in array(&file["testGroups"]) {
        // Secrets have no public half.
        let keys = group.get("public").unwrap_or(&group["private"]);
        for test in array(&group["tests"]) {
            let id = test["tcId"].as_u64().expect("tcId");
            let theirs = text(&test["result"]);
            let listed = deviations.iter().find(|deviation| deviation.id == id);
            if let Some(deviation) = listed {
                assert_eq!(deviation.theirs, theirs, "{suite} {id}: what the file says");
            }
            tests.push(Test {
                id,
                keys: keys.clone(),
                token: text(&test["jws"]).to_owned(),
                is_taken: listed.map_or(theirs, |deviation| deviation.ours) == "valid",
            });
        }
    }
    assert_eq!(file["numberOfTests"], tests.len(), "tests in {suite}");
    let is_there = |deviation: &Deviation| tests.iter().any(|test| test.id == deviation.id);
    assert!(
        deviations.iter().all(is_there),
        "{suite} has all that is listed"
    );
    Some(tests)
}

/// The suite of tokens as cases; `None` where the corpus is not there.
///
/// # Panics
/// As [`tests`].
#[must_use]
pub fn tokens() -> Option<Vec<Case>> {
    let case = |test: &Test| {
        let name = format!("{SIGNATURES} {}", test.id);
        Case::token(name, &test.keys, &test.token, test.is_taken)
    };
    Some(tests(SIGNATURES)?.iter().map(case).collect())
}

/// A row of the list.
struct Deviation {
    suite: &'static str,
    id: u64,
    theirs: &'static str,
    ours: &'static str,
}

fn deviations(suite: &str) -> Vec<Deviation> {
    let rows = DEVIATIONS.lines().skip(1).map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [suite, id, theirs, ours, reason] = columns[..] else {
            panic!("five columns: {line}");
        };
        assert!(!reason.is_empty(), "a deviation has a reason: {line}");
        assert!([SIGNATURES, KEYS].contains(&suite), "a known suite: {line}");
        let id = id.parse().expect("tcId");
        Deviation {
            suite,
            id,
            theirs,
            ours,
        }
    });
    rows.filter(|row| row.suite == suite).collect()
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("an array").iter()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}
