//! One account as the index keeps it: what mail servers ask for, in one piece of memory.

use crate::id::Id;
use crate::model::{Account, SourceId};
use crate::name::Address;

/// One account, as mail servers see it.
#[derive(Clone, Debug)]
pub struct Entry {
    id: Id,
    source: SourceId,
    is_active: bool,
    quota: Option<u64>,
    version: u64,
    /// `external id NEWLINE user name NEWLINE mailbox NEWLINE aliases NEWLINE forwarding`; addresses are apart by
    /// blanks. No part holds control characters, no address a blank.
    text: Box<str>,
}

impl Entry {
    pub(super) fn new(account: &Account) -> Self {
        let is_plain = |text: &&str| !text.chars().any(char::is_control);
        let plain = |text: Option<&str>| text.filter(is_plain).unwrap_or_default().to_owned();
        let joined = |addresses: &[Address]| {
            let addresses: Vec<_> = addresses.iter().map(Address::as_str).collect();
            addresses.join(" ")
        };
        let parts = [
            plain(account.external_id.as_deref()),
            plain(Some(&account.user_name)),
            plain(account.mailbox.as_ref().map(Address::as_str)),
            joined(&account.aliases),
            joined(&account.forwarding),
        ];
        Self {
            id: account.id,
            source: account.source,
            is_active: account.active,
            quota: account.quota,
            version: account.life.version,
            text: parts.join("\n").into(),
        }
    }

    fn part(&self, number: usize) -> &str {
        self.text.split('\n').nth(number).unwrap_or_default()
    }

    /// Its id, by which to name what must not become another's.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// The source that owns it.
    #[must_use]
    pub fn source(&self) -> SourceId {
        self.source
    }

    /// Whether it may log in.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.is_active
    }

    /// How many bytes its mailbox may hold.
    #[must_use]
    pub fn quota(&self) -> Option<u64> {
        self.quota
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// What its source calls it.
    #[must_use]
    pub fn external_id(&self) -> Option<&str> {
        Some(self.part(0)).filter(|text| !text.is_empty())
    }

    /// Its name at its source, in the source's spelling.
    #[must_use]
    pub fn user_name(&self) -> &str {
        self.part(1)
    }

    /// Its mailbox, which is its login too.
    #[must_use]
    pub fn mailbox(&self) -> Option<&str> {
        Some(self.part(2)).filter(|text| !text.is_empty())
    }

    /// Its other addresses.
    pub fn aliases(&self) -> impl Iterator<Item = &str> {
        self.part(3).split_ascii_whitespace()
    }

    /// Who gets a copy of its mail.
    pub fn forwarding(&self) -> impl Iterator<Item = &str> {
        self.part(4).split_ascii_whitespace()
    }

    /// Its mailbox and its other addresses.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.mailbox().into_iter().chain(self.aliases())
    }
}
