//! One login, from the client's bytes to the verdict, as a machine without I/O.
//!
//! Whoever drives it says what time it is, fetches what it asks for, and sends what it says. This loop is
//! all there is to it; what an [`Input`] borrows is declared before the loop, for the outputs outlive it.
//!
//! ```
//! # use gatepost_core::{
//! #     Audience, Policy, UnixTime, crypto::*, exchange::*, introspection::FetchFailure, jose::*, sasl::*,
//! # };
//! # struct Never;
//! # impl VerifyingKey for Never {
//! #     fn algorithms(&self) -> AlgorithmSet { AlgorithmSet::ALL }
//! #     fn verify(&self, _: Algorithm, _: &[u8], _: &[u8]) -> Result<(), InvalidSignature> {
//! #         Err(InvalidSignature)
//! #     }
//! # }
//! # let now = || UnixTime::from_seconds(1_795_312_000);
//! # let message = b"user=alice@example.com\x01auth=Bearer eyJhbGciOiJFUzI1NiJ9.e30.c2ln\x01\x01";
//! let policy = Policy::new("example", Audience::OneOf(&["mail"]));
//! let keys = [TrustedKey { key: &Never, kid: None, owner: None, policy: &policy }];
//! let mut scratch = [0; MAX_PAYLOAD];
//!
//! let mut exchange = Exchange::new(Rules::default(), Mechanism::XOAuth2, message);
//! let mut input = Input::Start;
//! let verdict = loop {
//!     input = match exchange.step(now(), input) {
//!         Output::FindKeys(_query) => Input::Keys { keys: &keys, scratch: &mut scratch },
//!         Output::Fetch(_request) => Input::FetchFailed(FetchFailure::Connection), // or what it answered
//!         Output::Challenge(reply) => {
//!             let _to_the_client = reply.json();
//!             Input::Reply // whatever the client answered
//!         }
//!         Output::Accept(identity) => break Ok(identity.user().len()),
//!         Output::Reject(rejection) => break Err(rejection.code()),
//!     };
//! };
//! assert_eq!(verdict, Err("bad_signature"));
//! ```

use crate::{
    crypto::{Algorithm, VerifyingKey},
    introspection::{Answer, Endpoints, FetchFailure, Request},
    jose::{UnverifiedJwt, VerifyError},
    policy::{Identity, Policy},
    rejection::Rejection,
    sasl::{
        BearerToken, ClientResponse, Compat, Credential, Discovery, FailureReply, Mechanism,
        SaslName,
    },
    time::UnixTime,
};
use asking::{Asking, Told};
use granting::Granting;

pub use crate::claims::Hints;

mod asking;
mod candidates;
mod granting;
mod reading;
mod routing;

/// Scratch space that holds the payload of any token that is taken, in bytes.
pub const MAX_PAYLOAD: usize = BearerToken::MAX_LEN / 4 * 3;

/// Most keys that are tried for one token: what a token without `kid` may cost.
const MAX_ATTEMPTS: usize = 4;

/// What holds for every login, whichever provider it turns out to belong to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules<'r> {
    /// How much grace a client's message gets.
    pub compat: Compat,
    /// Where clients are sent for a better token.
    pub discovery: Discovery<'r>,
    /// The providers that can be asked about tokens.
    pub providers: &'r [Provider<'r>],
}

/// A provider that can be asked about tokens, and what its answers have to say.
#[derive(Clone, Copy, Debug)]
pub struct Provider<'p> {
    /// Its policy.
    pub policy: &'p Policy<'p>,
    /// Where and how it is asked; `None` where it never is.
    pub endpoints: Option<Endpoints<'p>>,
}

/// A prepared key, whose it is, and what its provider's tokens have to say.
#[derive(Clone, Copy)]
pub struct TrustedKey<'k> {
    /// The prepared key.
    pub key: &'k dyn VerifyingKey,
    /// Its identifier, where it has one.
    pub kid: Option<&'k str>,
    /// The one client (`azp`) that it signs for, in Dovecot's layout of keys.
    pub owner: Option<&'k str>,
    /// The policy of the provider that it belongs to.
    pub policy: &'k Policy<'k>,
}

impl core::fmt::Debug for TrustedKey<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TrustedKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// What a step is given.
#[non_exhaustive]
pub enum Input<'i> {
    /// The client's message is there.
    Start,
    /// The keys that were asked for; more than those asked for do no harm, two lists that differ in
    /// order between steps make it try some key twice.
    Keys {
        /// Candidates; all of a provider's keys, or those that a store has found.
        keys: &'i [TrustedKey<'i>],
        /// Room for one decoded payload: [`MAX_PAYLOAD`] bytes, or as much as this adapter takes.
        scratch: &'i mut [u8],
    },
    /// There may be newer keys than those known, one of which the token may be signed with, and they
    /// cannot be had. As [`Keys`](Self::Keys) without any, but for what it says of the token: nothing.
    KeysUnavailable {
        /// As above.
        scratch: &'i mut [u8],
    },
    /// A provider's answer.
    Fetched {
        /// The answer.
        answer: &'i Answer<'i>,
        /// Keys, for answers that are signed.
        keys: &'i [TrustedKey<'i>],
        /// As above; [`Answer::MAX_LEN`] bytes hold every signed answer.
        scratch: &'i mut [u8],
    },
    /// Why there is none.
    FetchFailed(FetchFailure),
    /// The client's reply to the challenge; nothing of it matters.
    Reply,
}

impl core::fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Start => "Start",
            // The scratch space may hold the claims of the last token.
            Self::Keys { .. } => "Keys(..)",
            Self::KeysUnavailable { .. } => "KeysUnavailable",
            Self::Fetched { .. } => "Fetched(..)",
            Self::FetchFailed(_) => "FetchFailed(..)",
            Self::Reply => "Reply",
        })
    }
}

/// What a step wants, or ends with. A driver has to know them all.
#[derive(Debug)]
#[must_use]
pub enum Output<'o> {
    /// Look up keys; give them as [`Input::Keys`]. May come again, when a key did not verify.
    FindKeys(KeyQuery<'o>),
    /// Ask a provider; give what comes as [`Input::Fetched`] or [`Input::FetchFailed`]. May come again,
    /// when one endpoint has not said everything.
    Fetch(Request<'o>),
    /// The token is good: this is whose it is.
    Accept(&'o Identity),
    /// Send this to the client; when it has replied, whatever it replied, give [`Input::Reply`].
    ///
    /// Nothing but the [verdict](Exchange::rejection) is needed from here on: the exchange and its
    /// buffer may be dropped.
    Challenge(FailureReply<'o>),
    /// The login has failed.
    Reject(Rejection),
}

/// Which keys may verify a token: what its header says, and nobody has vouched for.
#[derive(Clone, Copy, Debug)]
pub struct KeyQuery<'o> {
    jwt: &'o UnverifiedJwt<'o>,
}

impl<'o> KeyQuery<'o> {
    /// The algorithm that the key must serve.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.jwt.header().algorithm()
    }

    /// The key's identifier, where the token has one.
    #[must_use]
    pub fn kid(&self) -> Option<&'o str> {
        self.jwt.header().kid()
    }

    /// Whether one of `keys` may be the one, so that no other need be looked for.
    #[must_use]
    pub fn is_met_by(&self, keys: &[TrustedKey<'_>], scratch: &mut [u8]) -> bool {
        !matches!(
            candidates::find(self.jwt, keys, 0, scratch),
            Err(Rejection::UnknownKey | Rejection::NoKeys)
        )
    }

    /// Where the token says it comes from; `None` where its payload is no object.
    ///
    /// Nobody has vouched for that: it may choose whose keys are looked at again, nothing else.
    #[must_use]
    pub fn hints<'s>(&self, scratch: &'s mut [u8]) -> Option<Hints<'s>> {
        Hints::read(self.jwt.decode_payload(scratch).ok()?).ok()
    }
}

/// One login.
pub struct Exchange<'b> {
    rules: Rules<'b>,
    /// `None` where a token came without SASL around it.
    mechanism: Option<Mechanism>,
    claimed: Option<SaslName<'b>>,
    token: Option<BearerToken<'b>>,
    provider: Option<heapless::String<64>>,
    /// Where a token that is granted is kept.
    room: &'b mut [u8],
    /// The provider that has been asked for a token.
    granter: Option<usize>,
    state: State<'b>,
}

enum State<'b> {
    Received(&'b [u8]),
    AwaitingKeys {
        jwt: UnverifiedJwt<'b>,
        attempt: usize,
        /// Whether its provider was asked about it before, and does not judge JWTs.
        was_asked: bool,
    },
    AwaitingGrant(Granting<'b>),
    AwaitingAnswer(Asking<'b>),
    Accepted(Identity),
    Challenged(Rejection),
    Rejected(Rejection),
}

impl core::fmt::Debug for State<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Received(_) => "Received",
            Self::AwaitingKeys { .. } => "AwaitingKeys",
            Self::AwaitingGrant(_) => "AwaitingGrant",
            Self::AwaitingAnswer(_) => "AwaitingAnswer",
            Self::Accepted(_) => "Accepted",
            Self::Challenged(_) => "Challenged",
            Self::Rejected(_) => "Rejected",
        })
    }
}

impl core::fmt::Debug for Exchange<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The room may hold a token.
        f.debug_struct("Exchange")
            .field("mechanism", &self.mechanism)
            .field("claimed", &self.claimed)
            .field("provider", &self.provider)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl<'b> Exchange<'b> {
    /// Begins with the client's message, already base64-decoded.
    ///
    /// A client that sent none yet is first asked for it by an empty challenge (RFC 4422 section 3.3);
    /// that is up to whoever speaks the protocol around SASL.
    #[must_use]
    pub fn new(rules: Rules<'b>, mechanism: Mechanism, message: &'b [u8]) -> Self {
        Self::begin(rules, Some(mechanism), message)
    }

    /// Begins with a token alone, as HTTP carries it (RFC 6750): nobody claims to be anybody, so that the
    /// verdict is whose it is, and a failure is rejected at once, for there is no client to challenge.
    #[must_use]
    pub fn of_token(rules: Rules<'b>, token: &'b [u8]) -> Self {
        Self::begin(rules, None, token)
    }

    fn begin(rules: Rules<'b>, mechanism: Option<Mechanism>, message: &'b [u8]) -> Self {
        Self {
            rules,
            mechanism,
            claimed: None,
            token: None,
            provider: None,
            room: &mut [],
            granter: None,
            state: State::Received(message),
        }
    }

    /// Lends `room` for a token that is granted in exchange for a password: [`BearerToken::MAX_LEN`]
    /// bytes hold every one. Without it, no password is taken.
    #[must_use]
    pub fn with_room(mut self, room: &'b mut [u8]) -> Self {
        self.room = room;
        self
    }

    /// Goes as far as it can with `input`. Costs one verification of a signature at most.
    ///
    /// `now` is `None` where the clock has not been set yet: signatures are verified then, but no claim is
    /// judged ([`Rejection::ClockNotSet`]). An input that was not asked for fails the login:
    /// [`Rejection::OutOfOrder`].
    pub fn step<'o>(
        &'o mut self,
        now: impl Into<Option<UnixTime>>,
        input: Input<'_>,
    ) -> Output<'o> {
        self.advance(now.into(), input);
        self.output()
    }

    fn advance(&mut self, now: Option<UnixTime>, input: Input<'_>) {
        let state = core::mem::replace(&mut self.state, State::Rejected(Rejection::OutOfOrder));
        let next = match (state, input) {
            (State::Received(message), Input::Start) => self.parse(message),
            (
                State::AwaitingKeys {
                    jwt,
                    attempt,
                    was_asked,
                },
                Input::Keys { keys, scratch },
            ) => self.verify(now, jwt, (attempt, was_asked), keys, scratch),
            (State::AwaitingKeys { jwt, was_asked, .. }, Input::KeysUnavailable { scratch }) => {
                let why = Rejection::KeysUnavailable;
                match self.ask_first(&jwt, was_asked, scratch) {
                    Some(asking) => Ok(asking),
                    None => self.ask_instead(&jwt, was_asked, why, scratch),
                }
            }
            (
                State::AwaitingAnswer(asking),
                Input::Fetched {
                    answer,
                    keys,
                    scratch,
                },
            ) => self.hear(now, &asking, answer, keys, scratch),
            (State::AwaitingGrant(_), Input::Fetched { answer, .. }) => self.take_grant(answer),
            (State::AwaitingGrant(_) | State::AwaitingAnswer(_), Input::FetchFailed(why)) => {
                Err(why.into())
            }
            (State::Challenged(why), Input::Reply) => Ok(State::Rejected(why)),
            (state @ (State::Accepted(_) | State::Rejected(_)), _) => Ok(state),
            _ => Ok(State::Rejected(Rejection::OutOfOrder)),
        };
        self.state = next.unwrap_or_else(|why| self.refused(why));
    }

    /// Who the client claims to be, once its message has been parsed: for the log, not to be believed.
    #[must_use]
    pub fn claimed_user(&self) -> Option<SaslName<'b>> {
        self.claimed
    }

    /// The token, once the client's message has been parsed, or a provider has granted one: not to be
    /// believed, nor printed.
    #[must_use]
    pub fn token(&self) -> Option<BearerToken<'b>> {
        self.token
    }

    /// The provider whose policy judged, once a signature has verified, or that was asked.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        self.provider.as_deref()
    }

    /// Why the login has failed, where it has: already known when the challenge is sent.
    #[must_use]
    pub fn rejection(&self) -> Option<Rejection> {
        match self.state {
            State::Challenged(why) | State::Rejected(why) => Some(why),
            _ => None,
        }
    }

    // The branches of a step are not inlined into it: on a device, what one of them has on the stack lies there
    // during a verification.
    #[inline(never)]
    fn parse(&mut self, message: &'b [u8]) -> Result<State<'b>, Rejection> {
        let Some(mechanism) = self.mechanism else {
            return self.present(BearerToken::new(message)?);
        };
        let response = ClientResponse::parse(mechanism, self.rules.compat, message)?;
        self.claimed = response.authzid;
        match response.credential {
            Credential::Bearer(token) => self.present(token),
            Credential::Password(password) => self.ask_for_token(password),
        }
    }

    /// A client can do something about a bad token, so it is told, where its mechanism has a way to; about
    /// our own faults it cannot.
    fn refused(&self, why: Rejection) -> State<'b> {
        match (why.status(), self.mechanism) {
            (Some(_), Some(mechanism)) if !mechanism.is_password() => State::Challenged(why),
            _ => State::Rejected(why),
        }
    }

    fn present(&mut self, token: BearerToken<'b>) -> Result<State<'b>, Rejection> {
        self.token = Some(token);
        match UnverifiedJwt::parse(token.expose()) {
            Ok(jwt) => Ok(State::AwaitingKeys {
                jwt,
                attempt: 0,
                was_asked: false,
            }),
            // What is no JWT of ours may still be a token of a provider's.
            Err(error) => self.ask_about_opaque(error.into()),
        }
    }

    #[inline(never)]
    fn verify(
        &mut self,
        now: Option<UnixTime>,
        jwt: UnverifiedJwt<'b>,
        (attempt, was_asked): (usize, bool),
        keys: &[TrustedKey<'_>],
        scratch: &mut [u8],
    ) -> Result<State<'b>, Rejection> {
        if attempt == 0
            && let Some(asking) = self.ask_first(&jwt, was_asked, scratch)
        {
            return Ok(asking);
        }
        let trusted = match candidates::find(&jwt, keys, attempt, scratch) {
            Ok(found) => found.ok_or(Rejection::BadSignature)?,
            Err(why @ (Rejection::UnknownKey | Rejection::NoKeys)) => {
                return self.ask_instead(&jwt, was_asked, why, scratch);
            }
            Err(why) => return Err(why),
        };
        let payload = match jwt.verify(trusted.key, scratch) {
            Ok(payload) => payload,
            Err(VerifyError::Signature) => {
                let attempt = attempt.saturating_add(1);
                return match candidates::find(&jwt, keys, attempt, scratch)? {
                    Some(_) if attempt < MAX_ATTEMPTS => Ok(State::AwaitingKeys {
                        jwt,
                        attempt,
                        was_asked,
                    }),
                    _ => Err(Rejection::BadSignature),
                };
            }
            Err(VerifyError::Token(error)) => return Err(error.into()),
        };
        self.provider = trusted.policy.provider.try_into().ok();
        let now = now.ok_or(Rejection::ClockNotSet)?;
        let identity =
            trusted
                .policy
                .check_signed_for(now, &payload, self.claimed, trusted.owner)?;
        Ok(State::Accepted(identity))
    }

    /// Hears what a provider answered: it may be the verdict, or that somebody else is to be asked.
    #[inline(never)]
    fn hear(
        &mut self,
        now: Option<UnixTime>,
        asking: &Asking<'b>,
        answer: &Answer<'_>,
        keys: &[TrustedKey<'_>],
        scratch: &mut [u8],
    ) -> Result<State<'b>, Rejection> {
        match asking.hear(now, answer, keys, scratch, self.claimed)? {
            Told::Everything(identity) => Ok(State::Accepted(identity)),
            Told::Part(asking) => Ok(State::AwaitingAnswer(asking)),
            Told::NotJudged if asking.instead_of.is_some() => {
                Err(routing::nobody_vouches(asking.instead_of))
            }
            Told::NotJudged => match UnverifiedJwt::parse(asking.token.expose()) {
                Ok(jwt) => Ok(State::AwaitingKeys {
                    jwt,
                    attempt: 0,
                    was_asked: true,
                }),
                Err(_) => Err(Rejection::TokenRefused),
            },
        }
    }

    fn output(&self) -> Output<'_> {
        match &self.state {
            State::AwaitingKeys { jwt, .. } => Output::FindKeys(KeyQuery { jwt }),
            State::AwaitingGrant(granting) => Output::Fetch(granting.request()),
            State::AwaitingAnswer(asking) => Output::Fetch(asking.request()),
            State::Accepted(identity) => Output::Accept(identity),
            State::Challenged(why) => match (why.status(), self.mechanism) {
                (Some(status), Some(mechanism)) => Output::Challenge(FailureReply {
                    mechanism,
                    status,
                    discovery: self.rules.discovery,
                }),
                _ => Output::Reject(*why),
            },
            State::Rejected(why) => Output::Reject(*why),
            State::Received(_) => Output::Reject(Rejection::OutOfOrder),
        }
    }
}
