//! `cargo xtask fuzz`: the fuzz targets on nightly, each for a while.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::tools;
use crate::workspace::{announce, output, root, target_dir};

/// The folder with a file for each target.
const TARGETS: &str = "tests/fuzz/targets";

/// How long a target runs unless told, in seconds.
const DEFAULT_SECONDS: u32 = 60;

/// Longest input that is tried, in bytes: over the 16384 of an auth line.
const MAX_LEN: u32 = 20_000;

/// The release of cargo-fuzz.
const FUZZ: &str = "0.13.2";

/// How many runs a second a target should manage.
const ENOUGH: u32 = 5000;

/// The target of which a run takes its time: it verifies signatures.
const SLOW: &str = "exchange";

/// Runs the targets that `arguments` name, or all of them.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let existing = targets()?;
    let (seconds, targets) = parse(arguments, &existing)?;
    let path = tools::path_with("fuzz", FUZZ)?;
    let nightly = nightly()?;
    let mut crashed = Vec::new();
    let mut rates = Vec::new();
    for target in targets {
        // New findings go to the first corpus folder; the seeds in the repository stay as they are.
        let found = target_dir().join("fuzz/corpus").join(target);
        fs::create_dir_all(&found)?;
        let mut fuzz = Command::new("rustup");
        fuzz.current_dir(root()).env("PATH", &path);
        fuzz.args([
            "run",
            &nightly,
            "cargo",
            "fuzz",
            "run",
            // What it would watch for needs `unsafe`, which what is tried forbids; it makes a run seven times as long.
            "--sanitizer=none",
            "--fuzz-dir",
            "tests/fuzz",
        ]);
        fuzz.arg("--target-dir").arg(target_dir().join("fuzz"));
        fuzz.arg(target)
            .arg(found)
            .arg(format!("tests/fuzz/corpus/{target}"));
        fuzz.args(["--", "-timeout=10", "-print_final_stats=1"]);
        fuzz.arg(format!("-max_total_time={seconds}"))
            .arg(format!("-max_len={MAX_LEN}"));
        let (is_good, rate) = watch(fuzz)?;
        rates.push((target, rate));
        if !is_good {
            crashed.push(target);
        }
    }
    println!();
    for (target, rate) in rates {
        println!("{}", shown(target, rate));
    }
    for target in &crashed {
        println!("crashed: {target}; its input is below tests/fuzz/artifacts/{target}");
    }
    Ok(crashed.is_empty())
}

/// Runs `fuzz`, passing on what it says; whether it found nothing, and how many runs a second it managed.
fn watch(mut fuzz: Command) -> io::Result<(bool, Option<u32>)> {
    announce(&fuzz);
    let mut child = fuzz.stderr(Stdio::piped()).spawn()?;
    let mut rate = None;
    for line in child
        .stderr
        .take()
        .into_iter()
        .flat_map(|stderr| BufReader::new(stderr).split(b'\n'))
    {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        rate = rate_in(&line).or(rate);
        eprintln!("{line}");
    }
    Ok((child.wait()?.success(), rate))
}

/// The runs a second of libFuzzer's final statistics.
fn rate_in(line: &str) -> Option<u32> {
    line.strip_prefix("stat::average_exec_per_sec:")?
        .trim()
        .parse()
        .ok()
}

fn shown(target: &str, rate: Option<u32>) -> String {
    let judgement = match rate {
        Some(rate) if rate < ENOUGH && target != SLOW => "  fewer than is wanted",
        _ => "",
    };
    let rate = rate.map_or("?".to_owned(), |rate| rate.to_string());
    format!("{target:<20} {rate:>8} runs a second{judgement}")
}

/// What this machine lacks for it.
pub(crate) fn lacking() -> Vec<String> {
    nightly().err().iter().map(ToString::to_string).collect()
}

/// The names of all targets, in their order.
pub(crate) fn targets() -> Result<Vec<String>, Box<dyn Error>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join(TARGETS))? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|stem| stem.to_str());
        names.push(name.ok_or("a target's name is not UTF-8")?.to_owned());
    }
    names.sort();
    Ok(names)
}

/// Reads `[--seconds N] [TARGET]..`; all of `existing` where no target is named.
fn parse<'a>(arguments: &[&'a str], existing: &'a [String]) -> Result<(u32, Vec<&'a str>), String> {
    let (seconds, targets) = match arguments {
        ["--seconds", seconds, rest @ ..] => {
            let seconds = seconds
                .parse()
                .map_err(|_| format!("--seconds {seconds}: no number"))?;
            (seconds, rest)
        }
        rest => (DEFAULT_SECONDS, rest),
    };
    let existing = existing.iter().map(String::as_str);
    if targets.is_empty() {
        return Ok((seconds, existing.collect()));
    }
    match targets
        .iter()
        .find(|target| !existing.clone().any(|name| name == **target))
    {
        Some(unknown) => Err(format!("{TARGETS} has no `{unknown}.rs`")),
        None => Ok((seconds, targets.to_vec())),
    }
}

/// The nightly toolchain that is installed: its sanitizers are what fuzzing needs.
fn nightly() -> Result<String, Box<dyn Error>> {
    let toolchains = output(Command::new("rustup").args(["toolchain", "list"]))?;
    let nightly = toolchains
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .find(|name| name.starts_with("nightly"))
        .ok_or("no nightly toolchain; `rustup toolchain install nightly` brings one")?;
    Ok(nightly.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_a_second_are_read_and_shown() {
        assert_eq!(rate_in("stat::average_exec_per_sec:     455"), Some(455));
        assert_eq!(rate_in("stat::number_of_executed_units: 7"), None);
        assert!(shown("auth_lines", Some(455)).ends_with("fewer than is wanted"));
        assert!(shown("auth_lines", Some(5000)).ends_with("5000 runs a second"));
        assert!(shown("exchange", Some(455)).ends_with("455 runs a second"));
        assert!(shown("jwt", None).ends_with("? runs a second"));
    }

    #[test]
    fn all_targets_unless_some_are_named() {
        let existing = ["claims".to_owned(), "jwt".to_owned()];
        assert_eq!(parse(&[], &existing), Ok((60, vec!["claims", "jwt"])));
        assert_eq!(
            parse(&["--seconds", "5", "jwt"], &existing),
            Ok((5, vec!["jwt"]))
        );
        assert!(parse(&["jvt"], &existing).is_err());
        assert!(parse(&["--seconds", "many"], &existing).is_err());
    }
}
