//! A token's signature is verified, then its claims are judged.

use super::{
    Accounts, Exchange, State, TrustedKey,
    account::{judge_name, told},
    candidates::{Candidate, Origin, Search},
    course::Verification,
};
use crate::{
    claims::{Hints, VerifiedPayload},
    jose::VerifyError,
    policy::{Claim, Violation},
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
        let (asked, attempt) = (verification.asked, verification.attempt);
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
                    let is_last = providers.len() == 1 || search.is_last(keys, attempt);
                    return match self.judge(now, &candidate, &payload) {
                        Err(why) if is_for_another(why) && !is_last => {
                            self.try_next_key(Some(why));
                            Ok(())
                        }
                        judged => judged,
                    };
                }
                Err(VerifyError::Token(error)) => return Err(error.into()),
                Err(VerifyError::Signature) if search.is_last(keys, attempt) => {
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
        let (origin, issued_at) = (search.origin(), hints.issued_at());
        self.look_for_newer_keys(origin, issued_at, why)
    }

    fn try_next_key(&mut self, not_taken: Option<Rejection>) {
        if let State::AwaitingKeys(verification) = &mut self.state {
            verification.attempt = verification.attempt.saturating_add(1);
            verification.not_taken = not_taken.or(verification.not_taken);
        }
    }

    fn judge(
        &mut self,
        now: Option<UnixTime>,
        candidate: &Candidate<'_>,
        payload: &VerifiedPayload<'_>,
    ) -> Result<(), Rejection> {
        let provider = self.settings.providers.get(candidate.provider);
        let policy = provider.ok_or(Rejection::OutOfOrder)?.policy;
        self.provider = Some(candidate.provider);
        self.is_verified = true;
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

/// Whether a good token may be meant for another provider of the same issuer.
const fn is_for_another(why: Rejection) -> bool {
    matches!(
        why,
        Rejection::Claims(
            Violation::WrongAudience
                | Violation::WrongAuthorizedParty
                | Violation::WrongDomain
                | Violation::Missing(Claim::Azp)
        )
    )
}
