//! Whom logins are judged by: providers and their keys, prepared once.

use std::collections::HashSet;

use gatepost_core::{
    Policy,
    crypto::{Backend, VerifyingKey},
    exchange::TrustedKey,
};
use self_cell::self_cell;

use crate::keys::{self, KeyFileError, Warning};
use crate::settings::{Lists, ProviderSettings};

/// One generation of providers and prepared keys. It never changes: a reload makes another one.
pub struct Trust(Keyed);

// Each storey borrows from the one below: settings, their lists, the policies of both, the keys of those.
self_cell!(
    struct Listed {
        owner: Owned,
        #[covariant]
        dependent: ListsOfAll,
    }
);
self_cell!(
    struct Judged {
        owner: Listed,
        #[covariant]
        dependent: Policies,
    }
);
self_cell!(
    struct Keyed {
        owner: Judged,
        #[covariant]
        dependent: Keys,
    }
);

struct Owned {
    providers: Vec<ProviderSettings>,
    keys: Vec<OwnedKey>,
}

/// A prepared key, and the index of the provider that it belongs to.
struct OwnedKey {
    provider: usize,
    key: keys::LoadedKey,
}

type ListsOfAll<'t> = Vec<Lists<'t>>;
type Policies<'t> = Vec<Policy<'t>>;
type Keys<'t> = Vec<TrustedKey<'t>>;

impl Trust {
    /// Reads the keys of `providers` and prepares them with `backend`.
    ///
    /// The warnings say which keys are left out, and why: an operator should see them.
    ///
    /// # Errors
    /// [`LoadError`]: a setting that no token could meet, or a source of keys without any that is usable.
    pub fn load<B>(
        backend: &B,
        providers: Vec<ProviderSettings>,
    ) -> Result<(Self, Vec<Warning>), LoadError>
    where
        B: Backend,
        B::Key: 'static,
    {
        check_settings(&providers)?;
        let mut keys = Vec::new();
        let mut warnings = Vec::new();
        for (index, settings) in providers.iter().enumerate() {
            let loaded = keys::load(backend, settings, &mut warnings)
                .map_err(|error| LoadError::keys(settings, error))?;
            keys.extend(loaded.into_iter().map(|key| OwnedKey {
                provider: index,
                key,
            }));
        }
        Ok((Self::build(Owned { providers, keys }), warnings))
    }

    fn build(owned: Owned) -> Self {
        let listed = Listed::new(owned, |owned| {
            owned.providers.iter().map(Lists::new).collect()
        });
        let judged = Judged::new(listed, |listed| {
            let lists = listed.borrow_dependent().iter();
            let settings = &listed.borrow_owner().providers;
            lists
                .zip(settings)
                .map(|(lists, settings)| lists.policy(settings))
                .collect()
        });
        Self(Keyed::new(judged, |judged| {
            let policies = judged.borrow_dependent();
            let keys = judged.borrow_owner().borrow_owner().keys.iter();
            keys.filter_map(|owned| Some(owned.trusted(policies.get(owned.provider)?)))
                .collect()
        }))
    }

    /// Every key, with the policy of its provider.
    #[must_use]
    pub fn keys(&self) -> &[TrustedKey<'_>] {
        self.0.borrow_dependent()
    }

    /// The policies of the providers, in the order of their settings.
    #[must_use]
    pub fn policies(&self) -> &[Policy<'_>] {
        self.0.borrow_owner().borrow_dependent()
    }

    /// The settings that all of this was made from.
    #[must_use]
    pub fn providers(&self) -> &[ProviderSettings] {
        let listed = self.0.borrow_owner().borrow_owner();
        &listed.borrow_owner().providers
    }
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust")
            .field("providers", &self.providers().len())
            .field("keys", &self.keys().len())
            .finish()
    }
}

impl OwnedKey {
    fn trusted<'t>(&'t self, policy: &'t Policy<'t>) -> TrustedKey<'t> {
        let key: &'t dyn VerifyingKey = self.key.key.as_ref();
        TrustedKey {
            key,
            kid: self.key.kid.as_deref(),
            owner: self.key.owner.as_deref(),
            policy,
        }
    }
}

/// Why there is nothing to judge logins by.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// No provider at all: every login would fail.
    #[error("there is no provider: name one and its keys")]
    NoProvider,
    /// A name that is empty or longer than a log line carries.
    #[error("provider {0:?}: give it a name of 1 to {max} bytes", max = ProviderSettings::MAX_NAME)]
    Name(String),
    /// Two providers of one name.
    #[error("provider {0:?}: the name occurs twice; give each provider one of its own")]
    DuplicateName(String),
    /// No claim to take the user's name from, or more than are looked for.
    #[error(
        "provider {0:?}: name 1 to {max} username claims, such as \"sub\" or \"email\"",
        max = ProviderSettings::MAX_USERNAME_CLAIMS
    )]
    UsernameClaims(String),
    /// An empty list of audiences, which no token meets.
    #[error(
        "provider {0:?}: the list of audiences is empty, so that no token is good; name the audience that \
         the provider puts into tokens for the mail server"
    )]
    NoAudience(String),
    /// No file of keys is named.
    #[error(
        "provider {0:?}: no keys are named; give the path of a JWK Set, a PEM file or a directory"
    )]
    NoKeys(String),
    /// A source of keys cannot be used.
    #[error("provider {provider:?}: {error}")]
    Keys {
        /// The provider's name.
        provider: String,
        /// What is wrong with which file.
        error: KeyFileError,
    },
}

impl LoadError {
    fn keys(settings: &ProviderSettings, error: KeyFileError) -> Self {
        let provider = settings.name.clone();
        Self::Keys { provider, error }
    }
}

/// Finds settings under which no login could ever succeed.
fn check_settings(providers: &[ProviderSettings]) -> Result<(), LoadError> {
    if providers.is_empty() {
        return Err(LoadError::NoProvider);
    }
    let mut names = HashSet::new();
    for settings in providers {
        let name = settings.name.clone();
        if !(1..=ProviderSettings::MAX_NAME).contains(&name.len()) {
            return Err(LoadError::Name(name));
        }
        if !names.insert(&settings.name) {
            return Err(LoadError::DuplicateName(name));
        }
        let claims = 1..=ProviderSettings::MAX_USERNAME_CLAIMS;
        if !claims.contains(&settings.username_claims.len()) {
            return Err(LoadError::UsernameClaims(name));
        }
        if settings.audience.as_ref().is_some_and(Vec::is_empty) {
            return Err(LoadError::NoAudience(name));
        }
        if settings.keys.is_empty() {
            return Err(LoadError::NoKeys(name));
        }
    }
    Ok(())
}
