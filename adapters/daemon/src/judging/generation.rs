//! What logins are judged by, and how it is replaced as a whole.

use std::path::PathBuf;
use std::sync::Arc;

use gatepost_aws_lc::AwsLc;
use gatepost_core::{crypto::RustCrypto, exchange::LoginSettings, sasl::Mechanism};
use gatepost_tokio::{LoadError, Place, ProviderSettings, Providers, Trust, Warning};
use tokio::runtime::Handle;

use crate::config::{BackendName, CompatName, Config, DiscoverySettings};
use crate::judging::guesses::Pairs;

/// Providers and rules of one reading of the configuration. What it says never changes; what is found of
/// the providers over the network is kept current.
pub(crate) struct Generation {
    pub(crate) providers: Providers,
    /// Passwords that these providers have been asked about lately.
    pub(crate) pairs: Arc<Pairs>,
    compat: CompatName,
    discovery: DiscoverySettings,
    told_provider: Option<String>,
}

/// Why there is nothing to judge logins by.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GenerationError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("provider {provider:?}: {fault}")]
    Settings { provider: String, fault: String },
}

impl Generation {
    /// Loads the keys that `config` names, begins to find the others on this very runtime, and logs which
    /// are left out. What `previous` has found is not lost.
    pub(crate) fn load(config: &Config, previous: Option<&Self>) -> Result<Self, GenerationError> {
        let providers = settings(config)?;
        let place = Place {
            runtime: Handle::current(),
            state: state_directory(config),
            answer_cache: u64::from(config.limits.answer_cache_mebibytes.get()) << 20,
        };
        let before = previous.map(|previous| &previous.providers);
        let (providers, warnings) = match config.backend {
            BackendName::AwsLc => Providers::start(&AwsLc, providers, &place, before),
            BackendName::RustCrypto => Providers::start(&RustCrypto, providers, &place, before),
        }?;
        // What is good or wrong at one provider may be neither at another, also at that of another name.
        let pairs = previous.filter(|previous| grant_alike(&previous.providers, &providers));
        let pairs = pairs.map(|previous| Arc::clone(&previous.pairs));
        Ok(Self::new(config, providers, pairs, &warnings))
    }

    /// As [`load`](Self::load), with keys from files only: nobody is asked anything.
    pub(crate) fn offline(config: &Config) -> Result<Self, GenerationError> {
        let providers = settings(config)?;
        let (trust, warnings) = match config.backend {
            BackendName::AwsLc => Trust::load(&AwsLc, providers),
            BackendName::RustCrypto => Trust::load(&RustCrypto, providers),
        }?;
        Ok(Self::new(config, Providers::fixed(trust), None, &warnings))
    }

    fn new(
        config: &Config,
        providers: Providers,
        pairs: Option<Arc<Pairs>>,
        warnings: &[Warning],
    ) -> Self {
        for warning in warnings {
            tracing::warn!(warning = warning.to_string(), "key");
        }
        Self {
            providers,
            pairs: pairs.unwrap_or_default(),
            compat: config.compat,
            discovery: config.discovery.clone(),
            told_provider: config.told_provider(),
        }
    }

    /// The provider whose keys are told to Dovecot, if any is.
    pub(crate) fn told_provider(&self) -> Option<&str> {
        self.told_provider.as_deref()
    }

    /// What is offered: passwords only where a provider takes them.
    pub(crate) fn mechanisms(&self) -> &'static [Mechanism] {
        if self.grants_for_passwords() {
            &Mechanism::ALL
        } else {
            &Mechanism::BEARER
        }
    }

    /// Whether a provider takes passwords.
    pub(crate) fn grants_for_passwords(&self) -> bool {
        let trust = self.providers.trust();
        let mut online = trust
            .providers()
            .iter()
            .filter_map(|provider| provider.online.as_ref());
        online.any(|online| online.grant.is_some())
    }

    /// What holds for every login.
    pub(crate) fn rules(&self) -> LoginSettings<'_> {
        LoginSettings {
            compat: self.compat.into(),
            discovery: self.discovery.discovery(),
            ..LoginSettings::default()
        }
    }
}

/// Whether both have the same providers that take passwords.
fn grant_alike(some: &Providers, others: &Providers) -> bool {
    let [some, others] = [some, others].map(Providers::trust);
    let [some, others] = [&some, &others].map(|trust| {
        let all = trust.providers().iter();
        all.filter(|settings| {
            settings
                .online
                .as_ref()
                .is_some_and(|it| it.grant.is_some())
        })
    });
    some.eq(others)
}

/// What the configuration says of each provider.
fn settings(config: &Config) -> Result<Vec<ProviderSettings>, GenerationError> {
    let told_provider = config.told_provider();
    let tells_secrets = config.dict.as_ref().is_some_and(|dict| dict.secrets);
    let settings = config.providers.iter().map(|provider| {
        let named = |fault| GenerationError::Settings {
            provider: provider.name(),
            fault,
        };
        let mut settings = provider.settings().map_err(named)?;
        settings.tells_secrets = tells_secrets && told_provider.as_ref() == Some(&settings.name);
        Ok(settings)
    });
    settings.collect()
}

/// Where the last good keys are kept: what is written, or what systemd has made for `StateDirectory=`.
pub(crate) fn state_directory(config: &Config) -> Option<PathBuf> {
    let written = config.state_directory.as_ref();
    written
        .map(|path| path.to_path_buf())
        .or_else(systemd_state)
}

fn systemd_state() -> Option<PathBuf> {
    let directories = std::env::var_os("STATE_DIRECTORY")?;
    std::env::split_paths(&directories).next()
}
