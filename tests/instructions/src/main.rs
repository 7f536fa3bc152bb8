//! One subject a process, for valgrind to count its instructions: `gatepost-instructions SUBJECT`.
//!
//! Without an argument it names the subjects, one a line. Tokens and keys are made up here, and no signature is
//! verified: whatever machine it runs on, the same instructions are executed.

mod judged_by;
mod subject;
mod token;

use std::process::ExitCode;

use subject::Subject;

/// How often a subject is run where valgrind counts, after once where it does not.
const RUNS: u32 = 5;

fn main() -> ExitCode {
    let subjects = subject::all();
    let Some(name) = std::env::args().nth(1) else {
        for subject in &subjects {
            println!("{RUNS} {}", subject.name);
        }
        return ExitCode::SUCCESS;
    };
    let Some(subject) = subjects.iter().find(|subject| subject.name == name) else {
        eprintln!("no such subject: {name}");
        return ExitCode::FAILURE;
    };
    (subject.work)();
    gatepost_measured(subject);
    ExitCode::SUCCESS
}

/// What valgrind counts, found by its name.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn gatepost_measured(subject: &Subject) {
    for _ in 0..RUNS {
        (subject.work)();
    }
}
