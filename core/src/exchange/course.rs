//! How a login with a JWT goes on where no key verifies it: all of it is here.
//!
//! ```text
//! JWT ─┬─ EveryToken: asked first ─┬─ answer ────────────────────────────> judged by the answer
//!      │                           └─ "unsupported_token_type" ─┐
//!      │                                                        v (Asked::First)
//!      └────────────────────────────────────────────────────> keys ─┬─ verified ──> judged by the claims (*)
//!            ┌──────────────────────────────────────────────────────┴─ none does, or the signature fails
//!            v
//!      newer keys, once of each ─┬─ there are ──> keys, once more
//!      provider                  └─ none, or they cannot be fetched ─┐
//!            ┌───────────────────────────────────────────────────┘
//!            ├─ a key was there, and its signature failed ───────> refused
//!            ├─ UnverifiableTokens, Asked::NotYet ─> asked instead ─┬─ answer ──> judged by the answer
//!            │                                                      └─ "unsupported_token_type" ─┐
//!            │                                                                (Asked::Instead)   v
//!            ├─ Asked::First, Asked::Instead ─────────────────────> token_refused, or keys_unavailable
//!            └─ else ─────────────────────────────────────────────> refused for what was missing
//! ```
//!
//! (*) Of several providers of one issuer none is asked first: the claims tell whose the token is. If that one is
//! asked about every token, it is asked then. Where it is meant for one whose key did not verify it, newer keys are
//! looked for; a token that is meant for none of them is refused.
//!
//! A token that was granted for a password goes the same way, but only its granter is asked about it.

use super::{Accounts, Exchange, NewerKeysQuery, Provider, State, candidates::Origin};
use crate::{
    introspection::About, jose::UnverifiedJwt, provider::LookReason, rejection::Rejection,
    time::UnixTime,
};

/// Whether a provider was asked about a JWT.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Asked {
    NotYet,
    /// Before its keys were looked at; it does not judge JWTs.
    First,
    /// Because it could not be verified, for this reason.
    Instead(Rejection),
}

/// A JWT on its way through the keys.
pub(super) struct Verification<'b> {
    pub(super) jwt: UnverifiedJwt<'b>,
    /// How many keys have been tried.
    pub(super) attempt: usize,
    /// How many of them have not verified it.
    pub(super) failed: usize,
    /// Why a provider of several of one issuer, whose key has verified the token, does not take it.
    pub(super) not_taken: Option<Rejection>,
    pub(super) asked: Asked,
    /// The last provider whose newer keys have been looked for.
    pub(super) looked_at: Option<usize>,
    /// Whether those of some provider cannot be fetched.
    is_any_unavailable: bool,
}

impl<'b> Verification<'b> {
    pub(super) fn new(jwt: UnverifiedJwt<'b>, asked: Asked) -> Self {
        Self {
            jwt,
            attempt: 0,
            failed: 0,
            not_taken: None,
            asked,
            looked_at: None,
            is_any_unavailable: false,
        }
    }
}

/// A JWT that waits for newer keys.
pub(super) struct NewerKeys<'b> {
    verification: Verification<'b>,
    origin: Origin,
    pub(super) query: NewerKeysQuery,
    /// Why the known keys do not do.
    why: Rejection,
}

impl<'b> NewerKeys<'b> {
    /// What is verified once more, with the keys that there are now.
    pub(super) fn refreshed(self) -> Verification<'b> {
        Verification {
            attempt: 0,
            failed: 0,
            looked_at: Some(self.query.provider),
            ..self.verification
        }
    }
}

impl<'b, A: Accounts> Exchange<'b, A> {
    /// Looks for newer keys, because of `why` the known ones do not verify the token.
    pub(super) fn look_for_newer_keys(
        &mut self,
        origin: Origin,
        issued_at: Option<UnixTime>,
        why: Rejection,
    ) -> Result<(), Rejection> {
        let State::AwaitingKeys(verification) = self.take_state() else {
            return Err(Rejection::OutOfOrder);
        };
        let is_mac = verification.jwt.header().algorithm().is_mac();
        // No provider publishes secrets, so that no look finds one.
        let next = origin.next(verification.looked_at, self.settings.providers);
        let Some(provider) = next.filter(|_| !is_mac) else {
            return self.go_on_without_newer_keys(&verification, origin, why);
        };
        self.enter(State::AwaitingNewerKeys(NewerKeys {
            verification,
            origin,
            query: NewerKeysQuery {
                provider,
                reason: LookReason {
                    issued_at,
                    is_key_known: why == Rejection::BadSignature,
                },
            },
            why,
        }))
    }

    /// The provider has no newer keys, or they cannot be fetched: another that may have issued it is next.
    #[inline(never)]
    pub(super) fn go_on_without_newer(
        &mut self,
        mut newer: NewerKeys<'b>,
        is_unavailable: bool,
    ) -> Result<(), Rejection> {
        newer.verification.is_any_unavailable |= is_unavailable;
        let last = Some(newer.query.provider);
        if let Some(provider) = newer.origin.next(last, self.settings.providers) {
            newer.query.provider = provider;
            return self.enter(State::AwaitingNewerKeys(newer));
        }
        self.go_on_without_newer_keys(&newer.verification, newer.origin, newer.why)
    }

    /// All providers that may have issued the token have been looked at.
    fn go_on_without_newer_keys(
        &mut self,
        verification: &Verification<'b>,
        origin: Origin,
        why: Rejection,
    ) -> Result<(), Rejection> {
        // A token that others of its issuer do not take may be for the one whose keys are missing.
        let is_missing = matches!(
            why,
            Rejection::UnknownKey | Rejection::NoKeys | Rejection::Claims(_)
        );
        let why = if verification.is_any_unavailable && is_missing {
            Rejection::KeysUnavailable
        } else {
            why
        };
        self.go_on_without_key(verification.asked, origin, why)
    }

    /// Asks a provider instead, where no key was there to try; refuses the token otherwise.
    fn go_on_without_key(
        &mut self,
        asked: Asked,
        origin: Origin,
        why: Rejection,
    ) -> Result<(), Rejection> {
        match (why, asked) {
            (
                Rejection::UnknownKey | Rejection::NoKeys | Rejection::KeysUnavailable,
                Asked::NotYet,
            ) => {
                let is_asked_about = |about| about != About::OpaqueTokens;
                let asked = Asked::Instead(why);
                let asking = self.ask(Some(origin), is_asked_about, asked);
                self.enter(asking.ok_or(why)?)
            }
            (Rejection::UnknownKey | Rejection::NoKeys | Rejection::KeysUnavailable, _) => {
                Err(nobody_vouches(why))
            }
            _ => Err(why),
        }
    }

    /// Asks about a JWT before its keys are looked at, where its provider wants it so.
    pub(super) fn ask_first(
        &mut self,
        asked: Asked,
        origin: impl FnOnce() -> Origin,
    ) -> Option<State<'b, A>> {
        let is_asked_about = |about| about == About::EveryToken;
        let mut all = self.settings.providers.iter().filter_map(Provider::about);
        if asked != Asked::NotYet || !all.any(is_asked_about) {
            return None;
        }
        // Of several with one issuer the key and the claims tell whose the token is, and so whom to ask.
        let origin = origin();
        origin.only(self.settings.providers)?;
        self.ask(Some(origin), is_asked_about, Asked::First)
    }

    /// Goes on where the provider that was asked does not judge tokens of this kind.
    #[inline(never)]
    pub(super) fn go_on_unjudged(&mut self, asked: Asked) -> Result<(), Rejection> {
        if let Asked::Instead(why) = asked {
            return Err(nobody_vouches(why));
        }
        let token = self.token.ok_or(Rejection::OutOfOrder)?;
        match UnverifiedJwt::read(token.bytes()) {
            Ok(jwt) => self.enter(State::AwaitingKeys(Verification::new(jwt, Asked::First))),
            Err(_) => Err(Rejection::TokenRefused),
        }
    }
}

/// Why a JWT is refused whose provider does not judge JWTs, and that could not be verified for `why`.
fn nobody_vouches(why: Rejection) -> Rejection {
    match why {
        Rejection::KeysUnavailable => Rejection::KeysUnavailable,
        _ => Rejection::TokenRefused,
    }
}
