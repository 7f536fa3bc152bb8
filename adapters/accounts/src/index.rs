//! All accounts in memory, and their application passwords: what mail servers and logins ask, answered without a database.
//!
//! It is filled by the [`Change`]s of a store, in their order; one that comes again changes nothing. Addresses are
//! looked up in any case, and whole: an extension such as `+tag` is taken off by whoever asks.

mod entry;
mod groups;
mod mask;
mod passwords;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::app_password::Verifier;
use crate::id::Id;
use crate::model::{Account, Change, Event, Resource, SourceId};
use crate::name::{Address, domain, fold};
use crate::routes::{List, Routes};

pub use entry::Entry;
use groups::Groups;
pub use passwords::Password;
use passwords::Passwords;
use table::Table;

/// Accounts and groups, by everything that they are asked for by.
#[derive(Clone, Debug, Default)]
pub struct Index {
    routes: Routes,
    sequence: u64,
    slots: Vec<Option<Entry>>,
    free: Vec<u32>,
    hasher: RandomState,
    ids: Table,
    subjects: Table,
    names: Table,
    addresses: Table,
    /// How many addresses there are in each domain.
    domains: HashMap<Box<str>, u32>,
    groups: Groups,
    passwords: Passwords,
}

/// Where a listing of accounts goes on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Cursor(usize);

impl Index {
    /// An index of nothing, to be filled.
    #[must_use]
    pub fn new(routes: Routes) -> Self {
        Self {
            routes,
            ..Self::default()
        }
    }

    /// Goes on with other routes: what they name, a source's number, may be known after the accounts only.
    pub fn set_routes(&mut self, routes: Routes) {
        self.routes = routes;
    }

    /// The number of the last change that it has.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// How many accounts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len().saturating_sub(self.free.len())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of them may log in.
    #[must_use]
    pub fn active(&self) -> usize {
        let all = self.slots.iter().flatten();
        all.filter(|entry| entry.is_active()).count()
    }

    /// Takes the next change.
    pub fn apply(&mut self, change: &Change) {
        self.sequence = self.sequence.max(change.sequence);
        match &change.event {
            Event::Put(Resource::Account(account)) => self.put(account),
            Event::Put(Resource::Group(group)) => self.groups.put(group),
            Event::Members {
                group,
                added,
                removed,
            } => self.groups.members(*group, added, removed),
            Event::Password(password) => self.passwords.put(password),
        }
    }

    fn put(&mut self, account: &Account) {
        let known = self.slot_of(account.id);
        if let Some(slot) = known {
            let is_newer = |entry: &Entry| entry.version() > account.life.version;
            if self.at(slot).is_some_and(is_newer) {
                return;
            }
            self.take(slot);
        }
        if account.life.deleted.is_none() {
            self.insert(Entry::new(account));
        }
    }

    fn insert(&mut self, entry: Entry) {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            // A slot that cannot be numbered would be the four thousand millionth.
            None => match u32::try_from(self.slots.len()) {
                Ok(slot) => {
                    self.slots.push(None);
                    slot
                }
                Err(_) => return,
            },
        };
        self.ids.insert(self.hasher.hash_one(entry.id()), slot);
        self.names.insert(self.name_hash(&entry), slot);
        for hash in self.subject_hashes(&entry) {
            self.subjects.insert(hash, slot);
        }
        for address in entry.addresses() {
            self.addresses.insert(self.hasher.hash_one(address), slot);
            *self.domains.entry(domain(address).into()).or_default() += 1;
        }
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = Some(entry);
        }
    }

    /// Empties a slot.
    fn take(&mut self, slot: u32) {
        let place = self.slots.get_mut(slot as usize);
        let Some(entry) = place.and_then(Option::take) else {
            return;
        };
        self.free.push(slot);
        self.ids.remove(self.hasher.hash_one(entry.id()), slot);
        self.names.remove(self.name_hash(&entry), slot);
        for hash in self.subject_hashes(&entry) {
            self.subjects.remove(hash, slot);
        }
        for address in entry.addresses() {
            self.addresses.remove(self.hasher.hash_one(address), slot);
            if let Some(number) = self.domains.get_mut(domain(address)) {
                *number -= 1;
                if *number == 0 {
                    self.domains.remove(domain(address));
                }
            }
        }
    }

    fn name_hash(&self, entry: &Entry) -> u64 {
        let name = fold(entry.user_name());
        self.hasher.hash_one((entry.source(), name))
    }

    fn subject_hashes(&self, entry: &Entry) -> impl Iterator<Item = u64> + use<> {
        let both = [entry.external_id(), entry.subject()];
        let hash = |subject| self.hasher.hash_one((entry.source(), subject));
        both.map(|subject| subject.map(hash)).into_iter().flatten()
    }

    fn at(&self, slot: u32) -> Option<&Entry> {
        self.slots.get(slot as usize)?.as_ref()
    }

    fn slot_of(&self, id: Id) -> Option<u32> {
        let is_it = |slot| self.at(slot).is_some_and(|entry| entry.id() == id);
        self.ids.find(self.hasher.hash_one(id), is_it)
    }

    /// The account of that id.
    #[must_use]
    pub fn account(&self, id: Id) -> Option<&Entry> {
        self.at(self.slot_of(id)?)
    }

    /// The account whose tokens a source's provider gives that `sub`: the one that the source calls so, or else the one
    /// that a login has bound to it.
    #[must_use]
    pub fn by_subject(&self, source: SourceId, subject: &str) -> Option<&Entry> {
        let hash = self.hasher.hash_one((source, subject));
        let find = |name: for<'e> fn(&'e Entry) -> Option<&'e str>| {
            let is_it = |slot| {
                let entry = self.at(slot).filter(|entry| entry.source() == source);
                entry.and_then(name) == Some(subject)
            };
            self.at(self.subjects.find(hash, is_it)?)
        };
        find(Entry::external_id).or_else(|| find(Entry::subject))
    }

    /// The account of that name at its source, in any case.
    #[must_use]
    pub fn by_name(&self, source: SourceId, name: &str) -> Option<&Entry> {
        let is_it = |slot| {
            let entry = self.at(slot).filter(|entry| entry.source() == source);
            entry.is_some_and(|entry| entry.user_name().eq_ignore_ascii_case(name))
        };
        let hash = self.hasher.hash_one((source, fold(name)));
        self.at(self.names.find(hash, is_it)?)
    }

    /// The account that has that address, as its mailbox or as another.
    #[must_use]
    pub fn by_address(&self, address: &str) -> Option<&Entry> {
        let address = &*fold(address);
        let is_it = |slot| self.at(slot).is_some_and(|entry| entry.has(address));
        self.at(self.addresses.find(self.hasher.hash_one(address), is_it)?)
    }

    /// The application password that is found so, revoked or not.
    #[must_use]
    pub fn password(&self, verifier: &Verifier) -> Option<&Password> {
        self.passwords.find(verifier)
    }

    /// The account whose mailbox that address is, if it gets mail.
    #[must_use]
    pub fn mailbox(&self, address: &str) -> Option<&Entry> {
        let address = &*fold(address);
        let found = self.by_address(address)?;
        let is_mailbox = found.mailbox() == Some(address);
        (is_mailbox && self.receives(found)).then_some(found)
    }

    fn receives(&self, entry: &Entry) -> bool {
        entry.is_active() || !self.routes.refuses_inactive
    }

    /// Where mail for that address goes instead: from an alias to its mailbox, from a mailbox to itself and whom its
    /// mail is forwarded to, from a list to its members, from nobody's address to a catch-all. Nothing where it goes
    /// nowhere else.
    #[must_use]
    pub fn aliases(&self, address: &str) -> Vec<&str> {
        let address = &*fold(address);
        if let Some(entry) = self.by_address(address) {
            if !self.receives(entry) {
                return Vec::new();
            }
            let is_mailbox = entry.mailbox() == Some(address);
            let has_more = entry.forwarding().next().is_some();
            return match entry.mailbox() {
                Some(mailbox) if has_more => {
                    std::iter::once(mailbox).chain(entry.forwarding()).collect()
                }
                Some(mailbox) if !is_mailbox => vec![mailbox],
                _ => Vec::new(),
            };
        }
        if let Some(list) = self.routes.list(address) {
            return self.members(list, |entry| self.receives(entry));
        }
        let catch_all = self.routes.catch_all(domain(address));
        catch_all.map(Address::as_str).into_iter().collect()
    }

    /// The mailboxes of a list's members that are `wanted`.
    fn members(&self, list: &List, wanted: impl Fn(&Entry) -> bool) -> Vec<&str> {
        let Some(group) = self.groups.named(list.source, &list.group) else {
            return Vec::new();
        };
        let members = self.groups.all_members(group).into_iter();
        let entries = members.filter_map(|member| self.account(member));
        let wanted = entries.filter(|entry| wanted(entry));
        wanted.filter_map(Entry::mailbox).collect()
    }

    /// The logins that may send as that address: its owner's, or those of a list's members where they may. An account
    /// that may not log in sends nothing.
    #[must_use]
    pub fn may_send_as(&self, address: &str) -> Vec<&str> {
        let address = &*fold(address);
        if let Some(entry) = self.by_address(address) {
            let login = entry.mailbox().filter(|_| entry.is_active());
            return login.into_iter().collect();
        }
        match self.routes.list(address) {
            Some(list) if list.may_members_send => self.members(list, Entry::is_active),
            _ => Vec::new(),
        }
    }

    /// Whether anybody has an address in that domain.
    #[must_use]
    pub fn domain(&self, domain: &str) -> bool {
        let domain = &*fold(domain);
        self.domains.contains_key(domain) || self.routes.has_domain(domain)
    }

    /// The display names of the groups that an account is in, itself or through other groups, in order.
    #[must_use]
    pub fn groups_of(&self, account: Id) -> Vec<&str> {
        self.groups.names_of(account)
    }

    /// The accounts whose mailboxes match `mask`, in which `*` is any text and `?` any character; each with the cursor
    /// behind it, from which a listing goes on. Their order never changes: accounts that come or go in between leave
    /// the others where they were.
    pub fn matching(&self, mask: &str, from: Cursor) -> impl Iterator<Item = (Cursor, &Entry)> {
        let mask = mask.to_ascii_lowercase();
        let slots = self.slots.iter().enumerate().skip(from.0);
        slots.filter_map(move |(slot, entry)| {
            let entry = entry.as_ref()?;
            let is_wanted = mask::matches(&mask, entry.mailbox()?);
            is_wanted.then_some((Cursor(slot.saturating_add(1)), entry))
        })
    }
}
