//! A number of JSON, kept as it was written.

use crate::wire::ascii;

/// A number whose grammar has been checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number<'j>(&'j [u8]);

/// Digits that every `i64` has room for.
const PLAIN_DIGITS: usize = 18;

impl<'j> Number<'j> {
    pub(super) fn new(text: &'j [u8]) -> Self {
        Self(text)
    }

    /// The number as it was written.
    pub(crate) fn as_str(self) -> &'j str {
        core::str::from_utf8(self.0).unwrap_or_default()
    }

    /// The largest integer that is not above it, or `None` where it is negative or no `i64`.
    ///
    /// `NumericDate` may be fractional or carry an exponent (RFC 7519 section 2); no floating point is
    /// involved, so that no date is rounded.
    pub(crate) fn floor(self) -> Option<i64> {
        // What nearly every date is.
        if self.0.len() <= PLAIN_DIGITS
            && let Some(integer) = plain(self.0)
        {
            return Some(integer);
        }
        self.floor_of_any()
    }

    #[cold]
    #[inline(never)]
    fn floor_of_any(self) -> Option<i64> {
        let text = self.as_str();
        // No digit need be looked at for `-1e-5`.
        if text.starts_with('-') {
            return None;
        }
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = || whole.bytes().chain(fraction.bytes());
        let zeros = digits().take_while(|digit| *digit == b'0').count();
        let digits = digits().skip(zeros);
        if digits.clone().next().is_none() {
            return Some(0);
        }
        let before_point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
        integer(
            digits,
            before_point.checked_sub(i32::try_from(zeros).ok()?)?,
        )
    }
}

/// The integer that digits alone make, of which there are no more than [`PLAIN_DIGITS`].
fn plain(text: &[u8]) -> Option<i64> {
    let (words, rest) = text.as_chunks();
    let mut sum = 0_u64;
    for word in words {
        let word = u64::from_le_bytes(*word);
        if ascii::digits(word) < 8 {
            return None;
        }
        sum = sum
            .wrapping_mul(100_000_000)
            .wrapping_add(ascii::number(word));
    }
    for byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        sum = sum.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    i64::try_from(sum).ok()
}

/// The first `count` of `digits` as an integer; missing ones are zeros.
///
/// The first is no zero: whatever the exponent, no `i64` has room for more than 19.
fn integer(mut digits: impl Iterator<Item = u8>, count: i32) -> Option<i64> {
    (0..count).try_fold(0_i64, |sum, _| {
        let digit = char::from(digits.next().unwrap_or(b'0')).to_digit(10)?;
        sum.checked_mul(10)?.checked_add(i64::from(digit))
    })
}
