//! `appliance.toml`: what the device is to be. Keys that occur in the daemon's configuration mean the same.

mod provider;

use std::net::Ipv4Addr;
use std::path::Path;

use serde::Deserialize;

use crate::limits;
pub(crate) use provider::Provider;

/// Longest record of TLS 1.3, in bytes (RFC 8446 section 5.2).
const MAX_RECORD: usize = (1 << 14) + 256;

/// What every board has, of flash and of RAM each, in KiB.
const BOARD_MEMORY: u32 = 4096;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(default = "default_board")]
    pub(crate) board: String,
    /// Where random numbers come from, which TLS needs.
    pub(crate) entropy: Option<Entropy>,
    #[serde(default)]
    pub(crate) network: Network,
    #[serde(default)]
    pub(crate) listen: Listen,
    #[serde(default)]
    pub(crate) time: Option<Time>,
    #[serde(default)]
    pub(crate) limits: Limits,
    #[serde(default)]
    pub(crate) memory: Memory,
    #[serde(default)]
    pub(crate) discovery: Discovery,
    pub(crate) provider: Vec<Provider>,
}

/// A source of random numbers.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Entropy {
    /// Whoever starts the board writes a seed to its memory.
    Seed,
}

/// Who the device is in its network.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Network {
    /// `"dhcp"`, or an address and the length of its network's prefix: `"192.0.2.10/24"`.
    pub(crate) address: String,
    pub(crate) gateway: Option<Ipv4Addr>,
    #[serde(default)]
    pub(crate) dns: Vec<Ipv4Addr>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            address: "dhcp".to_owned(),
            gateway: None,
            dns: Vec::new(),
        }
    }
}

/// Where mail servers connect.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listen {
    pub(crate) port: u16,
    /// The only network whose hosts may connect: `"192.0.2.0/28"`.
    #[serde(default)]
    pub(crate) from: Option<String>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            port: 12345,
            from: None,
        }
    }
}

/// Who says what time it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Time {
    /// SNTP servers, each `"host"` or `"host:port"`.
    #[serde(default)]
    pub(crate) server: OneOrMany,
}

/// What the image is linked for, in KiB: one that needs more is not built.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Memory {
    /// All of it, where code and constants lie.
    pub(crate) flash: u32,
    /// All of it: statics and the stack.
    pub(crate) ram: u32,
    /// What of it is for the stack.
    pub(crate) stack: u32,
}

impl Default for Memory {
    /// All that the boards have.
    fn default() -> Self {
        Self {
            flash: BOARD_MEMORY,
            ram: BOARD_MEMORY,
            stack: 64,
        }
    }
}

impl Memory {
    fn check(self) -> Result<(), String> {
        let most = BOARD_MEMORY;
        if self.flash > most || self.ram > most || self.stack < 4 || self.stack >= self.ram {
            return Err(format!(
                "memory: flash and ram are KiB, {most} at most, and stack is a part of ram, 4 at least"
            ));
        }
        Ok(())
    }
}

/// How much there is of everything.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Connections of mail servers at once.
    pub(crate) connections: usize,
    /// Logins judged at once; others wait.
    pub(crate) logins: usize,
    /// Longest token, in bytes.
    pub(crate) token: usize,
    /// Most keys.
    pub(crate) keys: usize,
    /// Bytes for the numbers and identifiers of all keys.
    pub(crate) key_bytes: usize,
    /// Longest answer about a token, and what is read of one key, in bytes.
    pub(crate) answer: usize,
    /// Longest record of TLS that a provider may send, in bytes.
    pub(crate) tls_record: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8,
            logins: 8,
            token: 4096,
            keys: 8,
            key_bytes: 2560,
            answer: 4096,
            tls_record: MAX_RECORD,
        }
    }
}

impl Limits {
    /// Those that every device has, whatever its providers.
    pub(crate) fn of_device(&self) -> limits::Limits {
        limits::Limits {
            connections: self.connections,
            logins: self.logins,
            token: self.token,
            keys: self.keys,
            key_bytes: self.key_bytes,
        }
    }
}

/// What a client is told after a failed login.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Discovery {
    pub(crate) scope: Option<String>,
    pub(crate) openid_configuration: Option<String>,
}

/// One string, or a list.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(crate) fn as_slice(&self) -> &[String] {
        match self {
            Self::None => &[],
            Self::One(one) => core::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

impl Config {
    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong with it, and what to write instead.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let fault = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| fault(&error))?;
        let mut config: Self = toml::from_str(&text).map_err(|error| fault(&error))?;
        for provider in &mut config.provider {
            // Files are named beside the configuration.
            let files = [&mut provider.keys, &mut provider.ca_file];
            for file in files.into_iter().flatten() {
                *file = path.with_file_name(&*file);
            }
        }
        config.check().map_err(|error| fault(&error))?;
        Ok(config)
    }

    /// Whether any provider is found or asked over the network.
    pub(crate) fn is_online(&self) -> bool {
        self.provider.iter().any(Provider::is_online)
    }

    /// Who says what time it is.
    pub(crate) fn time_servers(&self) -> &[String] {
        let time = self.time.as_ref();
        time.map_or(&[], |time| time.server.as_slice())
    }

    /// Refuses what the image is built without.
    ///
    /// # Errors
    /// What to write instead.
    pub(crate) fn check_features(&self, dhcp: bool, dns: bool) -> Result<(), String> {
        if !dhcp && self.network.address == "dhcp" {
            return Err(
                "network: built without dhcp; write address = \"192.0.2.10/24\"".to_owned(),
            );
        }
        let is_address = |server: &String| {
            let host = server.split(':').next().unwrap_or_default();
            host.parse::<Ipv4Addr>().is_ok()
        };
        let is_led = |provider: &Provider| !provider.is_online() || provider.connect_to.is_some();
        let is_without_names =
            self.time_servers().iter().all(is_address) && self.provider.iter().all(is_led);
        if !dns && !is_without_names {
            return Err(
                "built without dns; write the address of time.server, and connect_to for providers"
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        let within = |name: &str, value: usize, range: std::ops::RangeInclusive<usize>| {
            let fault = format!("limits: {name} = {value}; write {range:?}");
            range.contains(&value).then_some(()).ok_or(fault)
        };
        let limits = &self.limits;
        let checked = limits.of_device().check();
        checked.map_err(|fault| fault.to_string())?;
        self.memory.check()?;
        within("answer", limits.answer, 512..=65_536)?;
        within("tls_record", limits.tls_record, 2048..=MAX_RECORD)?;
        if self.provider.is_empty() {
            return Err("write a [[provider]]".to_owned());
        }
        if !(1..=4).contains(&self.time_servers().len()) {
            return Err(
                "time: write 1 to 4 servers; without server = \"host\" the device never knows what time it is, and lets nobody in"
                    .to_owned(),
            );
        }
        if self.asks_over_tls() && self.entropy.is_none() {
            return Err(format!(
                "https needs random numbers, of which board {:?} has no source: use a board that has one (README.md, \
                 \"Another board\"), or for a test rig that writes a new seed before each start, entropy = \"seed\"",
                self.board
            ));
        }
        self.provider.iter().try_for_each(|provider| {
            let name = provider.name();
            provider
                .check()
                .map_err(|error| format!("provider {name:?}: {error}"))
        })
    }
}

impl Config {
    /// Whether TLS is needed at all.
    pub(crate) fn asks_over_tls(&self) -> bool {
        self.provider.iter().any(Provider::asks_over_tls)
    }

    /// What a client is told after a failed login; where there is one provider, found by its metadata, these are
    /// the default.
    pub(crate) fn told(&self) -> Discovery {
        let given = self.discovery.clone();
        let ([provider], None) = (&*self.provider, &given.openid_configuration) else {
            return given;
        };
        let Some(issuer) = provider.issuer.as_ref().filter(|_| provider.discovers()) else {
            return given;
        };
        let mut url = String::new();
        // A string always has room.
        let _ = gatepost_core::provider::write_oidc_url(issuer, &mut url);
        let scopes = Some(provider.scopes.join(" ")).filter(|scopes| !scopes.is_empty());
        let filled = Discovery {
            scope: given.scope.clone().or(scopes),
            openid_configuration: Some(url),
        };
        if filled.fits() { filled } else { given }
    }
}

impl Discovery {
    /// Whether a reply holds it.
    pub(crate) fn fits(&self) -> bool {
        let told = gatepost_core::sasl::Discovery {
            scope: self.scope.as_deref(),
            openid_configuration: self.openid_configuration.as_deref(),
        };
        told.fits()
    }
}

fn default_board() -> String {
    "mps2-an386".to_owned()
}
