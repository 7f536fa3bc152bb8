//! A token's signature is verified, then its claims are judged.

use super::{
    Accounts, Exchange, MAX_ATTEMPTS, Provider, State, TrustedKey,
    account::{judge_name, told},
    candidates::{Candidate, Origin, Search},
    course::{Asked, Verification},
};
use crate::{
    claims::{Hints, VerifiedPayload},
    introspection::About,
    jose::VerifyError,
    rejection::Rejection,
    time::UnixTime,
    wire::json::Object,
};

impl<A: Accounts> Exchange<'_, A> {
    #[inline(never)]
    pub(super) fn verify(
        &mut self,
        now: Option<UnixTime>,
        keys: &[&[TrustedKey<'_>]],
        scratch: &mut [u8],
    ) -> Result<(), Rejection> {
        let State::AwaitingKeys(verification) = &self.state else {
            return Err(Rejection::OutOfOrder);
        };
        let (asked, attempt, failed) = (
            verification.asked,
            verification.attempt,
            verification.failed,
        );
        let not_taken = verification.not_taken;
        let hints = Hints::of(verification.jwt.decode_payload(scratch)?);
        let providers = self.settings.providers;
        if let Some(asking) = self.ask_first(asked, || Origin::of(&hints, providers)) {
            return self.enter(asking);
        }
        let State::AwaitingKeys(Verification { jwt, .. }) = &self.state else {
            return Err(Rejection::OutOfOrder);
        };
        let search = Search {
            header: jwt.header(),
            hints: &hints,
            providers,
        };
        let why = match search.find(keys, attempt) {
            Ok(Some(candidate)) => match jwt.verify_decoded(candidate.key.key, hints.payload()) {
                Ok(payload) => {
                    let is_alone = providers.len() == 1;
                    let left = Left {
                        is_key: !is_alone && !search.is_last(keys, attempt),
                        origin: (!is_alone).then(|| search.origin()),
                    };
                    match self.judge_or_pass(now, (&candidate, &payload), asked, &left)? {
                        None => return Ok(()),
                        Some(why) => why,
                    }
                }
                Err(VerifyError::Token(error)) => return Err(error.into()),
                Err(VerifyError::Signature)
                    if failed.saturating_add(1) >= MAX_ATTEMPTS
                        || search.is_last(keys, attempt) =>
                {
                    not_taken.map_or(Ok(Rejection::BadSignature), Err)?
                }
                Err(VerifyError::Signature) => {
                    self.try_next_key(None);
                    return Ok(());
                }
            },
            Ok(None) => return Err(Rejection::BadSignature),
            Err(why) => why,
        };
        let (origin, issued_at) = (Origin::of(&hints, providers), hints.issued_at());
        self.look_for_newer_keys(origin, issued_at, why)
    }

    /// Judges the claims, unless they turn out to be meant for another provider of the same issuer: its key is tried
    /// then, or, for the reason that is returned, looked for.
    fn judge_or_pass(
        &mut self,
        now: Option<UnixTime>,
        (candidate, payload): (&Candidate<'_>, &VerifiedPayload<'_>),
        asked: Asked,
        left: &Left,
    ) -> Result<Option<Rejection>, Rejection> {
        let providers = self.settings.providers;
        let is_shared = left
            .origin
            .is_some_and(|origin| origin.only(providers).is_none());
        let is_for_another = || is_shared && !is_meant_for(providers, candidate, payload);
        match self.judge(now, (candidate, payload), asked, is_for_another) {
            Err(why @ Rejection::Claims(_))
                if is_for_another()
                    && (left.is_key || left.is_meant_for_any(providers, payload)) =>
            {
                if left.is_key {
                    self.try_next_key(Some(why));
                }
                Ok((!left.is_key).then_some(why))
            }
            judged => judged.map(|()| None),
        }
    }

    fn try_next_key(&mut self, not_taken: Option<Rejection>) {
        if let State::AwaitingKeys(verification) = &mut self.state {
            verification.attempt = verification.attempt.saturating_add(1);
            let has_failed = usize::from(not_taken.is_none());
            verification.failed = verification.failed.saturating_add(has_failed);
            verification.not_taken = not_taken.or(verification.not_taken);
        }
    }

    fn judge(
        &mut self,
        now: Option<UnixTime>,
        (candidate, payload): (&Candidate<'_>, &VerifiedPayload<'_>),
        asked: Asked,
        is_for_another: impl Fn() -> bool,
    ) -> Result<(), Rejection> {
        let provider = self.settings.providers.get(candidate.provider);
        let provider = provider.ok_or(Rejection::OutOfOrder)?;
        let policy = provider.policy;
        self.provider = Some(candidate.provider);
        self.is_verified = true;
        // Of several the client's name chooses one to be asked first: leaving it out spares none the question.
        let is_asked = provider.about() == Some(About::EveryToken);
        if is_asked && asked == Asked::NotYet && !is_for_another() {
            let asking = self.ask_it(candidate.provider, Asked::First);
            return self.enter(asking.ok_or(Rejection::OutOfOrder)?);
        }
        let now = now.ok_or(Rejection::ClockNotSet)?;
        let owner = candidate.key.owner;
        let judged = judge_name(&mut self.accounts, self.claimed, |claimed| {
            policy.check_signed_for(now, payload, claimed, owner)
        });
        let identity = judged?;
        self.accounts.note(|| {
            let claims = Object::parse(payload.bytes());
            claims
                .map(|claims| told(claims, policy))
                .unwrap_or_default()
        });
        self.accept(identity)
    }
}

/// What is left for a token that is meant for another provider of the same issuer.
struct Left {
    /// Another key to try.
    is_key: bool,
    /// Who may have issued it; unread where there is one provider, for it takes a look at the claims.
    origin: Option<Origin>,
}

impl Left {
    /// Whether the token is meant for any provider at all, which may have a newer key: one whose key is there would have
    /// judged it.
    fn is_meant_for_any(&self, providers: &[Provider<'_>], payload: &VerifiedPayload<'_>) -> bool {
        let is_meant = |(index, provider): (usize, &Provider<'_>)| {
            let origin = self.origin;
            origin.is_some_and(|origin| origin.admits(index, providers))
                && provider.policy.is_meant_by(payload, None)
        };
        providers.iter().enumerate().any(is_meant)
    }
}

/// Whether a token is meant for the provider whose key has verified it, rather than for another of the same issuer.
fn is_meant_for(
    providers: &[Provider<'_>],
    candidate: &Candidate<'_>,
    payload: &VerifiedPayload<'_>,
) -> bool {
    let provider = providers.get(candidate.provider);
    provider.is_some_and(|provider| provider.policy.is_meant_by(payload, candidate.key.owner))
}
