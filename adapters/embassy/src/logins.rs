//! Logins on their way from the connections to those who judge, and their verdicts on their way back.

use core::future::poll_fn;
use core::net::IpAddr;

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::channel::Channel;
use embassy_sync::semaphore::{FairSemaphore, Semaphore as _, SemaphoreReleaser};
use embassy_time::Instant;
use gatepost_core::{Rejection, dovecot::Ticket, sasl::Mechanism};

use crate::pool::{Loan, Pool};

/// Logins of one connection that are not over: Postfix and Exim have one at a time. Whoever sends more is
/// not read until a place is free.
pub(crate) const PENDING: usize = 2;

/// Logins that wait to be judged; with one more, its connection waits.
const QUEUE: usize = 16;

/// Most who judge at once.
pub(crate) const MAX_JUDGES: usize = 16;

/// Most who hand logins over at once: connections, and those who judge and put one aside.
const MAX_SENDERS: usize = 16 + MAX_JUDGES;

/// Whose turn it is to hand a login over.
type Senders = FairSemaphore<CriticalSectionRawMutex, MAX_SENDERS>;

/// Where the verdicts on one connection's logins arrive: as many as it may have under way.
pub type Verdicts = Channel<CriticalSectionRawMutex, Judged, PENDING>;

/// All logins that are under way.
pub struct Logins {
    pub(crate) pool: &'static Pool,
    arrived: Channel<CriticalSectionRawMutex, Arrival, QUEUE>,
    /// Whose turn it is to wait for the next one: a channel knows one who waits, and several would wake one
    /// another for ever.
    receiving: FairSemaphore<CriticalSectionRawMutex, MAX_JUDGES>,
    sending: Senders,
}

/// A login whose response has come whole.
pub(crate) struct Arrival {
    pub(crate) ticket: Ticket,
    pub(crate) mechanism: Mechanism,
    pub(crate) response: Response,
    pub(crate) remote: Option<IpAddr>,
    pub(crate) arrived_at: Instant,
    pub(crate) verdicts: &'static Verdicts,
}

/// The client's response, base64-decoded; then what is to be said about it.
pub(crate) struct Response {
    pub(crate) loan: Loan,
    pub(crate) length: usize,
}

impl Response {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.loan.as_slice().get(..self.length).unwrap_or_default()
    }

    /// Puts `bytes` in its place; false where there is no room.
    pub(crate) fn replace(&mut self, bytes: &[u8]) -> bool {
        let place = self.loan.as_mut().get_mut(..bytes.len());
        place
            .map(|place| place.copy_from_slice(bytes))
            .is_some_and(|()| {
                self.length = bytes.len();
                true
            })
    }
}

/// A login that has been judged.
pub struct Judged {
    pub(crate) ticket: Ticket,
    pub(crate) outcome: Outcome,
    /// The user's name, or JSON for the client.
    pub(crate) text: Response,
}

/// What came of a login.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// It is the user's who is named.
    Accepted,
    /// It failed, and the client is told why.
    Challenged(Rejection),
    /// It failed, and the client can do nothing about it.
    Rejected(Rejection),
}

impl core::fmt::Debug for Judged {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Judged").field(&self.outcome).finish()
    }
}

impl Logins {
    /// No login yet; their responses will lie in `pool`.
    #[must_use]
    pub const fn new(pool: &'static Pool) -> Self {
        Self {
            pool,
            arrived: Channel::new(),
            receiving: FairSemaphore::new(1),
            sending: FairSemaphore::new(1),
        }
    }

    /// Waits for room for one more. What is to be judged stays where it is meanwhile.
    pub(crate) async fn opening(&self) -> Opening<'_> {
        // Fails only where more wait than there are.
        let turn = self.sending.acquire(1).await.ok();
        poll_fn(|context| self.arrived.poll_ready_to_send(context)).await;
        Opening { logins: self, turn }
    }

    pub(crate) async fn next(&self) -> Arrival {
        // As above.
        let _turn = self.receiving.acquire(1).await;
        self.arrived.receive().await
    }
}

/// Room for one more login, which nobody else takes.
pub(crate) struct Opening<'l> {
    logins: &'l Logins,
    turn: Option<SemaphoreReleaser<'l, Senders>>,
}

impl Opening<'_> {
    pub(crate) fn fill(self, arrival: Arrival) {
        let sent = self.logins.arrived.try_send(arrival);
        debug_assert!(sent.is_ok(), "there was room");
        drop(self.turn);
    }
}

impl core::fmt::Debug for Logins {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Logins")
            .field("arrived", &self.arrived.len())
            .finish_non_exhaustive()
    }
}
