//! Base64 by a table: for processors without vectors.

/// The six bits of each character; negative where the alphabet lacks it.
pub(super) type Sextets = [i8; 256];

/// Decodes `text` into `out`, which is as long as what it decodes to; false where it is not the one spelling of
/// anything.
pub(super) fn decode(text: &[u8], out: &mut [u8], sextets: &Sextets) -> bool {
    let (quads, rest) = text.as_chunks::<4>();
    let (triples, last) = out.as_chunks_mut::<3>();
    // Four quads at once are three whole words.
    let (fours, quads) = quads.as_chunks::<4>();
    let (of_fours, triples) = triples.as_chunks_mut::<4>();
    let mut seen = 0;
    for ([a, b, c, d], out) in fours.iter().zip(of_fours) {
        let [a, b, c, d] = [
            join(a, sextets),
            join(b, sextets),
            join(c, sextets),
            join(d, sextets),
        ];
        seen |= a | b | c | d;
        if let ([first, second, third], _) = out.as_flattened_mut().as_chunks_mut() {
            *first = (a << 8 | b >> 16).to_be_bytes();
            *second = (b << 16 | c >> 8).to_be_bytes();
            *third = (c << 24 | d).to_be_bytes();
        }
    }
    for (quad, triple) in quads.iter().zip(triples) {
        let bits = join(quad, sextets);
        seen |= bits;
        let [_, bytes @ ..] = bits.to_be_bytes();
        *triple = bytes;
    }
    // `A` stands for six zero bits.
    let mut quad = [b'A'; 4];
    for (character, of_rest) in quad.iter_mut().zip(rest) {
        *character = *of_rest;
    }
    let bits = join(&quad, sextets);
    let [_, bytes @ ..] = bits.to_be_bytes();
    let (bytes, behind) = bytes.split_at_checked(last.len()).unwrap_or_default();
    for (byte, of_last) in bytes.iter().zip(last) {
        *of_last = *byte;
    }
    // One character alone is no byte, and the bits behind the last byte are zero, as all of the padding's are.
    let is_whole = rest.len() != 1 && behind.first().is_none_or(|byte| *byte == 0);
    (seen | bits) & FOREIGN == 0 && is_whole
}

/// What the bits of four characters hold where one is not of the alphabet.
const FOREIGN: u32 = 1 << 31;

/// The 24 bits of four characters, or [`FOREIGN`] among others.
#[inline(always)]
#[expect(clippy::inline_always, reason = "a call takes as long as what it does")]
fn join(quad: &[u8; 4], sextets: &Sextets) -> u32 {
    // A negative number fills all bits above its place.
    let sextet = |character: u8| {
        let sextet = sextets.get(usize::from(character)).copied();
        let sextet = sextet.unwrap_or(i8::MIN);
        i32::from(sextet).cast_unsigned()
    };
    let [a, b, c, d] = *quad;
    sextet(a) << 18 | sextet(b) << 12 | sextet(c) << 6 | sextet(d)
}

/// The table of an alphabet whose last two characters are `last` and `very_last`.
pub(super) const fn sextets(last: u8, very_last: u8) -> Sextets {
    let mut table = [0; 256];
    let mut rest = table.as_mut_slice();
    let mut character: u8 = 0;
    while let Some((sextet, behind)) = rest.split_first_mut() {
        let bits = match character {
            b'A'..=b'Z' => character.wrapping_sub(b'A'),
            b'a'..=b'z' => character.wrapping_sub(b'a').wrapping_add(26),
            b'0'..=b'9' => character.wrapping_sub(b'0').wrapping_add(52),
            _ if character == last => 62,
            _ if character == very_last => 63,
            _ => u8::MAX,
        };
        *sextet = bits.cast_signed();
        character = character.wrapping_add(1);
        rest = behind;
    }
    table
}
