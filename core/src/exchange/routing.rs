//! Whom to ask about a token.
//!
//! What an unverified token says of its issuer, and the domain of the user whom the client claims to be,
//! are hints: they choose among providers that are trusted already. A token is never shown to a provider
//! that it may not belong to: it could be used there.

use super::{Exchange, Provider, State};
use crate::{
    claims::Hints,
    introspection::About,
    jose::{Error, UnverifiedJwt},
    rejection::Rejection,
    sasl::{BearerToken, SaslName},
};

use super::asking::Asking;

impl<'b> Exchange<'b> {
    /// Asks about a token that is no JWT; `why` it is refused where nobody can be asked.
    pub(super) fn ask_about_opaque(&mut self, why: Rejection) -> Result<State<'b>, Rejection> {
        // Some opaque tokens have two dots as well, but no header in front of the first.
        let is_jwt = !matches!(
            why,
            Rejection::OpaqueToken
                | Rejection::Token(Error::Encoding | Error::Header | Error::HeaderTooLong)
        );
        let is_asked_about = |about| !is_jwt || about != About::OpaqueTokens;
        self.ask(None, is_asked_about, None).ok_or(why)
    }

    /// Asks about a JWT before its keys are looked at, where its provider wants it so.
    pub(super) fn ask_first(
        &mut self,
        jwt: &UnverifiedJwt<'b>,
        was_asked: bool,
        scratch: &mut [u8],
    ) -> Option<State<'b>> {
        let is_asked_about = |about| !was_asked && about == About::EveryToken;
        self.ask_about_jwt(jwt, scratch, is_asked_about, None)
    }

    /// Asks about a JWT that cannot be verified here; `why` it is refused where nobody can be asked.
    pub(super) fn ask_instead(
        &mut self,
        jwt: &UnverifiedJwt<'b>,
        was_asked: bool,
        why: Rejection,
        scratch: &mut [u8],
    ) -> Result<State<'b>, Rejection> {
        if was_asked {
            return Err(nobody_vouches(Some(why)));
        }
        let is_asked_about = |about| about != About::OpaqueTokens;
        self.ask_about_jwt(jwt, scratch, is_asked_about, Some(why))
            .ok_or(why)
    }

    fn ask_about_jwt(
        &mut self,
        jwt: &UnverifiedJwt<'b>,
        scratch: &mut [u8],
        is_asked_about: impl Fn(About) -> bool,
        instead_of: Option<Rejection>,
    ) -> Option<State<'b>> {
        let mut asked = self.rules.providers.iter().filter_map(about);
        if !asked.any(&is_asked_about) {
            return None;
        }
        let payload = jwt.decode_payload(scratch).ok();
        let hints = payload.and_then(|payload| Hints::read(payload).ok());
        self.ask(hints.as_ref(), is_asked_about, instead_of)
    }

    fn ask(
        &mut self,
        hints: Option<&Hints<'_>>,
        is_asked_about: impl Fn(About) -> bool,
        instead_of: Option<Rejection>,
    ) -> Option<State<'b>> {
        let token = self.token?;
        let providers = self.rules.providers;
        let is_candidate = |provider: &Provider<'_>| {
            // Whoever has granted a token is the one to ask about it.
            let is_granter = self.granter.is_none_or(|granter| {
                let granter = providers.get(granter);
                granter.is_some_and(|granter| core::ptr::eq(granter, provider))
            });
            about(provider).is_some_and(&is_asked_about)
                && is_granter
                && may_have_issued(provider, providers, hints)
        };
        let index = choose(providers, self.claimed, is_candidate)?;
        self.start_asking(index, token, instead_of)
    }

    fn start_asking(
        &mut self,
        index: usize,
        token: BearerToken<'b>,
        instead_of: Option<Rejection>,
    ) -> Option<State<'b>> {
        let provider = self.rules.providers.get(index)?;
        self.provider = provider.policy.provider.try_into().ok();
        Some(match Asking::start(index, provider, token, instead_of) {
            Some(asking) => State::AwaitingAnswer(asking),
            // Where it can be asked is not known yet: that is not the token's fault.
            None => self.refused(Rejection::ProviderUnavailable),
        })
    }
}

fn about(provider: &Provider<'_>) -> Option<About> {
    provider.endpoints?.about
}

/// Why a JWT is refused whose provider does not judge JWTs, and that could not be verified: `why`.
pub(super) fn nobody_vouches(why: Option<Rejection>) -> Rejection {
    match why {
        Some(Rejection::KeysUnavailable) => Rejection::KeysUnavailable,
        _ => Rejection::TokenRefused,
    }
}

/// A provider without a configured issuer may have issued whatever no other one says it has.
fn may_have_issued(
    provider: &Provider<'_>,
    providers: &[Provider<'_>],
    hints: Option<&Hints<'_>>,
) -> bool {
    let Some(hints) = hints.filter(|hints| hints.names_issuer()) else {
        return true;
    };
    if let Some(issuer) = provider.policy.issuer {
        return hints.is_issued_by(issuer);
    }
    let mut issuers = providers.iter().filter_map(|other| other.policy.issuer);
    !issuers.any(|issuer| hints.is_issued_by(issuer))
}

/// The one provider that speaks for the claimed user's domain, or else the only one that speaks for any.
pub(super) fn choose(
    providers: &[Provider<'_>],
    claimed: Option<SaslName<'_>>,
    is_candidate: impl Fn(&Provider<'_>) -> bool,
) -> Option<usize> {
    let candidates = || {
        let all = providers.iter().enumerate();
        all.filter(|(_, provider)| is_candidate(provider))
    };
    let speaks_for_user = |provider: &Provider<'_>| {
        let mut domains = provider.policy.domains.iter();
        claimed.is_some_and(|user| domains.any(|domain| user.is_of_domain(domain)))
    };
    if let Some((index, _)) = candidates().find(|(_, provider)| speaks_for_user(provider)) {
        return Some(index);
    }
    // Without a name the answer tells whose the token is, if there is no doubt whom to ask.
    let mut others =
        candidates().filter(|(_, other)| claimed.is_none() || other.policy.domains.is_empty());
    let (index, _) = others.next()?;
    others.next().is_none().then_some(index)
}
