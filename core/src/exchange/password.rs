//! Application passwords, for drivers that keep them: what is asked about one, and what becomes of the login.
//!
//! A driver says so by a type, as with [accounts](super::AskAccounts); for others, whatever has the prefix is refused.

use core::convert::Infallible;

use super::{Account, Accounts, Exchange, State, account::open};
use crate::{
    app_password::{AppPassword, Mistyped, Unfit},
    rejection::Rejection,
    sasl::UserPassword,
};

use sealed::Step;

/// Whether application passwords are taken: [`NoPasswords`] or [`AskPasswords`].
pub trait Passwords: Step {}

impl<P: Step> Passwords for P {}

/// Application passwords are refused.
#[derive(Debug)]
pub struct NoPasswords;

/// The driver is asked about application passwords: [`Exchange::with_passwords`].
#[derive(Debug)]
pub struct AskPasswords {
    pub(super) are_kept: bool,
}

/// Which application password is to be found.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PasswordQuery<'q> {
    /// Who the client claims to be, as it was typed: nobody else's password counts. It is not empty, and may be as
    /// long as a message.
    pub user: &'q str,
    /// The password.
    pub password: &'q AppPassword,
}

/// What a driver knows of the application password that it was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FoundPassword<'i> {
    /// It is good here, and of this account, which is judged as that of a good token's user.
    Good(Account<'i>),
    /// It is not good, or not here.
    Unfit(Unfit),
    /// It cannot be told now.
    Unavailable,
}

/// What a driver that says `A` is asked about an application password.
pub(super) type QueryOf<'q, A> = <PasswordsOf<A> as Step>::Query<'q>;

/// Who waits for word of an application password.
pub(super) type WaitingOf<'b, A> = <PasswordsOf<A> as Step>::Waiting<'b>;

type PasswordsOf<A> = <A as super::account::sealed::Step>::Passwords;

/// Which application password is to be found.
pub(super) fn query<'q, A: Accounts>(waiting: &'q WaitingOf<'_, A>) -> QueryOf<'q, A> {
    <PasswordsOf<A> as Step>::query(waiting)
}

mod sealed {
    use super::{AppPassword, Mistyped, Rejection, UserPassword};

    /// What an exchange does about application passwords.
    pub trait Step {
        /// What a driver is asked: of nothing, if it never is.
        type Query<'q>;
        /// Who waits for the answer.
        type Waiting<'b>;

        /// Has a user wait for word of what has the prefix, and was `read` so.
        ///
        /// # Errors
        /// Where it is mistyped, or none are taken.
        fn wait<'b>(
            &self,
            typed: UserPassword<'b>,
            read: Result<AppPassword, Mistyped>,
        ) -> Result<Self::Waiting<'b>, Rejection>;

        /// Which password is to be found.
        fn query<'q>(waiting: &'q Self::Waiting<'_>) -> Self::Query<'q>;

        /// There is an answer: never, if nothing is asked, and so there need not be code for one.
        fn answered(waiting: Self::Waiting<'_>);
    }

    /// A user whose password is looked for.
    pub struct Typed<'b> {
        pub(super) user: &'b str,
        pub(super) password: AppPassword,
    }
}

impl Step for NoPasswords {
    type Query<'q> = Infallible;
    type Waiting<'b> = Infallible;

    fn wait(
        &self,
        _: UserPassword<'_>,
        _: Result<AppPassword, Mistyped>,
    ) -> Result<Infallible, Rejection> {
        Err(Rejection::PasswordNotTaken)
    }

    fn query(waiting: &Infallible) -> Infallible {
        *waiting
    }

    fn answered(waiting: Infallible) {
        match waiting {}
    }
}

impl Step for AskPasswords {
    type Query<'q> = PasswordQuery<'q>;
    type Waiting<'b> = sealed::Typed<'b>;

    fn wait<'b>(
        &self,
        typed: UserPassword<'b>,
        read: Result<AppPassword, Mistyped>,
    ) -> Result<sealed::Typed<'b>, Rejection> {
        if !self.are_kept {
            return Err(Rejection::PasswordNotTaken);
        }
        Ok(sealed::Typed {
            user: typed.user(),
            password: read.map_err(|Mistyped| Rejection::MistypedPassword)?,
        })
    }

    fn query<'q>(waiting: &'q sealed::Typed<'_>) -> PasswordQuery<'q> {
        PasswordQuery {
            user: waiting.user,
            password: &waiting.password,
        }
    }

    fn answered(_: sealed::Typed<'_>) {}
}

impl<'b, A: Accounts> Exchange<'b, A> {
    /// Has the driver asked about what has the prefix of application passwords; no provider ever is.
    pub(super) fn ask_about_password(
        &mut self,
        typed: UserPassword<'b>,
        read: Result<AppPassword, Mistyped>,
    ) -> Result<(), Rejection> {
        let waiting = self.accounts.passwords().wait(typed, read)?;
        self.enter(State::AwaitingPassword(waiting))
    }

    /// Judges what is known of an application password.
    pub(super) fn judge_password(
        &mut self,
        waiting: WaitingOf<'b, A>,
        found: &FoundPassword<'_>,
    ) -> Result<(), Rejection> {
        <PasswordsOf<A> as Step>::answered(waiting);
        let identity = match found {
            // Whoever has the password of such an account learns no more than one who has none.
            FoundPassword::Good(account) if !account.is_active => {
                return Err(Rejection::AppPassword(Unfit::Disabled));
            }
            FoundPassword::Good(account) => open(account, self.claimed, None)?,
            FoundPassword::Unfit(why) => return Err(Rejection::AppPassword(*why)),
            FoundPassword::Unavailable => return Err(Rejection::AccountsUnavailable),
        };
        self.enter(State::Accepted(identity))
    }
}
