//! Sources of accounts, the secrets they authenticate by, and the transaction that knows both.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepost_accounts::model::SourceId;
use gatepost_accounts::name::NameError;
use gatepost_accounts::store::{Transaction, Unavailable};
use gatepost_accounts::time::Timestamp;
use sha2::{Digest, Sha256};

use crate::password::Passwords;

/// Most secrets of one source: two are needed while one takes over from the other.
pub const MAX_SECRETS: usize = 20;

/// Most bytes of a secret's label.
pub const MAX_LABEL: usize = 256;

/// What every secret begins with, by which a scanner of repositories finds those that leaked.
const PREFIX: &str = "gatepost_scim_";

/// Digits of a secret of 256 bits, in base64url.
const DIGITS: usize = 43;

/// One transaction of a store: what SCIM needs, and what is known of application passwords and of sources.
pub trait Session: Transaction + Passwords {
    /// All sources, in the order of their numbers.
    ///
    /// # Errors
    /// [`Unavailable`]: it cannot be told.
    fn sources(&mut self) -> Result<Vec<KnownSource>, Unavailable>;

    /// The source of that name.
    ///
    /// # Errors
    /// [`Unavailable`]: it cannot be told.
    fn source(&mut self, name: &str) -> Result<Option<KnownSource>, Unavailable>;

    /// Adds a source; its number was never another's.
    ///
    /// # Errors
    /// [`SourceError`]: it cannot be called so, or is not kept.
    fn add_source(&mut self, name: &str, now: Timestamp) -> Result<SourceId, SourceError>;

    /// Calls a source otherwise; what it owns stays its own.
    ///
    /// # Errors
    /// [`SourceError`]: it cannot be called so, there is none, or it is not kept.
    fn rename_source(&mut self, source: SourceId, name: &str) -> Result<(), SourceError>;

    /// Notes by what the addresses of all accounts of a source were derived; `None` where some may have been by something
    /// else.
    ///
    /// # Errors
    /// [`Unavailable`]: it is not kept.
    fn set_derived(&mut self, source: SourceId, by: Option<&str>) -> Result<(), Unavailable>;

    /// Notes that everything of a source was read, which is a provider that is read.
    ///
    /// # Errors
    /// [`Unavailable`]: it is not kept.
    fn set_read(&mut self, source: SourceId) -> Result<(), Unavailable>;

    /// A source's secrets, the oldest first, those that have expired as well.
    ///
    /// # Errors
    /// [`Unavailable`]: it cannot be told.
    fn secrets(&mut self, source: SourceId) -> Result<Vec<Secret>, Unavailable>;

    /// The secret of that hash, expired or not: one look-up.
    ///
    /// # Errors
    /// [`Unavailable`]: it cannot be told.
    fn secret(&mut self, hash: &SecretHash) -> Result<Option<Secret>, Unavailable>;

    /// Adds a secret to a source.
    ///
    /// # Errors
    /// [`SourceError`]: there is no such source, it has too many, the label is too long, or it is not kept.
    fn add_secret(
        &mut self,
        source: SourceId,
        secret: &NewSecret<'_>,
    ) -> Result<SecretId, SourceError>;

    /// Forgets a secret; gives whether the source had it.
    ///
    /// # Errors
    /// [`Unavailable`]: it is not kept.
    fn revoke_secret(&mut self, source: SourceId, secret: SecretId) -> Result<bool, Unavailable>;
}

/// A source, as it is kept; in which domains it may give addresses is a matter of the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KnownSource {
    /// Its number.
    pub id: SourceId,
    /// What an operator calls it: unique, in any case.
    pub name: String,
    /// When it was added.
    pub created: Timestamp,
    /// By what the addresses of all its accounts were derived, if that is known.
    pub derived: Option<String>,
    /// Whether everything of it was read once, if it is a provider that is read.
    pub is_read: bool,
}

/// Names a secret, to revoke it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SecretId(pub u32);

/// What is kept of a secret, but its hash.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Secret {
    /// Its number.
    pub id: SecretId,
    /// Whose it is.
    pub source: SourceId,
    /// What an operator calls it.
    pub label: String,
    /// When it was added.
    pub created: Timestamp,
    /// From when on it is not accepted.
    pub expires: Option<Timestamp>,
}

impl Secret {
    /// Whether it is not accepted any more.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// A secret to be added.
#[derive(Clone, Copy, Debug)]
pub struct NewSecret<'s> {
    /// Its hash.
    pub hash: SecretHash,
    /// What an operator calls it.
    pub label: &'s str,
    /// What time it is.
    pub now: Timestamp,
    /// From when on it is not accepted.
    pub expires: Option<Timestamp>,
}

/// A bearer secret, as it is shown once to an operator. Its `Debug` is `(..)`.
pub struct BearerSecret(String);

impl BearerSecret {
    /// The secret of 256 bits that were just drawn at random.
    #[must_use]
    pub fn from_random(bits: [u8; 32]) -> Self {
        Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bits)))
    }

    /// Whether `presented` may be a secret at all: no look-up finds anything else.
    #[must_use]
    pub fn has_form(presented: &str) -> bool {
        let is_digit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let digits = presented.strip_prefix(PREFIX);
        digits.is_some_and(|digits| digits.len() == DIGITS && digits.chars().all(is_digit))
    }

    /// What the operator gives to the source: characters of a bearer token (RFC 6750 section 2.1).
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }
}

impl fmt::Debug for BearerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerSecret(..)")
    }
}

/// The SHA-256 of a secret (FIPS 180-4). No salt and no slow hash: nobody guesses 256 random bits. Its `Debug` is
/// `(..)`.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// The hash of what a client presents.
    #[must_use]
    pub fn of(presented: &str) -> Self {
        Self(Sha256::digest(presented).into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(..)")
    }
}

/// Why a source, or a secret, is not added or changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The store cannot be asked.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// It cannot be called so.
    #[error("a source cannot be called so: {0}")]
    Name(#[from] NameError),
    /// Another is called so.
    #[error("there is a source of this name already")]
    NameTaken,
    /// There is no such source.
    #[error("there is no such source")]
    Unknown,
    /// It has as many secrets as a source can have.
    #[error("a source has at most {MAX_SECRETS} secrets: revoke one that is not used any more")]
    TooManySecrets,
    /// The label is too long, or a line of text cannot show it.
    #[error("a label has at most {MAX_LABEL} bytes, and no control characters")]
    Label,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_only_where_it_is_revealed() {
        let secret = BearerSecret::from_random([0xab; 32]);
        assert_eq!(
            secret.reveal(),
            "gatepost_scim_q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s"
        );
        assert!(BearerSecret::has_form(secret.reveal()));
        for other in [
            "",
            "gatepost_scim_",
            "gatepost_scim_q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6",
        ] {
            assert!(!BearerSecret::has_form(other), "{other}");
        }
        assert_eq!(format!("{secret:?}"), "BearerSecret(..)");
        assert_eq!(format!("{:?}", secret.hash()), "SecretHash(..)");
        assert_eq!(secret.hash(), SecretHash::of(secret.reveal()));
    }

    #[test]
    fn a_hash_is_sha_256() {
        // FIPS 180-4's example, "abc".
        let hash = SecretHash::of("abc");
        assert_eq!(hash.as_bytes()[..4], [0xba, 0x78, 0x16, 0xbf]);
    }
}
