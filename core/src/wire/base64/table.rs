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
#[expect(clippy::indexing_slicing, reason = "done when compiled")]
const fn sextets(last: u8, very_last: u8) -> [u8; 256] {
    let mut table = [FOREIGN; 256];
    let mut sextet: u8 = 0;
    while sextet < 64 {
        let character = match sextet {
            0..26 => b'A'.wrapping_add(sextet),
            26..52 => b'a'.wrapping_add(sextet).wrapping_sub(26),
            52..62 => b'0'.wrapping_add(sextet).wrapping_sub(52),
            62 => last,
            _ => very_last,
        };
        table[character as usize] = sextet;
        sextet = sextet.wrapping_add(1);
    }
    table
}
