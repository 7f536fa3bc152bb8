//! `cargo xtask fuzz`: the fuzz targets on nightly, each for a while.

use std::error::Error;
use std::fs;
use std::process::Command;

use crate::Outcome;
use crate::tools;
use crate::workspace::{output, root, succeeds, target_dir};

/// The folder with a file for each target.
const TARGETS: &str = "tests/fuzz/targets";

/// How long a target runs unless told, in seconds.
const DEFAULT_SECONDS: u32 = 60;

/// Longest input that is tried, in bytes: over the 16384 of an auth line.
const MAX_LEN: u32 = 20_000;

/// Runs the targets that `arguments` name, or all of them.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let existing = targets()?;
    let (seconds, targets) = parse(arguments, &existing)?;
    let path = tools::path_with("fuzz")?;
    let nightly = nightly()?;
    let mut crashed = Vec::new();
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
            "--fuzz-dir",
            "tests/fuzz",
        ]);
        fuzz.arg("--target-dir").arg(target_dir().join("fuzz"));
        fuzz.arg(target)
            .arg(found)
            .arg(format!("tests/fuzz/corpus/{target}"));
        fuzz.args(["--", "-timeout=10"]);
        fuzz.arg(format!("-max_total_time={seconds}"))
            .arg(format!("-max_len={MAX_LEN}"));
        if !succeeds(&mut fuzz)? {
            crashed.push(target);
        }
    }
    for target in &crashed {
        println!("crashed: {target}; its input is below tests/fuzz/artifacts/{target}");
    }
    Ok(crashed.is_empty())
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
