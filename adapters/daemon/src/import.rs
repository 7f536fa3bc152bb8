//! `gatepost import`: reads what Dovecot's oauth2 database is configured with, and writes our configuration.
//!
//! A file goes through `source` (includes), `lexer` (lines), `v2_3` or `v2_4` (blocks), `settings` (what each means
//! here) and `write`, in this order.

mod client;
mod dialect;
mod dovecot;
mod draft;
mod error;
mod found;
mod glob;
mod lexer;
mod names;
mod passwords;
mod provider;
mod read;
mod settings;
mod source;
mod v2_3;
mod v2_4;
mod value;
mod variables;
mod write;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use draft::Draft;
use error::ImportError;
use found::Found;
use lexer::Dialect;

/// Options of `gatepost import`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Dovecot's dovecot.conf, its dovecot-oauth2.conf.ext (2.3), or a file with an oauth2 { } block (2.4)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Writes what was read, secrets too, a setting a line as JSON, and no configuration
    #[arg(long)]
    settings: bool,
}

/// Writes the configuration to standard output; exit code 2 where the file cannot be taken over.
pub(crate) fn run(options: &Options) -> ExitCode {
    let read = || {
        let text = source::read(&options.file)?;
        if options.settings {
            read::lines(&options.file, &text)
        } else {
            import(&options.file, &text)
        }
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

/// Reads the file at `path`, whose text is `text`, and what it includes or names.
fn find(path: &Path, text: &str) -> Result<Found, ImportError> {
    let found = match dialect::of(text) {
        Dialect::Ext => v2_3::database(path, text)?,
        Dialect::V2_3 => v2_3::main(path, text)?,
        Dialect::V2_4 => v2_4::main(path, text)?,
    };
    if found.is_empty() {
        return Err(ImportError::Nothing);
    }
    Ok(found)
}

/// Our configuration for what `text`, the file at `path`, says, with remarks.
fn import(path: &Path, text: &str) -> Result<String, ImportError> {
    let found = find(path, text)?;
    let mut draft = Draft::new(found.version);
    passwords::take(&mut draft, &found)?;
    for other in found.others {
        draft.say(other);
    }
    write::write(draft, found.version, &found.path.to_string_lossy())
}

#[cfg(test)]
mod destinations;

#[cfg(test)]
mod rows;

#[cfg(test)]
mod tests;
