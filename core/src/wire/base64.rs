//! Strict base64 (RFC 4648 sections 3.3 to 3.5): base64url without padding (RFC 7515 section 2), and the padded one
//! of SASL.
//!
//! White space, wrong padding, characters of the other alphabet and non-zero trailing bits are all refused:
//! one token must have one spelling.

mod lanes;
mod table;

use super::scanned;

/// Decodes `text`, base64url without padding, into the front of `out`.
pub(crate) fn decode<'o>(text: &[u8], out: &'o mut [u8]) -> Result<&'o [u8], Error> {
    decode_unpadded::<b'-', b'_'>(text, out)
}

/// Decodes `quads`, whole ones, which may end in padding; returns how many bytes they are.
pub(crate) fn decode_padded(quads: &[u8], out: &mut [u8]) -> Result<usize, Error> {
    let digits = quads.strip_suffix(b"=").unwrap_or(quads);
    let digits = digits.strip_suffix(b"=").unwrap_or(digits);
    decode_unpadded::<b'+', b'/'>(digits, out).map(<[u8]>::len)
}

/// Decodes with an alphabet whose last two characters are `LAST` and `VERY_LAST`.
#[inline(never)]
fn decode_unpadded<'o, const LAST: u8, const VERY_LAST: u8>(
    text: &[u8],
    out: &'o mut [u8],
) -> Result<&'o [u8], Error> {
    let len = decoded_len(text.len());
    let out = out.get_mut(..len).ok_or(Error::TooLong)?;
    scanned::add(text.len());
    // Small processors have neither vectors nor words of 64 bits, but read a table as fast as anything else.
    let is_good = if cfg!(target_pointer_width = "64") {
        lanes::decode::<LAST, VERY_LAST>(text, out)
    } else {
        table::decode(text, out, const { &table::sextets(LAST, VERY_LAST) })
    };
    if is_good {
        Ok(out)
    } else {
        Err(Error::Malformed)
    }
}

/// Length of what `encoded` characters decode to, in bytes.
pub(crate) const fn decoded_len(encoded: usize) -> usize {
    (encoded / 4)
        .saturating_mul(3)
        .saturating_add((encoded % 4).saturating_sub(1))
}

/// Why text is not base64.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Error {
    /// Another alphabet, wrong padding, white space, an impossible length, or bits after the last byte.
    Malformed,
    /// More than the buffer holds.
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&[u8], Error>) {
        assert_eq!(decode(text.as_bytes(), &mut [0; 4]), expected, "{text:?}");
    }

    #[test]
    fn decodes_without_padding() {
        check("", Ok(b""));
        check("_w", Ok(b"\xff"));
        check("-_8", Ok(b"\xfb\xff"));
        check("AAECAw", Ok(b"\0\x01\x02\x03"));
    }

    #[test]
    fn one_spelling_only() {
        for text in [
            "/w", "_w==", "_w=", "_w ", " _w", "_\nw", "_x", "_", "AAAAA", "_w\0", "é",
        ] {
            check(text, Err(Error::Malformed));
        }
    }

    /// The `base64` crate is as strict, and reads one character after the other.
    #[test]
    fn decodes_what_the_base64_crate_decodes() {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let bytes: std::vec::Vec<u8> = (0..=255).cycle().step_by(7).take(200).collect();
        for len in 0..=bytes.len() {
            let mut text = [0; 300];
            let encoded = URL_SAFE_NO_PAD.encode_slice(&bytes[..len], &mut text);
            let text = &text[..encoded.unwrap()];
            let mut out = std::vec![0; len];
            assert_eq!(decode(text, &mut out), Ok(&bytes[..len]));
            if let Some(short) = out.get_mut(1..) {
                assert_eq!(decode(text, short), Err(Error::TooLong));
            }
        }
    }

    #[test]
    fn every_character_is_looked_at_wherever_it_stands() {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        for len in (31..=39).chain([66, 99]) {
            let mut text = std::vec![b'A'; len];
            for place in 0..len {
                for character in 0..=255 {
                    text[place] = character;
                    let mut theirs = [0; 99];
                    let expected = URL_SAFE_NO_PAD.decode_slice(&text, &mut theirs);
                    let expected = expected.map(|len| &theirs[..len]);
                    assert_eq!(
                        decode(&text, &mut [0; 99]),
                        expected.map_err(|_| Error::Malformed),
                        "{character} at {place} of {len}"
                    );
                }
                text[place] = b'A';
            }
        }
    }

    #[test]
    fn padded_quads_are_as_strict() {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        for len in [4, 32, 36, 64] {
            let mut text = std::vec![b'A'; len];
            for (place, padding) in (0..len).flat_map(|place| (0..4).map(move |n| (place, n))) {
                for character in 0..=255 {
                    text.fill(b'A');
                    text[len - padding..].fill(b'=');
                    text[place] = character;
                    let mut theirs = [0; 99];
                    let expected = STANDARD.decode_slice(&text, &mut theirs);
                    let mut ours = [0; 99];
                    let decoded = decode_padded(&text, &mut ours);
                    assert_eq!(decoded, expected.map_err(|_| Error::Malformed), "{text:?}");
                    if let Ok(len) = decoded {
                        assert_eq!(ours[..len], theirs[..len]);
                    }
                }
            }
        }
    }

    /// One of the two is used on this host; the vectors of whole tokens are decoded by the other on a board.
    #[test]
    fn tables_and_lanes_decode_alike() {
        let text = *b"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY-_AQIDB";
        let table = table::sextets(b'-', b'_');
        for (len, place) in (1..=text.len()).flat_map(|len| (0..len).map(move |place| (len, place)))
        {
            for character in 0..=255 {
                let mut text = text;
                text[place] = character;
                let (mut of_lanes, mut of_table) = ([0; 30], [0; 30]);
                let decoded = decoded_len(len);
                let is_good = table::decode(&text[..len], &mut of_table[..decoded], &table);
                assert_eq!(
                    lanes::decode::<b'-', b'_'>(&text[..len], &mut of_lanes[..decoded]),
                    is_good
                );
                // What is refused is not looked at.
                assert!(
                    !is_good || of_lanes == of_table,
                    "{character} at {place} of {len}"
                );
            }
        }
    }

    #[test]
    fn characters_that_are_foreign_do_not_make_up_for_each_other() {
        // Two blocks of sixteen characters, and a quad that is not whole.
        let pairs = (0..35).flat_map(|first| (0..first).map(move |second| [first, second]));
        let table = &table::sextets(b'-', b'_');
        for places in pairs {
            let mut text = [b'A'; 35];
            for place in places {
                text[place] = b'!';
            }
            let of_lanes = lanes::decode::<b'-', b'_'>(&text, &mut [0; 26]);
            let of_table = table::decode(&text, &mut [0; 26], table);
            assert_eq!((of_lanes, of_table), (false, false), "{places:?}");
        }
    }

    #[test]
    fn never_writes_beyond_the_buffer() {
        check("AAECAwQ", Err(Error::TooLong));
    }
}
