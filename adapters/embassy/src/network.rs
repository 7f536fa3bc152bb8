//! The side of the network: connections to providers. All of it runs on the executor that has the network; what
//! it is asked comes from the one that judges.

use core::net::Ipv4Addr;

#[cfg(feature = "dns")]
use embassy_net::IpAddress;
use embassy_net::tcp::TcpSocket;
use embassy_net::{IpEndpoint, Stack};
use embassy_time::{Duration, with_timeout};
use embedded_io_async::{Read, Write};
use gatepost_core::introspection::FetchFailure;

use crate::agreement::SERVERS;
use crate::errands::Errand;
use crate::tunnel::{Socket, Tunnel};

/// How long the end of a connection may take to leave.
const ENDING: Duration = Duration::from_secs(2);

/// Addresses of one host.
pub(crate) type Addresses = heapless::Vec<Ipv4Addr, SERVERS>;

/// Makes connections to providers, one after the other; `RX` and `TX` bytes are its windows.
pub async fn run_tunnel<const RX: usize, const TX: usize>(
    stack: Stack<'_>,
    tunnel: &'static Tunnel,
) -> ! {
    stack.wait_config_up().await;
    let (mut rx, mut tx) = ([0; RX], [0; TX]);
    loop {
        let windows = (&mut rx[..], &mut tx[..]);
        tunnel
            .serve(async |errand| connect(stack, errand, windows).await)
            .await;
    }
}

async fn connect<'s>(
    stack: Stack<'s>,
    errand: &Errand,
    (rx, tx): (&'s mut [u8], &'s mut [u8]),
) -> Result<TcpSocket<'s>, FetchFailure> {
    let endpoint = if let Some(address) = errand.connect_to {
        address.into()
    } else {
        let addresses = resolve(stack, &errand.host).await;
        let address = addresses.first().ok_or(FetchFailure::Connection)?;
        IpEndpoint::new((*address).into(), errand.port)
    };
    let mut socket = TcpSocket::new(stack, rx, tx);
    let connected = socket.connect(endpoint).await;
    connected.map_err(|_| FetchFailure::Connection)?;
    Ok(socket)
}

impl Socket for TcpSocket<'_> {
    fn split(&mut self) -> (impl Read, impl Write) {
        TcpSocket::split(self)
    }

    async fn abort(&mut self) {
        TcpSocket::abort(self);
        // What is left to be said is that it is over, if anybody hears it.
        let _ = with_timeout(ENDING, self.flush()).await;
    }
}

/// Where `host` is: nowhere, if it has no address.
#[cfg(feature = "dns")]
pub(crate) async fn resolve(stack: Stack<'_>, host: &str) -> Addresses {
    let kind = embassy_net::dns::DnsQueryType::A;
    let found = stack.dns_query(host, kind).await.unwrap_or_default();
    let addresses = found.iter().map(|IpAddress::Ipv4(address)| *address);
    addresses.take(SERVERS).collect()
}

/// Where `host` is, which has to be an address.
#[cfg(not(feature = "dns"))]
#[expect(clippy::unused_async, reason = "as with names")]
pub(crate) async fn resolve(_: Stack<'_>, host: &str) -> Addresses {
    host.parse().into_iter().collect()
}
