//! How many lines of one kind the log takes a second: strangers cause most of them.
//!
//! A kind is a place in the source. A login's line is exempt: there is one a login.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Lines of a kind that may come at once: what a start says of many providers.
const BURST: f64 = 50.0;

/// Lines of a kind a second, in the long run.
const RATE: f64 = 10.0;

/// The target of lines that are not limited.
pub(super) const UNLIMITED: &str = "gatepost::every";

/// What has been said of each kind.
pub(super) struct Limits(Mutex<Option<HashMap<Identifier, Kind>>>);

struct Kind {
    /// Lines that may be said now.
    left: f64,
    at: Instant,
    /// Lines that were not said.
    left_out: u64,
    level: Level,
    message: String,
}

impl Limits {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Whether a line may be said, and, if not, whether it is the first that may not.
    fn permits(&self, event: &Event<'_>, now: Instant) -> Permission {
        let metadata = event.metadata();
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kinds = kinds.get_or_insert_default();
        let kind = kinds.entry(metadata.callsite()).or_insert_with(|| Kind {
            left: BURST,
            at: now,
            left_out: 0,
            level: *metadata.level(),
            message: String::new(),
        });
        let passed = now.saturating_duration_since(kind.at).as_secs_f64();
        kind.left = (kind.left + passed * RATE).min(BURST);
        kind.at = now;
        if kind.left >= 1.0 {
            kind.left -= 1.0;
            return Permission::Granted;
        }
        kind.left_out += 1;
        if kind.left_out > 1 {
            return Permission::Refused;
        }
        if kind.message.is_empty() {
            event.record(&mut Message(&mut kind.message));
        }
        Permission::FirstRefused
    }

    /// What was left out since it was last asked: level, message and number of lines of each kind.
    fn take_left_out(&self) -> Vec<(Level, String, u64)> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kinds = kinds.iter_mut().flat_map(HashMap::values_mut);
        let left_out = kinds.filter(|kind| kind.left_out > 0).map(|kind| {
            let lines = std::mem::take(&mut kind.left_out);
            (kind.level, kind.message.clone(), lines)
        });
        left_out.collect()
    }

    /// Says how many lines were left out, of each kind.
    pub(super) fn report(&self) {
        for (level, of, lines) in self.take_left_out() {
            match level {
                Level::ERROR | Level::WARN => {
                    tracing::warn!(target: UNLIMITED, of, lines, "similar lines left out");
                }
                Level::INFO => {
                    tracing::info!(target: UNLIMITED, of, lines, "similar lines left out");
                }
                _ => tracing::debug!(target: UNLIMITED, of, lines, "similar lines left out"),
            }
        }
    }
}

#[derive(Debug, Eq, PartialEq)]
enum Permission {
    Granted,
    Refused,
    FirstRefused,
}

/// The layer that leaves lines out.
pub(super) struct Limit {
    pub(super) limits: &'static Limits,
    /// Called when a report is due within a second.
    pub(super) want_report: fn(),
}

impl<S: Subscriber> Layer<S> for Limit {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        if event.metadata().target() == UNLIMITED {
            return true;
        }
        let permission = self.limits.permits(event, Instant::now());
        if permission == Permission::FirstRefused {
            (self.want_report)();
        }
        permission == Permission::Granted
    }
}

/// Takes the message of an event, which is a text of ours.
struct Message<'m>(&'m mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            // A string always has room.
            let _ = write!(self.0, "{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as Lock;
    use std::time::Duration;

    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::registry;

    use super::*;

    /// Asks for each event whether it may be said, at the next of some moments.
    struct Asked {
        limits: &'static Limits,
        moments: Lock<Vec<Instant>>,
        permissions: &'static Lock<Vec<Permission>>,
    }

    impl<S: Subscriber> Layer<S> for Asked {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let now = self.moments.lock().unwrap().remove(0);
            let permission = self.limits.permits(event, now);
            self.permissions.lock().unwrap().push(permission);
        }
    }

    fn leak<T>(value: T) -> &'static T {
        Box::leak(Box::new(value))
    }

    #[test]
    fn a_kind_has_a_burst_then_its_rate_and_what_is_left_out_is_counted() {
        let (limits, permissions) = (leak(Limits::new()), leak(Lock::default()));
        let start = Instant::now();
        let seconds = |seconds| start + Duration::from_secs(seconds);
        let moments = [vec![start; 53], vec![seconds(1); 12], vec![seconds(100)]].concat();
        let asked = Asked {
            limits,
            moments: Lock::new(moments.clone()),
            permissions,
        };
        tracing::subscriber::with_default(registry().with(asked), || {
            for _ in &moments {
                tracing::warn!(noise = 1, "flood");
            }
        });
        let permissions = permissions.lock().unwrap();
        let granted = |range: std::ops::Range<usize>| {
            let granted = permissions[range].iter();
            granted.filter(|one| **one == Permission::Granted).count()
        };
        assert_eq!(granted(0..53), 50);
        assert_eq!(granted(53..65), 10);
        assert_eq!(granted(65..66), 1);
        assert_eq!(permissions[50], Permission::FirstRefused);
        assert_eq!(permissions[51], Permission::Refused);
        let left_out = limits.take_left_out();
        assert_eq!(left_out, [(Level::WARN, "flood".to_owned(), 5)]);
        assert!(limits.take_left_out().is_empty());
    }
}
