//! docker-mailserver's files, kept current: a while after accounts have changed, and only where they differ, since it
//! makes all its accounts anew at each change.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatepost_accounts::docker_mailserver::File;
use gatepost_tokio::read_text;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout_at};

use super::Held;

/// How long nothing must change until what has changed is written.
const QUIET: Duration = Duration::from_secs(10);

/// How long a change waits at most.
const MOST: Duration = Duration::from_mins(1);

/// How long files are left alone that could not be written.
const RETRY: Duration = Duration::from_mins(1);

/// Longest file that is read, in bytes.
const MAX_FILE: u64 = 32 << 20;

/// Who may read a file that is new: docker-mailserver does so as root.
const MODE: u32 = 0o640;

/// What a password hash is written in (crypt(5)).
const LETTERS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Keeps the files of a directory current.
pub(super) struct Files {
    pub(super) held: Arc<Held>,
    pub(super) directory: PathBuf,
}

/// What came of a writing.
#[derive(Debug, Default, Eq, PartialEq)]
struct Done {
    /// The names of what has changed.
    written: Vec<&'static str>,
    left_out: usize,
}

impl Files {
    /// Writes them at once, and after each change.
    pub(super) async fn follow(self) {
        let mut changes = self.held.changes();
        let (files, mut left_out) = (Arc::new(self), 0);
        loop {
            let again = Arc::clone(&files);
            // It is not cancelled: nobody ends the runtime before us.
            let done = spawn_blocking(move || again.write()).await;
            match done.unwrap_or_else(|error| Err(io::Error::other(error))) {
                Ok(done) => {
                    files.tell(&done, left_out);
                    left_out = done.left_out;
                    if changes.changed().await.is_err() {
                        return;
                    }
                    settle(&mut changes).await;
                }
                Err(error) => {
                    let (path, error) = (files.directory.display().to_string(), error.to_string());
                    tracing::error!(path, error, "files of docker-mailserver not written");
                    sleep(RETRY).await;
                }
            }
        }
    }

    fn tell(&self, done: &Done, left_out: usize) {
        if !done.written.is_empty() {
            let (path, files) = (self.directory.display().to_string(), done.written.join(" "));
            tracing::info!(path, files, "files of docker-mailserver written");
        }
        if done.left_out != left_out {
            tracing::warn!(
                left_out = done.left_out,
                "addresses that docker-mailserver's scripts could misread are not in its files"
            );
        }
    }

    /// Writes those that differ from what they should be; none where nobody is known, or not everybody yet.
    fn write(&self) -> io::Result<Done> {
        let mut done = Done::default();
        if self.held.awaits(|_| true) {
            return Ok(done);
        }
        for file in File::ALL {
            let path = self.directory.join(file.name());
            let old = match read_text(&path, MAX_FILE) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
                read => read.map_err(|error| named(file, &error))?,
            };
            let mut is_random = true;
            let new = self.held.read(|index, routes| {
                file.rewritten(&old, index, routes, || {
                    let hash = unknown_hash();
                    is_random &= hash.is_some();
                    hash.unwrap_or_default()
                })
            });
            let Some(new) = new else {
                return Ok(done);
            };
            if !is_random {
                return Err(io::Error::other("there are no random numbers"));
            }
            done.left_out += new.left_out;
            if new.text != old {
                replace(&path, &new.text).map_err(|error| named(file, &error))?;
                done.written.push(file.name());
            }
        }
        Ok(done)
    }
}

/// Waits until nothing has changed for a while, or for as long as a change may wait.
async fn settle(changes: &mut watch::Receiver<()>) {
    let last = Instant::now() + MOST;
    loop {
        changes.borrow_and_update();
        let until = last.min(Instant::now() + QUIET);
        if !matches!(timeout_at(until, changes.changed()).await, Ok(Ok(()))) {
            return;
        }
    }
}

fn named(file: File, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", file.name()))
}

/// Puts `text` in the place of a file, which nobody sees half written.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mode = fs::metadata(path).map_or(MODE, |found| found.permissions().mode() & 0o777);
    let new = path.with_extension("cf.gatepost");
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&new)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.set_permissions(fs::Permissions::from_mode(mode))?;
            file.sync_all()
        });
    let replaced = written.and_then(|()| fs::rename(&new, path));
    if replaced.is_err() {
        // It is of no use, and may not be there.
        let _ = fs::remove_file(&new);
    }
    replaced
}

/// A hash in the form of SHA512-CRYPT that is drawn itself: nobody knows a password for it.
fn unknown_hash() -> Option<String> {
    let mut drawn = [0; 16 + 86];
    aws_lc_rs::rand::fill(&mut drawn).ok()?;
    let letter = |byte: &u8| LETTERS.get(usize::from(byte & 63)).copied().map(char::from);
    let text: String = drawn.iter().filter_map(letter).collect();
    let (salt, hash) = text.split_at_checked(16)?;
    Some(format!("{{SHA512-CRYPT}}$6${salt}${hash}"))
}

#[cfg(test)]
mod tests {
    use gatepost_accounts::id::Id;
    use gatepost_accounts::model::{Account, Change, Event, Life, Resource, SourceId};
    use gatepost_accounts::name::Address;
    use gatepost_accounts::routes::Routes;
    use gatepost_accounts::time::Timestamp;
    use gatepost_store::Feed;
    use tempfile::TempDir;

    use super::*;

    fn change(number: u8) -> Change {
        let now = Timestamp::from_millis(0);
        let (sequence, version, position) = (number.into(), number.into(), number.into());
        let life = Life {
            created: now,
            modified: now,
            version,
            position,
            deleted: None,
        };
        let account = Account {
            id: Id::from_bytes([number; 16]),
            source: SourceId(1),
            external_id: None,
            subject: None,
            user_name: format!("u{number}"),
            display_name: None,
            mailbox: Some(Address::parse(&format!("u{number}@x.org")).unwrap()),
            aliases: Vec::new(),
            active: true,
            quota: None,
            forwarding: Vec::new(),
            life,
        };
        let event = Event::Put(Resource::Account(account));
        Change { sequence, event }
    }

    struct Stage {
        directory: TempDir,
        held: Arc<Held>,
        feed: Box<dyn Feed>,
    }

    impl Stage {
        fn start() -> Self {
            let held = Held::new(gatepost_mail::users::Common::default());
            let feed = Box::new(Arc::clone(&held).feed("x".as_ref()));
            let directory = TempDir::new().unwrap();
            let files = Files {
                held: Arc::clone(&held),
                directory: directory.path().into(),
            };
            held.begin(Routes::new(), Vec::new());
            tokio::spawn(files.follow());
            Self {
                directory,
                held,
                feed,
            }
        }

        /// Whose lines there are after so many seconds.
        async fn after(&self, seconds: u64) -> Vec<String> {
            // The clock stands while a file is written.
            sleep(Duration::from_secs(seconds)).await;
            let text = fs::read_to_string(self.directory.path().join("postfix-accounts.cf"));
            let text = text.unwrap_or_default();
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            let names = lines.filter_map(|line| line.split_once('@'));
            names.map(|(name, _)| name.to_owned()).collect()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn files_are_written_once_changes_have_come_to_rest_or_a_minute_after_the_first() {
        let mut stage = Stage::start();
        assert!(stage.after(90).await.is_empty(), "nobody is known");
        stage.feed.changes(&[change(1)]);
        stage.feed.changes(&[change(2)]);
        assert!(stage.after(8).await.is_empty());
        assert_eq!(stage.after(4).await, ["u1", "u2"]);
        for number in 3..13 {
            stage.feed.changes(&[change(number)]);
            assert_eq!(stage.after(5).await.len(), 2);
        }
        for number in 13..16 {
            stage.feed.changes(&[change(number)]);
            stage.after(5).await;
        }
        assert!(stage.after(0).await.len() > 2, "a minute has passed");
        assert!(stage.held.count().is_some());
    }

    #[test]
    fn a_file_keeps_its_mode_and_a_drawn_hash_its_form() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("postfix-accounts.cf");
        replace(&path, "a").unwrap();
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), MODE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        replace(&path, "b").unwrap();
        assert_eq!(
            (mode(), fs::read_to_string(&path).unwrap()),
            (0o600, "b".to_owned())
        );
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        let hash = unknown_hash().unwrap();
        assert_eq!(hash.len(), "{SHA512-CRYPT}$6$$".len() + 16 + 86);
        assert_ne!(hash, unknown_hash().unwrap());
    }
}
