//! The log: lines on standard error, one a login, none of which ever holds a token.
//!
//! Text from outside is a field of a line, never its message: both formats escape fields, so that no name
//! can break a line or begin another one. Nobody waits for a line to be read (`queue.rs`), and of each kind but a
//! login's there are a few a second (`limited.rs`).

pub(crate) mod audit;
mod limited;
mod line;
mod queue;

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatepost_core::dovecot::{Endpoint, NotSent, Origin, Refusal};
use gatepost_core::{Claim, Rejection, Violation, crypto::Algorithm};
use gatepost_tokio::{Outcome, Verdict};
use tracing::field::display;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::set_global_default;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::config::{Log, LogFormat, LogLevel};
use crate::connection::peer::Closed;
use limited::{Limit, Limits, UNLIMITED};
pub(crate) use line::LoginLine;
use queue::Queue;

/// How long the end of the daemon waits for lines to be read.
const FLUSH: Duration = Duration::from_secs(1);

static QUEUE: Queue = Queue::new();
static LIMITS: Limits = Limits::new();
static HAS_STARTED: AtomicBool = AtomicBool::new(false);

/// Begins to log; a second call changes nothing.
pub(crate) fn start(settings: &Log) {
    if HAS_STARTED.swap(true, Ordering::Relaxed) {
        return;
    }
    if let Err(error) = QUEUE.start(|| LIMITS.report()) {
        eprintln!("gatepost: nothing is logged: {error}");
        return;
    }
    let level = match settings.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let journal = is_journal();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(Lines { journal })
        .with_ansi(false)
        .with_target(false)
        .with_max_level(level)
        .log_internal_errors(false);
    let limit = Limit {
        limits: &LIMITS,
        want_report: || QUEUE.want_report(),
    };
    // The journal knows priorities and times by itself. Fails only where a subscriber is set already.
    let _ = match (settings.format, journal) {
        (LogFormat::Text, false) => set_global_default(subscriber.finish().with(limit)),
        (LogFormat::Text, true) => {
            let subscriber = subscriber.without_time().with_level(false);
            set_global_default(subscriber.finish().with(limit))
        }
        (LogFormat::Json, false) => {
            let subscriber = subscriber.json().flatten_event(true);
            set_global_default(subscriber.finish().with(limit))
        }
        (LogFormat::Json, true) => {
            let subscriber = subscriber.json().flatten_event(true).without_time();
            set_global_default(subscriber.finish().with(limit))
        }
    };
}

/// Waits until what was said is written, a second at most.
pub(crate) fn flush() {
    if HAS_STARTED.load(Ordering::Relaxed) {
        LIMITS.report();
        QUEUE.flush(FLUSH);
    }
}

/// How many lines were dropped because nobody read them.
pub(crate) fn dropped() -> u64 {
    QUEUE.dropped()
}

/// Says why the command ends, which no level hides.
pub(crate) fn fault(fault: &dyn fmt::Display) {
    if HAS_STARTED.load(Ordering::Relaxed) {
        let before = if is_journal() { "<3>" } else { "" };
        QUEUE.push(before, format!("gatepost: {fault}\n").as_bytes());
    } else {
        eprintln!("gatepost: {fault}");
    }
}

/// Whether standard error is the journal's (`JOURNAL_STREAM` in systemd.exec(5)).
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let output = std::io::stderr().as_fd().try_clone_to_owned();
    let found = output.and_then(|output| File::from(output).metadata());
    found.is_ok_and(|found| stream == format!("{}:{}", found.dev(), found.ino()))
}

/// Where lines go.
#[derive(Clone, Copy)]
struct Lines {
    journal: bool,
}

impl<'l> MakeWriter<'l> for Lines {
    type Writer = Line;

    fn make_writer(&'l self) -> Line {
        Line("")
    }

    fn make_writer_for(&'l self, metadata: &Metadata<'_>) -> Line {
        if !self.journal {
            return Line("");
        }
        // sd-daemon(3)
        Line(match *metadata.level() {
            Level::ERROR => "<3>",
            Level::WARN => "<4>",
            Level::INFO => "<6>",
            _ => "<7>",
        })
    }
}

/// One line, with what stands before it.
struct Line(&'static str);

impl io::Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        QUEUE.push(self.0, line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The line of a login that was judged; `sent` says whether anybody was left to hear the verdict.
fn login(
    mechanism: &'static str,
    origin: &Origin,
    verdict: &Verdict,
    took: Duration,
    sent: Result<(), NotSent>,
) {
    let (user, actor, claimed, reason) = match &verdict.outcome {
        Outcome::Accepted(identity) => (Some(identity.user()), identity.actor(), None, None),
        Outcome::Refused { rejection, .. } => {
            let (vouched, claimed) = (verdict.vouched.as_deref(), verdict.claimed.as_deref());
            (vouched, None, claimed, Some(rejection.code()))
        }
    };
    let reason = if sent.is_err() {
        Some("abandoned")
    } else {
        reason
    };
    let claim = blamed(&verdict.outcome);
    tracing::info!(
        target: UNLIMITED,
        user,
        actor,
        claimed,
        account = verdict.account.as_deref(),
        app_password = verdict.app_password,
        mechanism,
        service = origin.service.as_str(),
        remote = end(origin.remote),
        local = end(origin.local),
        session = origin.session.as_deref(),
        secured = origin.secured,
        verdict = if reason.is_none() { "accept" } else { "reject" },
        reason,
        claim = claim.as_deref(),
        provider = verdict.provider.as_deref(),
        kid = verdict.kid.as_deref(),
        algorithm = verdict.algorithm.map(Algorithm::name),
        asked = verdict.is_asked,
        microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        "login"
    );
}

/// The claim for which a login is refused, or the key of the configuration that names it; never what it holds.
fn blamed(outcome: &Outcome) -> Option<Cow<'static, str>> {
    let Outcome::Refused { rejection, .. } = outcome else {
        return None;
    };
    let claim = match *rejection {
        Rejection::Claims(Violation::UnmetRequirement { place }) => {
            return Some(format!("require {}", place + 1).into());
        }
        Rejection::Claims(
            Violation::Missing(claim)
            | Violation::MalformedClaim(claim)
            | Violation::NotAccessToken(claim),
        )
        | Rejection::MalformedMember(claim) => claim,
        _ => return None,
    };
    Some(Cow::Borrowed(match claim {
        Claim::User => "username_claims",
        Claim::Active => "active_attribute",
        claim => claim.name(),
    }))
}

/// The line of a connection that was closed by us, or lost.
pub(crate) fn closed(protocol: &'static str, connection: u32, closed: &Closed) {
    let reason = closed.to_string();
    match closed {
        Closed::Io(_) => tracing::debug!(protocol, connection, reason, "connection lost"),
        Closed::Protocol(error) => tracing::warn!(
            protocol,
            connection,
            error,
            "connection closed: protocol error"
        ),
        _ => tracing::warn!(protocol, connection, reason, "connection closed"),
    }
}

/// The line of a connection over which no TLS was agreed on.
pub(crate) fn not_secured(connection: u32, error: &io::Error) {
    let error = error.to_string();
    tracing::debug!(
        protocol = "scim",
        connection,
        error,
        "connection lost: no TLS"
    );
}

/// The line of a question whose asker did not wait for the verdict.
fn abandoned(mechanism: &'static str, origin: &Origin) {
    tracing::info!(
        target: UNLIMITED,
        mechanism,
        service = origin.service.as_str(),
        remote = end(origin.remote),
        local = end(origin.local),
        verdict = "reject",
        reason = "abandoned",
        "login"
    );
}

/// The line of a login that nobody could judge.
pub(crate) fn refusal(refusal: &Refusal) {
    let reason = refusal.reason.code();
    // Such a continuation belongs to a login that has its line, or never presented anything.
    let Some(origin) = &refusal.origin else {
        tracing::warn!(id = refusal.id, reason, "continuation refused");
        return;
    };
    tracing::info!(
        target: UNLIMITED,
        service = origin.service.as_str(),
        remote = end(origin.remote),
        local = end(origin.local),
        session = origin.session.as_deref(),
        secured = origin.secured,
        verdict = "reject",
        reason,
        "login"
    );
}

/// The line of a login by a password that only another server could have judged, and that is not taken.
pub(crate) fn barred(mechanism: &str, origin: &Origin, rejection: Rejection) {
    tracing::info!(
        target: UNLIMITED,
        mechanism,
        service = origin.service.as_str(),
        remote = end(origin.remote),
        verdict = "reject",
        reason = rejection.code(),
        "login"
    );
}

fn end(endpoint: Endpoint) -> Option<tracing::field::DisplayValue<String>> {
    let address = endpoint.address?;
    Some(display(match endpoint.port {
        Some(port) => std::net::SocketAddr::new(address, port).to_string(),
        None => address.to_string(),
    }))
}
