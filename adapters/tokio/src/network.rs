//! Whose work it is: the networks among which everything scarce is shared.

use std::net::{IpAddr, Ipv6Addr};

use gatepost_core::dovecot::Origin;

/// Where a login comes from, as far as its share of what is scarce goes: verifications, questions to a
/// provider, looks for newer keys.
///
/// An IPv4 address is a network of its own. Of an IPv6 address the /64 is one, for a customer has that much at
/// least, inside its /48, for one may have as much (RFC 6177): a /48 has no greater share by using many of its
/// /64. Loopback addresses count as any others.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Network {
    pub(crate) site: Site,
    pub(crate) subnet: u16,
}

/// What shares among each other at first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Site {
    V4(u32),
    /// The upper 48 bits.
    V6(u64),
    Connection(u64),
}

impl Network {
    /// The network of `address`; an IPv4-mapped IPv6 address is IPv4.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self {
                site: Site::V4(address.to_bits()),
                subnet: 0,
            },
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    /// The network of everybody on the connection of this number: for logins that tell no address.
    #[must_use]
    pub const fn of_connection(number: u64) -> Self {
        Self {
            site: Site::Connection(number),
            subnet: 0,
        }
    }

    /// The network of a login that comes from `origin`, as far as that is told, over the connection of this number.
    #[must_use]
    pub fn of_login(origin: &Origin, connection: u64) -> Self {
        let address = origin.remote.address;
        address.map_or(Self::of_connection(connection), Self::of)
    }

    /// The /48 around it, named by its first network; `None` where it is no IPv6 network.
    #[must_use]
    pub const fn around(self) -> Option<Self> {
        match self.site {
            Site::V6(_) => Some(Self { subnet: 0, ..self }),
            Site::V4(_) | Site::Connection(_) => None,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        let [a, b, c, subnet, ..] = address.segments();
        let site = (u64::from(a) << 32) | (u64::from(b) << 16) | u64::from(c);
        Self {
            site: Site::V6(site),
            subnet,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Network {
        Network::of(address.parse().unwrap())
    }

    #[test]
    fn an_ipv4_address_is_a_network_however_it_is_written() {
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_ne!(of("127.0.0.1"), of("127.0.0.2"));
    }

    #[test]
    fn an_ipv6_network_is_a_64_inside_a_48() {
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        let (one, other) = (of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(one, other);
        assert_eq!(one.site, other.site);
        assert_ne!(one.site, of("2001:db8:2:2::1").site);
    }

    #[test]
    fn a_connection_is_no_address() {
        assert_ne!(Network::of_connection(1), Network::of_connection(2));
        assert_ne!(Network::of_connection(0x7f00_0001), of("127.0.0.1"));
    }
}
