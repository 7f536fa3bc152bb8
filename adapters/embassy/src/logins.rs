//! Logins on their way from the connections to those who judge, and their verdicts on their way back.

use core::net::IpAddr;

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::channel::Channel;
use embassy_sync::semaphore::{FairSemaphore, Semaphore as _};
use embassy_time::Instant;
use gatepost_core::{Rejection, dovecot::Ticket, sasl::Mechanism};

use crate::limits::{MAX_JUDGES, PENDING};
use crate::pool::{Loan, Pool};

/// Where the verdicts on one connection's logins arrive: as many as it may have under way.
pub type Verdicts = Channel<CriticalSectionRawMutex, Judged, PENDING>;

/// All logins that are under way: up to `LOGINS`, as many as all connections together may have, so that none ever
/// waits for a place.
pub struct Logins<const LOGINS: usize> {
    pub(crate) pool: &'static Pool<LOGINS>,
    arrived: Channel<CriticalSectionRawMutex, Arrival, LOGINS>,
    /// Whose turn it is to wait for the next one: a channel knows one who waits, and several would wake one
    /// another for ever.
    receiving: FairSemaphore<CriticalSectionRawMutex, MAX_JUDGES>,
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

impl<const LOGINS: usize> Logins<LOGINS> {
    /// No login yet; their responses will lie in `pool`.
    #[must_use]
    pub const fn new(pool: &'static Pool<LOGINS>) -> Self {
        Self {
            pool,
            arrived: Channel::new(),
            receiving: FairSemaphore::new(1),
        }
    }

    /// Has a login judged, behind those that wait already.
    pub(crate) fn hand_over(&self, arrival: Arrival) {
        let sent = self.arrived.try_send(arrival);
        debug_assert!(sent.is_ok(), "no connection has more than its share");
    }

    pub(crate) async fn next(&self) -> Arrival {
        // Fails only where more wait than there are.
        let _turn = self.receiving.acquire(1).await;
        self.arrived.receive().await
    }
}

impl<const LOGINS: usize> core::fmt::Debug for Logins<LOGINS> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Logins")
            .field("arrived", &self.arrived.len())
            .finish_non_exhaustive()
    }
}
