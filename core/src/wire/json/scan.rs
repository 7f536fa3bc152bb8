//! The grammar of RFC 8259, walked once from left to right.

use super::{Array, Error, MAX_DEPTH, Number, Object, Text, Value};

// ws = *( %x20 / %x09 / %x0A / %x0D )
pub(super) fn skip_space(text: &str) -> &str {
    match text.as_bytes().first() {
        Some(b' ' | b'\t' | b'\n' | b'\r') => text.trim_start_matches([' ', '\t', '\n', '\r']),
        _ => text,
    }
}

/// What follows the ASCII character `mark`, if `text` begins with it.
pub(super) fn after(text: &str, mark: u8) -> Option<&str> {
    // Looking for a `char` costs ten times as much on a small processor.
    match text.as_bytes().first() {
        Some(first) if *first == mark => text.get(1..),
        _ => None,
    }
}

/// The value at the front of `text`, which lies `depth` containers deep, and what follows it.
pub(super) fn value(text: &str, depth: u8) -> Result<(Value<'_>, &str), Error> {
    match text.as_bytes().first().ok_or(Error::Syntax)? {
        b'"' => self::text(text).map(|(string, rest)| (Value::String(string), rest)),
        b'{' | b'[' => container(text, depth),
        _ => scalar(text),
    }
}

fn scalar(text: &str) -> Result<(Value<'_>, &str), Error> {
    for (word, value) in [
        ("true", Value::Bool(true)),
        ("false", Value::Bool(false)),
        ("null", Value::Null),
    ] {
        if let Some(rest) = text.strip_prefix(word) {
            return Ok((value, rest));
        }
    }
    let (number, rest) = split(text, number_len(text.as_bytes()).ok_or(Error::Syntax)?)?;
    Ok((Value::Number(Number::new(number)), rest))
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

/// The string at the front of `text`, and what follows its closing quote.
pub(super) fn text(text: &str) -> Result<(Text<'_>, &str), Error> {
    let inside = after(text, b'"').ok_or(Error::Syntax)?;
    let (len, escaped) = string_len(inside.as_bytes())?;
    let (raw, rest) = split(inside, len)?;
    Ok((
        Text::new(raw, escaped),
        after(rest, b'"').ok_or(Error::Syntax)?,
    ))
}

/// Length up to the closing quote, and whether a backslash was seen.
fn string_len(inside: &[u8]) -> Result<(usize, bool), Error> {
    let mut rest = inside;
    let mut escaped = false;
    loop {
        rest = skip_plain(rest);
        match rest {
            [b'"', ..] => return Ok((inside.len().saturating_sub(rest.len()), escaped)),
            [b'\\', behind @ ..] => {
                escaped = true;
                rest = escape(behind)?;
            }
            _ => return Err(Error::Syntax),
        }
    }
}

/// What starts with a quote, a backslash or a control character, or nothing.
fn skip_plain(mut text: &[u8]) -> &[u8] {
    while let Some((word, behind)) = text.split_first_chunk::<8>() {
        let plain = plain_bytes(u64::from_le_bytes(*word));
        if plain < 8 {
            return text.get(plain..).unwrap_or_default();
        }
        text = behind;
    }
    let count = text
        .iter()
        .take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20))
        .count();
    text.get(count..).unwrap_or_default()
}

/// How many of eight bytes come before the first quote, backslash or control character.
///
/// The high bit of each byte of `x - 01..01 & !x` is set where that byte of `x` is the first that is zero;
/// a borrow disturbs only bytes behind it. Adding works likewise for "below a space".
fn plain_bytes(word: u64) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let zero = |x: u64| x.wrapping_sub(ONES) & !x;
    let quote = zero(word ^ u64::from_le_bytes([b'"'; 8]));
    let backslash = zero(word ^ u64::from_le_bytes([b'\\'; 8]));
    let control = word.wrapping_sub(u64::from_le_bytes([0x20; 8])) & !word;
    let special = (quote | backslash | control) & HIGH;
    (special.trailing_zeros() / 8) as usize
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

/// Checks a whole object or array without recursion: one bit a level says which of both it is.
fn container(text: &str, outer: u8) -> Result<(Value<'_>, &str), Error> {
    let mut open = Nesting {
        objects: 0,
        depth: outer,
    };
    let inside = text.get(1..).ok_or(Error::Syntax)?;
    let is_object = text.starts_with('{');
    let mut expect = open.enter(is_object)?;
    let mut rest = inside;
    while open.depth > outer {
        (expect, rest) = open.advance(expect, skip_space(rest))?;
    }
    let depth = outer.saturating_add(1);
    let value = if is_object {
        Value::Object(Object { inside, depth })
    } else {
        Value::Array(Array { inside, depth })
    };
    Ok((value, rest))
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

    fn advance<'j>(&mut self, expect: Expect, text: &'j str) -> Result<(Expect, &'j str), Error> {
        let (first, behind) = split(text, 1)?;
        match (expect, first) {
            (Expect::NameOrEnd | Expect::Name, "\"") => {
                let (_, rest) = self::text(text)?;
                Ok((
                    Expect::Value,
                    after(skip_space(rest), b':').ok_or(Error::Syntax)?,
                ))
            }
            (Expect::NameOrEnd, "}") | (Expect::ValueOrEnd, "]") => Ok((self.leave(), behind)),
            (Expect::Value | Expect::ValueOrEnd, "{" | "[") => {
                Ok((self.enter(first == "{")?, behind))
            }
            (Expect::Value | Expect::ValueOrEnd, "\"") => {
                self::text(text).map(|(_, rest)| (Expect::CommaOrEnd, rest))
            }
            (Expect::Value | Expect::ValueOrEnd, _) => {
                scalar(text).map(|(_, rest)| (Expect::CommaOrEnd, rest))
            }
            (Expect::CommaOrEnd, ",") => Ok((
                if self.in_object() {
                    Expect::Name
                } else {
                    Expect::Value
                },
                behind,
            )),
            (Expect::CommaOrEnd, "}") if self.in_object() => Ok((self.leave(), behind)),
            (Expect::CommaOrEnd, "]") if !self.in_object() => Ok((self.leave(), behind)),
            _ => Err(Error::Syntax),
        }
    }
}

fn split(text: &str, at: usize) -> Result<(&str, &str), Error> {
    text.split_at_checked(at).ok_or(Error::Syntax)
}
