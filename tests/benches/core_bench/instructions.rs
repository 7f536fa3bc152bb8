//! Instruction counts: one subject at a time, alone in a process under valgrind.

use std::{path::Path, process::Command};

use super::{subject::Subject, token};

/// Runs that are counted, after one that is not: the first sets up what is set up once.
const RUNS: u64 = 5;

/// Runs the subject called `name`; valgrind counts what happens inside of [`gatepost_bench_measured`].
pub(crate) fn run_one(subjects: &[Subject], name: &str) {
    let subject = subjects
        .iter()
        .find(|subject| subject.name == name)
        .expect("a known subject");
    (subject.work)();
    gatepost_bench_measured(subject);
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn gatepost_bench_measured(subject: &Subject) {
    for _ in 0..RUNS {
        (subject.work)();
    }
}

/// Instructions of one run, or `None` where valgrind is not installed or does not know one of them.
pub(crate) fn count(name: &str, tokens: &Path) -> Option<u64> {
    let (variable, place) = token::place(tokens);
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=gatepost_bench_measured")
        .arg(std::env::current_exe().ok()?)
        .args(["--only", name])
        .env(variable, place)
        .output()
        .ok()?;
    let report = String::from_utf8_lossy(&output.stderr);
    let collected: u64 = report
        .lines()
        .find_map(|line| line.split_once("Collected :"))?
        .1
        .trim()
        .parse()
        .ok()?;
    Some(collected / RUNS)
}
