//! What an operator says of a provider, all of it owned.

use std::path::PathBuf;

use gatepost_core::{Audience, DEFAULT_SKEW, Policy, UserCase, crypto::AlgorithmSet};

/// A provider: what its tokens have to say, and where its keys are.
///
/// Each setting but `algorithms` and `keys` is the field of the same name of [`Policy`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProviderSettings {
    /// What the operator calls it, at most [`MAX_NAME`](Self::MAX_NAME) bytes.
    pub name: String,
    /// The only `iss` taken; `None` leaves it unjudged.
    pub issuer: Option<String>,
    /// Whom a token must be minted for; `None` takes any audience.
    pub audience: Option<Vec<String>>,
    /// The `azp` values taken; empty leaves it unjudged.
    pub authorized_parties: Vec<String>,
    /// Scopes of which a token must hold every one.
    pub scopes: Vec<String>,
    /// Claims that may hold the user's name, at most [`MAX_USERNAME_CLAIMS`](Self::MAX_USERNAME_CLAIMS).
    pub username_claims: Vec<String>,
    /// How names are compared and handed on.
    pub user_case: UserCase,
    /// A claim that must be there, and its value where that matters.
    pub active: Option<(String, Option<String>)>,
    /// Whether ID tokens are taken as well.
    pub id_tokens: bool,
    /// Clock skew allowed, in seconds.
    pub skew: u32,
    /// The algorithms that its keys may serve.
    pub algorithms: AlgorithmSet,
    /// Files of keys: JWK Sets, single JWKs, PEM, or directories `<azp>/<ALG>/<kid>`.
    pub keys: Vec<PathBuf>,
}

impl ProviderSettings {
    /// Longest name, in bytes: what an exchange keeps of it for the log.
    pub const MAX_NAME: usize = 64;
    /// Most username claims: the core looks for 16 paths in a token, of which `active` may be one.
    pub const MAX_USERNAME_CLAIMS: usize = 15;

    /// The strictest settings, as [`Policy::new`] has them; the audience is still to be said.
    #[must_use]
    pub fn new(name: impl Into<String>, audience: Option<Vec<String>>) -> Self {
        Self {
            name: name.into(),
            issuer: None,
            audience,
            authorized_parties: Vec::new(),
            scopes: Vec::new(),
            username_claims: vec!["sub".to_owned()],
            user_case: UserCase::default(),
            active: None,
            id_tokens: false,
            skew: DEFAULT_SKEW,
            algorithms: AlgorithmSet::ALL,
            keys: Vec::new(),
        }
    }
}

/// The lists of one provider in the form in which a [`Policy`] borrows them.
pub(crate) struct Lists<'s> {
    audience: Option<Vec<&'s str>>,
    authorized_parties: Vec<&'s str>,
    scopes: Vec<&'s str>,
    username_claims: Vec<&'s str>,
}

impl<'s> Lists<'s> {
    pub(crate) fn new(settings: &'s ProviderSettings) -> Self {
        Self {
            audience: settings.audience.as_deref().map(borrow),
            authorized_parties: borrow(&settings.authorized_parties),
            scopes: borrow(&settings.scopes),
            username_claims: borrow(&settings.username_claims),
        }
    }

    pub(crate) fn policy<'l>(&'l self, settings: &'l ProviderSettings) -> Policy<'l> {
        let audience = self.audience.as_deref();
        let audience = audience.map_or(Audience::Any, Audience::OneOf);
        let mut policy = Policy::new(&settings.name, audience);
        policy.issuer = settings.issuer.as_deref();
        policy.authorized_parties = &self.authorized_parties;
        policy.scopes = &self.scopes;
        policy.username_claims = &self.username_claims;
        policy.user_case = settings.user_case;
        policy.active = settings.active.as_ref().map(|(claim, value)| {
            let value = value.as_deref();
            gatepost_core::Active { claim, value }
        });
        policy.id_tokens = settings.id_tokens;
        policy.skew = settings.skew;
        policy
    }
}

fn borrow(strings: &[String]) -> Vec<&str> {
    strings.iter().map(String::as_str).collect()
}
