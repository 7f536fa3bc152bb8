//! Drives an [`Exchange`] as an adapter does, without any I/O, on either backend.

use gatepost_aws_lc::AwsLc;
use gatepost_core::crypto::{RustCrypto, VerifyingKey};
use gatepost_core::exchange::{Input, LoginSettings, MAX_PAYLOAD, Output, Provider, TrustedKey};
use gatepost_core::introspection::{Answer, FetchFailure, Method, Request};
use gatepost_core::jose::{Jwk, JwkSet, KeyBuffer, KeyError};
use gatepost_core::sasl::{BearerToken, Mechanism};
use gatepost_core::{Audience, Exchange, KeySet, Policy, Rejection, UnixTime, verify};
use serde_json::{Value, json};

/// A backend behind one type, so that every vector runs on both.
#[derive(Clone, Copy, Debug)]
pub struct Backend {
    /// What it is called in the names of tests.
    pub name: &'static str,
    prepare: fn(&[u8]) -> Result<PreparedKey, KeyError>,
    verifies: fn(&[u8], &str) -> bool,
}

/// The core's own backend, and the one of hosts.
pub const BACKENDS: [Backend; 2] = [
    Backend {
        name: "RustCrypto",
        prepare: prepare::<RustCrypto>,
        verifies: verifies::<RustCrypto>,
    },
    Backend {
        name: "AwsLc",
        prepare: prepare::<AwsLc>,
        verifies: verifies::<AwsLc>,
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

    /// Whether a token's signature verifies with a JWK, or a JWK Set that never was public, for a library's
    /// user: [`KeySet`] and [`verify`]. Its claims may be no good.
    #[must_use]
    pub fn verifies(&self, keys: &Value, token: &str) -> bool {
        let set = if keys["keys"].is_array() {
            keys.to_string()
        } else {
            json!({"keys": [keys]}).to_string()
        };
        (self.verifies)(set.as_bytes(), token)
    }
}

fn verifies<B>(set: &[u8], token: &str) -> bool
where
    B: gatepost_core::crypto::Backend + Default,
{
    let mut keys = KeySet::<{ JwkSet::MAX_KEYS }, B>::with_backend(B::default()).taking_secrets();
    if keys.add_jwk_set(set, |_| ()).is_err() {
        return false;
    }
    let policy = Policy::new("vectors", Audience::Any);
    let mut scratch = vec![0; MAX_PAYLOAD];
    let now = UnixTime::from_seconds(0);
    let outcome = verify(token, &keys, &policy, now, &mut scratch);
    // Claims are judged once the signature has verified, and those of vectors are hardly ever good.
    matches!(outcome, Ok(_) | Err(Rejection::Claims(_)))
}

fn prepare<B>(jwk: &[u8]) -> Result<PreparedKey, KeyError>
where
    B: gatepost_core::crypto::Backend<Key: 'static> + Default,
{
    let jwk = Jwk::parse(jwk)?;
    let mut buffer = KeyBuffer::new();
    let material = jwk.material_or_secret(&mut buffer)?;
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
    pub fn trusted<'k>(&'k self, policy: &'k Policy<'k>) -> Key<'k> {
        Key {
            key: &*self.key,
            kid: self.kid.as_deref(),
            owner: None,
            issuer: None,
            policy,
        }
    }
}

/// A key of the provider that has this very policy.
#[derive(Clone, Copy)]
pub struct Key<'k> {
    /// The key.
    pub key: &'k dyn VerifyingKey,
    /// Its identifier, where it has one.
    pub kid: Option<&'k str>,
    /// The one client that it signs for.
    pub owner: Option<&'k str>,
    /// The one issuer that it signs for.
    pub issuer: Option<&'k str>,
    /// The provider's policy.
    pub policy: &'k Policy<'k>,
}

/// The providers of a login, each with its keys.
struct Grouped<'k> {
    providers: Vec<Provider<'k>>,
    keys: Vec<Vec<TrustedKey<'k>>>,
}

impl<'k> Grouped<'k> {
    /// Those of `providers`, and of each policy that a key has beside.
    fn new(providers: &[Provider<'k>], keys: &[Key<'k>]) -> Self {
        let mut providers = providers.to_vec();
        let mut grouped = vec![Vec::new(); providers.len()];
        for key in keys {
            let is_its = |one: &Provider<'_>| std::ptr::eq(one.policy, key.policy);
            let place = providers.iter().position(is_its).unwrap_or_else(|| {
                let policy = key.policy;
                let endpoints = None;
                providers.push(Provider { policy, endpoints });
                grouped.push(Vec::new());
                providers.len() - 1
            });
            let mut trusted = TrustedKey::new(key.key, key.kid);
            (trusted.owner, trusted.issuer) = (key.owner, key.issuer);
            grouped[place].push(trusted);
        }
        Self {
            providers,
            keys: grouped,
        }
    }

    /// `rules` for these providers.
    fn settings<'r>(&'r self, rules: LoginSettings<'r>) -> LoginSettings<'r> {
        LoginSettings {
            providers: &self.providers,
            ..rules
        }
    }

    fn name(&self, place: usize) -> String {
        self.providers[place].policy.provider.to_owned()
    }
}

/// What came of a login.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// The user who is logged in, or why nobody is.
    pub verdict: Result<String, Rejection>,
    /// Who that really is, where a delegate logs in as somebody else.
    pub actor: Option<String>,
    /// The provider whose key has verified, where one has.
    pub provider: Option<String>,
    /// The failure replies that the client was sent.
    pub challenges: Vec<String>,
    /// How often keys were asked for.
    pub attempts: usize,
    /// Who the client claims to be; for the log.
    pub claimed: Option<String>,
    /// Whose the token is, where a signature or an answer has vouched for it; for the log.
    pub vouched: Option<String>,
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

    fn answer(&self) -> Answer<'_> {
        Answer {
            status: self.status,
            content_type: &self.content_type,
            www_authenticate: &self.www_authenticate,
            body: &self.body,
        }
    }
}

/// Before a provider has answered.
const NO_ANSWER: Answer<'_> = Answer {
    status: 0,
    content_type: "",
    www_authenticate: "",
    body: b"",
};

/// A provider of a test.
pub type Ask<'a> = &'a mut dyn FnMut(&Asked) -> Result<Reply, FetchFailure>;

/// Judges one message with `keys`; the client replies to any challenge.
///
/// # Panics
/// When the exchange wants to ask a provider.
#[must_use]
pub fn judge(
    rules: LoginSettings<'_>,
    mechanism: Mechanism,
    message: &[u8],
    keys: &[Key<'_>],
    now: impl Into<Option<UnixTime>>,
) -> Outcome {
    let mut ask = |asked: &Asked| panic!("nobody is configured to be asked {asked:?}");
    judge_asking(rules, mechanism, message, Some(keys), now, &mut ask)
}

/// Whose the token is by what vouches for it, whatever became of the login.
fn vouched(exchange: &Exchange<'_>, answer: &Answer<'_>, scratch: &mut [u8]) -> Option<String> {
    let signed = exchange.vouched_user(scratch);
    let named = signed.or_else(|| exchange.user_in(answer, scratch));
    named.map(|name| name.as_str().to_owned())
}

/// Judges one message with `keys`, or where newer ones are due and cannot be fetched, and with what providers
/// answer.
pub fn judge_asking(
    rules: LoginSettings<'_>,
    mechanism: Mechanism,
    message: &[u8],
    keys: Option<&[Key<'_>]>,
    now: impl Into<Option<UnixTime>>,
    ask: Ask<'_>,
) -> Outcome {
    let mut scratch = vec![0; MAX_PAYLOAD.max(Answer::MAX_LEN)];
    let mut reply;
    let mut answer = NO_ANSWER;
    let (mut challenges, mut attempts, mut actor) = (vec![], 0, None);
    let mut room = vec![0; BearerToken::MAX_LEN];
    let now = now.into();
    let grouped = Grouped::new(rules.providers, keys.unwrap_or_default());
    let lists: Vec<&[TrustedKey<'_>]> = grouped.keys.iter().map(Vec::as_slice).collect();
    let rules = grouped.settings(rules);
    let mut exchange = Exchange::new(rules, mechanism, message).with_grant_buffer(&mut room);
    let mut input = Input::Start;
    let verdict = loop {
        input = match exchange.step(now, input) {
            Output::FindKeys(_) => {
                attempts += 1;
                Input::Keys {
                    keys: &lists,
                    scratch: &mut scratch,
                }
            }
            Output::FindNewerKeys(_) if keys.is_some() => Input::NoNewerKeys,
            Output::FindNewerKeys(_) => Input::KeysUnavailable,
            Output::Fetch(request) => match ask(&Asked::new(&request)) {
                Ok(answered) => {
                    reply = answered;
                    answer = reply.answer();
                    Input::Fetched {
                        answer: &answer,
                        keys: &lists,
                        scratch: &mut scratch,
                    }
                }
                Err(why) => Input::FetchFailed(why),
            },
            Output::Again => Input::Fetched {
                answer: &answer,
                keys: &lists,
                scratch: &mut scratch,
            },
            Output::Challenge(reply) => {
                challenges.push(String::from_utf8_lossy(&reply.json()).into_owned());
                Input::Reply
            }
            Output::Accept(identity) => {
                actor = identity.actor().map(str::to_owned);
                break Ok(identity.user().to_owned());
            }
            Output::Reject(rejection) => break Err(rejection),
        };
    };
    Outcome {
        verdict,
        actor,
        claimed: exchange.claimed_user().map(|name| name.chars().collect()),
        vouched: vouched(&exchange, &answer, &mut scratch),
        provider: exchange.provider().map(|place| grouped.name(place)),
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
