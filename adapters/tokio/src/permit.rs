//! Who verifies on this thread: one at a time, networks in turn.
//!
//! Whoever holds the permit verifies once and lets the executor go round before it gives the permit on, so that
//! sockets are read and written between two verifications however many wait. A login that finds nobody waiting
//! pays for a lock that nobody else holds.

use std::cell::LazyCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::fair::{Pushed, Queue, Ticket};
use crate::network::Network;

/// Verifications that may wait on one thread: some tenths of a second with keys as are common.
const WAITING: usize = 4096;

thread_local! {
    static HERE: LazyCell<Arc<Thread>> = LazyCell::new(Arc::default);
}

/// The permit to verify on the thread where it was acquired. Its end gives it to whoever is next in turn.
///
/// A future that holds one has to be polled on or dropped: it keeps the others of its thread waiting.
pub(crate) struct Permit(Option<Arc<Thread>>);

/// Too many wait, and this login's network holds as many places as any.
#[derive(Debug)]
pub(crate) struct Busy;

struct Thread(Mutex<State>);

struct State {
    is_taken: bool,
    waiting: Queue<oneshot::Sender<Permit>>,
}

impl Default for Thread {
    fn default() -> Self {
        Self(Mutex::new(State {
            is_taken: false,
            waiting: Queue::new(WAITING),
        }))
    }
}

impl Permit {
    /// Waits for the turn of `network` on this thread.
    pub(crate) async fn acquire(network: Network) -> Result<Self, Busy> {
        let thread = HERE.with(|here| Arc::clone(here));
        match thread.take_or_wait(network)? {
            None => Ok(Self(Some(thread))),
            Some(mut place) => (&mut place.granted).await.map_err(|_| Busy),
        }
    }

    /// Forgets that it is one: somebody else has it, or it never was granted.
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            thread.pass_on();
        }
    }
}

impl Thread {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the permit where it is free, else a place in the queue.
    fn take_or_wait(self: &Arc<Self>, network: Network) -> Result<Option<Place>, Busy> {
        let mut state = self.state();
        if !state.is_taken {
            state.is_taken = true;
            return Ok(None);
        }
        let (grant, granted) = oneshot::channel();
        // Who is displaced hears of it by the loss of his sender.
        match state.waiting.push(network, grant) {
            Pushed::Waits(ticket) | Pushed::Displaced(ticket, _) => Ok(Some(Place {
                thread: Arc::clone(self),
                ticket,
                granted,
            })),
            Pushed::Refused(_) => Err(Busy),
        }
    }

    /// Gives the permit to whoever is next in turn.
    fn pass_on(self: Arc<Self>) {
        loop {
            let next = {
                let mut state = self.state();
                let next = state.waiting.pop();
                state.is_taken = next.is_some();
                next
            };
            let Some(next) = next else { return };
            match next.send(Permit(Some(Arc::clone(&self)))) {
                Ok(()) => return,
                // It is gone meanwhile.
                Err(permit) => permit.disarm(),
            }
        }
    }
}

/// A place in the queue, which is given up with the future that waits.
struct Place {
    thread: Arc<Thread>,
    ticket: Ticket,
    granted: oneshot::Receiver<Permit>,
}

impl Drop for Place {
    fn drop(&mut self) {
        // Dropped after the lock is let go.
        let _removed = self.thread.state().waiting.remove(self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn network(number: u64) -> Network {
        Network::of_connection(number)
    }

    #[tokio::test]
    async fn one_holds_it_and_whoever_gives_up_leaves_the_queue() {
        let first = Permit::acquire(network(1)).await.unwrap();
        let patience = Duration::from_millis(1);
        let given_up = timeout(patience, Permit::acquire(network(2))).await;
        assert!(given_up.is_err());
        let next = tokio::spawn(Permit::acquire(network(3)));
        tokio::task::yield_now().await;
        assert!(!next.is_finished());
        drop(first);
        let next = next.await.unwrap().unwrap();
        assert!(
            timeout(patience, Permit::acquire(network(1)))
                .await
                .is_err()
        );
        drop(next);
        assert!(Permit::acquire(network(1)).await.is_ok());
    }

    #[tokio::test]
    async fn a_grant_that_nobody_takes_goes_on() {
        let first = Permit::acquire(network(1)).await.unwrap();
        let mut gone = Box::pin(Permit::acquire(network(2)));
        assert!(timeout(Duration::from_millis(1), &mut gone).await.is_err());
        // It is granted now, and is dropped before it hears of it.
        drop(first);
        drop(gone);
        assert!(Permit::acquire(network(3)).await.is_ok());
    }

    #[tokio::test]
    async fn the_fullest_network_is_refused_first() {
        let first = Permit::acquire(network(1)).await.unwrap();
        let flood: Vec<_> = (0..=WAITING)
            .map(|_| tokio::spawn(async { Permit::acquire(network(1)).await.is_ok() }))
            .collect();
        let good = tokio::spawn(async { Permit::acquire(network(2)).await.is_ok() });
        // The executor runs some of its tasks only before it comes back.
        for _ in 0..WAITING {
            tokio::task::yield_now().await;
        }
        drop(first);
        assert!(good.await.unwrap());
        let mut refused = 0;
        for login in flood {
            refused += usize::from(!login.await.unwrap());
        }
        assert_eq!(refused, 2, "one for the bound, one for the other network");
    }
}
