//! Dovecot's dict protocol, the server's side, as far as local validation of tokens asks for keys.
//!
//! ```text
//! H4 TAB 0 TAB 0 TAB TAB name            the client's version, before anything else; it is not greeted
//! Lshared/<azp>/<ALG>/<kid> TAB user     one look-up
//! O<value>  |  N  |  F<error>            its answer: found, not found, not possible
//! ```
//!
//! Majors 3 (Dovecot 2.3) and 4 (2.4) say this alike. Dovecot waits for an answer while it judges nobody else,
//! so that whoever drives this answers from memory. A name that no key can have is not found, as a token may
//! have made it up; what is not a look-up fails.

#[cfg(test)]
mod tests;

use gatepost_core::crypto::Algorithm;

use crate::line::{escape, unescape};

/// Longest line that can name a key, in bytes: `kid` has 256 at most, `azp` hardly more, and both may be
/// escaped to three times their length.
pub const MAX_LINE: usize = 4096;

/// Longest line of which the rest is passed over, in bytes: Dovecot's own bound. What comes from a token may be
/// as long as the token, and must not end the connection on which other look-ups wait.
const MAX_PASSED_OVER: usize = 64 << 10;

/// What local validation asks for where a token names no client or no key.
pub const DEFAULT: &str = "default";

/// One connection of a Dovecot.
#[derive(Debug, Default)]
pub struct Connection {
    line: Vec<u8>,
    /// How much of the line has come, kept or not.
    length: usize,
    is_greeted: bool,
}

/// What has come.
#[derive(Debug, Eq, PartialEq)]
pub enum Event {
    /// Nothing that is whole yet.
    Incomplete,
    /// A line that wants no answer.
    Silent,
    /// A look-up of a key.
    Lookup(KeyName),
    /// A line that this answers.
    Answered(Answer<'static>),
    /// The other side does not speak this protocol: close.
    Close(Error),
}

/// What a key is looked up by. All of it comes from a token that nobody has verified.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyName {
    /// The client that the token was minted for, or [`DEFAULT`].
    pub azp: String,
    /// The algorithm that it says it is signed with.
    pub algorithm: Algorithm,
    /// The key's identifier, or [`DEFAULT`].
    pub kid: String,
}

/// The answer to one line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer<'a> {
    /// The value.
    Found(&'a str),
    /// There is none.
    NotFound,
    /// That is not possible here, in words for Dovecot's log.
    Failed(&'a str),
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first line is no `H`, or of a version that is not spoken.
    #[error("the client speaks no dict protocol of version 3 or 4")]
    Version,
    /// A line is longer than any client's.
    #[error("a line is longer than {MAX_PASSED_OVER} bytes")]
    LineTooLong,
    /// A line with a command that no version has.
    #[error("the client sent a command that no dict protocol has")]
    Command,
}

impl Connection {
    /// A connection on which nothing has come.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a line has begun and not ended.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.length > 0
    }

    /// Takes `bytes` up to the end of one line; gives how many, and what has come.
    pub fn receive(&mut self, bytes: &[u8]) -> (usize, Event) {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let piece = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        let room = MAX_LINE.saturating_sub(self.line.len());
        self.line.extend(piece.iter().take(room));
        self.length = self.length.saturating_add(piece.len());
        if self.length > MAX_PASSED_OVER {
            return (piece.len(), Event::Close(Error::LineTooLong));
        }
        if end.is_none() {
            return (piece.len(), Event::Incomplete);
        }
        let is_whole = self.length == self.line.len();
        let line = std::mem::take(&mut self.line);
        self.length = 0;
        (piece.len() + 1, self.line(&line, is_whole))
    }

    fn line(&mut self, line: &[u8], is_whole: bool) -> Event {
        let (command, rest) = line.split_first().unwrap_or((&0, b""));
        match (self.is_greeted, command) {
            (false, b'H') if is_spoken(rest) => {
                self.is_greeted = true;
                Event::Silent
            }
            (false, _) => Event::Close(Error::Version),
            // A name of that length is no key's, whoever has made it up.
            (true, b'L') if !is_whole => Event::Answered(Answer::NotFound),
            (true, b'L') => match KeyName::parse(rest) {
                Some(name) => Event::Lookup(name),
                None => Event::Answered(Answer::NotFound),
            },
            // Iteration, and the commits of transactions.
            (true, b'I' | b'C' | b'D') => {
                Event::Answered(Answer::Failed("only look-ups are served"))
            }
            // Parts of a transaction: they get no answer.
            (true, b'B' | b'S' | b'U' | b'A' | b'T' | b'R' | b'V') => Event::Silent,
            (true, _) => Event::Close(Error::Command),
        }
    }
}

/// Whether `H<major> TAB <minor> TAB <type of values> ..` is a version that is spoken, with strings for values.
fn is_spoken(greeting: &[u8]) -> bool {
    let mut fields = greeting.split(|byte| *byte == b'\t');
    let major = fields.next();
    let value_type = fields.nth(1);
    matches!(major, Some(b"3" | b"4")) && value_type == Some(b"0")
}

impl KeyName {
    // key = "shared/" azp "/" ALG "/" kid
    fn parse(lookup: &[u8]) -> Option<Self> {
        let key = lookup.split(|byte| *byte == b'\t').next()?;
        let key = unescape(key)?;
        let mut parts = key.strip_prefix("shared/")?.split('/');
        let (azp, algorithm, kid) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        Some(Self {
            azp: unescape_part(azp)?,
            algorithm: Algorithm::from_name(algorithm)?,
            kid: unescape_part(kid)?,
        })
    }
}

/// A part of a key's name: Dovecot writes `/` as `%2f`, `%` as `%25`, and newer versions `.` as `%2e`.
fn unescape_part(part: &str) -> Option<String> {
    let mut pieces = part.split('%');
    let mut plain = pieces.next()?.to_owned();
    for piece in pieces {
        let (code, rest) = piece.split_at_checked(2)?;
        plain.push(match code {
            "2f" | "2F" => '/',
            "25" => '%',
            "2e" | "2E" => '.',
            _ => return None,
        });
        plain += rest;
    }
    Some(plain).filter(|plain| !plain.is_empty())
}

impl Answer<'_> {
    /// Adds the line to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let (kind, value) = match self {
            Self::Found(value) => (b'O', *value),
            Self::NotFound => (b'N', ""),
            Self::Failed(why) => (b'F', *why),
        };
        out.push(kind);
        out.extend(escape(value));
        out.push(b'\n');
    }
}
