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
//! let providers = [Provider::new(&policy)];
//! let keys: [&[TrustedKey<'_>]; 1] = [&[TrustedKey::new(&Never, None)]]; // for each provider its own
//! let mut scratch = [0; MAX_PAYLOAD];
//!
//! let settings = LoginSettings::new(&providers);
//! let mut exchange = Exchange::new(settings, Mechanism::XOAuth2, message);
//! let mut input = Input::Start;
//! let verdict = loop {
//!     input = match exchange.step(now(), input) {
//!         Output::FindKeys(_query) => Input::Keys { keys: &keys, scratch: &mut scratch },
//!         Output::FindNewerKeys(_query) => Input::NoNewerKeys, // or Keys, or KeysUnavailable
//!         Output::Fetch(_request) => Input::FetchFailed(FetchFailure::Connection), // or what it answered
//!         Output::Again => unreachable!("nobody has answered"), // the same input, once more
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
    app_password::AppPassword,
    introspection::{Answer, Question},
    jose::UnverifiedJwt,
    rejection::Rejection,
    sasl::{BearerToken, ClientResponse, Credential, FailureReply, Mechanism, SaslName},
    time::UnixTime,
};
use asking::{AnswerOutcome, Asking, Means};
use course::{Asked, Verification};
use state::{Challenge, State};

pub use account::{Account, AccountQuery, Accounts, AskAccounts, FoundAccount, NoAccounts};
pub use key::{KeyQuery, NewerKeysQuery, TrustedKey};
pub use password::{AskPasswords, FoundPassword, NoPasswords, PasswordQuery, Passwords};
pub use settings::{LoginSettings, Provider};
pub use turn::{Input, Output};

mod account;
mod asking;
mod candidates;
mod course;
mod granting;
mod kept;
mod key;
mod password;
mod reading;
mod routing;
mod settings;
mod state;
mod turn;
mod verifying;
mod vouched;

/// Scratch space that holds the payload of any token that is taken, in bytes.
pub const MAX_PAYLOAD: usize = BearerToken::MAX_LEN / 4 * 3;

/// Most keys that may fail to verify one token: what a token without `kid` may cost.
const MAX_ATTEMPTS: usize = 4;

/// One login. `A` says whether its user has to have an account, [`with_accounts`](Self::with_accounts), and whether
/// application passwords are taken, [`with_passwords`](Self::with_passwords).
pub struct Exchange<'b, A: Accounts = NoAccounts> {
    settings: LoginSettings<'b>,
    /// `None` where a token came without SASL around it.
    mechanism: Option<Mechanism>,
    claimed: Option<SaslName<'b>>,
    token: Option<BearerToken<'b>>,
    provider: Option<usize>,
    /// Whether a signature of that provider's has verified for the token.
    is_verified: bool,
    /// What was asked last about the token.
    question: Option<Question>,
    /// Whether the answer was signed (RFC 9701), by its provider and for us.
    is_answer_verified: bool,
    /// Where a token that is granted is kept.
    grant_buffer: &'b mut [u8],
    /// The provider that has been asked for a token.
    granter: Option<usize>,
    accounts: A,
    state: State<'b, A>,
}

impl<A: Accounts> core::fmt::Debug for Exchange<'_, A> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The buffer may hold a token.
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
    pub fn new(settings: LoginSettings<'b>, mechanism: Mechanism, message: &'b [u8]) -> Self {
        Self::begin(settings, Some(mechanism), message)
    }

    /// Begins with a bare token, without a SASL message, as in an HTTP `Authorization` header (RFC 6750).
    ///
    /// No user name is claimed, so the identity comes from the token alone. A failure goes straight to
    /// [`Output::Reject`]: there is no SASL client to challenge.
    #[must_use]
    pub fn of_token(settings: LoginSettings<'b>, token: &'b [u8]) -> Self {
        Self::begin(settings, None, token)
    }

    fn begin(settings: LoginSettings<'b>, mechanism: Option<Mechanism>, message: &'b [u8]) -> Self {
        Self {
            settings,
            mechanism,
            claimed: None,
            token: None,
            provider: None,
            is_verified: false,
            question: None,
            is_answer_verified: false,
            grant_buffer: &mut [],
            granter: None,
            accounts: NoAccounts,
            state: State::Received(message),
        }
    }
}

impl<'b, A: Accounts> Exchange<'b, A> {
    /// Goes as far as it can with `input`. Costs one verification of a signature at most.
    ///
    /// `now` is `None` where the clock has not been set yet: signatures are verified then, but no claim is
    /// judged ([`Rejection::ClockNotSet`]). An input that was not asked for fails the login:
    /// [`Rejection::OutOfOrder`].
    // Inlined, as `advance`, so that a program that is never given an answer holds no code for one; `output` is not,
    // as each place would have room for it on the stack.
    #[inline]
    pub fn step<'o>(
        &'o mut self,
        now: impl Into<Option<UnixTime>>,
        input: Input<'_>,
    ) -> Output<'o, A::Query<'o>, password::QueryOf<'o, A>> {
        self.advance(now.into(), input);
        self.output()
    }

    // One function for each input that is judged: what another holds need not lie on a device's stack meanwhile.
    #[inline]
    fn advance(&mut self, now: Option<UnixTime>, input: Input<'_>) {
        match input {
            Input::Keys { keys, scratch } => self.take_keys(now, keys, scratch),
            Input::Fetched {
                answer,
                keys,
                scratch,
            } => self.take_answer(now, answer, keys, scratch),
            Input::Account(found) => self.take_account(&found),
            input => self.take_other(&input),
        }
    }

    #[inline(never)]
    fn take_keys(&mut self, now: Option<UnixTime>, keys: &[&[TrustedKey<'_>]], scratch: &mut [u8]) {
        if !matches!(self.state, State::AwaitingKeys(_)) {
            match self.take_state() {
                State::AwaitingNewerKeys(newer) => {
                    self.state = State::AwaitingKeys(newer.refreshed());
                }
                state => return self.refuse_input(state),
            }
        }
        let done = self.verify(now, keys, scratch);
        self.settle(done);
    }

    #[inline(never)]
    fn take_answer(
        &mut self,
        now: Option<UnixTime>,
        answer: &Answer<'_>,
        keys: &[&[TrustedKey<'_>]],
        scratch: &mut [u8],
    ) {
        let done = match self.take_state() {
            State::AwaitingAnswer(asking) | State::AwaitingSameAnswer(asking) => {
                self.judge_answer(now, asking, answer, keys, scratch)
            }
            State::AwaitingGrant(_) => self.take_grant(answer),
            state => return self.refuse_input(state),
        };
        self.settle(done);
    }

    #[inline(never)]
    fn take_other(&mut self, input: &Input<'_>) {
        let done = match (self.take_state(), input) {
            (State::Received(message), Input::Start) => self.parse(message),
            (State::AwaitingNewerKeys(newer), Input::NoNewerKeys) => {
                self.go_on_without_newer(newer, false)
            }
            (State::AwaitingNewerKeys(newer), Input::KeysUnavailable) => {
                self.go_on_without_newer(newer, true)
            }
            (State::AwaitingGrant(_) | State::AwaitingAnswer(_), Input::FetchFailed(why)) => {
                Err((*why).into())
            }
            (State::AwaitingPassword(waiting), Input::Password(found)) => {
                self.judge_password(waiting, found)
            }
            (State::Challenged(challenge), Input::Reply) => {
                self.enter(State::Rejected(challenge.why))
            }
            (state, _) => return self.refuse_input(state),
        };
        self.settle(done);
    }

    fn take_state(&mut self) -> State<'b, A> {
        core::mem::replace(&mut self.state, State::Rejected(Rejection::OutOfOrder))
    }

    /// An input that was not asked for fails a login, unless it has ended.
    fn refuse_input(&mut self, state: State<'b, A>) {
        if let State::Accepted(_) | State::Rejected(_) = state {
            self.state = state;
        }
    }

    /// Goes on in `state`. Whatever goes on says so itself: states are large, and moved as seldom as can be.
    #[inline]
    #[expect(
        clippy::unnecessary_wraps,
        reason = "it is what functions that go on end with"
    )]
    fn enter(&mut self, state: State<'b, A>) -> Result<(), Rejection> {
        self.state = state;
        Ok(())
    }

    fn settle(&mut self, done: Result<(), Rejection>) {
        if let Err(why) = done {
            self.state = self.refused(why);
        }
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

    /// The provider whose policy judged, once a signature has verified, or that was asked: its place in
    /// [`LoginSettings::providers`].
    #[must_use]
    pub fn provider(&self) -> Option<usize> {
        self.provider
    }

    /// Why the login has failed, where it has: already known when the challenge is sent.
    #[must_use]
    pub fn rejection(&self) -> Option<Rejection> {
        match self.state {
            State::Challenged(challenge) => Some(challenge.why),
            State::Rejected(why) => Some(why),
            _ => None,
        }
    }

    // The branches of a step are not inlined into it: on a device, what one of them has on the stack lies there
    // during a verification.
    #[inline(never)]
    fn parse(&mut self, message: &'b [u8]) -> Result<(), Rejection> {
        let Some(mechanism) = self.mechanism else {
            return self.present(BearerToken::new(message)?);
        };
        let response = ClientResponse::parse(mechanism, self.settings.compat, message)?;
        self.claimed = response.authzid;
        match response.credential {
            Credential::Bearer(token) => self.present(token),
            Credential::Password(password) => match AppPassword::read(password.expose()) {
                None => self.ask_for_token(password),
                Some(read) => self.ask_about_password(password, read),
            },
        }
    }

    /// A client can do something about a bad token, so it is told, where its mechanism has a way to; about
    /// our own faults it cannot.
    fn refused(&self, why: Rejection) -> State<'b, A> {
        match (why.status(), self.mechanism) {
            (Some(status), Some(mechanism)) if !mechanism.is_password() => {
                State::Challenged(Challenge {
                    why,
                    status,
                    mechanism,
                })
            }
            _ => State::Rejected(why),
        }
    }

    fn present(&mut self, token: BearerToken<'b>) -> Result<(), Rejection> {
        self.token = Some(token);
        match UnverifiedJwt::read(token.bytes()) {
            Ok(jwt) => self.enter(State::AwaitingKeys(Verification::new(jwt, Asked::NotYet))),
            // What is no JWT of ours may still be a token of a provider's.
            Err(error) => self.ask_about_opaque(error.into()),
        }
    }

    /// Judges what a provider answered: it may be the verdict, or that somebody else is to be asked.
    #[inline(never)]
    fn judge_answer(
        &mut self,
        now: Option<UnixTime>,
        asking: Asking<'b>,
        answer: &Answer<'_>,
        keys: &[&[TrustedKey<'_>]],
        scratch: &mut [u8],
    ) -> Result<(), Rejection> {
        let asked = asking.asked;
        self.question = Some(asking.question());
        self.is_answer_verified = false;
        let means = Means {
            now,
            keys: keys.get(asking.provider()).copied().unwrap_or_default(),
            scratch,
            claimed: self.claimed,
            is_verified: &mut self.is_answer_verified,
            accounts: &mut self.accounts,
        };
        match asking.judge(answer, means)? {
            AnswerOutcome::Accepted(identity) => self.accept(identity),
            AnswerOutcome::AskNext(asking) => self.enter(State::AwaitingAnswer(asking)),
            AnswerOutcome::SameAnswer(asking) => self.enter(State::AwaitingSameAnswer(asking)),
            AnswerOutcome::NotJudged => self.go_on_unjudged(asked),
        }
    }

    #[inline(never)]
    fn output(&self) -> Output<'_, A::Query<'_>, password::QueryOf<'_, A>> {
        match &self.state {
            State::AwaitingKeys(verification) => {
                let jwt = &verification.jwt;
                Output::FindKeys(KeyQuery { jwt })
            }
            State::AwaitingNewerKeys(newer) => Output::FindNewerKeys(newer.query),
            State::AwaitingGrant(granting) => Output::Fetch(granting.request()),
            State::AwaitingAnswer(asking) => Output::Fetch(asking.request()),
            State::AwaitingSameAnswer(_) => Output::Again,
            State::AwaitingAccount(waiting) => Output::FindAccount(self.account_query(waiting)),
            State::AwaitingPassword(waiting) => Output::FindPassword(password::query::<A>(waiting)),
            State::Accepted(identity) => Output::Accept(identity),
            State::Challenged(challenge) => Output::Challenge(FailureReply {
                mechanism: challenge.mechanism,
                status: challenge.status,
                discovery: self.settings.discovery,
            }),
            State::Rejected(why) => Output::Reject(*why),
            State::Received(_) => Output::Reject(Rejection::OutOfOrder),
        }
    }
}

#[cfg(test)]
mod linear;
