//! Blocks of base64 by operations that are the same for each character: vectors, where the processor has them.

use super::BLOCK;
use crate::wire::ascii;

/// Decodes blocks; false where a character is not of the alphabet.
///
/// The joined characters go through `words`, which is the caller's: so compilers use vectors.
#[inline(never)]
pub(super) fn decode_blocks<const LAST: u8, const VERY_LAST: u8>(
    blocks: &[[u8; BLOCK.0]],
    out: &mut [[u8; BLOCK.1]],
    words: &mut [u64; 4],
) -> bool {
    for (block, out) in blocks.iter().zip(out) {
        let mut sextets = *block;
        let mut is_foreign = false;
        for character in &mut sextets {
            let offset = offset::<LAST, VERY_LAST>(*character);
            is_foreign |= offset == 0;
            *character = character.wrapping_add(offset);
        }
        if is_foreign {
            return false;
        }
        for (word, eight) in words.iter_mut().zip(sextets.as_chunks().0) {
            *word = join(u64::from_le_bytes(*eight));
        }
        let [a, b, c, d] = *words;
        let words = [a << 16 | b >> 32, b << 32 | c >> 16, c << 48 | d];
        out.copy_from_slice(words.map(u64::to_be_bytes).as_flattened());
    }
    true
}

/// What has to be added to a character to have its six bits; 0 where the alphabet lacks it.
fn offset<const LAST: u8, const VERY_LAST: u8>(character: u8) -> u8 {
    let mask = |is_it: bool| u8::from(is_it).wrapping_neg();
    let of_one = |one: u8, bits: u8| mask(character == one) & bits.wrapping_sub(one);
    let of_range = |first: u8, count: u8, bits: u8| {
        mask(ascii::is_in(character, first, count)) & bits.wrapping_sub(first)
    };
    let of_letter = of_range(b'A', 26, 0).wrapping_add(of_range(b'a', 26, 26));
    of_letter.wrapping_add(of_range(b'0', 10, 52)) | of_one(LAST, 62) | of_one(VERY_LAST, 63)
}

/// Joins eight times six bits to 48: neighbours join, then pairs, then fours.
fn join(ones: u64) -> u64 {
    let pairs = (ones << 6) & 0x0FC0_0FC0_0FC0_0FC0 | (ones >> 8) & 0x003F_003F_003F_003F;
    let fours = (pairs << 12) & 0x00FF_F000_00FF_F000 | (pairs >> 16) & 0x0000_0FFF_0000_0FFF;
    (fours << 24) & 0x0000_FFFF_FF00_0000 | fours >> 32
}
