//! Fuzz targets, each a function that must not panic whatever the bytes are, and the mutations that
//! replay them without a fuzzer.
//!
//! `tests/fuzz` runs the targets under libFuzzer; `tests/tests/fuzz_replay.rs` runs them on their
//! seeds and on mutations of these.

mod auth_lines;
mod claims;
mod dict;
mod exchange;
mod http;
mod logins;
mod mail;
mod pieces;
mod pull;
mod scim;
mod socketmap;

use std::num::NonZeroU64;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepost_core::crypto::{Algorithm, AlgorithmSet, InvalidSignature, VerifyingKey};
use gatepost_core::jose::{
    Header, JwkSet, KeyBuffer, UnverifiedJwt, pem, public_key_der, secret_base64,
};
use gatepost_core::sasl::{
    BearerToken, ClientResponse, Compat, Credential, Mechanism, UserPassword,
};
use serde::de::IgnoredAny;
use serde_json::Value;

pub use auth_lines::auth_lines;
pub use claims::claims;
pub use dict::dict_lines;
pub use exchange::exchange;
pub use http::http_requests;
pub use logins::relayed_logins;
pub use mail::{master_lines, passwd_file, relay_lines};
pub use pieces::{http_answers, key_set_pieces, metadata_pieces};
pub use pull::scim_pull;
pub use scim::{scim_filter, scim_patch, scim_path, scim_request};
pub use socketmap::socketmap_lookups;

/// A function under test and its name, which is also its file's in `tests/fuzz/targets` and its
/// folder's in `tests/fuzz/corpus`.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name.
    pub name: &'static str,
    /// Panics if the input breaks what must hold.
    pub run: fn(&[u8]),
}

impl Target {
    const fn new(name: &'static str, run: fn(&[u8])) -> Self {
        Self { name, run }
    }
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target::new("auth_lines", auth_lines),
    Target::new("claims", claims),
    Target::new("client_response", client_response),
    Target::new("dict_lines", dict_lines),
    Target::new("exchange", exchange),
    Target::new("http_answers", http_answers),
    Target::new("http_requests", http_requests),
    Target::new("jwk_set", jwk_set),
    Target::new("jwt", jwt),
    Target::new("key_set_pieces", key_set_pieces),
    Target::new("master_lines", master_lines),
    Target::new("metadata_pieces", metadata_pieces),
    Target::new("passwd_file", passwd_file),
    Target::new("relay_lines", relay_lines),
    Target::new("relayed_logins", relayed_logins),
    Target::new("scim_filter", scim_filter),
    Target::new("scim_patch", scim_patch),
    Target::new("scim_path", scim_path),
    Target::new("scim_pull", scim_pull),
    Target::new("scim_request", scim_request),
    Target::new("socketmap_lookups", socketmap_lookups),
];

/// A SASL client response, in each mechanism, strict and loose.
///
/// # Panics
/// Where a token is taken that RFC 6750 or our limit refuses, a password that is none, or where `Debug` shows
/// either.
pub fn client_response(data: &[u8]) {
    for mechanism in Mechanism::ALL {
        for compat in [Compat::Strict, Compat::Dovecot] {
            let Ok(response) = ClientResponse::parse(mechanism, compat, data) else {
                continue;
            };
            match response.credential {
                Credential::Bearer(token) => {
                    assert!(!mechanism.is_password());
                    assert!((1..=BearerToken::MAX_LEN).contains(&token.expose().len()));
                    assert!(token.expose().bytes().all(|byte| byte.is_ascii_graphic()));
                    // Taken for itself, the token is as good as within its response.
                    assert!(BearerToken::new(token.expose().as_bytes()).is_ok());
                    assert_eq!(format!("{token:?}"), "BearerToken(..)");
                }
                Credential::Password(password) => {
                    assert!(mechanism.is_password());
                    let whole = [password.user(), password.expose()].join("\0");
                    assert!(data.ends_with(whole.as_bytes()));
                    assert!((1..=UserPassword::MAX_LEN).contains(&password.expose().len()));
                    assert_eq!(format!("{password:?}"), "UserPassword(..)");
                }
            }
            if let Some(name) = response.authzid {
                assert!((1..=data.len()).contains(&name.chars().count()));
            }
        }
    }
}

/// A compact JWS.
///
/// # Panics
/// Where its parts are read otherwise than by the `base64` crate, or its header otherwise than by
/// `serde_json`.
pub fn jwt(data: &[u8]) {
    let Ok(token) = str::from_utf8(data) else {
        return;
    };
    let Ok(jwt) = UnverifiedJwt::parse(token) else {
        return;
    };
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3);
    let header = URL_SAFE_NO_PAD
        .decode(parts[0])
        .expect("a header in base64url");
    let Some(header) = read_json(&header) else {
        return;
    };
    let algorithm = header["alg"].as_str().and_then(Algorithm::from_name);
    assert_eq!(algorithm, Some(jwt.header().algorithm()));
    assert_eq!(header["kid"].as_str(), jwt.header().kid());
    assert!(
        jwt.header()
            .kid()
            .is_none_or(|kid| kid.len() <= Header::MAX_KID)
    );
    let mut scratch = vec![0; data.len()];
    if let Ok(payload) = jwt.verify(&AnySignature, &mut scratch) {
        let decoded = URL_SAFE_NO_PAD
            .decode(parts[1])
            .expect("a payload in base64url");
        assert_eq!(payload.bytes(), decoded);
    }
}

/// A JWK Set, or key material in one of its other forms.
///
/// # Panics
/// Where material allows an algorithm that its key does not.
pub fn jwk_set(data: &[u8]) {
    let mut buffer = KeyBuffer::new();
    let _ = secret_base64(data, &mut buffer);
    let _ = public_key_der(data);
    let _ = pem(data, &mut vec![0; data.len()]);
    let Ok(set) = JwkSet::parse(data) else {
        return;
    };
    let mut count = 0;
    for key in set {
        count += 1;
        let Ok(key) = key else { continue };
        assert!(
            key.kid()
                .is_none_or(|kid| (1..=Header::MAX_KID).contains(&kid.len()))
        );
        assert!(!key.algorithms().is_empty());
        if let Ok(material) = key.material_or_secret(&mut buffer) {
            assert!(!material.algorithms().is_empty());
        }
    }
    // One more tells that there are too many.
    assert!(count <= JwkSet::MAX_KEYS + 1);
}

/// Longest input that every costly property is tried on, in bytes.
const SHORT: usize = 200;

/// Of longer inputs, one in so many.
const SHARE: usize = 16;

/// Whether a property is tried on `data` whose cost grows with each byte, such as reading it in single bytes.
///
/// Short inputs hold every case but for the limits of length, which the share of the others comes to.
fn is_tried_closely(data: &[u8]) -> bool {
    let sum: usize = data.iter().copied().map(usize::from).sum();
    data.len() <= SHORT || sum.is_multiple_of(SHARE)
}

/// What `serde_json` reads in JSON that the core has taken, which it must take as well.
///
/// `None` where a number lies beyond `f64`: only `serde_json` minds.
#[track_caller]
fn read_json(json: &[u8]) -> Option<Value> {
    match serde_json::from_slice(json) {
        Err(error) if error.to_string().starts_with("number out of range") => {
            let grammar = serde_json::from_slice::<IgnoredAny>(json);
            assert!(grammar.is_ok(), "no JSON: {grammar:?}");
            None
        }
        value => Some(value.expect("JSON that the core has taken")),
    }
}

/// A key for which every signature holds, to get at what lies behind one.
struct AnySignature;

impl VerifyingKey for AnySignature {
    fn algorithms(&self) -> AlgorithmSet {
        AlgorithmSet::ALL
    }

    fn verify(&self, _: Algorithm, _: &[u8], _: &[u8]) -> Result<(), InvalidSignature> {
        Ok(())
    }
}

/// Bytes that mean something in the grammars under test.
const TELLING: &[u8] = b"\0\x01\t\n\r \"&+,-./0129:;=[\\]_{}\x7f\x80\xc3\xff";

/// Longest run of bytes that one mutation inserts or repeats.
const MAX_RUN: usize = 64;

/// Changes inputs at random, always the same way for the same seed.
#[derive(Clone, Debug)]
pub struct Mutator {
    state: NonZeroU64,
}

impl Mutator {
    /// Starts a sequence of mutations.
    #[must_use]
    pub fn new(seed: NonZeroU64) -> Self {
        Self { state: seed }
    }

    /// Applies one to four mutations to `input`; `other` is what it may be spliced with.
    pub fn mutate(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(4) {
            match self.below(5) {
                0 => self.flip(input),
                1 => self.insert(input),
                2 => self.delete(input),
                3 => self.splice(input, other),
                _ => self.repeat(input),
            }
        }
    }

    /// Changes one bit, or puts a telling byte in the place of another.
    fn flip(&mut self, input: &mut [u8]) {
        let position = self.below(input.len());
        let bit = self.below(16);
        let telling = self.telling();
        if let Some(byte) = input.get_mut(position) {
            *byte = if bit < 8 { *byte ^ (1 << bit) } else { telling };
        }
    }

    fn insert(&mut self, input: &mut Vec<u8>) {
        let position = self.below(input.len() + 1);
        let byte = self.telling();
        input.insert(position, byte);
    }

    fn delete(&mut self, input: &mut Vec<u8>) {
        let (start, end) = self.range(input.len());
        input.drain(start..end);
    }

    /// Continues `input` with the end of `other`.
    fn splice(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        input.truncate(self.below(input.len() + 1));
        input.extend_from_slice(&other[self.below(other.len() + 1)..]);
    }

    /// Writes a part of `input` twice.
    fn repeat(&mut self, input: &mut Vec<u8>) {
        let (start, end) = self.range(input.len());
        let run = input[start..end].to_vec();
        input.splice(start..start, run);
    }

    /// A part of something `length` long.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let start = self.below(length + 1);
        let end = start + self.below(MAX_RUN.min(length - start) + 1);
        (start, end)
    }

    fn telling(&mut self) -> u8 {
        TELLING[self.below(TELLING.len())]
    }

    /// A number below `bound`, or 0 where none is.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    /// Marsaglia's xorshift ("Xorshift RNGs", 2003), shifts 13, 7 and 17: its period leaves out 0 only.
    fn next(&mut self) -> u64 {
        let mut state = self.state.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.state = NonZeroU64::new(state).unwrap_or(NonZeroU64::MIN);
        state
    }
}
