//! Whose a token is.

mod characters;

use super::Violation;
use crate::time::UnixTime;

/// Who logged in. Only the core's judgement makes one: [`Policy::check`](super::Policy::check), and of an account.
///
/// Nobody else can, which is the third invariant:
/// ```compile_fail,E0451
/// # fn forge(user: gatepost_core::Identity) -> gatepost_core::Identity {
/// gatepost_core::Identity { expires_at: None, ..user }
/// # }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// The user's name, and behind it the actor's: on a device each identity is kept for a while.
    names: heapless::String<{ Identity::MAX_NAMES }>,
    user_len: u16,
    expires_at: Option<UnixTime>,
}

impl Identity {
    /// A domain of which nobody ever is: whatever has to name a user where there is none, such as an
    /// answer to Dovecot about a bad token, names one of it. The top level `invalid` never exists (RFC 6761
    /// section 6.4).
    pub const NOBODYS_DOMAIN: &'static str = "gatepost.invalid";

    /// Room for two names, in bytes: a longest one beside one of 64 bytes.
    const MAX_NAMES: usize = 320;

    /// `None` where both names are longer than there is room for.
    pub(super) fn new(
        user: &UserName,
        actor: Option<&UserName>,
        expires_at: Option<UnixTime>,
    ) -> Option<Self> {
        let mut names = heapless::String::new();
        names.push_str(&user.0).ok()?;
        if let Some(actor) = actor {
            names.push_str(&actor.0).ok()?;
        }
        Some(Self {
            names,
            user_len: u16::try_from(user.0.len()).ok()?,
            expires_at,
        })
    }

    /// Whether a user can be called `name`: one word or one address without quotes, of 256 bytes at most, that
    /// can be a path, a log line and an address at once (RFC 5321 section 4.1.2, RFC 6531 section 3.3).
    #[must_use]
    pub fn is_user_name(name: &str) -> bool {
        UserName::new(name, UserCase::Keep).is_ok()
    }

    /// The user's name, normalised.
    #[must_use]
    pub fn user(&self) -> &str {
        self.names.get(..self.user_len.into()).unwrap_or_default()
    }

    /// Who it really is, where a delegate logs in as [`user`](Self::user).
    #[must_use]
    pub fn actor(&self) -> Option<&str> {
        let actor = self.names.get(self.user_len.into()..);
        actor.filter(|actor| !actor.is_empty())
    }

    /// Whom the mail server knows by the name of `mailbox`, the account of a user who has proven that it is his.
    pub(crate) fn of_mailbox(
        mailbox: &str,
        expires_at: Option<UnixTime>,
    ) -> Result<Self, Violation> {
        let user = UserName::new(mailbox, UserCase::Keep)?;
        Self::new(&user, None, expires_at).ok_or(Violation::UnusableUserName)
    }

    /// The token's `exp`; a provider's answer may name none.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixTime> {
        self.expires_at
    }
}

/// Whose a token is that a signature vouches for, as the policy reads it: for the log. It opens nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VouchedUser(pub(super) UserName);

impl VouchedUser {
    /// The name, normalised.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.0
    }
}

/// How a user's name is normalised before it is compared and handed on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum UserCase {
    /// What follows the `@` in lower case: domains have no case, mailboxes may (RFC 5321 section 2.4).
    #[default]
    LowerDomain,
    /// Everything in lower case, as Dovecot does.
    Lower,
    /// As it is.
    Keep,
}

/// A normalised name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct UserName(heapless::String<{ UserName::MAX_LEN }>);

impl UserName {
    /// Longest name, in bytes: a path of RFC 5321 section 4.5.3.1.3.
    const MAX_LEN: usize = 256;

    /// Whether its domain is one of `domains`, without case.
    pub(super) fn is_of_any(&self, domains: &[&str]) -> bool {
        let is_ours = |domain: &str| domains.iter().any(|ours| ours.eq_ignore_ascii_case(domain));
        self.domain().is_some_and(is_ours)
    }

    /// What follows the `@`.
    pub(super) fn domain(&self) -> Option<&str> {
        self.0.rsplit_once('@').map(|(_, domain)| domain)
    }

    /// One word, or one local part with its domain; `case` says what of it loses its case.
    pub(super) fn new(name: &str, case: UserCase) -> Result<Self, Violation> {
        let mut copy = Self::default();
        copy.assign(name, case)?;
        Ok(copy)
    }

    /// As [`new`](Self::new), of a name that may be written with escapes: `plain` is there if it is not.
    pub(super) fn decoded(
        plain: Option<&str>,
        mut chars: impl Iterator<Item = char>,
        case: UserCase,
    ) -> Result<Self, Violation> {
        match plain {
            Some(name) => Self::new(name, case),
            None => Self::new(&collect(&mut chars)?, case),
        }
    }

    /// Becomes `name`, in place: it is large.
    pub(super) fn assign(&mut self, name: &str, case: UserCase) -> Result<(), Violation> {
        let domain = characters::check(name)?;
        let copy = &mut self.0;
        copy.clear();
        copy.push_str(name)
            .map_err(|_| Violation::UnusableUserName)?;
        let domain = domain.and_then(|start| copy.get_mut(start..));
        let is_nobodys = domain
            .as_ref()
            .is_some_and(|domain| domain.eq_ignore_ascii_case(Identity::NOBODYS_DOMAIN));
        if is_nobodys {
            return Err(Violation::UnusableUserName);
        }
        match (case, domain) {
            (UserCase::LowerDomain, Some(domain)) => domain.make_ascii_lowercase(),
            (UserCase::Lower, _) => copy.make_ascii_lowercase(),
            (UserCase::LowerDomain | UserCase::Keep, _) => {}
        }
        Ok(())
    }

    /// The name alone.
    pub(super) fn into_text(self) -> heapless::String<{ Self::MAX_LEN }> {
        self.0
    }

    /// Whether `name` is this very one: it needs no reading then.
    pub(super) fn is(&self, name: &str) -> bool {
        self.0 == *name
    }
}

/// The characters of a name; those of one that is too long are no name's.
pub(super) fn collect(
    chars: &mut dyn Iterator<Item = char>,
) -> Result<heapless::String<{ UserName::MAX_LEN }>, Violation> {
    let mut copy = heapless::String::new();
    for c in chars {
        copy.push(c).map_err(|_| Violation::UnusableUserName)?;
    }
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_of_nobodys_domain() {
        for case in [UserCase::LowerDomain, UserCase::Lower, UserCase::Keep] {
            for name in ["a@gatepost.invalid", "a@GatePost.Invalid"] {
                let refused = UserName::new(name, case);
                assert_eq!(refused, Err(Violation::UnusableUserName), "{name}");
            }
            for name in ["gatepost.invalid", "a@gatepost.invalid.example", "a@b"] {
                assert!(UserName::new(name, case).is_ok(), "{name}");
            }
        }
    }

    #[test]
    fn an_identity_tells_whose_it_is_and_until_when() {
        let user = UserName::new("Alice@Example.COM", UserCase::LowerDomain).unwrap();
        assert_eq!(user.domain(), Some("example.com"));
        let until = UnixTime::from_seconds(7);
        let identity = Identity::new(&user, None, Some(until)).unwrap();
        assert_eq!(identity.user(), "Alice@example.com");
        assert_eq!(identity.expires_at(), Some(until));
    }
}
