//! Ranges of ASCII.

/// Whether `byte` is one of the `count` bytes from `first` on.
///
/// Vectors of SSE2 compare signed bytes alone, so the range is moved to the end of theirs.
#[inline]
pub(crate) const fn is_in(byte: u8, first: u8, count: u8) -> bool {
    let moved = byte.wrapping_sub(first).wrapping_sub(count) ^ 0x80;
    moved.cast_signed() > 127_u8.wrapping_sub(count).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::is_in;

    #[test]
    fn a_range_holds_its_bytes_and_no_others() {
        for byte in 0..=255 {
            assert_eq!(is_in(byte, b'a', 26), byte.is_ascii_lowercase(), "{byte}");
            assert_eq!(is_in(byte, b'0', 10), byte.is_ascii_digit(), "{byte}");
            assert_eq!(is_in(byte, b'-', 1), byte == b'-', "{byte}");
        }
    }
}
