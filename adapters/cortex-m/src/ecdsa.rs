//! ECDSA (FIPS 186-5 section 6.4.2) on P-256, P-384 and P-521, as JWS has it (RFC 7518 section 3.4): `r || s` of fixed
//! length, both in `1..n`; a high `s` is accepted.

use core::fmt;

use crypto_bigint::{CheckedAdd as _, NonZero, Odd, U256, U384, U576};
use gatepost_core::crypto::{
    Algorithm, AlgorithmSet, Curve, EcPublicKey, InvalidSignature, Unsupported, VerifyingKey,
};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::digits::Digits;
use crate::field::{Field, P256, P384, P521};
use crate::generator;
use crate::point::{Affine, Point, Prepared};

macro_rules! ecdsa_key {
    (
        $(#[$doc:meta])* $key:ident, $field:ident, $curve:expr, $hash:ident, $uint:ident,
        order: $order:literal, b: $b:expr, multiples: $multiples:expr, length: $length:literal,
        bits: $bits:literal, key_multiples: $key_multiples:literal
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $key(Affine<$field>);

        impl $key {
            const ORDER: $uint = $uint::from_be_hex($order);

            /// Prepares `key`.
            ///
            /// # Errors
            /// [`Unsupported::NoAlgorithm`] when the key is on another curve, [`Unsupported::Point`]
            /// when the point is not on its curve.
            pub fn new(key: &EcPublicKey<'_>) -> Result<Self, Unsupported> {
                if key.curve() != $curve {
                    return Err(Unsupported::NoAlgorithm);
                }
                let point = point(key.sec1()).filter(|point| point.is_on_curve(&$b));
                point.map(Self).ok_or(Unsupported::Point)
            }

            fn holds(&self, hash: &[u8], signature: &[u8; 2 * $length]) -> Option<()> {
                let (r, s) = signature.split_at($length);
                let [key_scalar, scalar] = Self::scalars(hash, r, s)?;
                // One digit more than bits, for what they carry.
                let sum = sum::<_, { $bits + 1 }, $key_multiples, _>(&self.0, &key_scalar, &$multiples, &scalar);
                let x = $field::from_bytes(r)?;
                if sum.has_x(&x) {
                    return Some(());
                }
                // The x coordinate may have been reduced to `r`, where there is room between order and prime.
                let above = Self::number(r).checked_add(&Self::ORDER).into_option()?;
                let above: [u8; $uint::BYTES] = above.to_be_bytes().into();
                let above = $field::from_bytes(above.last_chunk::<$length>()?)?;
                sum.has_x(&above).then_some(())
            }

            /// `r / s` and `hash / s` modulo the order, little-endian; `None` where one of `r` and `s` is not in
            /// `1..n`.
            fn scalars(hash: &[u8], r: &[u8], s: &[u8]) -> Option<[[u8; $uint::BYTES]; 2]> {
                let order = const { Odd::<$uint>::from_be_hex($order) };
                let modulus = const { NonZero::<$uint>::new_unwrap(Self::ORDER) };
                let is_in_range = |number: &$uint| *number != $uint::ZERO && *number < Self::ORDER;
                let r = Some(Self::number(r)).filter(is_in_range)?;
                let s = Some(Self::number(s)).filter(is_in_range)?;
                let inverse = s.invert_odd_mod_vartime(&order).into_option()?;
                let hash = Self::number(hash);
                let scalar = |number: &$uint| {
                    inverse.mul_mod_vartime(number, &modulus).to_le_bytes().into()
                };
                Some([scalar(&r), scalar(&hash)])
            }

            /// A big-endian number of as many bytes as the order has at most.
            fn number(bytes: &[u8]) -> $uint {
                let mut padded = [0; $uint::BYTES];
                for (padded, byte) in padded.iter_mut().rev().zip(bytes.iter().rev()) {
                    *padded = *byte;
                }
                $uint::from_be_slice(&padded)
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
                let signature = signature.try_into().map_err(|_| InvalidSignature)?;
                let hash = $hash::digest(signing_input);
                self.holds(&hash, signature).ok_or(InvalidSignature)
            }
        }

        impl fmt::Debug for $key {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($key)).finish_non_exhaustive()
            }
        }
    };
}

ecdsa_key!(
    /// A point on P-256, for ES256.
    P256Key, P256, Curve::P256, Sha256, U256,
    order: "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    b: P256::B, multiples: generator::P256, length: 32,
    // Twice as many take 0.6 KiB more of the stack, and save less than 2 % of the instructions.
    bits: 256, key_multiples: 4
);
ecdsa_key!(
    /// A point on P-384, for ES384.
    P384Key, P384, Curve::P384, Sha384, U384,
    order: "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    b: P384::B, multiples: generator::P384, length: 48,
    bits: 384, key_multiples: 8
);

ecdsa_key!(
    /// A point on P-521, for ES512.
    P521Key, P521, Curve::P521, Sha512, U576,
    order: "00000000000001fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
    b: P521::B, multiples: generator::P521, length: 66,
    // Twice as many take 1.4 KiB more of the stack.
    bits: 521, key_multiples: 4
);

/// The coordinates of `04 || x || y`.
fn point<F: Field>(sec1: &[u8]) -> Option<Affine<F>> {
    let (_, coordinates) = sec1.split_first()?;
    let (x, y) = coordinates.split_at(coordinates.len() / 2);
    Some(Affine {
        x: F::from_bytes(x)?,
        y: F::from_bytes(y)?,
    })
}

/// `key_scalar key + scalar G`, where `multiples` are the odd ones of G; `KEYS` of the key's are computed.
#[inline(never)] // What it needs is off the stack when the result is looked at.
fn sum<F: Field, const DIGITS: usize, const KEYS: usize, const GENERATORS: usize>(
    key: &Affine<F>,
    key_scalar: &[u8],
    multiples: &[Affine<F>; GENERATORS],
    scalar: &[u8],
) -> Point<F> {
    // As many bits as half the digits, which are odd, have, and two: that of 1, and the sign.
    let key_digits = Digits::<DIGITS>::new(key_scalar, KEYS.ilog2() as usize + 2);
    let digits = Digits::<DIGITS>::new(scalar, GENERATORS.ilog2() as usize + 2);
    let mut key_multiples = [Prepared::NONE; KEYS];
    compute_odd_multiples(key, &mut key_multiples);
    let mut sum = Point::INFINITY;
    for power in (0..DIGITS).rev() {
        if !sum.is_infinite() {
            sum.double();
        }
        if let Some((multiple, is_negative)) = key_digits.at(power)
            && let Some(point) = key_multiples.get(multiple)
        {
            sum.add(point, is_negative);
        }
        if let Some((multiple, is_negative)) = digits.at(power)
            && let Some(point) = multiples.get(multiple)
        {
            sum.add_affine(point, is_negative);
        }
    }
    sum
}

/// Computes `[1, 3, 5, ..]` times `point`, where they stay: they are most of what `sum` has on the stack.
#[inline(never)]
fn compute_odd_multiples<F: Field>(point: &Affine<F>, multiples: &mut [Prepared<F>]) {
    let mut next = Point::from(*point);
    let mut twice = next;
    twice.double();
    let twice = twice.prepare();
    for multiple in multiples {
        *multiple = next.prepare();
        next.add(&twice, false);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
