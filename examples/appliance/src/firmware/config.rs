//! What `appliance.toml` says, as constants.

use core::net::Ipv4Addr;

/// An IPv4 address that is given rather than asked for.
#[derive(Clone, Copy)]
pub(crate) struct Address {
    pub(crate) own: Ipv4Addr,
    pub(crate) prefix: u8,
    pub(crate) gateway: Option<Ipv4Addr>,
    pub(crate) dns: &'static [Ipv4Addr],
}

/// The hosts that may connect.
#[derive(Clone, Copy)]
pub(crate) struct Network {
    pub(crate) address: Ipv4Addr,
    pub(crate) prefix: u8,
}

// Not every configuration has use for every type above.
#[allow(unused_imports, clippy::all, clippy::pedantic)]
mod generated {
    use core::net::{Ipv4Addr, SocketAddrV4};

    use gatepost_core::crypto::{Algorithm, AlgorithmSet, Curve, KeyType};
    use gatepost_core::introspection::{About, Client, ClientPlace, Endpoints, Mode};
    use gatepost_core::sasl::Discovery;
    use gatepost_core::{Audience, Policy, Requirement};
    use gatepost_embassy::{BakedKey, Limits, Numbers, OnlineSettings, ProviderSettings};
    use gatepost_embassy_tls::{Der, Trust, TrustAnchor};

    use super::{Address, Network};

    include!(concat!(env!("OUT_DIR"), "/config.rs"));
}

pub(crate) use generated::*;
