//! Lines of the log that say the same, of which one in a while is enough.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long the same is not said again.
const PAUSE: Duration = Duration::from_mins(1);

/// What has been said lately. Kinds are few: they are made of enumerations and status codes.
pub(crate) struct Limited<K>(Mutex<HashMap<K, Said>>);

struct Said {
    at: Instant,
    /// How often it has not been said since.
    left_out: u32,
}

impl<K> Default for Limited<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Limited<K> {
    /// Whether this is to be said now, and how often it was left out before.
    pub(crate) fn permits(&self, kind: K) -> Option<u32> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(before) = said.get_mut(&kind)
            && now.duration_since(before.at) < PAUSE
        {
            before.left_out = before.left_out.saturating_add(1);
            return None;
        }
        let before = said.insert(
            kind,
            Said {
                at: now,
                left_out: 0,
            },
        );
        Some(before.map_or(0, |before| before.left_out))
    }
}
