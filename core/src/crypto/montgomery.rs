//! Powers modulo an odd number, by Montgomery's multiplication: what RSA is made of (RFC 8017 section 5.2.2).
//!
//! Limbs, and the loop that multiplies them, are crypto-bigint's. Its own Montgomery integers carry their
//! parameters with them, four times the number, and are copied at each step: a verification by a key of
//! 4,096 bits took 20 KB of stack, of which a device has less. Here all sizes share one code, whose
//! numbers lie where they are. Only public ones are touched, so nothing takes constant time.

use crypto_bigint::{Limb, U4096, UintRef, Word};

/// Limbs of the largest modulus.
const LIMBS: usize = U4096::LIMBS;

/// A number, its least limb first.
pub(super) type Number = [Limb; LIMBS];

/// Room for the product of two numbers.
type Product = [Limb; LIMBS * 2];

/// An odd modulus, whose highest byte is not zero. `R` is the power of two behind its highest limb.
#[derive(Clone, Debug)]
pub(super) struct Modulus {
    number: Number,
    /// `R²`, by which a multiplication leads into Montgomery's form.
    r_squared: Number,
    /// Limbs of the modulus: those behind them stay zero in every number.
    limbs: usize,
    /// `-1 / modulus`, modulo what a limb holds.
    inverse: Limb,
}

impl Modulus {
    /// Takes a modulus of big-endian bytes.
    pub(super) fn new(bytes: &[u8]) -> Self {
        let number = from_bytes(bytes);
        let lowest = number.first().copied().unwrap_or(Limb::ONE);
        let mut modulus = Self {
            number,
            r_squared: [Limb::ZERO; LIMBS],
            limbs: bytes.len().div_ceil(Limb::BYTES).min(LIMBS),
            inverse: inverse(lowest).wrapping_neg(),
        };
        modulus.square_r();
        modulus
    }

    /// Whether `number` is smaller.
    pub(super) fn exceeds(&self, number: &Number) -> bool {
        UintRef::new(number)
            .cmp_vartime(UintRef::new(&self.number))
            .is_lt()
    }

    /// `base ^ exponent`; the base is smaller than the modulus, the exponent odd and at least 3.
    pub(super) fn raise(&self, base: &Number, exponent: u32) -> Number {
        let base = UintRef::new(base).leading(self.limbs);
        let r_squared = UintRef::new(&self.r_squared).leading(self.limbs);
        let mut number = [Limb::ZERO; LIMBS];
        let mut product = [Limb::ZERO; LIMBS * 2];
        let power = UintRef::new_mut(&mut number).leading_mut(self.limbs);
        power.copy_from(base);
        self.multiply(power, r_squared, &mut product);
        for bit in (1..exponent.ilog2()).rev() {
            self.square(power, &mut product);
            if exponent.wrapping_shr(bit) & 1 == 1 {
                // The base as it is leads out of Montgomery's form. Real exponents have no such bit.
                self.multiply(power, base, &mut product);
                self.multiply(power, r_squared, &mut product);
            }
        }
        self.square(power, &mut product);
        self.multiply(power, base, &mut product);
        number
    }

    fn square_r(&mut self) {
        let mut number = [Limb::ZERO; LIMBS];
        let mut product = [Limb::ZERO; LIMBS * 2];
        let power = UintRef::new_mut(&mut number).leading_mut(self.limbs);
        let (bits, capacity) = (self.as_uint().bits_vartime(), power.bits_precision());
        power.set_bit_vartime(bits.saturating_sub(1), true);
        // From the modulus's highest bit up to `R`, and on by the 16th part of its logarithm: by as much as four
        // squarings, of which each makes `R x²` of `R x`, make `R²` of.
        let to_r = capacity.saturating_sub(bits).saturating_add(1);
        for _ in 0..to_r.saturating_add(capacity.wrapping_shr(4)) {
            let carry = power.shl1_assign();
            self.subtract_from(power, carry);
        }
        for _ in 0..4 {
            self.square(power, &mut product);
        }
        self.r_squared = number;
    }

    fn as_uint(&self) -> &UintRef {
        UintRef::new(&self.number).leading(self.limbs)
    }

    /// `x = x y / R`
    #[inline(never)]
    fn multiply(&self, x: &mut UintRef, y: &UintRef, product: &mut Product) {
        let product = UintRef::new_mut(product).leading_mut(self.limbs.saturating_mul(2));
        product.fill(Limb::ZERO);
        for (at, limb) in x.iter().enumerate() {
            let row = self.row(product, at);
            row.carrying_add_assign_mul_limb(y, *limb, Limb::ZERO);
        }
        self.reduce(product, x);
    }

    /// `x = x² / R`: each product of two different limbs is computed once, and doubled.
    #[inline(never)]
    fn square(&self, x: &mut UintRef, product: &mut Product) {
        let product = UintRef::new_mut(product).leading_mut(self.limbs.saturating_mul(2));
        product.fill(Limb::ZERO);
        for (at, limb) in x.iter().enumerate() {
            let above = x.trailing(at.saturating_add(1));
            let row = self.row(product, at).trailing_mut(at.saturating_add(1));
            row.carrying_add_assign_mul_limb(above, *limb, Limb::ZERO);
        }
        product.shl1_assign();
        let mut carry = Limb::ZERO;
        for (pair, limb) in product.as_mut_limbs().chunks_exact_mut(2).zip(x.iter()) {
            let one = UintRef::new(core::slice::from_ref(limb));
            carry = UintRef::new_mut(pair).carrying_add_assign_mul_limb(one, *limb, carry);
        }
        self.reduce(product, x);
    }

    /// `out = product / R`
    fn reduce(&self, product: &mut UintRef, out: &mut UintRef) {
        let mut carried = Limb::ZERO;
        for at in 0..self.limbs {
            let row = self.row(product, at);
            let lowest = row.as_limbs().first().copied().unwrap_or(Limb::ZERO);
            let factor = lowest.wrapping_mul(self.inverse);
            let low = row.leading_mut(self.limbs);
            let carry = low.carrying_add_assign_mul_limb(self.as_uint(), factor, Limb::ZERO);
            if let Some(high) = row.as_mut_limbs().last_mut() {
                (*high, carried) = high.carrying_add(carry, carried);
            }
        }
        out.copy_from(product.trailing(self.limbs));
        self.subtract_from(out, carried);
    }

    /// As many limbs of `product` as the modulus has, and one more, from `at` on.
    fn row<'p>(&self, product: &'p mut UintRef, at: usize) -> &'p mut UintRef {
        product
            .trailing_mut(at)
            .leading_mut(self.limbs.saturating_add(1))
    }

    /// Subtracts the modulus once, where `number` with its carry is not below it.
    fn subtract_from(&self, number: &mut UintRef, carry: Limb) {
        if carry != Limb::ZERO || number.cmp_vartime(self.as_uint()).is_ge() {
            number.borrowing_sub_assign(self.as_uint(), Limb::ZERO);
        }
    }
}

/// Takes a number of big-endian bytes; what does not fit is cut off.
pub(super) fn from_bytes(bytes: &[u8]) -> Number {
    let mut number = [Limb::ZERO; LIMBS];
    for (limb, bytes) in number.iter_mut().zip(bytes.rchunks(Limb::BYTES)) {
        *limb = Limb(
            bytes
                .iter()
                .fold(0, |word, byte| word << 8 | Word::from(*byte)),
        );
    }
    number
}

/// Writes the lowest bytes of a number, big-endian.
pub(super) fn to_bytes(number: &Number, out: &mut [u8]) {
    for (limb, bytes) in number.iter().zip(out.rchunks_mut(Limb::BYTES)) {
        for (byte, of_limb) in bytes.iter_mut().rev().zip(limb.0.to_le_bytes()) {
            *byte = of_limb;
        }
    }
}

/// `1 / odd`, modulo what a limb holds: Newton's iteration doubles the bits that are right, three of which
/// any odd number has of its own inverse.
fn inverse(odd: Limb) -> Limb {
    (0..5).fold(odd, |inverse, _| {
        let error = Limb(2).wrapping_sub(odd.wrapping_mul(inverse));
        inverse.wrapping_mul(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
    use crypto_bigint::{Odd, U64};

    /// Compares with crypto-bigint's own Montgomery integers.
    #[track_caller]
    fn check(modulus: &[u8], base: &[u8], exponent: u32) {
        let number = U4096::new(from_bytes(modulus));
        let parameters = FixedMontyParams::new_vartime(Odd::new(number).unwrap());
        let form = FixedMontyForm::new(&U4096::new(from_bytes(base)), &parameters);
        let expected = form.pow(&U64::from(exponent)).retrieve();
        let modulus = Modulus::new(modulus);
        assert!(modulus.exceeds(&from_bytes(base)));
        let power = modulus.raise(&from_bytes(base), exponent);
        assert_eq!(U4096::new(power), expected, "{exponent}");
    }

    #[test]
    fn powers_are_those_of_the_library() {
        for length in [1, 7, 8, 9, 256, 257, 384, 511, 512] {
            for byte in [0x01, 0x7f, 0x81, 0xff] {
                let modulus: std::vec::Vec<u8> = (0..length).map(|_| byte).collect();
                if modulus == [1] {
                    continue; // Everything is nought.
                }
                let mut largest = modulus.clone();
                *largest.last_mut().unwrap() &= 0xfe;
                for exponent in [3, 11, 17, 65537, 0xffff_ffff] {
                    check(&modulus, &largest, exponent);
                    check(&modulus, &[1], exponent);
                    check(&modulus, &[0], exponent);
                    check(&modulus, &largest[length / 2..], exponent);
                }
            }
        }
    }

    #[test]
    fn the_modulus_itself_is_too_large() {
        let modulus = Modulus::new(&[0xff; 256]);
        assert!(!modulus.exceeds(&from_bytes(&[0xff; 256])));
        assert!(!modulus.exceeds(&from_bytes(&[1; 257])));
    }

    #[test]
    fn bytes_come_back_as_they_were() {
        let bytes: [u8; 13] = core::array::from_fn(|at| u8::try_from(at + 1).unwrap());
        let mut out = [0xff; 14];
        to_bytes(&from_bytes(&bytes), &mut out);
        assert_eq!(out[0], 0);
        assert_eq!(out[1..], bytes);
    }
}
