//! The configuration file. Whatever it does not say is the safe choice; README.md lists every key.

mod address;
mod behind;
mod dict;
mod error;
mod face;
mod provider;
mod secret;
mod values;

pub(crate) use address::Address;
pub(crate) use behind::{Dovecot, ListenerProtocol, SocketPath, UserSettings, UsersError};
pub(crate) use dict::Dict;
pub(crate) use error::ConfigError;
pub(crate) use face::Face;
pub(crate) use provider::Provider;
pub(crate) use values::{FieldName, Mode, WebUrl};

use std::fs;
use std::path::{Path, PathBuf};

use gatepost_core::sasl::{Compat, Discovery};
use serde::Deserialize;
use toml::Spanned;

use values::{Bounded, OneLine, OneOrMany};

/// Longest configuration file, in bytes: a megabyte is no configuration.
const MAX_FILE: u64 = 1 << 20;

/// Everything that the file says.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(default)]
    pub(crate) backend: BackendName,
    #[serde(default)]
    pub(crate) compat: CompatName,
    #[serde(default)]
    pub(crate) log: Log,
    #[serde(default)]
    pub(crate) limits: Limits,
    #[serde(default)]
    pub(crate) discovery: DiscoverySettings,
    /// The Dovecot behind.
    pub(crate) dovecot: Option<Spanned<Dovecot>>,
    /// The users, if they are not Dovecot's to know.
    pub(crate) users: Option<Spanned<UserSettings>>,
    /// Where metrics and health are served.
    pub(crate) metrics: Option<Address>,
    /// Where Dovecot's oauth2 database is answered.
    pub(crate) face: Option<Spanned<Face>>,
    /// Who the daemon is once it has its sockets, if root started it.
    pub(crate) user: Option<OneLine>,
    /// Where Dovecot's local validation finds keys.
    pub(crate) dict: Option<Spanned<Dict>>,
    /// Where the last good key sets are kept.
    pub(crate) state_directory: Option<PathBuf>,
    /// Listeners of which there is nothing to say but where they are.
    #[serde(default)]
    listen: Option<Spanned<OneOrMany>>,
    #[serde(rename = "listener", default)]
    pub(crate) listeners: Vec<Spanned<Listener>>,
    #[serde(rename = "provider", default)]
    pub(crate) providers: Vec<Spanned<Provider>>,
}

/// Who does the cryptography.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BackendName {
    #[default]
    AwsLc,
    #[serde(rename = "rustcrypto")]
    RustCrypto,
}

/// How much grace clients' messages get.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CompatName {
    #[default]
    Strict,
    Dovecot,
}

impl From<CompatName> for Compat {
    fn from(name: CompatName) -> Self {
        match name {
            CompatName::Strict => Self::Strict,
            CompatName::Dovecot => Self::Dovecot,
        }
    }
}

/// `[log]`
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) level: LogLevel,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

/// `[limits]`
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Connections at once; each Postfix `smtpd` process keeps one (`default_process_limit` is 100).
    pub(crate) connections: Bounded<1, 65_536>,
    /// Logins being judged at once, all connections together; the others wait their turn.
    pub(crate) logins: Bounded<1, 65_536>,
    /// Logins waiting for providers at once, all connections together; more are refused for now.
    pub(crate) waiting: Bounded<1, 65_536>,
    /// How long a client may take to say its version and process id.
    pub(crate) handshake_seconds: Bounded<1, 3_600>,
    /// How long a line may stay unfinished, and how long a client may leave answers unread.
    pub(crate) line_seconds: Bounded<1, 3_600>,
    /// How long logins may take to finish when the daemon stops.
    pub(crate) drain_seconds: Bounded<0, 60>,
    /// How long an answer to a guess waits at most.
    pub(crate) penalty_seconds: Bounded<0, 60>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: Bounded::new(1024),
            logins: Bounded::new(256),
            waiting: Bounded::new(4096),
            handshake_seconds: Bounded::new(30),
            line_seconds: Bounded::new(30),
            drain_seconds: Bounded::new(5),
            penalty_seconds: Bounded::new(15),
        }
    }
}

/// `[discovery]`
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DiscoverySettings {
    pub(crate) scope: Option<OneLine>,
    pub(crate) openid_configuration: Option<OneLine>,
}

impl DiscoverySettings {
    pub(crate) fn discovery(&self) -> Discovery<'_> {
        Discovery {
            scope: self.scope.as_deref(),
            openid_configuration: self.openid_configuration.as_deref(),
        }
    }
}

/// `[[listener]]`
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listener {
    pub(crate) address: Address,
    #[serde(default)]
    pub(crate) protocol: ListenerProtocol,
    #[serde(default)]
    pub(crate) mode: Option<Mode>,
    #[serde(default)]
    pub(crate) owner: Option<OneLine>,
    #[serde(default)]
    pub(crate) group: Option<OneLine>,
    #[serde(default)]
    pub(crate) allow_remote: bool,
}

impl Config {
    /// Reads and checks the file at `path`.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable {
            path: path.into(),
            source,
        };
        if fs::metadata(path).map_err(unreadable)?.len() > MAX_FILE {
            return Err(ConfigError::TooLong { path: path.into() });
        }
        let text = fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(&text).map_err(|fault| fault.in_file(path, &text))
    }

    /// Parses and checks the text of a file.
    pub(crate) fn parse(text: &str) -> Result<Self, error::Fault> {
        let mut config: Self = toml::from_str(text)?;
        config.take_listen()?;
        config.check()?;
        config.fill_discovery();
        Ok(config)
    }

    /// Makes listeners of `listen`.
    fn take_listen(&mut self) -> Result<(), error::Fault> {
        let Some(listen) = self.listen.take() else {
            return Ok(());
        };
        let span = listen.span();
        for address in listen.as_ref().iter() {
            let address = address
                .parse()
                .map_err(|hint| error::Fault::at(span.clone(), hint))?;
            let listener = Listener::at(address);
            self.listeners.push(Spanned::new(span.clone(), listener));
        }
        Ok(())
    }

    /// Tells clients where to get a better token, where that is known and the file does not say.
    fn fill_discovery(&mut self) {
        let [provider] = &*self.providers else { return };
        let provider = provider.as_ref();
        let mut filled = self.discovery.clone();
        if filled.openid_configuration.is_none()
            && let Some(issuer) = provider.discovered_issuer()
        {
            let mut url = String::new();
            // A string always has room.
            let _ = gatepost_core::provider::write_oidc_url(issuer, &mut url);
            filled.openid_configuration = OneLine::try_from(url).ok();
            if filled.scope.is_none() {
                let scopes = provider.scopes().collect::<Vec<_>>().join(" ");
                filled.scope = OneLine::try_from(scopes).ok();
            }
        }
        if filled.discovery().fits() {
            self.discovery = filled;
        }
    }

    fn check(&self) -> Result<(), error::Fault> {
        if matches!(self.metrics, Some(Address::Unix(_) | Address::Systemd(_))) {
            let hint = "metrics: write \"tcp:host:port\", as in \"tcp:127.0.0.1:9464\"";
            return Err(error::Fault::whole(hint));
        }
        if self.listeners.is_empty() && self.face.is_none() && self.dict.is_none() {
            let hint = "nowhere to listen: write listen = \"tcp:127.0.0.1:12345\", or a [[listener]] with \
                        address = \"unix:/path\" and its rights, or [face], or [dict]";
            return Err(error::Fault::whole(hint));
        }
        if self.providers.is_empty() {
            let hint = "no [[provider]]: add one, with issuer and audience";
            return Err(error::Fault::whole(hint));
        }
        if !self.discovery.discovery().fits() {
            let hint = "[discovery]: scope and openid_configuration do not fit a reply of 1,024 bytes; \
                        shorten them";
            return Err(error::Fault::whole(hint));
        }
        for listener in &self.listeners {
            listener
                .as_ref()
                .check()
                .map_err(|hint| error::Fault::at(listener.span(), hint))?;
        }
        if let Some(face) = &self.face {
            self.check_face(face)?;
        }
        if let Some(dict) = &self.dict {
            self.check_dict(dict)?;
        }
        self.check_distinct()?;
        self.check_behind()?;
        for provider in &self.providers {
            provider
                .as_ref()
                .check()
                .map_err(|hint| error::Fault::at(provider.span(), hint))?;
        }
        self.check_routes()
    }

    /// Two providers that might both be asked about one opaque token: it would be shown to the wrong one.
    fn check_routes(&self) -> Result<(), error::Fault> {
        let asked = |provider: &&Spanned<Provider>| provider.as_ref().about().is_some();
        let asked: Vec<_> = self.providers.iter().filter(asked).collect();
        for (index, provider) in asked.iter().enumerate() {
            let domains = |provider: &Provider| -> Vec<String> {
                provider.domains().map(str::to_lowercase).collect()
            };
            let ours = domains(provider.as_ref());
            let mut earlier = asked.iter().take(index);
            let is_shared = earlier.any(|earlier| {
                let theirs = domains(earlier.as_ref());
                ours.is_empty() && theirs.is_empty() || ours.iter().any(|our| theirs.contains(our))
            });
            if is_shared {
                let hint = "provider: another provider is asked about the same opaque tokens; give each \
                            domains = [\"...\"] of its own, or write validate = \"local\"";
                return Err(error::Fault::at(provider.span(), hint));
            }
        }
        Ok(())
    }

    fn check_face(&self, spanned: &Spanned<Face>) -> Result<(), error::Fault> {
        let (face, span) = (spanned.as_ref(), spanned.span());
        let at = |hint: &str| error::Fault::at(span.clone(), hint);
        face.check().map_err(at)?;
        for provider in &self.providers {
            if provider.as_ref().field_names().any(|name| face.hides(name)) {
                let hint = "provider: fields: the answers of [face] hold a member of that name already; give \
                            the field another one";
                return Err(error::Fault::at(provider.span(), hint));
            }
        }
        let is_shared = |ours: &Listener| {
            let mut others = self.listeners.iter().map(Spanned::as_ref);
            others.any(|other| other.address == ours.address)
        };
        if face.listeners().iter().any(is_shared) {
            return Err(at(
                "face: a listener has this address; give the face one of its own",
            ));
        }
        Ok(())
    }

    fn check_dict(&self, spanned: &Spanned<Dict>) -> Result<(), error::Fault> {
        let (dict, span) = (spanned.as_ref(), spanned.span());
        let at = |hint: &str| error::Fault::at(span.clone(), hint);
        dict.check().map_err(at)?;
        if self.told_provider().is_none() {
            return Err(at(
                "dict: write provider = \"...\", the name of one: Dovecot does not tell issuers apart, so that \
                 each could sign for the users of another",
            ));
        }
        let mut others = self.listeners.iter().map(Spanned::as_ref);
        if others.any(|other| other.address == dict.listener().address) {
            return Err(at(
                "dict: a listener has this address; give the dict one of its own",
            ));
        }
        Ok(())
    }

    /// The provider whose keys `[dict]` tells; `None` without it, or where it is not clear which.
    pub(crate) fn told_provider(&self) -> Option<String> {
        let dict = self.dict.as_ref()?.as_ref();
        let mut names = self
            .providers
            .iter()
            .map(|provider| provider.as_ref().name());
        match &dict.provider {
            Some(wanted) => names.find(|name| **name == **wanted),
            None => names.next().filter(|_| self.providers.len() == 1),
        }
    }

    /// Two listeners at one address would take each other's connections.
    fn check_distinct(&self) -> Result<(), error::Fault> {
        for (index, listener) in self.listeners.iter().enumerate() {
            let mut earlier = self.listeners.iter().take(index);
            if earlier.any(|earlier| earlier.as_ref().address == listener.as_ref().address) {
                let hint = "listener: this address occurs twice; give each listener one of its own";
                return Err(error::Fault::at(listener.span(), hint));
            }
        }
        Ok(())
    }

    /// What of `new` a running daemon does not take over.
    pub(crate) fn parts_for_a_restart(&self, new: &Self) -> Vec<&'static str> {
        let bare = |listeners: &[Spanned<Listener>]| -> Vec<Listener> {
            listeners
                .iter()
                .map(|listener| listener.as_ref().clone())
                .collect()
        };
        let parts = [
            (
                "[[listener]]",
                bare(&self.listeners) != bare(&new.listeners),
            ),
            ("[limits]", self.limits != new.limits),
            ("[log]", self.log != new.log),
            ("metrics", self.metrics != new.metrics),
            ("user", self.user != new.user),
            (
                "[dovecot]",
                bare_one(self.dovecot.as_ref()) != bare_one(new.dovecot.as_ref()),
            ),
            (
                "[users]",
                bare_one(self.users.as_ref()) != bare_one(new.users.as_ref()),
            ),
            (
                "[face]",
                bare_one(self.face.as_ref()) != bare_one(new.face.as_ref()),
            ),
            (
                "[dict]",
                bare_one(self.dict.as_ref()) != bare_one(new.dict.as_ref()),
            ),
        ];
        let changed = parts.into_iter().filter(|(_, changed)| *changed);
        changed.map(|(part, _)| part).collect()
    }

    /// The words that make this configuration looser than the default, for the log.
    pub(crate) fn looser_words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.compat == CompatName::Dovecot {
            words.push("compat = \"dovecot\": malformed client messages are taken".to_owned());
        }
        for listener in &self.listeners {
            let listener = listener.as_ref();
            if listener.allow_remote {
                let address = &listener.address;
                words.push(format!(
                    "listener {address}: allow_remote = true: tokens travel in clear"
                ));
            }
        }
        if let Some(users) = &self.users {
            users.as_ref().looser_words(&mut words);
        }
        if let Some(face) = &self.face {
            face.as_ref().looser_words(&mut words);
        }
        if let Some(dict) = &self.dict {
            dict.as_ref().looser_words(&mut words);
        }
        for provider in &self.providers {
            provider.as_ref().looser_words(&mut words);
        }
        words
    }
}

/// A table without its place in the file.
fn bare_one<T>(table: Option<&Spanned<T>>) -> Option<&T> {
    table.map(Spanned::as_ref)
}

impl Listener {
    /// A listener of which nothing is said but where it is.
    pub(crate) fn at(address: Address) -> Self {
        Self {
            address,
            protocol: ListenerProtocol::Auth,
            mode: None,
            owner: None,
            group: None,
            allow_remote: false,
        }
    }

    fn check(&self) -> Result<(), &'static str> {
        let has_rights = self.mode.is_some() || self.owner.is_some() || self.group.is_some();
        match self.address {
            Address::Unix(_) if self.allow_remote => {
                return Err("listener: allow_remote is not for unix: addresses; remove it");
            }
            Address::Tcp(_) | Address::Systemd(_) if has_rights => {
                return Err("listener: mode, owner and group are for unix: addresses; remove them");
            }
            Address::Tcp(_) if self.protocol == ListenerProtocol::Master => {
                return Err(
                    "listener: protocol = \"master\" hands out logins; write a unix: address",
                );
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
