//! Which keys logins wait for.

use gatepost_core::crypto::{Algorithm, AlgorithmSet};

/// The key that a token names: a digest of its identifier tells it from others well enough to make room for it.
#[derive(Clone, Copy)]
pub(crate) struct WantedKey {
    /// `None` where the token has no identifier: any key may be its own.
    kid: Option<u32>,
    algorithm: Algorithm,
}

impl WantedKey {
    pub(crate) fn of(kid: Option<&str>, algorithm: Algorithm) -> Self {
        let kid = kid.map(digest);
        Self { kid, algorithm }
    }

    /// Whether the token names this key. One without an identifier may be any.
    pub(crate) fn is(self, kid: &str, algorithms: AlgorithmSet) -> bool {
        self.kid.is_some() && self.may_be(kid, algorithms)
    }

    /// Whether this key may have signed the token.
    pub(crate) fn may_be(self, kid: &str, algorithms: AlgorithmSet) -> bool {
        let is_named = |wanted| kid.is_empty() || digest(kid) == wanted;
        algorithms.contains(self.algorithm) && self.kid.is_none_or(is_named)
    }
}

/// FNV-1a.
fn digest(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |digest, byte| {
        (digest ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// Whether a login waits for a key of this identifier that serves some of these algorithms.
pub(crate) type IsWanted<'w> = &'w dyn Fn(&str, AlgorithmSet) -> bool;
