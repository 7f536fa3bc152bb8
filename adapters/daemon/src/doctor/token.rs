//! Judges a token as the daemon would.

use std::time::SystemTime;

use gatepost_core::{UnixTime, sasl::Mechanism};
use gatepost_tokio::Outcome;

use super::{Findings, Options};
use crate::check::Judge;
use crate::judging::generation::Generation;

/// Judges what was on standard input.
pub(super) async fn examine(
    options: &Options,
    token: &str,
    generation: &Generation,
    findings: &mut Findings,
) {
    let (mechanism, message) = if let Some(user) = &options.user {
        let message = format!("user={user}\x01auth=Bearer {token}\x01\x01");
        (Mechanism::XOAuth2, message)
    } else {
        let message = format!("n,,\x01auth=Bearer {token}\x01\x01");
        (Mechanism::OAuthBearer, message)
    };
    let judge = Judge {
        providers: &generation.providers,
        rules: generation.rules(),
        is_offline: false,
        now: now(),
    };
    let judged = judge.judge(mechanism, message.as_bytes(), token).await;
    let verdict = &judged.verdict;
    let provider = verdict.provider.as_deref().unwrap_or("no provider");
    match &verdict.outcome {
        Outcome::Accepted(identity) => {
            findings.good(&format!(
                "the token is {}'s, says {provider}",
                identity.user()
            ));
        }
        Outcome::Refused { rejection, .. } => {
            let what = format!(
                "the token is refused ({}, {provider}): {rejection}",
                rejection.code()
            );
            let trouble = verdict.trouble.as_ref();
            let what = trouble.map_or(what.clone(), |trouble| format!("{what}: {trouble}"));
            findings.bad(&what, judged.advice.as_deref().unwrap_or_default());
        }
    }
    if let Some(table) = &judged.table {
        print!("{table}");
    }
}

fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    UnixTime::from_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}
