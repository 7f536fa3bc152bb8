//! `gatepost check-config`: reads a configuration as the daemon would, without network.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::Config;

/// Options of `gatepost check-config`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The configuration file (TOML)
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Prints every fault, or what is relaxed. Exit code 0 where there is no fault, 2 otherwise.
pub(crate) fn run(options: &Options) -> ExitCode {
    let config = match Config::read(&options.file) {
        Ok(config) => config,
        Err(error) => {
            println!("{error}");
            return ExitCode::from(2);
        }
    };
    for word in config.looser_words() {
        println!("relaxed: {word}");
    }
    for file in config.exposed_secrets(&options.file) {
        println!(
            "warning: {} holds a secret and can be read by others: let its group be gatepost's (chgrp), then chmod o= it",
            file.display()
        );
    }
    println!("{}: nothing is wrong", options.file.display());
    ExitCode::SUCCESS
}
