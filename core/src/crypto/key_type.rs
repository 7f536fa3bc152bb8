//! The seam of devices: which implementation verifies with which type of key.
//!
//! A host prepares its keys once, by a [`Backend`](super::Backend). A device has no room for that: it keeps the
//! numbers of keys and prepares one for each signature, on the stack. It names the types of key that it serves, and
//! the others are not linked.

use super::{
    Algorithm, AlgorithmSet, Ed25519Key, HmacKey, InvalidSignature, KeyMaterial, P256Key, P384Key,
    P521Key, UnpreparedRsaKey, Unsupported, VerifyingKey,
};

/// One type of key, and the implementation that verifies with it.
///
/// The constants are the core's own, on the libraries of `RustCrypto`; others come by [`new`](Self::new).
#[derive(Clone, Copy, Debug)]
pub struct KeyType {
    lend: Lend,
}

/// Prepares a key for the part of the algorithms that its type and size allow, and lends it, once.
///
/// Fails as [`Backend::prepare`](super::Backend::prepare); with [`Unsupported::NoAlgorithm`] where the key is of
/// another type.
pub type Lend = fn(
    &KeyMaterial<'_>,
    AlgorithmSet,
    &mut dyn FnMut(&dyn VerifyingKey),
) -> Result<(), Unsupported>;

impl KeyType {
    /// Shared secrets: HS256, HS384, HS512.
    pub const HMAC: Self = Self::new(hmac);
    /// RSA: RS256 to PS512.
    pub const RSA: Self = Self::new(rsa);
    /// P-256: ES256.
    pub const P256: Self = Self::new(p256);
    /// P-384: ES384.
    pub const P384: Self = Self::new(p384);
    /// P-521: ES512.
    pub const P521: Self = Self::new(p521);
    /// Ed25519: `EdDSA`.
    pub const ED25519: Self = Self::new(ed25519);

    /// Every type, by the core's own implementation.
    pub const ALL: &'static [Self] = &[
        Self::HMAC,
        Self::RSA,
        Self::P256,
        Self::P384,
        Self::P521,
        Self::ED25519,
    ];

    /// A type whose keys `lend` prepares.
    #[must_use]
    pub const fn new(lend: Lend) -> Self {
        Self { lend }
    }

    /// Lends a prepared key to `to`: of the first of `types` that is the type of `material`.
    ///
    /// # Errors
    /// [`Unsupported::NoAlgorithm`] where none of them is, or nothing is left of `algorithms`; or why the numbers
    /// are no key.
    pub fn lend(
        types: &[Self],
        material: &KeyMaterial<'_>,
        algorithms: AlgorithmSet,
        to: &mut dyn FnMut(&dyn VerifyingKey),
    ) -> Result<(), Unsupported> {
        let usable = material.algorithms().intersection(algorithms);
        if usable.is_empty() {
            return Err(Unsupported::NoAlgorithm);
        }
        for kind in types {
            match (kind.lend)(material, usable, to) {
                Err(Unsupported::NoAlgorithm) => {}
                outcome => return outcome,
            }
        }
        Err(Unsupported::NoAlgorithm)
    }

    /// Checks `signature` over `signing_input` with a key of `types`.
    ///
    /// # Errors
    /// [`InvalidSignature`] where it does not hold, or the key cannot serve `algorithm`.
    pub fn verify(
        types: &[Self],
        material: &KeyMaterial<'_>,
        algorithm: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let mut verdict = Err(InvalidSignature);
        let lent = Self::lend(
            types,
            material,
            AlgorithmSet::of(&[algorithm]),
            &mut |key| {
                verdict = key.verify(algorithm, signing_input, signature);
            },
        );
        lent.map_err(|_| InvalidSignature)?;
        verdict
    }
}

const OTHER_TYPE: Unsupported = Unsupported::NoAlgorithm;

fn hmac(
    material: &KeyMaterial<'_>,
    algorithms: AlgorithmSet,
    to: &mut dyn FnMut(&dyn VerifyingKey),
) -> Result<(), Unsupported> {
    let KeyMaterial::Hmac(secret) = material else {
        return Err(OTHER_TYPE);
    };
    to(&HmacKey::new(*secret, algorithms)?);
    Ok(())
}

fn rsa(
    material: &KeyMaterial<'_>,
    algorithms: AlgorithmSet,
    to: &mut dyn FnMut(&dyn VerifyingKey),
) -> Result<(), Unsupported> {
    let KeyMaterial::Rsa(key) = material else {
        return Err(OTHER_TYPE);
    };
    to(&UnpreparedRsaKey::new(*key, algorithms)?);
    Ok(())
}

macro_rules! curve {
    ($name:ident, $key:ident) => {
        fn $name(
            material: &KeyMaterial<'_>,
            _: AlgorithmSet,
            to: &mut dyn FnMut(&dyn VerifyingKey),
        ) -> Result<(), Unsupported> {
            let KeyMaterial::Ec(key) = material else {
                return Err(OTHER_TYPE);
            };
            to(&$key::new(key)?);
            Ok(())
        }
    };
}

curve!(p256, P256Key);
curve!(p384, P384Key);
curve!(p521, P521Key);

fn ed25519(
    material: &KeyMaterial<'_>,
    _: AlgorithmSet,
    to: &mut dyn FnMut(&dyn VerifyingKey),
) -> Result<(), Unsupported> {
    let KeyMaterial::Ed25519(key) = material else {
        return Err(OTHER_TYPE);
    };
    to(&Ed25519Key::new(key)?);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::crypto::{Curve, EcPublicKey, HmacSecret, RsaPublicKey};

    const SECRET: [u8; 32] = [1; 32];

    #[track_caller]
    fn check(types: &[KeyType], algorithms: AlgorithmSet, expected: Result<u32, Unsupported>) {
        let material = KeyMaterial::Hmac(HmacSecret::new(&SECRET).unwrap());
        let mut times = 0;
        let lent = KeyType::lend(types, &material, algorithms, &mut |key| {
            assert_eq!(key.algorithms(), AlgorithmSet::of(&[Algorithm::Hs256]));
            times += 1;
        });
        assert_eq!(lent.map(|()| times), expected);
    }

    #[test]
    fn a_key_is_lent_once_by_its_own_type() {
        check(KeyType::ALL, AlgorithmSet::ALL, Ok(1));
        check(&[KeyType::HMAC, KeyType::HMAC], AlgorithmSet::ALL, Ok(1));
        check(
            &[KeyType::RSA, KeyType::P256, KeyType::HMAC],
            AlgorithmSet::ALL,
            Ok(1),
        );
    }

    #[test]
    fn types_that_are_not_named_do_not_serve() {
        let none = Err(Unsupported::NoAlgorithm);
        check(&[], AlgorithmSet::ALL, none);
        check(&[KeyType::RSA, KeyType::P384], AlgorithmSet::ALL, none);
        check(KeyType::ALL, AlgorithmSet::of(&[Algorithm::Hs512]), none);
    }

    #[test]
    fn numbers_that_are_no_key_are_told_from_another_type() {
        let mut point = [0xff; 65];
        point[0] = 4;
        let material = KeyMaterial::Ec(EcPublicKey::new(Curve::P256, &point).unwrap());
        let refused = KeyType::lend(KeyType::ALL, &material, AlgorithmSet::ALL, &mut |_| ());
        assert_eq!(refused, Err(Unsupported::Point));
    }

    // RFC 8725 section 2.1.
    #[test]
    fn an_rsa_key_verifies_no_hmac() {
        let material = KeyMaterial::Rsa(RsaPublicKey::new(&[0xff; 256], &[1, 0, 1]).unwrap());
        let refused = KeyType::verify(KeyType::ALL, &material, Algorithm::Hs256, b"", &[0; 32]);
        assert_eq!(refused, Err(InvalidSignature));
    }
}
