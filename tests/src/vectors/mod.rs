//! Vectors as data: what is judged by both backends on the host is judged on the device as well.

pub mod jose;
pub mod minted;
pub mod responses;
pub mod rfc;
pub mod wycheproof;

use gatepost_core::crypto::Backend;
use gatepost_device::Vector;
use serde_json::Value;

/// A vector, and what has to come of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Where it comes from, and its number there.
    pub name: String,
    /// What has to come of it: see [`Vector::outcome`].
    pub expected: String,
    /// The vector, as the device is given it.
    encoded: Vec<u8>,
}

impl Case {
    /// Takes `vector`, of which `expected` has to come.
    ///
    /// # Panics
    /// Where it cannot be encoded.
    #[must_use]
    pub fn new(name: String, vector: &Vector<'_>, expected: &str) -> Self {
        let encoded = postcard::to_extend(vector, Vec::new()).expect("room in a vector");
        Self {
            name,
            expected: expected.to_owned(),
            encoded,
        }
    }

    /// A signature or a token that has to be good, or bad.
    #[must_use]
    pub fn judged(name: String, vector: &Vector<'_>, is_good: bool) -> Self {
        let expected = if is_good { Vector::GOOD } else { Vector::BAD };
        Self::new(name, vector, expected)
    }

    /// A token that has to be good, or bad, with the key of `jwk`.
    #[must_use]
    pub fn token(name: String, jwk: &Value, token: &str, is_good: bool) -> Self {
        let jwk = jwk.to_string();
        let vector = Vector::Token {
            jwk: jwk.as_bytes(),
            token,
        };
        Self::judged(name, &vector, is_good)
    }

    /// The vector.
    ///
    /// # Panics
    /// Never: it was encoded here.
    #[must_use]
    pub fn vector(&self) -> Vector<'_> {
        postcard::from_bytes(&self.encoded).expect("what was encoded here")
    }

    /// What comes of it on the host.
    ///
    /// # Panics
    /// Where the vector names a mechanism that there is not.
    #[must_use]
    pub fn outcome(&self, backend: &impl Backend) -> String {
        let mut outcome = String::new();
        let told = self.vector().outcome(backend, &mut outcome);
        told.expect("a mechanism of ours");
        outcome
    }
}
