//! What happens anywhere in the daemon, counted where it happens.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// A limit that kept somebody out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    /// `connections` of a listener's protocol.
    Connections,
    /// An answer to a guess had to wait (`penalty_seconds`).
    Penalty,
}

impl Limit {
    const ALL: [Self; 2] = [Self::Connections, Self::Penalty];

    const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Penalty => "penalty",
        }
    }
}

/// A connection that is open as long as this lives.
pub(crate) struct Connected(&'static str);

impl Connected {
    /// Over a protocol of that name.
    pub(crate) fn over(protocol: &'static str) -> Self {
        let mut connections = connections_mut();
        let counts = connections.entry(protocol).or_default();
        counts.open += 1;
        counts.opened += 1;
        Self(protocol)
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        connections_mut().entry(self.0).or_default().open -= 1;
    }
}

/// Connections of one protocol.
#[derive(Clone, Copy, Default)]
pub(super) struct Connections {
    /// At the moment.
    pub(super) open: i64,
    /// Since the start.
    pub(super) opened: u64,
}

static CONNECTIONS: Mutex<BTreeMap<&str, Connections>> = Mutex::new(BTreeMap::new());

fn connections_mut() -> MutexGuard<'static, BTreeMap<&'static str, Connections>> {
    // Nothing in there is ever half done.
    CONNECTIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Connections of each protocol that there has been one of.
pub(super) fn connections() -> BTreeMap<&'static str, Connections> {
    connections_mut().clone()
}

static LIMITS: [AtomicU64; Limit::ALL.len()] = [const { AtomicU64::new(0) }; Limit::ALL.len()];
static RELOADS: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
static LAST_SUCCESS: AtomicU64 = AtomicU64::new(0);

/// Counts somebody whom a limit kept out.
pub(crate) fn limit_hit(limit: Limit) {
    LIMITS[limit as usize].fetch_add(1, Ordering::Relaxed);
}

/// Counts a reading of the configuration, the first one included where it succeeds.
pub(crate) fn reloaded(is_good: bool) {
    RELOADS[usize::from(!is_good)].fetch_add(1, Ordering::Relaxed);
    if is_good {
        loaded();
    }
}

/// The configuration that was read is in force now.
pub(crate) fn loaded() {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    LAST_SUCCESS.store(since.unwrap_or_default().as_secs(), Ordering::Relaxed);
}

/// How often each limit kept somebody out.
pub(super) fn limits() -> impl Iterator<Item = (&'static str, u64)> {
    let limits = Limit::ALL.into_iter();
    limits.map(|limit| {
        let count = &LIMITS[limit as usize];
        (limit.name(), count.load(Ordering::Relaxed))
    })
}

/// Reloads by what became of them.
pub(super) fn reloads() -> [(&'static str, u64); 2] {
    let [success, failure] = &RELOADS;
    [
        ("success", success.load(Ordering::Relaxed)),
        ("failure", failure.load(Ordering::Relaxed)),
    ]
}

/// When a configuration came into force last, in seconds since 1970.
pub(super) fn last_success() -> u64 {
    LAST_SUCCESS.load(Ordering::Relaxed)
}
