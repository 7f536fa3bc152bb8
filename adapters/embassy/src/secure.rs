//! Requests over TLS, on the executor that judges. Whoever builds a device says who speaks it: an image that
//! never asks over `https` carries none of it.

use core::fmt;

use embassy_time::{Duration, with_timeout};
use embedded_io_async::{Read, Write};
use gatepost_core::{UnixTime, introspection::FetchFailure};

use crate::clock::Clock;
use crate::errands::{Errand, Errands};
use crate::http::{self, Head};
use crate::network::{TIMEOUT, report};
use crate::tunnel::{Line, Tunnel};

/// How long a request waits for the clock: as long as for an answer.
const CLOCK_PATIENCE: Duration = TIMEOUT;

/// Who speaks TLS.
pub trait Secure {
    /// A connection to the server that was meant.
    type Connection<'c>: Read + Write
    where
        Self: 'c;
    /// Why there is none. What it displays is logged, and names no secret.
    type Error: fmt::Display;

    /// Shakes hands over `line`, and returns once the server has shown to be `server`.
    ///
    /// # Errors
    /// Where it has not: nothing of a request has been sent.
    fn connect<'c>(
        &'c mut self,
        line: Line,
        server: Server<'_>,
        now: UnixTime,
    ) -> impl Future<Output = Result<Self::Connection<'c>, Self::Error>>;
}

/// Who is meant.
#[derive(Clone, Copy, Debug)]
pub struct Server<'s> {
    /// Its name, or its address.
    pub name: &'s str,
    /// What has to vouch for it: the [`trust`](crate::OnlineSettings::trust) of its provider.
    pub trust: usize,
}

/// Sends requests over TLS, one after the other.
///
/// They wait for the clock: without it no certificate can be judged. The time has to come from elsewhere.
pub async fn run_secure_errands(
    errands: &'static Errands,
    tunnel: &'static Tunnel,
    clock: &'static Clock,
    mut secure: impl Secure,
) -> ! {
    loop {
        let errand = tunnel.asked.wait().await;
        errands
            .answer(&errand, async |errand, buffer, head| {
                let now = with_timeout(CLOCK_PATIENCE, clock.set()).await;
                let Ok(now) = now else {
                    let host = &errand.host();
                    log::warn!("not asked: no certificate is judged without a clock; host={host}");
                    return Err(FetchFailure::NotAsked);
                };
                let request = fetch(errand, (buffer, head), tunnel, now, &mut secure);
                let outcome = with_timeout(TIMEOUT, request).await;
                let outcome = outcome.unwrap_or(Err(FetchFailure::Timeout));
                report(outcome, errand);
                outcome
            })
            .await;
    }
}

async fn fetch(
    errand: &Errand,
    (buffer, head): (&mut [u8], &mut Head),
    tunnel: &'static Tunnel,
    now: UnixTime,
    secure: &mut impl Secure,
) -> Result<(), FetchFailure> {
    let line = tunnel.connect(errand.destination.clone()).await?;
    let server = Server {
        name: errand.host(),
        trust: errand.trust,
    };
    let mut connection = match secure.connect(line, server, now).await {
        Ok(connection) => connection,
        Err(why) => {
            log::warn!("no TLS: {why}; host={}", errand.host());
            return Err(FetchFailure::Tls);
        }
    };
    http::exchange(&mut connection, buffer, errand.length, head).await
}
