//! Client responses: those recorded from real programs and the seeds of the fuzz targets, and what they
//! become when something happens to them on their way.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepost_core::crypto::RustCrypto;
use gatepost_core::sasl::Mechanism;
use gatepost_device::Vector;

use super::Case;
use crate::corpora::{json_files, read_json};

/// Bytes that mean something in a response, or are no UTF-8.
const OTHERS: [u8; 7] = [0, 1, b' ', b',', b'=', b'B', 0xff];

/// Every message in each mechanism, strict and loose, with what comes of it on the host.
///
/// # Panics
/// Where the seeds or the corpus cannot be read.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut messages = BTreeSet::new();
    for message in recorded().into_iter().chain(seeds()) {
        messages.extend((0..message.len()).map(|end| message[..end].to_vec()));
        for at in 0..message.len() {
            messages.extend(OTHERS.map(|other| with(&message, at, other)));
        }
        messages.insert(message);
    }
    let mut cases = vec![];
    for message in &messages {
        for mechanism in [Mechanism::OAuthBearer, Mechanism::XOAuth2, Mechanism::Plain] {
            cases.extend([false, true].map(|loose| case(mechanism, loose, message)));
        }
    }
    cases
}

fn case(mechanism: Mechanism, loose: bool, message: &[u8]) -> Case {
    let mechanism = mechanism.name();
    let vector = Vector::Response {
        mechanism,
        loose,
        message,
    };
    let name = format!("{mechanism}, loose: {loose}, {:?}", message.escape_ascii());
    let mut case = Case::new(name, &vector, "");
    case.expected = case.outcome(&RustCrypto);
    case
}

fn with(message: &[u8], at: usize, other: u8) -> Vec<u8> {
    let mut message = message.to_vec();
    message[at] = other;
    message
}

/// What real programs send; nothing where the corpus is not there.
fn recorded() -> Vec<Vec<u8>> {
    let files = json_files("clients").into_iter();
    let samples = files.flat_map(|path| {
        let samples = read_json(&path)["samples"].take();
        samples.as_array().expect("samples").clone()
    });
    let message = |sample: serde_json::Value| {
        let response = sample["ir_base64"].as_str().expect("a response");
        STANDARD.decode(response).expect("base64")
    };
    samples.map(message).collect()
}

fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/client_response");
    let entries = folder.read_dir().expect("seeds").map(|entry| {
        let path = entry.expect("a seed").path();
        fs::read(path).expect("a seed")
    });
    entries.collect()
}
