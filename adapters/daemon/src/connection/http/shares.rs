//! What all sources share, and how much of it one may take: room for bodies, requests at once, turns at the store. So none
//! keeps another away, or an administrator's commands.

use std::sync::Arc;
use std::time::Duration;

use gatepost_accounts::scim::limits::MAX_BODY;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// KiB of the longest body.
const LONGEST: usize = MAX_BODY / 1024;

/// Most KiB of bodies that wait at once, shared among the sources: eight of the longest, or one of each source where
/// there are more.
const BODIES: usize = 8 * LONGEST;

/// Requests at once that every source has, however many sources there are.
const REQUESTS: usize = 4;

/// Requests of a source that the store has at once: each may look at 64 MiB, and others' come after them.
const TURNS: usize = 4;

/// How long a request waits for room, or for its turn, among those of its source.
const PATIENCE: Duration = Duration::from_secs(10);

/// The shares of all sources.
pub(super) struct Shares(Vec<Share>);

struct Share {
    bodies: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

/// Something of a source's share, until it is dropped.
pub(super) struct Taken {
    _permit: OwnedSemaphorePermit,
}

impl Shares {
    /// Shares of so many sources in so many connections.
    pub(super) fn of(sources: usize, connections: usize) -> Self {
        let part = |all: usize, least: usize| {
            let part = all.checked_div(sources).unwrap_or_default().max(least);
            Arc::new(Semaphore::new(part))
        };
        let share = |_| Share {
            bodies: part(BODIES, LONGEST),
            requests: part(connections, REQUESTS),
            turns: Arc::new(Semaphore::new(TURNS)),
        };
        Self((0..sources).map(share).collect())
    }

    /// A request; `None` where the source has too many already.
    pub(super) fn request(&self, source: usize) -> Option<Taken> {
        let requests = Arc::clone(&self.0.get(source)?.requests);
        let permit = requests.try_acquire_owned().ok()?;
        Some(Taken { _permit: permit })
    }

    /// Room for a body of so many bytes, [`MAX_BODY`] at most; `None` where the source has none for too long.
    pub(super) async fn room(&self, source: usize, bytes: usize) -> Option<Taken> {
        let kibibytes = u32::try_from(bytes.div_ceil(1024)).ok()?;
        take(&self.0.get(source)?.bodies, kibibytes).await
    }

    /// A turn at the store; `None` where none comes for too long.
    pub(super) async fn turn(&self, source: usize) -> Option<Taken> {
        take(&self.0.get(source)?.turns, 1).await
    }
}

async fn take(from: &Arc<Semaphore>, number: u32) -> Option<Taken> {
    let permit = Arc::clone(from).acquire_many_owned(number);
    let permit = timeout(PATIENCE, permit).await.ok()?.ok()?;
    Some(Taken { _permit: permit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_source_has_room_for_the_longest_body_whatever_others_send() {
        for sources in [1, 2, 3, 8, 50] {
            let shares = Shares::of(sources, 64);
            let mut held = Vec::new();
            while let Some(room) = shares.room(0, MAX_BODY).await {
                held.push(room);
            }
            assert_eq!(held.len(), (8 / sources).max(1));
            for other in 1..sources {
                assert!(shares.room(other, MAX_BODY).await.is_some(), "{other}");
            }
            held.pop();
            assert!(shares.room(0, MAX_BODY).await.is_some());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_source_has_requests_and_turns_whatever_others_ask() {
        for sources in [1, 2, 50] {
            let shares = Shares::of(sources, 64);
            let requests: Vec<_> = std::iter::from_fn(|| shares.request(0)).collect();
            assert_eq!(requests.len(), (64 / sources).max(REQUESTS));
            let mut turns = Vec::new();
            while let Some(turn) = shares.turn(0).await {
                turns.push(turn);
            }
            assert_eq!(turns.len(), TURNS);
            for other in 1..sources {
                assert!(shares.request(other).is_some(), "{other}");
                assert!(shares.turn(other).await.is_some(), "{other}");
            }
            drop((requests, turns));
            assert!(shares.request(0).is_some() && shares.turn(0).await.is_some());
        }
    }
}
