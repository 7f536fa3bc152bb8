//! How many signatures of certificates one handshake may have checked.
//!
//! A stranger lists what he likes: five certificates that bear each other's names make 65 paths, each of which ends
//! in a check. webpki's own limit, 100, is minutes of a small processor.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};

use crate::MAX_INTERMEDIATES;

/// What the longest chain takes: one for each certificate.
const CHECKS: usize = MAX_INTERMEDIATES + 1;

/// What is left of a handshake's checks.
#[derive(Debug)]
pub(crate) struct Budget {
    left: AtomicUsize,
    is_exceeded: AtomicBool,
}

impl Budget {
    pub(crate) const fn new() -> Self {
        Self {
            left: AtomicUsize::new(CHECKS),
            is_exceeded: AtomicBool::new(false),
        }
    }

    /// `algorithm`, each check of which counts; beyond the budget no signature holds.
    pub(crate) fn count<'b>(
        &'b self,
        algorithm: &'b dyn SignatureVerificationAlgorithm,
    ) -> Counted<'b> {
        Counted {
            algorithm,
            budget: self,
        }
    }

    /// Whether a check was refused.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.is_exceeded.load(Ordering::Relaxed)
    }

    fn take(&self) -> Result<(), InvalidSignature> {
        // One processor checks one signature after the other.
        let left = self.left.load(Ordering::Relaxed).checked_sub(1);
        let Some(left) = left else {
            self.is_exceeded.store(true, Ordering::Relaxed);
            return Err(InvalidSignature);
        };
        self.left.store(left, Ordering::Relaxed);
        Ok(())
    }
}

/// An algorithm whose checks are counted.
#[derive(Debug)]
pub(crate) struct Counted<'b> {
    algorithm: &'b dyn SignatureVerificationAlgorithm,
    budget: &'b Budget,
}

impl SignatureVerificationAlgorithm for Counted<'_> {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.signature_alg_id()
    }

    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        self.budget.take()?;
        self.algorithm
            .verify_signature(public_key, message, signature)
    }
}
