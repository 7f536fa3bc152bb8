//! A string of JSON, its escapes decoded only when somebody looks.

use crate::wire::scanned;

/// The inside of a string whose escapes have been checked.
///
/// One that holds escapes keeps its opening quote, which nothing inside a string can begin with: that tells it
/// from one that stands as it is, and takes no room of its own.
#[derive(Clone, Copy)]
pub(crate) struct Text<'j>(&'j [u8]);

impl<'j> Text<'j> {
    /// A string without escapes, by what lies between its quotes.
    #[inline]
    pub(super) fn plain(inside: &'j [u8]) -> Self {
        Self(inside)
    }

    /// A string with escapes, from its opening quote to before the closing one.
    pub(super) fn escaped(from_quote: &'j [u8]) -> Self {
        Self(from_quote)
    }

    /// The text as it stands, where it holds no escape.
    #[inline]
    pub(crate) fn as_bytes(self) -> Option<&'j [u8]> {
        (self.0.first() != Some(&b'"')).then_some(self.0)
    }

    /// As [`as_bytes`](Self::as_bytes).
    pub(crate) fn as_str(self) -> Option<&'j str> {
        self.as_bytes().map(as_str)
    }

    /// What lies between the quotes.
    fn raw(self) -> &'j [u8] {
        self.0.strip_prefix(b"\"").unwrap_or(self.0)
    }

    pub(crate) fn chars(self) -> Chars<'j> {
        Chars { rest: self.raw() }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The words between single spaces (RFC 6749 section 3.3). One that is escaped is never equal to any.
    pub(crate) fn words(self) -> impl Iterator<Item = &'j [u8]> {
        let is_escaped = self.as_bytes().is_none();
        let words = self.raw().split(|byte| *byte == b' ');
        words.filter(move |word| !is_escaped || !word.contains(&b'\\'))
    }

    /// Whether `wanted` is one of the words between single spaces, escapes decoded.
    pub(crate) fn has_word(self, wanted: &str) -> bool {
        if self.as_bytes().is_some() {
            return self.words().any(|word| word == wanted.as_bytes());
        }
        // What of the word is still to come; `None` where this one is another.
        let mut rest = Some(wanted.chars());
        for c in self.chars() {
            if c == ' ' {
                if rest.is_some_and(|rest| rest.as_str().is_empty()) {
                    return true;
                }
                rest = Some(wanted.chars());
            } else if let Some(expected) = &mut rest
                && expected.next() != Some(c)
            {
                rest = None;
            }
        }
        rest.is_some_and(|rest| rest.as_str().is_empty())
    }

    /// The decoded text in a buffer of its own; `None` where it does not fit.
    pub(crate) fn to_string<const N: usize>(self) -> Option<heapless::String<N>> {
        let mut copy = heapless::String::new();
        self.push_to(&mut copy)?;
        Some(copy)
    }

    /// Adds the decoded text to `copy`; `None` where it does not fit.
    pub(crate) fn push_to<const N: usize>(self, copy: &mut heapless::String<N>) -> Option<()> {
        match self.as_str() {
            Some(text) => copy.push_str(text).ok(),
            None => self.chars().try_for_each(|c| copy.push(c).ok()),
        }
    }
}

/// A part of a text that has been found to be UTF-8, between quotes.
fn as_str(part: &[u8]) -> &str {
    scanned::add(part.len());
    core::str::from_utf8(part).unwrap_or_default()
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        scanned::add(self.0.len().min(other.0.len()));
        match (self.as_bytes(), other.as_bytes()) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => self.chars().eq(other.chars()),
        }
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        match self.as_bytes() {
            Some(text) => text == other.as_bytes(),
            None => self.chars().eq(other.chars()),
        }
    }
}

/// A claim may be personal: its text is never printed.
impl core::fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Text(..)")
    }
}

/// The characters of a [`Text`], escapes decoded: no more is read than is asked for.
#[derive(Clone)]
pub(crate) struct Chars<'j> {
    rest: &'j [u8],
}

impl Chars<'_> {
    /// The next character as it is written.
    fn written(&mut self) -> Option<char> {
        let len = match self.rest.first()? {
            ..0x80 => 1,
            ..0xE0 => 2,
            ..0xF0 => 3,
            _ => 4,
        };
        let (c, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        core::str::from_utf8(c).ok()?.chars().next()
    }

    // %x75 4HEXDIG
    fn code_unit(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |sum: u32, _| {
            Some(sum << 4 | self.written()?.to_digit(16)?)
        })
    }

    /// A code point outside the basic plane is written as two code units (RFC 8259 section 7).
    fn code_point(&mut self) -> Option<char> {
        let first = self.code_unit()?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first);
        }
        if (self.written()?, self.written()?) != ('\\', 'u') {
            return None;
        }
        let second = self.code_unit()?;
        if !(0xDC00..0xE000).contains(&second) {
            return None;
        }
        char::from_u32(((first & 0x3FF) << 10 | second & 0x3FF).checked_add(0x1_0000)?)
    }
}

/// Ends early at a broken escape, of which a checked text has none.
impl Iterator for Chars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let c = self.written()?;
        if c != '\\' {
            return Some(c);
        }
        Some(match self.written()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.code_point(),
            plain => plain,
        })
    }
}
