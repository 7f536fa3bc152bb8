//! The chores of the repository, each a verb of `cargo xtask`.

mod aarch64;
mod appliance;
mod bench;
mod budget;
mod fuzz;
mod instructions;
mod libtest;
mod lint;
mod long;
mod mutants;
mod tally;
mod test;
mod tools;
mod workspace;

use std::process::ExitCode;

use crate::workspace::fresh;

/// What a chore ends with: whether all is well, or why it could not be told.
type Outcome = Result<bool, Box<dyn std::error::Error>>;

const USAGE: &str = "\
cargo xtask VERB

  test                          everything; ends with `N passed, N failed, N skipped`
                                (with CI=true in the environment, a skipped test is a failure)
  test --long [THEME]..         what takes a night, or the themes named (mutants, fuzz); the same last line
  lint                          format, clippy, docs, builds without std, arrows, what core may hold
  bench core [ARG]..            what judging a token costs: instructions by function, times beside their targets
  bench core --check            fails where it takes 3 % more instructions than recorded; --record records them
  bench daemon [PART]..         the daemon and Dovecot's auth on one core (Debian, root), or some of it: beside,
                                relay, waiting, floods, memory; --profile: where a login's microseconds go (perf)
  bench accounts                100,000 accounts: look-ups beside Postfix's own tables, pushes, a start (Debian, root)
  bench appliance               what a login costs on the appliance: instructions and stack, beside their targets
  aarch64                       the daemon for 64-bit ARM, as one static file (pip fetches the C compiler)
  qemu [FILE]                   the appliance on a board of QEMU's, configured by FILE or with an issuer of
                                its own, until Ctrl-C; with --once instead it logs in itself and ends
  login PORT USER < TOKEN       one login at an auth socket on loopback
  size                          what images of the appliance take in flash and memory, beside their targets
  fuzz [--seconds N] [TARGET].. each fuzz target, or those named, for N seconds (60) on nightly
  mutants [ARG]..               cargo-mutants over what judges and reads; survivors against tests/mutants.md
                                (with --room NAME first: one part of core; with --shard I/N: the Ith of N, from 0)
  help                          this text
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test"] => test::run(),
        ["test", "--long", themes @ ..] => long::run(themes),
        ["lint"] => Ok(lint::run()),
        ["bench", "core", rest @ ..] => bench::core(rest),
        ["bench", "daemon", rest @ ..] => bench::daemon(rest),
        ["bench", "accounts"] => bench::daemon(&["accounts"]),
        ["bench", "appliance"] => bench::appliance(),
        ["aarch64"] => aarch64::build(),
        ["qemu"] => appliance::qemu(None, false, fresh),
        ["qemu", "--once"] => appliance::qemu(None, true, fresh),
        ["qemu", configuration] => appliance::qemu(Some(configuration), false, fresh),
        ["login", port, user] => appliance::login(port, user),
        ["size"] => appliance::size::print(),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["mutants", rest @ ..] => mutants::run(rest),
        [] | ["help" | "-h" | "--help"] => {
            print!("{USAGE}");
            Ok(true)
        }
        _ => {
            eprint!("no such chore: {}\n\n{USAGE}", words.join(" "));
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
