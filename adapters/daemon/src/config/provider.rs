//! `[[provider]]`

use std::path::PathBuf;

use gatepost_core::{DEFAULT_SKEW, UserCase, crypto::AlgorithmSet};
use gatepost_tokio::ProviderSettings;
use serde::Deserialize;

use super::values::{Algorithms, Bounded, OneLine};

/// One provider.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Provider {
    name: OneLine,
    issuer: OneLine,
    audience: Option<Vec<OneLine>>,
    #[serde(default)]
    any_audience: bool,
    keys: Vec<PathBuf>,
    #[serde(default = "all_algorithms")]
    algorithms: Algorithms,
    #[serde(default)]
    scopes: Vec<OneLine>,
    #[serde(default = "subject")]
    username_claims: Vec<OneLine>,
    #[serde(default)]
    user_case: UserCaseName,
    active_attribute: Option<OneLine>,
    active_value: Option<OneLine>,
    #[serde(default)]
    authorized_parties: Vec<OneLine>,
    #[serde(default)]
    id_tokens: bool,
    #[serde(default = "default_skew")]
    skew_seconds: Bounded<0, 300>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum UserCaseName {
    #[default]
    LowerDomain,
    Lower,
    Keep,
}

impl Provider {
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.audience.is_some() == self.any_audience {
            return Err(
                "provider: write either audience = [\"...\"] with what the provider puts into tokens for \
                 the mail server, or any_audience = true",
            );
        }
        if self.audience.as_ref().is_some_and(Vec::is_empty) {
            return Err("provider: audience is empty; name one at least");
        }
        if self.keys.is_empty() {
            return Err("provider: keys is empty; name a JWK Set, a PEM file or a directory");
        }
        if self.name.len() > ProviderSettings::MAX_NAME {
            return Err("provider: name is longer than 64 bytes; shorten it");
        }
        let claims = 1..=ProviderSettings::MAX_USERNAME_CLAIMS;
        if !claims.contains(&self.username_claims.len()) {
            return Err("provider: write 1 to 15 username_claims, such as \"email\"");
        }
        if self.active_value.is_some() && self.active_attribute.is_none() {
            return Err("provider: active_value needs active_attribute; write both, or neither");
        }
        Ok(())
    }

    pub(super) fn looser_words(&self, words: &mut Vec<String>) {
        let name = &*self.name;
        let mut add = |word: &str| words.push(format!("provider {name:?}: {word}"));
        if self.any_audience {
            add("any_audience = true: tokens for any other application open mailboxes too");
        }
        if self.id_tokens {
            add("id_tokens = true: ID tokens are taken as access tokens");
        }
        if self.user_case == UserCaseName::Lower {
            add("user_case = \"lower\": names that differ in case only are one user");
        }
        let skew = self.skew_seconds.get();
        if skew > DEFAULT_SKEW {
            add(&format!(
                "skew_seconds = {skew}: expired tokens live that much longer"
            ));
        }
    }

    /// The settings as the judging takes them.
    pub(crate) fn settings(&self) -> ProviderSettings {
        let owned = |list: &[OneLine]| list.iter().map(|text| text.to_string()).collect();
        let audience = self.audience.as_deref().map(owned);
        let mut settings = ProviderSettings::new(&*self.name, audience);
        settings.issuer = Some(self.issuer.to_string());
        settings.authorized_parties = owned(&self.authorized_parties);
        settings.scopes = owned(&self.scopes);
        settings.username_claims = owned(&self.username_claims);
        settings.user_case = match self.user_case {
            UserCaseName::LowerDomain => UserCase::LowerDomain,
            UserCaseName::Lower => UserCase::Lower,
            UserCaseName::Keep => UserCase::Keep,
        };
        settings.active = self.active_attribute.as_ref().map(|attribute| {
            let value = self.active_value.as_ref().map(|value| value.to_string());
            (attribute.to_string(), value)
        });
        settings.id_tokens = self.id_tokens;
        settings.skew = self.skew_seconds.get();
        settings.algorithms = self.algorithms.0;
        settings.keys.clone_from(&self.keys);
        settings
    }
}

fn all_algorithms() -> Algorithms {
    Algorithms(AlgorithmSet::ALL)
}

fn subject() -> Vec<OneLine> {
    OneLine::try_from("sub".to_owned()).into_iter().collect()
}

const fn default_skew() -> Bounded<0, 300> {
    Bounded::new(DEFAULT_SKEW)
}
