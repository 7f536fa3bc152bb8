//! `gatepost import`: reads what Dovecot's oauth2 database is configured with, and writes our configuration.

mod draft;
mod read;
mod settings;

use std::path::PathBuf;
use std::process::ExitCode;
use std::{fs, io};

use draft::Draft;

/// Longest file that is read, in bytes: a megabyte is no configuration.
const MAX_FILE: u64 = 1 << 20;

/// Options of `gatepost import`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Dovecot's dovecot-oauth2.conf.ext (2.3), or a file with an oauth2 { } block (2.4)
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Why a file cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    #[error("{0}; name Dovecot's dovecot-oauth2.conf.ext, or a file with an oauth2 block")]
    Unreadable(#[from] io::Error),
    #[error("longer than a megabyte; name a file that holds the oauth2 settings")]
    TooLong,
    #[error("line {line}: {fault}")]
    Line { line: usize, fault: String },
    #[error("no oauth2 settings in it; for Dovecot 2.3 that is dovecot-oauth2.conf.ext")]
    Nothing,
}

impl ImportError {
    fn at(line: usize, fault: impl Into<String>) -> Self {
        let fault = fault.into();
        Self::Line { line, fault }
    }
}

/// Writes the configuration to standard output; exit code 2 where the file cannot be taken over.
pub(crate) fn run(options: &Options) -> ExitCode {
    let read = || {
        if fs::metadata(&options.file)?.len() > MAX_FILE {
            return Err(ImportError::TooLong);
        }
        import(&fs::read_to_string(&options.file)?)
    };
    match read() {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("gatepost: {}: {error}", options.file.display());
            ExitCode::from(2)
        }
    }
}

/// Our configuration for what `text` says, with remarks.
fn import(text: &str) -> Result<String, ImportError> {
    let (version, found) = read::read(text)?;
    let mut draft = Draft::new(version);
    for setting in &found {
        settings::take(&mut draft, setting)?;
    }
    Ok(draft.finish())
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod rows;
