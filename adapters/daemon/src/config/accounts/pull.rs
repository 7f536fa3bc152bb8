//! `[[accounts.pull]]`: providers that are read, for they push nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gatepost_accounts::pull::{Identity, Settings};
use gatepost_tokio::{Credentials, HttpSettings};

use super::SourceName;
use crate::config::fault::Faults;
use crate::config::reader::keys;
use crate::config::secret;
use crate::config::values::{Bounded, OneLine, Seconds, WebUrl, words};

keys! {
    /// A provider that is read.
    pub(crate) struct PulledSource in "[[accounts.pull]]" {
        pub(crate) source: SourceName; required,
        url: WebUrl; required,
        secret_file: Option<PathBuf>,
        token_url: Option<WebUrl>,
        client_id: Option<OneLine>,
        client_secret_file: Option<PathBuf>,
        scope: Option<OneLine>,
        every: Seconds<1, 86_400> = Seconds::new(300),
        identity: IdentityName,
        max_deleted_percent: Bounded<0, 100> = Bounded::new(50),
        timeout_seconds: Seconds<1, 300> = Seconds::new(30),
        ca_file: Option<PathBuf>,
        allow_http: bool,
    }
}

words! {
    /// What becomes the `externalId` of an account.
    #[derive(Default)]
    enum IdentityName {
        #[default]
        ExternalId = "external_id",
        Id = "id",
    }
}

impl PulledSource {
    /// The URL of the provider's endpoint, without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The key that names the file with its secret, and that file.
    pub(crate) fn secret_file(&self) -> (&'static str, &Path) {
        match (&self.secret_file, &self.client_secret_file) {
            (Some(file), _) => ("secret_file", file),
            (None, Some(file)) => ("client_secret_file", file),
            // There is one of them, or `check` has said so.
            (None, None) => ("secret_file", Path::new("")),
        }
    }

    /// The bearer token that it is read with, or the client secret that one is granted for, as its file says now.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(crate) fn secret(&self) -> Result<String, String> {
        let (key, file) = self.secret_file();
        secret::read(key, file)
    }

    /// What a token is granted for, if it is read with one that is.
    pub(crate) fn credentials<'s>(&'s self, client_secret: &'s str) -> Option<Credentials<'s>> {
        Some(Credentials {
            token_url: self.token_url.as_deref()?,
            client_id: self.client_id.as_deref()?,
            client_secret,
            scope: self.scope.as_deref(),
        })
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            identity: match self.identity {
                IdentityName::ExternalId => Identity::ExternalId,
                IdentityName::Id => Identity::Id,
            },
            every: self.every.duration(),
            // 100 at most.
            max_deleted_percent: u8::try_from(self.max_deleted_percent.get()).unwrap_or(u8::MAX),
        }
    }

    pub(crate) fn http(&self) -> HttpSettings {
        HttpSettings {
            timeout: self.timeout(),
            concurrency: 1,
            ca_file: self.ca_file.clone(),
            allow_http: self.allow_http,
            ..HttpSettings::default()
        }
    }

    fn timeout(&self) -> Duration {
        self.timeout_seconds.duration()
    }

    pub(super) fn check(&self, faults: &mut Faults) {
        self.places.forbid(
            faults,
            &["url"],
            self.url.ends_with('/') || self.url.contains('?'),
            "pull: url has no query and no slash at its end: what /Users and /Groups follow, as in \
             \"https://id.example.com/scim/v2\"",
        );
        let is_plain = |url: &WebUrl| url.is_plain_and_remote() && !self.allow_http;
        let in_clear = "pull: the secret would travel in clear; write https, or allow_http = true";
        let keys = &["url", "allow_http"];
        self.places
            .forbid(faults, keys, is_plain(&self.url), in_clear);
        let is_token_plain = self.token_url.as_ref().is_some_and(is_plain);
        self.places
            .forbid(faults, &["token_url"], is_token_plain, in_clear);
        self.check_secret(faults);
    }

    /// It is read with a bearer token, or with one that its client is granted.
    fn check_secret(&self, faults: &mut Faults) {
        let parts = [
            self.token_url.is_some(),
            self.client_id.is_some(),
            self.client_secret_file.is_some(),
        ];
        let is_client = parts.contains(&true);
        let keys = &["token_url", "client_id", "client_secret_file"];
        let mut forbid = |keys: &[&str], is_broken, sentence| {
            self.places.forbid(faults, keys, is_broken, sentence);
        };
        forbid(
            &["secret_file"],
            self.secret_file.is_none() && !is_client,
            "pull: secret_file: it is missing here; write it, or token_url, client_id and client_secret_file",
        );
        forbid(
            keys,
            is_client && parts.contains(&false),
            "pull: token_url, client_id and client_secret_file belong together",
        );
        forbid(
            &["secret_file", "token_url"],
            self.secret_file.is_some() && is_client,
            "pull: secret_file and token_url exclude each other: show a bearer token, or have one granted",
        );
        forbid(
            &["scope"],
            self.scope.is_some() && !is_client,
            "pull: scope is for token_url; write it, or remove scope",
        );
    }

    /// The words that let more happen than usual, for the log.
    pub(super) fn looser_words(&self, words: &mut Vec<String>) {
        let source = &*self.source;
        let mut urls = [Some(&self.url), self.token_url.as_ref()].into_iter();
        if urls.any(|url| url.is_some_and(WebUrl::is_plain_and_remote)) {
            words.push(format!(
                "pull of {source}: allow_http = true: the secret and all accounts travel in clear"
            ));
        }
        let percent = self.max_deleted_percent.get();
        if percent > 50 {
            words.push(format!(
                "pull of {source}: max_deleted_percent = {percent}: a reading may delete so many accounts at once"
            ));
        }
    }
}
