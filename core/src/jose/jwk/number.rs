//! The numbers of a JWK (RFC 7518 section 6), as far as their writers agree on how to write them.

use super::MemberFault;
use crate::wire::{base64, json::Text};

/// Longest public number, in characters: a modulus of 513 bytes with padding.
const MAX_DIGITS: usize = 684;

/// Longest coordinate, in bytes: P-521's, with one zero too many.
const MAX_COORDINATE: usize = 67;

/// Decodes a secret, which has one spelling.
pub(super) fn secret<'o>(text: Text<'_>, out: &'o mut [u8]) -> Result<&'o [u8], MemberFault> {
    let text = text.as_str().ok_or(MemberFault::Encoding)?;
    Ok(base64::decode(text.as_bytes(), out)?)
}

/// Decodes a number that everybody may know: base64url or, as some write it, base64; padded or not.
///
/// Nothing is ambiguous in that: a value has one alphabet, exact padding if any, and no bits left over.
pub(super) fn public<'o>(text: Text<'_>, out: &'o mut [u8]) -> Result<&'o [u8], MemberFault> {
    let mut digits: heapless::Vec<u8, MAX_DIGITS> = heapless::Vec::new();
    let (mut is_base64, mut is_base64url) = (false, false);
    for c in text.chars() {
        is_base64 |= matches!(c, '+' | '/');
        is_base64url |= matches!(c, '-' | '_');
        let digit = match c {
            '+' => b'-',
            '/' => b'_',
            _ => u8::try_from(c).map_err(|_| MemberFault::Encoding)?,
        };
        digits.push(digit).map_err(|_| MemberFault::TooLong)?;
    }
    if is_base64 && is_base64url {
        return Err(MemberFault::MixedAlphabets);
    }
    Ok(base64::decode(without_padding(&digits)?, out)?)
}

/// RFC 4648 section 4: up to two `=` fill the last four characters.
fn without_padding(digits: &[u8]) -> Result<&[u8], MemberFault> {
    let unpadded = match digits {
        [unpadded @ .., b'=', b'='] | [unpadded @ .., b'='] => unpadded,
        unpadded => return Ok(unpadded),
    };
    if digits.len().is_multiple_of(4) {
        Ok(unpadded)
    } else {
        Err(MemberFault::Encoding)
    }
}

/// Decodes a coordinate to fill `out`. One zero may be missing in front, or stand there in addition, as
/// writers of integers have it; whether the point is on the curve is found when it is prepared.
pub(super) fn coordinate(text: Text<'_>, out: &mut [u8]) -> Result<(), MemberFault> {
    let mut buffer = [0; MAX_COORDINATE];
    let bytes = public(text, &mut buffer).map_err(|fault| match fault {
        MemberFault::TooLong => MemberFault::Length,
        other => other,
    })?;
    let bytes = match bytes {
        [0, rest @ ..] if rest.len() == out.len() => rest,
        bytes => bytes,
    };
    let place = match out.len().checked_sub(bytes.len()) {
        Some(0) => Some(out),
        Some(1) => out.split_first_mut().map(|(first, rest)| {
            *first = 0;
            rest
        }),
        _ => None,
    };
    place.ok_or(MemberFault::Length)?.copy_from_slice(bytes);
    Ok(())
}

impl From<base64::Error> for MemberFault {
    fn from(error: base64::Error) -> Self {
        match error {
            base64::Error::TooLong => Self::TooLong,
            base64::Error::Malformed => Self::Encoding,
        }
    }
}
