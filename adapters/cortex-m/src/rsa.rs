//! Powers modulo an odd number, by Montgomery's multiplication: what RSA is made of (RFC 8017 section 5.2.2). What a
//! signature holds is judged by the core.

use gatepost_core::crypto::{
    AlgorithmSet, KeyMaterial, KeyType, UnpreparedRsaKey, Unsupported, VerifyingKey,
};

use crate::arithmetic::multiply_row;

/// RSA: RS256 to PS512.
pub const RSA: KeyType = KeyType::new(rsa);

fn rsa(
    material: &KeyMaterial<'_>,
    algorithms: AlgorithmSet,
    to: &mut dyn FnMut(&dyn VerifyingKey),
) -> Result<(), Unsupported> {
    let KeyMaterial::Rsa(key) = material else {
        return Err(Unsupported::NoAlgorithm);
    };
    to(&UnpreparedRsaKey::with_power(*key, algorithms, power)?);
    Ok(())
}

/// Words of the largest modulus, of 4,096 bits.
const WORDS: usize = 128;

/// A number, its lowest word first. As many words as the modulus has, rounded up to a multiple of four, are in use.
type Number = [u32; WORDS];

/// Room for the product of two numbers.
type Product = [u32; WORDS * 2];

/// `base ^ exponent` modulo `modulus`, all of them big-endian, into `out`; the base is below the modulus, the modulus
/// odd, and the exponent odd and at least 3.
fn power(modulus: &[u8], exponent: u32, base: &[u8], out: &mut [u8]) {
    let modulus = Modulus::new(modulus);
    let mut product = [0; WORDS * 2];
    let r_squared = modulus.r_squared(&mut product);
    let base = from_bytes(base);
    let mut power = base;
    modulus.multiply(&mut power, &r_squared, &mut product);
    for bit in (1..exponent.ilog2()).rev() {
        modulus.square(&mut power, &mut product);
        if exponent.wrapping_shr(bit) & 1 == 1 {
            // The base as it is leads out of Montgomery's form. Real exponents have no such bit.
            modulus.multiply(&mut power, &base, &mut product);
            modulus.multiply(&mut power, &r_squared, &mut product);
        }
    }
    modulus.square(&mut power, &mut product);
    modulus.multiply(&mut power, &base, &mut product);
    to_bytes(&power, out);
}

/// An odd modulus. `R` is the power of two behind the highest word in use.
struct Modulus {
    number: Number,
    /// Words in use, a multiple of four: those behind them stay zero in every number.
    words: usize,
    /// `-1 / modulus`, modulo `2^32`.
    inverse: u32,
}

impl Modulus {
    /// Takes a modulus of big-endian bytes.
    fn new(bytes: &[u8]) -> Self {
        let number = from_bytes(bytes);
        let [lowest, ..] = number;
        Self {
            number,
            words: (bytes.len().div_ceil(16) * 4).min(WORDS),
            inverse: inverse(lowest).wrapping_neg(),
        }
    }

    /// `R²`, by which a multiplication leads into Montgomery's form.
    fn r_squared(&self, product: &mut Product) -> Number {
        let bits = self.bits();
        let mut power = [0; WORDS];
        let top = bits.saturating_sub(1);
        if let Some(word) = power.get_mut(top / 32) {
            *word = 1 << (top % 32);
        }
        // From the modulus's highest bit up to `R`, and on by a bit a word: by as much as five squarings, of which each
        // makes `R x²` of `R x`, make `R²` of.
        for _ in 0..self.words * 33 - top {
            self.double(&mut power);
        }
        for _ in 0..5 {
            self.square(&mut power, product);
        }
        power
    }

    fn bits(&self) -> usize {
        let words = self.number.iter().zip(0..);
        let highest = words.filter(|(word, _)| **word != 0).last();
        highest.map_or(0, |(word, at)| at * 32 + word.ilog2() as usize + 1)
    }

    fn double(&self, number: &mut Number) {
        let mut above = 0;
        for word in in_use_mut(number, self.words) {
            let next = *word >> 31;
            *word = *word << 1 | above;
            above = next;
        }
        self.subtract_from(number, above != 0);
    }

    /// `x = x y / R`
    fn multiply(&self, x: &mut Number, y: &Number, product: &mut Product) {
        product.fill(0);
        for (at, word) in in_use(x, self.words).iter().enumerate() {
            if let Some([row @ .., above]) = product.get_mut(at..=at + self.words) {
                *above = multiply_row(row, y, *word);
            }
        }
        self.reduce(product, x);
    }

    /// `x = x² / R`: each product of two words of different blocks is computed once, and doubled.
    fn square(&self, x: &mut Number, product: &mut Product) {
        product.fill(0);
        let (blocks, _) = in_use(x, self.words).as_chunks::<4>();
        for (block, start) in blocks.iter().zip((0..).step_by(4)) {
            let above = x.get(start + 4..self.words).unwrap_or_default();
            for (word, at) in block.iter().zip(start..) {
                if let Some([row @ .., carry]) = product.get_mut(at + start + 4..=at + self.words) {
                    *carry = multiply_row(row, above, *word);
                }
            }
        }
        let mut carry = 0;
        for word in product.iter_mut().take(self.words * 2) {
            let next = *word >> 31;
            *word = *word << 1 | carry;
            carry = next;
        }
        // Those of the same block, as they are.
        for (block, start) in blocks.iter().zip((0..).step_by(4)) {
            for (word, at) in block.iter().zip(start..) {
                let Some(row) = product.get_mut(at + start..) else {
                    continue;
                };
                let carry = multiply_row(row.get_mut(..4).unwrap_or_default(), block, *word);
                add(row.get_mut(4..).unwrap_or_default(), carry);
            }
        }
        self.reduce(product, x);
    }

    /// `out = product / R`
    fn reduce(&self, product: &mut Product, out: &mut Number) {
        let mut carry = false;
        for at in 0..self.words {
            if let Some([row @ .., above]) = product.get_mut(at..=at + self.words) {
                let factor = row
                    .first()
                    .map_or(0, |lowest| lowest.wrapping_mul(self.inverse));
                let row_carry = multiply_row(row, &self.number, factor);
                (*above, carry) = above.carrying_add(row_carry, carry);
            }
        }
        let high = product.iter().skip(self.words);
        for (word, of_product) in in_use_mut(out, self.words).iter_mut().zip(high) {
            *word = *of_product;
        }
        self.subtract_from(out, carry);
    }

    /// Subtracts the modulus once, where `number` with its carry is not below it.
    fn subtract_from(&self, number: &mut Number, carry: bool) {
        let modulus = in_use(&self.number, self.words);
        let is_below = in_use(number, self.words)
            .iter()
            .rev()
            .lt(modulus.iter().rev());
        if is_below && !carry {
            return;
        }
        let mut borrow = false;
        for (word, of_modulus) in number.iter_mut().zip(modulus) {
            (*word, borrow) = word.borrowing_sub(*of_modulus, borrow);
        }
    }
}

fn in_use(number: &Number, words: usize) -> &[u32] {
    number.get(..words).unwrap_or_default()
}

fn in_use_mut(number: &mut Number, words: usize) -> &mut [u32] {
    number.get_mut(..words).unwrap_or_default()
}

/// Adds a word, as far as its carry goes.
fn add(words: &mut [u32], mut carry: u32) {
    for word in words {
        if carry == 0 {
            return;
        }
        let overflows;
        (*word, overflows) = word.overflowing_add(carry);
        carry = overflows.into();
    }
}

/// Takes a number of big-endian bytes; what does not fit is cut off.
fn from_bytes(bytes: &[u8]) -> Number {
    let mut number = [0; WORDS];
    for (word, bytes) in number.iter_mut().zip(bytes.rchunks(4)) {
        *word = bytes
            .iter()
            .fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    number
}

/// Writes the lowest bytes of a number, big-endian.
fn to_bytes(number: &Number, out: &mut [u8]) {
    for (word, bytes) in number.iter().zip(out.rchunks_mut(4)) {
        for (byte, of_word) in bytes.iter_mut().rev().zip(word.to_le_bytes()) {
            *byte = of_word;
        }
    }
}

/// `1 / odd` modulo `2^32`: Newton's iteration doubles the bits that are right, three of which any odd number has of
/// its own inverse.
fn inverse(odd: u32) -> u32 {
    (0..4).fold(odd, |inverse, _| {
        let error = 2_u32.wrapping_sub(odd.wrapping_mul(inverse));
        inverse.wrapping_mul(error)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
    use crypto_bigint::{Odd, U64, U4096};
    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;

    fn number(bytes: &[u8]) -> U4096 {
        let mut padded = [0; 512];
        padded[512 - bytes.len()..].copy_from_slice(bytes);
        U4096::from_be_slice(&padded)
    }

    /// Compares with crypto-bigint's own Montgomery integers.
    #[track_caller]
    fn check(modulus: &[u8], base: &[u8], exponent: u32) {
        let parameters = FixedMontyParams::new_vartime(Odd::new(number(modulus)).unwrap());
        let form = FixedMontyForm::new(&number(base), &parameters);
        let expected = form.pow(&U64::from(exponent)).retrieve();
        let mut out = std::vec![0; modulus.len()];
        power(modulus, exponent, base, &mut out);
        assert_eq!(number(&out), expected, "{exponent} {}", modulus.len());
    }

    #[test]
    fn powers_are_those_of_the_library() {
        for length in [256, 257, 271, 272, 384, 511, 512] {
            for byte in [0x01, 0x7f, 0x81, 0xff] {
                let modulus = std::vec![byte; length];
                let mut largest = modulus.clone();
                largest[length - 1] &= 0xfe;
                for exponent in [3, 17, 65537, 0xffff_ffff] {
                    check(&modulus, &largest, exponent);
                    check(&modulus, &largest[length / 2..], exponent);
                }
                check(&modulus, &[1], 65537);
                check(&modulus, &[0], 65537);
            }
        }
    }

    #[test]
    fn powers_of_numbers_with_runs_are_those_of_the_library() {
        let mut rng = StdRng::seed_from_u64(2048);
        for length in [256, 256, 384, 512] {
            for _ in 0..10 {
                let mut bytes = |highest| {
                    let mut bytes: std::vec::Vec<u8> = (0..length)
                        .map(|_| [0, 0, 0xff, 0xff, rng.random()][rng.random_range(0..5)])
                        .collect();
                    bytes[0] = highest;
                    bytes
                };
                let (mut modulus, base) = (bytes(0xc1), bytes(0xc0));
                modulus[length - 1] |= 1;
                check(&modulus, &base, 65537);
            }
        }
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
