//! Logins that wait for a look at a provider's keys, and whether there is to be one because of them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use gatepost_core::{UnixTime, exchange::NewerKeysQuery};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until};

use super::Freshness;
use super::looks::Looks;
use crate::fair::{Pushed, Queue};
use crate::network::Network;

/// Logins that may wait for one look.
const WAITING: usize = 4096;

/// Who asks for a look.
#[derive(Clone, Copy)]
pub(crate) struct Asker {
    pub(crate) network: Network,
    /// Whether that network had a good login lately.
    pub(crate) is_trusted: bool,
}

/// Those who ask, and when they are answered.
pub(super) struct Asks {
    state: Mutex<State>,
    is_wanted: Notify,
}

struct State {
    for_unknown_keys: Looks,
    for_failed_signatures: Looks,
    waiting: Queue<Waiting>,
    /// When a look is due because somebody asks.
    wanted_at: Option<Instant>,
    is_looking: bool,
    looks: u64,
}

struct Waiting {
    network: Network,
    reply: oneshot::Sender<Freshness>,
    issued_at: Option<UnixTime>,
    /// Whether it has asked for a look after the one that went on already.
    is_for_next: bool,
}

impl Default for Asks {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                for_unknown_keys: Looks::default(),
                for_failed_signatures: Looks::default(),
                waiting: Queue::new(WAITING),
                wanted_at: None,
                is_looking: false,
                looks: 0,
            }),
            is_wanted: Notify::new(),
        }
    }
}

impl Asks {
    /// A place among those who wait for a look: for one that is due anyway, for one of the asker's own, or for the
    /// one that goes on. `None` where there is to be none.
    pub(super) fn join(
        &self,
        query: NewerKeysQuery,
        asker: Asker,
        is_due: bool,
    ) -> Option<oneshot::Receiver<Freshness>> {
        let mut state = self.state();
        let mut is_own = false;
        if state.wanted_at.is_none() && (state.is_looking || !is_due) {
            let looks = if query.is_key_known {
                &mut state.for_failed_signatures
            } else {
                &mut state.for_unknown_keys
            };
            let due = looks.take(asker.network, asker.is_trusted);
            is_own = due.is_some();
            if is_own {
                state.wanted_at = due;
                state.looks += 1;
                self.is_wanted.notify_one();
            } else if !state.is_looking {
                return None;
            }
        }
        let is_for_next = state.is_looking && (is_own || state.wanted_at.is_some());
        let (reply, freshness) = oneshot::channel();
        let waiting = Waiting {
            network: asker.network,
            reply,
            issued_at: query.issued_at,
            is_for_next,
        };
        match state.waiting.push(asker.network, waiting) {
            Pushed::Waits(_) | Pushed::Displaced(..) => Some(freshness),
            Pushed::Refused(_) => None,
        }
    }

    /// Waits until somebody's look is due.
    pub(super) async fn wanted(&self) {
        loop {
            let wanted_at = self.state().wanted_at;
            match wanted_at {
                Some(at) => return sleep_until(at).await,
                None => self.is_wanted.notified().await,
            }
        }
    }

    /// Looks that were taken because somebody asked.
    pub(super) fn looks(&self) -> u64 {
        self.state().looks
    }

    /// A look begins; gives those who have waited for it.
    pub(super) fn begin(&self) -> Vec<oneshot::Sender<Freshness>> {
        let mut state = self.state();
        state.is_looking = true;
        state.wanted_at = None;
        let all = std::iter::from_fn(|| state.waiting.pop());
        all.map(|waiting| waiting.reply).collect()
    }

    /// It has ended; gives those who came meanwhile and wait for no other, and when their tokens were issued.
    pub(super) fn end(&self) -> Vec<(oneshot::Sender<Freshness>, Option<UnixTime>)> {
        let mut state = self.state();
        state.is_looking = false;
        let all: Vec<_> = std::iter::from_fn(|| state.waiting.pop()).collect();
        let mut answered = Vec::new();
        for waiting in all {
            if waiting.is_for_next {
                let network = waiting.network;
                // There is room: they have just been taken out.
                let _ = state.waiting.push(network, waiting);
            } else {
                answered.push((waiting.reply, waiting.issued_at));
            }
        }
        answered
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
