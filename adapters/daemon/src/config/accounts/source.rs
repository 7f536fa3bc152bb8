//! `[[accounts.source]]`: who provisions accounts, and whose tokens open them.

use std::ops::Deref;

use gatepost_accounts::login::Join;
use gatepost_accounts::model::{Source, SourceId};
use gatepost_accounts::name::{Address, Domains};
use gatepost_tokio::ClientRules;

use crate::config::claims::DomainName;
use crate::config::fault::Faults;
use crate::config::reader::keys;
use crate::config::values::{Bounded, OneLine, WebUrl, words};

/// Longest name of a source: it is a part of a URL.
const MAX_SOURCE_NAME: usize = 64;

keys! {
    /// Who provisions accounts.
    pub(crate) struct AccountSource in "[[accounts.source]]" {
        pub(crate) name: SourceName; required,
        domains: Vec<DomainName>; required,
        public_url: Option<WebUrl>,
        provider: Option<OneLine>,
        join: JoinName,
        token_provider: Option<OneLine>,
        token_audience: Option<OneLine>,
        token_subjects: Vec<OneLine>,
        /// How many per cent of its accounts a start may leave without an address.
        max_without_address_percent: Bounded<0, 100> = Bounded::new(10),
    }
}

words! {
    /// What a token and an account are joined by.
    #[derive(Default)]
    enum JoinName {
        #[default]
        Subject = "subject",
        Address = "address",
    }
}

/// The name of a source, which is a part of its URL.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SourceName(String);

impl TryFrom<String> for SourceName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_plain =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        if text.is_empty() || text.len() > MAX_SOURCE_NAME || !text.chars().all(is_plain) {
            return Err(
                "write a name of 1 to 64 lower-case letters, digits, \"-\" and \"_\": it is a part of a URL",
            );
        }
        Ok(Self(text))
    }
}

impl Deref for SourceName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AccountSource {
    /// It, with the number that the database has given it.
    pub(crate) fn with_number(&self, id: SourceId) -> Source {
        let domains = self.domains.iter();
        Source {
            id,
            name: self.name.to_string(),
            domains: domains.map(|domain| &**domain).collect(),
        }
    }

    /// How many per cent of its accounts a start may leave without an address.
    pub(crate) fn max_without_address_percent(&self) -> usize {
        usize::try_from(self.max_without_address_percent.get()).unwrap_or(usize::MAX)
    }

    /// Whether it may give an address.
    pub(super) fn gives(&self, address: &Address) -> bool {
        let domains: Domains = self.domains.iter().map(|domain| &**domain).collect();
        domains.contains(address.domain())
    }

    /// The URL that it knows of its endpoint, if it pushes accounts.
    pub(crate) fn public_url(&self) -> Option<&str> {
        self.public_url.as_deref()
    }

    /// The provider whose tokens open its accounts, if it names one.
    pub(crate) fn provider(&self) -> Option<&str> {
        self.provider.as_deref()
    }

    /// Whose tokens open its endpoint, if any do; `only` is the provider where there is one.
    pub(crate) fn client(&self, only: Option<&str>) -> Option<ClientRules> {
        let subjects = self.token_subjects.iter();
        Some(ClientRules {
            provider: self.token_provider().or(only)?.to_owned(),
            audience: self.token_audience()?.to_owned(),
            subjects: subjects.map(|subject| subject.to_string()).collect(),
        })
    }

    /// The provider that judges its own tokens, if it is named: its users' by default.
    pub(in crate::config) fn token_provider(&self) -> Option<&str> {
        self.token_provider.as_deref().or(self.provider())
    }

    pub(in crate::config) fn token_audience(&self) -> Option<&str> {
        self.token_audience.as_deref()
    }

    /// What these are joined by.
    pub(crate) fn join(&self) -> Join {
        match self.join {
            JoinName::Subject => Join::Subject,
            JoinName::Address => Join::Address,
        }
    }

    pub(super) fn check(&self, faults: &mut Faults) {
        self.places.forbid(
            faults,
            &["domains"],
            self.domains.is_empty(),
            "source: write domains = [\"example.com\"], those in which it may give addresses",
        );
        self.places.forbid(
            faults,
            &["token_audience", "token_subjects"],
            self.token_audience.is_some() == self.token_subjects.is_empty(),
            "source: token_audience and token_subjects belong together: whom its tokens are minted for, and who may \
             show one",
        );
        self.places.forbid(
            faults,
            &["token_provider"],
            self.token_provider.is_some() && self.token_audience.is_none(),
            "source: token_provider is for token_audience and token_subjects; write them, or remove it",
        );
        let is_base = |url: &WebUrl| !url.ends_with('/') && !url.contains('?');
        self.places.forbid(
            faults,
            &["public_url"],
            self.public_url.as_ref().is_some_and(|url| !is_base(url)),
            "source: public_url has no query and no slash at its end, as in \
             \"https://mail.example.com/scim/name/v2\"",
        );
    }

    /// The words that let more happen than usual, for the log.
    pub(super) fn looser_words(&self) -> impl Iterator<Item = String> {
        let name = &*self.name;
        let join = (self.join == JoinName::Address).then(|| {
            format!(
                "source {name}: join = \"address\": whoever first shows a verified address has its account"
            )
        });
        let percent = self.max_without_address_percent.get();
        let percent = (percent > 10).then(|| {
            format!(
                "source {name}: max_without_address_percent = {percent}: a start may leave so many accounts without an \
                 address"
            )
        });
        join.into_iter().chain(percent)
    }
}
