//! Logins that wait for a look at a provider's keys. Whether there is to be one because of them is the core's to say.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatepost_core::provider::{Ended, Finder, Freshness, LookReason, Moment, Permit, Turn};
use gatepost_core::{UnixTime, provider::Step};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};

use super::looks::Causes;
use crate::fair::{Pushed, Queue};
use crate::network::Network;
use crate::providers::now;

/// Logins that may wait for one look.
const WAITING: usize = 4096;

/// Who asks for a look.
#[derive(Clone, Copy)]
pub(crate) struct Asker {
    pub(crate) network: Network,
    /// Whether that network had a good login lately.
    pub(crate) is_trusted: bool,
}

/// When one provider is looked at, and those who wait for that.
pub(super) struct Asks {
    state: Mutex<State>,
    started: Instant,
    is_wanted: Notify,
}

struct State {
    finder: Finder,
    unknown_keys: Causes,
    failed_signatures: Causes,
    waiting: Queue<Waiting>,
}

struct Waiting {
    network: Network,
    reply: oneshot::Sender<Freshness>,
    issued_at: Option<UnixTime>,
    /// Whether it waits for the look after the one that goes on already.
    is_for_next: bool,
}

impl Default for Asks {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                finder: Finder::new(),
                unknown_keys: Causes::default(),
                failed_signatures: Causes::default(),
                waiting: Queue::new(WAITING),
            }),
            started: Instant::now(),
            is_wanted: Notify::new(),
        }
    }
}

impl Asks {
    /// What was found at `fetched_at` is known, and due at once.
    pub(super) fn recover(&self, fetched_at: UnixTime) {
        self.state().finder = Finder::recovered(self.moment(), fetched_at);
    }

    /// Whether what was found at `fetched_at` is too old to be used.
    pub(super) fn is_over(&self, fetched_at: UnixTime) -> bool {
        let moment = self.moment();
        Finder::recovered(moment, fetched_at).is_over(moment.uptime)
    }

    /// A place among those who wait for a look, or what there is to be told without one.
    pub(super) fn join(
        &self,
        reason: LookReason,
        asker: Asker,
    ) -> Result<oneshot::Receiver<Freshness>, Freshness> {
        let mut state = self.state();
        let state = &mut *state;
        let network = asker.network;
        let causes = if reason.is_key_known {
            &state.failed_signatures
        } else {
            &state.unknown_keys
        };
        let permit = match asker {
            _ if causes.is_spent(network) => Permit::Spent,
            asker if asker.is_trusted => Permit::Trusted,
            _ => Permit::Stranger,
        };
        let is_for_next = match state.finder.ask(self.moment(), reason, permit) {
            Turn::Settled(freshness) => return Err(freshness),
            Turn::Waits {
                is_own,
                is_for_next,
            } => {
                if is_own {
                    causes.spend(network);
                    self.is_wanted.notify_one();
                }
                is_for_next
            }
        };
        let (reply, freshness) = oneshot::channel();
        let waiting = Waiting {
            network,
            reply,
            issued_at: reason.issued_at,
            is_for_next,
        };
        match state.waiting.push(network, waiting) {
            Pushed::Waits(_) | Pushed::Displaced(..) => Ok(freshness),
            Pushed::Refused(_) => Err(state.finder.freshness(self.moment(), reason.issued_at)),
        }
    }

    /// Waits until a look is due, or somebody's is.
    pub(super) async fn due(&self) {
        loop {
            let due_in = self.state().finder.due_in(self.started.elapsed());
            if due_in == Duration::ZERO {
                return;
            }
            // Either way it is looked at anew: who asks may have made it due earlier.
            let _ = timeout(due_in, self.is_wanted.notified()).await;
        }
    }

    /// Looks that were taken because somebody asked.
    pub(super) fn looks(&self) -> u64 {
        self.state().finder.looks()
    }

    /// A look begins; gives those who have waited for it.
    pub(super) fn begin(&self) -> Vec<oneshot::Sender<Freshness>> {
        let mut state = self.state();
        state.finder.begin();
        let all = std::iter::from_fn(|| state.waiting.pop());
        all.map(|waiting| waiting.reply).collect()
    }

    /// It has ended, as `last` says; answers those who have `waited`, and those who came meanwhile and wait for no
    /// other.
    pub(super) fn end(&self, last: Step<'_>, waited: Vec<oneshot::Sender<Freshness>>) -> Ended {
        let mut state = self.state();
        let moment = self.moment();
        let ended = state.finder.end(moment.uptime, last);
        for reply in waited {
            // It may be gone.
            let _ = reply.send(ended.freshness);
        }
        let all: Vec<_> = std::iter::from_fn(|| state.waiting.pop()).collect();
        for waiting in all {
            if waiting.is_for_next {
                let network = waiting.network;
                // There is room: they have just been taken out.
                let _ = state.waiting.push(network, waiting);
                continue;
            }
            let _ = waiting.reply.send(match ended.freshness {
                Freshness::Current => state.finder.freshness(moment, waiting.issued_at),
                Freshness::Unavailable => Freshness::Unavailable,
            });
        }
        ended
    }

    fn moment(&self) -> Moment {
        Moment {
            uptime: self.started.elapsed(),
            time: Some(now()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
