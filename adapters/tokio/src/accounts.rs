//! Accounts, which are somebody else's matter: what a login asks of whoever keeps them, and what it is told.

use gatepost_core::exchange::{self, AccountQuery, FoundAccount};

use crate::trust::Trust;

/// Keeps accounts: whoever logs in with a good token has to have one.
pub trait Accounts {
    /// Finds an account; the provider whose token it was is called `provider`.
    ///
    /// A login waits for the answer, and no other does.
    fn find(&self, provider: &str, query: AccountQuery<'_>) -> impl Future<Output = Found>;
}

/// What is known of an account: see [`FoundAccount`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Found {
    /// There is one.
    Known(Account),
    /// There is none.
    Unknown,
    /// There is none, and it logs in all the same.
    Stranger,
    /// There is none, and the token's name is somebody else's address.
    AddressTaken,
    /// It cannot be told now.
    Unavailable,
}

/// An account: see [`exchange::Account`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// What it is for ever, for the log.
    pub id: String,
    /// Whether it may log in.
    pub is_active: bool,
    /// The address that the mail server knows it by.
    pub mailbox: Option<String>,
    /// Its further addresses.
    pub aliases: Vec<String>,
    /// Whether a client may claim one of these as its name.
    pub aliases_log_in: bool,
}

impl Found {
    /// Gives it to `take`, as the core wants it.
    pub(crate) fn lend<T>(&self, take: impl FnOnce(FoundAccount<'_>) -> T) -> T {
        let account = match self {
            Self::Known(account) => account,
            Self::Unknown => return take(FoundAccount::Unknown),
            Self::Stranger => return take(FoundAccount::Stranger),
            Self::AddressTaken => return take(FoundAccount::AddressTaken),
            Self::Unavailable => return take(FoundAccount::Unavailable),
        };
        let aliases: Vec<_> = account.aliases.iter().map(String::as_str).collect();
        take(FoundAccount::Known(exchange::Account {
            is_active: account.is_active,
            mailbox: account.mailbox.as_deref(),
            aliases: &aliases,
            aliases_log_in: account.aliases_log_in,
        }))
    }

    /// What the log calls the account.
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Self::Known(account) => Some(&account.id),
            _ => None,
        }
    }
}

/// The account of the user of a good token; one is asked for only where accounts are kept.
pub(crate) async fn find_account(
    accounts: Option<&impl Accounts>,
    trust: &Trust,
    query: AccountQuery<'_>,
) -> Found {
    match (accounts, trust.providers().get(query.provider)) {
        (Some(accounts), Some(provider)) => accounts.find(&provider.name, query).await,
        _ => Found::Unavailable,
    }
}

/// Nobody: a good token is enough.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Nobody {}

impl Accounts for Nobody {
    async fn find(&self, _: &str, _: AccountQuery<'_>) -> Found {
        match *self {}
    }
}
