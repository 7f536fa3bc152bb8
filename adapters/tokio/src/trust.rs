//! Whom logins are judged by: providers and their keys, prepared once.

mod wanted;

use std::collections::HashSet;
use std::sync::Arc;

use gatepost_core::{
    Policy, TemplateError, UsernameTemplate,
    crypto::Backend,
    exchange::{Provider, TrustedKey},
    introspection::{Client, Endpoints, Grant, Mode},
    provider::Metadata,
};
use self_cell::self_cell;
pub use wanted::WantedKey;

use crate::http::HttpError;
use crate::keys::{self, KeyFileError, LoadedKey, Warning};
use crate::settings::{Lists, OnlineSettings, ProviderSettings, Tables};

/// One generation of providers and prepared keys. It never changes: a reload makes another one.
pub struct Trust(Grouped);

// Each storey borrows from the one below: settings, their lists, the policies of both, the keys of those, and
// the lists of these in the form in which an exchange takes them.
self_cell!(
    struct Listed {
        owner: Owned,
        #[covariant]
        dependent: ListsOfAll,
    }
);
self_cell!(
    struct Tabled {
        owner: Listed,
        #[covariant]
        dependent: TablesOfAll,
    }
);
self_cell!(
    struct Judged {
        owner: Tabled,
        #[covariant]
        dependent: Policies,
    }
);
self_cell!(
    struct Keyed {
        owner: Judged,
        #[covariant]
        dependent: Lent,
    }
);
self_cell!(
    struct Grouped {
        owner: Keyed,
        #[covariant]
        dependent: KeysOfAll,
    }
);

#[derive(Clone)]
pub(crate) struct Owned {
    pub(crate) providers: Arc<[ProviderSettings]>,
    /// What has been found of each provider.
    pub(crate) found: Vec<Found>,
}

/// What is known of a provider beside its settings.
#[derive(Clone, Default)]
pub(crate) struct Found {
    pub(crate) keys: Vec<LoadedKey>,
    pub(crate) metadata: Metadata,
    /// Counts the changes.
    pub(crate) generation: u64,
}

type ListsOfAll<'t> = Vec<Lists<'t>>;
type TablesOfAll<'t> = Vec<Tables<'t>>;
type Policies<'t> = Vec<Policy<'t>>;
type KeysOfAll<'t> = Vec<&'t [TrustedKey<'t>]>;

/// What an exchange borrows.
struct Lent<'t> {
    keys: Vec<Vec<TrustedKey<'t>>>,
    providers: Vec<Provider<'t>>,
}

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
        let (owned, warnings) = Owned::load(backend, providers)?;
        Ok((Self::build(owned), warnings))
    }

    pub(crate) fn build(owned: Owned) -> Self {
        let listed = Listed::new(owned, |owned| {
            owned.providers.iter().map(Lists::new).collect()
        });
        let tabled = Tabled::new(listed, |listed| {
            listed
                .borrow_dependent()
                .iter()
                .map(Lists::tables)
                .collect()
        });
        let judged = Judged::new(tabled, |tabled| {
            let listed = tabled.borrow_owner();
            let lists = listed.borrow_dependent().iter();
            let both = lists.zip(tabled.borrow_dependent());
            let settings = listed.borrow_owner().providers.iter();
            let all = both.zip(settings);
            all.map(|((lists, tables), settings)| lists.policy(tables, settings))
                .collect()
        });
        let keyed = Keyed::new(judged, |judged| {
            let policies = judged.borrow_dependent();
            let owned = judged.borrow_owner().borrow_owner().borrow_owner();
            let keys = owned.found.iter().map(trusted);
            let settings = owned.providers.iter().zip(&owned.found);
            let providers = policies.iter().zip(settings);
            Lent {
                keys: keys.collect(),
                providers: providers
                    .map(|(policy, (settings, found))| Provider {
                        policy,
                        endpoints: endpoints(settings, &found.metadata),
                    })
                    .collect(),
            }
        });
        Self(Grouped::new(keyed, |keyed| {
            let keys = keyed.borrow_dependent().keys.iter();
            keys.map(Vec::as_slice).collect()
        }))
    }

    /// The keys of each provider, in the order of their settings.
    #[must_use]
    pub fn keys(&self) -> &[&[TrustedKey<'_>]] {
        self.0.borrow_dependent()
    }

    /// How often what is known of a provider has been replaced.
    pub(crate) fn generation(&self, provider: usize) -> u64 {
        let found = self.owned().found.get(provider);
        found.map_or(0, |found| found.generation)
    }

    /// The settings, and what has been found.
    fn owned(&self) -> &Owned {
        let judged = self.0.borrow_owner().borrow_owner();
        let listed = judged.borrow_owner().borrow_owner();
        listed.borrow_owner()
    }

    /// Every provider, with where it can be asked, as far as that is known.
    #[must_use]
    pub fn asked(&self) -> &[Provider<'_>] {
        &self.0.borrow_owner().borrow_dependent().providers
    }

    /// The policies of the providers, in the order of their settings.
    #[must_use]
    pub fn policies(&self) -> &[Policy<'_>] {
        let judged = self.0.borrow_owner().borrow_owner();
        judged.borrow_dependent()
    }

    /// The settings that all of this was made from.
    #[must_use]
    pub fn providers(&self) -> &[ProviderSettings] {
        &self.owned().providers
    }
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust")
            .field("providers", &self.providers().len())
            .field("keys", &self.keys().concat().len())
            .finish()
    }
}

impl Owned {
    /// Reads the keys that lie in files.
    pub(crate) fn load<B>(
        backend: &B,
        providers: Vec<ProviderSettings>,
    ) -> Result<(Self, Vec<Warning>), LoadError>
    where
        B: Backend,
        B::Key: 'static,
    {
        check_settings(&providers)?;
        let mut warnings = Vec::new();
        let mut found = Vec::new();
        for settings in &providers {
            let keys = keys::load(backend, settings, &mut warnings)
                .map_err(|error| LoadError::keys(settings, error))?;
            found.push(Found {
                keys,
                ..Found::default()
            });
        }
        let providers = providers.into();
        Ok((Self { providers, found }, warnings))
    }
}

fn trusted(found: &Found) -> Vec<TrustedKey<'_>> {
    found.keys.iter().map(LoadedKey::trusted).collect()
}

/// Where a provider is asked: what the operator says, and then what its metadata say.
fn endpoints<'t>(settings: &'t ProviderSettings, metadata: &'t Metadata) -> Option<Endpoints<'t>> {
    let online = settings.online.as_ref()?;
    let discovered = match online.introspection_mode {
        Mode::Auth => &metadata.userinfo,
        Mode::Get | Mode::Post => &metadata.introspection,
    };
    let discovered = discovered.as_deref().filter(|_| online.discovery);
    Some(Endpoints {
        tokeninfo: online.tokeninfo_url.as_deref(),
        introspection: online.introspection_url.as_deref().or(discovered),
        mode: online.introspection_mode,
        force_introspection: online.force_introspection,
        about: online.about,
        grant: online.grant.as_ref().map(|grant| Grant {
            url: &grant.url,
            scope: grant.scope.as_deref(),
        }),
        client: online.client.as_ref().map(|client| Client {
            id: &client.id,
            secret: &client.secret,
            place: client.place,
        }),
        allow_missing_audience: online.allow_missing_audience,
        unauthorized_is_invalid_token: online.unauthorized_is_invalid_token,
        signed_answers: online.signed_answers,
    })
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
    /// A candidate for the user's name that cannot be used.
    #[error("provider {provider:?}: username claim {candidate:?}: {error}")]
    UsernameTemplate {
        /// The provider's name.
        provider: String,
        /// The candidate.
        candidate: String,
        /// What is wrong with it.
        error: TemplateError,
    },
    /// An empty list of audiences, which no token meets.
    #[error(
        "provider {0:?}: the list of audiences is empty, so that no token is good; name the audience that \
         the provider puts into tokens for the mail server"
    )]
    NoAudience(String),
    /// No file of keys is named.
    #[error(
        "provider {0:?}: no keys are named, and nobody can be asked for them; give the path of a JWK Set, \
         a PEM file or a directory, or an issuer that publishes its metadata"
    )]
    NoKeys(String),
    /// More paths in a token than are looked for.
    #[error(
        "provider {0:?}: username claims, required claims, the active attribute and the claim of delegates \
         are more than {max} altogether; name fewer",
        max = ProviderSettings::MAX_PATHS
    )]
    Paths(String),
    /// It can never be asked over the network.
    #[error("provider {provider:?}: {error}")]
    Http {
        /// The provider's name.
        provider: String,
        /// Why.
        error: HttpError,
    },
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
        let is_found = |online: &OnlineSettings| {
            online.discovery || online.key_set_url.is_some() || online.about.is_some()
        };
        if settings.keys.is_empty() && !settings.online.as_ref().is_some_and(is_found) {
            return Err(LoadError::NoKeys(name));
        }
        check_paths(settings)?;
    }
    Ok(())
}

/// What the core looks for in a token, which is bounded.
fn check_paths(settings: &ProviderSettings) -> Result<(), LoadError> {
    let mut paths = HashSet::new();
    for candidate in &settings.username_claims {
        let template = UsernameTemplate::parse(candidate).map_err(|error| {
            let (provider, candidate) = (settings.name.clone(), candidate.clone());
            LoadError::UsernameTemplate {
                provider,
                candidate,
                error,
            }
        })?;
        paths.extend(template.paths());
    }
    paths.extend(settings.required.iter().map(|(claim, _)| &**claim));
    paths.extend(settings.active.iter().map(|(claim, _)| &**claim));
    paths.extend(settings.delegates_claim.as_deref());
    if paths.len() > ProviderSettings::MAX_PATHS {
        return Err(LoadError::Paths(settings.name.clone()));
    }
    Ok(())
}
