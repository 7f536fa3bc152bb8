//! The states of a login.

use super::{
    Accounts,
    asking::Asking,
    course::{NewerKeys, Verification},
    granting::Granting,
    password::WaitingOf,
};
use crate::{
    policy::Identity,
    rejection::Rejection,
    sasl::{Mechanism, Status},
};

/// Where a login is.
pub(super) enum State<'b, A: Accounts> {
    Received(&'b [u8]),
    AwaitingKeys(Verification<'b>),
    AwaitingNewerKeys(NewerKeys<'b>),
    AwaitingGrant(Granting<'b>),
    AwaitingAnswer(Asking<'b>),
    /// The same answer is wanted once more.
    AwaitingSameAnswer(Asking<'b>),
    /// The token is good.
    AwaitingAccount(A::Waiting),
    /// The client has given an application password.
    AwaitingPassword(WaitingOf<'b, A>),
    Accepted(Identity),
    /// The client is told why, and then rejected.
    Challenged(Challenge),
    Rejected(Rejection),
}

/// What a client is told, and why.
#[derive(Clone, Copy)]
pub(super) struct Challenge {
    pub(super) why: Rejection,
    pub(super) status: Status,
    pub(super) mechanism: Mechanism,
}

impl<A: Accounts> core::fmt::Debug for State<'_, A> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Received(_) => "Received",
            Self::AwaitingKeys(_) => "AwaitingKeys",
            Self::AwaitingNewerKeys(_) => "AwaitingNewerKeys",
            Self::AwaitingGrant(_) => "AwaitingGrant",
            Self::AwaitingAnswer(_) => "AwaitingAnswer",
            Self::AwaitingSameAnswer(_) => "AwaitingSameAnswer",
            Self::AwaitingAccount(_) => "AwaitingAccount",
            Self::AwaitingPassword(_) => "AwaitingPassword",
            Self::Accepted(_) => "Accepted",
            Self::Challenged(_) => "Challenged",
            Self::Rejected(_) => "Rejected",
        })
    }
}
