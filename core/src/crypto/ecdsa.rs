//! ECDSA on the NIST curves (RFC 7518 section 3.4): one type a curve, each bound to its one algorithm.
//!
//! Signatures are `r || s` of fixed length (RFC 7518 section 3.4, IEEE P1363), never DER; both
//! numbers are in `1..n`. A high `s` is accepted, as JWS allows it: what identifies a token is not
//! its signature.

use p256::ecdsa::signature::Verifier as _;

use super::{
    Algorithm, AlgorithmSet, Curve, EcPublicKey, InvalidSignature, Unsupported, VerifyingKey,
};

macro_rules! ecdsa_key {
    ($(#[$doc:meta])* $key:ident, $library:ident, $curve:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $key($library::ecdsa::VerifyingKey);

        impl $key {
            /// Prepares `key`.
            ///
            /// # Errors
            /// [`Unsupported::NoAlgorithm`] when the key is on another curve, [`Unsupported::Point`]
            /// when the point is not on its curve.
            pub fn new(key: &EcPublicKey<'_>) -> Result<Self, Unsupported> {
                if key.curve() != $curve {
                    return Err(Unsupported::NoAlgorithm);
                }
                let prepared = $library::ecdsa::VerifyingKey::from_sec1_bytes(key.sec1());
                prepared.map(Self).map_err(|_| Unsupported::Point)
            }
        }

        impl VerifyingKey for $key {
            fn algorithms(&self) -> AlgorithmSet {
                AlgorithmSet::of(&[$curve.algorithm()])
            }

            fn verify(
                &self,
                algorithm: Algorithm,
                signing_input: &[u8],
                signature: &[u8],
            ) -> Result<(), InvalidSignature> {
                if algorithm != $curve.algorithm() {
                    return Err(InvalidSignature);
                }
                // Refuses any other length, and `r` or `s` outside `1..n`.
                let signature = $library::ecdsa::Signature::from_slice(signature)
                    .map_err(|_| InvalidSignature)?;
                self.0
                    .verify(signing_input, &signature)
                    .map_err(|_| InvalidSignature)
            }
        }
    };
}

ecdsa_key!(
    /// A point on P-256, for ES256.
    P256Key, p256, Curve::P256
);
ecdsa_key!(
    /// A point on P-384, for ES384.
    P384Key, p384, Curve::P384
);
ecdsa_key!(
    /// A point on P-521, for ES512.
    P521Key, p521, Curve::P521
);
