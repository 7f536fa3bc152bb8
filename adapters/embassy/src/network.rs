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
use crate::errands::{Destination, Errand, Errands};
use crate::http::{self, Head};
use crate::tunnel::{Socket, Tunnel};

/// How long a request may take, from looking up its host's name to the last byte: the daemon's default.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(3);

/// Addresses of one host.
pub(crate) type Addresses = heapless::Vec<Ipv4Addr, SERVERS>;

/// Sends requests to providers, one after the other, but for those that go over TLS; `RX` and `TX` bytes are the
/// windows of a connection.
pub async fn run_errands<const RX: usize, const TX: usize>(
    stack: Stack<'_>,
    errands: &'static Errands,
) -> ! {
    stack.wait_config_up().await;
    let (mut rx, mut tx) = ([0; RX], [0; TX]);
    loop {
        let errand = errands.next().await;
        errands
            .answer(&errand, async |errand, buffer, head| {
                let request = fetch(stack, errand, (buffer, head), (&mut rx, &mut tx));
                let outcome = with_timeout(TIMEOUT, request).await;
                let outcome = outcome.unwrap_or(Err(FetchFailure::Timeout));
                report(outcome, errand);
                outcome
            })
            .await;
    }
}

pub(crate) fn report(outcome: Result<(), FetchFailure>, errand: &Errand) {
    if let Err(why) = outcome {
        log::warn!("provider not reached: {why:?}; host={}", errand.host());
    }
}

async fn fetch(
    stack: Stack<'_>,
    errand: &Errand,
    (buffer, head): (&mut [u8], &mut Head),
    (rx, tx): (&mut [u8], &mut [u8]),
) -> Result<(), FetchFailure> {
    let mut socket = connect(stack, &errand.destination, (rx, tx)).await?;
    let outcome = http::exchange(&mut socket, buffer, errand.length, head).await;
    Socket::abort(&mut socket).await;
    outcome
}

/// Makes connections for those who speak TLS, one after the other; `RX` and `TX` bytes are its windows.
pub async fn run_tunnel<const RX: usize, const TX: usize>(
    stack: Stack<'_>,
    tunnel: &'static Tunnel,
) -> ! {
    stack.wait_config_up().await;
    let (mut rx, mut tx) = ([0; RX], [0; TX]);
    loop {
        let windows = (&mut rx[..], &mut tx[..]);
        tunnel
            .serve(async |destination| connect(stack, destination, windows).await)
            .await;
    }
}

async fn connect<'s>(
    stack: Stack<'s>,
    destination: &Destination,
    (rx, tx): (&'s mut [u8], &'s mut [u8]),
) -> Result<TcpSocket<'s>, FetchFailure> {
    let endpoint = if let Some(address) = destination.connect_to {
        address.into()
    } else {
        let addresses = resolve(stack, &destination.host).await;
        let address = addresses.first().ok_or(FetchFailure::Connection)?;
        IpEndpoint::new((*address).into(), destination.port)
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
        // What is left to be said is that it is over.
        let _ = self.flush().await;
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
