//! How many files may be open, and how many there may be.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::config::Config;

/// Files that are none of what is counted: the log, runtimes, keys that are being read.
const OTHERS: u64 = 64;

/// Raises the soft limit to the hard one, and says what does not fit.
pub(super) fn raise(config: &Config) {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    let limit = match setrlimit_where_needed(soft, hard) {
        Ok(()) => hard,
        Err(error) => {
            tracing::warn!(error = error.to_string(), "limit of open files not raised");
            soft
        }
    };
    let needed = needed(config);
    if needed > limit {
        let advice = "raise LimitNOFILE in the systemd unit, or lower connections in [limits]";
        tracing::warn!(
            limit,
            needed,
            advice,
            "fewer files may be open than are needed at most"
        );
    }
}

fn setrlimit_where_needed(soft: u64, hard: u64) -> nix::Result<()> {
    if soft == hard {
        return Ok(());
    }
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
}

/// Files that may be open at once: connections of mail servers, each with one to Dovecot where there is one, and
/// those to providers.
fn needed(config: &Config) -> u64 {
    let connections = config.connections();
    let upstream = if config.upstream.is_some() {
        connections
    } else {
        0
    };
    let providers = config.providers.iter();
    let providers: u64 = providers.map(crate::config::Provider::connections).sum();
    let http = config.http.as_ref().map_or(0, |http| {
        u64::from(http.connections.get()) * http.listeners().len() as u64
    });
    let dict = config
        .dict
        .as_ref()
        .map_or(0, |dict| dict.connections.get());
    let sources = config.accounts.as_ref().map_or(0, |accounts| {
        u64::from(accounts.connections.get()) * accounts.listeners().len() as u64
    });
    let watchers = if config.metrics.is_some() {
        super::WATCHERS.into()
    } else {
        0
    };
    connections + upstream + providers + http + u64::from(dict) + sources + watchers + OTHERS
}
