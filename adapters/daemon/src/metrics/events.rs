//! What happens anywhere in the daemon, counted where it happens.

use std::sync::atomic::{AtomicU64, Ordering};
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
