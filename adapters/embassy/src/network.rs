//! The side of the network: connections to providers, and the time. All of it runs on the executor that has
//! the network; what it is asked comes from the one that judges.

#[cfg(not(feature = "dns"))]
use core::net::Ipv4Addr;
use core::net::{IpAddr, SocketAddr, SocketAddrV4};

use embassy_net::tcp::TcpSocket;
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{IpAddress, IpEndpoint, Stack};
use embassy_time::{Duration, Instant, Timer, with_timeout};
use embedded_io_async::{Read, Write};
use gatepost_core::{UnixTime, introspection::FetchFailure};
use sntpc::{NtpContext, NtpTimestampGenerator, NtpUdpSocket};

use crate::clock::{Clock, Told};
use crate::errands::{Destination, Errand, Errands};
use crate::http::{self, Head};
use crate::tunnel::{Socket, Tunnel};

/// How long a request may take, from looking up its host's name to the last byte: the daemon's default.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(3);

/// Between two looks at the time, once it is known; before, it is looked for ever more slowly up to this.
const TIME_INTERVAL: Duration = Duration::from_secs(900);

/// The first pause between two attempts.
const TIME_RETRY: Duration = Duration::from_secs(1);

/// Longest datagram of SNTP that is taken, in bytes (RFC 4330 section 4: 48, or 68 with an authenticator).
const DATAGRAM: usize = 128;

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
    let endpoint = match destination.connect_to {
        Some(address) => address.into(),
        None => resolve(stack, &destination.host, destination.port).await?,
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

#[cfg(feature = "dns")]
async fn resolve(stack: Stack<'_>, host: &str, port: u16) -> Result<IpEndpoint, FetchFailure> {
    let failed = FetchFailure::Connection;
    let addresses = stack
        .dns_query(host, embassy_net::dns::DnsQueryType::A)
        .await;
    let addresses = addresses.map_err(|_| failed)?;
    let address = addresses.first().ok_or(failed)?;
    Ok(IpEndpoint::new(*address, port))
}

/// Where `host` is, which has to be an address.
#[cfg(not(feature = "dns"))]
#[expect(clippy::unused_async, reason = "as with names")]
async fn resolve(_: Stack<'_>, host: &str, port: u16) -> Result<IpEndpoint, FetchFailure> {
    let address: Ipv4Addr = host.parse().map_err(|_| FetchFailure::Connection)?;
    Ok(IpEndpoint::new(address.into(), port))
}

/// Keeps `clock` set by what the server at `host` says (SNTP, RFC 4330).
pub async fn keep_time(stack: Stack<'_>, host: &str, port: u16, clock: &'static Clock) -> ! {
    let mut pause = TIME_RETRY;
    loop {
        stack.wait_config_up().await;
        if let Ok(Some(now)) = with_timeout(TIMEOUT, ask_time(stack, host, port)).await {
            report_time(clock.tell(now), now);
            pause = TIME_INTERVAL;
        } else {
            log::warn!("no time from {host}");
            pause = (pause * 2).min(TIME_INTERVAL);
        }
        if clock.now().is_none() {
            // A device without the time lets nobody in.
            pause = pause.min(TIME_RETRY * 8);
        }
        Timer::after(pause).await;
    }
}

fn report_time(told: Told, now: UnixTime) {
    let seconds = now.seconds();
    match told {
        Told::Taken(None) => log::info!("clock set; unix={seconds}"),
        Told::Taken(Some(step)) => log::debug!("clock kept; step={step}"),
        Told::TooFar => {
            log::error!("time refused: too far from ours; unix={seconds}; restart if it is right");
        }
        Told::TooEarly => log::error!("time refused: before this image was built; unix={seconds}"),
    }
}

async fn ask_time(stack: Stack<'_>, host: &str, port: u16) -> Option<UnixTime> {
    let endpoint = resolve(stack, host, port).await.ok()?;
    let IpAddress::Ipv4(address) = endpoint.addr;
    let server = SocketAddr::V4(SocketAddrV4::new(address, port));
    let mut metadata = [[PacketMetadata::EMPTY; 1]; 2];
    let mut buffers = [[0; DATAGRAM]; 2];
    let [rx_metadata, tx_metadata] = &mut metadata;
    let [rx, tx] = &mut buffers;
    let mut socket = UdpSocket::new(stack, rx_metadata, rx, tx_metadata, tx);
    socket.bind(0).ok()?;
    let context = NtpContext::new(Uptime(Instant::now()));
    let told = sntpc::get_time(server, &Datagrams(socket), context).await;
    let seconds = told.ok()?.sec();
    Some(UnixTime::from_seconds(i64::try_from(seconds).ok()?))
}

/// What a request is told apart by: its answer has to name it.
#[derive(Clone, Copy)]
struct Uptime(Instant);

impl NtpTimestampGenerator for Uptime {
    fn init(&mut self) {
        self.0 = Instant::now();
    }

    fn timestamp_sec(&self) -> u64 {
        self.0.as_secs()
    }

    fn timestamp_subsec_micros(&self) -> u32 {
        u32::try_from(self.0.as_micros() % 1_000_000).unwrap_or(0)
    }
}

struct Datagrams<'s>(UdpSocket<'s>);

impl NtpUdpSocket for Datagrams<'_> {
    async fn send_to(&self, datagram: &[u8], to: SocketAddr) -> sntpc::Result<usize> {
        let SocketAddr::V4(to) = to else {
            return Err(sntpc::Error::Network);
        };
        let sent = self.0.send_to(datagram, to).await;
        sent.map(|()| datagram.len())
            .map_err(|_| sntpc::Error::Network)
    }

    async fn recv_from(&self, datagram: &mut [u8]) -> sntpc::Result<(usize, SocketAddr)> {
        let received = self.0.recv_from(datagram).await;
        let (length, from) = received.map_err(|_| sntpc::Error::Network)?;
        let IpAddress::Ipv4(address) = from.endpoint.addr;
        Ok((
            length,
            SocketAddr::new(IpAddr::V4(address), from.endpoint.port),
        ))
    }
}
