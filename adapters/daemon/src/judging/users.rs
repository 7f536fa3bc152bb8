//! The users that Gatepost has by itself, and their file, which may change.

use std::fs;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gatepost_mail::users::Users;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::config::{UserSettings, UsersError};

/// How often the file is looked at: Dovecot does at every lookup.
const PAUSE: Duration = Duration::from_secs(1);

/// How long reading may take before it is said that it takes long.
const PATIENCE: Duration = Duration::from_secs(5);

/// What tells that a file has changed.
type Stamp = Option<(SystemTime, u64)>;

/// The users as they are at present, and what keeps them so.
pub(crate) struct Followed {
    pub(crate) users: watch::Receiver<Option<Arc<Users>>>,
    pub(crate) follow: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Reads the users, and keeps them current as long as the future is polled.
pub(crate) fn load(settings: UserSettings) -> Result<Followed, UsersError> {
    // Before it is read: a change meanwhile is noticed.
    let stamp = settings.passwd_file().and_then(stamp);
    let users = settings.load()?;
    let (sender, users) = watch::channel(Some(Arc::new(users)));
    let follow = Box::pin(follow(settings, stamp, sender));
    Ok(Followed { users, follow })
}

/// Reads the file again when it has changed. What cannot be read leaves the users that are known.
async fn follow(
    settings: UserSettings,
    mut known: Stamp,
    users: watch::Sender<Option<Arc<Users>>>,
) {
    if settings.passwd_file().is_none() {
        return users.closed().await;
    }
    loop {
        sleep(PAUSE).await;
        let again = settings.clone();
        // Nothing for a thread that others wait for: the file may be long, and its file system may hang.
        let mut look = spawn_blocking(move || look(&again, known));
        let looked = if let Ok(looked) = timeout(PATIENCE, &mut look).await {
            looked
        } else {
            tracing::error!("users not read in time: the old ones stay");
            // No second thread waits for the same file.
            look.await
        };
        let Ok(Some((found, read))) = looked else {
            continue;
        };
        known = found;
        match read {
            Ok(read) => {
                users.send_replace(Some(Arc::new(read)));
                let path = settings
                    .passwd_file()
                    .map(|path| path.display().to_string());
                tracing::info!(path, "users read again");
            }
            Err(error) => tracing::error!(
                error = error.to_string(),
                "users not read again: the old ones stay"
            ),
        }
    }
}

/// Reads the file if it is not the one that is known.
fn look(settings: &UserSettings, known: Stamp) -> Option<(Stamp, Result<Users, UsersError>)> {
    let found = stamp(settings.passwd_file()?);
    (found != known).then(|| (found, settings.load()))
}

fn stamp(path: &Path) -> Stamp {
    let found = fs::metadata(path).ok()?;
    Some((found.modified().ok()?, found.len()))
}
