//! `cargo xtask mutants`: which changes to what judges no test notices.

mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::Outcome;
use crate::tools;
use crate::workspace::{announce, cargo, root, succeeds, target_dir};

/// A part of core that is mutated by itself.
pub(crate) struct Room {
    /// What it is called.
    pub(crate) name: &'static str,
    /// Its files: whole names, or folders with `/**` behind.
    files: &'static [&'static str],
    /// The modules whose own tests may notice a change to them: itself, and what uses it.
    judges: &'static [&'static str],
    /// Who judges first, as whoever notices most of its mutants saves most of the time.
    first: Judges,
}

/// Who judges a mutant: the one round, then the other over what the first has left.
#[derive(Clone, Copy)]
enum Judges {
    /// Core's own tests, which are quicker to build; of them [`Room::judges`].
    Own,
    /// The tests of behaviour, which link both backends.
    Behaviour,
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
        first: Judges::Behaviour,
    },
    Room {
        name: "sasl",
        files: &["core/src/sasl/**"],
        judges: &["sasl::", "rejection::", "exchange::", "dovecot::"],
        first: Judges::Own,
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
        first: Judges::Own,
    },
    Room {
        name: "exchange",
        files: &["core/src/exchange.rs", "core/src/exchange/**"],
        judges: &["exchange::", "verified::"],
        first: Judges::Behaviour,
    },
    Room {
        name: "dovecot",
        files: &["core/src/dovecot/**"],
        judges: &["dovecot::"],
        first: Judges::Own,
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
        first: Judges::Own,
    },
];

/// Tests that judge mutants.
struct Tests {
    package: &'static str,
    /// What is said of them to cargo, so that no others are built.
    target: &'static str,
    /// How the names of those that are run begin; all are where it is empty.
    filter: &'static [&'static str],
}

/// The list of survivors that are explained, one ``- `file: mutation`: reason`` each.
const EXPLAINED: &str = "tests/mutants.md";

/// The copy of the workspace that is mutated, below what is built.
const TREE: &str = "tree";

/// Exit codes of cargo-mutants after a whole run: all caught, some missed, some ran too long.
const RAN: [i32; 3] = [0, 2, 3];

/// The release of cargo-mutants, by whose names the survivors are listed.
const MUTANTS: &str = "27.1.0";

/// What has not ended by then never does, in seconds: either tests take less than three, on a machine that does
/// nothing else.
const TIMEOUT: &str = "15";

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
    tree::mirror(root(), &folder.join(TREE))?;
    let (mut noticed, mut survived) = (String::new(), String::new());
    for room in rooms {
        let files = room.files.iter().flat_map(|file| ["--file", *file]);
        let all = files.chain(arguments.iter().copied()).map(str::to_owned);
        let found = round(&folder, all, &room.tests(room.first))?;
        noticed += &found.noticed;
        if found.missed.is_empty() {
            continue;
        }
        let left = by_name(&found.missed).into_iter();
        let again = round(&folder, left, &room.tests(room.first.other()))?;
        noticed += &again.noticed;
        survived += &common(&found.missed, &again.missed);
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

/// What came of a round, one mutant a line.
struct Found {
    /// Those that a test, the compiler or a time limit stopped.
    noticed: String,
    /// Those that nothing stopped.
    missed: String,
}

/// Runs cargo-mutants once over the `mutants` that its arguments name, with `tests` to judge them.
///
/// The copy is changed in place: what it stands on is built once for all rounds, and cargo sees by the time of
/// each change what it has to build again.
fn round(
    folder: &Path,
    mutants: impl Iterator<Item = String>,
    tests: &Tests,
) -> Result<Found, Box<dyn Error>> {
    match fs::remove_dir_all(folder.join("mutants.out")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    // cargo-mutants would look for the tests of behaviour in core itself.
    let mut unchanged = cargo(["test", "--quiet", "--package", tests.package, tests.target]);
    unchanged.arg("--").args(tests.filter);
    if !succeeds(in_tree(folder, &mut unchanged))? {
        return Err("the tests fail without any mutant".into());
    }
    let mut command = cargo(["mutants", "--in-place", "--package", "gatepost-core"]);
    command.arg("--output").arg(folder).args(mutants);
    command.args(["--no-shuffle", "--baseline", "skip", "--timeout", TIMEOUT]);
    command.args(["--test-package", tests.package, "--cargo-arg", tests.target]);
    command.args(["--", "--"]).args(tests.filter);
    command.env("PATH", tools::path_with("mutants", MUTANTS)?);
    let command = in_tree(folder, &mut command);
    announce(command);
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

/// Lets `command` work on the copy.
fn in_tree<'c>(folder: &Path, command: &'c mut Command) -> &'c mut Command {
    command.current_dir(folder.join(TREE));
    command.env("CARGO_TARGET_DIR", folder.join("build"));
    // Nobody debugs a mutant, and linking is most of what one costs.
    command.env("CARGO_PROFILE_DEV_DEBUG", "0")
}

/// Chooses `survivors` by name: a shard of what is left would be another than what is left of the shard. Their
/// files are named as well, for cargo-mutants lets no pattern choose among fields that it deletes.
fn by_name(survivors: &str) -> Vec<String> {
    let files = survivors.lines().filter_map(|name| name.split(':').next());
    let files: BTreeSet<&str> = files.collect();
    let files = files
        .into_iter()
        .flat_map(|file| ["--file".to_owned(), file.to_owned()]);
    let names = survivors.lines();
    let names = names.flat_map(|name| ["--re".to_owned(), exactly(name)]);
    files.chain(names).collect()
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

impl Judges {
    fn other(self) -> Self {
        match self {
            Self::Own => Self::Behaviour,
            Self::Behaviour => Self::Own,
        }
    }
}

impl Room {
    fn tests(&self, judges: Judges) -> Tests {
        match judges {
            Judges::Own => Tests {
                package: "gatepost-core",
                target: "--lib",
                filter: self.judges,
            },
            Judges::Behaviour => Tests {
                package: "gatepost-core-tests",
                target: "--test=behaviour",
                filter: &[],
            },
        }
    }

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
        let arguments = by_name(left);
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
