//! The table of logins that are not over.

use heapless::Vec;

use super::answer::{FailCode, Failure};
use super::login::{Origin, Ticket};
use crate::sasl::Mechanism;

/// What is kept of a refused user's name until its client has answered the challenge; a longer name
/// is left out of the `FAIL`. It fits where a waiting login's [`Origin`] would be.
pub type UserName = heapless::String<64, u8>;

/// Outstanding logins, the one that has been longest in its state first.
pub(super) struct Pending<const CAPACITY: usize> {
    entries: Vec<Entry, CAPACITY>,
    serial: u32,
}

struct Entry {
    id: u32,
    state: State,
}

/// How far a login is.
pub(super) enum State {
    /// It came without initial response, which was asked for.
    AwaitingResponse(Mechanism, Origin),
    /// The holder of the ticket with this serial number judges it.
    Judging(u32),
    /// It has failed and its client was told why: its reply, whatever it is, brings the `FAIL`.
    AwaitingReply(KeptFailure),
}

/// A [`Failure`] that outlives its call.
pub(super) struct KeptFailure {
    user: Option<UserName>,
    code: Option<FailCode>,
    reason: &'static str,
}

impl KeptFailure {
    fn new(failure: &Failure<'_>) -> Self {
        Self {
            user: failure.user.and_then(|user| user.try_into().ok()),
            code: failure.code,
            reason: failure.reason,
        }
    }

    pub(super) fn failure(&self) -> Failure<'_> {
        Failure {
            user: self.user.as_deref(),
            code: self.code,
            reason: self.reason,
        }
    }
}

impl<const CAPACITY: usize> Pending<CAPACITY> {
    pub(super) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            serial: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn judging(&self) -> usize {
        let judging = |entry: &&Entry| matches!(entry.state, State::Judging(_));
        self.entries.iter().filter(judging).count()
    }

    /// Whether there is no place left that may be taken from a login that merely waits.
    pub(super) fn is_exhausted(&self) -> bool {
        self.judging() == CAPACITY
    }

    pub(super) fn state(&self, id: u32) -> Option<&State> {
        let entry = self.entries.iter().find(|entry| entry.id == id)?;
        Some(&entry.state)
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<State> {
        let at = self.entries.iter().position(|entry| entry.id == id)?;
        Some(self.entries.remove(at).state)
    }

    /// Keeps a login until its response comes.
    pub(super) fn await_response(&mut self, id: u32, mechanism: Mechanism, origin: Origin) {
        self.put(id, State::AwaitingResponse(mechanism, origin));
    }

    /// Gives out a login to be judged.
    pub(super) fn judge(&mut self, id: u32) -> Ticket {
        self.serial = self.serial.wrapping_add(1);
        let serial = self.serial;
        self.put(id, State::Judging(serial));
        Ticket { id, serial }
    }

    /// Takes out the login that `ticket` stands for, if it still is being judged.
    pub(super) fn redeem(&mut self, ticket: Ticket) -> Option<u32> {
        let (id, serial) = ticket.into_parts();
        match self.state(id) {
            Some(State::Judging(judged)) if *judged == serial => self.remove(id).map(|_| id),
            _ => None,
        }
    }

    /// Keeps a failed login until its client has replied to the challenge.
    pub(super) fn await_reply(&mut self, id: u32, failure: &Failure<'_>) {
        self.put(id, State::AwaitingReply(KeptFailure::new(failure)));
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Adds a login whose id is not in the table. Pushing cannot fail: a place is made if there is
    /// none.
    fn put(&mut self, id: u32, state: State) {
        if self.entries.is_full() {
            self.evict();
        }
        self.entries.push(Entry { id, state }).ok();
    }

    /// Drops the login that loses least: one that has failed anyway, else one that has sent nothing
    /// yet. Clients that hang up leave such logins behind, since Postfix cancels nothing.
    fn evict(&mut self) {
        let worth = |entry: &Entry| match entry.state {
            State::AwaitingReply(_) => 0,
            State::AwaitingResponse(..) => 1,
            State::Judging(_) => 2,
        };
        let oldest = self.entries.iter().min_by_key(|entry| worth(entry));
        if let Some(id) = oldest.map(|entry| entry.id) {
            self.remove(id);
        }
    }
}
