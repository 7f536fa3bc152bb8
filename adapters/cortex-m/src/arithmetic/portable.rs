//! The portable twin of `umaal.rs`: the same results, bit by bit, in plain Rust.
//!
//! Hosts compute with it, so that all that stands on this arithmetic is tested there; a board compares both.

use super::Words;

/// The prime of P-256, its lowest word first.
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

/// `a b / 2^256` modulo the prime of P-256, below `2^256`.
pub(crate) fn multiply(a: &Words, b: &Words) -> Words {
    let mut product = [0; 16];
    for (at, factor) in a.0.iter().enumerate() {
        add_row(&mut product, at, &b.0, *factor);
    }
    let mut above = 0;
    for at in 0..8 {
        // The prime is -1 modulo 2^32: this word is the multiple of it that makes the word zero.
        let factor = product.get(at).copied().unwrap_or_default();
        above += add_row(&mut product, at, &PRIME, factor);
    }
    let mut out = [0; 8];
    for (word, of_product) in out.iter_mut().zip(product.iter().skip(8)) {
        *word = *of_product;
    }
    while above > 0 {
        above -= subtract_from(&mut out, &PRIME);
    }
    Words(out)
}

/// `a^2 / 2^256` modulo the prime of P-256, below `2^256`.
pub(crate) fn square(a: &Words) -> Words {
    multiply(a, a)
}

/// `a + b` modulo the prime of P-256, below `2^256`.
pub(crate) fn add(a: &Words, b: &Words) -> Words {
    let mut out = a.0;
    let mut above = add_to(&mut out, &b.0);
    while above > 0 {
        above -= subtract_from(&mut out, &PRIME);
    }
    Words(out)
}

/// `a - b` modulo the prime of P-256, below `2^256`.
pub(crate) fn subtract(a: &Words, b: &Words) -> Words {
    let mut out = a.0;
    let mut below = subtract_from(&mut out, &b.0);
    while below > 0 {
        below -= add_to(&mut out, &PRIME);
    }
    Words(out)
}

/// Adds `numbers * factor` to as many words of `sum`, and gives the carry. All beyond the shorter one, or beyond a
/// multiple of four words, is left out.
pub(crate) fn multiply_row(sum: &mut [u32], numbers: &[u32], factor: u32) -> u32 {
    let length = sum.len().min(numbers.len()) / 4 * 4;
    let mut carry = 0;
    for (word, number) in sum.iter_mut().zip(numbers).take(length) {
        let wide = u64::from(*number) * u64::from(factor) + u64::from(*word) + u64::from(carry);
        [*word, carry] = halves(wide);
    }
    carry
}

/// Adds `numbers * factor` to the words of `sum` from `at` on, to its end; gives the carry.
fn add_row(sum: &mut [u32; 16], at: usize, numbers: &[u32; 8], factor: u32) -> u32 {
    let (row, above) = sum.split_at_mut(at + 8);
    let row = row.get_mut(at..).unwrap_or_default();
    let mut carry = multiply_row(row, numbers, factor);
    for word in above {
        [*word, carry] = halves(u64::from(*word) + u64::from(carry));
    }
    carry
}

fn add_to(sum: &mut [u32; 8], numbers: &[u32; 8]) -> u32 {
    let mut carry = 0;
    for (word, number) in sum.iter_mut().zip(numbers) {
        [*word, carry] = halves(u64::from(*word) + u64::from(*number) + u64::from(carry));
    }
    carry
}

fn subtract_from(from: &mut [u32; 8], numbers: &[u32; 8]) -> u32 {
    let mut borrow = false;
    for (word, number) in from.iter_mut().zip(numbers) {
        let (less, under) = word.overflowing_sub(*number);
        let (less, again) = less.overflowing_sub(u32::from(borrow));
        (*word, borrow) = (less, under || again);
    }
    u32::from(borrow)
}

/// The lower and the upper half.
#[expect(clippy::cast_possible_truncation, reason = "a half is meant")]
fn halves(wide: u64) -> [u32; 2] {
    [wide as u32, (wide >> 32) as u32]
}
