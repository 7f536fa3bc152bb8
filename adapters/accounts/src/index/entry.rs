//! One account as the index keeps it: what mail servers ask for, in one piece of memory.

use crate::id::Id;
use crate::model::{Account, SourceId};
use crate::name::Address;

/// The quota of a mailbox that has none.
const UNBOUNDED: u64 = u64::MAX;

/// Most bytes of an entry's text: all that a source may say, with room to spare. Addresses behind it are left out.
const MAX_TEXT: usize = u16::MAX as usize;

/// One account, as mail servers see it.
#[derive(Clone, Debug)]
pub struct Entry {
    id: Id,
    source: SourceId,
    is_active: bool,
    /// [`UNBOUNDED`] if there is none.
    quota: u64,
    version: u64,
    /// Where in the text the user name, the mailbox, the aliases, the external id and the subject end. A mailbox that is the user
    /// name, as it often is, is not written again: it ends where it would begin, and `is_same` says so.
    ends: [u16; 5],
    is_same: bool,
    /// User name, mailbox, aliases, external id, subject and who mail is forwarded to; each alias, and each address
    /// behind the subject, follows a blank, which no address has. What is looked for most is next to each other.
    text: Box<str>,
}

impl Entry {
    pub(super) fn new(account: &Account) -> Self {
        let mailbox = account.mailbox.as_ref().map(Address::as_str);
        let is_same = mailbox == Some(&account.user_name);
        let mut text = String::new();
        let mut ends = [0; 5];
        let [user_name, mailbox_end, aliases, external_id, subject] = &mut ends;
        *user_name = push(&mut text, Some(&account.user_name));
        *mailbox_end = push(&mut text, mailbox.filter(|_| !is_same));
        *aliases = push_all(&mut text, &account.aliases);
        *external_id = push(&mut text, account.external_id.as_deref());
        *subject = push(&mut text, account.subject.as_deref());
        push_all(&mut text, &account.forwarding);
        Self {
            id: account.id,
            source: account.source,
            is_active: account.active,
            quota: account.quota.unwrap_or(UNBOUNDED),
            version: account.life.version,
            ends,
            is_same,
            text: text.into(),
        }
    }

    fn between(&self, start: u16, end: u16) -> &str {
        let range = usize::from(start)..usize::from(end);
        self.text.get(range).unwrap_or_default()
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
        Some(self.quota).filter(|quota| *quota != UNBOUNDED)
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// What its source calls it.
    #[must_use]
    pub fn external_id(&self) -> Option<&str> {
        let [_, _, aliases, external_id, _] = self.ends;
        Some(self.between(aliases, external_id)).filter(|text| !text.is_empty())
    }

    /// The `sub` that a login has bound to it.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        let [.., external_id, subject] = self.ends;
        Some(self.between(external_id, subject)).filter(|text| !text.is_empty())
    }

    /// Its name at its source, in the source's spelling.
    #[must_use]
    pub fn user_name(&self) -> &str {
        let [user_name, ..] = self.ends;
        self.between(0, user_name)
    }

    /// Its mailbox, which is its login too.
    #[must_use]
    pub fn mailbox(&self) -> Option<&str> {
        if self.is_same {
            return Some(self.user_name());
        }
        let [user_name, mailbox, ..] = self.ends;
        Some(self.between(user_name, mailbox)).filter(|text| !text.is_empty())
    }

    /// Its other addresses.
    pub fn aliases(&self) -> impl Iterator<Item = &str> {
        let [_, mailbox, aliases, ..] = self.ends;
        self.between(mailbox, aliases).split(' ').skip(1)
    }

    /// Who gets a copy of its mail.
    pub fn forwarding(&self) -> impl Iterator<Item = &str> {
        let [.., subject] = self.ends;
        let text = self.text.get(usize::from(subject)..);
        text.unwrap_or_default().split(' ').skip(1)
    }

    /// Its mailbox and its other addresses.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.mailbox().into_iter().chain(self.aliases())
    }

    /// Whether `address`, in lower case, is one of its addresses.
    pub(super) fn has(&self, address: &str) -> bool {
        self.mailbox() == Some(address) || self.aliases().any(|alias| alias == address)
    }
}

/// Adds a text, if it fits; gives where it ends.
fn push(text: &mut String, part: Option<&str>) -> u16 {
    let part = part.unwrap_or_default();
    if text.len() + part.len() <= MAX_TEXT {
        text.push_str(part);
    }
    u16::try_from(text.len()).unwrap_or(u16::MAX)
}

/// Adds addresses, as many as fit; gives where they end.
fn push_all(text: &mut String, addresses: &[Address]) -> u16 {
    for address in addresses {
        if text.len() + address.as_str().len() < MAX_TEXT {
            text.push(' ');
            text.push_str(address.as_str());
        }
    }
    push(text, None)
}
