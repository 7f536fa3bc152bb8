//! The seams of cryptography: what a prepared key does, and who prepares it.
//!
//! A [`VerifyingKey`] knows which algorithms it may verify; the token's header only chooses among
//! them, so that neither RSA/HMAC confusion nor a curve mismatch can be written. A [`Backend`] turns
//! [`KeyMaterial`] into such keys; a device, which has no room to keep them, names [`KeyType`]s instead.

mod algorithm;
mod ecdsa;
mod eddsa;
mod emsa;
mod hmac;
mod key_type;
mod material;
mod montgomery;
mod rsa;
mod rustcrypto;

pub use algorithm::{Algorithm, AlgorithmSet};
pub use ecdsa::{P256Key, P384Key, P521Key};
pub use eddsa::{Ed25519Key, has_small_order, starts_with_small_order};
pub use hmac::{HmacKey, Hs256Key, Hs384Key, Hs512Key};
pub use key_type::{KeyType, Lend};
pub use material::{Curve, EcPublicKey, Ed25519PublicKey, HmacSecret, KeyMaterial, RsaPublicKey};
pub use rsa::{Power, RsaKey, UnpreparedRsaKey};
pub use rustcrypto::{Key, RustCrypto};

/// A key that has been prepared for verifying, together with the algorithms that it serves.
pub trait VerifyingKey: Send + Sync {
    /// The algorithms this key may verify; never empty.
    fn algorithms(&self) -> AlgorithmSet;

    /// Checks `signature` over `signing_input` (RFC 7515 section 5.2).
    ///
    /// # Errors
    /// [`InvalidSignature`] when it does not hold, has the wrong length, or `algorithm` is not one of
    /// [`algorithms`](Self::algorithms).
    fn verify(
        &self,
        algorithm: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature>;
}

/// Prepares keys: an implementation of the cryptography of [`VerifyingKey`].
pub trait Backend {
    /// What a prepared key is.
    type Key: VerifyingKey;

    /// Prepares `material` for the part of `algorithms` that its type and size allow.
    ///
    /// # Errors
    /// [`Unsupported`] when nothing is left of `algorithms`, or the numbers are not a key at all.
    fn prepare(
        &self,
        material: &KeyMaterial<'_>,
        algorithms: AlgorithmSet,
    ) -> Result<Self::Key, Unsupported>;
}

/// The signature does not belong to these bytes, this key and this algorithm.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidSignature;

impl core::fmt::Display for InvalidSignature {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("The signature does not hold")
    }
}

impl core::error::Error for InvalidSignature {}

/// Why key material cannot serve.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Unsupported {
    /// Neither the key's type nor its size allows any of the wanted algorithms.
    NoAlgorithm,
    /// The HMAC secret is shorter than the shortest hash (RFC 7518 section 3.2), or over
    /// [`HmacSecret::MAX_LEN`].
    SecretLength,
    /// The RSA modulus is outside 2048 to 4096 bits (RFC 7518 section 3.3 sets the lower bound).
    ModulusSize,
    /// The RSA modulus is even, as no product of two large primes is, or one of those that can be
    /// factored (CVE-2017-15361).
    Modulus,
    /// The RSA exponent is even, below 3, or over 32 bits.
    Exponent,
    /// The point is not on the curve, or not in the uncompressed form of SEC 1 section 2.3.3.
    Point,
}

impl core::fmt::Display for Unsupported {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NoAlgorithm => "The key fits none of the wanted algorithms",
            Self::SecretLength => "The secret is too short or too long",
            Self::ModulusSize => "The RSA modulus does not have 2048 to 4096 bits",
            Self::Modulus => "The RSA modulus is even, or can be factored",
            Self::Exponent => "The RSA exponent is even, below 3, or over 32 bits",
            Self::Point => "The point is not on the curve, or not uncompressed",
        })
    }
}

impl core::error::Error for Unsupported {}
