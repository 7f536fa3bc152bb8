//! Room for the connections of one listener. Over HTTP one that asks nothing makes room for a newcomer, the oldest
//! first: whoever holds as many as there are, and says nothing, shuts out nobody.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::metrics;

/// The room of all connections together.
pub(crate) struct Slots {
    permits: Arc<Semaphore>,
    all: u32,
    /// Whether one that asks nothing makes room.
    is_kept_for_askers: bool,
    /// Those that are taken, the oldest first, and some that are not any more.
    taken: Mutex<VecDeque<Weak<Slot>>>,
}

/// The room of one connection, which it has as long as this lives, or until it is given to another one.
#[derive(Default)]
pub(crate) struct Slot {
    permit: Mutex<Option<OwnedSemaphorePermit>>,
    has_asked: AtomicBool,
    given_away: Notify,
}

impl Slots {
    /// Room for `all`.
    pub(crate) fn new(all: u32, is_kept_for_askers: bool) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(all as usize)),
            all,
            is_kept_for_askers,
            taken: Mutex::default(),
        }
    }

    /// Room for one more, if there is any or can be made.
    pub(crate) fn take(&self) -> Option<Arc<Slot>> {
        let permit = Arc::clone(&self.permits).try_acquire_owned();
        if permit.is_err() {
            metrics::limit_hit(metrics::Limit::Connections);
            tracing::warn!(limit = self.all, "connection closed: too many connections");
        }
        let permit = permit.ok().or_else(|| self.take_from_another())?;
        let slot = Arc::new(Slot {
            permit: Mutex::new(Some(permit)),
            ..Slot::default()
        });
        if self.is_kept_for_askers {
            let mut taken = lock(&self.taken);
            // Those that have ended meanwhile are as many as those that are there, at most.
            if taken.len() >= 2 * self.all as usize {
                taken.retain(|slot| slot.strong_count() > 0);
            }
            taken.push_back(Arc::downgrade(&slot));
        }
        Some(slot)
    }

    fn take_from_another(&self) -> Option<OwnedSemaphorePermit> {
        let mut taken = lock(&self.taken);
        let oldest = taken.iter().position(|slot| {
            slot.upgrade()
                .is_some_and(|slot| !slot.has_asked.load(Ordering::Relaxed))
        })?;
        let slot = taken.remove(oldest)?.upgrade()?;
        slot.given_away.notify_one();
        lock(&slot.permit).take()
    }

    /// Waits until every connection has ended.
    pub(crate) async fn wait_until_empty(&self) {
        // Never closed: it fails at no time.
        let _ = self.permits.acquire_many(self.all).await;
    }
}

impl Slot {
    /// It has asked something: nobody takes its room.
    pub(crate) fn asks(&self) {
        self.has_asked.store(true, Ordering::Relaxed);
    }

    /// It has its answer, and is no more worth than one that asks nothing.
    pub(crate) fn rests(&self) {
        self.has_asked.store(false, Ordering::Relaxed);
    }

    /// Waits until its room is another one's.
    pub(crate) async fn is_given_away(&self) {
        self.given_away.notified().await;
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in there is ever half done.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_that_asks_nothing_makes_room() {
        let slots = Slots::new(3, true);
        let [first, second, third] = [(); 3].map(|()| slots.take().unwrap());
        first.asks();
        let fourth = slots.take().unwrap();
        second.is_given_away().await;
        third.asks();
        fourth.asks();
        assert!(slots.take().is_none());
        third.rests();
        let fifth = slots.take().unwrap();
        third.is_given_away().await;
        // What has no room any more gives none back.
        drop((second, third));
        fifth.asks();
        assert!(slots.take().is_none());
        drop((first, fourth, fifth));
        slots.wait_until_empty().await;
    }

    #[test]
    fn who_comes_first_stays_where_nobody_asks() {
        let slots = Slots::new(1, false);
        let first = slots.take();
        assert!(first.is_some() && slots.take().is_none());
        drop(first);
        assert!(slots.take().is_some());
    }

    #[test]
    fn slots_that_are_no_more_take_no_memory() {
        let slots = Slots::new(4, true);
        for _ in 0..1000 {
            drop(slots.take());
        }
        assert!(lock(&slots.taken).len() <= 8);
    }
}
