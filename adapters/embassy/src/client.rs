//! Who speaks HTTP to providers, on the executor that judges: over one connection, which stays open for the next
//! question to the same server.

use core::fmt;

use embassy_futures::select::{Either, select};
use embassy_time::{Duration, with_timeout};
use embedded_io_async::{Read, Write};
use gatepost_core::{UnixTime, introspection::FetchFailure};

use crate::clock::Clock;
use crate::errands::{Asker, Errand, Errands};
use crate::http;
use crate::secure::{Secure, Server};
use crate::tunnel::{Line, Tunnel};

/// How long a request over TLS waits for the clock: as long as for an answer.
const CLOCK_PATIENCE: Duration = Duration::from_secs(3);

/// Sends requests to providers, one after the other, over connections that `tunnel` makes.
///
/// Those over TLS wait for the clock: without it no certificate can be judged. The time has to come from elsewhere.
pub async fn run_errands(
    errands: &'static Errands,
    tunnel: &'static Tunnel,
    clock: &'static Clock,
    mut secure: impl Secure,
) -> ! {
    let mut next = None;
    loop {
        let asker = match next.take() {
            Some(asker) => asker,
            None => errands.next().await,
        };
        let errand = asker.errand();
        let opening = errands.unless_given_up(open(errand, tunnel, clock));
        next = match opening.await {
            None => None,
            Some(Err(why)) => refuse(asker, why),
            Some(Ok((line, None))) => talk(errands, tunnel, line, asker).await,
            Some(Ok((line, Some(now)))) => {
                let server = Server {
                    name: &errand.host,
                    trust: errand.trust,
                };
                let shaking = errands.unless_given_up(secure.connect(line, server, now));
                match shaking.await {
                    None => None,
                    Some(Ok(connection)) => talk(errands, tunnel, connection, asker).await,
                    Some(Err(why)) => {
                        log::warn!("no TLS: {why}; host={}", errand.host);
                        refuse(asker, FetchFailure::Tls)
                    }
                }
            }
        };
    }
}

/// A connection to where the request goes, and what time it is where it has to be secured.
async fn open(
    errand: &Errand,
    tunnel: &'static Tunnel,
    clock: &'static Clock,
) -> Result<(Line, Option<UnixTime>), FetchFailure> {
    let mut now = None;
    if errand.is_secure {
        now = with_timeout(CLOCK_PATIENCE, clock.set()).await.ok();
        if now.is_none() {
            let host = &errand.host;
            log::warn!("not asked: no certificate is judged without a clock; host={host}");
            return Err(FetchFailure::NotAsked);
        }
    }
    Ok((tunnel.connect(errand).await?, now))
}

fn refuse<'e>(asker: Asker<'_>, why: FetchFailure) -> Option<Asker<'e>> {
    let host = &asker.errand().host;
    log::warn!("provider not reached: {why:?}; host={host}");
    asker.end(Err(why));
    None
}

/// Carries out a request, and those that follow it to the same server; returns one that takes another connection.
async fn talk<'e>(
    errands: &'e Errands,
    tunnel: &'static Tunnel,
    mut connection: impl Read + Write,
    mut asker: Asker<'e>,
) -> Option<Asker<'e>> {
    let mut is_used = false;
    loop {
        let exchange = http::exchange(&mut connection, &mut asker);
        let outcome = errands.unless_given_up(exchange).await?;
        match outcome {
            // The server had closed the connection.
            Err(failed) if is_used && failed.was_closed => return Some(asker),
            Err(failed) => return refuse(asker, failed.why),
            Ok(true) => {
                asker.end(Ok(()));
                return None;
            }
            Ok(false) => asker.end(Ok(())),
        }
        is_used = true;
        // Below TLS, where giving up to wait costs nothing.
        asker = match select(tunnel.stirs(), errands.next()).await {
            Either::First(()) => return None,
            Either::Second(asker) => asker,
        };
        if !tunnel.leads_to(asker.errand()).await {
            return Some(asker);
        }
    }
}

/// Nobody speaks TLS: an image that never asks over `https`.
#[derive(Clone, Copy, Debug)]
pub struct NoTls;

impl Secure for NoTls {
    type Connection<'c> = Line;
    type Error = NoTls;

    async fn connect(&mut self, _: Line, _: Server<'_>, _: UnixTime) -> Result<Line, NoTls> {
        Err(NoTls)
    }
}

impl fmt::Display for NoTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this image has none")
    }
}
