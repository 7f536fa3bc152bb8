//! The grammar of RFC 8259, walked once from left to right.
//!
//! Each function takes what is left of a text, and returns what it has read and what is left then: both stay in
//! registers.

use super::{Array, Error, Fingerprint, MAX_DEPTH, Number, Object, Text, Value};
use crate::wire::ascii;

/// What has been read, and what is left.
type Read<'j, T> = Result<(T, &'j [u8]), Error>;

// ws = *( %x20 / %x09 / %x0A / %x0D )
/// What is left from the next byte on that is no white space.
#[inline(always)]
#[expect(clippy::inline_always, reason = "nearly always it does nothing")]
pub(super) fn token(rest: &[u8]) -> &[u8] {
    match rest {
        [byte, ..] if *byte > b' ' => rest,
        _ => skip_white_space(rest),
    }
}

#[cold]
#[inline(never)]
fn skip_white_space(rest: &[u8]) -> &[u8] {
    let is_white = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let end = rest.iter().position(|byte| !is_white(byte));
    end.and_then(|end| rest.get(end..)).unwrap_or_default()
}

/// Reads a member of an object.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "to return a member costs more than to read it"
)]
pub(super) fn member<'j>(
    rest: &'j [u8],
    value: &mut Value<'j>,
) -> Read<'j, (Text<'j>, Fingerprint)> {
    let rest = token(rest);
    let mut fingerprint = Fingerprint::default();
    let plain = plain(rest, |word, len| fingerprint.mix(word, len));
    let (name, rest) = if let Some(read) = plain {
        read
    } else {
        let (name, rest) = escaped(rest)?;
        fingerprint = Fingerprint::of_escaped(name);
        (name, rest)
    };
    let rest = read_value(colon(rest)?, value)?;
    Ok(((name, fingerprint), rest))
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "see `token`")]
fn colon(rest: &[u8]) -> Result<&[u8], Error> {
    match token(rest) {
        [b':', rest @ ..] => Ok(rest),
        _ => Err(Error::Syntax),
    }
}

/// Reads a value that lies in the outermost object, or in one that has been read as a value before.
///
/// It goes where it is to be, and what is left is returned: as one result they would be moved about.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "to call it costs more than a short string"
)]
pub(super) fn read_value<'j>(rest: &'j [u8], value: &mut Value<'j>) -> Result<&'j [u8], Error> {
    let rest = token(rest);
    let Some((text, rest)) = plain(rest, |_, _| ()) else {
        return read_other(rest, value);
    };
    *value = Value::String(text);
    Ok(rest)
}

/// Reads what is not a string without escapes.
#[inline(never)]
fn read_other<'j>(rest: &'j [u8], value: &mut Value<'j>) -> Result<&'j [u8], Error> {
    let (read, rest) = match rest {
        [b'"', ..] => {
            let (text, rest) = escaped(rest)?;
            (Value::String(text), rest)
        }
        [b'{' | b'[', ..] => container(rest)?,
        _ => scalar(rest)?,
    };
    *value = read;
    Ok(rest)
}

pub(super) fn scalar(rest: &[u8]) -> Read<'_, Value<'_>> {
    let word = |word: &[u8], value| {
        let rest = rest.strip_prefix(word).ok_or(Error::Syntax)?;
        Ok((value, rest))
    };
    match rest {
        [b't', ..] => word(b"true", Value::Bool(true)),
        [b'f', ..] => word(b"false", Value::Bool(false)),
        [b'n', ..] => word(b"null", Value::Null),
        _ => {
            let behind = number(rest).ok_or(Error::Syntax)?;
            let number = before(rest, behind);
            Ok((Value::Number(Number::new(number)), behind))
        }
    }
}

/// What comes before `behind`, which is the end of `text`.
fn before<'j>(text: &'j [u8], behind: &[u8]) -> &'j [u8] {
    let len = text.len().saturating_sub(behind.len());
    text.get(..len).unwrap_or_default()
}

/// Reads a string without escapes; `None` where there is none.
///
/// `visit` is given its bytes as [`plain_len`] gives them.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "to call it costs more than a short string"
)]
fn plain(rest: &[u8], visit: impl FnMut(u64, usize)) -> Option<(Text<'_>, &[u8])> {
    let [b'"', inside @ ..] = rest else {
        return None;
    };
    match inside.split_at_checked(plain_len(inside, visit))? {
        (text, [b'"', rest @ ..]) => Some((Text::plain(text), rest)),
        _ => None,
    }
}

/// Reads a string with escapes.
#[cold]
#[inline(never)]
fn escaped(from_quote: &[u8]) -> Read<'_, Text<'_>> {
    let Some((b'"', mut rest)) = from_quote.split_first() else {
        return Err(Error::Syntax);
    };
    loop {
        rest = rest.get(plain_len(rest, |_, _| ())..).unwrap_or_default();
        match rest {
            [b'"', behind @ ..] => {
                return Ok((Text::escaped(before(from_quote, rest)), behind));
            }
            [b'\\', behind @ ..] => rest = escape(behind)?,
            _ => return Err(Error::Syntax),
        }
    }
}

/// Checks a whole object or array, without recursion.
fn container(from_bracket: &[u8]) -> Read<'_, Value<'_>> {
    let mut open = Nesting {
        objects: 0,
        depth: 1,
    };
    let mut rest = from_bracket;
    loop {
        rest = match rest {
            [b'{', inside @ ..] => {
                open.enter(true)?;
                match token(inside) {
                    end @ [b'}', ..] => end,
                    first => {
                        rest = unread_name(first)?;
                        continue;
                    }
                }
            }
            [b'[', inside @ ..] => {
                open.enter(false)?;
                match token(inside) {
                    end @ [b']', ..] => end,
                    first => {
                        rest = first;
                        continue;
                    }
                }
            }
            [b'"', ..] => string(rest)?,
            _ => scalar(rest)?.1,
        };
        match open.close(token(rest))? {
            (true, rest) => return Ok((contained(from_bracket, rest), rest)),
            (false, next) if open.in_object() => rest = unread_name(next)?,
            (false, next) => rest = token(next),
        }
    }
}

/// The value of a container that ends before `behind`.
fn contained<'j>(from_bracket: &'j [u8], behind: &[u8]) -> Value<'j> {
    match before(from_bracket, behind) {
        [b'{', inside @ ..] => Value::Object(Object { inside }),
        [_, inside @ ..] => Value::Array(Array { inside }),
        [] => Value::Null,
    }
}

/// What follows a name, whatever that is, and the white space behind its colon.
fn unread_name(rest: &[u8]) -> Result<&[u8], Error> {
    Ok(token(colon(string(token(rest))?)?))
}

/// What follows a string.
#[inline]
fn string(rest: &[u8]) -> Result<&[u8], Error> {
    match plain(rest, |_, _| ()) {
        Some((_, rest)) => Ok(rest),
        None => escaped(rest).map(|(_, rest)| rest),
    }
}

/// The containers that are open.
pub(super) struct Nesting {
    /// Bit 0 is the innermost container: 1 for an object.
    objects: u32,
    depth: u8,
}

impl Nesting {
    /// Nothing is open.
    pub(super) const fn new() -> Self {
        Self {
            objects: 0,
            depth: 0,
        }
    }

    pub(super) fn depth(&self) -> u8 {
        self.depth
    }

    pub(super) fn enter(&mut self, object: bool) -> Result<(), Error> {
        if self.depth >= MAX_DEPTH {
            return Err(Error::Depth);
        }
        self.depth = self.depth.saturating_add(1);
        self.objects = self.objects << 1 | u32::from(object);
        Ok(())
    }

    pub(super) fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }

    /// Leaves the innermost container, which is one of this kind.
    pub(super) fn leave(&mut self, object: bool) -> Result<(), Error> {
        if self.in_object() != object {
            return Err(Error::Syntax);
        }
        self.objects >>= 1;
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    /// Closes what ends behind a value, up to a comma: whether that was all, and what is left.
    fn close<'j>(&mut self, mut rest: &'j [u8]) -> Result<(bool, &'j [u8]), Error> {
        loop {
            rest = match rest {
                [b',', rest @ ..] => return Ok((false, rest)),
                [b'}', rest @ ..] if self.in_object() => rest,
                [b']', rest @ ..] if !self.in_object() => rest,
                _ => return Err(Error::Syntax),
            };
            self.objects >>= 1;
            self.depth = self.depth.saturating_sub(1);
            if self.depth <= 1 {
                return Ok((true, rest));
            }
            rest = token(rest);
        }
    }
}

// number = [ "-" ] ( "0" / digit1-9 *DIGIT ) [ "." 1*DIGIT ] [ ( "e" / "E" ) [ "-" / "+" ] 1*DIGIT ]
/// What follows a number.
fn number(text: &[u8]) -> Option<&[u8]> {
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
    Some(rest)
}

/// What follows at least one digit.
fn digits(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    while let Some((word, behind)) = rest.split_first_chunk() {
        let digits = ascii::digits(u64::from_le_bytes(*word));
        if digits < 8 {
            rest = rest.get(digits..)?;
            return (rest.len() < text.len()).then_some(rest);
        }
        rest = behind;
    }
    while let [b'0'..=b'9', behind @ ..] = rest {
        rest = behind;
    }
    (rest.len() < text.len()).then_some(rest)
}

/// How many bytes come before the first quote, backslash or control character.
///
/// `visit` is given them in words of eight, the last of which has fewer, each with how many count.
#[inline(always)]
#[expect(clippy::inline_always, reason = "see `plain`")]
fn plain_len(text: &[u8], mut visit: impl FnMut(u64, usize)) -> usize {
    let mut rest = text;
    loop {
        let (word, behind) = match rest.split_first_chunk() {
            Some((word, behind)) => (u64::from_le_bytes(*word), behind),
            None => (word_at_end(rest), [].as_slice()),
        };
        let plain = plain_bytes(word);
        visit(word, plain);
        if plain < 8 {
            return text.len().wrapping_sub(rest.len()).wrapping_add(plain);
        }
        rest = behind;
    }
}

/// Fewer than eight bytes; control characters come behind them.
#[cold]
#[inline(never)]
fn word_at_end(rest: &[u8]) -> u64 {
    let bytes = rest.iter().rev();
    bytes.fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// How many of eight bytes come before the first quote, backslash or control character.
///
/// The high bit of each byte of `x - nn..nn & !x` is set where that byte of `x` is the first below `nn`; a
/// borrow disturbs only bytes behind it.
#[inline]
fn plain_bytes(word: u64) -> usize {
    let all = |byte: u8| u64::from_le_bytes([byte; 8]);
    let below = |x: u64, bound: u8| x.wrapping_sub(all(bound)) & !x;
    // With its second bit flipped a quote, 0x22, comes right behind the control characters.
    let special = below(word ^ all(2), 0x21) | below(word ^ all(b'\\'), 1);
    ((special & all(0x80)).trailing_zeros() / 8) as usize
}

// char escape: %x22 / %x5C / %x2F / %x62 / %x66 / %x6E / %x72 / %x74 / %x75 4HEXDIG
pub(super) fn escape(behind: &[u8]) -> Result<&[u8], Error> {
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
