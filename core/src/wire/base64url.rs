//! Strict base64url without padding (RFC 7515 section 2, RFC 4648 sections 3.3 to 3.5).
//!
//! White space, padding, characters of the other alphabet and non-zero trailing bits are all refused:
//! one token must have one spelling.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::scanned;

/// Decodes `text` into the front of `out`.
pub(crate) fn decode<'o>(text: &[u8], out: &'o mut [u8]) -> Result<&'o [u8], Error> {
    // Asked for first, since the library cannot tell a full buffer from a bad character beyond it.
    if decoded_len(text.len()) > out.len() {
        return Err(Error::TooLong);
    }
    scanned::add(text.len());
    let len = URL_SAFE_NO_PAD
        .decode_slice_unchecked(text, out)
        .map_err(|_| Error::Malformed)?;
    out.get(..len).ok_or(Error::TooLong)
}

/// Length of what `encoded` characters decode to, in bytes.
pub(crate) const fn decoded_len(encoded: usize) -> usize {
    (encoded / 4)
        .saturating_mul(3)
        .saturating_add((encoded % 4).saturating_sub(1))
}

/// Why text is not base64url.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Error {
    /// Another alphabet, padding, white space, an impossible length, or bits after the last byte.
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

    #[test]
    fn never_writes_beyond_the_buffer() {
        check("AAECAwQ", Err(Error::TooLong));
    }
}
