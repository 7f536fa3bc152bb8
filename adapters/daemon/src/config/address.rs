//! Where a listener listens, and the addresses of others.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;

/// `unix:/path`, `tcp:host:port` or `systemd:NAME`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Address {
    Unix(PathBuf),
    Tcp(String),
    Systemd(String),
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hint = "write \"unix:/path\", \"tcp:host:port\" or \"systemd:NAME\"";
        let (scheme, rest) = text.split_once(':').ok_or(hint)?;
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(rest.into())),
            "unix" => Err("write an absolute path behind unix:, as in \"unix:/run/x/auth\""),
            "tcp" => {
                let (host, port) = rest.rsplit_once(':').ok_or(hint)?;
                if host.is_empty() || port.parse::<u16>().is_err() {
                    return Err("write host and port, as in \"tcp:127.0.0.1:12345\"");
                }
                Ok(Self::Tcp(rest.to_owned()))
            }
            "systemd" if !rest.is_empty() => Ok(Self::Systemd(rest.to_owned())),
            _ => Err(hint),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(rest) => write!(f, "tcp:{rest}"),
            Self::Systemd(name) => write!(f, "systemd:{name}"),
        }
    }
}

/// Addresses with a common prefix, or a single one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct IpNetwork(IpNet);

impl TryFrom<String> for IpNetwork {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let network = text.parse();
        let network = network.or_else(|_| text.parse().map(IpAddr::into));
        let network =
            network.map_err(|_| "write an address or a network, such as \"192.0.2.0/24\"")?;
        Ok(Self(network))
    }
}

impl IpNetwork {
    pub(crate) const fn get(self) -> IpNet {
        self.0
    }
}
