//! The field of P-256 (FIPS 186-5, SP 800-186 section 3.2.1.3).

use super::{Field, is_below, words};
use crate::arithmetic::{self, Words};

/// An element, as any of the numbers below `2^256` that it is congruent to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct P256(pub(crate) Words);

/// `2^256 - 2^224 + 2^192 + 2^96 - 1`
const PRIME: [u32; 8] = [
    0xffff_ffff,
    0xffff_ffff,
    0xffff_ffff,
    0,
    0,
    0,
    1,
    0xffff_ffff,
];

/// `R²` modulo the prime, by which a multiplication leads into Montgomery's form.
const R_SQUARED: Words = Words([
    3,
    0,
    0xffff_ffff,
    0xffff_fffb,
    0xffff_fffe,
    0xffff_ffff,
    0xffff_fffd,
    4,
]);

impl P256 {
    /// The curve's `b`.
    pub(crate) const B: Self = Self(Words([
        0x29c4_bddf,
        0xd89c_df62,
        0x7884_3090,
        0xacf0_05cd,
        0xf721_2ed6,
        0xe5a2_20ab,
        0x0487_4834,
        0xdc30_061d,
    ]));
}

impl P256 {
    /// The number below the prime that it is congruent to.
    #[cfg(test)]
    #[allow(clippy::indexing_slicing)]
    pub(crate) fn canonical(&self) -> [u32; 8] {
        let Words(number) = &self.0;
        if is_below(number, &PRIME) {
            return *number;
        }
        // The other number below 2^256.
        let mut borrow = false;
        core::array::from_fn(|at| {
            let word;
            (word, borrow) = number[at].borrowing_sub(PRIME[at], borrow);
            word
        })
    }
}

impl Field for P256 {
    const ZERO: Self = Self(Words([0; 8]));
    /// `R` less the prime.
    const ONE: Self = Self(Words([
        1,
        0,
        0,
        0xffff_ffff,
        0xffff_ffff,
        0xffff_ffff,
        0xffff_fffe,
        0,
    ]));

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let number = words(bytes).filter(|number| is_below(number, &PRIME))?;
        Some(Self(arithmetic::multiply(&Words(number), &R_SQUARED)))
    }

    fn multiply(&self, by: &Self) -> Self {
        Self(arithmetic::multiply(&self.0, &by.0))
    }

    fn square(&self) -> Self {
        Self(arithmetic::square(&self.0))
    }

    fn add(&self, other: &Self) -> Self {
        Self(arithmetic::add(&self.0, &other.0))
    }

    fn subtract(&self, other: &Self) -> Self {
        Self(arithmetic::subtract(&self.0, &other.0))
    }

    fn is_zero(&self) -> bool {
        let Words(number) = &self.0;
        number.iter().all(|word| *word == 0) || *number == PRIME
    }
}
