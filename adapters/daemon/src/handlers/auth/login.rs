//! One login, from its response to its verdict, and its one line in the log.

use std::sync::Arc;
use std::time::Duration;

use gatepost_core::dovecot::{Login, NotSent, Origin, Ticket};
use gatepost_core::sasl::Mechanism;
use gatepost_tokio::{Attempt, Network, Outcome, Verdict, judge as judge_attempt};
use tokio::time::{Instant, timeout};

use super::response::Response;
use crate::peer::has_stopped;
use crate::service::{Service, now};

/// A login that has been judged.
pub(crate) struct Judged {
    pub(super) ticket: Ticket,
    pub(super) line: Line,
    pub(super) verdict: Verdict,
}

/// Judges a login, and keeps the answer to a guess back for a while.
pub(super) async fn judge(
    service: Arc<Service>,
    connection: u32,
    login: Login,
    response: Response,
) -> Judged {
    let mut line = Line::begin(login.mechanism, login.origin);
    let generation = Arc::clone(&service.generation.borrow());
    let attempt = Attempt {
        mechanism: login.mechanism,
        message: response.bytes(),
        origin: Some(&line.origin),
        network: Network::of_login(&line.origin, connection.into()),
    };
    let (providers, rules) = (&generation.providers, generation.rules());
    let verdict = judge_attempt(providers, rules, attempt, now).await;
    line.took = Some(line.began_at.elapsed());
    let delay = delay(&service, &line.origin, &verdict);
    if !delay.is_zero() {
        // What is not needed any more is not kept for so long.
        drop((response, generation));
        let mut stopping = service.stopping.clone();
        let _ = timeout(delay, has_stopped(&mut stopping)).await;
    }
    Judged {
        ticket: login.ticket,
        line,
        verdict,
    }
}

/// How long the answer is kept back.
fn delay(service: &Service, origin: &Origin, verdict: &Verdict) -> Duration {
    let Outcome::Refused { rejection, .. } = &verdict.outcome else {
        return Duration::ZERO;
    };
    let remote = origin.remote.address.filter(|_| !origin.no_penalty);
    service.penalties.delay(remote, *rejection)
}

/// The one line of a login in the log, even where its client is gone before the verdict.
pub(crate) struct Line {
    mechanism: Mechanism,
    origin: Origin,
    began_at: Instant,
    took: Option<Duration>,
    is_written: bool,
}

impl Line {
    fn begin(mechanism: Mechanism, origin: Origin) -> Self {
        Self {
            mechanism,
            origin,
            began_at: Instant::now(),
            took: None,
            is_written: false,
        }
    }

    /// The verdict was given; `sent` says whether anybody was left to hear it.
    pub(super) fn end(&mut self, service: &Service, verdict: &Verdict, sent: Result<(), NotSent>) {
        self.is_written = true;
        let took = self.took.unwrap_or_default();
        let mechanism = self.mechanism.name();
        service.metrics.login(mechanism, verdict, took);
        crate::log::login(mechanism, &self.origin, verdict, took, sent);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.is_written {
            crate::log::abandoned(self.mechanism.name(), &self.origin);
        }
    }
}
