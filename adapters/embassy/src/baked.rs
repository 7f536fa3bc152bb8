//! Keys that are part of the image.

use gatepost_core::crypto::{
    AlgorithmSet, Curve, EcPublicKey, Ed25519PublicKey, HmacSecret, KeyMaterial, RsaPublicKey,
    Unsupported,
};

/// A key that is part of the image: read from its JWK when that is built.
#[derive(Clone, Copy)]
pub struct BakedKey {
    /// Its identifier; empty where it has none.
    pub kid: &'static str,
    /// The only issuer whose tokens it signs, where the key says so itself; empty where it does not.
    pub issuer: &'static str,
    /// What its JWK lets it serve.
    pub algorithms: AlgorithmSet,
    /// What it is.
    pub numbers: Numbers,
}

/// What a key that is part of the image is made of.
#[derive(Clone, Copy)]
#[expect(missing_docs, reason = "each variant is named after its type")]
pub enum Numbers {
    Hmac(&'static [u8]),
    /// Both big-endian.
    Rsa {
        modulus: &'static [u8],
        exponent: [u8; 4],
    },
    /// A point as `04 || x || y`.
    Ec(Curve, &'static [u8]),
    Ed25519(&'static [u8; 32]),
}

impl BakedKey {
    pub(crate) fn material(&self) -> Result<KeyMaterial<'static>, Unsupported> {
        Ok(match self.numbers {
            Numbers::Hmac(secret) => KeyMaterial::Hmac(HmacSecret::new(secret)?),
            Numbers::Rsa { modulus, exponent } => {
                KeyMaterial::Rsa(RsaPublicKey::new(modulus, &exponent)?)
            }
            Numbers::Ec(curve, sec1) => KeyMaterial::Ec(EcPublicKey::new(curve, sec1)?),
            Numbers::Ed25519(bytes) => KeyMaterial::Ed25519(Ed25519PublicKey::new(bytes)),
        })
    }
}

impl core::fmt::Debug for BakedKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // It may be a secret.
        f.write_str("BakedKey(..)")
    }
}

impl core::fmt::Debug for Numbers {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Numbers(..)")
    }
}
