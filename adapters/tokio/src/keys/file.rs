//! One file of keys: a JWK Set, a JWK, or a public key in PEM.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use gatepost_core::{
    crypto::AlgorithmSet,
    introspection::Answer,
    jose::{self, Jwk, JwkSet, KeyBuffer, KeyError},
};

use super::{KeyFileError, LoadedKey, Prepare, Problem, Warning};
use crate::file::read_file;

/// Longest file taken, in bytes: what a provider may answer with; real JWK Sets stay below 20 KiB.
pub(super) const MAX_FILE: usize = Answer::MAX_LEN;

/// Room for the DER of any public key: an RSA modulus of 4,096 bits takes 550 bytes.
const MAX_DER: usize = 1024;

/// Loads the keys of the file at `path`.
pub(super) fn load(
    preparer: &impl Prepare,
    path: &Path,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<LoadedKey>, KeyFileError> {
    let content = read(path)?;
    let content = content.trim_ascii();
    if content.starts_with(b"-----BEGIN") {
        if is_private(content) {
            return Err(KeyFileError::PrivateKey { path: path.into() });
        }
        let key = load_pem(preparer, content, AlgorithmSet::ALL);
        return Ok(one(path, key, warnings));
    }
    match JwkSet::parse(content) {
        Ok(set) => Ok(load_set(preparer, path, content, set, warnings)),
        Err(_) if content.starts_with(b"{") => {
            let key = load_jwk(preparer, content, AlgorithmSet::ALL);
            Ok(one(path, key, warnings))
        }
        Err(_) => Err(KeyFileError::UnknownFormat { path: path.into() }),
    }
}

/// Loads the keys of a JWK Set that came over the network; `None` where it is none.
pub(super) fn load_body(
    preparer: &impl Prepare,
    url: &Path,
    body: &[u8],
    warnings: &mut Vec<Warning>,
) -> Option<Vec<LoadedKey>> {
    let set = JwkSet::parse(body).ok()?;
    Some(load_set(preparer, url, body, set, warnings))
}

/// Reads a whole file of at most [`MAX_FILE`] bytes.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, KeyFileError> {
    let failed = |source| KeyFileError::Read {
        path: path.into(),
        source,
    };
    // Opening a FIFO would wait for a writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(KeyFileError::NotAFile { path: path.into() });
    }
    match read_file(path, MAX_FILE as u64) {
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            Err(KeyFileError::TooLong { path: path.into() })
        }
        read => read.map_err(failed),
    }
}

/// Prepares a public key in PEM for `algorithms`.
pub(super) fn load_pem(
    preparer: &impl Prepare,
    text: &[u8],
    algorithms: AlgorithmSet,
) -> Result<LoadedKey, KeyError> {
    let mut der = [0; MAX_DER];
    preparer.prepare(&jose::pem(text.trim_ascii(), &mut der)?, algorithms)
}

/// Prepares a JWK for that part of `algorithms` that it allows itself.
pub(super) fn load_jwk(
    preparer: &impl Prepare,
    json: &[u8],
    algorithms: AlgorithmSet,
) -> Result<LoadedKey, KeyError> {
    prepare_jwk(preparer, &Jwk::parse(json)?, algorithms)
}

fn prepare_jwk(
    preparer: &impl Prepare,
    jwk: &Jwk<'_>,
    algorithms: AlgorithmSet,
) -> Result<LoadedKey, KeyError> {
    let mut buffer = KeyBuffer::new();
    let material = preparer.material(jwk, &mut buffer)?;
    let key = preparer.prepare(&material, jwk.algorithms().intersection(algorithms))?;
    Ok(LoadedKey {
        kid: jwk.kid().map(str::to_owned),
        issuer: jwk.issuer().map(str::to_owned),
        ..key
    })
}

fn load_set(
    preparer: &impl Prepare,
    path: &Path,
    json: &[u8],
    set: JwkSet<'_>,
    warnings: &mut Vec<Warning>,
) -> Vec<LoadedKey> {
    let mut found = Vec::new();
    for (index, jwk) in set.enumerate() {
        match jwk.and_then(|jwk| prepare_jwk(preparer, &jwk, AlgorithmSet::ALL)) {
            Ok(key) => found.push((index, key)),
            Err(error) => warnings.push(Warning {
                index: Some(index),
                ..Warning::of(path, kid_of(json, index), Problem::Unusable(error))
            }),
        }
    }
    distinct(path, found, warnings)
}

/// Leaves out keys that are there already, and those of which a token could mean either: whichever were
/// used would be a guess (RFC 7517 section 4.5).
fn distinct(
    path: &Path,
    found: Vec<(usize, LoadedKey)>,
    warnings: &mut Vec<Warning>,
) -> Vec<LoadedKey> {
    let problem = |place: usize, key: &LoadedKey| {
        let is_first_of = |(other_place, other): &(usize, LoadedKey)| {
            *other_place != place
                && other.covers(key)
                && (*other_place < place || !key.covers(other))
        };
        if found.iter().any(|(_, other)| other.is_mistaken_for(key)) {
            Some(Problem::DuplicateKid)
        } else if found.iter().any(is_first_of) {
            Some(Problem::Repeated)
        } else {
            None
        }
    };
    let problems: Vec<_> = found
        .iter()
        .map(|(place, key)| problem(*place, key))
        .collect();
    let mut keys = Vec::new();
    for ((index, key), problem) in found.into_iter().zip(problems) {
        match problem {
            None => keys.push(key),
            Some(problem) => warnings.push(Warning {
                index: Some(index),
                ..Warning::of(path, key.kid, problem)
            }),
        }
    }
    keys
}

/// The `kid` of a key that could not be read, so that a warning can name it.
fn kid_of(json: &[u8], index: usize) -> Option<String> {
    let set: serde_json::Value = serde_json::from_slice(json).ok()?;
    let kid = set.get("keys")?.get(index)?.get("kid")?;
    Some(kid.as_str()?.to_owned())
}

fn one(
    path: &Path,
    key: Result<LoadedKey, KeyError>,
    warnings: &mut Vec<Warning>,
) -> Vec<LoadedKey> {
    match key {
        Ok(key) => vec![key],
        Err(error) => {
            warnings.push(Warning::of(path, None, Problem::Unusable(error)));
            Vec::new()
        }
    }
}

/// Whether a PEM text holds a private key, which has no business on a mail server.
fn is_private(text: &[u8]) -> bool {
    let first = text.split(|byte| *byte == b'\n').next();
    first.is_some_and(|line| String::from_utf8_lossy(line).contains("PRIVATE KEY"))
}
