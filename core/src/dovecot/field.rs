//! The fields of a line: where they end, and the escapes within them.

use core::fmt::{self, Display};

use heapless::Vec;

use crate::wire::search;

pub(super) const TAB: u8 = b'\t';
pub(super) const LF: u8 = b'\n';
const ESCAPE: u8 = 0x01;

/// Longest field kept, decoded: `session=` and 32 characters is the longest that is wanted.
const MAX_FIELD: usize = 64;

/// Splits `input` where its first field ends: the bytes before, and the TAB or LF if it has come.
pub(super) fn split_field(input: &[u8]) -> (&[u8], Option<u8>) {
    let (field, rest) = search::find_tab_or_lf(input)
        .and_then(|at| input.split_at_checked(at))
        .unwrap_or((input, &[]));
    (field, rest.first().copied())
}

/// A decimal number without sign or spaces.
pub(super) fn number(text: &[u8]) -> Option<u32> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(text).ok()?.parse().ok()
}

/// The field at hand, its escapes decoded; what is too long to be wanted is not kept.
#[derive(Default)]
pub(super) struct Field {
    bytes: Vec<u8, MAX_FIELD, u8>,
    after_escape: bool,
    overlong: bool,
}

impl Field {
    pub(super) fn push(&mut self, piece: &[u8]) {
        if self.overlong {
            return;
        }
        if self.after_escape || piece.contains(&ESCAPE) {
            for byte in piece {
                self.push_byte(*byte);
            }
            return;
        }
        let room = MAX_FIELD.saturating_sub(self.bytes.len());
        let (fitting, excess) = piece.split_at_checked(room).unwrap_or((piece, &[]));
        self.overlong = self.bytes.extend_from_slice(fitting).is_err() || !excess.is_empty();
    }

    fn push_byte(&mut self, byte: u8) {
        if byte == ESCAPE && !self.after_escape {
            self.after_escape = true;
            return;
        }
        let byte = if self.after_escape {
            unescape(byte)
        } else {
            byte
        };
        self.after_escape = false;
        self.overlong |= self.bytes.push(byte).is_err();
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The whole field; empty if it was too long to be kept.
    pub(super) fn bytes(&self) -> &[u8] {
        if self.overlong { &[] } else { &self.bytes }
    }

    /// Key and value of an option. The value is `None` if the field was too long to be kept whole.
    pub(super) fn option(&self) -> (&[u8], Option<&[u8]>) {
        let mut parts = self.bytes.splitn(2, |byte| *byte == b'=');
        let key = parts.next().unwrap_or_default();
        let value = parts.next().unwrap_or_default();
        (key, (!self.overlong).then_some(value))
    }

    pub(super) fn clear(&mut self) {
        // Not its bytes, which nobody reads any more.
        self.bytes.clear();
        (self.after_escape, self.overlong) = (false, false);
    }
}

// Any other character stands for itself, as in Dovecot.
const fn unescape(letter: u8) -> u8 {
    match letter {
        b'0' => 0,
        b'1' => ESCAPE,
        b't' => TAB,
        b'r' => b'\r',
        b'n' => LF,
        other => other,
    }
}

/// Writes its text so that it cannot end a field or a line.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for run in self.0.split_inclusive(|c| escape(c).is_some()) {
            let mut plain = run.chars();
            match plain.next_back().and_then(escape) {
                Some(escaped) => {
                    f.write_str(plain.as_str())?;
                    f.write_str(escaped)?;
                }
                None => f.write_str(run)?,
            }
        }
        Ok(())
    }
}

// What `unescape` reads back.
const fn escape(character: char) -> Option<&'static str> {
    Some(match character {
        '\0' => "\x010",
        '\x01' => "\x011",
        '\t' => "\x01t",
        '\r' => "\x01r",
        '\n' => "\x01n",
        _ => return None,
    })
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic"
)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::*;

    #[track_caller]
    fn decode(raw: &[u8], expected: &[u8]) {
        let mut field = Field::default();
        field.push(raw);
        assert_eq!(field.bytes(), expected);
    }

    #[test]
    fn every_escape_is_decoded() {
        decode(b"\x010 \x011 \x01t \x01r \x01n", b"\0 \x01 \t \r \n");
    }

    #[test]
    fn an_unknown_escape_is_the_character_itself() {
        decode(b"\x01x", b"x");
        decode(b"\x01\x01", b"\x01");
    }

    #[test]
    fn an_escape_without_character_is_nothing() {
        decode(b"a\x01", b"a");
    }

    #[test]
    fn an_escape_may_be_split() {
        let mut field = Field::default();
        field.push(b"a\x01");
        field.push(b"tb");
        assert_eq!(field.bytes(), b"a\tb");
    }

    #[test]
    fn what_is_written_reads_back() {
        let text = "a\0b\x01c\td\re\nf=g \u{e4}";
        decode(Escaped(text).to_string().as_bytes(), text.as_bytes());
    }

    #[test]
    fn what_is_written_ends_no_field_and_no_line() {
        let written = Escaped("a\tb\nc\rd\0").to_string();
        assert!(!written.contains(['\t', '\n', '\r', '\0']));
    }

    #[test]
    fn an_overlong_field_keeps_its_key_only() {
        let mut field = Field::default();
        field.push(b"session=");
        field.push(&[b'x'; MAX_FIELD]);
        assert_eq!(field.option(), (&b"session"[..], None));
        assert_eq!(field.bytes(), b"");
    }

    #[test]
    fn a_value_may_hold_equals() {
        let mut field = Field::default();
        field.push(b"session=a=b=");
        assert_eq!(field.option(), (&b"session"[..], Some(&b"a=b="[..])));
    }

    #[test]
    fn a_number_has_digits_only() {
        assert_eq!(number(b"4294967295"), Some(u32::MAX));
        for text in [&b""[..], b"4294967296", b"+1", b"-1", b" 1", b"1 ", b"0x1"] {
            assert_eq!(number(text), None);
        }
    }

    #[test]
    fn a_field_ends_at_the_first_tab_or_lf_wherever_it_is() {
        let mut input = [b'x'; 200];
        assert_eq!(split_field(&input), (&input[..], None));
        for at in (0..200).rev() {
            input[at] = if at % 2 == 0 { TAB } else { LF };
            let (field, end) = split_field(&input);
            assert_eq!((field.len(), end), (at, Some(input[at])));
        }
    }
}
