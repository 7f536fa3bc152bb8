//! Names of accounts and groups that never change and are never used again.

use std::fmt;

/// Names one account or group for ever: opaque, and safe as a part of a path.
///
/// Drawn at random by whoever drives this crate. It is written as a UUID (RFC 9562 section 4), in lower case; a name
/// written otherwise names nothing.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Id([u8; 16]);

/// Where the hyphens of a written id are.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

impl Id {
    /// The id of these bytes, which are random.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes, as a database keeps them.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads a written id.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 36 {
            return None;
        }
        let mut bytes = [0; 16];
        let mut digits = 0_usize;
        for (at, c) in text.bytes().enumerate() {
            if HYPHENS.contains(&at) {
                if c != b'-' {
                    return None;
                }
                continue;
            }
            let digit = match c {
                b'0'..=b'9' => c - b'0',
                b'a'..=b'f' => c - b'a' + 10,
                _ => return None,
            };
            let byte = bytes.get_mut(digits / 2)?;
            *byte = *byte << 4 | digit;
            digits += 1;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(36);
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            for digit in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(digit.into(), 16));
            }
        }
        f.write_str(&text)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_id_is_read_again() {
        let id =
            Id::from_bytes(*b"\x00\x12\x34\x56\x78\x9a\xbc\xde\xf0\x00\x00\x00\x00\x00\x00\xff");
        assert_eq!(id.to_string(), "00123456-789a-bcde-f000-0000000000ff");
        assert_eq!(Id::parse(&id.to_string()), Some(id));
    }

    #[test]
    fn what_is_written_otherwise_names_nothing() {
        for text in [
            "",
            "00123456-789A-bcde-f000-0000000000ff",
            "00123456-789a-bcde-f000-0000000000f",
            "00123456789abcdef0000000000000ff",
            "00123456-789a-bcde-f000-00000000-0ff",
            "00123456-789a-bcde-f000-0000000000\u{e9}",
            "../../../../../../../../../../../../",
        ] {
            assert_eq!(Id::parse(text), None, "{text}");
        }
    }
}
