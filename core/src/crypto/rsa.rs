//! RSASSA-PKCS1-v1_5 and RSASSA-PSS (RFC 7518 sections 3.3 and 3.5) on integers of fixed size.
//!
//! Only public numbers are touched here, so nothing takes constant time. [`RsaKey`] keeps what
//! Montgomery multiplication needs (three times the modulus); [`UnpreparedRsaKey`] borrows the
//! modulus and computes the rest at each signature, on the stack, for devices that hold many keys.

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U2048, U3072, U4096, Uint};

use super::{
    Algorithm, AlgorithmSet, InvalidSignature, RsaPublicKey, Unsupported, VerifyingKey, emsa,
};

/// An RSA public key with its Montgomery parameters.
#[derive(Clone, Debug)]
pub struct RsaKey {
    modulus: Modulus,
    bits: u32,
    exponent: u32,
    algorithms: AlgorithmSet,
}

/// A modulus in the smallest integer that holds it.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "without an allocator there is no box"
)]
enum Modulus {
    Bits2048(FixedMontyParams<{ U2048::LIMBS }>),
    Bits3072(FixedMontyParams<{ U3072::LIMBS }>),
    Bits4096(FixedMontyParams<{ U4096::LIMBS }>),
}

impl RsaKey {
    /// Prepares `key` for the RSA part of `algorithms`.
    ///
    /// # Errors
    /// [`Unsupported::NoAlgorithm`] when there is none.
    pub fn new(key: &RsaPublicKey<'_>, algorithms: AlgorithmSet) -> Result<Self, Unsupported> {
        Ok(Self {
            modulus: match key.bits() {
                ..=2048 => Modulus::Bits2048(montgomery(key)?),
                2049..=3072 => Modulus::Bits3072(montgomery(key)?),
                _ => Modulus::Bits4096(montgomery(key)?),
            },
            bits: key.bits(),
            exponent: key.exponent(),
            algorithms: usable(algorithms)?,
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
        match &self.modulus {
            Modulus::Bits2048(modulus) => open(modulus, self.exponent, signature, encoded),
            Modulus::Bits3072(modulus) => open(modulus, self.exponent, signature, encoded),
            Modulus::Bits4096(modulus) => open(modulus, self.exponent, signature, encoded),
        }?;
        emsa::check(algorithm, signing_input, encoded, self.bits)
    }
}

/// An RSA public key that is prepared anew for each signature.
#[derive(Clone, Copy, Debug)]
pub struct UnpreparedRsaKey<'a> {
    key: RsaPublicKey<'a>,
    algorithms: AlgorithmSet,
}

impl<'a> UnpreparedRsaKey<'a> {
    /// Takes `key` for the RSA part of `algorithms`.
    ///
    /// # Errors
    /// [`Unsupported::NoAlgorithm`] when there is none.
    pub fn new(key: RsaPublicKey<'a>, algorithms: AlgorithmSet) -> Result<Self, Unsupported> {
        let algorithms = usable(algorithms)?;
        Ok(Self { key, algorithms })
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
        RsaKey::new(&self.key, self.algorithms)
            .map_err(|_| InvalidSignature)?
            .verify(algorithm, signing_input, signature)
    }
}

fn usable(algorithms: AlgorithmSet) -> Result<AlgorithmSet, Unsupported> {
    let usable = RsaPublicKey::ALGORITHMS.intersection(algorithms);
    if usable.is_empty() {
        return Err(Unsupported::NoAlgorithm);
    }
    Ok(usable)
}

// Not inlined, nor is `open`: a frame with room for the numbers of every size would not fit a device's stack.
#[inline(never)]
fn montgomery<const LIMBS: usize>(
    key: &RsaPublicKey<'_>,
) -> Result<FixedMontyParams<LIMBS>, Unsupported> {
    let modulus = Uint::from_be_slice_truncated(key.modulus(), Uint::<LIMBS>::BITS);
    let modulus = Odd::new(modulus)
        .into_option()
        .ok_or(Unsupported::Modulus)?;
    Ok(FixedMontyParams::new_vartime(modulus))
}

/// RSAVP1 (RFC 8017 section 5.2.2): `signature ^ exponent` into `encoded`, which is as long as the modulus.
#[inline(never)]
fn open<const LIMBS: usize>(
    modulus: &FixedMontyParams<LIMBS>,
    exponent: u32,
    signature: &[u8],
    encoded: &mut [u8],
) -> Result<(), InvalidSignature> {
    if signature.len() != encoded.len() {
        return Err(InvalidSignature);
    }
    let signature = Uint::from_be_slice_truncated(signature, Uint::<LIMBS>::BITS);
    // Montgomery form would reduce a larger one silently and so accept a second signature.
    if signature >= *modulus.modulus().as_ref() {
        return Err(InvalidSignature);
    }
    let message = raise(modulus, &signature, exponent).to_be_bytes();
    let message = message.as_slice();
    let start = message.len().saturating_sub(encoded.len());
    encoded.copy_from_slice(message.get(start..).ok_or(InvalidSignature)?);
    Ok(())
}

/// `base ^ exponent`, reduced; the exponent is odd and at least 3.
fn raise<const LIMBS: usize>(
    modulus: &FixedMontyParams<LIMBS>,
    base: &Uint<LIMBS>,
    exponent: u32,
) -> Uint<LIMBS> {
    let multiplier = FixedMontyForm::new(base, modulus);
    let mut power = multiplier;
    let mut squarings: u32 = 0;
    for bit in (1..exponent.ilog2()).rev() {
        squarings = squarings.saturating_add(1);
        if exponent.wrapping_shr(bit) & 1 == 1 {
            power = power.square_repeat_vartime(squarings).mul(&multiplier);
            squarings = 0;
        }
    }
    power = power.square_repeat_vartime(squarings.saturating_add(1));
    // Multiplying by the base itself, not by its Montgomery form, leaves the Montgomery form as well.
    power
        .mul(&FixedMontyForm::from_montgomery(*base, modulus))
        .to_montgomery()
}
