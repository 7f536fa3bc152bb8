//! What all connections share.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gatepost_core::UnixTime;
use tokio::sync::watch;

use crate::accounts::Accounts;
use crate::connection::peer::Stage;
use crate::judging::generation::Generation;
use crate::judging::guesses::Guesses;
use crate::metrics::Metrics;

/// What all connections share.
pub(crate) struct Service {
    pub(crate) generation: watch::Receiver<Arc<Generation>>,
    pub(crate) metrics: Metrics,
    /// How far the daemon is.
    pub(crate) stopping: watch::Receiver<Stage>,
    /// How long a client may take to say who it is.
    pub(crate) handshake: Duration,
    /// How long it may take to end a line, and to take an answer.
    pub(crate) line: Duration,
    pub(crate) guesses: Guesses,
    /// The accounts that are known before anybody logs in.
    pub(crate) accounts: Option<Arc<Accounts>>,
}

/// The time of the system's clock.
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    // A clock before 1970 is not set: every token is from the future then.
    let seconds = since.map_or(0, |since| since.as_secs());
    UnixTime::from_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}
