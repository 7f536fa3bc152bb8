//! Who has connected, and whether it is believed where it says that logins come from.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use gatepost_core::dovecot::{Endpoint, Origin};
use gatepost_tokio::Network;

/// Names of AUTH fields that say where a login comes from, or that nothing is to be held against it.
const TOLD: [&[u8]; 5] = [b"rip", b"rport", b"real_rip", b"real_rport", b"no-penalty"];

/// One connection, as its logins know it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// Its number among all connections, which the client is told, too.
    pub(crate) number: u32,
    /// What a mail process shows to get one of its logins.
    pub(crate) cookie: [u8; 16],
    pub(crate) remote: Remote,
}

/// Where the logins of a connection come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Remote {
    /// Where the mail server says; this host has connected.
    Told(Endpoint),
    /// The host that has connected, whatever it says: others may connect than mail servers.
    Peer(Endpoint),
}

impl Remote {
    /// A connection of `peer`, which is believed or not; a unix socket's peer has no address.
    pub(crate) fn new(is_believed: bool, peer: Option<SocketAddr>) -> Self {
        let peer = Endpoint {
            address: peer.map(|peer| peer.ip().to_canonical()),
            port: peer.map(|peer| peer.port()),
        };
        if is_believed {
            Self::Told(peer)
        } else {
            Self::Peer(peer)
        }
    }

    /// The network that has connected: of IPv6 a /48, for one may have as much. All over unix sockets are one.
    pub(crate) fn network(self) -> Network {
        let (Self::Told(peer) | Self::Peer(peer)) = self;
        let network = peer.address.map_or(Network::of_connection(0), Network::of);
        network.around().unwrap_or(network)
    }

    /// Whom a proxy that is believed names last in `X-Forwarded-For`: an address, which some write with its port.
    pub(crate) fn forwarded(addresses: &str) -> Option<Endpoint> {
        let last = addresses.rsplit(',').next()?.trim();
        let bare = last
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let address = bare.unwrap_or(last).parse::<IpAddr>();
        let address = address.or_else(|_| last.parse::<SocketAddr>().map(|both| both.ip()));
        Some(Endpoint {
            address: Some(address.ok()?.to_canonical()),
            port: None,
        })
    }

    /// Corrects what was told.
    pub(crate) fn settle(self, origin: &mut Origin) {
        if let Self::Peer(peer) = self {
            origin.remote = peer;
            origin.no_penalty = false;
        }
    }

    /// The same of a client's line on its way to Dovecot, if that begins a login.
    pub(crate) fn settle_line(self, line: Vec<u8>) -> Vec<u8> {
        let Self::Peer(peer) = self else { return line };
        if !line.starts_with(b"AUTH\t") {
            return line;
        }
        let mut settled = Vec::with_capacity(line.len());
        let mut is_response = false;
        // The command, the id and the mechanism come first.
        for (index, field) in line.split(|byte| *byte == b'\t').enumerate() {
            let name = field.split(|byte| *byte == b'=').next();
            // The response is the last field, whatever it looks like.
            if index > 2 && !is_response && TOLD.contains(&name.unwrap_or_default()) {
                continue;
            }
            if index > 0 {
                settled.push(b'\t');
            }
            settled.extend_from_slice(field);
            is_response |= index > 2 && field.starts_with(b"resp=");
            if index == 2 {
                settled.extend_from_slice(fields_of(peer).as_bytes());
            }
        }
        settled
    }
}

/// The fields that name a client.
fn fields_of(Endpoint { address, port }: Endpoint) -> String {
    let mut fields = String::new();
    // A string always has room.
    if let Some(address) = address {
        let _ = write!(fields, "\trip={address}");
    }
    if let Some(port) = port {
        let _ = write!(fields, "\trport={port}");
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(line: &str) -> String {
        let peer = "[::ffff:192.0.2.1]:7".parse().unwrap();
        let settled = Remote::new(false, Some(peer)).settle_line(line.as_bytes().to_vec());
        String::from_utf8(settled).unwrap()
    }

    #[test]
    fn a_proxy_names_an_address_with_its_port_or_without() {
        for (list, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.9, 192.0.2.1:567", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("192.0.2.9,[2001:db8::1]:443 ", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1,", None),
            ("192.0.2.1:x", None),
            ("unknown", None),
            ("", None),
        ] {
            let address = Remote::forwarded(list).and_then(|found| found.address);
            assert_eq!(
                address,
                expected.map(|text| text.parse().unwrap()),
                "{list}"
            );
        }
    }

    #[test]
    fn a_login_is_its_peers_whatever_is_told() {
        assert_eq!(
            settled(
                "AUTH\t1\tPLAIN\tservice=imap\trip=::1\tno-penalty\treal_rip=::1\tx\tresp=AA=="
            ),
            "AUTH\t1\tPLAIN\trip=192.0.2.1\trport=7\tservice=imap\tx\tresp=AA=="
        );
        assert_eq!(
            settled("AUTH\t1\tPLAIN"),
            "AUTH\t1\tPLAIN\trip=192.0.2.1\trport=7"
        );
        for other in ["CONT\t1\trip=x", "CPID\t1", "AUTH"] {
            assert_eq!(settled(other), other);
        }
        let line = b"AUTH\t1\tPLAIN\trip=::1".to_vec();
        assert_eq!(
            Remote::new(false, None).settle_line(line.clone()),
            b"AUTH\t1\tPLAIN"
        );
        assert_eq!(Remote::new(true, None).settle_line(line.clone()), line);
    }
}
