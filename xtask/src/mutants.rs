//! `cargo xtask mutants`: which changes to what judges no test notices.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;

use crate::Outcome;
use crate::tools;
use crate::workspace::{announce, cargo, root, target_dir};

/// A part of core that is mutated by itself.
pub(crate) struct Room {
    /// What it is called.
    pub(crate) name: &'static str,
    /// Its files: whole names, or folders with `/**` behind.
    files: &'static [&'static str],
    /// The modules whose tests may notice a change to them: itself, and what uses it.
    judges: &'static [&'static str],
}

/// What is mutated: whatever decides about a token, and what reads the bytes of strangers.
pub(crate) const ROOMS: [Room; 6] = [
    Room {
        name: "policy",
        files: &[
            "core/src/policy.rs",
            "core/src/policy/**",
            "core/src/rejection.rs",
            "core/src/claims.rs",
            "core/src/claims/**",
        ],
        judges: &[
            "policy::",
            "claims::",
            "rejection::",
            "exchange::",
            "verified::",
        ],
    },
    Room {
        name: "sasl",
        files: &["core/src/sasl/**"],
        judges: &["sasl::", "rejection::", "exchange::", "dovecot::"],
    },
    Room {
        name: "jose",
        files: &["core/src/jose/**"],
        judges: &[
            "jose::",
            "claims::",
            "key_set::",
            "exchange::",
            "verified::",
            "provider::",
        ],
    },
    Room {
        name: "exchange",
        files: &["core/src/exchange.rs", "core/src/exchange/**"],
        judges: &["exchange::", "verified::"],
    },
    Room {
        name: "dovecot",
        files: &["core/src/dovecot/**"],
        judges: &["dovecot::"],
    },
    Room {
        name: "wire",
        files: &["core/src/wire/**"],
        judges: &[
            "wire::",
            "policy::",
            "claims::",
            "sasl::",
            "jose::",
            "dovecot::",
            "exchange::",
            "provider::",
            "key_set::",
        ],
    },
];

/// The list of survivors that are explained, one ``- `file: mutation`: reason`` each.
const EXPLAINED: &str = "tests/mutants.md";

/// Exit codes of cargo-mutants after a whole run: all caught, some missed, some ran too long.
const RAN: [i32; 3] = [0, 2, 3];

/// The release of cargo-mutants, by whose names the survivors are listed.
const MUTANTS: &str = "27.1.0";

/// Says where the tests find their corpora.
const CORPORA: &str = "GATEPOST_CORPORA";

/// Who judges first: core's own tests, which are quick to build; of them [`Room::judges`].
const FIRST: [&str; 7] = [
    // They take less than a second; what has not ended by then never does.
    "--minimum-test-timeout",
    "8",
    "--cargo-arg=--lib",
    "--test-package",
    "gatepost-core",
    "--",
    "--",
];

/// Who judges what survives those: the tests of behaviour, most of which link both backends.
const SECOND: [&str; 15] = [
    // The first round has shown that the tests pass, but not these; their time is bounded all the same.
    "--baseline",
    "skip",
    "--timeout",
    "90",
    // Said of cargo, not of its tests, so that no other tests are built either.
    "--cargo-arg=--test=policy",
    "--cargo-arg=--test=online",
    "--cargo-arg=--test=invariants",
    "--cargo-arg=--test=dovecot_cases",
    "--cargo-arg=--test=clients",
    "--cargo-arg=--test=errors",
    "--test-package",
    "gatepost-tests",
    // What a library's user has of core.
    "--cargo-arg=--test=library",
    "--test-package",
    "gatepost-core",
];

/// Runs cargo-mutants over all rooms, or the one behind `--room`, or over what further `arguments` leave of
/// them, then compares the survivors with the explained ones. `--shard 0/8`, say, takes the first eighth.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let ["--room", wanted, rest @ ..] = arguments else {
        let rooms: Vec<&Room> = ROOMS.iter().collect();
        return judge(&rooms, arguments);
    };
    let Some(room) = ROOMS.iter().find(|room| room.name == *wanted) else {
        let names = ROOMS.map(|room| room.name).join(", ");
        return Err(format!("there is no room `{wanted}`, but {names}").into());
    };
    judge(&[room], rest)
}

/// Runs cargo-mutants over one room, whole.
pub(crate) fn run_room(room: &Room) -> Outcome {
    judge(&[room], &[])
}

fn judge(rooms: &[&Room], arguments: &[&str]) -> Outcome {
    let folder = target_dir().join("mutants");
    fs::create_dir_all(folder.join("tmp"))?;
    let (mut noticed, mut survived) = (String::new(), String::new());
    for room in rooms {
        let found = round(&folder, &first(room, arguments))?;
        noticed += &found.noticed;
        survived += &found.missed;
    }
    // All at once: to build what judges them takes longer than to judge a room.
    if !survived.is_empty() {
        let found = round(&folder, &second(&survived))?;
        noticed += &found.noticed;
        survived = common(&survived, &found.missed);
    }
    let survived = counted(survived.lines().map(without_line));
    let noticed = counted(noticed.lines().map(without_line));
    let mut explained = explained(&read_if_there(&root().join(EXPLAINED))?)?;
    explained.retain(|name, _| rooms.iter().any(|room| room.holds(name)));
    let complaints = compare(&survived, &noticed, &explained, arguments.is_empty());
    for complaint in &complaints {
        println!("{complaint}");
    }
    println!(
        "{} noticed, {} survivors, {} complaints",
        noticed.values().sum::<usize>(),
        survived.values().sum::<usize>(),
        complaints.len()
    );
    Ok(complaints.is_empty())
}

/// What the first round over a room is told.
fn first(room: &Room, arguments: &[&str]) -> Vec<String> {
    let files = room.files.iter().flat_map(|file| ["--file", *file]);
    let words = files.chain(arguments.iter().copied()).chain(FIRST);
    let judges = room.judges.iter().copied();
    words.chain(judges).map(str::to_owned).collect()
}

/// What came of a round, one mutant a line.
struct Found {
    /// Those that a test, the compiler or a time limit stopped.
    noticed: String,
    /// Those that nothing stopped.
    missed: String,
}

/// Runs cargo-mutants once.
fn round(folder: &Path, arguments: &[String]) -> Result<Found, Box<dyn Error>> {
    match fs::remove_dir_all(folder.join("mutants.out")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut command = cargo([
        "mutants",
        "--package",
        "gatepost-core",
        "--no-shuffle",
        "--output",
    ]);
    command.arg(folder).args(arguments);
    command.env("PATH", tools::path_with("mutants", MUTANTS)?);
    command.env("TMPDIR", folder.join("tmp"));
    // Nobody debugs a mutant, and linking is most of what one costs.
    command.env("CARGO_PROFILE_DEV_DEBUG", "0");
    // Beside the copy that is mutated there are none.
    if env::var_os(CORPORA).is_none() {
        command.env(CORPORA, root().join("../shared/corpora"));
    }
    announce(&command);
    let status = command.status()?;
    if !status.code().is_some_and(|code| RAN.contains(&code)) {
        return Err(format!("cargo mutants: {status}").into());
    }
    let listed = |name: &str| read_if_there(&folder.join("mutants.out").join(name));
    Ok(Found {
        noticed: listed("caught.txt")? + &listed("timeout.txt")? + &listed("unviable.txt")?,
        missed: listed("missed.txt")?,
    })
}

/// The second round, over `survivors` by name: a shard of what is left would be another than what is left of the
/// shard. Their files are named as well, for cargo-mutants lets no pattern choose among fields that it deletes.
fn second(survivors: &str) -> Vec<String> {
    let files = survivors.lines().filter_map(|name| name.split(':').next());
    let files: BTreeSet<&str> = files.collect();
    let files = files
        .into_iter()
        .flat_map(|file| ["--file".to_owned(), file.to_owned()]);
    let names = survivors.lines();
    let names = names.flat_map(|name| ["--re".to_owned(), exactly(name)]);
    let tests = SECOND.map(str::to_owned);
    files.chain(names).chain(tests).collect()
}

/// The lines of `some` that `others` has as well.
fn common(some: &str, others: &str) -> String {
    let others: BTreeSet<&str> = others.lines().collect();
    let lines = some.lines().filter(|line| others.contains(line));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// A regular expression that fits `name` alone. Not every mark may have a backslash: `\<` begins a word.
fn exactly(name: &str) -> String {
    let mut pattern = String::from("^");
    for c in name.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('$');
    pattern
}

impl Room {
    /// Whether the mutant called `name` is of one of its files.
    fn holds(&self, name: &str) -> bool {
        self.files.iter().any(|file| match file.strip_suffix("**") {
            Some(folder) => name.starts_with(folder),
            None => name
                .strip_prefix(file)
                .is_some_and(|rest| rest.starts_with(':')),
        })
    }
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

fn read_if_there(path: &Path) -> io::Result<String> {
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
    fn every_file_is_in_one_room() {
        let room = |name: &str| {
            let holding = ROOMS.iter().filter(|room| room.holds(name));
            holding.map(|room| room.name).collect::<Vec<_>>()
        };
        assert_eq!(room(MUTANT), ["policy"]);
        assert_eq!(
            room("core/src/policy/answer.rs: replace a with b"),
            ["policy"]
        );
        assert_eq!(room("core/src/exchange.rs: replace a with b"), ["exchange"]);
        assert_eq!(room("core/src/wire/json.rs: replace a with b"), ["wire"]);
        assert!(room("core/src/time.rs: replace a with b").is_empty());
    }

    #[test]
    fn the_second_round_keeps_to_what_the_first_left() {
        let left = "a.rs:1:2: replace + with -\nb.rs:3:4: replace f with ()\n";
        let arguments = second(left);
        assert_eq!(arguments[..4], ["--file", "a.rs", "--file", "b.rs"]);
        assert_eq!(arguments[4..6], ["--re", r"^a\.rs:1:2: replace \+ with -$"]);
        let missed = "b.rs:3:4: replace f with ()\nb.rs:9:9: delete field x\n";
        assert_eq!(common(left, missed), "b.rs:3:4: replace f with ()\n");
    }

    #[test]
    fn a_name_is_found_by_itself_alone() {
        assert_eq!(
            exactly("core/src/a.rs:12:5: replace A<B>::f -> bool with (true || false)"),
            r"^core/src/a\.rs:12:5: replace A<B>::f -> bool with \(true \|\| false\)$"
        );
    }

    #[test]
    fn every_explanation_has_a_reason() {
        let line = format!("# Survivors\n\n- `{MUTANT}`: both sides are equal there\n");
        assert_eq!(explained(&line), Ok(counts(&[MUTANT])));
        assert!(explained(&format!("- `{MUTANT}`\n")).is_err());
        assert!(explained(&format!("- `{MUTANT}`: \n")).is_err());
    }
}
