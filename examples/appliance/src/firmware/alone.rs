//! No provider is ever asked: all keys are part of the image. Stands in the place of `online.rs`.

use embassy_executor::{SpawnError, Spawner};
use embassy_net::Stack;
use gatepost_embassy::{Errands, Seat};

use super::service::{TheCourt, TheProviders};

/// Sockets that this takes.
pub(crate) const SOCKETS: usize = 0;

/// How providers are asked.
pub(crate) const ERRANDS: Option<&Errands> = None;

/// No generator.
pub(crate) const fn random() -> Option<u64> {
    None
}

/// Starts nothing.
#[expect(clippy::unnecessary_wraps, reason = "as in online.rs")]
pub(crate) fn start_network(_: Spawner, _: Stack<'static>) -> Result<(), SpawnError> {
    Ok(())
}

/// Starts nothing.
#[expect(clippy::unnecessary_wraps, reason = "as in online.rs")]
pub(crate) fn start_judging(_: Spawner, _: &'static TheProviders) -> Result<(), SpawnError> {
    Ok(())
}

/// Judges one login after the other.
pub(crate) async fn sit(court: &'static TheCourt, _: &'static Seat) -> ! {
    court.sit_alone().await
}
