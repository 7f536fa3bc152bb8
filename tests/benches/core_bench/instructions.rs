//! Instruction counts: one subject at a time, alone in a process under valgrind.

use super::subject::Subject;
use std::process::Command;

/// Runs of the subject in the longer of two processes whose difference is counted.
const RUNS: u64 = 20;

/// Runs the subject called `name` as often as `GATEPOST_BENCH_RUNS` says.
pub(crate) fn run_one(subjects: &[Subject], name: &str) {
    let subject = subjects
        .iter()
        .find(|subject| subject.name == name)
        .expect("a known subject");
    let runs = std::env::var("GATEPOST_BENCH_RUNS")
        .ok()
        .and_then(|runs| runs.parse().ok());
    for _ in 0..runs.unwrap_or(1) {
        (subject.work)();
    }
}

/// Instructions of one run, or `None` where valgrind is not installed or does not know one of them.
pub(crate) fn count(name: &str) -> Option<u64> {
    let few = count_runs(name, 1)?;
    let many = count_runs(name, RUNS + 1)?;
    Some(many.checked_sub(few)? / RUNS)
}

fn count_runs(name: &str, runs: u64) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().ok()?)
        .args(["--only", name])
        .env("GATEPOST_BENCH_RUNS", runs.to_string())
        .output()
        .ok()?;
    let report = String::from_utf8_lossy(&output.stderr);
    let collected = report
        .lines()
        .find_map(|line| line.split_once("Collected :"))?
        .1;
    collected.trim().parse().ok()
}
