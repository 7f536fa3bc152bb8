//! The configuration file. Whatever it does not say is the safe choice; README.md lists every key.
//!
//! # How a key is added
//!
//! 1. **One row in its table**: in [`keys!`](reader) of the table's struct (`provider.rs` for `[[provider]]`),
//!    `name: Type`, or `name: Type = default`, or `name: Type; required`. Field and key have the same name, and
//!    the type says how it is read:
//!
//!    | type | in the file |
//!    |---|---|
//!    | `bool`, `Option<bool>` | `true`, `false` |
//!    | `OneLine`, `PathBuf`, `WebUrl`, .. in an `Option` | text |
//!    | `Vec<T>` | a list, or one value without brackets |
//!    | `BTreeMap<String, T>` | a table with free names |
//!    | `Bounded<1, 64>`, `Seconds<0, 300>`, `Milliseconds<..>` | a number; for times also `"5m"` |
//!    | an enumeration of `words!` | one of its words |
//!    | `Option<S>`, `Vec<S>` of another struct of `keys!` | `[s]`, `[[s]]`; add it to `names::TABLES` |
//!
//!    Another type implements [`Value`](item::Value): it matches on `item.value`, reads parts with
//!    `T::read(&item, faults)`, and answers what is wrong with `item.refuse(faults, "write ..")`. A type that is
//!    made of its text implements `TryFrom<String>` and stands in the list at the end of `values.rs`.
//! 2. **Where it goes**: a line in `Provider::settings` or its like; a field that goes nowhere is a warning.
//! 3. What it must not be together with other keys: `self.places.forbid(faults, &["this", "other"], is_broken,
//!    "write ..")` in the table's `check`. It points at the last of the keys that is written, and is silent
//!    where one of them is known to be wrong.
//! 4. If it relaxes something: its words in `looser_words`.
//! 5. **Its row in README.md**; a test compares names and defaults.

mod accounts;
mod address;
mod claims;
mod dict;
mod exposed;
mod fault;
mod http;
mod item;
mod names;
mod paths;
mod provider;
mod reader;
mod relaxed;
mod rules;
mod secret;
mod syntax;
mod upstream;
mod values;

pub(crate) use accounts::{
    AccountSettings, AccountSource, MailingList, PasswordOrigin, PulledSource, Required,
    ServiceName, write_key,
};
pub(crate) use address::Address;
pub(crate) use dict::Dict;
pub(crate) use fault::{ConfigError, Faults};
pub(crate) use http::Http;
pub(crate) use provider::Provider;
pub(crate) use upstream::{
    ListenerProtocol, RecipientDelimiter, SocketPath, Upstream, UserSettings, UsersError,
};
pub(crate) use values::{FieldName, Mode, WebUrl, holds_credentials};

use std::io::ErrorKind;
use std::path::Path;

use gatepost_core::sasl::{Compat, Discovery};
use gatepost_tokio::read_text;
use ipnet::IpNet;
use toml::de::DeTable;

use address::IpNetwork;
use paths::AbsolutePath;
use reader::{Places, keys};
use values::{Bounded, OneLine, Seconds, words};

/// Longest configuration file, in bytes: a megabyte is no configuration.
const MAX_FILE: u64 = 1 << 20;

keys! {
    /// Everything that the file says.
    pub(crate) struct Config in "" {
        pub(crate) backend: BackendName,
        pub(crate) compat: CompatName,
        pub(crate) log: Log,
        pub(crate) limits: Limits = reader::empty(),
        pub(crate) discovery: DiscoverySettings,
        /// The upstream Dovecot.
        pub(crate) upstream: Option<Upstream>,
        /// The users, if they are not Dovecot's to know.
        pub(crate) users: Option<UserSettings>,
        /// The accounts that are known before anybody logs in.
        pub(crate) accounts: Option<AccountSettings>,
        /// Where metrics and health are served.
        pub(crate) metrics: Option<Metrics>,
        /// Where Dovecot's oauth2 database is answered.
        pub(crate) http: Option<Http>,
        /// What extensions of addresses begin with, as in Postfix.
        pub(crate) recipient_delimiter: RecipientDelimiter,
        /// Who the daemon is once it has its sockets, if root started it.
        pub(crate) user: Option<OneLine>,
        /// Where Dovecot's local validation finds keys.
        pub(crate) dict: Option<Dict>,
        /// Where the last good key sets are kept.
        pub(crate) state_directory: Option<AbsolutePath>,
        /// Listeners of which there is nothing to say but where they are.
        listen: Vec<Address>,
        pub(crate) listeners as "listener": Vec<Listener>,
        pub(crate) providers as "provider": Vec<Provider>,
    }
}

words! {
    /// Who does the cryptography.
    #[derive(Default)]
    pub(crate) enum BackendName {
        #[default]
        AwsLc = "aws-lc",
        RustCrypto = "rustcrypto",
    }
}

words! {
    /// How much grace clients' messages get.
    #[derive(Default)]
    pub(crate) enum CompatName {
        #[default]
        Strict = "strict",
        Dovecot = "dovecot",
    }
}

impl From<CompatName> for Compat {
    fn from(name: CompatName) -> Self {
        match name {
            CompatName::Strict => Self::Strict,
            CompatName::Dovecot => Self::Dovecot,
        }
    }
}

keys! {
    #[derive(Default)]
    pub(crate) struct Log in "[log]" {
        pub(crate) format: LogFormat,
        pub(crate) level: LogLevel,
    }
}

words! {
    #[derive(Default)]
    pub(crate) enum LogFormat {
        #[default]
        Text = "text",
        Json = "json",
    }
}

words! {
    #[derive(Default)]
    pub(crate) enum LogLevel {
        Error = "error",
        Warn = "warn",
        #[default]
        Info = "info",
        Debug = "debug",
    }
}

keys! {
    pub(crate) struct Limits in "[limits]" {
        /// Connections of a listener at once; each Postfix `smtpd` process keeps one (`default_process_limit` is 100).
        pub(crate) connections: Bounded<1, 65_536> = Bounded::new(1024),
        /// Answers of providers about tokens that are kept, all providers together.
        pub(crate) answer_cache_mebibytes: Bounded<1, 4_096> = Bounded::new(64),
        /// How long a client may take to say its version and process id.
        pub(crate) handshake_seconds: Seconds<1, 3_600> = Seconds::new(30),
        /// How long a line may stay unfinished, and how long a client may leave answers unread.
        pub(crate) line_seconds: Seconds<1, 3_600> = Seconds::new(30),
        /// How long logins may take to finish when the daemon stops.
        pub(crate) drain_seconds: Seconds<0, 60> = Seconds::new(5),
        /// How long an answer to a guess waits at most.
        pub(crate) penalty_seconds: Seconds<0, 60> = Seconds::new(15),
        /// Webmail hosts and proxies, whose users are counted one by one.
        trusted_networks: Vec<IpNetwork>,
    }
}

impl Limits {
    /// Hosts through which many users log in.
    pub(crate) fn trusted_networks(&self) -> Vec<IpNet> {
        let networks = self.trusted_networks.iter();
        networks.map(|network| network.get()).collect()
    }
}

keys! {
    /// Where metrics and health are served.
    pub(crate) struct Metrics in "[metrics]" {
        listen: Address; required,
        allow_remote: bool,
        /// As a listener's.
        take_over: bool,
    }
}

keys! {
    #[derive(Default)]
    pub(crate) struct DiscoverySettings in "[discovery]" {
        pub(crate) scope: Option<OneLine>,
        pub(crate) openid_configuration: Option<WebUrl>,
    }
}

impl Log {
    /// Text of this level and more important ones.
    pub(crate) fn of(level: LogLevel) -> Self {
        Self {
            level,
            ..Self::default()
        }
    }
}

impl DiscoverySettings {
    pub(crate) fn discovery(&self) -> Discovery<'_> {
        Discovery {
            scope: self.scope.as_deref(),
            openid_configuration: self.openid_configuration.as_deref(),
        }
    }
}

keys! {
    pub(crate) struct Listener in "[[listener]]" {
        pub(crate) address: Address; required,
        pub(crate) protocol: ListenerProtocol,
        pub(crate) mode: Option<Mode>,
        pub(crate) owner: Option<OneLine>,
        pub(crate) group: Option<OneLine>,
        pub(crate) allow_remote: bool,
        /// Whether it may be listened at while another daemon listens there.
        pub(crate) take_over: bool,
        /// Whether whoever connects is believed where it says that logins come from; by default from this host.
        pub(crate) trust_client_address: Option<bool>,
    }
}

impl Metrics {
    pub(crate) fn listener(&self) -> Listener {
        Listener {
            allow_remote: self.allow_remote,
            take_over: self.take_over,
            places: self.places.clone(),
            ..Listener::at(self.listen.clone())
        }
    }
}

impl Config {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// Everything that is wrong in it, each with its line.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = read_text(path, MAX_FILE).map_err(|source| match source.kind() {
            ErrorKind::FileTooLarge => ConfigError::TooLong { path: path.into() },
            _ => ConfigError::Unreadable {
                path: path.into(),
                source,
            },
        })?;
        Self::parse(&text).map_err(|faults| faults.in_file(path, &text))
    }

    /// Parses and checks the text of a file.
    ///
    /// # Errors
    /// Everything that is wrong in it.
    pub(crate) fn parse(text: &str) -> Result<Self, Faults> {
        let (text, single) = syntax::with_double_brackets(text);
        let mut faults = Faults::new(&text);
        for (at, header) in single {
            faults.at(
                at,
                format_args!("write {header}, with two brackets: there may be several"),
            );
        }
        let text = syntax::without_loose_keys(&text, &mut faults);
        let (root, errors) = DeTable::parse_recoverable(&text);
        if !syntax::tell(&errors, &text, &mut faults) {
            return Err(faults);
        }
        let config = reader::read_file::<Self>(&root, &mut faults);
        let config = config.map(|mut config| {
            config.take_listen();
            config.check(&mut faults);
            config.fill_discovery();
            config
        });
        config.filter(|_| faults.count() == 0).ok_or(faults)
    }

    /// Makes listeners of `listen`.
    fn take_listen(&mut self) {
        let at = self.places.of("listen").unwrap_or_default();
        let listeners = self.listen.drain(..).map(|address| Listener {
            places: Places::at(at),
            ..Listener::at(address)
        });
        self.listeners.extend(listeners);
    }

    /// Tells clients where to get a better token, where that is known and the file does not say.
    fn fill_discovery(&mut self) {
        let [provider] = &*self.providers else { return };
        let mut filled = self.discovery.clone();
        if filled.openid_configuration.is_none()
            && let Some(issuer) = provider.discovered_issuer()
            && WebUrl::try_from(issuer.to_owned()).is_ok()
        {
            let mut url = String::new();
            // A string always has room.
            let _ = gatepost_core::provider::write_oidc_url(issuer, &mut url);
            filled.openid_configuration = WebUrl::try_from(url).ok();
            if filled.scope.is_none() {
                let scopes = provider.scopes().collect::<Vec<_>>().join(" ");
                filled.scope = OneLine::try_from(scopes).ok();
            }
        }
        if filled.discovery().fits() {
            self.discovery = filled;
        }
    }

    /// Connections of mail servers at once, of all listeners together.
    pub(crate) fn connections(&self) -> u64 {
        self.listeners.len() as u64 * u64::from(self.limits.connections.get())
    }

    /// The provider, where there is no other.
    pub(crate) fn only_provider(&self) -> Option<String> {
        let [provider] = &*self.providers else {
            return None;
        };
        Some(provider.name())
    }

    /// The provider whose keys `[dict]` tells; `None` without it, or where it is not clear which.
    pub(crate) fn told_provider(&self) -> Option<String> {
        let dict = self.dict.as_ref()?;
        let mut names = self.providers.iter().map(Provider::name);
        match &dict.provider {
            Some(wanted) => names.find(|name| **name == **wanted),
            None => self.only_provider(),
        }
    }
}

impl Listener {
    /// Whether other hosts may connect. What systemd opens is not known here.
    pub(crate) fn is_remote(&self) -> bool {
        let known = self.address.known();
        let is_name = matches!(self.address, Address::Tcp(_)) && known.is_empty();
        is_name || known.iter().any(|address| !address.ip().is_loopback())
    }

    /// A listener of which nothing is said but where it is.
    pub(crate) fn at(address: Address) -> Self {
        Self {
            address,
            protocol: ListenerProtocol::Auth,
            mode: None,
            owner: None,
            group: None,
            allow_remote: false,
            take_over: false,
            trust_client_address: None,
            places: Places::default(),
        }
    }
}

#[cfg(test)]
mod tests;
