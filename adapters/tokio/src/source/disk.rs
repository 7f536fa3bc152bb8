//! The last good metadata and keys of a provider, kept on disk for a start without it.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use gatepost_core::{UnixTime, introspection::Answer};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Longest file, in bytes: two answers in JSON strings, each byte of which may take two.
const MAX_FILE: u64 = 4 * Answer::MAX_LEN as u64 + 4096;

/// What a provider answered last that was good.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    fetched_at: i64,
    metadata: Option<String>,
    key_set_url: Option<String>,
    key_set: Option<String>,
}

impl Kept {
    pub(super) fn new(
        fetched_at: UnixTime,
        metadata: Option<String>,
        key_set: Option<(String, String)>,
    ) -> Self {
        let (key_set_url, key_set) = key_set.unzip();
        Self {
            fetched_at: fetched_at.seconds(),
            metadata,
            key_set_url,
            key_set,
        }
    }

    pub(super) fn fetched_at(&self) -> UnixTime {
        UnixTime::from_seconds(self.fetched_at)
    }

    pub(super) fn metadata(&self) -> Option<&str> {
        self.metadata.as_deref()
    }

    pub(super) fn key_set(&self) -> Option<(&str, &str)> {
        self.key_set_url.as_deref().zip(self.key_set.as_deref())
    }
}

/// One file, which belongs to one issuer.
pub(super) struct Disk {
    path: PathBuf,
    /// What the file has to say whose it is.
    identity: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    identity: String,
    kept: Kept,
}

impl Disk {
    pub(super) fn new(state: &Path, identity: String, key_set_url: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(identity.as_bytes());
        hash.update([0]);
        hash.update(key_set_url);
        let mut name = String::new();
        for byte in hash.finalize() {
            // A string always has room.
            let _ = write!(name, "{byte:02x}");
        }
        Self {
            path: state.join(name).with_extension("json"),
            identity,
        }
    }

    /// What is there, if it is this issuer's and whole.
    pub(super) fn read(&self, provider: &str) -> Option<Kept> {
        let length = fs::metadata(&self.path).ok()?.len();
        let path = self.path.display().to_string();
        if length > MAX_FILE {
            tracing::warn!(provider, path, "kept keys ignored: the file is too long");
            return None;
        }
        let text = fs::read(&self.path).ok()?;
        match serde_json::from_slice::<File>(&text) {
            Ok(file) if file.identity == self.identity => Some(file.kept),
            _ => {
                tracing::warn!(provider, path, "kept keys ignored: the file is damaged");
                None
            }
        }
    }

    /// Replaces the file as a whole; where that fails, the old one stays.
    pub(super) fn write(&self, kept: &Kept, provider: &str) {
        if let Err(error) = self.try_write(kept) {
            tracing::warn!(
                provider,
                path = self.path.display().to_string(),
                error = error.to_string(),
                "keys not kept: a start without the provider would have none"
            );
        }
    }

    fn try_write(&self, kept: &Kept) -> std::io::Result<()> {
        let file = File {
            identity: self.identity.clone(),
            kept: kept.clone(),
        };
        let new = self.path.with_extension("new");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut out = options.open(&new)?;
        out.write_all(&serde_json::to_vec(&file)?)?;
        out.sync_all()?;
        fs::rename(&new, &self.path)
    }
}
