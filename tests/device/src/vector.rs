//! Vectors, and what core makes of them.

use core::fmt::{self, Write};

use gatepost_core::crypto::{
    Algorithm, AlgorithmSet, Backend, KeyMaterial, KeyType, Unsupported, VerifyingKey,
};
use gatepost_core::exchange::MAX_PAYLOAD;
use gatepost_core::jose::{Jwk, KeyBuffer, UnverifiedJwt};
use gatepost_core::sasl::{ClientResponse, Compat, Credential, Mechanism};
use serde::{Deserialize, Serialize};

use crate::Key;

/// One vector.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub enum Vector<'r> {
    /// A signature over a message.
    Signature {
        /// The key it is to be checked with.
        #[serde(borrow)]
        key: Key<'r>,
        /// The algorithm's registered name.
        algorithm: &'r str,
        /// What is signed.
        message: &'r [u8],
        /// The signature.
        signature: &'r [u8],
    },
    /// A token, whose payload need not be claims.
    Token {
        /// The key's JWK.
        jwk: &'r [u8],
        /// The token.
        token: &'r str,
    },
    /// A client's response.
    Response {
        /// The mechanism's registered name.
        mechanism: &'r str,
        /// Whether the loose forms are taken.
        loose: bool,
        /// What the client sends.
        message: &'r [u8],
    },
}

impl Vector<'_> {
    /// What is told where a signature holds.
    pub const GOOD: &'static str = "good";
    /// What is told where it does not, or there is no key to check it with.
    pub const BAD: &'static str = "bad";

    /// Tells what comes of it with the cryptography of `backend`: [`GOOD`](Self::GOOD) or
    /// [`BAD`](Self::BAD) of a signature or a token, name and token or the error of a response.
    ///
    /// # Errors
    /// Where `out` has no room.
    pub fn outcome(&self, backend: &impl Backend, out: &mut impl Write) -> fmt::Result {
        self.tell(out, &|material, algorithms, to| {
            to(&backend.prepare(material, algorithms)?);
            Ok(())
        })
    }

    /// As [`outcome`](Self::outcome), with the cryptography of `types`.
    ///
    /// # Errors
    /// Where `out` has no room.
    pub fn outcome_by(&self, types: &[KeyType], out: &mut impl Write) -> fmt::Result {
        self.tell(out, &|material, algorithms, to| {
            KeyType::lend(types, material, algorithms, to)
        })
    }

    fn tell(&self, out: &mut impl Write, lend: Lend<'_>) -> fmt::Result {
        match *self {
            Self::Signature {
                key,
                algorithm,
                message,
                signature,
            } => {
                let algorithm = Algorithm::from_name(algorithm);
                let is_good = algorithm.and_then(|name| holds(lend, key, name, message, signature));
                out.write_str(verdict(is_good.is_some()))
            }
            Self::Token { jwk, token } => {
                out.write_str(verdict(verifies(lend, jwk, token).is_some()))
            }
            Self::Response {
                mechanism,
                loose,
                message,
            } => parsed(mechanism, loose, message, out),
        }
    }
}

/// Prepares a key, and lends it once.
type Lend<'l> = &'l dyn Fn(
    &KeyMaterial<'_>,
    AlgorithmSet,
    &mut dyn FnMut(&dyn VerifyingKey),
) -> Result<(), Unsupported>;

fn verdict(is_good: bool) -> &'static str {
    if is_good { Vector::GOOD } else { Vector::BAD }
}

fn holds(
    lend: Lend<'_>,
    key: Key<'_>,
    algorithm: Algorithm,
    message: &[u8],
    signature: &[u8],
) -> Option<()> {
    let material = key.material().ok()?;
    let mut verdict = None;
    let prepared = lend(&material, AlgorithmSet::ALL, &mut |key| {
        verdict = key.verify(algorithm, message, signature).ok();
    });
    prepared.ok().and(verdict)
}

fn verifies(lend: Lend<'_>, jwk: &[u8], token: &str) -> Option<()> {
    let jwk = Jwk::parse(jwk).ok()?;
    let mut buffer = KeyBuffer::new();
    let material = jwk.material_or_secret(&mut buffer).ok()?;
    let jwt = UnverifiedJwt::parse(token).ok()?;
    let kid = jwt.header().kid();
    let is_wanted = kid.is_none() || kid == jwk.kid();
    let mut verdict = None;
    let prepared = lend(&material, jwk.algorithms(), &mut |key| {
        verdict = jwt.verify(key, &mut [0; MAX_PAYLOAD]).ok().map(drop);
    });
    prepared.ok().and(verdict).filter(|()| is_wanted)
}

fn parsed(mechanism: &str, loose: bool, message: &[u8], out: &mut impl Write) -> fmt::Result {
    let compat = if loose {
        Compat::Dovecot
    } else {
        Compat::Strict
    };
    let mechanism = Mechanism::from_name(mechanism).ok_or(fmt::Error)?;
    match ClientResponse::parse(mechanism, compat, message) {
        Ok(response) => {
            for character in response.authzid.iter().flat_map(|name| name.chars()) {
                out.write_char(character)?;
            }
            match response.credential {
                Credential::Bearer(token) => write!(out, " {}", token.expose()),
                Credential::Password(_) => out.write_str(" and a password"),
            }
        }
        Err(error) => write!(out, "{error:?}"),
    }
}
