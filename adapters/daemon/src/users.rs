//! The users that Gatepost has by itself, and their file, which may change.

use std::fs;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gatepost_mail::users::Users;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::config::{UserSettings, UsersError};

/// How often the file is looked at: Dovecot does at every lookup.
const PAUSE: Duration = Duration::from_secs(1);

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
    let Some(path) = settings.passwd_file() else {
        return users.closed().await;
    };
    loop {
        sleep(PAUSE).await;
        let found = stamp(path);
        if found == known {
            continue;
        }
        known = found;
        let again = settings.clone();
        // Reading a long file is nothing for a thread that others wait for.
        let Ok(read) = spawn_blocking(move || again.load()).await else {
            continue;
        };
        match read {
            Ok(read) => {
                users.send_replace(Some(Arc::new(read)));
                tracing::info!(path = %path.display(), "users read again");
            }
            Err(error) => tracing::error!(
                error = error.to_string(),
                "users not read again: the old ones stay"
            ),
        }
    }
}

fn stamp(path: &Path) -> Stamp {
    let found = fs::metadata(path).ok()?;
    Some((found.modified().ok()?, found.len()))
}
