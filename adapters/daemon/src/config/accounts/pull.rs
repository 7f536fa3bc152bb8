//! `[[accounts.pull]]`: providers that are read, for they push nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gatepost_accounts::pull::{Identity, Settings};
use gatepost_tokio::HttpSettings;

use super::SourceName;
use crate::config::fault::Faults;
use crate::config::reader::keys;
use crate::config::secret;
use crate::config::values::{Bounded, Seconds, WebUrl, words};

keys! {
    /// A provider that is read.
    pub(crate) struct PulledSource in "[[accounts.pull]]" {
        pub(crate) source: SourceName; required,
        url: WebUrl; required,
        secret_file: PathBuf; required,
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

    pub(crate) fn secret_file(&self) -> &Path {
        &self.secret_file
    }

    /// The bearer token that it is read with, as its file says now.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(crate) fn secret(&self) -> Result<String, String> {
        secret::read("secret_file", &self.secret_file)
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
        self.places.forbid(
            faults,
            &["url", "allow_http"],
            self.url.is_plain_and_remote() && !self.allow_http,
            "pull: the secret would travel in clear; write https, or allow_http = true",
        );
    }

    /// The words that let more happen than usual, for the log.
    pub(super) fn looser_words(&self, words: &mut Vec<String>) {
        let source = &*self.source;
        if self.url.is_plain_and_remote() {
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
