//! Asking what time it is (SNTP, RFC 4330). Servers prove nothing: what most of several say is believed, and what
//! providers have said over TLS counts beside them.

use core::net::{IpAddr, SocketAddr, SocketAddrV4};

use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{IpAddress, Stack};
use embassy_time::{Duration, Timer, with_timeout};
use heapless::Vec;
use sntpc::{NtpContext, NtpTimestampGenerator, NtpUdpSocket, fraction_to_milliseconds};

use crate::agreement::{SERVERS, Start, agreement};
use crate::clock::{Clock, PROVIDERS, Told, uptime};
use crate::network::resolve;

/// Between two looks at the time, once it is known; before, it is looked for ever more slowly up to this.
const INTERVAL: Duration = Duration::from_secs(900);

/// The first pause between two looks.
const RETRY: Duration = Duration::from_secs(1);

/// Between two looks as long as servers agree on another time than ours, and behind the first.
const DOUBT: Duration = Duration::from_secs(60);

/// How long a server may take for its answer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Longest datagram of SNTP that is taken, in bytes (RFC 4330 section 4: 48, or 68 with an authenticator).
const DATAGRAM: usize = 128;

/// Keeps `clock` set by what most of the `servers` say, each a host's name or address and a port. All addresses
/// of a name are asked, up to four in all.
///
/// `nonce` makes a number for each request that nobody foresees: an answer has to repeat it.
pub async fn keep_time(
    stack: Stack<'_>,
    servers: &[(&str, u16)],
    clock: &'static Clock,
    mut nonce: impl FnMut() -> u64,
) -> ! {
    let mut pause = RETRY;
    loop {
        stack.wait_config_up().await;
        pause = match look(stack, servers, clock, &mut nonce).await {
            Some(start) => {
                let told = clock.hear(start);
                report(told, clock);
                match told {
                    // Nothing vouches for the first answer but the next ones.
                    Told::TooFar | Told::Taken(None) => DOUBT,
                    Told::Taken(Some(_)) | Told::TooEarly => INTERVAL,
                }
            }
            None => (pause * 2).min(INTERVAL),
        };
        if clock.now().is_none() {
            // A device without the time lets nobody in.
            pause = pause.min(RETRY * 8);
        }
        Timer::after(pause).await;
    }
}

/// When the device started, as most servers say, in milliseconds since 1970.
async fn look(
    stack: Stack<'_>,
    servers: &[(&str, u16)],
    clock: &Clock,
    nonce: &mut impl FnMut() -> u64,
) -> Option<i64> {
    let mut starts = Vec::<Start, SERVERS>::new();
    let mut asked = 0_usize;
    for (host, port) in servers {
        let found = with_timeout(TIMEOUT, resolve(stack, host)).await;
        let addresses = found.unwrap_or_default();
        // A name without an address is a server without an answer.
        asked = asked.saturating_add(usize::from(addresses.is_empty()));
        for address in addresses {
            if starts.is_full() || asked >= SERVERS {
                break;
            }
            asked = asked.saturating_add(1);
            let server = SocketAddrV4::new(address, *port);
            match with_timeout(TIMEOUT, ask(stack, server, nonce())).await {
                // There is room for it: `asked` counts.
                Ok(Some(start)) => drop(starts.push(start)),
                _ => log::warn!("no time from {server}; host={host}"),
            }
        }
    }
    let agreed = agreement_with(&starts, asked, clock.provider_starts(uptime()));
    if agreed.is_none() && !starts.is_empty() {
        let answered = starts.len();
        log::error!("no time: the servers do not agree; asked={asked} answered={answered}");
    }
    agreed
}

/// What most servers and providers agree on, or, failing that, the providers, who have proved who they are.
fn agreement_with(
    servers: &[Start],
    asked: usize,
    providers: impl Iterator<Item = Start>,
) -> Option<i64> {
    let providers: Vec<Start, PROVIDERS> = providers.collect();
    let mut all = Vec::<Start, { SERVERS + PROVIDERS }>::new();
    // There is room for all of them.
    let _ = all.extend_from_slice(servers);
    let _ = all.extend_from_slice(&providers);
    let agreed = agreement(&all, asked.saturating_add(providers.len()));
    agreed.or_else(|| agreement(&providers, providers.len()))
}

fn report(told: Told, clock: &Clock) {
    let seconds = clock.now().map_or(0, gatepost_core::UnixTime::seconds);
    match told {
        Told::Taken(None) => log::info!("clock set; unix={seconds}"),
        Told::Taken(Some(step)) if step.unsigned_abs() > 30 => {
            log::error!("clock corrected: it was set wrong; step={step} unix={seconds}");
        }
        Told::Taken(Some(step)) => log::debug!("clock kept; step={step}"),
        Told::TooFar => log::error!("time refused: too far from ours; unix={seconds}"),
        Told::TooEarly => log::error!("time refused: before this image was built"),
    }
}

/// What `server` says. Whatever else arrives meanwhile is passed over.
async fn ask(stack: Stack<'_>, server: SocketAddrV4, nonce: u64) -> Option<Start> {
    let mut metadata = [[PacketMetadata::EMPTY; 1]; 2];
    let mut buffers = [[0; DATAGRAM]; 2];
    let [rx_metadata, tx_metadata] = &mut metadata;
    let [rx, tx] = &mut buffers;
    let mut socket = UdpSocket::new(stack, rx_metadata, rx, tx_metadata, tx);
    // From a port that the stack chooses.
    socket.bind(0).ok()?;
    let socket = Datagrams(socket);
    let server = SocketAddr::V4(server);
    let asked = uptime();
    let request = NtpContext::new(Nonce(nonce));
    let request = sntpc::sntp_send_request(server, &socket, request)
        .await
        .ok()?;
    loop {
        let context = NtpContext::new(Now);
        let told = sntpc::sntp_process_response(server, &socket, context, request).await;
        if let Ok(told) = told {
            let milliseconds = fraction_to_milliseconds(told.sec_fraction());
            let seconds = i64::try_from(told.sec()).ok()?;
            let told = seconds
                .saturating_mul(1_000)
                .saturating_add(milliseconds.into());
            return Some(Start::of(told, asked, uptime()));
        }
    }
}

/// What a request is told apart by, in the place of our own time, which is nobody's business.
#[derive(Clone, Copy)]
struct Nonce(u64);

impl NtpTimestampGenerator for Nonce {
    fn init(&mut self) {}

    fn timestamp_sec(&self) -> u64 {
        self.0 >> 32
    }

    fn timestamp_subsec_micros(&self) -> u32 {
        let [_, _, _, _, low @ ..] = self.0.to_be_bytes();
        u32::from_be_bytes(low) % 1_000_000
    }
}

/// Which era of NTP an answer is of: that of 2026, from 1968 to 2104.
#[derive(Clone, Copy)]
struct Now;

impl NtpTimestampGenerator for Now {
    fn init(&mut self) {}

    fn timestamp_sec(&self) -> u64 {
        // 2036, in the midst of them.
        2_085_978_496
    }

    fn timestamp_subsec_micros(&self) -> u32 {
        0
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

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_core::UnixTime;

    /// What servers and providers agree on, in seconds, where each is so many seconds ahead.
    fn agreed(servers: &[i64], asked: usize, providers: &[i64]) -> Option<i64> {
        let clock = Clock::new(UnixTime::from_seconds(0));
        for (place, ahead) in providers.iter().enumerate() {
            let time = UnixTime::from_seconds(1_000_000 + ahead);
            clock.hear_provider(place, time, 0, 1_000);
        }
        let starts = servers.iter();
        let starts = starts.map(|ahead| Start::of((1_000_000 + ahead) * 1_000, 0, 100));
        let starts: std::vec::Vec<Start> = starts.collect();
        let agreed = agreement_with(&starts, asked, clock.provider_starts(2_000))?;
        Some((agreed + 500).div_euclid(1_000) - 1_000_000)
    }

    #[test]
    fn a_provider_has_a_vote_and_servers_are_the_more_precise() {
        assert_eq!(agreed(&[5], 1, &[0]), Some(5));
        assert_eq!(agreed(&[5], 1, &[-20]), Some(5));
        assert_eq!(agreed(&[5, 5], 2, &[900]), Some(5));
        assert_eq!(agreed(&[86_400, 0], 2, &[0]), Some(0));
        assert_eq!(agreed(&[5], 1, &[]), Some(5));
    }

    #[test]
    fn whoever_has_proved_who_it_is_is_believed_where_servers_differ() {
        assert_eq!(agreed(&[-86_400], 1, &[0]), Some(0));
        assert_eq!(agreed(&[-86_400, -86_400], 2, &[0, 0]), Some(0));
        assert_eq!(agreed(&[], 2, &[3]), Some(3));
        assert_eq!(agreed(&[-86_400], 1, &[0, 500]), None);
        assert_eq!(agreed(&[], 2, &[]), None);
    }

    #[test]
    fn what_a_provider_said_a_day_ago_counts_no_more() {
        let clock = Clock::new(UnixTime::from_seconds(0));
        clock.hear_provider(0, UnixTime::from_seconds(1_000_000), 0, 1_000);
        clock.hear_provider(1, UnixTime::from_seconds(1_000_000), 50_000, 51_000);
        let day = 86_400_000;
        for (now, expected) in [
            (day + 999, 2),
            (day + 1_000, 1),
            (day + 50_999, 1),
            (day + 51_000, 0),
        ] {
            assert_eq!(clock.provider_starts(now).count(), expected, "{now}");
        }
    }

    #[test]
    fn of_all_providers_but_the_first_the_last_one_heard_counts() {
        assert_eq!(agreed(&[], 0, &[0, 700, 700, 0]), Some(0));
        assert_eq!(agreed(&[], 0, &[0, 0, 700]), None);
    }
}
