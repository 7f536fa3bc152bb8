//! Ed25519 (RFC 8032, RFC 8037), cofactorless and strict.
//!
//! Points of small order are refused both as key and as `R`: under such a key a signature holds for
//! many messages. The library's strict check decompresses `R` to find that out, a tenth of the whole
//! cost; since verifying compares `R` with a canonical encoding anyway, a look into the list of the
//! encodings of small order decides the same.

use ed25519_dalek::{Signature, Verifier as _};

use super::{
    Algorithm, AlgorithmSet, Ed25519PublicKey, InvalidSignature, Unsupported, VerifyingKey,
};

/// An Ed25519 public key, prepared.
#[derive(Clone, Debug)]
pub struct Ed25519Key(ed25519_dalek::VerifyingKey);

impl Ed25519Key {
    /// Prepares `key`.
    ///
    /// # Errors
    /// [`Unsupported::Point`] when it is not the canonical encoding of a point on the curve, or the
    /// point has small order.
    pub fn new(key: &Ed25519PublicKey<'_>) -> Result<Self, Unsupported> {
        if !key.is_canonical() || has_small_order(key.bytes()) {
            return Err(Unsupported::Point);
        }
        let prepared = ed25519_dalek::VerifyingKey::from_bytes(key.bytes());
        prepared.map(Self).map_err(|_| Unsupported::Point)
    }
}

impl VerifyingKey for Ed25519Key {
    fn algorithms(&self) -> AlgorithmSet {
        AlgorithmSet::of(&[Algorithm::EdDsa])
    }

    fn verify(
        &self,
        algorithm: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        if algorithm != Algorithm::EdDsa || starts_with_small_order(signature) {
            return Err(InvalidSignature);
        }
        let signature = Signature::from_slice(signature).map_err(|_| InvalidSignature)?;
        self.0
            .verify(signing_input, &signature)
            .map_err(|_| InvalidSignature)
    }
}

/// Whether `signature` begins with the encoding of a point of small order: no signer makes such an `R`.
#[must_use]
pub fn starts_with_small_order(signature: &[u8]) -> bool {
    signature
        .first_chunk()
        .is_some_and(|r: &[u8; 32]| has_small_order(r))
}

/// Whether `encoded`, taken to be canonical, is one of the eight points whose order divides 8.
#[must_use]
pub fn has_small_order(encoded: &[u8; 32]) -> bool {
    let mut y = *encoded;
    if let Some(last) = y.last_mut() {
        *last &= 0x7f; // the sign of x: a point and its negative have the same order
    }
    SMALL_ORDER.contains(&y)
}

/// The y-coordinates of the points of small order on edwards25519, little-endian.
#[rustfmt::skip]
const SMALL_ORDER: [[u8; 32]; 5] = [
    // order 4
    [0; 32],
    // order 1
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    // order 2
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
    // order 8
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
        0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
        0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_small_order_is_the_library_s() {
        for mut encoded in SMALL_ORDER {
            for sign in [0, 0x80] {
                encoded[31] = encoded[31] & 0x7f | sign;
                // With x = 0 the sign bit is no canonical encoding, and the library may refuse it.
                if let Ok(key) = ed25519_dalek::VerifyingKey::from_bytes(&encoded) {
                    assert!(key.is_weak(), "{encoded:02x?}");
                }
                assert!(has_small_order(&encoded));
                let refused = Ed25519Key::new(&Ed25519PublicKey::new(&encoded)).map(|_| ());
                assert_eq!(refused, Err(Unsupported::Point));
            }
        }
    }

    #[test]
    fn an_encoding_at_or_above_the_prime_is_not_canonical() {
        let mut encoded = [0xff; 32];
        encoded[31] = 0x7f;
        for (low, canonical) in [(0xec, true), (0xed, false), (0xff, false)] {
            encoded[0] = low;
            assert_eq!(Ed25519PublicKey::new(&encoded).is_canonical(), canonical);
        }
    }
}
