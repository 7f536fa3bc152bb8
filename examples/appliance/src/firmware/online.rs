//! Providers that are asked: for their keys, and about tokens.

use embassy_executor::{SpawnError, Spawner};
use embassy_net::Stack;
use gatepost_embassy::{Buffer, Errands, Seat, run_errands};

use super::config::ANSWER;
use super::service::{TheCourt, TheProviders};

/// Sockets that this takes.
pub(crate) const SOCKETS: usize = 1;

/// How providers are asked.
pub(crate) const ERRANDS: Option<&Errands> = Some(&THE_ERRANDS);

/// Windows of a connection to a provider.
const RX: usize = 1024;
const TX: usize = 512;

static THE_BUFFER: Buffer<[u8; ANSWER]> = Buffer::new([0; ANSWER]);
static THE_ERRANDS: Errands = Errands::new(&THE_BUFFER);

/// Starts what has the network.
///
/// # Errors
/// When it runs already.
pub(crate) fn start_network(spawner: Spawner, stack: Stack<'static>) -> Result<(), SpawnError> {
    spawner.spawn(ask(stack)?);
    Ok(())
}

/// Starts what looks for keys.
///
/// # Errors
/// When it runs already.
pub(crate) fn start_judging(
    spawner: Spawner,
    providers: &'static TheProviders,
) -> Result<(), SpawnError> {
    spawner.spawn(keep_keys(providers)?);
    Ok(())
}

/// Judges one login after the other.
pub(crate) async fn sit(court: &'static TheCourt, seat: &'static Seat) -> ! {
    court.sit(seat).await
}

#[embassy_executor::task]
async fn keep_keys(providers: &'static TheProviders) -> ! {
    providers.keep_current().await
}

#[embassy_executor::task]
async fn ask(stack: Stack<'static>) -> ! {
    run_errands::<RX, TX>(stack, &THE_ERRANDS).await
}
