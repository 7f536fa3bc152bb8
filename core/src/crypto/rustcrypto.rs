//! The core's own [`Backend`], on the libraries of `RustCrypto`: no allocator, no C.

use super::{
    Algorithm, AlgorithmSet, Backend, Curve, Ed25519Key, HmacKey, InvalidSignature, KeyMaterial,
    P256Key, P384Key, P521Key, RsaKey, Unsupported, VerifyingKey,
};

/// Prepares keys of every type.
///
/// Whoever names it links every algorithm; an image that needs one or two names their key types.
#[derive(Clone, Copy, Debug, Default)]
pub struct RustCrypto;

/// A prepared key of any type, as large as the largest: a table of these suits a host, not a device.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "without an allocator there is no box"
)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is named after its type")]
pub enum Key {
    Hmac(HmacKey),
    Rsa(RsaKey),
    P256(P256Key),
    P384(P384Key),
    P521(P521Key),
    Ed25519(Ed25519Key),
}

impl Backend for RustCrypto {
    type Key = Key;

    fn prepare(
        &self,
        material: &KeyMaterial<'_>,
        algorithms: AlgorithmSet,
    ) -> Result<Key, Unsupported> {
        let usable = material.algorithms().intersection(algorithms);
        if usable.is_empty() {
            return Err(Unsupported::NoAlgorithm);
        }
        Ok(match material {
            KeyMaterial::Hmac(secret) => Key::Hmac(HmacKey::new(*secret, usable)?),
            KeyMaterial::Rsa(key) => Key::Rsa(RsaKey::new(key, usable)?),
            KeyMaterial::Ec(key) => match key.curve() {
                Curve::P256 => Key::P256(P256Key::new(key)?),
                Curve::P384 => Key::P384(P384Key::new(key)?),
                Curve::P521 => Key::P521(P521Key::new(key)?),
            },
            KeyMaterial::Ed25519(key) => Key::Ed25519(Ed25519Key::new(key)?),
        })
    }
}

impl Key {
    fn inner(&self) -> &dyn VerifyingKey {
        match self {
            Self::Hmac(key) => key,
            Self::Rsa(key) => key,
            Self::P256(key) => key,
            Self::P384(key) => key,
            Self::P521(key) => key,
            Self::Ed25519(key) => key,
        }
    }
}

impl VerifyingKey for Key {
    fn algorithms(&self) -> AlgorithmSet {
        self.inner().algorithms()
    }

    fn verify(
        &self,
        algorithm: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        self.inner().verify(algorithm, signing_input, signature)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::crypto::{HmacSecret, RsaPublicKey};

    // RFC 8725 section 2.1: a public key's bytes never become an HMAC secret, because what they are
    // is decided before any token is seen, and HMAC is not in the set of an RSA key.
    #[test]
    fn an_rsa_key_never_serves_hmac() {
        let material = KeyMaterial::Rsa(RsaPublicKey::new(&[0xff; 256], &[1, 0, 1]).unwrap());
        let key = RustCrypto.prepare(&material, AlgorithmSet::ALL).unwrap();
        let hmac = AlgorithmSet::of(&[Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512]);
        assert!(key.algorithms().intersection(hmac).is_empty());
        let refused = RustCrypto.prepare(&material, hmac).map(|_| ());
        assert_eq!(refused, Err(Unsupported::NoAlgorithm));
    }

    // RFC 8725 section 3.1: one key, the algorithms it was meant for, no other.
    #[test]
    fn the_header_cannot_widen_a_set() {
        let material = KeyMaterial::Rsa(RsaPublicKey::new(&[0xff; 256], &[1, 0, 1]).unwrap());
        let only = AlgorithmSet::of(&[Algorithm::Ps256, Algorithm::Es256]);
        let key = RustCrypto.prepare(&material, only).unwrap();
        assert_eq!(key.algorithms(), AlgorithmSet::of(&[Algorithm::Ps256]));
    }

    #[test]
    fn no_algorithm_left_is_no_key() {
        let material = KeyMaterial::Hmac(HmacSecret::new(&[1; 32]).unwrap());
        for algorithms in [AlgorithmSet::EMPTY, AlgorithmSet::of(&[Algorithm::Hs512])] {
            let refused = RustCrypto.prepare(&material, algorithms).map(|_| ());
            assert_eq!(refused, Err(Unsupported::NoAlgorithm));
        }
    }
}
