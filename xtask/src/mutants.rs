//! `cargo xtask mutants`: which changes to what judges no test notices.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use crate::Outcome;
use crate::tools;
use crate::workspace::{announce, cargo, root, target_dir};

/// What is mutated: whatever decides about a token.
const JUDGING: [&str; 7] = [
    "core/src/policy.rs",
    "core/src/policy/**",
    "core/src/rejection.rs",
    "core/src/claims.rs",
    "core/src/sasl/**",
    "core/src/jose/**",
    "core/src/exchange/granting.rs",
];

/// The list of survivors that are explained, one ``- `file: mutation`: reason`` each.
const EXPLAINED: &str = "tests/mutants.md";

/// Exit codes of cargo-mutants after a whole run: all caught, some missed, some ran too long.
const RAN: [i32; 3] = [0, 2, 3];

/// Who judges, in two rounds: core's own tests, which are quick to build, and for what survives those the
/// tests of behaviour, which both backends are linked into.
const ROUNDS: [&[&str]; 2] = [
    &["--test-package", "gatepost-core", "--", "--lib"],
    &[
        "--iterate",
        // The first round has shown that the tests pass, but not these; their time is bounded all the same.
        "--baseline",
        "skip",
        "--timeout",
        "90",
        "--test-package",
        "gatepost-tests",
        "--",
        "--test",
        "policy",
        "--test",
        "online",
        "--test",
        "invariants",
        "--test",
        "dovecot_cases",
    ],
];

/// Runs cargo-mutants with `arguments`, then compares the survivors with the explained ones.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let folder = target_dir().join("mutants");
    fs::create_dir_all(folder.join("tmp"))?;
    // What an earlier run has caught would not be tried again.
    match fs::remove_dir_all(folder.join("mutants.out")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let listed = |name: &str| read_if_there(&folder.join("mutants.out").join(name));
    let mut noticed = String::new();
    for round in ROUNDS {
        let mut command = cargo([
            "mutants",
            "--package",
            "gatepost-core",
            "--no-shuffle",
            "--output",
        ]);
        command.arg(&folder);
        command.env("PATH", tools::path_with("mutants")?);
        command.env("TMPDIR", folder.join("tmp"));
        for file in JUDGING {
            command.args(["--file", file]);
        }
        command.args(arguments).args(round);
        announce(&command);
        let status = command.status()?;
        if !status.code().is_some_and(|code| RAN.contains(&code)) {
            return Err(format!("cargo mutants: {status}").into());
        }
        noticed += &(listed("caught.txt")? + &listed("timeout.txt")? + &listed("unviable.txt")?);
    }
    let survived = counted(listed("missed.txt")?.lines().map(without_line));
    let noticed = counted(noticed.lines().map(without_line));
    let explained = explained(&read_if_there(&root().join(EXPLAINED))?)?;
    let complaints = compare(&survived, &noticed, &explained, arguments.is_empty());
    for complaint in &complaints {
        println!("{complaint}");
    }
    println!(
        "{} survivors, {} complaints",
        survived.values().sum::<usize>(),
        complaints.len()
    );
    Ok(complaints.is_empty())
}

/// How often each mutation occurs: one function may hold two of the same name.
type Counts = BTreeMap<String, usize>;

fn compare(survived: &Counts, noticed: &Counts, explained: &Counts, whole: bool) -> Vec<String> {
    let count = |counts: &Counts, name: &str| counts.get(name).copied().unwrap_or(0);
    let unexplained = survived
        .iter()
        .filter(|(name, times)| count(explained, name) < **times)
        .map(|(name, _)| format!("survives without a reason in {EXPLAINED}: {name}"));
    let stale = explained
        .iter()
        .filter(|(name, times)| count(survived, name) < **times)
        // A part of a run says nothing about what it left out.
        .filter(|(name, _)| whole || noticed.contains_key(*name))
        .map(|(name, _)| format!("explained in {EXPLAINED}, but survives no longer: {name}"));
    unexplained.chain(stale).collect()
}

fn counted(names: impl Iterator<Item = String>) -> Counts {
    let mut counts = Counts::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    counts
}

// core/src/policy.rs:12:5: replace == with != in Policy::check
fn without_line(mutant: &str) -> String {
    let mut parts = mutant.splitn(4, ':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(file), Some(_line), Some(_column), Some(what)) => format!("{file}:{what}"),
        _ => mutant.to_owned(),
    }
}

fn explained(list: &str) -> Result<Counts, String> {
    let entry = |line: &str| {
        let (name, reason) = line.split_once("`: ").ok_or(())?;
        if reason.trim().is_empty() {
            Err(())
        } else {
            Ok(name.to_owned())
        }
    };
    let names: Result<Vec<String>, String> = list
        .lines()
        .filter_map(|line| line.strip_prefix("- `"))
        .map(|line| entry(line).map_err(|()| format!("{EXPLAINED}: no reason beside `{line}")))
        .collect();
    Ok(counted(names?.into_iter()))
}

fn read_if_there(path: &std::path::Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MUTANT: &str = "core/src/policy.rs: replace == with != in Policy::check";

    fn counts(names: &[&str]) -> Counts {
        counted(names.iter().map(|name| (*name).to_owned()))
    }

    #[test]
    fn a_mutant_keeps_its_name_when_lines_move() {
        let listed = "core/src/policy.rs:12:5: replace == with != in Policy::check";
        assert_eq!(without_line(listed), MUTANT);
    }

    #[test]
    fn an_unexplained_survivor_is_a_complaint() {
        assert_eq!(
            compare(&counts(&[MUTANT]), &counts(&[]), &counts(&[]), true).len(),
            1
        );
        let twice = counts(&[MUTANT, MUTANT]);
        assert_eq!(
            compare(&twice, &counts(&[]), &counts(&[MUTANT]), true).len(),
            1
        );
        assert!(compare(&twice, &counts(&[]), &twice, true).is_empty());
    }

    #[test]
    fn an_explanation_that_has_outlived_its_survivor_is_a_complaint() {
        let explained = counts(&[MUTANT]);
        assert_eq!(
            compare(&counts(&[]), &counts(&[MUTANT]), &explained, true).len(),
            1
        );
        assert_eq!(
            compare(&counts(&[]), &counts(&[MUTANT]), &explained, false).len(),
            1
        );
        assert_eq!(
            compare(&counts(&[]), &counts(&[]), &explained, true).len(),
            1
        );
        assert!(compare(&counts(&[]), &counts(&[]), &explained, false).is_empty());
    }

    #[test]
    fn every_explanation_has_a_reason() {
        let line = format!("# Survivors\n\n- `{MUTANT}`: both sides are equal there\n");
        assert_eq!(explained(&line), Ok(counts(&[MUTANT])));
        assert!(explained(&format!("- `{MUTANT}`\n")).is_err());
        assert!(explained(&format!("- `{MUTANT}`: \n")).is_err());
    }
}
