//! Who speaks HTTP to providers, on the executor that judges: over one connection, which stays open for the next
//! question to the same server.

use core::fmt;

use embassy_time::{Duration, with_timeout};
use embedded_io_async::{Read, Write};
use gatepost_core::{UnixTime, introspection::FetchFailure};

use crate::clock::Clock;
use crate::errands::{Errand, Errands};
use crate::http;
use crate::secure::{Secure, Server};
use crate::tunnel::{Line, Tunnel};

/// How long a request over TLS waits for the clock: as long as for an answer.
const CLOCK_PATIENCE: Duration = Duration::from_secs(3);

/// How long a connection stays open that nobody uses: nginx closes it after 75 seconds, others sooner.
const IDLE: Duration = Duration::from_secs(60);

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
        let errand = match next.take() {
            Some(errand) => errand,
            None => errands.next().await,
        };
        let opening = errands.unless_given_up(open(&errand, tunnel, clock));
        next = match opening.await {
            None => None,
            Some(Err(why)) => refuse(errands, &errand, why).await,
            Some(Ok((line, None))) => talk(errands, line, errand).await,
            Some(Ok((line, Some(now)))) => {
                let server = Server {
                    name: errand.host(),
                    trust: errand.trust,
                };
                let shaking = errands.unless_given_up(secure.connect(line, server, now));
                match shaking.await {
                    None => None,
                    Some(Ok(connection)) => talk(errands, connection, errand).await,
                    Some(Err(why)) => {
                        log::warn!("no TLS: {why}; host={}", errand.host());
                        refuse(errands, &errand, FetchFailure::Tls).await
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
            let host = errand.host();
            log::warn!("not asked: no certificate is judged without a clock; host={host}");
            return Err(FetchFailure::NotAsked);
        }
    }
    let line = tunnel.connect(errand.destination.clone()).await?;
    Ok((line, now))
}

async fn refuse(errands: &Errands, errand: &Errand, why: FetchFailure) -> Option<Errand> {
    report(errand, why);
    errands.asker().await.end(Err(why));
    None
}

fn report(errand: &Errand, why: FetchFailure) {
    log::warn!("provider not reached: {why:?}; host={}", errand.host());
}

/// Carries out `errand`, and those that follow it to the same server; returns one that takes another connection.
async fn talk(
    errands: &Errands,
    mut connection: impl Read + Write,
    errand: Errand,
) -> Option<Errand> {
    let mut is_used = false;
    loop {
        let mut asker = errands.asker().await;
        let exchange = http::exchange(&mut connection, &mut asker);
        let outcome = errands.unless_given_up(exchange).await?;
        match outcome {
            // The server had closed the connection.
            Err(failed) if is_used && failed.was_closed => {
                return Some(errand);
            }
            Err(failed) => {
                report(&errand, failed.why);
                asker.end(Err(failed.why));
                return None;
            }
            Ok(is_over) => {
                asker.end(Ok(()));
                if is_over {
                    return None;
                }
            }
        }
        is_used = true;
        let next = with_timeout(IDLE, errands.next()).await.ok()?;
        if next != errand {
            return Some(next);
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
