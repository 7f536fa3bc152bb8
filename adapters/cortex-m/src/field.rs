//! The fields of the curves. Those of P-256 and P-384 are in Montgomery's form: `x` stands as `x R` modulo the prime,
//! `R` the power of two behind its highest word.

mod p256;
mod p384;
mod p521;

pub(crate) use p256::P256;
pub(crate) use p384::P384;
pub(crate) use p521::P521;

/// An element of a curve's field. Everything takes variable time: all of it is public.
pub(crate) trait Field: Copy + 'static {
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;

    /// Takes a big-endian number of as many bytes as the prime has; `None` for another length, and for one that is
    /// not below the prime.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;

    fn multiply(&self, by: &Self) -> Self;
    fn square(&self) -> Self;
    fn add(&self, other: &Self) -> Self;
    fn subtract(&self, other: &Self) -> Self;
    fn is_zero(&self) -> bool;

    fn equals(&self, other: &Self) -> bool {
        self.subtract(other).is_zero()
    }
}

/// Big-endian bytes as words, the lowest first.
fn words<const N: usize>(bytes: &[u8]) -> Option<[u32; N]> {
    let (words, []) = bytes.as_chunks::<4>() else {
        return None;
    };
    let words: &[[u8; 4]; N] = words.try_into().ok()?;
    let mut out = words.map(u32::from_be_bytes);
    out.reverse();
    Some(out)
}

/// Whether `a < b`.
fn is_below<const N: usize>(a: &[u32; N], b: &[u32; N]) -> bool {
    a.iter().rev().lt(b.iter().rev())
}
