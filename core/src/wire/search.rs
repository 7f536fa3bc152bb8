//! The first byte of a kind: by vectors where the processor has them, and else by several words at a time.
//!
//! `memchr` is made for processors with vectors: without any it takes twice as long, and more where it is built to be
//! small.

/// Where the first `byte` is.
pub(crate) fn find(byte: u8, text: &[u8]) -> Option<usize> {
    if cfg!(target_pointer_width = "64") {
        return memchr::memchr(byte, text);
    }
    find_by_words(byte, text)
}

fn find_by_words(byte: u8, text: &[u8]) -> Option<usize> {
    by_words(text, of_byte(byte), |found| found == byte)
}

/// Where the first TAB or LF is.
pub(crate) fn find_tab_or_lf(text: &[u8]) -> Option<usize> {
    if cfg!(target_pointer_width = "64") {
        return memchr::memchr2(b'\t', b'\n', text);
    }
    find_tab_or_lf_by_words(text)
}

fn find_tab_or_lf_by_words(text: &[u8]) -> Option<usize> {
    by_words(text, of_tab_or_lf, |found| matches!(found, b'\t' | b'\n'))
}

/// Highest bits, one of which is set by what marks a word that may hold the byte.
const MARKS: u32 = u32::from_le_bytes([0x80; 4]);

/// Marks words that hold `byte`.
fn of_byte(byte: u8) -> impl Fn(u32) -> u32 {
    let all = u32::from_le_bytes([byte; 4]);
    // Where it was, there is 0 now, which borrows from its highest bit.
    move |word| below(word ^ all, 1)
}

/// Marks words that hold a byte below LF or LF, of which only TAB and LF are common.
const fn of_tab_or_lf(word: u32) -> u32 {
    below(word, b'\n' + 1)
}

/// Marks words that hold a byte below `bound`, which is 128 at most: the lowest such byte borrows from its highest bit.
#[inline]
const fn below(word: u32, bound: u8) -> u32 {
    word.wrapping_sub(u32::from_le_bytes([bound; 4])) & !word
}

/// Where the first byte is for which `is_it`; `mark` marks each word that holds one.
#[inline]
fn by_words(text: &[u8], mark: impl Fn(u32) -> u32, is_it: impl Fn(u8) -> bool) -> Option<usize> {
    let (blocks, _) = text.as_chunks::<16>();
    let is_plain = |block: &&[u8; 16]| {
        let (words, _) = block.as_chunks();
        let [a, b, c, d] = words else { return false };
        let mark = |word: &[u8; 4]| mark(u32::from_le_bytes(*word));
        (mark(a) | mark(b) | mark(c) | mark(d)) & MARKS == 0
    };
    let start = blocks
        .iter()
        .take_while(is_plain)
        .count()
        .saturating_mul(16);
    let mut rest = text.iter().skip(start);
    let at = rest.position(|byte| is_it(*byte))?;
    Some(start.saturating_add(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &[u8], expected: Option<usize>) {
        assert_eq!(find_tab_or_lf(text), expected);
        assert_eq!(find_tab_or_lf_by_words(text), expected);
    }

    #[test]
    fn a_tab_or_lf_is_found_wherever_it_is() {
        for around in [b'x', 0, 0x08, 0x0b, 0x80, 0x89, 0x8a, 0xff] {
            let mut text = [around; 200];
            check(&text, None);
            for at in (0..200).rev() {
                text[at] = if at % 2 == 0 { b'\t' } else { b'\n' };
                check(&text, Some(at));
                check(&text[..at], None);
            }
        }
    }

    #[test]
    fn what_stands_alone_or_in_a_pair_is_found_in_any_word_of_a_block() {
        for first in 0..48 {
            for second in first..48 {
                let mut text = [b'x'; 48];
                text[first] = b'\t';
                text[second] = b'\t';
                check(&text, Some(first));
                assert_eq!(find_by_words(b'\t', &text), Some(first));
            }
        }
    }

    #[test]
    fn a_byte_is_found_wherever_it_is() {
        for byte in 0..=255_u8 {
            for around in [byte ^ 1, byte ^ 0x80, byte.wrapping_sub(1)] {
                let mut text = [around; 70];
                for at in (0..70).rev() {
                    text[at] = byte;
                    assert_eq!(find(byte, &text), Some(at));
                    assert_eq!(find_by_words(byte, &text), Some(at));
                }
                assert_eq!(find_by_words(byte, &[around; 70]), None);
            }
        }
    }
}
