//! The table of logins that are not over.

use heapless::Vec;

use super::answer::{FailCode, Failure};
use super::login::{Origin, RefusalReason, Ticket};
use crate::sasl::Mechanism;

/// What is kept of a refused user's name until its client has answered the challenge; a longer name
/// is left out of the `FAIL`. It fits where a waiting login's [`Origin`] would be.
pub type UserName = heapless::String<64, u8>;

/// What a client of LOGIN has given as its name: as much as fits where an [`Origin`] would be.
pub(super) type LoginName = Vec<u8, 96, u8>;

/// Outstanding logins, the one that has been longest in its state first.
pub(super) struct Pending<const CAPACITY: usize> {
    entries: Vec<Entry, CAPACITY>,
    serial: u32,
}

struct Entry {
    id: u32,
    state: State,
}

impl Entry {
    fn is_login(&self, id: u32) -> bool {
        self.id == id && !self.is_name()
    }

    fn is_name(&self) -> bool {
        matches!(self.state, State::Name(_))
    }
}

/// How far a login is.
pub(super) enum State {
    /// It came without initial response, which was asked for.
    AwaitingResponse(Mechanism, Origin),
    /// Its client uses LOGIN and has given its name; the password was asked for.
    AwaitingPassword(Origin),
    /// No login, but the name that belongs to one which waits for its password.
    Name(LoginName),
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
        self.entries.iter().filter(|entry| !entry.is_name()).count()
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
        let entry = self.entries.iter().find(|entry| entry.is_login(id))?;
        Some(&entry.state)
    }

    /// Takes a login out, and its name with it.
    pub(super) fn remove(&mut self, id: u32) -> Option<State> {
        self.take_name(id);
        let at = self.entries.iter().position(|entry| entry.is_login(id))?;
        Some(self.entries.remove(at).state)
    }

    /// Keeps a client of LOGIN and its name until its password comes, which takes two places.
    ///
    /// # Errors
    /// [`RefusalReason::ResponseTooLong`] where the name is longer than any that is taken,
    /// [`RefusalReason::Busy`] where logins that are being judged leave less than two places.
    pub(super) fn await_password(
        &mut self,
        id: u32,
        name: &[u8],
        origin: Origin,
    ) -> Result<(), (Origin, RefusalReason)> {
        let Ok(name) = LoginName::from_slice(name) else {
            return Err((origin, RefusalReason::ResponseTooLong));
        };
        self.take_name(id);
        // Before either is there, so that neither drops the other.
        while CAPACITY.saturating_sub(self.entries.len()) < 2 {
            if !self.evict() {
                return Err((origin, RefusalReason::Busy));
            }
        }
        self.put(id, State::AwaitingPassword(origin));
        self.put(id, State::Name(name));
        Ok(())
    }

    /// The name that was kept for a login that waits for its password.
    pub(super) fn take_name(&mut self, id: u32) -> Option<LoginName> {
        let is_its = |entry: &Entry| entry.id == id && entry.is_name();
        let at = self.entries.iter().position(is_its)?;
        match self.entries.remove(at).state {
            State::Name(name) => Some(name),
            _ => None,
        }
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

    /// Drops the login that loses least, name and all: one that has failed anyway, else one that has sent
    /// nothing yet. Clients that hang up leave such logins behind, since Postfix cancels nothing. False
    /// where every login is being judged: no new one is let in then.
    fn evict(&mut self) -> bool {
        let rank = |entry: &Entry| match entry.state {
            State::AwaitingReply(_) => Some(0),
            State::AwaitingResponse(..) => Some(1),
            State::AwaitingPassword(_) | State::Name(_) => Some(2),
            State::Judging(_) => None,
        };
        let all = self.entries.iter();
        let waiting = all.filter_map(|entry| Some((rank(entry)?, entry.id)));
        let Some((_, id)) = waiting.min_by_key(|(rank, _)| *rank) else {
            return false;
        };
        self.remove(id);
        true
    }
}
