//! Drives an [`Exchange`] as an adapter does, without any I/O, on either backend.

use gatepost_aws_lc::AwsLc;
use gatepost_core::crypto::{RustCrypto, VerifyingKey};
use gatepost_core::exchange::{Input, MAX_PAYLOAD, Output, Rules, TrustedKey};
use gatepost_core::introspection::{Answer, FetchFailure, Method, Request};
use gatepost_core::jose::{Jwk, KeyBuffer, KeyError};
use gatepost_core::sasl::{BearerToken, Mechanism};
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

/// A question to a provider, written out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asked {
    /// The provider's place among those of the rules.
    pub provider: usize,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The URL.
    pub url: String,
    /// The value of `Authorization`; empty where there is none.
    pub authorization: String,
    /// The value of `Accept`.
    pub accept: &'static str,
    /// The body; empty where there is none.
    pub form: String,
}

impl Asked {
    fn new(request: &Request<'_>) -> Self {
        let write = |write: &dyn Fn(&mut String) -> std::fmt::Result| {
            let mut text = String::new();
            write(&mut text).expect("room in a string");
            text
        };
        Self {
            provider: request.provider(),
            method: match request.method() {
                Method::Get => "GET",
                Method::Post => "POST",
            },
            url: write(&|out| request.write_url(out)),
            authorization: write(&|out| request.write_authorization(out)),
            accept: request.accept(),
            form: write(&|out| request.write_form(out)),
        }
    }
}

/// What a provider answers in a test.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The media type.
    pub content_type: String,
    /// The value of `WWW-Authenticate`.
    pub www_authenticate: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// `body` as JSON.
    #[must_use]
    pub fn json(status: u16, body: &str) -> Self {
        Self {
            status,
            content_type: "application/json".to_owned(),
            www_authenticate: String::new(),
            body: body.as_bytes().to_vec(),
        }
    }
}

/// A provider of a test.
pub type Ask<'a> = &'a mut dyn FnMut(&Asked) -> Result<Reply, FetchFailure>;

/// Judges one message with `keys`; the client replies to any challenge.
///
/// # Panics
/// When the exchange wants to ask a provider.
#[must_use]
pub fn judge(
    rules: Rules<'_>,
    mechanism: Mechanism,
    message: &[u8],
    keys: &[TrustedKey<'_>],
    now: impl Into<Option<UnixTime>>,
) -> Outcome {
    let mut ask = |asked: &Asked| panic!("nobody is configured to be asked {asked:?}");
    judge_asking(rules, mechanism, message, Some(keys), now, &mut ask)
}

/// Judges one message with `keys`, or where newer ones are due and cannot be had, and with what providers
/// answer.
pub fn judge_asking(
    rules: Rules<'_>,
    mechanism: Mechanism,
    message: &[u8],
    keys: Option<&[TrustedKey<'_>]>,
    now: impl Into<Option<UnixTime>>,
    ask: Ask<'_>,
) -> Outcome {
    let mut scratch = vec![0; MAX_PAYLOAD.max(Answer::MAX_LEN)];
    let mut reply;
    let mut answer;
    let mut challenges = vec![];
    let mut attempts = 0;
    let mut room = vec![0; BearerToken::MAX_LEN];
    let now = now.into();
    let mut exchange = Exchange::new(rules, mechanism, message).with_room(&mut room);
    let mut input = Input::Start;
    let verdict = loop {
        input = match exchange.step(now, input) {
            Output::FindKeys(_) => {
                attempts += 1;
                let scratch = &mut scratch;
                match keys {
                    Some(keys) => Input::Keys { keys, scratch },
                    None => Input::KeysUnavailable { scratch },
                }
            }
            Output::Fetch(request) => match ask(&Asked::new(&request)) {
                Ok(answered) => {
                    reply = answered;
                    answer = Answer {
                        status: reply.status,
                        content_type: &reply.content_type,
                        www_authenticate: &reply.www_authenticate,
                        body: &reply.body,
                    };
                    Input::Fetched {
                        answer: &answer,
                        keys: keys.unwrap_or_default(),
                        scratch: &mut scratch,
                    }
                }
                Err(why) => Input::FetchFailed(why),
            },
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
