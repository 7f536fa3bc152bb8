//! Runs each fuzz target on its seeds and on seeded mutations of them: a fixed, short run of what
//! `cargo xtask fuzz` does for as long as one likes.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use gatepost_tests::fuzz::{Mutator, TARGETS, Target};

/// How many mutations of each seed are tried.
const MUTATIONS: usize = 1000;

/// How many bytes they may have in all: fewer mutations of a long seed are tried, which take longer.
const MUTATED_BYTES: usize = 1_000_000;

/// Longest input that is tried, in bytes: over the 16384 of an auth line.
const MAX_LEN: usize = 20_000;

#[test]
fn no_target_fails_on_its_corpus_or_near_it() {
    for target in TARGETS {
        let seeds = seeds(target);
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        for (number, seed) in (1..).zip(&seeds) {
            check(target, seed);
            replay(target, seed, &seeds, number);
        }
    }
}

#[test]
fn each_target_has_its_file_and_its_corpus() {
    let names: BTreeSet<String> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    assert_eq!(stems(&folder("targets")), names);
    assert_eq!(stems(&folder("corpus")), names);
}

#[test]
fn a_seed_always_gives_the_same_mutations() {
    let mutated = |seed| {
        let mut mutator = Mutator::new(NonZeroU64::new(seed).unwrap());
        let mut input = b"n,a=user@example.com,\x01auth=Bearer token\x01\x01".to_vec();
        mutator.mutate(&mut input, b"other");
        input
    };
    assert_eq!(mutated(1), mutated(1));
    assert_ne!(mutated(1), mutated(2));
}

#[test]
fn mutating_nothing_is_no_fault() {
    let mut mutator = Mutator::new(NonZeroU64::MIN);
    for _ in 0..MUTATIONS {
        mutator.mutate(&mut Vec::new(), b"");
    }
}

/// Each mutation starts from where the last one ended, and from the seed again once in a while.
fn replay(target: &Target, seed: &[u8], seeds: &[Vec<u8>], number: u64) {
    let mut mutator = Mutator::new(NonZeroU64::new(number).unwrap());
    let mut input = seed.to_vec();
    let mutations = MUTATIONS.min(MUTATED_BYTES / seed.len().max(1));
    for (round, other) in (1..=mutations).zip(seeds.iter().cycle()) {
        mutator.mutate(&mut input, other);
        input.truncate(MAX_LEN);
        check(target, &input);
        if round % 8 == 0 {
            input = seed.to_vec();
        }
    }
}

#[track_caller]
fn check(target: &Target, input: &[u8]) {
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    assert!(
        outcome.is_ok(),
        "{} fails on b\"{}\"",
        target.name,
        input.escape_ascii()
    );
}

/// The files of the target's corpus, in the order of their names.
fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder("corpus").join(target.name)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn stems(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect()
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz")
        .join(name)
}
