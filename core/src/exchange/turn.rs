//! What a driver gives to a step, and what the step asks for.

use core::convert::Infallible;

use super::{FoundAccount, FoundPassword, KeyQuery, NewerKeysQuery, TrustedKey};
use crate::{
    introspection::{Answer, FetchFailure, Request},
    policy::Identity,
    rejection::Rejection,
    sasl::FailureReply,
};

/// What a step is given.
#[non_exhaustive]
pub enum Input<'i> {
    /// The client's message is there.
    Start,
    /// The keys that are known. A list that differs in order between steps makes the exchange try some key
    /// twice.
    Keys {
        /// One list for each provider, in the order of [`LoginSettings::providers`](super::LoginSettings::providers).
        keys: &'i [&'i [TrustedKey<'i>]],
        /// Room for one decoded payload: [`MAX_PAYLOAD`](super::MAX_PAYLOAD) bytes, or as much as this adapter takes.
        scratch: &'i mut [u8],
    },
    /// The provider has no newer keys than those known.
    NoNewerKeys,
    /// The provider may have newer keys, one of which the token may be signed with, and they cannot be fetched.
    KeysUnavailable,
    /// A provider's answer.
    Fetched {
        /// The answer.
        answer: &'i Answer<'i>,
        /// Keys as above, for answers that are signed.
        keys: &'i [&'i [TrustedKey<'i>]],
        /// As above; [`Answer::MAX_LEN`] bytes hold every signed answer.
        scratch: &'i mut [u8],
    },
    /// Why there is none.
    FetchFailed(FetchFailure),
    /// What is known of the account.
    Account(FoundAccount<'i>),
    /// What is known of the application password.
    Password(FoundPassword<'i>),
    /// The client's reply to the challenge; its content is ignored.
    Reply,
}

impl core::fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Start => "Start",
            // The scratch space may hold the claims of the last token.
            Self::Keys { .. } => "Keys(..)",
            Self::NoNewerKeys => "NoNewerKeys",
            Self::KeysUnavailable => "KeysUnavailable",
            Self::Fetched { .. } => "Fetched(..)",
            Self::FetchFailed(_) => "FetchFailed(..)",
            Self::Account(_) => "Account(..)",
            Self::Password(_) => "Password(..)",
            Self::Reply => "Reply",
        })
    }
}

/// What a step wants, or ends with. A driver has to know them all.
///
/// `Q` is what is asked about accounts: nothing can be, so there is no such output, unless the driver
/// [keeps accounts](super::Exchange::with_accounts); so is `P` of
/// [application passwords](super::Exchange::with_passwords).
#[derive(Debug)]
#[must_use]
pub enum Output<'o, Q = Infallible, P = Infallible> {
    /// Give the keys that are known as [`Input::Keys`]. May come again, when a key did not verify.
    FindKeys(KeyQuery<'o>),
    /// Look at a provider's keys again, unless that was done a moment ago; give those that there are now as
    /// [`Input::Keys`], or [`Input::NoNewerKeys`], or [`Input::KeysUnavailable`].
    FindNewerKeys(NewerKeysQuery),
    /// Ask a provider; give what comes as [`Input::Fetched`] or [`Input::FetchFailed`]. May come again,
    /// when one endpoint has not said everything.
    Fetch(Request<'o>),
    /// Give the same [`Input::Fetched`] once more: another key is to be tried for the answer's signature.
    Again,
    /// The token is good: find its user's account, an [`AccountQuery`](super::AccountQuery); give what is known of it
    /// as [`Input::Account`].
    FindAccount(Q),
    /// Find an application password, a [`PasswordQuery`](super::PasswordQuery); give what is known of it as
    /// [`Input::Password`].
    FindPassword(P),
    /// The token or application password is good; this is the user that it belongs to.
    Accept(&'o Identity),
    /// Send this to the client; when it has replied, whatever it is, give [`Input::Reply`].
    ///
    /// Nothing but the [verdict](super::Exchange::rejection) is needed from here on: the exchange and its
    /// buffer may be dropped.
    Challenge(FailureReply<'o>),
    /// The login has failed.
    Reject(Rejection),
}
