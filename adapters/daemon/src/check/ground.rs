//! What `check` judges tokens by: its options, or a configuration.

use std::path::Path;
use std::time::Duration;

use gatepost_aws_lc::AwsLc;
use gatepost_core::{crypto::AlgorithmSet, exchange::LoginSettings, sasl::Compat};
use gatepost_tokio::{ProviderSettings, Providers, Trust};
use tokio::{runtime::Runtime, time::timeout};

use super::Check;
use crate::config::{Config, Log, LogLevel};
use crate::judging::generation::Generation;
use crate::log;

/// How long providers may take to be found.
const PATIENCE: Duration = Duration::from_secs(10);

/// What tokens are judged by.
pub(super) enum Ground {
    Options(Providers),
    Configured(Generation),
}

impl Ground {
    /// The configuration, or what the options say instead.
    pub(super) fn new(
        check: &Check,
        runtime: &Runtime,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        Ok(match &check.config {
            Some(path) => Self::Configured(check.configured(runtime, path)?),
            None => Self::Options(check.fixed()?),
        })
    }

    /// What holds for every login; `compat` is the options'.
    pub(super) fn rules(&self, compat: Compat) -> LoginSettings<'_> {
        match self {
            Self::Options(_) => LoginSettings {
                compat,
                ..LoginSettings::default()
            },
            Self::Configured(generation) => generation.rules(),
        }
    }

    pub(super) fn providers(&self) -> &Providers {
        match self {
            Self::Options(providers) => providers,
            Self::Configured(generation) => &generation.providers,
        }
    }
}

impl Check {
    /// The providers of a configuration, once each has been looked for.
    fn configured(
        &self,
        runtime: &Runtime,
        path: &Path,
    ) -> Result<Generation, Box<dyn std::error::Error>> {
        let config = Config::read(path)?;
        log::start(&Log::of(LogLevel::Warn));
        if self.offline {
            return Ok(Generation::offline(&config)?);
        }
        runtime.block_on(async {
            let generation = Generation::load(&config, None)?;
            if timeout(PATIENCE, generation.providers.looked_for())
                .await
                .is_err()
            {
                eprintln!("gatepost: not every provider has been found in ten seconds");
            }
            Ok(generation)
        })
    }

    /// The one provider that the options describe.
    fn fixed(&self) -> Result<Providers, Box<dyn std::error::Error>> {
        let (trust, warnings) = Trust::load(&AwsLc, vec![self.settings()])?;
        for warning in warnings {
            eprintln!("gatepost: {warning}");
        }
        Ok(Providers::fixed(trust))
    }

    fn settings(&self) -> ProviderSettings {
        let audience = (!self.any_audience && !self.jws).then(|| self.audience.clone());
        let mut settings = ProviderSettings::new("check", audience);
        settings.issuer.clone_from(&self.issuer);
        settings.scopes.clone_from(&self.scope);
        settings.keys.clone_from(&self.keys);
        if !self.username_claim.is_empty() {
            settings.username_claims.clone_from(&self.username_claim);
        }
        if !self.algorithms.is_empty() {
            settings.algorithms = AlgorithmSet::of(&self.algorithms);
        }
        settings
    }
}
