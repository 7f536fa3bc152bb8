use super::head::{Fields, trimmed};
use super::*;
use crate::errands::{Buffer, Errands, Part, Take, whole};
use crate::settings::OnlineSettings;
use crate::testing::still;
use crate::url::Url;

use core::fmt::{self, Write as _};
use embassy_futures::{block_on, join::join};
use gatepost_core::UnixTime;
use gatepost_core::jose::{Jwk, JwkSet, JwkSetReader, KeyBuffer, KeyError};
use gatepost_core::provider::{Metadata, MetadataReader};
use std::{boxed::Box, format, string::String, string::ToString as _, vec::Vec};

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

fn errands<const ROOM: usize>() -> &'static Errands {
    let buffer: &'static Buffer<[u8; ROOM]> = Box::leak(Box::new(Buffer::new()));
    Box::leak(Box::new(Errands::new(buffer)))
}

/// Where the requests go.
fn online() -> OnlineSettings {
    OnlineSettings {
        discovery: false,
        key_set_url: None,
        endpoints: crate::testing::endpoints(),
        connect_to: None,
        allow_http: true,
        trust: 0,
    }
}

/// What comes of a request and its answer: status and body, and whether the connection is over.
fn ask(
    errands: &'static Errands,
    wire: &mut Wire,
    write: &dyn Fn(&mut Writer<'_>) -> fmt::Result,
    take: Take<'_>,
) -> Result<(u16, String, bool), Failed> {
    let _still = still();
    let online = online();
    let speaks = async {
        let mut asker = errands.next().await;
        let outcome = exchange(wire, &mut asker).await;
        asker.end(outcome.map(drop).map_err(|failed| failed.why));
        outcome
    };
    let url = Url::parse("http://id.example/").unwrap();
    let asks = errands.ask((&url, &online), write, take);
    let (incoming, outcome) = block_on(join(asks, speaks));
    let is_over = outcome?;
    let incoming = incoming.unwrap();
    let body = String::from_utf8(incoming.body().to_vec()).unwrap_or_default();
    Ok((incoming.head().status, body, is_over))
}

fn wire(answer: &str, piece: usize) -> Wire {
    Wire {
        answer: answer.as_bytes().to_vec(),
        piece,
        sent: Vec::new(),
    }
}

/// What comes of `answer`, whole and in pieces of every size up to 9.
#[track_caller]
fn check<const ROOM: usize>(answer: &str, expected: Result<(u16, &str), FetchFailure>) {
    let expected = expected.map(|(status, body)| (status, String::from(body)));
    let errands = errands::<ROOM>();
    for piece in (1..10).chain([10_000]) {
        let mut wire = wire(answer, piece);
        let outcome = ask(errands, &mut wire, &|out| out.write_str("???"), &mut whole);
        let outcome = outcome
            .map(|(status, body, _)| (status, body))
            .map_err(|failed| failed.why);
        assert_eq!(outcome, expected, "pieces of {piece}: {answer}");
        assert_eq!(wire.sent, b"???");
    }
}

#[test]
fn a_body_ends_where_its_head_says() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let sized = format!("{head}Content-Length: 2\r\n\r\n{{}} and more");
    check::<128>(&sized, Ok((200, "{}")));
    check::<128>(&format!("{head}\r\n{{}}"), Ok((200, "{}")));
    check::<128>("HTTP/1.1 204 \r\n\r\nbody", Ok((204, "")));
    // Canaille leaves the reason phrase out.
    check::<128>("HTTP/1.1 401\r\ncontent-length: 0\r\n\r\n", Ok((401, "")));
}

#[test]
fn chunks_are_put_together() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        3;x=y\r\n{\"a\r\nA\r\n\":\"bcdefg\"\r\n1\r\n}\r\n0\r\nX: y\r\n\r\n";
    check::<128>(chunked, Ok((200, "{\"a\":\"bcdefg\"}")));
    for broken in [
        "x\r\n",
        "2\r\n{}}\r\n",
        "-1\r\n",
        "2\r\n{",
        "fffffffffffffffff\r\n",
        // To others its extension goes on.
        "2;x\n{}\r\n0\r\n\r\n",
        "2\r\n{}\n0\r\n\r\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{broken}");
        check::<128>(&answer, Err(FetchFailure::Connection));
    }
}

#[test]
fn what_comes_ahead_of_the_answer_is_passed_over() {
    let answer = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}";
    check::<128>(answer, Ok((200, "{}")));
}

#[test]
fn half_an_answer_is_none() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
    ] {
        check::<128>(answer, Err(FetchFailure::Connection));
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
        check::<128>(&answer, Err(FetchFailure::Connection));
    }
    let twice = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}";
    check::<128>(twice, Ok((200, "{}")));
}

#[test]
fn what_does_not_fit_is_too_large() {
    let large = Err(FetchFailure::TooLarge);
    let body = "x".repeat(65);
    let sized = format!("HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n{body}");
    check::<64>(&sized, large);
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(65));
    check::<64>(&endless, large);
    let chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n";
    check::<64>(&format!("{chunk}{body}"), large);
    check::<64>(
        "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n0123456789012345678901234567890123456789",
        Ok((200, "0123456789012345678901234567890123456789")),
    );
}

#[test]
fn a_head_says_what_is_asked_of_it() {
    let answer = "HTTP/1.1 403 Forbidden\r\nContent-Type: Application/JSON; charset=utf-8\r\n\
        WWW-Authenticate: Bearer error=\"insufficient_scope\"\r\n\
        Cache-Control: public, max-age=\"300\"\r\nCache-Control: max-age=5\r\n\r\n";
    let outcome = ask_for_head(answer);
    let head = outcome.unwrap();
    assert_eq!(
        (head.status, &*head.content_type),
        (403, "Application/JSON")
    );
    assert!(head.www_authenticate.contains("insufficient_scope"));
    assert_eq!(head.max_age, Some(300));
    for (directives, expected) in [("no-store, max-age=5", Some(0)), ("private", None)] {
        let answer = format!("HTTP/1.1 200 OK\r\nCache-Control: {directives}\r\n\r\n");
        assert_eq!(ask_for_head(&answer).unwrap().max_age, expected);
    }
}

#[test]
fn a_head_says_what_time_it_is_and_when_to_come_again() {
    const DATE: &str = "Date: Mon, 30 Nov 2026 04:51:16 GMT\r\n";
    let head = |fields: &str| {
        let answer = format!("HTTP/1.1 503 Wait\r\n{fields}\r\n");
        ask_for_head(&answer).unwrap()
    };
    let time = |fields: &str| head(fields).time().map(UnixTime::seconds);
    assert_eq!(time(DATE), Some(1_796_014_276));
    assert_eq!(time(""), None);
    assert_eq!(time("Date: now\r\n"), None);
    // It may have lain in a cache since.
    assert_eq!(time(&format!("Age: 0\r\n{DATE}")), None);
    let pause = |fields: &str| head(fields).pause().map(|pause| pause.as_secs());
    assert_eq!(pause("Retry-After: 30\r\n"), Some(30));
    let until = "Retry-After: Mon, 30 Nov 2026 04:52:16 GMT\r\n";
    assert_eq!(pause(&format!("{until}{DATE}")), Some(60));
    assert_eq!(pause(until), None);
    assert_eq!(
        pause(&format!("Retry-After: {}7\r\n", " ".repeat(90))),
        Some(7)
    );
    assert_eq!(pause("Retry-After: soon\r\n"), None);
    assert_eq!(pause(""), None);
}

/// What the head of an answer says.
fn ask_for_head(answer: &str) -> Result<AnswerHead, FetchFailure> {
    let mut head = AnswerHead::new();
    let mut fields: Option<Fields> = None;
    for line in answer
        .split_inclusive('\n')
        .map(|line| trimmed(line.as_bytes()))
    {
        match &mut fields {
            None => fields = Some(Fields::of_status_line(line, &mut head)?),
            Some(_) if line.is_empty() => return Ok(head),
            Some(fields) => fields.take(line, true, &mut head)?,
        }
    }
    Err(FetchFailure::Connection)
}

#[test]
fn what_is_no_head_is_refused() {
    for lines in [
        "HTTP/1.1 20\r\n",
        "HTTP/1.1 2000 OK\r\n",
        "HTTP/1.1 2x0 OK\r\n",
        "HTTP/2 200\r\n",
        "HTTP/1.1  200 OK\r\n",
        "HTTP/1.1 200 OK\r\nX\r\n",
        "HTTP/1.1 200 OK\r\n: x\r\n",
        "HTTP/1.1 200 OK\r\nX : y\r\n",
        "HTTP/1.1 200 OK\r\nX: y\r\n folded\r\n",
        "HTTP/1.1 200 OK\r\nX: y\rContent-Length: 2\r\n",
        "HTTP/1.1 200 OK\r\nX: y\0\r\n",
    ] {
        check::<128>(&format!("{lines}\r\n{{}}"), Err(FetchFailure::Connection));
    }
}

#[test]
fn a_field_may_be_longer_than_the_buffer_unless_it_matters() {
    let long = "x".repeat(300);
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Security-Policy: {long}\r\nSet-Cookie: {long}\r\n\
         Content-Length: 2\r\n\r\n{{}}"
    );
    check::<64>(&answer, Ok((200, "{}")));
    let zeros = "0".repeat(300);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {zeros}2\r\n\r\n{{}}");
    check::<64>(&answer, Err(FetchFailure::Connection));
}

#[test]
fn what_is_public_is_asked_for_without_ceremony() {
    let mut buffer = [0; 256];
    let mut out = Writer::new(&mut buffer, 0);
    let url = Url::parse("http://id.example:81/keys?a").unwrap();
    assert_eq!(write_get(&mut out, &url), Ok(()));
    let length = out.length();
    let text = core::str::from_utf8(&buffer[..length]).unwrap();
    let start = "GET /keys?a HTTP/1.1\r\nHost: id.example:81\r\nUser-Agent: gatepost/";
    assert!(text.starts_with(start), "{text}");
    assert!(
        text.ends_with("\r\nAccept: application/json\r\n\r\n"),
        "{text}"
    );
}

// D2: a token of 3,500 bytes may be 10,500 in a form, and a request that had no room counted as the provider's fault.
#[test]
fn a_request_may_be_longer_than_the_buffer() {
    let encoded = "%2B".repeat(3500);
    let expected = format!("POST / HTTP/1.1\r\n\r\ntoken={encoded}");
    let write = |out: &mut Writer<'_>| write!(out, "POST / HTTP/1.1\r\n\r\ntoken={encoded}");
    let mut wire = wire("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 99);
    let outcome = ask(errands::<512>(), &mut wire, &write, &mut whole);
    assert_eq!(outcome, Ok((200, "{}".into(), false)));
    assert!(wire.sent == expected.as_bytes());
}

#[test]
fn a_body_that_is_taken_in_parts_may_be_longer_than_the_buffer() {
    let body: String = (0..2000)
        .map(|number: u32| number.to_string() + ",")
        .collect();
    for answer in framed(&body) {
        for piece in [1, 7, 1000] {
            let (mut taken, mut last) = (String::new(), 0);
            // Some bytes stay each time, as of what is not whole yet.
            let mut take = |part: &mut Part<'_>| {
                let came = core::str::from_utf8(&part.buffer[last..part.length]).unwrap();
                taken.push_str(came);
                last = part.length.min(11);
                Some(last)
            };
            let outcome = ask(
                errands::<128>(),
                &mut wire(&answer, piece),
                &|_| Ok(()),
                &mut take,
            );
            assert!(outcome.is_ok() && taken == body, "{piece}: {outcome:?}");
        }
    }
}

// D7: each question about a token took a handshake.
#[test]
fn a_connection_lasts_unless_the_server_says_otherwise() {
    for (answer, is_over) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", false),
        ("HTTP/1.1 204 OK\r\n\r\n", false),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: y\r\n\r\n",
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}",
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\n{}",
            true,
        ),
        // A body that there must not be may still come.
        ("HTTP/1.1 204 OK\r\nContent-Length: 2\r\n\r\n", true),
        (
            "HTTP/1.1 204 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            true,
        ),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", true),
        ("HTTP/1.1 200 OK\r\n\r\n{}", true),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n",
            true,
        ),
    ] {
        let outcome = ask(
            errands::<128>(),
            &mut wire(answer, 1000),
            &|_| Ok(()),
            &mut whole,
        );
        assert_eq!(outcome.map(|(_, _, over)| over), Ok(is_over), "{answer}");
    }
    // TLS may keep what would follow.
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 128\r\n\r\n{:128}", "");
    for piece in [128, 100] {
        let errands = errands::<128>();
        let mut wire = wire(&answer, piece);
        let outcome = ask(errands, &mut wire, &|_| Ok(()), &mut whole);
        assert_eq!(outcome.map(|(_, _, over)| over), Ok(true), "{piece}");
    }
    for (answer, was_closed) in [("", true), ("H", false)] {
        let outcome = ask(
            errands::<128>(),
            &mut wire(answer, 9),
            &|_| Ok(()),
            &mut whole,
        );
        let failed = Failed {
            why: FetchFailure::Connection,
            was_closed,
        };
        assert_eq!(outcome, Err(failed));
    }
}

/// What public providers publish, where the corpora are.
fn published() -> Vec<serde_json::Value> {
    let root = std::env::var("GATEPOST_CORPORA");
    let root = root.unwrap_or_else(|_| "../../../shared/corpora".into());
    let Ok(files) = std::fs::read_dir(format!("{root}/wellknown")) else {
        std::eprintln!("left out: GATEPOST_CORPORA may say where the corpora are");
        return Vec::new();
    };
    let files = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
    files
        .map(|file| serde_json::from_slice(&file).unwrap())
        .collect()
}

/// Answers with `body`, each framed in another way.
fn framed(body: &str) -> [String; 3] {
    let chunk = |chunk: &[u8]| {
        let text = core::str::from_utf8(chunk).unwrap();
        format!("{:x}\r\n{text}\r\n", chunk.len())
    };
    let chunks: String = body.as_bytes().chunks(1234).map(chunk).collect();
    let length = body.len();
    [
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n\r\n{body}"),
    ]
}

/// All that there is to know of a key.
fn shown(jwk: Result<Jwk<'_>, KeyError>) -> String {
    let Ok(jwk) = jwk else {
        return format!("{jwk:?}");
    };
    let mut buffer = KeyBuffer::new();
    let numbers = jwk.material(&mut buffer).map(|key| key.fingerprint());
    let (kid, issuer) = (jwk.kid(), jwk.issuer());
    format!("{kid:?} {issuer:?} {:?} {numbers:?}", jwk.algorithms())
}

// D5
#[test]
fn what_providers_publish_is_read_in_a_small_buffer_as_it_is_in_a_large_one() {
    let errands = errands::<1024>();
    for document in published() {
        let (set, metadata) = (
            document["jwks"].to_string(),
            document["metadata"].to_string(),
        );
        let whole = JwkSet::parse(set.as_bytes()).unwrap();
        let expected: Vec<_> = whole.map(shown).collect();
        let issuer = document["metadata"]["issuer"].as_str().unwrap();
        for piece in [1, 61, 10_000] {
            for answer in framed(&set) {
                let (mut reader, mut found) = (JwkSetReader::new(), Vec::new());
                let mut take = |part: &mut Part<'_>| {
                    let each = |jwk: Result<Jwk<'_>, _>| found.push(shown(jwk));
                    Some(reader.read(part.buffer, part.length, each))
                };
                let outcome = ask(errands, &mut wire(&answer, piece), &|_| Ok(()), &mut take);
                assert!(
                    outcome.is_ok() && reader.finish().is_ok(),
                    "{issuer}: {outcome:?}"
                );
                assert_eq!(found, expected, "{issuer}");
            }
            for answer in framed(&metadata) {
                let mut reader = MetadataReader::new();
                let mut take = |part: &mut Part<'_>| Some(reader.read(part.buffer, part.length));
                let outcome = ask(errands, &mut wire(&answer, piece), &|_| Ok(()), &mut take);
                let (_, kept, _) = outcome.unwrap();
                let read = |text: &str| Metadata::parse(issuer, text.as_bytes()).unwrap();
                assert_eq!(read(&kept), read(&metadata));
            }
        }
    }
}
