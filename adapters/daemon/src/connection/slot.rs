//! Room for the connections of one listener. Over HTTP one that asks nothing makes room for a newcomer: whoever holds as
//! many as there are, and says nothing, shuts out nobody. It is the oldest of the network that has the most of them, or of
//! the newcomer's own where that has as many: a flood closes its own connections, and no other network's.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use gatepost_tokio::Network;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::metrics;

/// The room of all connections together.
pub(crate) struct Slots {
    permits: Arc<Semaphore>,
    all: u32,
    /// Those that make room, where one that asks nothing does.
    silent: Option<Arc<Mutex<Silent>>>,
}

/// The connections that ask nothing, by network and age.
#[derive(Default)]
struct Silent {
    networks: HashMap<Network, BTreeMap<u64, Weak<Slot>>>,
    /// The networks by how many they have, the one with the oldest last of those that have as many.
    ranks: BTreeSet<(usize, Reverse<u64>, Network)>,
    /// Numbers connections.
    next: u64,
}

/// The room of one connection, which it has as long as this lives, or until it is given to another one.
#[derive(Default)]
pub(crate) struct Slot {
    permit: Mutex<Option<OwnedSemaphorePermit>>,
    has_asked: AtomicBool,
    given_away: Notify,
    place: Option<Place>,
}

/// Where a connection is among those that ask nothing.
struct Place {
    silent: Arc<Mutex<Silent>>,
    network: Network,
    number: u64,
    slot: Weak<Slot>,
}

impl Slots {
    /// Room for `all`.
    pub(crate) fn new(all: u32, is_kept_for_askers: bool) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(all as usize)),
            all,
            silent: is_kept_for_askers.then(Arc::default),
        }
    }

    /// Room for one more of that network, if there is any or can be made.
    pub(crate) fn take(&self, network: Network) -> Option<Arc<Slot>> {
        let permit = Arc::clone(&self.permits).try_acquire_owned();
        if permit.is_err() {
            metrics::limit_hit(metrics::Limit::Connections);
            tracing::warn!(limit = self.all, "connection closed: too many connections");
        }
        let permit = permit.ok().or_else(|| self.take_from_another(network))?;
        let slot = Arc::new_cyclic(|slot| Slot {
            permit: Mutex::new(Some(permit)),
            place: self.silent.as_ref().map(|silent| Place {
                silent: Arc::clone(silent),
                network,
                number: lock(silent).number(),
                slot: slot.clone(),
            }),
            ..Slot::default()
        });
        if let Some(place) = &slot.place {
            place.enter();
        }
        Some(slot)
    }

    fn take_from_another(&self, network: Network) -> Option<OwnedSemaphorePermit> {
        let silent = self.silent.as_ref()?;
        loop {
            // Not locked any more where it is dropped, which locks it.
            let slot = lock(silent).displaced_by(network)?;
            let permit = slot.upgrade().and_then(|slot| {
                slot.given_away.notify_one();
                lock(&slot.permit).take()
            });
            if permit.is_some() {
                return permit;
            }
        }
    }

    /// Waits until every connection has ended.
    pub(crate) async fn wait_until_empty(&self) {
        // Never closed: it fails at no time.
        let _ = self.permits.acquire_many(self.all).await;
    }
}

impl Silent {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Changes what there is of a network.
    fn change<T>(
        &mut self,
        network: Network,
        change: impl FnOnce(&mut BTreeMap<u64, Weak<Slot>>) -> T,
    ) -> T {
        let rank = |slots: &BTreeMap<u64, Weak<Slot>>| {
            let (oldest, _) = slots.first_key_value()?;
            Some((slots.len(), Reverse(*oldest), network))
        };
        let slots = self.networks.entry(network).or_default();
        if let Some(rank) = rank(slots) {
            self.ranks.remove(&rank);
        }
        let changed = change(slots);
        match rank(slots) {
            Some(rank) => {
                self.ranks.insert(rank);
            }
            None => {
                self.networks.remove(&network);
            }
        }
        changed
    }

    /// Takes out the one that makes room for a newcomer of that network.
    fn displaced_by(&mut self, newcomer: Network) -> Option<Weak<Slot>> {
        let (most, _, fullest) = *self.ranks.last()?;
        let held = self.networks.get(&newcomer).map_or(0, BTreeMap::len);
        let network = if held < most { fullest } else { newcomer };
        let oldest = self.change(network, BTreeMap::pop_first);
        oldest.map(|(_, slot)| slot)
    }
}

impl Place {
    fn enter(&self) {
        let mut silent = lock(&self.silent);
        silent.change(self.network, |slots| {
            slots.insert(self.number, self.slot.clone());
        });
    }

    fn leave(&self) {
        let mut silent = lock(&self.silent);
        silent.change(self.network, |slots| slots.remove(&self.number));
    }
}

impl Slot {
    /// It has asked something: nobody takes its room.
    pub(crate) fn asks(&self) {
        let had_asked = self.has_asked.swap(true, Ordering::Relaxed);
        if let Some(place) = self.place.as_ref().filter(|_| !had_asked) {
            place.leave();
        }
    }

    /// It has its answer, and is no more worth than one that asks nothing.
    pub(crate) fn rests(&self) {
        let had_asked = self.has_asked.swap(false, Ordering::Relaxed);
        if let Some(place) = self.place.as_ref().filter(|_| had_asked) {
            place.enter();
        }
    }

    /// Waits until its room is another one's.
    pub(crate) async fn is_given_away(&self) {
        self.given_away.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in there is ever half done.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(number: u64) -> Network {
        Network::of_connection(number)
    }

    #[tokio::test]
    async fn the_oldest_that_asks_nothing_makes_room() {
        let slots = Slots::new(3, true);
        let [first, second, third] = [(); 3].map(|()| slots.take(network(1)).unwrap());
        first.asks();
        let fourth = slots.take(network(1)).unwrap();
        second.is_given_away().await;
        third.asks();
        fourth.asks();
        assert!(slots.take(network(1)).is_none());
        third.rests();
        let fifth = slots.take(network(1)).unwrap();
        third.is_given_away().await;
        // What has no room any more gives none back, nor makes any.
        third.asks();
        third.rests();
        fifth.asks();
        assert!(slots.take(network(1)).is_none());
        drop((second, third));
        assert!(slots.take(network(1)).is_none());
        drop((first, fourth, fifth));
        slots.wait_until_empty().await;
    }

    #[tokio::test]
    async fn a_network_takes_room_from_one_that_has_more_and_else_from_itself() {
        let slots = Slots::new(4, true);
        let one = slots.take(network(1)).unwrap();
        let flood = [(); 3].map(|()| slots.take(network(2)).unwrap());
        let mut last = slots.take(network(2)).unwrap();
        flood[0].is_given_away().await;
        let other = slots.take(network(3)).unwrap();
        flood[1].is_given_away().await;
        for _ in 0..100 {
            let next = slots.take(network(2)).unwrap();
            // Of two the older.
            drop(std::mem::replace(&mut last, next));
        }
        let again = slots.take(network(1)).unwrap();
        last.asks();
        again.asks();
        // Where all have as many, its own.
        let own = slots.take(network(1)).unwrap();
        one.is_given_away().await;
        let stays = lock(&other.permit).is_some() && lock(&own.permit).is_some();
        assert!(stays);
    }

    #[test]
    fn who_comes_first_stays_where_nobody_asks() {
        let slots = Slots::new(1, false);
        let first = slots.take(network(1));
        assert!(first.is_some() && slots.take(network(2)).is_none());
        drop(first);
        assert!(slots.take(network(2)).is_some());
    }

    #[test]
    fn slots_that_are_no_more_take_no_memory() {
        let slots = Slots::new(4, true);
        for number in 0..1000 {
            let slot = slots.take(network(number)).unwrap();
            slot.asks();
            slot.rests();
        }
        let silent = lock(slots.silent.as_ref().unwrap());
        assert!(silent.networks.is_empty() && silent.ranks.is_empty());
    }
}
