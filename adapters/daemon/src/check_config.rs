//! `gatepost check-config`: reads a configuration as the daemon would, without network.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::errno::Errno;
use nix::unistd::Uid;

use crate::accounts::{self, Foreseen};
use crate::config::Config;
use crate::process::prepare::{self, Kept};

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

fn report(path: &Path, is_file_only: bool) -> Report {
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
    report.is_good = true;
    let shown = path.display();
    if is_file_only {
        let good =
            format!("{shown}: nothing is wrong in the file; what it names was not looked for");
        report.lines.push(good);
        return report;
    }
    for file in config.exposed_secrets(path) {
        report.lines.push(format!(
            "warning: {} holds a secret and can be read by others: let its group be gatepost's (chgrp), then chmod o= it",
            file.display()
        ));
    }
    let ready = prepare::rehearse(path, &config);
    if let Kept::Unusable(directory, error) = &ready.kept {
        report.lines.push(format!(
            "warning: state_directory {} cannot be written: {error}; give gatepost's user a directory of its own there",
            directory.display()
        ));
    }
    report.foresee(&config, ready.accounts.is_some());
    for fault in ready.faults {
        let fault = fault.to_string();
        if is_for_lack_of_rights(&fault, Uid::effective().is_root()) {
            report.lines.push(format!(
                "warning: {fault} (not checked: run check-config as root, or as gatepost's user)"
            ));
        } else {
            report.lines.push(format!("{shown}: {fault}"));
            report.is_good = false;
        }
    }
    if report.is_good {
        report.lines.push(format!("{shown}: nothing is wrong"));
    }
    report
}

impl Report {
    /// Tells what the next start does to accounts, where their database can be read.
    fn foresee(&mut self, config: &Config, is_good: bool) {
        let accounts = config.accounts.as_ref().filter(|_| is_good);
        // What keeps it from being read is told as a fault.
        let foreseen = accounts.map(|accounts| accounts::foresee(accounts).unwrap_or_default());
        for Foreseen { text, advice } in foreseen.into_iter().flatten() {
            self.is_good &= advice.is_none();
            let advice = advice.map_or(String::new(), |advice| format!("; {advice}"));
            self.lines.push(format!("warning: {text}{advice}"));
        }
    }
}

/// Whether only somebody else may read what the daemon reads. Faults of files hold the system's words alone.
fn is_for_lack_of_rights(fault: &str, is_root: bool) -> bool {
    let denied = io::Error::from(Errno::EACCES).to_string();
    !is_root && fault.contains(&denied)
}

#[cfg(test)]
mod tests;
