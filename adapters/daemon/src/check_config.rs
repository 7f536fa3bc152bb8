//! `gatepost check-config`: reads a configuration as the daemon would, without network.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config::Config;

/// Options of `gatepost check-config`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The configuration file (TOML)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Looks for no file and no account that it names: they are on another machine
    #[arg(long)]
    file_only: bool,
}

/// What is said of a configuration.
#[derive(Default)]
struct Report {
    lines: Vec<String>,
    is_good: bool,
}

/// Prints every fault, or what is relaxed. Exit code 0 where there is no fault, 2 otherwise.
pub(crate) fn run(options: &Options) -> ExitCode {
    let report = report(&options.file, options.file_only);
    for line in report.lines {
        println!("{line}");
    }
    if report.is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    }
}

fn report(path: &Path, _is_file_only: bool) -> Report {
    let mut report = Report::default();
    let config = match Config::read(path) {
        Ok(config) => config,
        Err(error) => {
            report.lines.push(error.to_string());
            return report;
        }
    };
    for word in config.looser_words() {
        report.lines.push(format!("relaxed: {word}"));
    }
    for file in config.exposed_secrets(path) {
        report.lines.push(format!(
            "warning: {} holds a secret and can be read by others: let its group be gatepost's (chgrp), then chmod o= it",
            file.display()
        ));
    }
    report
        .lines
        .push(format!("{}: nothing is wrong", path.display()));
    report.is_good = true;
    report
}

#[cfg(test)]
mod tests;
