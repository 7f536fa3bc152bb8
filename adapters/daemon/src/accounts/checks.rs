//! What accounts need that is not there, found before anything is opened.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::PathBuf;

use gatepost_store::Trouble;
use nix::unistd::{AccessFlags, eaccess};

use crate::config::{AccountSettings, UsersError};
use crate::connection::tls::TlsError;

/// Why the configuration's accounts cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("[accounts]: database {}: {fault}", .path.display())]
    Database { path: PathBuf, fault: &'static str },
    #[error("[accounts]: the database {} {trouble}", .path.display())]
    Trouble { path: PathBuf, trouble: Trouble },
    #[error("[accounts]: database {}: {source}; give a file that gatepost can write", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error(
        "[accounts]: docker_mailserver {}: this is no directory that is there; name the one with postfix-accounts.cf",
        .0.display()
    )]
    DockerMailserver(PathBuf),
    #[error(transparent)]
    Users(#[from] UsersError),
    #[error("[accounts]: certificate {0}")]
    Tls(#[from] TlsError),
    #[error("[accounts]: {0}")]
    AppPasswordKey(String),
    #[error("[[accounts.pull]] of {source_name}: {fault}")]
    Pull { source_name: String, fault: String },
}

/// Looks for what would keep accounts from being served.
///
/// # Errors
/// The first thing that is not there.
pub(super) fn check(settings: &AccountSettings) -> Result<(), SettingsError> {
    check_file(settings)?;
    check_directory(settings)?;
    for pull in &settings.pulls {
        pull.secret().map_err(|fault| SettingsError::Pull {
            source_name: pull.source.to_string(),
            fault,
        })?;
    }
    Ok(())
}

/// Looks for what would keep the database from being opened, without opening it.
fn check_file(settings: &AccountSettings) -> Result<(), SettingsError> {
    let path = settings.database();
    let fault = |fault| SettingsError::Database {
        path: path.into(),
        fault,
    };
    let failed = |source| SettingsError::Unreadable {
        path: path.into(),
        source,
    };
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => return Err(fault("it is no file; name one")),
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    match fs::metadata(parent.unwrap_or_else(|| ".".as_ref())) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(fault("it would lie in what is no directory; name another")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(fault(
            "its directory is not there; create it, and give it to gatepost's user",
        )),
        Err(error) => Err(failed(error)),
    }
}

/// Looks for what would keep the database from being served from, in the words of that; nothing is made or changed. A
/// daemon begins all the same: it goes on trying.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn check_database(settings: &AccountSettings) -> Result<(), SettingsError> {
    let path = settings.database();
    let failed = |source| SettingsError::Unreadable {
        path: path.into(),
        source,
    };
    let trouble = |trouble| SettingsError::Trouble {
        path: path.into(),
        trouble,
    };
    gatepost_store::look_beside(path).map_err(trouble)?;
    // A log is written beside it.
    if let Some(directory) = path.parent() {
        let rights = AccessFlags::W_OK | AccessFlags::X_OK;
        eaccess(directory, rights).map_err(|error| failed(error.into()))?;
    }
    match OpenOptions::new().read(true).write(true).open(path) {
        // It is made at the start.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(failed)?,
    };
    gatepost_store::look(path).map_err(trouble)
}

fn check_directory(settings: &AccountSettings) -> Result<(), SettingsError> {
    match settings.docker_mailserver() {
        Some(directory) if !directory.is_dir() => {
            Err(SettingsError::DockerMailserver(directory.to_owned()))
        }
        _ => Ok(()),
    }
}
