//! Application passwords, as a transaction adds, revokes and notes them.

use gatepost_accounts::app_password::{
    KeptPassword, KeyId, MAX_LABEL, MAX_NETWORKS, MAX_PASSWORDS, PasswordId, Services, Use,
    Verifier,
};
use gatepost_accounts::id::Id;
use gatepost_accounts::store::Unavailable;
use gatepost_accounts::time::Timestamp;
use ipnet::IpNet;

/// What a transaction knows of application passwords.
pub trait Passwords {
    /// Those of an account, the oldest first, also those that are good no more.
    ///
    /// # Errors
    /// [`Unavailable`]: it cannot be told.
    fn passwords(&mut self, account: Id) -> Result<Vec<KeptPassword>, Unavailable>;

    /// Adds one. Where the account has as many as it can have, the oldest that is good no more is forgotten.
    ///
    /// # Errors
    /// [`PasswordError`]: there is no such account, it has too many, or it is not kept.
    fn add_password(&mut self, new: &NewPassword<'_>) -> Result<PasswordId, PasswordError>;

    /// Revokes one; gives whether the account had it, and it was not revoked.
    ///
    /// # Errors
    /// [`Unavailable`]: it is not kept.
    fn revoke_password(
        &mut self,
        account: Id,
        password: PasswordId,
        now: Timestamp,
    ) -> Result<bool, Unavailable>;

    /// Notes the last uses of some: no feed is told.
    ///
    /// # Errors
    /// [`Unavailable`]: they are not kept.
    fn note_uses(&mut self, uses: &[(PasswordId, Use)]) -> Result<(), Unavailable>;
}

/// A password to be added.
#[derive(Clone, Copy, Debug)]
pub struct NewPassword<'n> {
    /// Whose it is to be.
    pub account: Id,
    /// The key that its verifier was made with.
    pub key: KeyId,
    /// What it is found by.
    pub verifier: Verifier,
    /// What its user calls it.
    pub label: &'n str,
    /// Where it is good.
    pub services: Services,
    /// From where it is good; from everywhere if there is none.
    pub networks: &'n [IpNet],
    /// What time it is.
    pub now: Timestamp,
    /// From when on it is not good.
    pub expires: Option<Timestamp>,
}

/// Why a password is not added.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// The store cannot be asked.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// There is no such account.
    #[error("there is no such account")]
    NoAccount,
    /// It has as many as an account can have.
    #[error(
        "an account has at most {MAX_PASSWORDS} application passwords: revoke one that is not used any more"
    )]
    TooMany,
    /// The label is too long, or a line of text cannot show it.
    #[error("a label has at most {MAX_LABEL} bytes, and no control characters")]
    Label,
    /// There are too many networks.
    #[error("an application password has at most {MAX_NETWORKS} networks: name larger ones")]
    Networks,
}
