//! A hash table from keys that lie elsewhere to slots.

use hashbrown::HashTable;

/// Slots by the hashes of their keys. A slot may be in it under several.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(HashTable<Entry>);

/// The hash is kept beside the slot, for a table that grows needs it and the key is far away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Entry {
    slot: u32,
    hash: u32,
}

impl Entry {
    /// `hash` cut to what is kept of it.
    fn new(slot: u32, hash: u64) -> Self {
        let hash = u32::try_from(hash >> 32).unwrap_or_default();
        Self { slot, hash }
    }

    /// The kept half twice, since a table looks at both ends of a hash.
    fn spread(self) -> u64 {
        u64::from(self.hash) << 32 | u64::from(self.hash)
    }
}

impl Table {
    /// Adds `slot` under a key of that hash.
    pub(super) fn insert(&mut self, hash: u64, slot: u32) {
        let entry = Entry::new(slot, hash);
        self.0
            .insert_unique(entry.spread(), entry, |one| one.spread());
    }

    /// Takes `slot` from under a key of that hash.
    pub(super) fn remove(&mut self, hash: u64, slot: u32) {
        let entry = Entry::new(slot, hash);
        if let Ok(found) = self.0.find_entry(entry.spread(), |one| *one == entry) {
            found.remove();
        }
    }

    /// A slot under a key of that hash that `is_it`.
    pub(super) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let wanted = Entry::new(0, hash);
        let found = self.0.find(wanted.spread(), |one| {
            one.hash == wanted.hash && is_it(one.slot)
        });
        found.map(|one| one.slot)
    }
}
