//! The log: lines on standard error, one a login, none of which ever holds a token.
//!
//! Text from outside is a field of a line, never its message: both formats escape fields, so that no name
//! can break a line or begin another one.

use std::borrow::Cow;
use std::time::Duration;

use gatepost_core::dovecot::{Endpoint, NotSent, Origin, Refusal, RefusalReason};
use gatepost_core::{Claim, Rejection, Violation, crypto::Algorithm};
use gatepost_tokio::{Outcome, Verdict};
use tracing::field::display;
use tracing::level_filters::LevelFilter;

use crate::config::{Log, LogFormat, LogLevel};

/// Begins to log; a second call changes nothing.
pub(crate) fn start(settings: &Log) {
    let level = match settings.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .with_max_level(level)
        // It would report a broken standard error to standard error, and panic.
        .log_internal_errors(false);
    // Fails only where a subscriber is set already.
    let _ = match settings.format {
        LogFormat::Text => tracing::subscriber::set_global_default(subscriber.finish()),
        LogFormat::Json => {
            let subscriber = subscriber.json().flatten_event(true).finish();
            tracing::subscriber::set_global_default(subscriber)
        }
    };
}

/// The line of a login that was judged; `sent` says whether anybody was left to hear the verdict.
pub(crate) fn login(
    mechanism: &'static str,
    origin: &Origin,
    verdict: &Verdict,
    took: Duration,
    sent: Result<(), NotSent>,
) {
    let (user, actor, reason) = match &verdict.outcome {
        Outcome::Accepted(identity) => (Some(identity.user()), identity.actor(), None),
        Outcome::Refused { rejection, .. } => {
            let claimed = verdict.claimed.as_deref();
            (claimed, None, Some(rejection.code()))
        }
    };
    let reason = if sent.is_err() {
        Some("abandoned")
    } else {
        reason
    };
    let claim = blamed(&verdict.outcome);
    tracing::info!(
        user,
        actor,
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

/// The line of a question whose asker did not wait for the verdict.
pub(crate) fn abandoned(mechanism: &'static str, origin: &Origin) {
    tracing::info!(
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
    let reason = refusal_code(refusal.reason);
    // Such a continuation belongs to a login that has its line, or never presented anything.
    let Some(origin) = &refusal.origin else {
        tracing::warn!(id = refusal.id, reason, "continuation refused");
        return;
    };
    tracing::info!(
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

/// The reason codes that come before those of a judged login.
pub(crate) const fn refusal_code(reason: RefusalReason) -> &'static str {
    match reason {
        RefusalReason::MechanismNotOffered => "mechanism_not_offered",
        RefusalReason::UnusableService => "unusable_service",
        RefusalReason::InvalidBase64 => "invalid_base64",
        RefusalReason::ResponseTooLong => "response_too_long",
        RefusalReason::UnexpectedContinuation => "unexpected_continuation",
        RefusalReason::UnknownId => "unknown_id",
        RefusalReason::Busy => "busy",
        _ => "refused",
    }
}

fn end(endpoint: Endpoint) -> Option<tracing::field::DisplayValue<String>> {
    let address = endpoint.address?;
    Some(display(match endpoint.port {
        Some(port) => std::net::SocketAddr::new(address, port).to_string(),
        None => address.to_string(),
    }))
}
