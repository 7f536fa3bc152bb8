//! The field of P-384 (FIPS 186-5, SP 800-186 section 3.2.1.4).

use super::{Field, is_below, words};
use crate::arithmetic::multiply_row;

/// An element, below the prime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct P384(pub(crate) [u32; 12]);

/// `2^384 - 2^128 - 2^96 + 2^32 - 1`
const PRIME: [u32; 12] = [
    0xffff_ffff,
    0,
    0,
    0xffff_ffff,
    0xffff_fffe,
    0xffff_ffff,
    0xffff_ffff,
    0xffff_ffff,
    0xffff_ffff,
    0xffff_ffff,
    0xffff_ffff,
    0xffff_ffff,
];

/// `R²` modulo the prime, by which a multiplication leads into Montgomery's form.
const R_SQUARED: P384 = P384([1, 0xffff_fffe, 0, 2, 0, 0xffff_fffe, 0, 2, 1, 0, 0, 0]);

impl P384 {
    /// The curve's `b`.
    pub(crate) const B: Self = Self([
        0x9d41_2dcc,
        0x0811_8871,
        0x7a4c_32ec,
        0xf729_add8,
        0x1920_022e,
        0x77f2_209b,
        0x9493_8ae2,
        0xe337_4bee,
        0x1f02_2094,
        0xb62b_21f4,
        0x604f_bff9,
        0xcd08_114b,
    ]);
}

impl Field for P384 {
    const ZERO: Self = Self([0; 12]);
    /// `R` less the prime.
    const ONE: Self = Self([1, 0xffff_ffff, 0xffff_ffff, 0, 1, 0, 0, 0, 0, 0, 0, 0]);

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let number = words(bytes).filter(|number| is_below(number, &PRIME))?;
        Some(Self(number).multiply(&R_SQUARED))
    }

    fn multiply(&self, by: &Self) -> Self {
        let mut product = [0; 24];
        for (at, factor) in self.0.iter().enumerate() {
            if let Some([row @ .., above]) = product.get_mut(at..=at + 12) {
                *above = multiply_row(row, &by.0, *factor);
            }
        }
        reduce(&mut product)
    }

    fn square(&self) -> Self {
        self.multiply(self)
    }

    fn add(&self, other: &Self) -> Self {
        let mut sum = self.0;
        let mut carry = false;
        for (word, other) in sum.iter_mut().zip(&other.0) {
            (*word, carry) = word.carrying_add(*other, carry);
        }
        below_prime(sum, carry)
    }

    fn subtract(&self, other: &Self) -> Self {
        let mut difference = self.0;
        if subtract_from(&mut difference, &other.0) {
            let mut carry = false;
            for (word, prime) in difference.iter_mut().zip(&PRIME) {
                (*word, carry) = word.carrying_add(*prime, carry);
            }
        }
        Self(difference)
    }

    fn is_zero(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

/// `product / R`
fn reduce(product: &mut [u32; 24]) -> P384 {
    let mut carry = false;
    for at in 0..12 {
        if let Some([row @ .., above]) = product.get_mut(at..=at + 12) {
            // The prime is -1 modulo 2^32: the lowest word is the multiple of it that makes the word zero.
            let factor = row.first().copied().unwrap_or_default();
            let row_carry = multiply_row(row, &PRIME, factor);
            (*above, carry) = above.carrying_add(row_carry, carry);
        }
    }
    let mut number = [0; 12];
    for (word, of_product) in number.iter_mut().zip(product.iter().skip(12)) {
        *word = *of_product;
    }
    below_prime(number, carry)
}

/// Subtracts the prime once, where `number` with its carry is not below it.
fn below_prime(mut number: [u32; 12], carry: bool) -> P384 {
    if carry || !is_below(&number, &PRIME) {
        subtract_from(&mut number, &PRIME);
    }
    P384(number)
}

/// Subtracts, and gives the borrow.
fn subtract_from(from: &mut [u32; 12], numbers: &[u32; 12]) -> bool {
    let mut borrow = false;
    for (word, number) in from.iter_mut().zip(numbers) {
        (*word, borrow) = word.borrowing_sub(*number, borrow);
    }
    borrow
}
