//! Whether providers are found: their names, their certificates, their metadata, their keys, and the clock.

use std::net::ToSocketAddrs as _;

use gatepost_tokio::Probe;

use super::{Findings, note};
use crate::config::Config;
use crate::judging::generation::Generation;

/// How far clocks may be apart before tokens suffer, in seconds: half of what dates are allowed.
const MAX_APART: i64 = 30;

pub(super) async fn examine(config: &Config, generation: &Generation, findings: &mut Findings) {
    let providers = &generation.providers;
    for (index, (name, keys, can_ask)) in providers.state().into_iter().enumerate() {
        let who = format!("provider {name:?}");
        if let Some(probe) = providers.probe(index).await {
            examine_name(&who, &probe.url, findings);
            examine_answer(&who, &probe, keys, findings);
            examine_clock(&who, probe.clock_ahead, findings);
        }
        let about = config
            .providers
            .get(index)
            .and_then(crate::config::Provider::about);
        examine_means(&who, keys, can_ask, about.is_some(), findings);
    }
}

fn examine_answer(who: &str, probe: &Probe, keys: usize, findings: &mut Findings) {
    match (probe.status, &probe.trouble) {
        (Ok(status), Some(trouble)) => {
            let what = format!("{who} answers {status}: {trouble}");
            if keys == 0 {
                findings.bad(&what, trouble.advice());
            } else {
                note(&what);
            }
        }
        (Ok(status), None) if status < 500 => {
            findings.good(&format!("{who} answers {status} at {}", probe.url));
        }
        (Ok(status), None) => {
            let what = format!("{who} answers {status} at {}", probe.url);
            findings.bad(&what, "check the provider's own log");
        }
        (Err(why), _) => {
            let what = format!("{who} does not respond at {}: {why}", probe.url);
            findings.bad(&what, why.advice());
        }
    }
}

fn examine_clock(who: &str, clock_ahead: Option<i64>, findings: &mut Findings) {
    match clock_ahead {
        Some(apart) if apart.abs() > MAX_APART => findings.bad(
            &format!(
                "{who}: its clock is {} seconds {} ours",
                apart.unsigned_abs(),
                if apart > 0 { "ahead of" } else { "behind" }
            ),
            "set both clocks by NTP; otherwise tokens are not valid yet, or expire early",
        ),
        Some(_) => findings.good(&format!("{who}: its clock matches ours")),
        None => {}
    }
}

/// By what its tokens are validated.
fn examine_means(who: &str, keys: usize, can_ask: bool, is_asked: bool, findings: &mut Findings) {
    match (keys, can_ask, is_asked) {
        (0, false, _) => findings.bad(
            &format!("{who} has no keys and no endpoint to ask"),
            "see above for the reason; until it is fixed, every login of its users fails",
        ),
        (0, true, _) => findings.good(&format!("{who} validates every token itself")),
        (keys, true, _) => {
            findings.good(&format!("{who} has {keys} keys, and an endpoint to ask"));
        }
        (keys, false, false) => {
            findings.good(&format!(
                "{who} has {keys} keys; opaque tokens are rejected"
            ));
        }
        (keys, false, true) => findings.bad(
            &format!("{who} has {keys} keys, but no endpoint that validates opaque tokens"),
            "its metadata lists none: set introspection_url",
        ),
    }
}

fn examine_name(who: &str, url: &str, findings: &mut Findings) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let has_port = authority
        .rsplit(':')
        .next()
        .is_some_and(|port| port.parse::<u16>().is_ok());
    let address = if has_port {
        authority.to_owned()
    } else {
        format!("{authority}:443")
    };
    match address.to_socket_addrs() {
        Ok(found) => {
            let found: Vec<String> = found.map(|found| found.ip().to_string()).collect();
            findings.good(&format!("{who}: {authority} is {}", found.join(", ")));
        }
        Err(error) => findings.bad(
            &format!("{who}: {authority} has no address: {error}"),
            "correct the name, or this host's resolver",
        ),
    }
}
