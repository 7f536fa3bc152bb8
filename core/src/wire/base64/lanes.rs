//! Blocks of base64 by operations that are the same for each character: vectors, where the processor has them.

use crate::wire::ascii;

/// How many characters are decoded together, and into how many bytes.
const BLOCK: (usize, usize) = (32, 24);

/// Decodes `text` into `out`, which is as long as what it decodes to; false where it is not the one spelling of
/// anything.
pub(super) fn decode<const LAST: u8, const VERY_LAST: u8>(text: &[u8], out: &mut [u8]) -> bool {
    let (blocks, rest) = text.as_chunks();
    let (decoded, decoded_rest) = out.as_chunks_mut();
    decode_blocks::<LAST, VERY_LAST>(blocks, decoded, &mut [0; 4])
        && decode_rest::<LAST, VERY_LAST>(rest, decoded_rest).is_some()
}

/// Decodes the last characters, fewer than a block; `None` where they are not the one spelling of anything.
fn decode_rest<const LAST: u8, const VERY_LAST: u8>(rest: &[u8], out: &mut [u8]) -> Option<()> {
    // `A` stands for six zero bits.
    let mut block = [b'A'; BLOCK.0];
    let mut decoded = [0; BLOCK.1];
    block.get_mut(..rest.len())?.copy_from_slice(rest);
    let are_known = decode_blocks::<LAST, VERY_LAST>(
        &[block],
        core::slice::from_mut(&mut decoded),
        &mut [0; 4],
    );
    let (bytes, behind) = decoded.split_at_checked(out.len())?;
    out.copy_from_slice(bytes);
    // One character alone is no byte, and the bits behind the last byte are zero, as all of the padding's are.
    let is_whole = rest.len() % 4 != 1 && behind.first().is_none_or(|byte| *byte == 0);
    (are_known && is_whole).then_some(())
}

/// Decodes blocks; false where a character is not of the alphabet.
///
/// The joined characters go through `words`, which is the caller's: so compilers use vectors.
#[inline(never)]
fn decode_blocks<const LAST: u8, const VERY_LAST: u8>(
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
