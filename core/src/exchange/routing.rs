//! Whom to ask about a token.
//!
//! What an unverified token says of its issuer, and the domain of the user whom the client claims to be,
//! are hints: they choose among providers that are trusted already. A token is never shown to a provider
//! that it may not belong to: it could be used there.

use super::{
    Accounts, Exchange, Provider, State, asking::Asking, candidates::Origin, course::Asked,
};
use crate::{
    introspection::About,
    jose::Error,
    rejection::Rejection,
    sasl::{BearerToken, SaslName},
};

impl<'b, A: Accounts> Exchange<'b, A> {
    /// Asks about a token that is no JWT; `why` it is refused where nobody can be asked.
    pub(super) fn ask_about_opaque(&mut self, why: Rejection) -> Result<(), Rejection> {
        // Some opaque tokens have two dots as well, but no header in front of the first.
        let is_jwt = !matches!(
            why,
            Rejection::OpaqueToken
                | Rejection::Token(
                    Error::Encoding | Error::Encrypted | Error::Header | Error::HeaderTooLong
                )
        );
        let is_asked_about = |about| !is_jwt || about != About::OpaqueTokens;
        let asking = self.ask(None, is_asked_about, Asked::First);
        self.enter(asking.ok_or(why)?)
    }

    /// Asks the provider that may have issued the token, by its `origin` where it tells one.
    pub(super) fn ask(
        &mut self,
        origin: Option<Origin>,
        is_asked_about: impl Fn(About) -> bool,
        asked: Asked,
    ) -> Option<State<'b, A>> {
        let token = self.token?;
        if origin == Some(Origin::Foreign) {
            return None;
        }
        let providers = self.settings.providers;
        // A token that names no issuer may be anybody's.
        let origin = origin.filter(|origin| *origin != Origin::Unnamed);
        let is_candidate = |index: usize, provider: &Provider<'_>| {
            // Whoever has granted a token is the one to ask about it.
            self.granter.is_none_or(|granter| granter == index)
                && provider.about().is_some_and(&is_asked_about)
                && origin.is_none_or(|origin| origin.admits(index, providers))
        };
        // Whoever alone may have issued it, whomever the client claims to be.
        let index = match origin.and_then(|origin| origin.only(providers)) {
            Some(only) => Some(only).filter(|only| {
                let provider = providers.get(*only);
                provider.is_some_and(|provider| is_candidate(*only, provider))
            }),
            None => choose(providers, self.claimed, is_candidate),
        }?;
        self.start_asking(index, token, asked)
    }

    /// Asks the `index`th provider, whose key has verified the token.
    pub(super) fn ask_it(&mut self, index: usize, asked: Asked) -> Option<State<'b, A>> {
        let token = self.token?;
        self.start_asking(index, token, asked)
    }

    fn start_asking(
        &mut self,
        index: usize,
        token: BearerToken<'b>,
        asked: Asked,
    ) -> Option<State<'b, A>> {
        let provider = self.settings.providers.get(index)?;
        self.provider = Some(index);
        Some(match Asking::start(index, provider, token, asked) {
            Some(asking) => State::AwaitingAnswer(asking),
            // Where it can be asked is not known yet: that is not the token's fault.
            None => self.refused(Rejection::ProviderUnavailable),
        })
    }
}

/// The one provider that speaks for the claimed user's domain, or else the only one that speaks for any.
pub(super) fn choose(
    providers: &[Provider<'_>],
    claimed: Option<SaslName<'_>>,
    is_candidate: impl Fn(usize, &Provider<'_>) -> bool,
) -> Option<usize> {
    let candidates = || {
        let all = providers.iter().enumerate();
        all.filter(|(index, provider)| is_candidate(*index, provider))
    };
    let speaks_for_user = |provider: &Provider<'_>| {
        claimed.is_some_and(|user| {
            provider
                .policy
                .speaks_for(|domain| user.is_of_domain(domain))
        })
    };
    if let Some((index, _)) = candidates().find(|(_, provider)| speaks_for_user(provider)) {
        return Some(index);
    }
    // Without a name the answer tells whose the token is, if there is no doubt whom to ask.
    let mut others =
        candidates().filter(|(_, other)| claimed.is_none() || other.policy.speaks_for_any());
    let (index, _) = others.next()?;
    others.next().is_none().then_some(index)
}
