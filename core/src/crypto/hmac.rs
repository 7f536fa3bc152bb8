//! HMAC with SHA-2 (RFC 7518 section 3.2): one type a hash, and one for whatever a secret allows.
//!
//! A prepared key holds the hash's state after the padded secret, not the secret; tags are compared in
//! constant time.

use ::hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha384, Sha512};

use super::{Algorithm, AlgorithmSet, HmacSecret, InvalidSignature, Unsupported, VerifyingKey};

macro_rules! hmac_key {
    ($(#[$doc:meta])* $key:ident, $hash:ty, $algorithm:expr) => {
        $(#[$doc])*
        pub struct $key(Hmac<$hash>);

        impl $key {
            /// Prepares `secret`.
            ///
            /// # Errors
            /// [`Unsupported::NoAlgorithm`] when the secret is shorter than the hash's output.
            pub fn new(secret: HmacSecret<'_>) -> Result<Self, Unsupported> {
                if !secret.algorithms().contains($algorithm) {
                    return Err(Unsupported::NoAlgorithm);
                }
                let prepared = Hmac::new_from_slice(secret.expose());
                prepared.map(Self).map_err(|_| Unsupported::SecretLength)
            }
        }

        impl VerifyingKey for $key {
            fn algorithms(&self) -> AlgorithmSet {
                AlgorithmSet::of(&[$algorithm])
            }

            fn verify(
                &self,
                algorithm: Algorithm,
                signing_input: &[u8],
                signature: &[u8],
            ) -> Result<(), InvalidSignature> {
                if algorithm != $algorithm {
                    return Err(InvalidSignature);
                }
                let tag = self.0.clone().chain_update(signing_input);
                tag.verify_slice(signature).map_err(|_| InvalidSignature)
            }
        }

        impl core::fmt::Debug for $key {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(stringify!($key), "(..)"))
            }
        }
    };
}

hmac_key!(
    /// A secret prepared for HS256.
    Hs256Key, Sha256, Algorithm::Hs256
);
hmac_key!(
    /// A secret prepared for HS384.
    Hs384Key, Sha384, Algorithm::Hs384
);
hmac_key!(
    /// A secret prepared for HS512.
    Hs512Key, Sha512, Algorithm::Hs512
);

/// A secret prepared for each HMAC algorithm that its length and its issuer allow.
pub struct HmacKey {
    hs256: Option<Hs256Key>,
    hs384: Option<Hs384Key>,
    hs512: Option<Hs512Key>,
}

impl HmacKey {
    /// Prepares `secret` for the part of `algorithms` that its length allows.
    ///
    /// # Errors
    /// [`Unsupported::NoAlgorithm`] when nothing is left of `algorithms`.
    pub fn new(secret: HmacSecret<'_>, algorithms: AlgorithmSet) -> Result<Self, Unsupported> {
        let usable = secret.algorithms().intersection(algorithms);
        if usable.is_empty() {
            return Err(Unsupported::NoAlgorithm);
        }
        let wanted = |algorithm| usable.contains(algorithm).then_some(secret);
        Ok(Self {
            hs256: wanted(Algorithm::Hs256).map(Hs256Key::new).transpose()?,
            hs384: wanted(Algorithm::Hs384).map(Hs384Key::new).transpose()?,
            hs512: wanted(Algorithm::Hs512).map(Hs512Key::new).transpose()?,
        })
    }

    fn key(&self, algorithm: Algorithm) -> Option<&dyn VerifyingKey> {
        match algorithm {
            Algorithm::Hs256 => self.hs256.as_ref().map(|key| key as _),
            Algorithm::Hs384 => self.hs384.as_ref().map(|key| key as _),
            Algorithm::Hs512 => self.hs512.as_ref().map(|key| key as _),
            _ => None,
        }
    }
}

impl VerifyingKey for HmacKey {
    fn algorithms(&self) -> AlgorithmSet {
        Algorithm::ALL
            .into_iter()
            .filter_map(|algorithm| self.key(algorithm))
            .fold(AlgorithmSet::EMPTY, |set, key| set.union(key.algorithms()))
    }

    fn verify(
        &self,
        algorithm: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        self.key(algorithm)
            .ok_or(InvalidSignature)?
            .verify(algorithm, signing_input, signature)
    }
}

impl core::fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("HmacKey(..)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn a_secret_serves_only_what_its_issuer_allows() {
        let secret = HmacSecret::new(&[1; 64]).unwrap();
        let key = HmacKey::new(secret, AlgorithmSet::of(&[Algorithm::Hs512])).unwrap();
        assert_eq!(key.algorithms(), AlgorithmSet::of(&[Algorithm::Hs512]));
    }

    // RFC 8725 section 3.5: a key's entropy must fit the algorithm.
    #[test]
    fn a_secret_shorter_than_the_hash_is_refused() {
        let secret = HmacSecret::new(&[1; 63]).unwrap();
        assert_eq!(
            Hs512Key::new(secret).map(|_| ()),
            Err(Unsupported::NoAlgorithm)
        );
    }

    // RFC 4231 test case 2, with its key padded by zeros as HMAC itself would.
    #[test]
    fn the_whole_tag_must_match() {
        let mut secret = [0; 64];
        secret[..4].copy_from_slice(b"Jefe");
        let key = Hs256Key::new(HmacSecret::new(&secret).unwrap()).unwrap();
        let tag = b"\x5b\xdc\xc1\x46\xbf\x60\x75\x4e\x6a\x04\x24\x26\x08\x95\x75\xc7\
                    \x5a\x00\x3f\x08\x9d\x27\x39\x83\x9d\xec\x58\xb9\x64\xec\x38\x43";
        let message = b"what do ya want for nothing?";
        assert_eq!(key.verify(Algorithm::Hs256, message, tag), Ok(()));
        for short in [&tag[..31], &tag[..16], &[]] {
            let verdict = key.verify(Algorithm::Hs256, message, short);
            assert_eq!(verdict, Err(InvalidSignature));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let secret = HmacSecret::new(&[0x41; 64]).unwrap();
        let key = HmacKey::new(secret, AlgorithmSet::ALL).unwrap();
        assert_eq!(
            std::format!("{secret:?} {key:?}"),
            "HmacSecret(..) HmacKey(..)"
        );
    }
}
