//! `[[provider]]`

mod checks;
mod online;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::PathBuf;

use gatepost_core::introspection::About;
use gatepost_core::{DEFAULT_SKEW, UserCase, crypto::AlgorithmSet};
use gatepost_tokio::ProviderSettings;

use super::claims::{ClaimPath, DomainName, Scope, UsernameClaim};
use super::reader::keys;
use super::secret::Secret;
use super::values::{
    Algorithms, Bounded, FieldName, FieldValue, Milliseconds, OneLine, Seconds, WebUrl, words,
};

keys! {
    /// One provider.
    pub(crate) struct Provider in "[[provider]]" {
        name: Option<OneLine>,
        issuer: Option<OneLine>,
        any_issuer: bool,
        tenants: BTreeMap<String, Vec<DomainName>>,
        audience: Option<Vec<OneLine>>,
        any_audience: bool,
        allow_missing_audience: bool,
        keys: Vec<PathBuf>,
        key_set_url: Option<WebUrl>,
        discovery: Option<bool>,
        metadata_url: Option<WebUrl>,
        algorithms: Algorithms = Algorithms(AlgorithmSet::ALL),
        domains: Vec<DomainName>,
        scopes: Vec<Scope>,
        require: BTreeMap<ClaimPath, Vec<OneLine>>,
        username_claims: Vec<UsernameClaim> = subject(),
        username: Vec<UsernameClaim>,
        unverified_email: bool,
        user_case: UserCaseName,
        active_attribute: Option<ClaimPath>,
        active_value: Option<OneLine>,
        authorized_parties: Vec<OneLine>,
        id_tokens: bool,
        require_type: Option<TypeName>,
        delegates: BTreeMap<String, Vec<OneLine>>,
        delegates_claim: Option<ClaimPath>,
        /// What finds a user's account, in place of `sub`.
        account_claim: Option<OneLine>,
        skew_seconds: Seconds<0, 300> = Seconds::new(DEFAULT_SKEW),
        validate: Option<Validate>,
        userinfo: bool,
        tokeninfo_url: Option<WebUrl>,
        introspection_url: Option<WebUrl>,
        introspection_mode: Option<ModeName>,
        force_introspection: bool,
        grant_url: Option<WebUrl>,
        grant_scope: Option<OneLine>,
        fields: BTreeMap<FieldName, FieldValue>,
        client_id: Option<OneLine>,
        client_secret: Option<Secret>,
        client_secret_file: Option<PathBuf>,
        client_place: PlaceName,
        unauthorized: Unauthorized,
        signed_answers: bool,
        send_auth_headers: bool,
        cache_seconds: Seconds<0, 3_600> = DEFAULT_CACHE,
        negative_cache_seconds: Seconds<0, 60> = Seconds::new(5),
        timeout_milliseconds: Milliseconds<100, 60_000> = Milliseconds::new(3_000),
        concurrency: Bounded<1, 1_024> = Bounded::new(32),
        ca_file: Option<PathBuf>,
        client_certificate: Option<PathBuf>,
        client_key: Option<PathBuf>,
        allow_http: bool,
    }
}

/// How long a provider's word counts.
const DEFAULT_CACHE: Seconds<0, 3_600> = Seconds::new(60);

words! {
    #[derive(Default)]
    enum UserCaseName {
        #[default]
        LowerDomain = "lower-domain",
        Lower = "lower",
        Keep = "keep",
    }
}

words! {
    /// What the header of a JWT has to say.
    enum TypeName {
        AccessToken = "at+jwt",
    }
}

words! {
    /// Which tokens are verified here, and which are asked about.
    enum Validate {
        /// JWTs here, and no others.
        Local = "local",
        /// JWTs here, and others there.
        Opaque = "opaque",
        /// JWTs here as far as there are keys, and everything else there.
        Fallback = "fallback",
        /// Everything there.
        Online = "online",
    }
}

words! {
    /// Dovecot's names.
    enum ModeName {
        Auth = "auth",
        Get = "get",
        Post = "post",
    }
}

words! {
    #[derive(Default)]
    enum PlaceName {
        #[default]
        Basic = "basic",
        Parameters = "parameters",
    }
}

words! {
    /// What 401 means at an introspection endpoint.
    #[derive(Default)]
    enum Unauthorized {
        #[default]
        Temporary = "temporary",
        InvalidToken = "invalid-token",
    }
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

impl Provider {
    /// Where the user's name may stand.
    fn usernames(&self) -> impl Iterator<Item = &UsernameClaim> {
        let claims = self.username_claims.iter();
        let claims = claims.filter(|_| self.username.is_empty());
        self.username.iter().chain(claims)
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
        if self.unverified_email {
            add(
                "unverified_email = true: whoever can write an address into an account of the provider's \
                 opens that mailbox",
            );
        }
        if !self.delegates.is_empty() || self.delegates_claim.is_some() {
            add("delegates: their users log in as others");
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

    /// Connections to it at once.
    pub(crate) fn connections(&self) -> u64 {
        u64::from(self.concurrency.get())
    }

    /// Whether `audience` is one that its mail users' tokens are minted for.
    pub(super) fn is_minted_for(&self, audience: &str) -> bool {
        let mut ours = self.audience.iter().flatten();
        ours.any(|ours| **ours == *audience)
    }

    /// Whether it is `other`, or another client of the same issuer.
    pub(super) fn signs_for(&self, other: &Self) -> bool {
        self.name() == other.name() || self.issuer.is_some() && self.issuer == other.issuer
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
            self.metadata_url.as_deref(),
            self.key_set_url.as_deref(),
        ];
        let hosts = urls.into_iter().flatten().map(|url| {
            let host = url.split_once("://").map_or(url, |(_, rest)| rest);
            host.split('/').next().unwrap_or_default()
        });
        let mut hosts = hosts.filter(|host| !host.is_empty());
        hosts.next().unwrap_or_default().to_owned()
    }

    /// The issuer, where its metadata are looked for.
    pub(super) fn discovered_issuer(&self) -> Option<&str> {
        self.issuer.as_deref().filter(|_| self.discovers())
    }

    /// Whether the configuration itself holds a secret of its.
    pub(super) fn holds_secret(&self) -> bool {
        self.client_secret.is_some()
    }

    /// Files that hold its secrets.
    pub(super) fn secret_files(&self) -> impl Iterator<Item = PathBuf> {
        let files = [&self.client_secret_file, &self.client_key];
        files.into_iter().flatten().cloned()
    }

    pub(super) fn key_files(&self) -> &[PathBuf] {
        &self.keys
    }

    /// Whether its keys are found over the network.
    pub(crate) fn finds_keys(&self) -> bool {
        self.discovers() || self.key_set_url.is_some()
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
        let audience = self.audience.as_ref().map(|list| owned(list));
        let mut settings = ProviderSettings::new(self.name(), audience);
        settings.issuer = self.issuer.as_ref().map(|issuer| issuer.to_string());
        settings.authorized_parties = owned(&self.authorized_parties);
        settings.scopes = owned(&self.scopes);
        settings.domains = owned(&self.domains);
        let required = self.require.iter();
        settings.required = required
            .map(|(path, values)| (path.to_string(), owned(values)))
            .collect();
        settings.tenants = rows(&self.tenants);
        settings.delegates = rows(&self.delegates);
        settings.delegates_claim = self.delegates_claim.as_ref().map(|path| path.to_string());
        if let Some(claim) = &self.account_claim {
            settings.account_claim = claim.to_string();
        }
        settings.require_type = self.require_type.is_some();
        settings.unverified_email = self.unverified_email;
        settings.fields = self
            .fields
            .iter()
            .map(|(name, value)| (name.to_string(), value.template().clone()))
            .collect();
        settings.username_claims = self.usernames().map(|name| name.to_string()).collect();
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

fn owned<T: Deref<Target = str>>(list: &[T]) -> Vec<String> {
    list.iter().map(|text| text.to_string()).collect()
}

fn rows<T: Deref<Target = str>>(rows: &BTreeMap<String, Vec<T>>) -> Vec<(String, Vec<String>)> {
    let rows = rows.iter();
    rows.map(|(name, values)| (name.clone(), owned(values)))
        .collect()
}

fn subject() -> Vec<UsernameClaim> {
    UsernameClaim::try_from("sub".to_owned())
        .into_iter()
        .collect()
}
