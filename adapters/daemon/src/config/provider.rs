//! `[[provider]]`

mod online;

use std::collections::BTreeMap;
use std::path::PathBuf;

use gatepost_core::introspection::About;
use gatepost_core::{DEFAULT_SKEW, UserCase, crypto::AlgorithmSet};
use gatepost_tokio::ProviderSettings;
use serde::Deserialize;

use super::secret::Secret;
use super::values::{Algorithms, Bounded, FieldName, FieldValue, OneLine, OneOrMany, WebUrl};

/// One provider.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the file")]
pub(crate) struct Provider {
    name: Option<OneLine>,
    issuer: Option<OneLine>,
    #[serde(default)]
    any_issuer: bool,
    audience: Option<OneOrMany>,
    #[serde(default)]
    any_audience: bool,
    #[serde(default)]
    allow_missing_audience: bool,
    #[serde(default)]
    keys: Vec<PathBuf>,
    key_set_url: Option<WebUrl>,
    discovery: Option<bool>,
    #[serde(default = "all_algorithms")]
    algorithms: Algorithms,
    #[serde(default)]
    domains: Vec<OneLine>,
    #[serde(default)]
    scopes: Vec<OneLine>,
    #[serde(default)]
    require: BTreeMap<String, OneLine>,
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
    validate: Option<Validate>,
    #[serde(default)]
    userinfo: bool,
    tokeninfo_url: Option<WebUrl>,
    introspection_url: Option<WebUrl>,
    introspection_mode: Option<ModeName>,
    #[serde(default)]
    force_introspection: bool,
    grant_url: Option<WebUrl>,
    grant_scope: Option<OneLine>,
    #[serde(default)]
    fields: BTreeMap<FieldName, FieldValue>,
    client_id: Option<OneLine>,
    client_secret: Option<Secret>,
    client_secret_file: Option<PathBuf>,
    #[serde(default)]
    client_place: PlaceName,
    #[serde(default)]
    unauthorized: Unauthorized,
    #[serde(default)]
    signed_answers: bool,
    #[serde(default)]
    send_auth_headers: bool,
    #[serde(default = "default_cache")]
    cache_seconds: Bounded<0, 3_600>,
    #[serde(default = "default_negative_cache")]
    negative_cache_seconds: Bounded<0, 60>,
    #[serde(default = "default_timeout")]
    timeout_milliseconds: Bounded<100, 60_000>,
    #[serde(default = "default_concurrency")]
    concurrency: Bounded<1, 1_024>,
    ca_file: Option<PathBuf>,
    client_certificate: Option<PathBuf>,
    client_key: Option<PathBuf>,
    #[serde(default)]
    allow_http: bool,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum UserCaseName {
    #[default]
    LowerDomain,
    Lower,
    Keep,
}

/// Which tokens are verified here, and which are asked about.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Validate {
    /// JWTs here, and no others.
    Local,
    /// JWTs here, and others there.
    Opaque,
    /// JWTs here as far as there are keys, and everything else there.
    Fallback,
    /// Everything there.
    Online,
}

impl Validate {
    const fn about(self) -> Option<About> {
        match self {
            Self::Local => None,
            Self::Opaque => Some(About::OpaqueTokens),
            Self::Fallback => Some(About::UnverifiableTokens),
            Self::Online => Some(About::EveryToken),
        }
    }
}

/// Dovecot's names.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
enum ModeName {
    Auth,
    Get,
    Post,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
enum PlaceName {
    #[default]
    Basic,
    Parameters,
}

/// What 401 means at an introspection endpoint.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Unauthorized {
    #[default]
    Temporary,
    InvalidToken,
}

impl Provider {
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.audience.is_some() == self.any_audience {
            return Err(
                "provider: write either audience = [\"...\"] with what the provider puts into tokens for \
                 the mail server, or any_audience = true",
            );
        }
        if self.audience.as_ref().is_some_and(OneOrMany::is_empty) {
            return Err("provider: audience is empty; name one at least");
        }
        if self.name().len() > ProviderSettings::MAX_NAME {
            return Err("provider: name is longer than 64 bytes; shorten it");
        }
        let claims = 1..=ProviderSettings::MAX_USERNAME_CLAIMS;
        if !claims.contains(&self.username_claims.len()) {
            return Err("provider: write 1 to 15 username_claims, such as \"email\"");
        }
        if self.active_value.is_some() && self.active_attribute.is_none() {
            return Err("provider: active_value needs active_attribute; write both, or neither");
        }
        let paths = self.username_claims.len() + self.require.len();
        let paths = paths + usize::from(self.active_attribute.is_some());
        if paths > ProviderSettings::MAX_PATHS {
            return Err(
                "provider: username_claims, require and active_attribute name more than 16 claims; name \
                 fewer",
            );
        }
        self.check_online()
    }

    /// Names of further fields of the answer.
    pub(super) fn field_names(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(|name| &**name)
    }

    pub(super) fn looser_words(&self, words: &mut Vec<String>) {
        let name = self.name();
        let mut add = |word: &str| words.push(format!("provider {name:?}: {word}"));
        if self.any_audience {
            add("any_audience = true: tokens for any other application open mailboxes too");
        }
        if self.any_issuer {
            add(
                "any_issuer = true: whatever its keys have signed is taken, whoever it says it is from",
            );
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
        if self.fields.values().any(FieldValue::tells_token) {
            add("fields with %{token}: the token is told to the mail server, which may log it");
        }
        self.looser_words_online(add);
    }

    /// What the log calls it: by default its host.
    pub(crate) fn name(&self) -> String {
        if let Some(name) = &self.name {
            return name.to_string();
        }
        let urls = [
            self.issuer.as_deref(),
            self.introspection_url.as_deref(),
            self.tokeninfo_url.as_deref(),
        ];
        let url = urls.into_iter().flatten().next().unwrap_or_default();
        let host = url.split_once("://").map_or(url, |(_, rest)| rest);
        host.split('/').next().unwrap_or_default().to_owned()
    }

    /// The issuer, where its metadata are looked for.
    pub(super) fn discovered_issuer(&self) -> Option<&str> {
        self.issuer.as_deref().filter(|_| self.discovers())
    }

    /// Scopes that a token needs.
    pub(super) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(|scope| &**scope)
    }

    /// The domains that it may name users of.
    pub(super) fn domains(&self) -> impl Iterator<Item = &str> {
        self.domains.iter().map(|domain| &**domain)
    }

    /// The settings as the judging takes them.
    pub(crate) fn settings(&self) -> Result<ProviderSettings, String> {
        let owned = |list: &[OneLine]| list.iter().map(|text| text.to_string()).collect();
        let audience = self.audience.as_ref().map(|list| owned(list));
        let mut settings = ProviderSettings::new(self.name(), audience);
        settings.issuer = self.issuer.as_ref().map(|issuer| issuer.to_string());
        settings.authorized_parties = owned(&self.authorized_parties);
        settings.scopes = owned(&self.scopes);
        settings.domains = owned(&self.domains);
        settings.required = self
            .require
            .iter()
            .map(|(claim, value)| (claim.clone(), value.to_string()))
            .collect();
        settings.fields = self
            .fields
            .iter()
            .map(|(name, value)| (name.to_string(), value.template().clone()))
            .collect();
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
        settings.online = self.online()?;
        Ok(settings)
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

const fn default_cache() -> Bounded<0, 3_600> {
    Bounded::new(60)
}

const fn default_negative_cache() -> Bounded<0, 60> {
    Bounded::new(5)
}

const fn default_timeout() -> Bounded<100, 60_000> {
    Bounded::new(3_000)
}

const fn default_concurrency() -> Bounded<1, 1_024> {
    Bounded::new(32)
}
