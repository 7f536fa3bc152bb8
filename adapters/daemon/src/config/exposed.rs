//! Secrets in files that others can read.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Config;

/// Longest part of a file of keys that is looked at, in bytes: what such a file may have.
const MAX_KEYS: u64 = 64 << 10;

/// Entries of a directory of keys that are looked at.
const MAX_ENTRIES: usize = 1024;

impl Config {
    /// The files with secrets that others than their owner and group can read, `path` being this configuration's.
    pub(crate) fn exposed_secrets(&self, path: &Path) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let has_own = self.providers.iter().any(super::Provider::holds_secret)
            || self.http.as_ref().is_some_and(super::Http::holds_secret);
        if has_own {
            files.push(path.to_owned());
        }
        files.extend(self.http.iter().filter_map(super::Http::secret_file));
        let certificate = self
            .accounts
            .iter()
            .filter_map(super::AccountSettings::certificate);
        files.extend(certificate.map(|(_, key)| key.to_owned()));
        let pulls = self.accounts.iter().flat_map(|accounts| &accounts.pulls);
        files.extend(pulls.map(|pull| pull.secret_file().1.to_owned()));
        let accounts = self.accounts.iter();
        let app_passwords = accounts.flat_map(super::AccountSettings::app_password_key_files);
        files.extend(app_passwords.map(Path::to_owned));
        for provider in &self.providers {
            files.extend(provider.secret_files());
            for keys in provider.key_files() {
                add_secret_keys(keys, &mut files);
            }
        }
        files.dedup();
        files.retain(|file| is_open(file));
        files
    }
}

fn is_open(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.permissions().mode() & 0o004 != 0)
}

/// A file that holds a secret or private key, or those of a directory `<azp>/<ALG>/<kid>`.
fn add_secret_keys(path: &Path, files: &mut Vec<PathBuf>) {
    if !path.is_dir() {
        if holds_secret_key(path) {
            files.push(path.to_owned());
        }
        return;
    }
    let entries = |path: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        paths.take(MAX_ENTRIES).collect()
    };
    let is_secret = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with("HS")
    };
    for client in entries(path) {
        for algorithm in entries(&client).into_iter().filter(is_secret) {
            files.extend(entries(&algorithm));
        }
    }
}

fn holds_secret_key(path: &Path) -> bool {
    let mut text = String::new();
    let read = fs::File::open(path).map(|file| file.take(MAX_KEYS).read_to_string(&mut text));
    if !matches!(read, Ok(Ok(_))) {
        return false;
    }
    if text.contains("PRIVATE KEY-----") {
        return true;
    }
    let Ok(found) = serde_json::from_str::<Value>(&text) else {
        return false;
    };
    // RFC 7518 sections 6.2.2, 6.3.2 and 6.4: `d` is private, `oct` is secret as a whole.
    let is_secret = |key: &Value| key["kty"] == "oct" || key.get("d").is_some();
    is_secret(&found)
        || found["keys"]
            .as_array()
            .is_some_and(|keys| keys.iter().any(is_secret))
}
