//! The grammar of RFC 8259, walked once from left to right.

use super::{Array, Error, MAX_DEPTH, Number, Object, Text, Value};
use crate::wire::scanned;

/// A place in a text. It only ever moves on.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'j> {
    text: &'j str,
    at: usize,
}

impl<'j> Cursor<'j> {
    pub(super) fn new(text: &'j str) -> Self {
        Self { text, at: 0 }
    }

    // ws = *( %x20 / %x09 / %x0A / %x0D )
    /// Moves to the next byte that is no white space, and returns it.
    pub(super) fn token(&mut self) -> Option<u8> {
        while let Some(&byte) = self.text.as_bytes().get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.advance(1);
        }
        None
    }

    /// Moves on by so many bytes, which lie before the end.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.move_to(self.at.wrapping_add(bytes));
    }

    fn move_to(&mut self, at: usize) {
        scanned::add(at.wrapping_sub(self.at));
        self.at = at;
    }

    fn rest(&self) -> &'j [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Moves on by so many bytes, and returns all that follows them.
    pub(super) fn behind(&mut self, bytes: usize) -> Result<&'j str, Error> {
        self.advance(bytes);
        self.text.get(self.at..).ok_or(Error::Syntax)
    }

    /// Moves behind the next `len` bytes, and returns them.
    fn take(&mut self, len: usize) -> Result<&'j str, Error> {
        let start = self.at;
        self.advance(len);
        self.text.get(start..self.at).ok_or(Error::Syntax)
    }

    /// Moves behind `word`.
    fn word(&mut self, word: &str, value: Value<'j>) -> Result<Value<'j>, Error> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(Error::Syntax);
        }
        self.advance(word.len());
        Ok(value)
    }

    /// Reads the name of a member, whose quote is next, and the colon behind it.
    pub(super) fn name(&mut self) -> Result<Text<'j>, Error> {
        let name = self.string()?;
        if self.token() != Some(b':') {
            return Err(Error::Syntax);
        }
        self.advance(1);
        Ok(name)
    }

    /// Reads a value that lies in the outermost object, or in one that has been read as a value before.
    #[inline]
    pub(super) fn value(&mut self) -> Result<Value<'j>, Error> {
        match self.token() {
            Some(b'"') => self.string().map(Value::String),
            Some(first @ (b'{' | b'[')) => self.container(first == b'{'),
            _ => self.scalar(),
        }
    }

    fn scalar(&mut self) -> Result<Value<'j>, Error> {
        match self.token() {
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => {
                let len = number_len(self.rest()).ok_or(Error::Syntax)?;
                Ok(Value::Number(Number::new(self.take(len)?)))
            }
        }
    }

    /// Reads a string, whose quote is next.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Text<'j>, Error> {
        match self.plain() {
            Some(raw) => Ok(Text::plain(raw)),
            None => self.escaped(),
        }
    }

    /// Reads a string without escapes, whose quote is next; stays where it is if there is none.
    fn plain(&mut self) -> Option<&'j str> {
        let start = self.at.wrapping_add(1);
        let inside = self.text.as_bytes().get(start..)?;
        let end = start.wrapping_add(plain_len(inside));
        if self.text.as_bytes().get(end) != Some(&b'"') {
            return None;
        }
        self.move_to(end.wrapping_add(1));
        self.text.get(start..end)
    }

    /// Reads a string with escapes, whose quote is next.
    #[cold]
    #[inline(never)]
    fn escaped(&mut self) -> Result<Text<'j>, Error> {
        let from_quote = self.rest();
        let mut rest = from_quote.get(1..).unwrap_or_default();
        loop {
            rest = rest.get(plain_len(rest)..).unwrap_or_default();
            match rest {
                [b'"', ..] => break,
                [b'\\', behind @ ..] => rest = escape(behind)?,
                _ => return Err(Error::Syntax),
            }
        }
        let raw = self.take(from_quote.len().wrapping_sub(rest.len()))?;
        self.advance(1);
        Ok(Text::escaped(raw))
    }

    /// Checks a whole object or array without recursion: one bit a level says which of both it is.
    fn container(&mut self, is_object: bool) -> Result<Value<'j>, Error> {
        let mut open = Nesting {
            objects: 0,
            depth: 1,
        };
        let mut expect = open.enter(is_object)?;
        self.advance(1);
        let start = self.at;
        while open.depth > 1 {
            expect = open.advance(expect, self)?;
        }
        let inside = self.text.get(start..self.at).ok_or(Error::Syntax)?;
        Ok(if is_object {
            Value::Object(Object { inside })
        } else {
            Value::Array(Array { inside })
        })
    }
}

// number = [ "-" ] ( "0" / digit1-9 *DIGIT ) [ "." 1*DIGIT ] [ ( "e" / "E" ) [ "-" / "+" ] 1*DIGIT ]
fn number_len(text: &[u8]) -> Option<usize> {
    let rest = text.strip_prefix(b"-").unwrap_or(text);
    let mut rest = match rest {
        [b'0', rest @ ..] => rest,
        _ => digits(rest)?,
    };
    if let Some(fraction) = rest.strip_prefix(b".") {
        rest = digits(fraction)?;
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        rest = digits(
            exponent
                .strip_prefix(b"+")
                .or(exponent.strip_prefix(b"-"))
                .unwrap_or(exponent),
        )?;
    }
    text.len().checked_sub(rest.len())
}

/// What follows at least one digit.
fn digits(text: &[u8]) -> Option<&[u8]> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.get(count..).filter(|_| count > 0)
}

/// How many bytes come before the first quote, backslash or control character.
#[inline]
fn plain_len(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks();
    let mut len = 0_usize;
    for word in words {
        let plain = plain_bytes(u64::from_le_bytes(*word));
        len = len.wrapping_add(plain);
        if plain < 8 {
            return len;
        }
    }
    len.wrapping_add(plain_len_at_end(rest))
}

/// As [`plain_len`], of fewer than eight bytes: control characters come behind them.
#[cold]
#[inline(never)]
fn plain_len_at_end(rest: &[u8]) -> usize {
    let mut word = [0; 8];
    for (place, byte) in word.iter_mut().zip(rest) {
        *place = *byte;
    }
    plain_bytes(u64::from_le_bytes(word))
}

/// How many of eight bytes come before the first quote, backslash or control character.
///
/// The high bit of each byte of `x - nn..nn & !x` is set where that byte of `x` is the first below `nn`; a
/// borrow disturbs only bytes behind it.
fn plain_bytes(word: u64) -> usize {
    let all = |byte: u8| u64::from_le_bytes([byte; 8]);
    let below = |x: u64, bound: u8| x.wrapping_sub(all(bound)) & !x;
    // With its second bit flipped a quote, 0x22, comes right behind the control characters.
    let special = below(word ^ all(2), 0x21) | below(word ^ all(b'\\'), 1);
    ((special & all(0x80)).trailing_zeros() / 8) as usize
}

// char escape: %x22 / %x5C / %x2F / %x62 / %x66 / %x6E / %x72 / %x74 / %x75 4HEXDIG
fn escape(behind: &[u8]) -> Result<&[u8], Error> {
    match behind {
        [
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
            rest @ ..,
        ] => Ok(rest),
        [b'u', rest @ ..] => match code_unit(rest)? {
            (0xD800..0xDC00, [b'\\', b'u', low @ ..]) => match code_unit(low)? {
                (0xDC00..0xE000, rest) => Ok(rest),
                _ => Err(Error::Syntax),
            },
            (0xD800..0xE000, _) => Err(Error::Syntax),
            (_, rest) => Ok(rest),
        },
        _ => Err(Error::Syntax),
    }
}

fn code_unit(text: &[u8]) -> Result<(u32, &[u8]), Error> {
    let (hex, rest) = text.split_first_chunk::<4>().ok_or(Error::Syntax)?;
    let unit = hex.iter().try_fold(0, |sum: u32, byte| {
        Some(sum << 4 | char::from(*byte).to_digit(16)?)
    });
    Ok((unit.ok_or(Error::Syntax)?, rest))
}

/// What may come next inside a container.
#[derive(Clone, Copy)]
enum Expect {
    NameOrEnd,
    Name,
    ValueOrEnd,
    Value,
    CommaOrEnd,
}

struct Nesting {
    /// Bit 0 is the innermost container: 1 for an object.
    objects: u32,
    depth: u8,
}

impl Nesting {
    fn enter(&mut self, object: bool) -> Result<Expect, Error> {
        if self.depth >= MAX_DEPTH {
            return Err(Error::Depth);
        }
        self.depth = self.depth.saturating_add(1);
        self.objects = self.objects << 1 | u32::from(object);
        Ok(if object {
            Expect::NameOrEnd
        } else {
            Expect::ValueOrEnd
        })
    }

    fn leave(&mut self) -> Expect {
        self.objects >>= 1;
        self.depth = self.depth.saturating_sub(1);
        Expect::CommaOrEnd
    }

    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }

    /// Reads what is next where it is expected.
    fn advance(&mut self, expect: Expect, cursor: &mut Cursor<'_>) -> Result<Expect, Error> {
        let token = cursor.token().ok_or(Error::Syntax)?;
        let next = match (expect, token) {
            (Expect::NameOrEnd | Expect::Name, b'"') => {
                return cursor.name().map(|_| Expect::Value);
            }
            (Expect::Value | Expect::ValueOrEnd, b'"') => {
                return cursor.string().map(|_| Expect::CommaOrEnd);
            }
            (Expect::NameOrEnd, b'}') | (Expect::ValueOrEnd, b']') => self.leave(),
            (Expect::Value | Expect::ValueOrEnd, b'{' | b'[') => self.enter(token == b'{')?,
            (Expect::Value | Expect::ValueOrEnd, _) => {
                return cursor.scalar().map(|_| Expect::CommaOrEnd);
            }
            (Expect::CommaOrEnd, b',') if self.in_object() => Expect::Name,
            (Expect::CommaOrEnd, b',') => Expect::Value,
            (Expect::CommaOrEnd, b'}') if self.in_object() => self.leave(),
            (Expect::CommaOrEnd, b']') if !self.in_object() => self.leave(),
            _ => return Err(Error::Syntax),
        };
        cursor.advance(1);
        Ok(next)
    }
}
