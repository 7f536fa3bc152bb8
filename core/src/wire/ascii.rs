//! Ranges of ASCII.

/// Whether `byte` is one of the `count` bytes from `first` on.
///
/// Vectors of SSE2 compare signed bytes alone, so the range is moved to the end of theirs.
#[inline]
pub(crate) const fn is_in(byte: u8, first: u8, count: u8) -> bool {
    let moved = byte.wrapping_sub(first).wrapping_sub(count) ^ 0x80;
    moved.cast_signed() > 127_u8.wrapping_sub(count).cast_signed()
}

/// Whether `bytes` are ASCII.
///
/// Of what does not fill 64 bytes, the standard library looks at each.
pub(crate) fn is_all(bytes: &[u8]) -> bool {
    let (chunks, _) = bytes.as_chunks::<64>();
    match bytes.last_chunk::<64>() {
        // The last may overlap the one before.
        Some(last) => chunks.iter().chain([last]).all(|chunk| chunk.is_ascii()),
        None => bytes.is_ascii(),
    }
}

/// How many of eight bytes, the first of which is the lowest, come before the first that is no digit.
#[inline]
pub(crate) const fn digits(word: u64) -> usize {
    const fn all(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    // What is above nine reaches a byte's high bit.
    let word = word ^ all(b'0');
    let above = (word & all(0x7F)).wrapping_add(all(0x76)) | word;
    ((above & all(0x80)).trailing_zeros() / 8) as usize
}

/// The number that eight digits make: neighbours join, then pairs, then fours.
pub(crate) const fn number(digits: u64) -> u64 {
    let ones = digits & 0x0F0F_0F0F_0F0F_0F0F;
    let pairs = ones.wrapping_mul((10 << 8) | 1) >> 8 & 0x00FF_00FF_00FF_00FF;
    let fours = pairs.wrapping_mul((100 << 16) | 1) >> 16 & 0x0000_FFFF_0000_FFFF;
    fours.wrapping_mul((10_000 << 32) | 1) >> 32
}

#[cfg(test)]
mod tests {
    use super::{digits, is_all, is_in, number};

    #[test]
    fn digits_end_before_any_other_byte() {
        for place in 0..8 {
            for byte in 0..=255 {
                let mut bytes = *b"90123456";
                bytes[place] = byte;
                let expected = if byte.is_ascii_digit() { 8 } else { place };
                assert_eq!(digits(u64::from_le_bytes(bytes)), expected, "{bytes:?}");
            }
        }
    }

    #[test]
    fn eight_digits_are_a_number() {
        for text in [*b"00000000", *b"12345678", *b"99999999", *b"10000009"] {
            let expected = core::str::from_utf8(&text).unwrap().parse();
            assert_eq!(Ok(number(u64::from_le_bytes(text))), expected);
        }
    }

    #[test]
    fn a_byte_that_is_not_ascii_is_seen_wherever_it_stands() {
        for (len, around) in (0..40)
            .chain([64, 70, 99])
            .flat_map(|len| [(len, 0), (len, 0x7F)])
        {
            let mut bytes = std::vec![around; len];
            assert!(is_all(&bytes), "{len}");
            for at in 0..len {
                bytes[at] = 0x80;
                assert!(!is_all(&bytes), "{at} of {len}");
                bytes[at] = around;
            }
        }
    }

    #[test]
    fn bytes_that_are_not_ascii_do_not_make_up_for_each_other() {
        for len in [2, 32, 64] {
            assert!(!is_all(&std::vec![0x80; len]), "{len}");
        }
    }

    #[test]
    fn a_range_holds_its_bytes_and_no_others() {
        for byte in 0..=255 {
            assert_eq!(is_in(byte, b'a', 26), byte.is_ascii_lowercase(), "{byte}");
            assert_eq!(is_in(byte, b'0', 10), byte.is_ascii_digit(), "{byte}");
            assert_eq!(is_in(byte, b'-', 1), byte == b'-', "{byte}");
        }
    }
}
