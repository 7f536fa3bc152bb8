//! One request of HTTP/1.1 and its answer, in one buffer (RFC 9112). The connection is not used again.

use core::fmt::{self, Write as _};

use embedded_io_async::{Read, Write};
use gatepost_core::introspection::{FetchFailure, Method, Request};

use crate::url::Url;

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
    /// How long the body is that the buffer holds.
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

/// How the end of a body is found (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClosed,
}

/// Sends the first `length` bytes of `buffer` and puts the body of the answer in their place.
///
/// # Errors
/// [`FetchFailure::Connection`] where the connection breaks or the answer is not HTTP,
/// [`FetchFailure::TooLarge`] where it does not fit.
pub(crate) async fn exchange(
    transport: &mut (impl Read + Write),
    buffer: &mut [u8],
    length: usize,
    head: &mut Head,
) -> Result<(), FetchFailure> {
    let request = buffer.get(..length).ok_or(FetchFailure::TooLarge)?;
    transport.write_all(request).await.map_err(broken)?;
    transport.flush().await.map_err(broken)?;
    let mut incoming = Incoming {
        transport,
        buffer,
        filled: 0,
    };
    let framing = incoming.head(head).await?;
    head.length = match framing {
        Framing::Length(length) => incoming.sized(length).await?,
        Framing::Chunked => incoming.chunked().await?,
        Framing::UntilClosed => incoming.until_closed().await?,
    };
    Ok(())
}

fn broken<E>(_: E) -> FetchFailure {
    FetchFailure::Connection
}

/// An answer on its way in: the first `filled` bytes of the buffer are not used up yet.
struct Incoming<'i, T> {
    transport: &'i mut T,
    buffer: &'i mut [u8],
    filled: usize,
}

impl<T: Read> Incoming<'_, T> {
    /// Reads more behind what is there; how much, which is nought at the end.
    async fn fill(&mut self) -> Result<usize, FetchFailure> {
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        if room.is_empty() {
            return Err(FetchFailure::TooLarge);
        }
        let read = self.transport.read(room).await.map_err(broken)?;
        self.filled = self.filled.saturating_add(read);
        Ok(read)
    }

    /// Reads more, of which there has to be some.
    async fn need_more(&mut self) -> Result<(), FetchFailure> {
        match self.fill().await? {
            0 => Err(FetchFailure::Connection),
            _ => Ok(()),
        }
    }

    /// Moves what follows `used` bytes to `to`, which lies before it.
    fn close_gap(&mut self, to: usize, used: usize) {
        self.buffer.copy_within(used..self.filled, to);
        self.filled = self.filled.saturating_sub(used.saturating_sub(to));
    }

    /// Reads the head, and leaves the beginning of the body in its place.
    async fn head(&mut self, head: &mut Head) -> Result<Framing, FetchFailure> {
        loop {
            let received = self.buffer.get(..self.filled).unwrap_or_default();
            let Some((used, framing)) = parse_head(received, head)? else {
                self.need_more().await?;
                continue;
            };
            self.close_gap(0, used);
            // What comes ahead of the answer proper says nothing (RFC 9110 section 15.2).
            if head.status >= 200 {
                return Ok(framing);
            }
        }
    }

    async fn sized(&mut self, length: usize) -> Result<usize, FetchFailure> {
        if length > self.buffer.len() {
            return Err(FetchFailure::TooLarge);
        }
        while self.filled < length {
            self.need_more().await?;
        }
        Ok(length)
    }

    async fn until_closed(&mut self) -> Result<usize, FetchFailure> {
        while self.fill().await? > 0 {}
        Ok(self.filled)
    }

    /// Puts the chunks together at the front of the buffer (RFC 9112 section 7.1); trailers are left unread.
    async fn chunked(&mut self) -> Result<usize, FetchFailure> {
        let mut body = 0_usize;
        loop {
            let size = self.chunk_size(body).await?;
            if size == 0 {
                return Ok(body);
            }
            let end = body.saturating_add(size);
            if end.saturating_add(2) > self.buffer.len() {
                return Err(FetchFailure::TooLarge);
            }
            while self.filled < end.saturating_add(2) {
                self.need_more().await?;
            }
            if self.buffer.get(end..end.saturating_add(2)) != Some(b"\r\n") {
                return Err(FetchFailure::Connection);
            }
            self.close_gap(end, end.saturating_add(2));
            body = end;
        }
    }

    /// Takes the line with the size of the chunk that begins at `at`.
    async fn chunk_size(&mut self, at: usize) -> Result<usize, FetchFailure> {
        loop {
            let received = self.buffer.get(at..self.filled).unwrap_or_default();
            match httparse::parse_chunk_size(received) {
                Ok(httparse::Status::Complete((used, size))) => {
                    self.close_gap(at, at.saturating_add(used));
                    return usize::try_from(size).map_err(|_| FetchFailure::TooLarge);
                }
                Ok(httparse::Status::Partial) => self.need_more().await?,
                Err(_) => return Err(FetchFailure::Connection),
            }
        }
    }
}

/// How long the head is, what it says, and how the body ends; `None` where it is not whole yet.
fn parse_head(received: &[u8], head: &mut Head) -> Result<Option<(usize, Framing)>, FetchFailure> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let used = match response.parse(received).map_err(broken)? {
        httparse::Status::Complete(used) => used,
        httparse::Status::Partial => return Ok(None),
    };
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
            let length = value.trim().parse().map_err(broken)?;
            framing = only(framing, Framing::Length(length))?;
        } else if is("transfer-encoding") {
            if !value.trim().eq_ignore_ascii_case("chunked") {
                return Err(FetchFailure::Connection);
            }
            framing = only(framing, Framing::Chunked)?;
        }
    }
    let has_no_body = matches!(head.status, 204 | 304);
    let framing = if has_no_body {
        Framing::Length(0)
    } else {
        framing.unwrap_or(Framing::UntilClosed)
    };
    Ok(Some((used, framing)))
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

/// Writes text into a buffer, and counts it.
pub(crate) struct Writer<'w> {
    buffer: &'w mut [u8],
    length: usize,
}

impl<'w> Writer<'w> {
    pub(crate) fn new(buffer: &'w mut [u8]) -> Self {
        Self { buffer, length: 0 }
    }

    pub(crate) fn length(&self) -> usize {
        self.length
    }
}

impl fmt::Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length.saturating_add(text.len());
        let room = self.buffer.get_mut(self.length..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// Counts what is written, and keeps nothing of it.
struct Count(usize);

impl fmt::Write for Count {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.saturating_add(text.len());
        Ok(())
    }
}

/// Writes a request for something public.
///
/// # Errors
/// Where `out` has no room.
pub(crate) fn write_get(out: &mut Writer<'_>, url: &Url<'_>) -> fmt::Result {
    write!(out, "GET {} HTTP/1.1\r\n", url.path)?;
    write_fields(out, url.authority, "application/json")?;
    out.write_str("\r\n")
}

/// Writes a request about a token to `url`, which is at least the beginning of the request's own.
///
/// # Errors
/// Where `out` has no room.
pub(crate) fn write_request(
    out: &mut Writer<'_>,
    url: &Url<'_>,
    request: &Request<'_>,
) -> fmt::Result {
    let method = match request.method() {
        Method::Get => "GET ",
        Method::Post => "POST ",
    };
    out.write_str(method)?;
    let mut target = Behind {
        skipped: url.origin_length,
        out,
    };
    request.write_url(&mut target)?;
    out.write_str(" HTTP/1.1\r\n")?;
    write_fields(out, url.authority, request.accept())?;
    let before = out.length();
    out.write_str("Authorization: ")?;
    let named = out.length();
    request.write_authorization(out)?;
    if out.length() == named {
        out.length = before;
    } else {
        out.write_str("\r\n")?;
    }
    if request.method() == Method::Post {
        let mut form = Count(0);
        request.write_form(&mut form)?;
        let (kind, length) = ("application/x-www-form-urlencoded", form.0);
        write!(out, "Content-Type: {kind}\r\nContent-Length: {length}\r\n")?;
    }
    out.write_str("\r\n")?;
    request.write_form(out)
}

fn write_fields(out: &mut Writer<'_>, authority: &str, accept: &str) -> fmt::Result {
    let agent = concat!("gatepost/", env!("CARGO_PKG_VERSION"));
    write!(out, "Host: {authority}\r\nUser-Agent: {agent}\r\n")?;
    write!(out, "Accept: {accept}\r\nConnection: close\r\n")
}

/// Writes what is written into it, but for the first bytes.
struct Behind<'o, 'w> {
    skipped: usize,
    out: &'o mut Writer<'w>,
}

impl fmt::Write for Behind<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let skipped = self.skipped.min(text.len());
        self.skipped = self.skipped.saturating_sub(skipped);
        self.out.write_str(text.get(skipped..).ok_or(fmt::Error)?)
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use embassy_futures::block_on;
    use std::{format, string::String, vec, vec::Vec};

    /// A provider that answers in pieces of so many bytes, and then closes.
    struct Wire {
        answer: Vec<u8>,
        piece: usize,
        sent: Vec<u8>,
    }

    impl embedded_io_async::ErrorType for Wire {
        type Error = core::convert::Infallible;
    }

    impl Read for Wire {
        async fn read(&mut self, room: &mut [u8]) -> Result<usize, Self::Error> {
            let length = self.piece.min(room.len()).min(self.answer.len());
            room[..length].copy_from_slice(&self.answer[..length]);
            self.answer.drain(..length);
            Ok(length)
        }
    }

    impl Write for Wire {
        async fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
            self.sent.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        async fn flush(&mut self) -> Result<(), Self::Error> {
            Ok(())
        }
    }

    /// What comes of `answer`, whole and in pieces of every size up to 9.
    #[track_caller]
    fn check(answer: &str, room: usize, expected: Result<(u16, &str), FetchFailure>) {
        let expected = expected.map(|(status, body)| (status, String::from(body)));
        for piece in (1..10).chain([10_000]) {
            let mut wire = Wire {
                answer: answer.as_bytes().to_vec(),
                piece,
                sent: Vec::new(),
            };
            let mut buffer = vec![b'?'; room];
            let mut head = Head::new();
            let outcome = block_on(exchange(&mut wire, &mut buffer, 3, &mut head));
            let outcome = outcome.map(|()| {
                let body = String::from_utf8(buffer[..head.length].to_vec());
                (head.status, body.unwrap_or_default())
            });
            assert_eq!(outcome, expected, "pieces of {piece}: {answer}");
            assert_eq!(wire.sent, b"???");
        }
    }

    #[test]
    fn a_body_ends_where_its_head_says() {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
        let sized = format!("{head}Content-Length: 2\r\n\r\n{{}} and more");
        check(&sized, 128, Ok((200, "{}")));
        check(&format!("{head}\r\n{{}}"), 128, Ok((200, "{}")));
        check("HTTP/1.1 204 \r\n\r\nbody", 128, Ok((204, "")));
        // Canaille leaves the reason phrase out.
        check(
            "HTTP/1.1 401\r\ncontent-length: 0\r\n\r\n",
            128,
            Ok((401, "")),
        );
    }

    #[test]
    fn chunks_are_put_together() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
            3;x=y\r\n{\"a\r\nA\r\n\":\"bcdefg\"\r\n1\r\n}\r\n0\r\nX: y\r\n\r\n";
        check(chunked, 128, Ok((200, "{\"a\":\"bcdefg\"}")));
        for broken in [
            "x\r\n",
            "2\r\n{}}\r\n",
            "-1\r\n",
            "2\r\n{",
            "fffffffffffffffff\r\n",
        ] {
            let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{broken}");
            check(&answer, 128, Err(FetchFailure::Connection));
        }
    }

    #[test]
    fn what_comes_ahead_of_the_answer_is_passed_over() {
        let answer = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}";
        check(answer, 128, Ok((200, "{}")));
    }

    #[test]
    fn half_an_answer_is_none() {
        for answer in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
            "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        ] {
            check(answer, 128, Err(FetchFailure::Connection));
        }
    }

    #[test]
    fn an_answer_that_could_be_read_in_two_ways_is_none() {
        for fields in [
            "Content-Length: 2\r\nContent-Length: 3\r\n",
            "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Content-Length: -2\r\n",
            "Content-Length: 2, 2\r\n",
        ] {
            let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\n{{}}");
            check(&answer, 128, Err(FetchFailure::Connection));
        }
        let twice = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}";
        check(twice, 128, Ok((200, "{}")));
    }

    #[test]
    fn what_does_not_fit_is_too_large() {
        let large = Err(FetchFailure::TooLarge);
        check("HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n{}", 64, large);
        let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(65));
        check(&endless, 64, large);
        check(
            &format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(65)),
            64,
            large,
        );
        let chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\nxx";
        check(chunk, 64, large);
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n0123456789012345678901234567890123456789",
            64,
            Ok((200, "0123456789012345678901234567890123456789")),
        );
    }

    #[test]
    fn a_head_says_what_is_asked_of_it() {
        let answer = b"HTTP/1.1 403 Forbidden\r\nContent-Type: Application/JSON; charset=utf-8\r\n\
            WWW-Authenticate: Bearer error=\"insufficient_scope\"\r\n\
            Cache-Control: public, max-age=\"300\"\r\nCache-Control: max-age=5\r\n\r\n";
        let mut head = Head::new();
        let (used, framing) = parse_head(answer, &mut head).unwrap().unwrap();
        assert_eq!((used, framing), (answer.len(), Framing::UntilClosed));
        assert_eq!(
            (head.status, &*head.content_type),
            (403, "Application/JSON")
        );
        assert!(head.www_authenticate.contains("insufficient_scope"));
        assert_eq!(head.max_age, Some(300));
        assert_eq!(max_age("no-store, max-age=5"), Some(0));
        assert_eq!(max_age("private"), None);
    }

    #[test]
    fn what_is_public_is_asked_for_without_ceremony() {
        let mut buffer = [0; 256];
        let mut out = Writer::new(&mut buffer);
        let url = Url::parse("http://id.example:81/keys?a").unwrap();
        assert_eq!(write_get(&mut out, &url), Ok(()));
        let length = out.length();
        let text = core::str::from_utf8(&buffer[..length]).unwrap();
        let start = "GET /keys?a HTTP/1.1\r\nHost: id.example:81\r\nUser-Agent: gatepost/";
        assert!(text.starts_with(start), "{text}");
        assert!(text.ends_with("\r\nConnection: close\r\n\r\n"), "{text}");
        let mut small = [0; 64];
        assert!(write_get(&mut Writer::new(&mut small), &url).is_err());
    }
}
