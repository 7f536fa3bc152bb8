//! The last good metadata and keys of a provider, kept on disk for a start without it.
//!
//! Files are read and written on threads of their own, which nobody waits for longer than a moment: a file system
//! may hang.

use std::fmt::Write as _;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use gatepost_core::{UnixTime, introspection::Answer};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::file::read_file;

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
        metadata: Option<Vec<u8>>,
        key_set: Option<(String, Vec<u8>)>,
    ) -> Self {
        let text = |body| String::from_utf8(body).ok();
        let metadata = metadata.and_then(text);
        let key_set = key_set.and_then(|(url, body)| Some((url, text(body)?)));
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

/// How long a file is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// One file, which belongs to one issuer.
pub(super) struct Disk {
    file: Arc<OnDisk>,
    writing: Arc<Mutex<Writing>>,
}

struct OnDisk {
    path: PathBuf,
    /// The owner that the file has to name.
    identity: String,
    /// What the operator calls the provider.
    provider: String,
}

/// What one thread at a time writes, the latest only.
#[derive(Default)]
struct Writing {
    next: Option<(Arc<Kept>, oneshot::Sender<()>)>,
    is_under_way: bool,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    identity: String,
    kept: Kept,
}

impl Disk {
    pub(super) fn new(state: &Path, provider: &str, identity: String, key_set_url: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(identity.as_bytes());
        hash.update([0]);
        hash.update(key_set_url);
        let mut name = String::new();
        for byte in hash.finalize() {
            // A string always has room.
            let _ = write!(name, "{byte:02x}");
        }
        let file = OnDisk {
            path: state.join(name).with_extension("json"),
            identity,
            provider: provider.to_owned(),
        };
        Self {
            file: Arc::new(file),
            writing: Arc::default(),
        }
    }

    /// What is there, if it is this issuer's and whole, and can be read in time.
    pub(super) async fn read(&self) -> Option<Kept> {
        let file = Arc::clone(&self.file);
        let (reply, kept) = oneshot::channel();
        let read = move || drop(reply.send(file.read()));
        thread::Builder::new()
            .name("keys-read".to_owned())
            .spawn(read)
            .ok()?;
        let Ok(kept) = timeout(PATIENCE, kept).await else {
            self.file.complain("it cannot be read in time");
            return None;
        };
        kept.ok()?
    }

    /// Has the file replaced as a whole, and waits a moment for that; where it fails, the old one stays.
    pub(super) async fn write(&self, kept: Arc<Kept>) {
        let (done, is_done) = oneshot::channel();
        let is_under_way = {
            let mut writing = self.writing();
            writing.next = Some((kept, done));
            std::mem::replace(&mut writing.is_under_way, true)
        };
        if !is_under_way {
            let (file, writing) = (Arc::clone(&self.file), Arc::clone(&self.writing));
            let write = move || file.write_all(&writing);
            let thread = thread::Builder::new().name("keys-write".to_owned());
            if let Err(error) = thread.spawn(write) {
                self.writing().is_under_way = false;
                self.file.complain(&error.to_string());
                return;
            }
        }
        if timeout(PATIENCE, is_done).await.is_err() {
            self.file.complain("it cannot be written in time");
        }
    }

    fn writing(&self) -> std::sync::MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OnDisk {
    fn read(&self) -> Option<Kept> {
        let (provider, path) = (&*self.provider, self.path.display().to_string());
        let text = match read_file(&self.path, MAX_FILE) {
            Err(error) if error.kind() == ErrorKind::FileTooLarge => {
                tracing::warn!(provider, path, "kept keys ignored: the file is too long");
                return None;
            }
            read => read.ok()?,
        };
        match serde_json::from_slice::<File>(&text) {
            Ok(file) if file.identity == self.identity => Some(file.kept),
            _ => {
                tracing::warn!(provider, path, "kept keys ignored: the file is damaged");
                None
            }
        }
    }

    /// Writes for as long as there is something new.
    fn write_all(&self, writing: &Mutex<Writing>) {
        loop {
            let (kept, done) = {
                let mut writing = writing.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(next) = writing.next.take() else {
                    writing.is_under_way = false;
                    return;
                };
                next
            };
            if let Err(error) = self.try_write(&kept) {
                self.complain(&error.to_string());
            }
            // Whoever waited may be gone.
            let _ = done.send(());
        }
    }

    fn complain(&self, error: &str) {
        tracing::warn!(
            provider = self.provider,
            path = self.path.display().to_string(),
            error,
            "keys not kept: a start without the provider would have none"
        );
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
