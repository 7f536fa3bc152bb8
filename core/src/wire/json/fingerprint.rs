//! Numbers that tell the names of an object apart.

use super::Text;

/// A number that tells decoded names apart, however they are written: a folded product for every eight bytes.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) struct Fingerprint(u64);

/// Digits of pi, which are odd and arbitrary: of no name that nobody has made up the product is a special one.
const FACTORS: (u64, u64) = (0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7345);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(FACTORS.0)
    }
}

impl Fingerprint {
    /// Adds the first `len` bytes of `word`; fewer than eight end the name.
    #[inline]
    pub(super) fn mix(&mut self, word: u64, len: usize) {
        let word = match len {
            // The bytes that count are moved up, and the length stands below them: `a` is not `a` and a zero.
            0..8 => (word << 8) << (0x38 ^ (len << 3)) | len as u64,
            _ => word,
        };
        let (low, high) = (self.0 ^ word).carrying_mul(FACTORS.1, 0);
        self.0 = low ^ high;
    }

    /// One of 64 bits.
    pub(super) fn bit(self) -> u64 {
        1 << (self.0 >> 58)
    }

    #[cold]
    #[inline(never)]
    pub(super) fn of_escaped(name: Text<'_>) -> Self {
        let mut fingerprint = Self::default();
        let (mut word, mut len) = (0_u64, 0_usize);
        for c in name.chars() {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                word |= u64::from(byte) << (len << 3);
                len = len.wrapping_add(1);
                if len == 8 {
                    fingerprint.mix(word, len);
                    (word, len) = (0, 0);
                }
            }
        }
        fingerprint.mix(word, len);
        fingerprint
    }
}
