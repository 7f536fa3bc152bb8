//! One login, from its message to the verdict, among many others.

use std::cell::RefCell;

use gatepost_core::{
    Exchange, Identity, Rejection, UnixTime,
    crypto::Algorithm,
    exchange::{Input, MAX_PAYLOAD, Output, Rules},
    introspection::FetchFailure,
    sasl::{Mechanism, SaslName},
};

use crate::Trust;

thread_local! {
    /// Room for the payload of the one token that this thread is verifying.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; MAX_PAYLOAD].into_boxed_slice());
}

/// What came of a login.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Who the client claimed to be, cut off after [`MAX_CLAIMED`](Self::MAX_CLAIMED) bytes: for the log,
    /// not to be believed.
    pub claimed: Option<String>,
    /// The provider whose policy judged, once a signature has verified.
    pub provider: Option<String>,
    /// The algorithm that the token names.
    pub algorithm: Option<Algorithm>,
    /// The key that the token names.
    pub kid: Option<String>,
    /// Whether the login is good.
    pub outcome: Outcome,
}

/// Whether a login is good.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one exists at a time for each login, and not for long"
)]
pub enum Outcome {
    /// It is this user's.
    Accepted(Identity),
    /// It is not good.
    Refused {
        /// Why.
        rejection: Rejection,
        /// JSON for the client, where it can do something about it; not yet base64-encoded.
        challenge: Option<Vec<u8>>,
    },
}

impl Outcome {
    fn refused(rejection: Rejection, challenge: Option<Vec<u8>>) -> Self {
        Self::Refused {
            rejection,
            challenge,
        }
    }
}

impl Verdict {
    /// Longest claimed name that is kept, in bytes: no longer name is ever accepted.
    pub const MAX_CLAIMED: usize = 256;
}

/// What the next step is given.
enum Next {
    Start,
    Keys,
    FetchFailed,
}

/// Judges one login: `message` is the client's, base64-decoded; `now` reads the clock.
///
/// After each verification of a signature the other tasks of the thread get their turn, so that no login
/// delays another by more than one.
pub async fn judge(
    trust: &Trust,
    rules: Rules<'_>,
    mechanism: Mechanism,
    message: &[u8],
    now: impl Fn() -> UnixTime,
) -> Verdict {
    let mut exchange = Exchange::new(rules, mechanism, message);
    let mut next = Next::Start;
    let (mut algorithm, mut kid) = (None, None);
    let outcome = loop {
        let output = match next {
            Next::Start => exchange.step(now(), Input::Start),
            Next::Keys => {
                let output = SCRATCH.with_borrow_mut(|scratch| {
                    let keys = trust.keys();
                    exchange.step(now(), Input::Keys { keys, scratch })
                });
                tokio::task::yield_now().await;
                output
            }
            Next::FetchFailed => exchange.step(now(), Input::FetchFailed(FetchFailure::Connection)),
        };
        next = match output {
            Output::FindKeys(query) => {
                algorithm = Some(query.algorithm());
                kid = query.kid().map(str::to_owned);
                Next::Keys
            }
            // Nobody can be asked yet, which is no fault of the token's.
            Output::Fetch(_) => Next::FetchFailed,
            Output::Challenge(reply) => {
                let challenge = Some(reply.json().to_vec());
                let rejection = exchange.rejection().unwrap_or(Rejection::OutOfOrder);
                break Outcome::refused(rejection, challenge);
            }
            Output::Accept(identity) => break Outcome::Accepted(identity.clone()),
            Output::Reject(rejection) => break Outcome::refused(rejection, None),
        };
    };
    Verdict {
        claimed: exchange.claimed_user().map(copy_name),
        provider: exchange.provider().map(str::to_owned),
        algorithm,
        kid,
        outcome,
    }
}

fn copy_name(name: SaslName<'_>) -> String {
    let mut copy = String::new();
    for c in name.chars() {
        if copy.len() + c.len_utf8() > Verdict::MAX_CLAIMED {
            break;
        }
        copy.push(c);
    }
    copy
}
