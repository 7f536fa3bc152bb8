//! Signatures that have verified a moment ago.
//!
//! It stands where a key stands, below all judging: a token whose signature is remembered has its claims
//! read and judged like any other. Only what has verified is remembered, by the digest of all of it.

use std::cell::Cell;
use std::sync::Arc;

use gatepost_core::crypto::{Algorithm, AlgorithmSet, InvalidSignature, VerifyingKey};
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

use crate::keys::LoadedKey;
use crate::statistics::Hits;

/// Signatures that are remembered; each takes about a hundred bytes.
const CAPACITY: usize = 8192;

thread_local! {
    /// Whether a signature was remembered since this was last asked.
    static IS_REMEMBERED: Cell<bool> = const { Cell::new(false) };
}

/// Takes a `step`, and tells whether a signature was remembered, so that the step has verified none.
pub(crate) fn notice<T>(step: impl FnOnce() -> T) -> (T, bool) {
    IS_REMEMBERED.set(false);
    let output = step();
    (output, IS_REMEMBERED.get())
}

/// What all keys remember.
#[derive(Clone)]
pub(crate) struct Signatures(Arc<Cache<[u8; 32], ()>>);

impl Signatures {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Cache::new(CAPACITY)))
    }

    /// `keys` of one provider, which remember what they have verified, and count how often that helps.
    pub(crate) fn remembered(&self, keys: Vec<LoadedKey>, hits: &Arc<Hits>) -> Vec<LoadedKey> {
        let remembering = |loaded: LoadedKey| {
            if loaded.key.algorithms().iter().all(is_cheap) {
                return loaded;
            }
            let key = Remembering {
                key: loaded.key,
                fingerprint: loaded.fingerprint,
                verified: self.clone(),
                hits: Arc::clone(hits),
            };
            LoadedKey {
                key: Arc::new(key),
                ..loaded
            }
        };
        keys.into_iter().map(remembering).collect()
    }
}

/// A key that verifies each signature once.
struct Remembering {
    key: Arc<dyn VerifyingKey>,
    /// Of its numbers: what it has verified, it would verify again, whenever it is loaded.
    fingerprint: [u8; 32],
    verified: Signatures,
    hits: Arc<Hits>,
}

impl VerifyingKey for Remembering {
    fn algorithms(&self) -> AlgorithmSet {
        self.key.algorithms()
    }

    fn verify(
        &self,
        algorithm: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        if is_cheap(algorithm) || !self.key.algorithms().contains(algorithm) {
            return self.key.verify(algorithm, signing_input, signature);
        }
        let mut hash = Sha256::new();
        hash.update(self.fingerprint);
        hash.update(algorithm.name());
        // Names of algorithms hold no such byte, and the length tells where the signature begins.
        hash.update([0]);
        hash.update((signing_input.len() as u64).to_le_bytes());
        hash.update(signing_input);
        hash.update(signature);
        let digest = hash.finalize().into();
        if self.verified.0.get(&digest).is_some() {
            IS_REMEMBERED.set(true);
            self.hits.hit();
            return Ok(());
        }
        self.hits.miss();
        self.key.verify(algorithm, signing_input, signature)?;
        self.verified.0.insert(digest, ());
        Ok(())
    }
}

/// HMAC costs what remembering it would.
fn is_cheap(algorithm: Algorithm) -> bool {
    matches!(
        algorithm,
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512
    )
}
