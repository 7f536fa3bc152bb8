//! The account of a good token's user, for drivers that keep accounts: whether there is one, whether it may log in,
//! and which mailbox it opens.
//!
//! A driver says by a type that it keeps accounts, so one that keeps none holds no code for them: without
//! [`AskAccounts`] nothing is noted of a token, and there is no state and no output more.

use core::{convert::Infallible, mem};

use super::{Exchange, NoPasswords, Passwords, State, reading::members};
use crate::{
    policy::{Identity, Policy, Violation},
    rejection::Rejection,
    sasl::SaslName,
    time::UnixTime,
    wire::json::{Object, Value},
};

use sealed::{Clue, Told};

/// Whether the account of a good token's user is asked for: [`NoAccounts`] or [`AskAccounts`].
pub trait Accounts: sealed::Step {}

impl<A: sealed::Step> Accounts for A {}

/// A good token is enough.
#[derive(Debug)]
pub struct NoAccounts;

/// The user of a good token has to have an account: [`Exchange::with_accounts`]. `P` says whether application passwords
/// are taken: [`Exchange::with_passwords`].
#[derive(Debug)]
pub struct AskAccounts<P: Passwords = NoPasswords> {
    pub(super) is_asked: bool,
    /// Whether the client claims a name that the token does not give its user.
    pub(super) is_another_claimed: bool,
    pub(super) told: Told,
    pub(super) passwords: P,
}

/// Longest subject by which an account is found, in bytes (OIDC Core section 2: 255 ASCII characters).
const MAX_SUBJECT: usize = 255;

/// Longest address by which an account is found, in bytes: that of a user's name.
const MAX_ADDRESS: usize = 256;

/// Whose account is to be found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct AccountQuery<'q> {
    /// The provider whose token is good: its place in [`LoginSettings::providers`](super::LoginSettings::providers).
    pub provider: usize,
    /// The token's `sub`, which is nobody else's at that provider (OIDC Core section 5.7), or what
    /// [`Policy::account_claim`] names in its place. `None` where there is none, or one longer than 255 bytes.
    pub subject: Option<&'q str>,
    /// The name that the policy gives the token's user: for the log, and for an account that is to be created. A
    /// provider may give it to another one day, so it is no way to find an account.
    pub name: &'q str,
    /// The token's `email`, where the provider says that it has verified it, and may speak for its domain.
    pub address: Option<&'q str>,
}

/// What a driver knows of the account that it was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FoundAccount<'i> {
    /// There is one.
    Known(Account<'i>),
    /// There is none, and whoever has none is refused.
    Unknown,
    /// There is none, whoever has none may log in under the token's name, and that is nobody's address.
    Stranger,
    /// There is none, and the token's name is an address of somebody else's.
    AddressTaken,
    /// It cannot be told now.
    Unavailable,
}

/// An account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Account<'i> {
    /// Whether it may log in.
    pub is_active: bool,
    /// The address that the mail server knows it by.
    pub mailbox: Option<&'i str>,
    /// Its further addresses.
    pub aliases: &'i [&'i str],
    /// Whether a client may claim one of these as its name.
    pub aliases_log_in: bool,
}

pub(super) mod sealed {
    use super::{Identity, Infallible, MAX_ADDRESS, MAX_SUBJECT, NoPasswords, Passwords};

    /// What an exchange does about accounts.
    pub trait Step {
        /// What a driver is asked: of nothing, if it never is.
        type Query<'q>
        where
            Self: 'q;
        /// Who waits for an account.
        type Waiting;
        /// Whether application passwords are taken.
        type Passwords: Passwords;

        /// Whether accounts are asked for.
        fn is_asked(&self) -> bool;

        /// The client claims a name that the token does not give its user.
        fn note_claim(&mut self);

        /// Keeps what an account is found by.
        fn note(&mut self, read: impl FnOnce() -> Told);

        /// Has `identity` wait for its account.
        ///
        /// # Errors
        /// The same, where it need not.
        #[expect(clippy::result_large_err, reason = "it is handed on, whichever it is")]
        fn wait(&self, identity: Identity) -> Result<Self::Waiting, Identity>;

        /// Whose account is to be found.
        fn query<'q>(&'q self, provider: usize, waiting: &'q Self::Waiting) -> Self::Query<'q>;

        /// Whether the client claims another name than the token's, and who waits.
        fn waited(&self, waiting: Self::Waiting) -> (bool, Identity);

        /// Whether application passwords are taken.
        fn passwords(&self) -> &Self::Passwords;
    }

    /// What an account is found by.
    #[derive(Debug, Default)]
    pub struct Told {
        pub(super) subject: Clue<MAX_SUBJECT>,
        pub(super) address: Clue<MAX_ADDRESS>,
    }

    /// Something by which an account is found.
    #[derive(Debug, Default)]
    pub(crate) enum Clue<const N: usize> {
        /// Nobody has told it.
        #[default]
        Untold,
        Told(heapless::String<N>),
        /// The provider does not vouch for it, or has told two things.
        Doubtful,
    }

    impl Step for super::NoAccounts {
        type Query<'q> = Infallible;
        type Waiting = Infallible;
        type Passwords = NoPasswords;

        fn is_asked(&self) -> bool {
            false
        }

        fn note_claim(&mut self) {}

        fn note(&mut self, _: impl FnOnce() -> Told) {}

        fn wait(&self, identity: Identity) -> Result<Infallible, Identity> {
            Err(identity)
        }

        fn query<'q>(&'q self, _: usize, waiting: &'q Infallible) -> Infallible {
            *waiting
        }

        fn waited(&self, waiting: Infallible) -> (bool, Identity) {
            match waiting {}
        }

        fn passwords(&self) -> &NoPasswords {
            &NoPasswords
        }
    }
}

impl<P: Passwords> sealed::Step for AskAccounts<P> {
    type Query<'q>
        = AccountQuery<'q>
    where
        P: 'q;
    type Waiting = Identity;
    type Passwords = P;

    fn is_asked(&self) -> bool {
        self.is_asked
    }

    fn note_claim(&mut self) {
        self.is_another_claimed = true;
    }

    fn note(&mut self, read: impl FnOnce() -> Told) {
        if !self.is_asked {
            return;
        }
        let Told { subject, address } = read();
        self.told.subject.add(subject);
        self.told.address.add(address);
    }

    fn wait(&self, identity: Identity) -> Result<Identity, Identity> {
        if self.is_asked {
            Ok(identity)
        } else {
            Err(identity)
        }
    }

    fn query<'q>(&'q self, provider: usize, waiting: &'q Identity) -> AccountQuery<'q> {
        AccountQuery {
            provider,
            subject: self
                .told
                .subject
                .get()
                .filter(|subject| !subject.is_empty()),
            name: waiting.actor().unwrap_or(waiting.user()),
            address: self.told.address.get(),
        }
    }

    fn waited(&self, waiting: Identity) -> (bool, Identity) {
        (self.is_another_claimed, waiting)
    }

    fn passwords(&self) -> &P {
        &self.passwords
    }
}

/// What an object that vouches for a token tells of the account.
pub(super) fn told(object: Object<'_>, policy: &Policy<'_>) -> Told {
    let Ok([subject, email, verified]) =
        members(object, [policy.account_claim, "email", "email_verified"])
    else {
        return Told::default();
    };
    // Cognito, Apple and Google write it as a string.
    let is_verified = match verified {
        Some(Value::Bool(flag)) => Some(flag),
        Some(Value::String(flag)) => Some(flag == *"true"),
        _ => None,
    };
    // Entra lets a tenant's administrator write any address there.
    let address = match (is_verified, text(email)) {
        (Some(false), _) => Clue::Doubtful,
        (Some(true), Clue::Told(address))
            if policy.tenants.is_empty() && speaks_for(policy, &address) =>
        {
            Clue::Told(address)
        }
        _ => Clue::Untold,
    };
    Told {
        subject: text(subject),
        address,
    }
}

impl<const N: usize> Clue<N> {
    /// Takes what a second answer tells: it has to be the same, if it is anything.
    fn add(&mut self, later: Self) {
        *self = match (mem::take(self), later) {
            (Self::Untold, clue) | (clue, Self::Untold) => clue,
            (Self::Told(one), Self::Told(other)) if one == other => Self::Told(one),
            _ => Self::Doubtful,
        };
    }

    fn get(&self) -> Option<&str> {
        match self {
            Self::Told(text) => Some(text),
            Self::Untold | Self::Doubtful => None,
        }
    }
}

/// The string that a member holds, if it does, and has room.
fn text<const N: usize>(value: Option<Value<'_>>) -> Clue<N> {
    let text = value.and_then(|value| value.string().ok()?.to_string());
    text.map_or(Clue::Untold, Clue::Told)
}

/// Whether the provider may name users of an address's domain.
fn speaks_for(policy: &Policy<'_>, address: &str) -> bool {
    let domain = address.rsplit_once('@').map(|(_, domain)| domain);
    let is_ours = |domain: &str| {
        let mut ours = policy.domains.iter();
        ours.any(|ours| ours.eq_ignore_ascii_case(domain))
    };
    domain.is_some_and(|domain| policy.domains.is_empty() || is_ours(domain))
}

/// Judges for the name that is claimed; where accounts are asked for, these decide about one that is not the token's.
#[inline]
pub(super) fn judge_name<A: Accounts>(
    accounts: &mut A,
    claimed: Option<SaslName<'_>>,
    judge: impl Fn(Option<SaslName<'_>>) -> Result<Identity, Violation>,
) -> Result<Identity, Violation> {
    match judge(claimed) {
        Err(Violation::WrongUser) if accounts.is_asked() => {
            accounts.note_claim();
            judge(None)
        }
        judged => judged,
    }
}

impl<A: Accounts> Exchange<'_, A> {
    /// Goes on with a token that is good: whose account it is may still have to be found.
    #[inline]
    pub(super) fn accept(&mut self, identity: Identity) -> Result<(), Rejection> {
        match self.accounts.wait(identity) {
            Ok(waiting) => self.enter(State::AwaitingAccount(waiting)),
            Err(identity) => self.enter(State::Accepted(identity)),
        }
    }

    pub(super) fn account_query<'q>(&'q self, waiting: &'q A::Waiting) -> A::Query<'q> {
        // Some provider's token was good.
        self.accounts
            .query(self.provider.unwrap_or_default(), waiting)
    }

    /// Judges what is known of the account.
    pub(super) fn take_account(&mut self, found: &FoundAccount<'_>) {
        let waiting = match self.take_state() {
            State::AwaitingAccount(waiting) => waiting,
            state => return self.refuse_input(state),
        };
        let (is_another_claimed, identity) = self.accounts.waited(waiting);
        let claimed = self.claimed.filter(|_| is_another_claimed);
        let done = match judge(found, identity, claimed) {
            Ok(identity) => self.enter(State::Accepted(identity)),
            Err(why) => Err(why),
        };
        self.settle(done);
    }
}

/// Who logs in; `claimed` is what the client calls itself, where that is not the token's name.
fn judge(
    found: &FoundAccount<'_>,
    identity: Identity,
    claimed: Option<SaslName<'_>>,
) -> Result<Identity, Rejection> {
    let account = match (found, claimed) {
        (FoundAccount::Unavailable, _) => return Err(Rejection::AccountsUnavailable),
        (FoundAccount::Unknown, _) => return Err(Rejection::UnknownAccount),
        (FoundAccount::AddressTaken, _) => return Err(Rejection::AddressTaken),
        (FoundAccount::Stranger, Some(_)) => return Err(Violation::WrongUser.into()),
        (FoundAccount::Stranger, None) => return Ok(identity),
        (FoundAccount::Known(account), _) => account,
    };
    // A delegate's own account lets him in; which mailbox he opens is the policy's word.
    if account.is_active && identity.actor().is_some() {
        return Ok(identity);
    }
    open(account, claimed, identity.expires_at())
}

/// Who opens the mailbox of an account, called `claimed` by the client, until `expires_at`.
pub(super) fn open(
    account: &Account<'_>,
    claimed: Option<SaslName<'_>>,
    expires_at: Option<UnixTime>,
) -> Result<Identity, Rejection> {
    if !account.is_active {
        return Err(Rejection::AccountDisabled);
    }
    let mailbox = account.mailbox.ok_or(Rejection::NoMailbox)?;
    let is_claimed = |address: &str| {
        let lower = |c: char| c.to_ascii_lowercase();
        claimed.is_some_and(|name| name.chars().map(lower).eq(address.chars().map(lower)))
    };
    let is_mailbox = claimed.is_none() || is_claimed(mailbox);
    if !is_mailbox && !account.aliases.iter().any(|alias| is_claimed(alias)) {
        return Err(Violation::WrongUser.into());
    }
    if !is_mailbox && !account.aliases_log_in {
        return Err(Rejection::AccountRenamed);
    }
    Ok(Identity::of_mailbox(mailbox, expires_at)?)
}
