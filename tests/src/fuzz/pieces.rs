//! What a device reads in pieces, in a buffer that holds none of it for long: metadata, JWK Sets and answers over
//! HTTP. The pieces make no difference, and where there is a parser of the whole it says the same.

use gatepost_core::introspection::FetchFailure;
use gatepost_core::jose::{Jwk, JwkSet, JwkSetReader, KeyBuffer, KeyError};
use gatepost_core::provider::{Metadata, MetadataReader};
use gatepost_embassy::{AnswerHead, AnswerReader, AnswerStep};

use super::is_tried_closely;

/// Whose metadata they have to be.
const ISSUER: &str = "https://id.example.com";

/// A buffer that is too short for much of what comes, in bytes.
const LITTLE: usize = 160;

/// Most field lines that `httparse` is asked to read.
const FIELDS: usize = 64;

/// The sizes of the pieces in which `data` is read beside the whole.
fn pieces(data: &[u8]) -> impl Iterator<Item = usize> {
    let odd = 2 + data.first().copied().map_or(0, usize::from) % 61;
    let single = is_tried_closely(data).then_some(1);
    [odd].into_iter().chain(single)
}

/// A buffer that holds all of `data`.
fn ample(data: &[u8]) -> usize {
    data.len() + 1
}

/// Reads `data` as a device does, in pieces of `size` bytes at most; returns what stays in the end.
fn in_pieces(
    data: &[u8],
    size: usize,
    room: usize,
    mut read: impl FnMut(&mut [u8], usize) -> usize,
) -> Vec<u8> {
    let (mut buffer, mut stays) = (vec![0; room], 0);
    let mut rest = data;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(size.min(room - stays).min(rest.len()));
        let length = stays + now.len();
        buffer[stays..length].copy_from_slice(now);
        stays = read(&mut buffer, length);
        assert!(stays <= length, "more stays than there was");
        rest = later;
    }
    buffer.truncate(stays);
    buffer
}

/// A JWK Set, key by key.
///
/// # Panics
/// Where the pieces change a key, or the whole set has another one.
pub fn key_set_pieces(data: &[u8]) {
    let whole = read_keys(data, usize::MAX, ample(data));
    for size in pieces(data) {
        assert_eq!(
            read_keys(data, size, ample(data)),
            whole,
            "pieces of {size}"
        );
    }
    let (keys, ended) = whole;
    if ended.is_ok() {
        let set = JwkSet::parse(data).expect("a set, as the reader has found");
        assert_eq!(set.map(Key::of).collect::<Vec<_>>(), keys);
        // With less room there are the same keys, but for those that are too long.
        let (fewer, ended) = read_keys(data, usize::MAX, LITTLE);
        if ended.is_ok() {
            assert_eq!(fewer.len(), keys.len());
        }
        for (one, other) in fewer.iter().zip(&keys) {
            assert!(one == other || *one == Err(KeyError::TooLong));
        }
    }
}

/// What there is to know of a key.
#[derive(Debug, Eq, PartialEq)]
struct Key {
    kid: Option<String>,
    issuer: Option<String>,
    algorithms: gatepost_core::crypto::AlgorithmSet,
    numbers: Result<[u8; 32], KeyError>,
}

impl Key {
    fn of(jwk: Result<Jwk<'_>, KeyError>) -> Result<Self, KeyError> {
        let jwk = jwk?;
        let mut buffer = KeyBuffer::new();
        let material = jwk.material(&mut buffer);
        Ok(Self {
            kid: jwk.kid().map(str::to_owned),
            issuer: jwk.issuer().map(str::to_owned),
            algorithms: jwk.algorithms(),
            numbers: material.map(|material| material.fingerprint()),
        })
    }
}

type Keys = (Vec<Result<Key, KeyError>>, Result<(), KeyError>);

fn read_keys(data: &[u8], size: usize, room: usize) -> Keys {
    let (mut reader, mut keys) = (JwkSetReader::new(), Vec::new());
    in_pieces(data, size, room, |buffer, length| {
        reader.read(buffer, length, |jwk| keys.push(Key::of(jwk)))
    });
    (keys, reader.finish())
}

/// Metadata of one issuer.
///
/// # Panics
/// Where the pieces change what is read of them, or the whole says something else.
pub fn metadata_pieces(data: &[u8]) {
    let whole = read_metadata(data, usize::MAX, ample(data));
    for size in pieces(data) {
        let kept = read_metadata(data, size, ample(data));
        assert_eq!(kept, whole, "pieces of {size}");
    }
    let read = Metadata::parse(ISSUER, &whole);
    if read.is_ok() {
        assert_eq!(Metadata::parse(ISSUER, data), read);
        let fewer = Metadata::parse(ISSUER, &read_metadata(data, usize::MAX, LITTLE));
        assert!(fewer == read || fewer.is_err());
    }
}

fn read_metadata(data: &[u8], size: usize, room: usize) -> Vec<u8> {
    let mut reader = MetadataReader::new();
    in_pieces(data, size, room, |buffer, length| {
        reader.read(buffer, length)
    })
}

/// What a provider answers over HTTP, until it closes the connection.
///
/// # Panics
/// Where the pieces change what comes of it, or where it is read otherwise than by `httparse`.
pub fn http_answers(data: &[u8]) {
    for room in [LITTLE, ample(data)] {
        let passed = read_answer(data, usize::MAX, room, false);
        let kept = read_answer(data, usize::MAX, room, true);
        for size in pieces(data) {
            let other = read_answer(data, size, room, false);
            assert_eq!(other, passed, "pieces of {size} with room for {room}");
            let other = read_answer(data, size, room, true);
            assert_eq!(other, kept, "kept, pieces of {size} with room for {room}");
        }
        match kept {
            Ok(ref kept) => assert_eq!(passed.as_ref(), Ok(kept)),
            Err(FetchFailure::TooLarge) => {}
            Err(why) => assert_eq!(passed, Err(why)),
        }
        let Ok(passed) = passed else { continue };
        if let Some(expected) = expected(data, room) {
            assert_eq!(passed, expected);
        }
    }
}

#[derive(Debug, Eq, PartialEq)]
struct Answer {
    status: u16,
    body: Vec<u8>,
}

/// Reads an answer whose body is kept in the buffer, or passes through it.
fn read_answer(
    data: &[u8],
    size: usize,
    room: usize,
    is_kept: bool,
) -> Result<Answer, FetchFailure> {
    let (mut head, mut reader) = (AnswerHead::new(), AnswerReader::new());
    let (mut buffer, mut rest, mut body) = (vec![0; room], data, Vec::new());
    loop {
        match reader.step(&mut head, &mut buffer)? {
            AnswerStep::Read => {
                let place = reader.room(&mut buffer);
                assert!(!place.is_empty(), "there is no end to this");
                let length = size.min(place.len()).min(rest.len());
                let (now, later) = rest.split_at(length);
                place[..length].copy_from_slice(now);
                rest = later;
                reader.came(length)?;
            }
            AnswerStep::Part { length, is_last } => {
                if is_kept && !is_last {
                    return Err(FetchFailure::TooLarge);
                }
                body.extend_from_slice(&buffer[..length]);
                if is_last {
                    let status = head.status;
                    return Ok(Answer { status, body });
                }
                reader.stayed(0, &mut buffer)?;
            }
        }
    }
}

/// What `httparse` makes of an answer that is good; `None` where it is stricter in what nobody relies on.
fn expected(data: &[u8], room: usize) -> Option<Answer> {
    let mut rest = data;
    loop {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        let length = match response.parse(rest) {
            Ok(httparse::Status::Complete(length)) => length,
            // We take any version 1 and any reason phrase, and lines and heads of any length.
            Err(
                httparse::Error::Version
                | httparse::Error::Status
                | httparse::Error::TooManyHeaders,
            ) => return None,
            other => {
                let is_long = rest
                    .split(|byte| *byte == b'\n')
                    .any(|line| line.len() >= room);
                assert!(is_long, "{other:?}");
                return None;
            }
        };
        let status = response.code.expect("a whole head has one");
        rest = &rest[length..];
        if status >= 200 {
            let body = expected_body(status, response.headers, rest)?;
            return Some(Answer { status, body });
        }
    }
}

fn expected_body(status: u16, fields: &[httparse::Header<'_>], rest: &[u8]) -> Option<Vec<u8>> {
    let field = |name: &str| {
        let field = fields
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name))?;
        str::from_utf8(field.value).ok()
    };
    if matches!(status, 204 | 304) {
        return Some(Vec::new());
    }
    if field("Transfer-Encoding").is_some() {
        return chunks(rest);
    }
    let Some(length) = field("Content-Length") else {
        return Some(rest.to_vec());
    };
    let length = length.parse().expect("a length, as the reader has found");
    Some(rest.get(..length).expect("as many bytes").to_vec())
}

/// The chunks of a body; `None` where `httparse` is stricter about a line with a size.
fn chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(rest) else {
            return None;
        };
        if size == 0 {
            return Some(body);
        }
        let size = usize::try_from(size).expect("a size, as the reader has found");
        let (chunk, behind) = rest[line..].split_at_checked(size).expect("a whole chunk");
        body.extend_from_slice(chunk);
        let end = behind.iter().position(|byte| *byte == b'\n');
        rest = &behind[end.expect("the end of a chunk") + 1..];
    }
}
