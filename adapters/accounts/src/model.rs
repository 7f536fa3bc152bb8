//! What Gatepost knows of people: accounts, groups, and the sources that provision them.

use crate::app_password::KeptPassword;
use crate::id::Id;
use crate::name::{Address, Domains};
use crate::time::Timestamp;

/// Names a source within this installation.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SourceId(pub u32);

/// Who provisions accounts: a provider that pushes them, one that is asked for them, or an administrator.
///
/// It owns the accounts and groups that came from it, sees no others, and gives addresses in its domains only.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    /// Its number.
    pub id: SourceId,
    /// What an operator calls it.
    pub name: String,
    /// The domains in which it may give addresses.
    pub domains: Domains,
}

/// When a resource came, changed and went, and how it is told from its earlier states.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Life {
    /// When it was created.
    pub created: Timestamp,
    /// When it changed last.
    pub modified: Timestamp,
    /// The change that made it what it is: of two states the greater is the newer.
    pub version: u64,
    /// The change that brought it: the order of lists, in which nothing is inserted before another.
    pub position: u64,
    /// When it was deleted: it can be seen no more, but its id stays its own.
    pub deleted: Option<Timestamp>,
}

/// One person, or whatever else has a login.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// Its id, which a home directory may be named by: the address may become somebody else's.
    pub id: Id,
    /// The source that owns it.
    pub source: SourceId,
    /// What the source calls it: the `sub` of its tokens, where the provider does as most do.
    pub external_id: Option<String>,
    /// The `sub` of its tokens, if a login has bound one to it: its source calls it otherwise.
    pub subject: Option<String>,
    /// The name it has at its source, in the source's spelling.
    pub user_name: String,
    /// What people call it.
    pub display_name: Option<String>,
    /// Its mailbox; without one it can log in, and gets no mail.
    pub mailbox: Option<Address>,
    /// Further addresses whose mail goes to the mailbox.
    pub aliases: Vec<Address>,
    /// Whether it may log in.
    pub active: bool,
    /// How many bytes its mailbox may hold; 0 is no limit, as to Dovecot.
    pub quota: Option<u64>,
    /// Addresses that get a copy of its mail.
    pub forwarding: Vec<Address>,
    /// Its dates.
    pub life: Life,
}

impl Account {
    /// Its mailbox and aliases.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.mailbox.iter().chain(&self.aliases)
    }

    /// Gives it these instead, of which the first is its mailbox.
    pub fn set_addresses(&mut self, addresses: Vec<Address>) {
        let mut addresses = addresses.into_iter();
        self.mailbox = addresses.next();
        self.aliases = addresses.collect();
    }
}

/// Accounts and groups that belong together. Its members are kept beside it, for they can be many.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Group {
    /// Its id.
    pub id: Id,
    /// The source that owns it.
    pub source: SourceId,
    /// What the source calls it.
    pub external_id: Option<String>,
    /// What people call it, in the source's spelling.
    pub display_name: String,
    /// Its dates.
    pub life: Life,
}

/// An account or a group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Resource {
    /// An account.
    Account(Account),
    /// A group.
    Group(Group),
}

/// What a resource is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// An account, a `User` in SCIM.
    Account,
    /// A group.
    Group,
}

impl Resource {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Account(_) => Kind::Account,
            Self::Group(_) => Kind::Group,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> Id {
        match self {
            Self::Account(account) => account.id,
            Self::Group(group) => group.id,
        }
    }

    /// The source that owns it.
    #[must_use]
    pub fn source(&self) -> SourceId {
        match self {
            Self::Account(account) => account.source,
            Self::Group(group) => group.source,
        }
    }

    /// What the source calls it.
    #[must_use]
    pub fn external_id(&self) -> Option<&str> {
        match self {
            Self::Account(account) => account.external_id.as_deref(),
            Self::Group(group) => group.external_id.as_deref(),
        }
    }

    /// The `sub` that a login has bound to an account.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::Account(account) => account.subject.as_deref(),
            Self::Group(_) => None,
        }
    }

    /// An account's user name, a group's display name: what nothing else of the source may be called.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Account(account) => &account.user_name,
            Self::Group(group) => &group.display_name,
        }
    }

    /// Its dates.
    #[must_use]
    pub fn life(&self) -> &Life {
        match self {
            Self::Account(account) => &account.life,
            Self::Group(group) => &group.life,
        }
    }

    /// Its dates, to change them.
    pub fn life_mut(&mut self) -> &mut Life {
        match self {
            Self::Account(account) => &mut account.life,
            Self::Group(group) => &mut group.life,
        }
    }

    /// The addresses that it alone has.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        let account = match self {
            Self::Account(account) => Some(account),
            Self::Group(_) => None,
        };
        account.into_iter().flat_map(Account::addresses)
    }
}

/// One change of what is known, as a store tells it after the change is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// Its number: of two changes the later has the greater.
    pub sequence: u64,
    /// What changed.
    pub event: Event,
}

/// What a [`Change`] is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// A resource is this now; if it is deleted, it is gone.
    Put(Resource),
    /// A group has these members more, or fewer.
    Members {
        /// The group.
        group: Id,
        /// Those that came.
        added: Vec<Id>,
        /// Those that went.
        removed: Vec<Id>,
    },
    /// An application password is this now.
    Password(KeptPassword),
}
