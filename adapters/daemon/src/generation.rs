//! What logins are judged by, and how it is replaced as a whole.

use gatepost_aws_lc::AwsLc;
use gatepost_core::{crypto::RustCrypto, exchange::Rules};
use gatepost_tokio::{LoadError, Trust};

use crate::config::{BackendName, CompatName, Config, DiscoverySettings};

/// Providers, keys and rules of one reading of the configuration. It never changes.
pub(crate) struct Generation {
    pub(crate) trust: Trust,
    compat: CompatName,
    discovery: DiscoverySettings,
}

impl Generation {
    /// Loads the keys that `config` names, and logs which are left out.
    pub(crate) fn load(config: &Config) -> Result<Self, LoadError> {
        let providers = config.providers.iter();
        let providers = providers.map(|provider| provider.as_ref().settings());
        let providers = providers.collect();
        let (trust, warnings) = match config.backend {
            BackendName::AwsLc => Trust::load(&AwsLc, providers),
            BackendName::RustCrypto => Trust::load(&RustCrypto, providers),
        }?;
        for warning in warnings {
            tracing::warn!(warning = warning.to_string(), "key");
        }
        Ok(Self {
            trust,
            compat: config.compat,
            discovery: config.discovery.clone(),
        })
    }

    /// What holds for every login.
    pub(crate) fn rules(&self) -> Rules<'_> {
        Rules {
            compat: self.compat.into(),
            discovery: self.discovery.discovery(),
            ..Rules::default()
        }
    }
}
