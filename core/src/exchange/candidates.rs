//! Which of the trusted keys may have signed a token.
//!
//! The token's `kid` and, where that does not decide, its unverified `iss` and `azp` are hints: they
//! choose among keys that are trusted already, never whom to trust.

use super::TrustedKey;
use crate::{
    claims::Hints,
    jose::{Header, UnverifiedJwt},
    rejection::Rejection,
};

/// The `attempt`th key to try; `None` where no more are left.
pub(super) fn find<'k>(
    jwt: &UnverifiedJwt<'_>,
    keys: &'k [TrustedKey<'k>],
    attempt: usize,
    scratch: &mut [u8],
) -> Result<Option<&'k TrustedKey<'k>>, Rejection> {
    if keys.is_empty() {
        return Err(Rejection::NoKeys);
    }
    let choice = Choice::new(jwt.header(), keys);
    let mut matching = keys.iter().filter(|key| choice.admits(key));
    let first = matching.next().ok_or(choice.refusal())?;
    if matching.next().is_none() {
        return Ok(Some(first).filter(|_| attempt == 0));
    }
    let payload = jwt.decode_payload(scratch)?;
    let hints = Hints::read(payload).map_err(|_| Rejection::Token(crate::jose::Error::Payload))?;
    let narrowed = || {
        keys.iter()
            .filter(|key| choice.admits(key) && is_hinted_at(key, &hints))
    };
    if choice.by_kid && is_ambiguous(&narrowed()) {
        return Err(Rejection::AmbiguousKey);
    }
    match narrowed().nth(attempt) {
        None if attempt == 0 => Err(Rejection::UnknownKey),
        found => Ok(found),
    }
}

/// What the header asks for, and whether some key has the very identifier.
struct Choice<'h> {
    header: &'h Header,
    by_kid: bool,
}

impl<'h> Choice<'h> {
    fn new(header: &'h Header, keys: &[TrustedKey<'_>]) -> Self {
        let by_kid = header.kid().is_some() && keys.iter().any(|key| key.kid == header.kid());
        Self { header, by_kid }
    }

    /// A key without `kid`, from a PEM file say, may have signed a token with one, and the reverse.
    fn admits(&self, key: &TrustedKey<'_>) -> bool {
        let kid = self.header.kid();
        let is_named = if self.by_kid {
            key.kid == kid
        } else {
            kid.is_none() || key.kid.is_none()
        };
        is_named && key.key.algorithms().contains(self.header.algorithm())
    }

    fn refusal(&self) -> Rejection {
        if self.by_kid {
            Rejection::AlgorithmNotAllowed
        } else {
            Rejection::UnknownKey
        }
    }
}

fn is_hinted_at(key: &TrustedKey<'_>, hints: &Hints<'_>) -> bool {
    key.policy
        .issuer
        .is_none_or(|issuer| hints.is_issued_by(issuer))
        && key.owner.is_none_or(|owner| hints.is_minted_for(owner))
}

/// Whether two keys of one provider and one owner are left.
fn is_ambiguous<'k>(keys: &(impl Iterator<Item = &'k TrustedKey<'k>> + Clone)) -> bool {
    keys.clone().enumerate().any(|(index, one)| {
        let mut later = keys.clone().skip(index.saturating_add(1));
        later.any(|other| core::ptr::eq(one.policy, other.policy) && one.owner == other.owner)
    })
}
