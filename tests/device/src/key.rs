//! Keys as numbers, prepared anew for each signature, as the appliance has them.

use gatepost_core::crypto::{
    Algorithm, AlgorithmSet, Curve, EcPublicKey, Ed25519PublicKey, HmacSecret, InvalidSignature,
    KeyMaterial, KeyType, RsaPublicKey, Unsupported, VerifyingKey,
};
use serde::{Deserialize, Serialize};

/// The key types of an image for all algorithms: by the processor's multiplier where that serves.
pub const TYPES: &[KeyType] = &[
    KeyType::HMAC,
    gatepost_cortex_m::RSA,
    gatepost_cortex_m::P256,
    gatepost_cortex_m::P384,
    gatepost_cortex_m::P521,
    KeyType::ED25519,
];

/// The numbers of a key.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "each variant is named after its type")]
pub enum Key<'r> {
    Secret(&'r [u8]),
    Rsa {
        modulus: &'r [u8],
        exponent: &'r [u8],
    },
    P256(&'r [u8]),
    P384(&'r [u8]),
    P521(&'r [u8]),
    Ed25519(&'r [u8]),
}

impl<'r> Key<'r> {
    /// The key, where its numbers may be one.
    ///
    /// # Errors
    /// Core's.
    pub fn material(self) -> Result<KeyMaterial<'r>, Unsupported> {
        let ec = |curve, point| EcPublicKey::new(curve, point).map(KeyMaterial::Ec);
        match self {
            Self::Secret(secret) => HmacSecret::new(secret).map(KeyMaterial::Hmac),
            Self::Rsa { modulus, exponent } => {
                RsaPublicKey::new(modulus, exponent).map(KeyMaterial::Rsa)
            }
            Self::P256(point) => ec(Curve::P256, point),
            Self::P384(point) => ec(Curve::P384, point),
            Self::P521(point) => ec(Curve::P521, point),
            Self::Ed25519(point) => {
                let point = point.try_into().map_err(|_| Unsupported::Point)?;
                Ok(KeyMaterial::Ed25519(Ed25519PublicKey::new(point)))
            }
        }
    }
}

/// Key material that is prepared for one signature at a time, on the stack.
#[derive(Clone, Copy, Debug)]
pub struct Lent<'k> {
    /// The numbers.
    pub material: KeyMaterial<'k>,
    /// What it may verify.
    pub algorithms: AlgorithmSet,
}

impl Lent<'_> {
    /// Prepares the key and gives it to `use_it`.
    ///
    /// # Errors
    /// When it cannot be prepared.
    pub fn with_prepared(
        &self,
        use_it: &mut dyn FnMut(&dyn VerifyingKey),
    ) -> Result<(), Unsupported> {
        KeyType::lend(TYPES, &self.material, self.algorithms, use_it)
    }
}

impl VerifyingKey for Lent<'_> {
    fn algorithms(&self) -> AlgorithmSet {
        self.algorithms
    }

    fn verify(
        &self,
        algorithm: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let mut verdict = Err(InvalidSignature);
        let prepared = self.with_prepared(&mut |key| {
            verdict = key.verify(algorithm, signing_input, signature);
        });
        prepared.map_err(|_| InvalidSignature)?;
        verdict
    }
}
