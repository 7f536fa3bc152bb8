//! Blocks of base64 by a table: for processors without vectors.

use super::BLOCK;

/// What a table says of a character that the alphabet lacks.
const FOREIGN: u8 = 0x80;

/// Decodes blocks; false where a character is not of the alphabet.
pub(super) fn decode_blocks<const LAST: u8, const VERY_LAST: u8>(
    blocks: &[[u8; BLOCK.0]],
    out: &mut [[u8; BLOCK.1]],
) -> bool {
    let table = const { &sextets(LAST, VERY_LAST) };
    let sextet = |character: u8| table.get(usize::from(character)).copied();
    let quads = blocks.as_flattened().as_chunks::<4>().0;
    let triples = out.as_flattened_mut().as_chunks_mut::<3>().0;
    let mut seen = 0;
    for (quad, triple) in quads.iter().zip(triples) {
        let [a, b, c, d] = quad.map(|character| sextet(character).unwrap_or(FOREIGN));
        seen |= a | b | c | d;
        *triple = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
    }
    seen & FOREIGN == 0
}

/// The six bits of each character.
const fn sextets(last: u8, very_last: u8) -> [u8; 256] {
    let mut table = [FOREIGN; 256];
    let mut rest = table.as_mut_slice();
    let mut character: u8 = 0;
    while let Some((sextet, behind)) = rest.split_first_mut() {
        *sextet = match character {
            b'A'..=b'Z' => character.wrapping_sub(b'A'),
            b'a'..=b'z' => character.wrapping_sub(b'a').wrapping_add(26),
            b'0'..=b'9' => character.wrapping_sub(b'0').wrapping_add(52),
            _ if character == last => 62,
            _ if character == very_last => 63,
            _ => FOREIGN,
        };
        character = character.wrapping_add(1);
        rest = behind;
    }
    table
}
