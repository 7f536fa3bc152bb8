//! Which keys logins wait for.

use gatepost_core::crypto::{Algorithm, AlgorithmSet};

/// The key that a token names: a digest of its identifier tells it from others well enough to make room for it.
#[derive(Clone, Copy)]
pub(crate) struct WantedKey {
    kid: u32,
    algorithm: Algorithm,
}

impl WantedKey {
    /// `None` for a token without an identifier, which wants any.
    pub(crate) fn of(kid: Option<&str>, algorithm: Algorithm) -> Option<Self> {
        kid.map(|kid| Self::new(kid, algorithm))
    }

    pub(crate) fn new(kid: &str, algorithm: Algorithm) -> Self {
        let kid = digest(kid);
        Self { kid, algorithm }
    }

    /// A key without an identifier may be any.
    pub(crate) fn is(self, kid: &str, algorithms: AlgorithmSet) -> bool {
        algorithms.contains(self.algorithm) && (kid.is_empty() || digest(kid) == self.kid)
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
