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

/// What an entry of a [`LoginTable`] is found by.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct LoginKey {
    id: u32,
    is_name: bool,
}

impl LoginKey {
    const fn login(id: u32) -> Self {
        Self { id, is_name: false }
    }

    /// The name that a client of LOGIN has given for the login.
    const fn name(id: u32) -> Self {
        Self { id, is_name: true }
    }
}

/// One login that is not over, or the name that belongs to one. Never printed: it is the client's.
pub struct LoginEntry(State);

impl LoginEntry {
    /// The key under which it is kept, for the login `id`.
    const fn key(&self, id: u32) -> LoginKey {
        LoginKey {
            id,
            is_name: matches!(self.0, State::Name(_)),
        }
    }

    /// In which order entries are dropped where there is no place for a new one, the lowest first: logins that
    /// have failed anyway, then those that have sent nothing yet. `None` where a login is being judged.
    #[must_use]
    pub fn rank(&self) -> Option<u8> {
        match self.0 {
            State::AwaitingReply(_) => Some(0),
            State::AwaitingResponse(..) => Some(1),
            State::AwaitingPassword(_) | State::Name(_) => Some(2),
            State::Judging(_) => None,
        }
    }
}

/// Where a [`Connection`](super::Connection) keeps its logins that are not over: [`FixedTable`] on a device,
/// whatever finds one among thousands on a host.
pub trait LoginTable: Default {
    /// Entries at once, at most 65,535. A login takes one place, while a client of LOGIN gives its password two.
    const CAPACITY: usize;

    /// How many entries there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry at `key`.
    fn get(&self, key: LoginKey) -> Option<&LoginEntry>;

    /// Adds an entry whose key is not in the table, which is not full.
    fn insert(&mut self, key: LoginKey, entry: LoginEntry);

    /// Takes an entry out.
    fn remove(&mut self, key: LoginKey) -> Option<LoginEntry>;

    /// Of the entries of the lowest [rank](LoginEntry::rank) the one that has been there longest; `None` where
    /// none has a rank.
    fn first_to_drop(&self) -> Option<LoginKey>;
}

/// A table without allocation: few entries, found one by one.
pub struct FixedTable<const CAPACITY: usize> {
    /// The one that has been longest in its state first.
    entries: Vec<(u32, LoginEntry), CAPACITY>,
}

impl<const CAPACITY: usize> Default for FixedTable<CAPACITY> {
    fn default() -> Self {
        const { assert!(CAPACITY > 0, "a connection without place for a login") };
        Self {
            entries: Vec::new(),
        }
    }
}

impl<const CAPACITY: usize> LoginTable for FixedTable<CAPACITY> {
    const CAPACITY: usize = CAPACITY;

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn get(&self, key: LoginKey) -> Option<&LoginEntry> {
        let mut entries = self.entries.iter();
        let (_, entry) = entries.find(|(id, entry)| entry.key(*id) == key)?;
        Some(entry)
    }

    fn insert(&mut self, key: LoginKey, entry: LoginEntry) {
        self.entries.push((key.id, entry)).ok();
    }

    fn remove(&mut self, key: LoginKey) -> Option<LoginEntry> {
        let mut entries = self.entries.iter();
        let at = entries.position(|(id, entry)| entry.key(*id) == key)?;
        Some(self.entries.remove(at).1)
    }

    fn first_to_drop(&self) -> Option<LoginKey> {
        let all = self.entries.iter();
        let ranked = all.filter_map(|(id, entry)| Some((entry.rank()?, entry.key(*id))));
        let first = ranked.min_by_key(|(rank, _)| *rank);
        first.map(|(_, key)| key)
    }
}

/// Outstanding logins, and the names that belong to some of them.
#[derive(Default)]
pub(super) struct Pending<T> {
    table: T,
    logins: u16,
    judging: u16,
    serial: u32,
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

impl<T: LoginTable> Pending<T> {
    pub(super) fn len(&self) -> usize {
        self.logins.into()
    }

    pub(super) fn judging(&self) -> usize {
        self.judging.into()
    }

    /// Whether there is no place left that may be taken from a login that merely waits.
    pub(super) fn is_exhausted(&self) -> bool {
        self.judging() >= T::CAPACITY
    }

    pub(super) fn state(&self, id: u32) -> Option<&State> {
        Some(&self.table.get(LoginKey::login(id))?.0)
    }

    /// Takes a login out, and its name with it.
    pub(super) fn remove(&mut self, id: u32) -> Option<State> {
        self.take_name(id);
        let LoginEntry(state) = self.table.remove(LoginKey::login(id))?;
        self.logins = self.logins.saturating_sub(1);
        if let State::Judging(_) = state {
            self.judging = self.judging.saturating_sub(1);
        }
        Some(state)
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
        while T::CAPACITY.saturating_sub(self.table.len()) < 2 {
            if !self.evict() {
                return Err((origin, RefusalReason::Busy));
            }
        }
        self.put(id, State::AwaitingPassword(origin));
        self.table
            .insert(LoginKey::name(id), LoginEntry(State::Name(name)));
        Ok(())
    }

    /// The name that was kept for a login that waits for its password.
    pub(super) fn take_name(&mut self, id: u32) -> Option<LoginName> {
        match self.table.remove(LoginKey::name(id))?.0 {
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

    /// Whether the login that `ticket` stands for is being judged.
    pub(super) fn is_judging(&self, ticket: &Ticket) -> bool {
        let state = self.state(ticket.id);
        matches!(state, Some(State::Judging(serial)) if *serial == ticket.serial)
    }

    /// Takes out the login that `ticket` stands for, if it still is being judged.
    pub(super) fn redeem(&mut self, ticket: Ticket) -> Option<u32> {
        let (id, serial) = ticket.into_parts();
        if !matches!(self.state(id), Some(State::Judging(judged)) if *judged == serial) {
            return None;
        }
        // Not by `remove`, which hands the state over, as long as the longest: this one is known, and has no name.
        self.table.remove(LoginKey::login(id))?;
        self.logins = self.logins.saturating_sub(1);
        self.judging = self.judging.saturating_sub(1);
        Some(id)
    }

    /// Keeps a failed login until its client has replied to the challenge.
    pub(super) fn await_reply(&mut self, id: u32, failure: &Failure<'_>) {
        self.put(id, State::AwaitingReply(KeptFailure::new(failure)));
    }

    /// Adds a login whose id is not in the table. A place is made if there is none.
    fn put(&mut self, id: u32, state: State) {
        if self.table.len() >= T::CAPACITY {
            self.evict();
        }
        self.logins = self.logins.saturating_add(1);
        if let State::Judging(_) = state {
            self.judging = self.judging.saturating_add(1);
        }
        self.table.insert(LoginKey::login(id), LoginEntry(state));
    }

    /// Drops the login that loses least, name and all. Clients that hang up leave such logins behind, since
    /// Postfix cancels nothing. False where every login is being judged: no new one is let in then.
    fn evict(&mut self) -> bool {
        let Some(key) = self.table.first_to_drop() else {
            return false;
        };
        self.remove(key.id);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_empty_until_an_entry_is_in_it() {
        let mut table = FixedTable::<2>::default();
        assert!(table.is_empty());
        table.insert(LoginKey::login(1), LoginEntry(State::Judging(1)));
        assert!(!table.is_empty());
    }
}
