//! Providers that are asked: for their keys, and about tokens.

use core::pin::pin;

use embassy_executor::{SpawnError, Spawner};
use embassy_net::Stack;
use gatepost_embassy::{Buffer, Errands, NoTls, Seat, Tunnel, run_errands, run_tunnel};

use super::config::{ANSWER, TLS};
use super::service::{CLOCK, TheCourt, TheProviders};
use super::tls::Tls;
use super::{entropy, executor};

/// Sockets that this takes: one to providers.
pub(crate) const SOCKETS: usize = 1;

/// How providers are asked.
pub(crate) const ERRANDS: Option<&Errands> = Some(&THE_ERRANDS);

/// Windows of a connection to a provider.
const RX: usize = 1024;
const TX: usize = 512;

static THE_BUFFER: Buffer<[u8; ANSWER]> = Buffer::new();
static THE_TUNNEL: Tunnel = Tunnel::new();
static THE_ERRANDS: Errands = Errands::new(&THE_BUFFER);

/// A number that nobody can guess, where there is a generator.
pub(crate) fn random() -> Option<u64> {
    entropy::random()
}

/// Starts what has the network.
///
/// # Errors
/// When it runs already.
pub(crate) fn start_network(spawner: Spawner, stack: Stack<'static>) -> Result<(), SpawnError> {
    spawner.spawn(carry(stack)?);
    Ok(())
}

/// Starts what looks for keys, and what asks for them and about tokens.
///
/// # Errors
/// When it runs already.
pub(crate) fn start_judging(
    spawner: Spawner,
    providers: &'static TheProviders,
) -> Result<(), SpawnError> {
    spawner.spawn(keep_keys(providers)?);
    if TLS {
        spawner.spawn(ask_over_tls()?);
    } else {
        spawner.spawn(ask()?);
        log::info!("no TLS: nobody is asked over https");
    }
    Ok(())
}

/// Judges one login after the other.
pub(crate) async fn sit(court: &'static TheCourt, seat: &'static Seat) -> ! {
    court.sit(seat).await
}

#[embassy_executor::task]
async fn keep_keys(providers: &'static TheProviders) -> ! {
    executor::watched(pin!(providers.keep_current())).await
}

#[embassy_executor::task]
async fn carry(stack: Stack<'static>) -> ! {
    run_tunnel::<RX, TX>(stack, &THE_TUNNEL).await
}

#[embassy_executor::task]
async fn ask() -> ! {
    let asking = run_errands(&THE_ERRANDS, &THE_TUNNEL, &CLOCK, NoTls);
    executor::watched(pin!(asking)).await
}

#[embassy_executor::task]
async fn ask_over_tls() -> ! {
    let asking = run_errands(&THE_ERRANDS, &THE_TUNNEL, &CLOCK, Tls::start());
    executor::watched(pin!(asking)).await
}
