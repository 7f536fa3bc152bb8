//! Where a listener listens, and the addresses of others.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;

use super::paths::socket_path;

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
            "unix" if rest.starts_with('/') => socket_path(rest).map(Self::Unix),
            "unix" => Err("write an absolute path behind unix:, as in \"unix:/run/x/auth\""),
            "tcp" if is_host_and_port(rest) => Ok(Self::Tcp(rest.to_owned())),
            "tcp" => Err(
                "write host and port in full, as in \"tcp:127.0.0.1:12345\" or \"tcp:[::1]:12345\"",
            ),
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

impl Address {
    /// Where it is, as far as that is known without asking anybody: a host's name may stand for any address.
    pub(crate) fn known(&self) -> Vec<SocketAddr> {
        let Self::Tcp(written) = self else {
            return Vec::new();
        };
        if let Ok(address) = written.parse() {
            return vec![address];
        }
        // RFC 6761 section 6.3
        match written.rsplit_once(':') {
            Some((name, port)) if name.eq_ignore_ascii_case("localhost") => {
                let port = port.parse().unwrap_or_default();
                let addresses: [IpAddr; 2] =
                    [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
                addresses.map(|address| (address, port).into()).into()
            }
            _ => Vec::new(),
        }
    }

    /// Whether two listeners would take each other's place, as far as that is known.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.known(), other.known());
        let is_same = |our: &SocketAddr| {
            theirs.iter().any(|their| {
                let (one, other) = (our.ip(), their.ip());
                // Without a port the system chooses one that is free.
                our.port() == their.port()
                    && our.port() != 0
                    && one.is_ipv4() == other.is_ipv4()
                    && (one == other || one.is_unspecified() || other.is_unspecified())
            })
        };
        match (self, other) {
            (Self::Tcp(one), Self::Tcp(other)) if ours.is_empty() && theirs.is_empty() => {
                one.eq_ignore_ascii_case(other) && !one.ends_with(":0")
            }
            (Self::Tcp(_), Self::Tcp(_)) => ours.iter().any(is_same),
            (one, other) => one == other,
        }
    }
}

/// Whether it is an address or a host's name, and a port. Of addresses there is one spelling: a resolver may take
/// `0` for `0.0.0.0`, and `127.1` for `127.0.0.1`.
fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    is_port && (is_address(text) || is_name(host))
}

fn is_address(text: &str) -> bool {
    let address = text.parse::<SocketAddr>();
    // An IPv6 socket takes no IPv4.
    address.is_ok_and(|address| address.ip() == address.ip().to_canonical())
}

/// Whether it is a host's name (RFC 1123 section 2.1, and the underscore of containers): its last part is no number.
fn is_name(host: &str) -> bool {
    let labels = host.strip_suffix('.').unwrap_or(host).split('.');
    let is_label = |label: &str| {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..64).contains(&label.len()) && label.bytes().all(is_part)
    };
    let mut last = labels.clone();
    let is_number = last.next_back().is_some_and(|label| {
        let hex = label
            .strip_prefix("0x")
            .or_else(|| label.strip_prefix("0X"));
        label.bytes().all(|byte| byte.is_ascii_digit())
            || hex.is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
    });
    let mut labels = labels;
    host.len() < 254 && !is_number && labels.all(is_label)
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
