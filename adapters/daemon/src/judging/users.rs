//! The users that Gatepost has by itself, and their file, which may change.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gatepost_mail::users::Users;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::config::{UserSettings, UsersError};
use crate::process::attempts::Attempts;

/// How often the file is looked at: Dovecot does at every lookup.
const PAUSE: Duration = Duration::from_secs(1);

/// Longest pause while looking hangs, which grows: each look that hangs takes a thread.
const MAX_PAUSE: Duration = Duration::from_hours(1);

/// How long reading may take before it is said that it takes long.
const PATIENCE: Duration = Duration::from_secs(5);

/// What tells that a file has changed, or is another one.
type Stamp = Option<(SystemTime, u64, u64, u64)>;

/// The users as they are at present, and what keeps them so.
pub(crate) struct Followed {
    pub(crate) users: watch::Receiver<Option<Arc<Users>>>,
    pub(crate) follow: Pin<Box<dyn Future<Output = ()> + Send>>,
    again: Arc<Notify>,
}

impl Followed {
    /// Has the file read anew, whether it seems to have changed or not.
    pub(crate) fn again(&self) -> Arc<Notify> {
        Arc::clone(&self.again)
    }
}

/// Reads the users, and keeps them current as long as the future is polled.
pub(crate) fn load(settings: UserSettings) -> Result<Followed, UsersError> {
    // Before it is read: a change meanwhile is noticed.
    let known = settings.passwd_file().and_then(stamp);
    let users = settings.load()?;
    let (sender, users) = watch::channel(Some(Arc::new(users)));
    let again = Arc::new(Notify::new());
    let following = Following {
        settings,
        known,
        users: sender,
        reading: None,
        attempts: Attempts::default(),
    };
    let follow = Box::pin(following.follow(Arc::clone(&again)));
    Ok(Followed {
        users,
        follow,
        again,
    })
}

/// What is known of the file.
struct Following {
    settings: UserSettings,
    known: Stamp,
    users: watch::Sender<Option<Arc<Users>>>,
    /// What is being read and has not come in time.
    reading: Option<Reading>,
    attempts: Attempts,
}

/// One file on its way.
struct Reading {
    stamp: Stamp,
    users: JoinHandle<Result<Users, UsersError>>,
    is_late: bool,
}

/// Whether the file system answers.
#[derive(Eq, PartialEq)]
enum Looked {
    AtIt,
    /// Not in time.
    InVain,
}

impl Following {
    /// Reads the file again when it has changed, or at a word. What cannot be read leaves the users that are known.
    async fn follow(mut self, again: Arc<Notify>) {
        if self.settings.passwd_file().is_none() {
            return self.users.closed().await;
        }
        let mut pause = PAUSE;
        loop {
            let is_told = timeout(pause, again.notified()).await.is_ok();
            pause = match self.look(is_told).await {
                Looked::AtIt => PAUSE,
                Looked::InVain => pause.saturating_mul(2).min(MAX_PAUSE),
            };
        }
    }

    /// Looks at the file, and reads it where it is not the one that is known or is to be read in any case.
    async fn look(&mut self, in_any_case: bool) -> Looked {
        // Nothing for a thread that others wait for: the file may be long, and its file system may hang.
        let runtime = Handle::current();
        let settings = self.settings.clone();
        let find = move || settings.passwd_file().and_then(stamp);
        let found = match self.attempts.begin(&runtime, find) {
            Some(found) => timeout(PATIENCE, found).await,
            None => return Looked::InVain,
        };
        let Ok(Ok(found)) = found else {
            tracing::error!("users not read in time: the old ones stay");
            return Looked::InVain;
        };
        let is_being_read = |reading: &Reading| reading.stamp == found;
        if in_any_case || !self.reading.as_ref().is_some_and(is_being_read) {
            // What another file says is not waited for: that one is gone.
            self.reading = None;
            if in_any_case || found != self.known {
                let settings = self.settings.clone();
                let Some(users) = self.attempts.begin(&runtime, move || settings.load()) else {
                    return Looked::InVain;
                };
                self.reading = Some(Reading {
                    stamp: found,
                    users,
                    is_late: false,
                });
            }
        }
        self.take().await;
        Looked::AtIt
    }

    /// Takes what is being read, if it comes in time; else it is waited for with the next look.
    async fn take(&mut self) {
        let Some(reading) = &mut self.reading else {
            return;
        };
        let Ok(read) = timeout(PATIENCE, &mut reading.users).await else {
            if !std::mem::replace(&mut reading.is_late, true) {
                tracing::error!("users not read in time: the old ones stay");
            }
            return;
        };
        self.known = reading.stamp;
        self.reading = None;
        match read {
            Ok(Ok(users)) => {
                self.users.send_replace(Some(Arc::new(users)));
                let path = self.settings.passwd_file();
                let path = path.map(|path| path.display().to_string());
                tracing::info!(path, "users read again");
            }
            Ok(Err(error)) => tracing::error!(
                error = error.to_string(),
                "users not read again: the old ones stay"
            ),
            // The thread has said why it ended.
            Err(_) => {}
        }
    }
}

fn stamp(path: &Path) -> Stamp {
    let found = fs::metadata(path).ok()?;
    let changed = found.modified().ok()?;
    Some((changed, found.len(), found.dev(), found.ino()))
}
