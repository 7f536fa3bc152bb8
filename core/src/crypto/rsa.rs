//! RSASSA-PKCS1-v1_5 and RSASSA-PSS (RFC 7518 sections 3.3 and 3.5) on integers of fixed size.
//!
//! [`RsaKey`] keeps what its arithmetic needs (twice the modulus); [`UnpreparedRsaKey`] borrows the modulus and
//! computes the rest at each signature, on the stack, for devices that hold many keys. A device with a multiplier of
//! its own names the function that does so.

use super::montgomery::{self, Modulus};
use super::{
    Algorithm, AlgorithmSet, InvalidSignature, RsaPublicKey, Unsupported, VerifyingKey, emsa,
};

/// An RSA public key with what its arithmetic needs.
#[derive(Clone, Debug)]
pub struct RsaKey {
    modulus: Modulus,
    bits: u32,
    exponent: u32,
    algorithms: AlgorithmSet,
}

impl RsaKey {
    /// Prepares `key` for the RSA part of `algorithms`.
    ///
    /// # Errors
    /// [`Unsupported::NoAlgorithm`] when there is none.
    pub fn new(key: &RsaPublicKey<'_>, algorithms: AlgorithmSet) -> Result<Self, Unsupported> {
        let algorithms = usable(algorithms)?;
        Ok(Self {
            modulus: Modulus::new(key.modulus()),
            bits: key.bits(),
            exponent: key.exponent(),
            algorithms,
        })
    }
}

impl VerifyingKey for RsaKey {
    fn algorithms(&self) -> AlgorithmSet {
        self.algorithms
    }

    fn verify(
        &self,
        algorithm: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        if !self.algorithms.contains(algorithm) {
            return Err(InvalidSignature);
        }
        let mut buffer = [0; emsa::MAX_LEN];
        let encoded = buffer
            .get_mut(..self.bits.div_ceil(8) as usize)
            .ok_or(InvalidSignature)?;
        open(&self.modulus, self.exponent, signature, encoded)?;
        emsa::check(algorithm, signing_input, encoded, self.bits)
    }
}

/// Computes `base ^ exponent` modulo `modulus`: the arguments are the modulus, which is odd and of
/// [`RsaPublicKey::modulus`]'s length, the exponent, odd and at least 3, the base, which is below the modulus, and
/// where the power goes. The modulus, the base and the power are big-endian bytes, as many of each.
pub type Power = fn(&[u8], u32, &[u8], &mut [u8]);

/// An RSA public key that is prepared anew for each signature.
#[derive(Clone, Copy, Debug)]
pub struct UnpreparedRsaKey<'a> {
    key: RsaPublicKey<'a>,
    algorithms: AlgorithmSet,
    power: Power,
}

impl<'a> UnpreparedRsaKey<'a> {
    /// Takes `key` for the RSA part of `algorithms`.
    ///
    /// # Errors
    /// [`Unsupported::NoAlgorithm`] when there is none.
    pub fn new(key: RsaPublicKey<'a>, algorithms: AlgorithmSet) -> Result<Self, Unsupported> {
        Self::with_power(key, algorithms, power)
    }

    /// As [`new`](Self::new), with another implementation of the arithmetic.
    ///
    /// # Errors
    /// [`Unsupported::NoAlgorithm`] when there is none.
    pub fn with_power(
        key: RsaPublicKey<'a>,
        algorithms: AlgorithmSet,
        power: Power,
    ) -> Result<Self, Unsupported> {
        let algorithms = usable(algorithms)?;
        Ok(Self {
            key,
            algorithms,
            power,
        })
    }
}

impl VerifyingKey for UnpreparedRsaKey<'_> {
    fn algorithms(&self) -> AlgorithmSet {
        self.algorithms
    }

    fn verify(
        &self,
        algorithm: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let modulus = self.key.modulus();
        // A larger one would be reduced, and be a second signature of the same message.
        let is_number = signature.len() == modulus.len() && signature < modulus;
        if !self.algorithms.contains(algorithm) || !is_number {
            return Err(InvalidSignature);
        }
        let mut buffer = [0; emsa::MAX_LEN];
        let encoded = buffer.get_mut(..modulus.len()).ok_or(InvalidSignature)?;
        (self.power)(modulus, self.key.exponent(), signature, encoded);
        emsa::check(algorithm, signing_input, encoded, self.key.bits())
    }
}

/// The core's own [`Power`].
#[inline(never)] // Its numbers are off the stack again when the message is looked at.
fn power(modulus: &[u8], exponent: u32, base: &[u8], out: &mut [u8]) {
    let base = montgomery::from_bytes(base);
    montgomery::to_bytes(&Modulus::new(modulus).raise(&base, exponent), out);
}

fn usable(algorithms: AlgorithmSet) -> Result<AlgorithmSet, Unsupported> {
    let usable = RsaPublicKey::ALGORITHMS.intersection(algorithms);
    if usable.is_empty() {
        return Err(Unsupported::NoAlgorithm);
    }
    Ok(usable)
}

/// RSAVP1 (RFC 8017 section 5.2.2): `signature ^ exponent` into `encoded`, which is as long as the modulus.
#[inline(never)] // Its numbers are off the stack again when the message is looked at.
fn open(
    modulus: &Modulus,
    exponent: u32,
    signature: &[u8],
    encoded: &mut [u8],
) -> Result<(), InvalidSignature> {
    if signature.len() != encoded.len() {
        return Err(InvalidSignature);
    }
    let signature = montgomery::from_bytes(signature);
    // A larger one would be reduced, and be a second signature of the same message.
    if !modulus.exceeds(&signature) {
        return Err(InvalidSignature);
    }
    montgomery::to_bytes(&modulus.raise(&signature, exponent), encoded);
    Ok(())
}
