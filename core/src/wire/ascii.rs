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

#[cfg(test)]
mod tests {
    use super::{is_all, is_in};

    #[test]
    fn a_byte_that_is_not_ascii_is_seen_wherever_it_stands() {
        for len in (0..40).chain([64, 70, 99]) {
            let mut bytes = std::vec![0x7F; len];
            assert!(is_all(&bytes), "{len}");
            for at in 0..len {
                bytes[at] = 0x80;
                assert!(!is_all(&bytes), "{at} of {len}");
                bytes[at] = 0x7F;
            }
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
