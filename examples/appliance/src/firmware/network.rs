//! The network: controller, addresses and sockets, all on the network's executor.

use embassy_executor::{SpawnError, Spawner};
use embassy_net::{Config, Ipv4Cidr, Runner, Stack, StackResources, StaticConfigV4};
use static_cell::StaticCell;

use super::config::ADDRESS;
use super::ethernet::Ethernet;
use super::{providers, service, watchdog};

/// The service's sockets, and one each for DHCP and DNS.
const SOCKETS: usize =
    service::SOCKETS + cfg!(feature = "dhcp") as usize + cfg!(feature = "dns") as usize;

/// The network's first task: starts the others.
///
/// Where that fails the watchdog is not fed either, so that the board restarts and tries again.
#[embassy_executor::task]
pub(crate) async fn start() {
    // SAFETY: the context is that of a task of the network's executor.
    let spawner = unsafe { Spawner::for_current_executor() }.await;
    let started = match Ethernet::start() {
        Ok(ethernet) => network(spawner, ethernet).await,
        Err(error) => return log::error!("no network error={error:?}"),
    };
    if let Err(error) = started {
        log::error!("no network error={error:?}");
    }
}

/// Brings the network up over `ethernet`, then its services.
async fn network(spawner: Spawner, ethernet: Ethernet) -> Result<(), SpawnError> {
    let (stack, runner) = stack(ethernet);
    spawner.spawn(run(runner)?);
    spawner.spawn(watchdog::keep()?);
    stack.wait_config_up().await;
    if let Some(config) = stack.config_v4() {
        log::info!("network up address={}", config.address);
    }
    service::start_network(spawner, stack)
}

/// The TCP/IP stack over `ethernet`, and what drives it.
fn stack(ethernet: Ethernet) -> (Stack<'static>, Runner<'static, Ethernet>) {
    static RESOURCES: StaticCell<StackResources<SOCKETS>> = StaticCell::new();
    let seed = seed(&ethernet);
    embassy_net::new(
        ethernet,
        configuration(),
        RESOURCES.init(StackResources::new()),
        seed,
    )
}

fn configuration() -> Config {
    let Some(given) = ADDRESS else {
        return asked_for();
    };
    Config::ipv4_static(StaticConfigV4 {
        address: Ipv4Cidr::new(given.own, given.prefix),
        gateway: given.gateway,
        // As many as the stack takes.
        dns_servers: given.dns.iter().copied().take(3).collect(),
    })
}

/// An address that is asked for.
#[cfg(feature = "dhcp")]
fn asked_for() -> Config {
    Config::dhcpv4(embassy_net::DhcpConfig::default())
}

/// None: the configuration has been refused already.
#[cfg(not(feature = "dhcp"))]
fn asked_for() -> Config {
    Config::default()
}

/// What the stack draws initial sequence numbers, ports and DNS identifiers from: the generator, where there is
/// one.
///
/// Where there is none, this differs from board to board and mostly from start to start, which keeps old connections
/// apart, but it does not withstand somebody who guesses.
fn seed(ethernet: &Ethernet) -> u64 {
    providers::random().unwrap_or_else(|| {
        let mut bytes = [0; 8];
        bytes[..6].copy_from_slice(&ethernet.mac_address());
        u64::from_be_bytes(bytes) ^ u64::from(ethernet.jitter())
    })
}

#[embassy_executor::task]
async fn run(mut runner: Runner<'static, Ethernet>) -> ! {
    runner.run().await
}
