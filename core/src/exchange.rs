//! One login, from the client's bytes to the verdict, as a machine without I/O.
//!
//! Whoever drives it says what time it is, fetches what it asks for, and sends what it says. This loop is
//! all there is to it; what an [`Input`] borrows is declared before the loop, for the outputs outlive it.
//!
//! ```
//! # use gatepost_core::{Audience, Policy, UnixTime, crypto::*, exchange::*, jose::*, sasl::*};
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
//!         Output::Fetch(_request) => Input::FetchFailed(gatepost_core::introspection::FetchFailure::Connection),
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
    introspection::{Answer, FetchFailure, Request},
    jose::{UnverifiedJwt, VerifyError},
    policy::{Identity, Policy},
    rejection::Rejection,
    sasl::{BearerToken, ClientResponse, Compat, Discovery, FailureReply, Mechanism, SaslName},
    time::UnixTime,
};

mod candidates;

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
    /// A provider's answer.
    Fetched(&'i Answer<'i>),
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
            Self::Fetched(_) => "Fetched(..)",
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
    /// Ask a provider; give what comes as [`Input::Fetched`] or [`Input::FetchFailed`].
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
}

/// One login.
#[derive(Debug)]
pub struct Exchange<'b> {
    rules: Rules<'b>,
    mechanism: Mechanism,
    claimed: Option<SaslName<'b>>,
    provider: Option<heapless::String<64>>,
    state: State<'b>,
}

enum State<'b> {
    Received(&'b [u8]),
    AwaitingKeys {
        jwt: UnverifiedJwt<'b>,
        attempt: usize,
    },
    Accepted(Identity),
    Challenged(Rejection),
    Rejected(Rejection),
}

impl State<'_> {
    /// A client can do something about a bad token, so it is told; about our own faults it cannot.
    fn refused(why: Rejection) -> Self {
        match why.status() {
            Some(_) => Self::Challenged(why),
            None => Self::Rejected(why),
        }
    }
}

impl core::fmt::Debug for State<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Received(_) => "Received",
            Self::AwaitingKeys { .. } => "AwaitingKeys",
            Self::Accepted(_) => "Accepted",
            Self::Challenged(_) => "Challenged",
            Self::Rejected(_) => "Rejected",
        })
    }
}

impl<'b> Exchange<'b> {
    /// Begins with the client's message, already base64-decoded.
    ///
    /// A client that sent none yet is first asked for it by an empty challenge (RFC 4422 section 3.3);
    /// that is up to whoever speaks the protocol around SASL.
    #[must_use]
    pub fn new(rules: Rules<'b>, mechanism: Mechanism, message: &'b [u8]) -> Self {
        Self {
            rules,
            mechanism,
            claimed: None,
            provider: None,
            state: State::Received(message),
        }
    }

    /// Goes as far as it can with `input`. Costs one verification of a signature at most.
    ///
    /// An input that was not asked for fails the login: [`Rejection::OutOfOrder`].
    pub fn step<'o>(&'o mut self, now: UnixTime, input: Input<'_>) -> Output<'o> {
        let state = core::mem::replace(&mut self.state, State::Rejected(Rejection::OutOfOrder));
        self.state = match (state, input) {
            (State::Received(message), Input::Start) => {
                self.parse(message).unwrap_or_else(State::refused)
            }
            (State::AwaitingKeys { jwt, attempt }, Input::Keys { keys, scratch }) => self
                .verify(now, jwt, attempt, keys, scratch)
                .unwrap_or_else(State::refused),
            (State::Challenged(why), Input::Reply) => State::Rejected(why),
            (state @ (State::Accepted(_) | State::Rejected(_)), _) => state,
            _ => State::Rejected(Rejection::OutOfOrder),
        };
        self.output()
    }

    /// Who the client claims to be, once its message has been parsed: for the log, not to be believed.
    #[must_use]
    pub fn claimed_user(&self) -> Option<SaslName<'b>> {
        self.claimed
    }

    /// The provider whose policy judged, once a signature has verified.
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

    fn parse(&mut self, message: &'b [u8]) -> Result<State<'b>, Rejection> {
        let response = ClientResponse::parse(self.mechanism, self.rules.compat, message)?;
        self.claimed = response.authzid;
        let jwt = UnverifiedJwt::parse(response.token.expose())?;
        Ok(State::AwaitingKeys { jwt, attempt: 0 })
    }

    fn verify(
        &mut self,
        now: UnixTime,
        jwt: UnverifiedJwt<'b>,
        attempt: usize,
        keys: &[TrustedKey<'_>],
        scratch: &mut [u8],
    ) -> Result<State<'b>, Rejection> {
        let trusted =
            candidates::find(&jwt, keys, attempt, scratch)?.ok_or(Rejection::BadSignature)?;
        let payload = match jwt.verify(trusted.key, scratch) {
            Ok(payload) => payload,
            Err(VerifyError::Signature) => {
                let attempt = attempt.saturating_add(1);
                return match candidates::find(&jwt, keys, attempt, scratch)? {
                    Some(_) if attempt < MAX_ATTEMPTS => Ok(State::AwaitingKeys { jwt, attempt }),
                    _ => Err(Rejection::BadSignature),
                };
            }
            Err(VerifyError::Token(error)) => return Err(error.into()),
        };
        self.provider = trusted.policy.provider.try_into().ok();
        let identity =
            trusted
                .policy
                .check_signed_for(now, &payload, self.claimed, trusted.owner)?;
        Ok(State::Accepted(identity))
    }

    fn output(&self) -> Output<'_> {
        match &self.state {
            State::AwaitingKeys { jwt, .. } => Output::FindKeys(KeyQuery { jwt }),
            State::Accepted(identity) => Output::Accept(identity),
            State::Challenged(why) => match why.status() {
                Some(status) => Output::Challenge(FailureReply {
                    mechanism: self.mechanism,
                    status,
                    discovery: self.rules.discovery,
                }),
                None => Output::Reject(*why),
            },
            State::Rejected(why) => Output::Reject(*why),
            State::Received(_) => Output::Reject(Rejection::OutOfOrder),
        }
    }
}
