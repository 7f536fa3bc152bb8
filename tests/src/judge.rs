//! Drives an [`Exchange`] as an adapter does, without any I/O, on either backend.

use gatepost_aws_lc::AwsLc;
use gatepost_core::crypto::{RustCrypto, VerifyingKey};
use gatepost_core::exchange::{Input, MAX_PAYLOAD, Output, Rules, TrustedKey};
use gatepost_core::jose::{Jwk, KeyBuffer, KeyError};
use gatepost_core::sasl::Mechanism;
use gatepost_core::{Exchange, Policy, Rejection, UnixTime};
use serde_json::Value;

/// A backend behind one type, so that every vector runs on both.
#[derive(Clone, Copy, Debug)]
pub struct Backend {
    /// What it is called in the names of tests.
    pub name: &'static str,
    prepare: fn(&[u8]) -> Result<PreparedKey, KeyError>,
}

/// The core's own backend, and the one of hosts.
pub const BACKENDS: [Backend; 2] = [
    Backend {
        name: "RustCrypto",
        prepare: prepare::<RustCrypto>,
    },
    Backend {
        name: "AwsLc",
        prepare: prepare::<AwsLc>,
    },
];

impl Backend {
    /// Reads and prepares one JWK.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn prepare(&self, jwk: &Value) -> Result<PreparedKey, KeyError> {
        (self.prepare)(jwk.to_string().as_bytes())
    }

    /// Prepares keys that are known to be usable.
    ///
    /// # Panics
    /// Where one is not.
    #[must_use]
    pub fn prepare_all(&self, jwks: &[Value]) -> Vec<PreparedKey> {
        let prepare = |jwk| self.prepare(jwk).expect("a key that may be used");
        jwks.iter().map(prepare).collect()
    }
}

fn prepare<B>(jwk: &[u8]) -> Result<PreparedKey, KeyError>
where
    B: gatepost_core::crypto::Backend<Key: 'static> + Default,
{
    let jwk = Jwk::parse(jwk)?;
    let mut buffer = KeyBuffer::new();
    let material = jwk.material(&mut buffer)?;
    Ok(PreparedKey {
        kid: jwk.kid().map(str::to_owned),
        key: Box::new(B::default().prepare(&material, jwk.algorithms())?),
    })
}

/// A key that is ready to verify, whichever backend has prepared it.
pub struct PreparedKey {
    /// Its identifier, where it has one.
    pub kid: Option<String>,
    /// The key.
    pub key: Box<dyn VerifyingKey>,
}

impl PreparedKey {
    /// The key as one of a provider's whose policy is `policy`.
    #[must_use]
    pub fn trusted<'k>(&'k self, policy: &'k Policy<'k>) -> TrustedKey<'k> {
        TrustedKey {
            key: &*self.key,
            kid: self.kid.as_deref(),
            owner: None,
            policy,
        }
    }
}

/// What came of a login.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// The user who is logged in, or why nobody is.
    pub verdict: Result<String, Rejection>,
    /// The provider whose key has verified, where one has.
    pub provider: Option<String>,
    /// The failure replies that the client was sent.
    pub challenges: Vec<String>,
    /// How often keys were asked for.
    pub attempts: usize,
}

impl Outcome {
    /// The user, or the reason's stable code.
    ///
    /// # Errors
    /// The code.
    pub fn code(&self) -> Result<&str, &'static str> {
        match &self.verdict {
            Ok(user) => Ok(user),
            Err(rejection) => Err(rejection.code()),
        }
    }
}

/// Judges one message with `keys`; the client replies to any challenge.
///
/// # Panics
/// When the exchange wants anything else.
pub fn judge(
    rules: Rules<'_>,
    mechanism: Mechanism,
    message: &[u8],
    keys: &[TrustedKey<'_>],
    now: UnixTime,
) -> Outcome {
    let mut scratch = [0; MAX_PAYLOAD];
    let mut challenges = vec![];
    let mut attempts = 0;
    let mut exchange = Exchange::new(rules, mechanism, message);
    let mut input = Input::Start;
    let verdict = loop {
        input = match exchange.step(now, input) {
            Output::FindKeys(_) => {
                attempts += 1;
                let scratch = &mut scratch;
                Input::Keys { keys, scratch }
            }
            Output::Fetch(request) => panic!("nobody is configured to be asked {request:?}"),
            Output::Challenge(reply) => {
                challenges.push(String::from_utf8_lossy(&reply.json()).into_owned());
                Input::Reply
            }
            Output::Accept(identity) => break Ok(identity.user().to_owned()),
            Output::Reject(rejection) => break Err(rejection),
        };
    };
    Outcome {
        verdict,
        provider: exchange.provider().map(str::to_owned),
        challenges,
        attempts,
    }
}

/// The message of a client that speaks XOAUTH2.
#[must_use]
pub fn xoauth2(user: &str, token: &str) -> Vec<u8> {
    format!("user={user}\x01auth=Bearer {token}\x01\x01").into_bytes()
}

/// The message of a client that speaks OAUTHBEARER and leaves it to the token who it is.
#[must_use]
pub fn oauthbearer(token: &str) -> Vec<u8> {
    format!("n,,\x01auth=Bearer {token}\x01\x01").into_bytes()
}
