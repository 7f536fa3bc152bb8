//! One request of HTTP/1.1 and its answer (RFC 9112), through a buffer that need not hold either whole.

mod request;

use embedded_io_async::{Error, ErrorKind, Read, Write};
use gatepost_core::introspection::FetchFailure;

use crate::errands::Asker;

pub(crate) use request::{Writer, write_get, write_request};

/// Most fields in the head of an answer: real providers send 10 to 25.
const MAX_FIELDS: usize = 48;

/// What an answer says ahead of its body.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Without parameters; a longer one is none that anybody wants.
    pub(crate) content_type: heapless::String<48>,
    /// Cut off behind what may say why a token is refused.
    pub(crate) www_authenticate: heapless::String<128>,
    /// `max-age` of `Cache-Control`, in seconds; nought for `no-cache` and `no-store`.
    pub(crate) max_age: Option<u32>,
    /// How much of the body has stayed in the buffer.
    pub(crate) length: usize,
}

impl Head {
    pub(crate) const fn new() -> Self {
        Self {
            status: 0,
            content_type: heapless::String::new(),
            www_authenticate: heapless::String::new(),
            max_age: None,
            length: 0,
        }
    }
}

/// What of a body is still to come (RFC 9112 sections 6.3 and 7.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Framing {
    Length(usize),
    /// The line with the size of a chunk.
    Chunked,
    /// So much of a chunk.
    Chunk(usize),
    ChunkEnd,
    Trailers,
    UntilClosed,
}

/// A request that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Failed {
    pub(crate) why: FetchFailure,
    /// Whether the connection was closed before anything of an answer had come.
    pub(crate) was_closed: bool,
}

/// Sends the request of `asker` and has it take the answer; tells whether the connection is over then.
///
/// # Errors
/// [`FetchFailure::Connection`] where the connection breaks or the answer is not HTTP, [`FetchFailure::Timeout`] where
/// nothing comes, [`FetchFailure::TooLarge`] where the answer does not fit.
pub(crate) async fn exchange(
    transport: &mut (impl Read + Write),
    asker: &mut Asker<'_>,
) -> Result<bool, Failed> {
    let mut answered = 0;
    let done = exchange_counting(transport, asker, &mut answered).await;
    done.map_err(|why| Failed {
        why,
        was_closed: answered == 0 && why == FetchFailure::Connection,
    })
}

async fn exchange_counting(
    transport: &mut (impl Read + Write),
    asker: &mut Asker<'_>,
    answered: &mut usize,
) -> Result<bool, FetchFailure> {
    let mut is_first = true;
    loop {
        let length = asker.window(is_first).await;
        is_first = false;
        match asker.buffer().get(..length) {
            None | Some([]) => break,
            Some(window) => transport.write_all(window).await.map_err(broken)?,
        }
    }
    transport.flush().await.map_err(broken)?;
    let mut incoming = Incoming {
        transport,
        asker,
        filled: 0,
        body: 0,
        answered,
    };
    let (framing, persists) = incoming.head().await?;
    incoming.body(framing).await?;
    let is_followed = incoming.filled > incoming.body;
    Ok(!persists || framing == Framing::UntilClosed || is_followed)
}

fn broken(error: impl Error) -> FetchFailure {
    match error.kind() {
        ErrorKind::TimedOut => FetchFailure::Timeout,
        _ => FetchFailure::Connection,
    }
}

/// An answer on its way in: the first `body` bytes of the buffer are body, and nobody has looked yet at those up to
/// `filled`.
struct Incoming<'i, 'a, T> {
    transport: &'i mut T,
    asker: &'i mut Asker<'a>,
    filled: usize,
    body: usize,
    /// How many bytes have come.
    answered: &'i mut usize,
}

impl<T: Read> Incoming<'_, '_, T> {
    fn received(&mut self) -> &[u8] {
        let (body, filled) = (self.body, self.filled);
        self.asker.buffer().get(body..filled).unwrap_or_default()
    }

    /// Reads more behind what is there; how much, which is nought at the end.
    async fn fill(&mut self) -> Result<usize, FetchFailure> {
        let room = self.asker.buffer().get_mut(self.filled..);
        let room = room.unwrap_or_default();
        if room.is_empty() {
            return Err(FetchFailure::TooLarge);
        }
        let read = self.transport.read(room).await.map_err(broken)?;
        self.filled = self.filled.saturating_add(read);
        *self.answered = self.answered.saturating_add(read);
        Ok(read)
    }

    /// Drops `used` bytes behind `from`.
    fn drop_behind(&mut self, from: usize, used: usize) {
        let filled = self.filled;
        let behind = from.saturating_add(used).min(filled);
        self.asker.buffer().copy_within(behind..filled, from);
        self.filled = filled.saturating_sub(behind.saturating_sub(from));
    }

    /// Reads the head, and leaves the beginning of the body in its place; tells how that ends, and whether the
    /// connection lasts.
    async fn head(&mut self) -> Result<(Framing, bool), FetchFailure> {
        loop {
            let filled = self.filled;
            let (head, buffer) = self.asker.head_and_buffer().ok_or(FetchFailure::NotAsked)?;
            let received = buffer.get(..filled).unwrap_or_default();
            let Some(parsed) = parse_head(received, head)? else {
                match self.fill().await? {
                    0 => return Err(FetchFailure::Connection),
                    _ => continue,
                }
            };
            let is_ahead = head.status < 200;
            self.drop_behind(0, parsed.length);
            // What comes ahead of the answer proper says nothing (RFC 9110 section 15.2).
            if !is_ahead {
                return Ok((parsed.framing, parsed.persists));
            }
        }
    }

    /// Has the body taken, part by part: whenever the buffer is full, and at its end.
    async fn body(&mut self, mut framing: Framing) -> Result<(), FetchFailure> {
        let mut is_last = false;
        loop {
            is_last |= self.advance(&mut framing)?;
            let is_full = self.filled >= self.asker.buffer().len();
            if is_last || is_full {
                let came = self.body;
                let stays = self.asker.part(came, is_last).await?;
                self.drop_behind(stays, came.saturating_sub(stays));
                self.body = stays;
            }
            if is_last {
                let stays = self.body;
                if let Some((head, _)) = self.asker.head_and_buffer() {
                    head.length = stays;
                }
                return Ok(());
            }
            is_last = self.fill().await? == 0;
            if is_last && framing != Framing::UntilClosed {
                return Err(FetchFailure::Connection);
            }
        }
    }

    /// Goes as far as it can in what has come; tells whether the body is over.
    fn advance(&mut self, framing: &mut Framing) -> Result<bool, FetchFailure> {
        loop {
            let received = self.received();
            let came = received.len();
            *framing = match *framing {
                Framing::UntilClosed => {
                    self.body = self.filled;
                    return Ok(false);
                }
                Framing::Length(left) | Framing::Chunk(left) if left > 0 => {
                    let taken = left.min(came);
                    self.body = self.body.saturating_add(taken);
                    let left = left.saturating_sub(taken);
                    *framing = match *framing {
                        Framing::Length(_) => Framing::Length(left),
                        _ => Framing::Chunk(left),
                    };
                    if left > 0 {
                        return Ok(false);
                    }
                    *framing
                }
                Framing::Length(_) => return Ok(true),
                Framing::Chunk(_) => Framing::ChunkEnd,
                Framing::ChunkEnd if came < 2 => return Ok(false),
                Framing::ChunkEnd => {
                    if !received.starts_with(b"\r\n") {
                        return Err(FetchFailure::Connection);
                    }
                    self.drop_behind(self.body, 2);
                    Framing::Chunked
                }
                Framing::Chunked => {
                    let size = httparse::parse_chunk_size(received);
                    let Ok(size) = size else {
                        return Err(FetchFailure::Connection);
                    };
                    let httparse::Status::Complete((used, size)) = size else {
                        return Ok(false);
                    };
                    self.drop_behind(self.body, used);
                    match usize::try_from(size) {
                        Ok(0) => Framing::Trailers,
                        Ok(size) => Framing::Chunk(size),
                        Err(_) => return Err(FetchFailure::TooLarge),
                    }
                }
                Framing::Trailers => {
                    let Some(end) = received.iter().position(|byte| *byte == b'\n') else {
                        return Ok(false);
                    };
                    let is_empty = matches!(received.get(..end), Some([] | [b'\r']));
                    self.drop_behind(self.body, end.saturating_add(1));
                    if is_empty {
                        return Ok(true);
                    }
                    Framing::Trailers
                }
            };
        }
    }
}

/// What of a head is for the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Parsed {
    length: usize,
    framing: Framing,
    /// Whether the connection may be used again (RFC 9112 section 9.3).
    persists: bool,
}

/// Reads the head, which may be followed by more; `None` where it is not whole yet.
fn parse_head(received: &[u8], head: &mut Head) -> Result<Option<Parsed>, FetchFailure> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let length = match response.parse(received).map_err(not_http)? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return Ok(None),
    };
    let mut persists = response.version == Some(1);
    *head = Head::new();
    head.status = response.code.unwrap_or_default();
    let mut framing = None;
    for field in response.headers.iter() {
        let value = core::str::from_utf8(field.value).unwrap_or_default();
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("content-type") {
            let media_type = value.split(';').next().unwrap_or_default().trim();
            // One that is too long is none of those that are taken.
            head.content_type = media_type.try_into().unwrap_or_else(|_| other_type());
        } else if is("www-authenticate") {
            head.www_authenticate = cut(value);
        } else if is("cache-control") && head.max_age.is_none() {
            head.max_age = max_age(value);
        } else if is("content-length") {
            let length = value.trim().parse().map_err(not_http)?;
            framing = only(framing, Framing::Length(length))?;
        } else if is("transfer-encoding") {
            if !value.trim().eq_ignore_ascii_case("chunked") {
                return Err(FetchFailure::Connection);
            }
            framing = only(framing, Framing::Chunked)?;
        } else if is("connection") {
            let mut options = value.split(',').map(str::trim);
            persists &= !options.any(|option| option.eq_ignore_ascii_case("close"));
        }
    }
    let has_no_body = matches!(head.status, 204 | 304);
    let framing = if has_no_body {
        Framing::Length(0)
    } else {
        framing.unwrap_or(Framing::UntilClosed)
    };
    Ok(Some(Parsed {
        length,
        framing,
        persists,
    }))
}

fn not_http<E>(_: E) -> FetchFailure {
    FetchFailure::Connection
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

fn cut<const N: usize>(value: &str) -> heapless::String<N> {
    let mut copy = heapless::String::new();
    for c in value.chars() {
        if copy.push(c).is_err() {
            break;
        }
    }
    copy
}

/// RFC 9111 section 5.2.2; the first that counts.
fn max_age(value: &str) -> Option<u32> {
    let mut directives = value.split(',').map(str::trim);
    directives.find_map(|directive| {
        let is = |name: &str| directive.eq_ignore_ascii_case(name);
        if is("no-store") || is("no-cache") {
            return Some(0);
        }
        let (name, seconds) = directive.split_once('=')?;
        let seconds = seconds.trim_matches('"').parse().ok();
        seconds.filter(|_| name.eq_ignore_ascii_case("max-age"))
    })
}

#[cfg(test)]
mod tests;
