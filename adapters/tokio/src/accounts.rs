//! Accounts, which are somebody else's matter: what a login asks of whoever keeps them, and what it is told.

use gatepost_core::app_password::Unfit;
use gatepost_core::dovecot::Origin;
use gatepost_core::exchange::{self, AccountQuery, FoundAccount, PasswordQuery};

use crate::trust::Trust;

/// Keeps accounts: whoever logs in with a good token has to have one.
pub trait Accounts {
    /// Finds an account; the provider whose token it was is called `provider`.
    ///
    /// A login waits for the answer, and no other does.
    fn find(&self, provider: &str, query: AccountQuery<'_>) -> impl Future<Output = Found>;

    /// Whether application passwords are kept as well.
    fn keeps_passwords(&self) -> bool {
        false
    }

    /// Finds an application password, from memory, for a login that comes from `origin`.
    fn find_password(&self, _query: PasswordQuery<'_>, _origin: Option<&Origin>) -> FoundPassword {
        FoundPassword::Unavailable
    }
}

/// What is known of an application password: see [`exchange::FoundPassword`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FoundPassword {
    /// It is good here, and of this account.
    Good {
        /// The account.
        account: Account,
        /// The password's number, for the log.
        number: u32,
    },
    /// It is not good, or not here.
    Unfit(Unfit),
    /// It cannot be told now.
    Unavailable,
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
        let aliases = account.aliases();
        take(FoundAccount::Known(account.lend(&aliases)))
    }

    /// What the log calls the account.
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Self::Known(account) => Some(&account.id),
            _ => None,
        }
    }
}

impl Account {
    fn aliases(&self) -> Vec<&str> {
        self.aliases.iter().map(String::as_str).collect()
    }

    fn lend<'l>(&'l self, aliases: &'l [&'l str]) -> exchange::Account<'l> {
        exchange::Account {
            is_active: self.is_active,
            mailbox: self.mailbox.as_deref(),
            aliases,
            aliases_log_in: self.aliases_log_in,
        }
    }
}

impl FoundPassword {
    /// Gives it to `take`, as the core wants it.
    pub(crate) fn lend<T>(&self, take: impl FnOnce(exchange::FoundPassword<'_>) -> T) -> T {
        match self {
            Self::Good { account, .. } => {
                let aliases = account.aliases();
                take(exchange::FoundPassword::Good(account.lend(&aliases)))
            }
            Self::Unfit(why) => take(exchange::FoundPassword::Unfit(*why)),
            Self::Unavailable => take(exchange::FoundPassword::Unavailable),
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

/// The application password that a user has given; one is asked for only where they are kept.
pub(crate) fn find_password(
    accounts: Option<&impl Accounts>,
    query: PasswordQuery<'_>,
    origin: Option<&Origin>,
) -> FoundPassword {
    accounts.map_or(FoundPassword::Unavailable, |accounts| {
        accounts.find_password(query, origin)
    })
}

/// Nobody: a good token is enough.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Nobody {}

impl Accounts for Nobody {
    async fn find(&self, _: &str, _: AccountQuery<'_>) -> Found {
        match *self {}
    }
}
