//! The head of an answer, line by line (RFC 9112).

use core::time::Duration;

use gatepost_core::UnixTime;
use gatepost_core::introspection::FetchFailure;
use gatepost_core::provider::{http_date, max_age, retry_after};

/// What an answer says ahead of its body.
#[derive(Debug, Default)]
pub struct AnswerHead {
    /// The status code (RFC 9110 section 15).
    pub status: u16,
    /// Without parameters; a longer one is none that anybody wants.
    pub content_type: heapless::String<48>,
    /// Cut off behind what may say why a token is refused.
    pub www_authenticate: heapless::String<128>,
    /// `max-age` of `Cache-Control`, in seconds; nought for `no-cache` and `no-store`.
    pub max_age: Option<u32>,
    /// When it was given, by the clock of whoever gave it.
    date: Option<UnixTime>,
    /// Whether it comes out of a cache, where it may have lain since (RFC 9111 section 5.1).
    is_cached: bool,
    /// When whoever gave it wants to be asked again, in its own words; cut off behind a date.
    retry_after: heapless::String<32>,
    /// How much of the body has stayed in the buffer.
    pub length: usize,
}

impl AnswerHead {
    /// Nothing has been said yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            status: 0,
            content_type: heapless::String::new(),
            www_authenticate: heapless::String::new(),
            max_age: None,
            date: None,
            is_cached: false,
            retry_after: heapless::String::new(),
            length: 0,
        }
    }

    /// What time it is, by the clock of whoever gave it.
    pub(crate) fn time(&self) -> Option<UnixTime> {
        self.date.filter(|_| !self.is_cached)
    }

    /// How long whoever gave it wants not to be asked (RFC 9110 section 10.2.3).
    pub(crate) fn pause(&self) -> Option<Duration> {
        retry_after(&self.retry_after, self.date)
    }
}

/// What of a body is still to come (RFC 9112 sections 6.3 and 7.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Framing {
    Length(usize),
    /// The line with the size of a chunk.
    Chunked,
    /// So much of a chunk.
    Chunk(usize),
    ChunkEnd,
    Trailers,
    UntilClosed,
}

/// What of a head is for the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Fields {
    framing: Option<Framing>,
    /// Whether the connection may be used again (RFC 9112 section 9.3).
    pub(super) persists: bool,
}

impl Fields {
    // status-line = HTTP-version SP status-code SP [ reason-phrase ]
    /// Begins a head, whose reason phrase may be missing with its space.
    pub(super) fn of_status_line(line: &[u8], head: &mut AnswerHead) -> Result<Self, FetchFailure> {
        let [version, b' ', a, b, c, reason @ ..] =
            line.strip_prefix(b"HTTP/1.").unwrap_or_default()
        else {
            return Err(FetchFailure::Connection);
        };
        let status = [a, b, c];
        if !matches!(reason, [] | [b' ', ..]) {
            return Err(FetchFailure::Connection);
        }
        if !version.is_ascii_digit() || !status.iter().all(|digit| digit.is_ascii_digit()) {
            return Err(FetchFailure::Connection);
        }
        *head = AnswerHead::new();
        head.status = status.iter().fold(0, |status, digit| {
            let digit = u16::from(digit.wrapping_sub(b'0'));
            digit.saturating_add(status * 10)
        });
        Ok(Self {
            framing: None,
            persists: *version != b'0',
        })
    }

    // field-line = field-name ":" OWS field-value OWS
    /// Takes a field; what is not whole is only the beginning of its line.
    pub(super) fn take(
        &mut self,
        line: &[u8],
        is_whole: bool,
        head: &mut AnswerHead,
    ) -> Result<(), FetchFailure> {
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = colon
            .and_then(|colon| line.split_at_checked(colon))
            .ok_or(FetchFailure::Connection)?;
        let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
        if name.is_empty() || !name.iter().copied().all(is_token) || value.iter().any(is_control) {
            return Err(FetchFailure::Connection);
        }
        let value = core::str::from_utf8(value).unwrap_or_default();
        let value = value.strip_prefix(':').unwrap_or_default().trim();
        // As long as the longest of these.
        let mut lower = [0; 17];
        let Some(lower) = lower.get_mut(..name.len()) else {
            return Ok(());
        };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        match &*lower {
            b"www-authenticate" => head.www_authenticate = cut(value),
            b"content-type" => {
                let media_type = value.split(';').next().unwrap_or_default().trim();
                // One that is too long is none of those that are taken.
                head.content_type = media_type.try_into().unwrap_or_else(|_| other_type());
            }
            b"cache-control" if head.max_age.is_none() && is_whole => {
                head.max_age = max_age(value);
            }
            b"date" if is_whole => head.date = http_date(value),
            b"age" => head.is_cached = true,
            b"retry-after" => head.retry_after = cut(value),
            b"content-length" => {
                let length = number(value, 10).filter(|_| is_whole);
                let length = length.ok_or(FetchFailure::Connection)?;
                self.framing = only(self.framing, Framing::Length(length))?;
            }
            b"transfer-encoding" => {
                if !value.eq_ignore_ascii_case("chunked") {
                    return Err(FetchFailure::Connection);
                }
                self.framing = only(self.framing, Framing::Chunked)?;
            }
            b"connection" => {
                let mut options = value.split(',').map(str::trim);
                let closes = options.any(|option| option.eq_ignore_ascii_case("close"));
                self.persists &= is_whole && !closes;
            }
            _ => {}
        }
        Ok(())
    }

    /// How the body of an answer with this status ends.
    pub(super) fn framing(&mut self, status: u16) -> Framing {
        if matches!(status, 204 | 304) {
            let none = Framing::Length(0);
            // A server that announces a body may send it.
            self.persists &= self.framing.is_none_or(|announced| announced == none);
            return none;
        }
        self.framing.unwrap_or(Framing::UntilClosed)
    }
}

// tchar (RFC 9110 section 5.6.2)
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A line without its end.
pub(super) fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

// chunk-size [ chunk-ext ] (RFC 9112 section 7.1)
/// Reads the line ahead of a chunk.
pub(super) fn chunk_size(line: &[u8]) -> Result<usize, FetchFailure> {
    let line = core::str::from_utf8(trimmed(line)).unwrap_or_default();
    let size = line.split(';').next().unwrap_or_default().trim();
    number(size, 16).ok_or(FetchFailure::Connection)
}

/// Reads digits and nothing else.
#[inline(never)]
pub(crate) fn number(digits: &str, radix: u32) -> Option<usize> {
    let base = usize::try_from(radix).ok()?;
    let number = digits.chars().try_fold(0_usize, |number, digit| {
        let digit = usize::try_from(digit.to_digit(radix)?).ok()?;
        number.checked_mul(base)?.checked_add(digit)
    });
    number.filter(|_| !digits.is_empty())
}

/// Two answers in one are what nobody can tell apart (RFC 9112 section 11.2).
fn only(before: Option<Framing>, now: Framing) -> Result<Option<Framing>, FetchFailure> {
    match before {
        Some(before) if before != now => Err(FetchFailure::Connection),
        _ => Ok(Some(now)),
    }
}

fn other_type() -> heapless::String<48> {
    let mut other = heapless::String::new();
    // It has room.
    let _ = other.push_str("application/octet-stream");
    other
}

/// As much of `value` as fits.
fn cut<const N: usize>(value: &str) -> heapless::String<N> {
    let start = value.get(..value.floor_char_boundary(N));
    start.unwrap_or_default().try_into().unwrap_or_default()
}
