//! Which of the trusted keys may have signed a token: the issuer chooses the provider, then `kid` and `alg`
//! choose among its keys.
//!
//! The token's unverified `iss`, `kid` and `azp` are hints: they choose among keys that are trusted already,
//! never whom to trust. No key of one provider is ever tried for another's token.

use super::{Provider, TrustedKey};
use crate::{
    claims::Hints,
    jose::Header,
    policy::{Policy, tenant_in},
    rejection::Rejection,
    wire::json::{Text, Value},
};

/// The providers that may have issued a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Origin {
    /// Those with the same issuer as this one, which is nearly always alone.
    Issuer(usize),
    /// The token names no issuer: those that are configured without one, or, failing them, any.
    Unnamed,
    /// The token names an issuer that no provider has, or cannot be read. The keys of a provider that is
    /// alone tell whether it is forged; nothing else is done for it.
    Foreign,
}

impl Origin {
    /// Reads who issued a token whose payload nobody has vouched for.
    pub(super) fn of(hints: &Hints<'_>, providers: &[Provider<'_>]) -> Self {
        let issuer = match hints.issuer() {
            Ok(None) => return Self::Unnamed,
            Ok(Some(Value::String(issuer))) => issuer,
            _ => return Self::Foreign,
        };
        let position = |is_one: &dyn Fn(&Policy<'_>) -> bool| {
            providers.iter().position(|one| is_one(one.policy))
        };
        // One without an issuer of its own may have issued what no other has.
        position(&|policy| policy.is_issued_here(issuer))
            .or_else(|| position(&|policy| policy.issuer.is_none()))
            .map_or(Self::Foreign, Self::Issuer)
    }

    /// Whether the `index`th provider may have issued the token.
    pub(super) fn admits(self, index: usize, providers: &[Provider<'_>]) -> bool {
        let issuer = |index: usize| providers.get(index).map(|one| one.policy.issuer);
        // Providers of one template are told apart by their tenants.
        let has_tenants = |index: usize| {
            let policy = providers.get(index).map(|one| one.policy);
            policy.is_some_and(|policy| !policy.tenants.is_empty())
        };
        match self {
            Self::Issuer(first) if index == first => true,
            Self::Issuer(first) => issuer(index) == issuer(first) && !has_tenants(first),
            Self::Unnamed => {
                let is_any = |one: &Provider<'_>| one.policy.issuer.is_none();
                issuer(index) == Some(None) || !providers.iter().any(is_any)
            }
            Self::Foreign => providers.len() == 1,
        }
    }

    /// The provider that alone may have issued the token, if one may.
    pub(super) fn only(self, providers: &[Provider<'_>]) -> Option<usize> {
        let mut all = (0..providers.len()).filter(|index| self.admits(*index, providers));
        let only = all.next()?;
        all.next().is_none().then_some(only)
    }

    /// The first provider after `last` whose newer keys may verify the token.
    pub(super) fn next(self, last: Option<usize>, providers: &[Provider<'_>]) -> Option<usize> {
        if self == Self::Foreign {
            return None;
        }
        let first = last.map_or(0, |last| last.saturating_add(1));
        (first..providers.len()).find(|index| self.admits(*index, providers))
    }
}

/// A key to try, and the provider that it belongs to.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'k> {
    pub(super) provider: usize,
    pub(super) key: TrustedKey<'k>,
}

/// What a token says of its key.
pub(super) struct Search<'s, 'p> {
    pub(super) header: &'s Header,
    pub(super) hints: &'s Hints<'p>,
    pub(super) providers: &'s [Provider<'s>],
}

impl Search<'_, '_> {
    /// Who may have issued the token.
    pub(super) fn origin(&self) -> Origin {
        Origin::of(self.hints, self.providers)
    }

    /// The providers whose keys may verify the token, by their places; one that is alone needs no hint.
    fn admitted(&self) -> impl Iterator<Item = usize> {
        let origin = (self.providers.len() > 1).then(|| self.origin());
        let admits =
            move |index: &usize| origin.is_none_or(|origin| origin.admits(*index, self.providers));
        (0..self.providers.len()).filter(admits)
    }

    /// The `attempt`th key to try; `None` where no more are left.
    pub(super) fn find<'k>(
        &self,
        keys: &[&'k [TrustedKey<'k>]],
        attempt: usize,
    ) -> Result<Option<Candidate<'k>>, Rejection> {
        let mut is_any = false;
        let mut is_named = false;
        let mut left = attempt;
        let mut is_found = false;
        for provider in self.admitted() {
            let ours = keys.get(provider).copied().unwrap_or_default();
            let choice = Choice::new(self.header, ours);
            is_any |= !ours.is_empty();
            is_named |= choice.by_kid;
            if choice.by_kid && self.is_ambiguous(&choice, ours) {
                return Err(Rejection::AmbiguousKey);
            }
            for key in ours {
                if !self.fits(&choice, key) {
                    continue;
                }
                is_found = true;
                let Some(next) = left.checked_sub(1) else {
                    let key = *key;
                    return Ok(Some(Candidate { provider, key }));
                };
                left = next;
            }
        }
        match (is_found, is_any, is_named) {
            (true, ..) => Ok(None),
            // Whatever keys there are or come, none is of an issuer that nobody has configured.
            (_, false, _) if !self.is_foreign() => Err(Rejection::NoKeys),
            (_, _, true) => Err(self.refusal_of_named(keys)),
            _ => Err(Rejection::UnknownKey),
        }
    }

    /// Whether the token names an issuer that is none of those that are configured.
    fn is_foreign(&self) -> bool {
        !self.providers.is_empty() && self.origin() == Origin::Foreign
    }

    /// Whether no key is left behind the `attempt`th.
    pub(super) fn is_last(&self, keys: &[&[TrustedKey<'_>]], attempt: usize) -> bool {
        !matches!(self.find(keys, attempt.saturating_add(1)), Ok(Some(_)))
    }

    fn fits(&self, choice: &Choice<'_>, key: &TrustedKey<'_>) -> bool {
        // A single key needs no hint: the policy checks the owner.
        let is_owners = !choice.is_one_of_several
            || key
                .owner
                .is_none_or(|owner| self.hints.is_minted_for(owner));
        choice.admits(key) && is_owners && key.issuer.is_none_or(|issuer| self.is_issued_by(issuer))
    }

    /// `issuer` is what a key says of itself, with `{tenantid}` for any tenant.
    fn is_issued_by(&self, issuer: &str) -> bool {
        let is_it = |ours: Text<'_>| ours == *issuer || tenant_in(issuer, ours).is_some();
        match self.hints.issuer() {
            Ok(Some(Value::String(ours))) => is_it(ours),
            _ => false,
        }
    }

    /// Whether two keys of one provider and one owner are left (RFC 7517 section 4.5).
    fn is_ambiguous(&self, choice: &Choice<'_>, keys: &[TrustedKey<'_>]) -> bool {
        let fitting = || keys.iter().filter(|key| self.fits(choice, key));
        // Those that belong to one client belong to the same: the hint has chosen it.
        let owned = fitting().filter(|key| key.owner.is_some()).count();
        owned > 1 || fitting().count().saturating_sub(owned) > 1
    }

    /// Why no key of the very `kid` does.
    fn refusal_of_named(&self, keys: &[&[TrustedKey<'_>]]) -> Rejection {
        let admitted = self.admitted();
        let mut ours = admitted.flat_map(|index| keys.get(index).copied().unwrap_or_default());
        let (kid, algorithm) = (self.header.kid(), self.header.algorithm());
        let serves = |key: &TrustedKey<'_>| key.key.algorithms().contains(algorithm);
        // Of those that serve the algorithm none is for this client or issuer.
        if ours.any(|key| key.kid == kid && serves(key)) {
            Rejection::UnknownKey
        } else {
            Rejection::AlgorithmNotAllowed
        }
    }
}

/// What the header asks for, and whether some key of a provider has the very identifier.
struct Choice<'h> {
    header: &'h Header,
    by_kid: bool,
    is_one_of_several: bool,
}

impl<'h> Choice<'h> {
    fn new(header: &'h Header, keys: &[TrustedKey<'_>]) -> Self {
        let by_kid = header.kid().is_some() && keys.iter().any(|key| key.kid == header.kid());
        let mut choice = Self {
            header,
            by_kid,
            is_one_of_several: false,
        };
        choice.is_one_of_several = keys.iter().filter(|key| choice.admits(key)).count() > 1;
        choice
    }

    /// A key without `kid`, from a PEM file say, may have signed a token with one, and the reverse.
    fn admits(&self, key: &TrustedKey<'_>) -> bool {
        let kid = self.header.kid();
        let is_named = if self.by_kid {
            key.kid == kid
        } else {
            kid.is_none() || key.kid.is_none()
        };
        is_named && key.key.algorithms().contains(self.header.algorithm())
    }
}
