//! What came of a login.

use std::time::Duration;

use gatepost_core::{Identity, Rejection, crypto::Algorithm};

use crate::answers::Answered;
use crate::fields::Fields;
use crate::trouble::Trouble;

/// What came of a login.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Who the client claimed to be, cut off after [`MAX_CLAIMED`](Self::MAX_CLAIMED) bytes: for the log,
    /// not to be believed.
    pub claimed: Option<String>,
    /// Whose a refused token is, where a signature or a provider has vouched for it.
    pub vouched: Option<String>,
    /// The provider whose policy judged, once a signature has verified, or that was asked.
    pub provider: Option<String>,
    /// The account of the token's user, by its id, where one was found.
    pub account: Option<String>,
    /// The number of the application password that was good.
    pub app_password: Option<u32>,
    /// The algorithm that the token names.
    pub algorithm: Option<Algorithm>,
    /// The key that the token names.
    pub kid: Option<String>,
    /// Whether a provider was asked, now or a moment ago.
    pub is_asked: bool,
    /// What providers answered, in the order of asking: two at most.
    pub answers: Vec<Answered>,
    /// What is wrong with a provider's answer that cannot be used.
    pub trouble: Option<Trouble>,
    /// Whether the login is good.
    pub outcome: Outcome,
    /// What else the mail server is told of a good one.
    pub fields: Fields,
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
    pub(super) fn refused(rejection: Rejection, challenge: Option<Vec<u8>>) -> Self {
        Self::Refused {
            rejection,
            challenge,
        }
    }
}

impl Verdict {
    /// A login that is refused without being judged: its driver knows why. `claimed` is who it claims to be.
    #[must_use]
    pub fn refused(rejection: Rejection, claimed: Option<String>) -> Self {
        Self {
            claimed,
            vouched: None,
            provider: None,
            account: None,
            app_password: None,
            algorithm: None,
            kid: None,
            is_asked: false,
            answers: Vec::new(),
            trouble: None,
            outcome: Outcome::refused(rejection, None),
            fields: Fields::default(),
        }
    }

    /// Whether it is not known what the provider makes of the login, although it may have looked at it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let is_temporary = matches!(
            &self.outcome,
            Outcome::Refused { rejection, .. } if rejection.status().is_none()
        );
        is_temporary && self.answers.iter().any(Answered::was_heard)
    }

    /// How long the provider wants no more passwords of this user's (RFC 6585 section 4): at a token endpoint that
    /// concerns one user alone, whose password somebody guesses.
    #[must_use]
    pub fn user_pause(&self) -> Option<Duration> {
        let trouble = self.trouble.as_ref()?;
        let is_the_users = trouble.endpoint == "token" && trouble.status == Some(429);
        trouble.retry_after.filter(|_| is_the_users)
    }

    /// Longest claimed name that is kept, in bytes: no longer name is ever accepted.
    pub const MAX_CLAIMED: usize = 256;
}
