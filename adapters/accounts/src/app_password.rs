//! Application passwords as they are kept: by their verifiers, each with where it is good. The passwords themselves are
//! nowhere.

use std::fmt;
use std::net::IpAddr;

use gatepost_core::app_password::{AppPassword, Unfit, VerifierKey};
use ipnet::IpNet;

use crate::id::Id;
use crate::index::{Entry, Index};
use crate::time::Timestamp;

/// Most of one account that are good at the same time.
pub const MAX_PASSWORDS: usize = 50;

/// Most networks of one.
pub const MAX_NETWORKS: usize = 16;

/// Most bytes of a label.
pub const MAX_LABEL: usize = 256;

/// Whom nobody's account is: an unknown user costs as much as any other.
const NOBODY: Id = Id::from_bytes([0; 16]);

/// Names a password for ever.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PasswordId(pub u32);

/// Names the key that a verifier was made with.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct KeyId(pub u32);

/// What is kept of a password, and what it is found by ([`VerifierKey::verifier`]). Its `Debug` is `(..)`.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Verifier(pub [u8; 32]);

impl Verifier {
    /// Whoever has not the key cannot choose it.
    pub(crate) fn hash(&self) -> u64 {
        let start = self.0.first_chunk().copied();
        u64::from_be_bytes(start.unwrap_or_default())
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(..)")
    }
}

/// A protocol of mail clients.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Service {
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
    /// Submission.
    Smtp,
    /// `ManageSieve`.
    Sieve,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Imap, Self::Pop3, Self::Smtp, Self::Sieve];

    /// What an operator calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Smtp => "smtp",
            Self::Sieve => "sieve",
        }
    }

    /// The one that a mail server calls so: Postfix and Exim say `smtp`, Dovecot `submission`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let name = match name {
            "submission" | "submissions" => "smtp",
            "managesieve" => "sieve",
            name => name,
        };
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Imap => 1,
            Self::Pop3 => 2,
            Self::Smtp => 4,
            Self::Sieve => 8,
        }
    }
}

/// Several services; where none is named, it is every one, also those that have no name here.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Services(u8);

impl Services {
    /// Those of `bits`, as a database keeps them.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0xF)
    }

    /// A bit each.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether what a mail server calls so is one of them.
    #[must_use]
    pub fn contain(self, name: &str) -> bool {
        self.0 == 0 || Service::parse(name).is_some_and(|service| self.0 & service.bit() != 0)
    }

    /// Those that are named.
    pub fn named(self) -> impl Iterator<Item = Service> {
        let all = Service::ALL.into_iter();
        all.filter(move |service| self.0 & service.bit() != 0)
    }
}

impl FromIterator<Service> for Services {
    fn from_iter<I: IntoIterator<Item = Service>>(services: I) -> Self {
        Self(services.into_iter().fold(0, |all, one| all | one.bit()))
    }
}

/// A password, as it is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeptPassword {
    /// Its number.
    pub id: PasswordId,
    /// Whose it is.
    pub account: Id,
    /// The change that made it what it is.
    pub version: u64,
    /// The key that its verifier was made with.
    pub key: KeyId,
    /// What it is found by.
    pub verifier: Verifier,
    /// What its user calls it.
    pub label: String,
    /// Where it is good.
    pub services: Services,
    /// The networks from which it is good; if there is none, all.
    pub networks: Vec<IpNet>,
    /// When it was added.
    pub created: Timestamp,
    /// From when on it is not good.
    pub expires: Option<Timestamp>,
    /// When it was used last, about, and from where.
    pub used: Option<Use>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// One that was not good any more, and is forgotten in its favour.
    pub replaces: Option<Verifier>,
}

/// One use of a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Use {
    /// When.
    pub at: Timestamp,
    /// From where, if that is known.
    pub from: Option<IpAddr>,
}

impl KeptPassword {
    /// Whether it is good somewhere.
    #[must_use]
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|expires| now < expires)
    }
}

/// Where somebody logs in.
#[derive(Clone, Copy, Debug)]
pub struct Place<'p> {
    /// What the mail server calls the service.
    pub service: &'p str,
    /// The client's address, if it is known.
    pub address: Option<IpAddr>,
    /// What time it is.
    pub now: Timestamp,
}

/// Finds the account that `user` opens by `password`, and which of its passwords that is: one look-up a key, whoever the
/// user is and however many there are.
///
/// # Errors
/// Why it is not good here.
pub fn find<'i>(
    index: &'i Index,
    keys: &[VerifierKey],
    (user, password): (&str, &AppPassword),
    place: Place<'_>,
) -> Result<(&'i Entry, PasswordId), Unfit> {
    let account = index.by_address(user);
    let id = account.map_or(NOBODY, Entry::id);
    let found = keys.iter().fold(None, |found, key| {
        let verifier = Verifier(key.verifier(id.as_bytes(), password));
        index.password(&verifier).or(found)
    });
    let (account, found) = account.zip(found).ok_or(Unfit::Unknown)?;
    if !account.is_active() {
        return Err(Unfit::Disabled);
    }
    found.judge(place)?;
    Ok((account, found.id()))
}

#[cfg(test)]
mod tests;
