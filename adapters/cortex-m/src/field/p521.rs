//! The field of P-521 (FIPS 186-5, SP 800-186 section 3.2.1.5). Its prime is `2^521 - 1`, by which is reduced by
//! shifting: no form of Montgomery's is needed.

use super::{Field, words};
use crate::arithmetic::multiply_row;

/// An element, below `2^521`: zero has a second form, the prime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct P521(pub(crate) [u32; 17]);

/// The bits of the highest word.
const TOP: u32 = 0x1ff;

impl P521 {
    /// The curve's `b`.
    pub(crate) const B: Self = Self([
        0x6b50_3f00,
        0xef45_1fd4,
        0x3d2c_34f1,
        0x3573_df88,
        0x3bb1_bf07,
        0x1652_c0bd,
        0xec7e_937b,
        0x5619_3951,
        0x8ef1_09e1,
        0xb8b4_8991,
        0x99b3_15f3,
        0xa2da_725b,
        0xb685_40ee,
        0x929a_21a0,
        0x8e1c_9a1f,
        0x953e_b961,
        0x0000_0051,
    ]);

    const PRIME: Self = {
        let mut words = [u32::MAX; 17];
        words[16] = TOP;
        Self(words)
    };
}

impl Field for P521 {
    const ZERO: Self = Self([0; 17]);
    const ONE: Self = {
        let mut words = [0; 17];
        words[0] = 1;
        Self(words)
    };

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 66] = bytes.try_into().ok()?;
        let mut padded = [0; 68];
        padded.get_mut(2..)?.copy_from_slice(bytes);
        let number = words(&padded)?;
        let is_below = number.last().is_some_and(|top| *top <= TOP) && number != Self::PRIME.0;
        is_below.then_some(Self(number))
    }

    fn multiply(&self, by: &Self) -> Self {
        let ([a @ .., a_top], [b @ .., b_top]) = (&self.0, &by.0);
        let mut product = [0; 33];
        for (at, factor) in a.iter().enumerate() {
            if let Some([row @ .., above]) = product.get_mut(at..=at + 16) {
                *above = multiply_row(row, b, *factor);
            }
        }
        // The highest words have nine bits, so that what they carry leaves much room.
        if let Some([row @ .., above]) = product.get_mut(16..) {
            let carry = multiply_row(row, b, *a_top) + multiply_row(row, a, *b_top);
            *above = carry + a_top * b_top;
        }
        fold(&product)
    }

    fn square(&self) -> Self {
        self.multiply(self)
    }

    fn add(&self, other: &Self) -> Self {
        sum(&self.0, other.0.iter().copied())
    }

    fn subtract(&self, other: &Self) -> Self {
        let Self(prime) = &Self::PRIME;
        // Of a number without the bits of the highest word that it has not, the prime less it is what it lacks.
        sum(
            &self.0,
            other.0.iter().zip(prime).map(|(word, prime)| word ^ prime),
        )
    }

    fn is_zero(&self) -> bool {
        self.0 == Self::ZERO.0 || self.0 == Self::PRIME.0
    }
}

/// A product below `2^1042`: as `2^521` is 1, its upper half is added to the lower one.
fn fold(product: &[u32; 33]) -> P521 {
    let mut low = [0; 17];
    for (word, of_product) in low.iter_mut().zip(product) {
        *word = *of_product;
    }
    let [.., top] = &mut low;
    *top &= TOP;
    let upper = product.get(16..).unwrap_or_default();
    let following = upper.iter().skip(1).copied().chain([0]);
    let high = upper.iter().zip(following);
    sum(&low, high.map(|(word, next)| word >> 9 | next << 23))
}

/// The sum of two numbers below `2^521`.
fn sum(a: &[u32; 17], b: impl Iterator<Item = u32>) -> P521 {
    let mut sum = *a;
    let mut carry = false;
    for (word, other) in sum.iter_mut().zip(b) {
        (*word, carry) = word.carrying_add(other, carry);
    }
    let [.., top] = &mut sum;
    let mut carry = *top > TOP;
    *top &= TOP;
    // What is carried out of `2^521` is 1, and there is room for it.
    for word in &mut sum {
        if !carry {
            break;
        }
        (*word, carry) = word.overflowing_add(1);
    }
    P521(sum)
}
