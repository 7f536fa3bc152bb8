//! Room for the bodies that sources send: each has its share, so that none keeps another away.

use std::sync::Arc;
use std::time::Duration;

use gatepost_accounts::scim::limits::MAX_BODY;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// KiB of the longest body.
const LONGEST: usize = MAX_BODY / 1024;

/// Most KiB of bodies that wait at once, shared among the sources: eight of the longest, or one of each source where
/// there are more.
const ALL: usize = 8 * LONGEST;

/// How long a body waits for room among those of its source.
const PATIENCE: Duration = Duration::from_secs(10);

/// Room for the bodies of each source.
pub(super) struct Bodies(Vec<Arc<Semaphore>>);

/// Room for one body, until it is dropped.
pub(super) struct Room {
    _permit: OwnedSemaphorePermit,
}

impl Bodies {
    /// Room for so many sources.
    pub(super) fn of(sources: usize) -> Self {
        let share = ALL.checked_div(sources).unwrap_or_default().max(LONGEST);
        Self(
            (0..sources)
                .map(|_| Arc::new(Semaphore::new(share)))
                .collect(),
        )
    }

    /// Room for a body of so many bytes, [`MAX_BODY`] at most; `None` where the source has none for too long.
    pub(super) async fn room(&self, source: usize, bytes: usize) -> Option<Room> {
        let kibibytes = u32::try_from(bytes.div_ceil(1024)).ok()?;
        let permit = Arc::clone(self.0.get(source)?).acquire_many_owned(kibibytes);
        let permit = timeout(PATIENCE, permit).await.ok()?.ok()?;
        Some(Room { _permit: permit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_source_has_room_for_the_longest_body_whatever_others_send() {
        for sources in [1, 2, 3, 8, 50] {
            let bodies = Bodies::of(sources);
            let mut held = Vec::new();
            while let Some(room) = bodies.room(0, MAX_BODY).await {
                held.push(room);
            }
            assert_eq!(held.len(), (8 / sources).max(1));
            for other in 1..sources {
                assert!(bodies.room(other, MAX_BODY).await.is_some(), "{other}");
            }
            held.pop();
            assert!(bodies.room(0, MAX_BODY).await.is_some());
        }
    }
}
