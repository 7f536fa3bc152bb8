//! One key, as it lies in the arena, and as it is lent.

use core::sync::atomic::{AtomicU32, Ordering};

use embassy_time::Instant;
use gatepost_core::{
    crypto::{
        Algorithm, AlgorithmSet, Curve, EcPublicKey, Ed25519PublicKey, HmacSecret,
        InvalidSignature, KeyMaterial, KeyType, RsaPublicKey, VerifyingKey,
    },
    exchange::TrustedKey,
};

/// One key: where its numbers end and its identifier begins is found by their lengths.
pub(super) struct Stored {
    /// The provider's place among those of the settings.
    pub(super) provider: u8,
    pub(super) shape: Shape,
    /// What it serves; nothing as long as the set that it comes from may be cut off.
    pub(super) algorithms: AlgorithmSet,
    /// What it serves by the set that is being read, as far as it has been found in there.
    pub(super) found: AlgorithmSet,
    /// The second in which it has verified a signature last, counted from one; nought for never.
    pub(super) used: AtomicU32,
    pub(super) numbers: u16,
    /// Length of the identifier; a key without one has an empty one, which no key may have.
    pub(super) kid: u16,
    /// Length of its issuer, as with the identifier.
    pub(super) issuer: u16,
}

/// What the numbers are.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Shape {
    Hmac,
    Rsa { exponent: [u8; 4] },
    Ec(Curve),
    Ed25519,
}

/// A key out of the ring, ready to verify.
pub(super) struct Lent<'r> {
    pub(super) types: &'static [KeyType],
    pub(super) stored: &'r Stored,
    pub(super) numbers: &'r [u8],
    pub(super) label: Label<'r>,
}

/// What a key says of itself: its identifier, and the one issuer that it signs for; empty for none.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) struct Label<'l> {
    pub(super) kid: &'l str,
    pub(super) issuer: &'l str,
}

impl Lent<'_> {
    pub(super) fn trusted(&self) -> TrustedKey<'_> {
        let Label { kid, issuer } = self.label;
        let mut trusted = TrustedKey::new(self, Some(kid).filter(|kid| !kid.is_empty()));
        trusted.issuer = Some(issuer).filter(|issuer| !issuer.is_empty());
        trusted
    }
}

impl VerifyingKey for Lent<'_> {
    fn algorithms(&self) -> AlgorithmSet {
        self.stored.algorithms
    }

    fn verify(
        &self,
        algorithm: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        if !self.stored.algorithms.contains(algorithm) {
            return Err(InvalidSignature);
        }
        let material = self.stored.material(self.numbers).ok_or(InvalidSignature)?;
        KeyType::verify(self.types, &material, algorithm, signing_input, signature)?;
        self.stored.used.store(now(), Ordering::Relaxed);
        Ok(())
    }
}

impl Stored {
    pub(super) fn length(&self) -> usize {
        let parts = [self.numbers, self.kid, self.issuer];
        parts.into_iter().map(usize::from).sum()
    }

    fn material<'r>(&self, numbers: &'r [u8]) -> Option<KeyMaterial<'r>> {
        Some(match self.shape {
            Shape::Hmac => KeyMaterial::Hmac(HmacSecret::new(numbers).ok()?),
            Shape::Rsa { exponent } => {
                KeyMaterial::Rsa(RsaPublicKey::new(numbers, &exponent).ok()?)
            }
            Shape::Ec(curve) => KeyMaterial::Ec(EcPublicKey::new(curve, numbers).ok()?),
            Shape::Ed25519 => KeyMaterial::Ed25519(Ed25519PublicKey::new(numbers.try_into().ok()?)),
        })
    }
}

/// The second, counted from one.
pub(super) fn now() -> u32 {
    let seconds = u32::try_from(Instant::now().as_secs());
    seconds.unwrap_or(u32::MAX).saturating_add(1)
}

/// What kind of key it is, and its numbers.
pub(super) fn take_apart<'m>(material: &KeyMaterial<'m>) -> (Shape, &'m [u8]) {
    match material {
        KeyMaterial::Hmac(secret) => (Shape::Hmac, secret.expose()),
        KeyMaterial::Rsa(key) => {
            let exponent = key.exponent().to_be_bytes();
            (Shape::Rsa { exponent }, key.modulus())
        }
        KeyMaterial::Ec(key) => (Shape::Ec(key.curve()), key.sec1()),
        KeyMaterial::Ed25519(key) => (Shape::Ed25519, key.bytes()),
        // There are no others.
        _ => (Shape::Hmac, &[]),
    }
}
