//! What public providers publish: their metadata and JWK Sets, read as an adapter reads them.
//!
//! `vectors/wellknown.tsv` lists what is read of each document, and what is left out with its reason. It is
//! compared in both directions.

use std::path::Path;

use gatepost_core::jose::{Jwk, JwkSet, JwkSetReader, KeyBuffer, KeyError};
use gatepost_core::provider::{Metadata, MetadataReader};
use gatepost_tests::corpora::{self, json_files, read_json, trial};
use gatepost_tests::judge::BACKENDS;
use serde_json::Value;

const TABLE: &str = include_str!("../vectors/wellknown.tsv");

/// Longest document that an adapter takes, in bytes.
const MAX_ANSWER: usize = 64 << 10;

/// How much a device reads at once, and the least that it has room for, in bytes.
const PIECES: [usize; 5] = [1, 7, 61, 997, MAX_ANSWER];
const ROOM: usize = 1024;

fn main() {
    let files = json_files("wellknown");
    let mut trials = vec![];
    let mut left_out = vec![];
    let mut listed: Vec<&str> = rows().map(|row| row[0]).collect();
    listed.dedup();
    if files.is_empty() {
        left_out.extend(listed.iter().map(|name| (*name).to_owned()));
    } else {
        let found: Vec<String> = files.iter().map(|file| name_of(file)).collect();
        trials.push(trial("every document is listed", move || {
            assert_eq!(found, listed);
        }));
    }
    for file in files {
        trials.push(trial(name_of(&file), move || check(&file)));
    }
    corpora::run(trials, &left_out);
}

fn name_of(file: &Path) -> String {
    let name = file.file_name().expect("a file has a name");
    name.to_string_lossy().into_owned()
}

/// Document, part, what comes of it, and why where it is left out.
fn rows() -> impl Iterator<Item = [&'static str; 4]> {
    TABLE.lines().skip(1).map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let row: [&str; 4] = columns.try_into().expect("four columns");
        let is_left_out = row[2].starts_with("left out");
        assert_ne!(row[3].is_empty(), is_left_out, "a reason: {line}");
        row
    })
}

fn check(file: &Path) {
    let name = name_of(file);
    let document = read_json(file);
    let mut found = metadata(&document["metadata"]);
    found.extend(key_set(&document["jwks"]));
    let listed: Vec<_> = rows()
        .filter(|row| row[0] == name)
        .map(|[_, part, outcome, _]| (part.to_owned(), outcome.to_owned()))
        .collect();
    assert_eq!(found, listed);
}

fn metadata(metadata: &Value) -> Vec<(String, String)> {
    let text = metadata.to_string();
    assert!(text.len() <= MAX_ANSWER);
    let issuer = metadata["issuer"].as_str().expect("an issuer");
    let read = Metadata::parse(issuer, text.as_bytes()).expect("the issuer's metadata");
    for piece in PIECES {
        let mut reader = MetadataReader::new();
        let kept = in_pieces(&text, piece, |buffer, length| reader.read(buffer, length));
        assert_eq!(Metadata::parse(issuer, &kept), Ok(read.clone()), "{piece}");
    }
    let (mut used, mut found) = (vec![], vec![]);
    for (member, url) in [
        ("jwks_uri", &read.key_set),
        ("introspection_endpoint", &read.introspection),
        ("userinfo_endpoint", &read.userinfo),
        ("token_endpoint", &read.token),
    ] {
        // What is there is read or left out by name.
        let fault = read.left_out.iter().find(|one| one.member.name() == member);
        match (url, fault) {
            (Some(url), None) => {
                assert_eq!(Some(&**url), metadata[member].as_str());
                used.push(member);
            }
            (None, Some(fault)) => found.push((member.to_owned(), format!("left out: {fault}"))),
            (None, None) => assert!(metadata.get(member).is_none(), "{member}"),
            (Some(_), Some(_)) => panic!("{member} is read and left out"),
        }
    }
    found.insert(0, ("metadata".to_owned(), used.join(" ")));
    found
}

fn key_set(set: &Value) -> Vec<(String, String)> {
    let text = set.to_string();
    assert!(text.len() <= MAX_ANSWER);
    let keys = set["keys"].as_array().expect("keys");
    let read: Vec<_> = JwkSet::parse(text.as_bytes()).expect("a set").collect();
    assert_eq!(read.len(), keys.len());
    for piece in PIECES {
        let (mut reader, mut found) = (JwkSetReader::new(), vec![]);
        in_pieces(&text, piece, |buffer, length| {
            reader.read(buffer, length, |jwk| found.push(shown(jwk)))
        });
        assert_eq!(reader.finish(), Ok(()));
        let expected: Vec<_> = read.iter().cloned().map(shown).collect();
        assert_eq!(found, expected, "{piece}");
    }
    let (mut usable, mut found) = (0, vec![]);
    for ((index, read), key) in read.into_iter().enumerate().zip(keys) {
        match read.and_then(|jwk| prepare(&jwk, key)) {
            Ok(()) => usable += 1,
            Err(error) => found.push((format!("key {index}"), format!("left out: {error}"))),
        }
    }
    found.insert(0, ("keys".to_owned(), usable.to_string()));
    found
}

/// Reads `text` as a device does, whose buffer holds none of it for long; returns what stays in the end.
fn in_pieces(text: &str, piece: usize, mut read: impl FnMut(&mut [u8], usize) -> usize) -> Vec<u8> {
    let (mut buffer, mut stays) = ([0; ROOM], 0);
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let (now, later) = rest.split_at(piece.min(ROOM - stays).min(rest.len()));
        buffer[stays..stays + now.len()].copy_from_slice(now);
        stays = read(&mut buffer, stays + now.len());
        rest = later;
    }
    buffer[..stays].to_vec()
}

/// All that there is to know of a key.
fn shown(jwk: Result<Jwk<'_>, KeyError>) -> String {
    let Ok(jwk) = jwk else {
        return format!("{jwk:?}");
    };
    let mut buffer = KeyBuffer::new();
    let material = jwk.material(&mut buffer);
    let numbers = material.map(|material| material.fingerprint());
    format!(
        "{:?} {:?} {:?} {numbers:?}",
        jwk.kid(),
        jwk.issuer(),
        jwk.algorithms()
    )
}

/// Both backends take the same keys, and a key is what its document says.
fn prepare(jwk: &Jwk<'_>, key: &Value) -> Result<(), gatepost_core::jose::KeyError> {
    assert_eq!(jwk.kid(), key["kid"].as_str());
    assert_eq!(jwk.issuer(), key["issuer"].as_str());
    jwk.material(&mut KeyBuffer::new())?;
    let [one, other] = BACKENDS.map(|backend| backend.prepare(key).map(drop));
    assert_eq!(one, other);
    one
}
