//! How long a JWK Set is good, and when it is fetched anew.
//!
//! A set is used for as long as nothing better can be had, up to [`MAX_AGE`]: a provider that is away for an
//! hour keeps nobody from logging in. Its age is counted on a clock that is never set; only a set out of a store
//! has an age that the time of day tells.

use core::time::Duration;

use crate::time::UnixTime;

/// Shortest time between two fetches that are due, in seconds, whatever the provider says.
const MIN_FRESH: u32 = 300;

/// Longest, in seconds.
const MAX_FRESH: u32 = 86_400;

/// How long a set is fresh whose provider does not say, in seconds.
const DEFAULT_FRESH: u32 = 3_600;

/// How long a set is used that cannot be fetched anew, in seconds: a week, for a long weekend's outage.
const MAX_AGE: i64 = 604_800;

/// Longest pause between two attempts that fail, in seconds.
const MAX_PAUSE: u32 = 60;

/// How far the provider's clock may be behind ours, in seconds: the skew that policies allow.
const SKEW: u32 = 60;

/// How old a set may be in which a key that a token without `iat` names would be found, in seconds.
const RECENT: i64 = 30;

/// The life of one issuer's JWK Set. Times are since any one beginning, on a clock that is never set.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeySetLife {
    /// In seconds; below nought where that was before the beginning.
    fetched_at: Option<i64>,
    /// When it is fetched next; the beginning before the first attempt.
    due_at: Duration,
    failures: u8,
}

impl KeySetLife {
    /// A set that was fetched `age` seconds ago and kept in a store: it is used, and due at once.
    pub(super) fn recovered(now: Duration, age: i64) -> Self {
        Self {
            fetched_at: Some(seconds(now).saturating_sub(age.max(0))),
            ..Self::default()
        }
    }

    /// When the set is due.
    pub(super) fn due_at(&self) -> Duration {
        self.due_at
    }

    /// It was fetched; `max_age` is what `Cache-Control` says, in seconds (RFC 9111 section 5.2.2.1).
    pub(super) fn fetched(&mut self, now: Duration, max_age: Option<u32>) {
        let fresh = max_age.unwrap_or(DEFAULT_FRESH);
        let fresh = fresh.clamp(MIN_FRESH, MAX_FRESH);
        self.fetched_at = Some(seconds(now));
        self.due_at = now.saturating_add(Duration::from_secs(fresh.into()));
        self.failures = 0;
    }

    /// It could not be fetched, or was not a set of keys.
    pub(super) fn failed(&mut self, now: Duration) {
        let pause = 1_u32.checked_shl(self.failures.into()).unwrap_or(MAX_PAUSE);
        self.failures = self.failures.saturating_add(1);
        let pause = Duration::from_secs(pause.min(MAX_PAUSE).into());
        self.due_at = now.saturating_add(pause);
    }

    /// Whether a key that the set lacks is not the provider's: the token was issued well before the set was
    /// fetched, and a key is published before it signs. `time` is the time of day, where that is known.
    ///
    /// Nobody has vouched for `issued_at`; it only tells a bad token from one that may be good later.
    pub(super) fn covers(
        &self,
        now: Duration,
        time: Option<UnixTime>,
        issued_at: Option<UnixTime>,
    ) -> bool {
        let Some(age) = self.age(now) else {
            return false;
        };
        let Some(issued_at) = issued_at else {
            return age < RECENT;
        };
        let fetched_at = time.map(|time| time.seconds().saturating_sub(age));
        fetched_at.is_some_and(|fetched_at| issued_at.plus(SKEW).seconds() <= fetched_at)
    }

    /// Whether the set has not been fetched for so long that it is used no more.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        self.age(now).is_none_or(|age| age >= MAX_AGE)
    }

    /// In seconds.
    fn age(&self, now: Duration) -> Option<i64> {
        Some(seconds(now).saturating_sub(self.fetched_at?))
    }
}

fn seconds(at: Duration) -> i64 {
    i64::try_from(at.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: i64 = 1_800_000_000;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn unix(seconds: i64) -> UnixTime {
        UnixTime::from_seconds(TIME + seconds)
    }

    fn covers(life: &KeySetLife, now: u64, time: i64, issued_at: i64) -> bool {
        life.covers(at(now), Some(unix(time)), Some(unix(issued_at)))
    }

    #[test]
    fn freshness_stays_between_five_minutes_and_a_day() {
        for (max_age, expected) in [
            (None, 3_600),
            (Some(0), 300),
            (Some(301), 301),
            (Some(u32::MAX), 86_400),
        ] {
            let mut life = KeySetLife::default();
            assert_eq!(life.due_at(), at(0), "at once");
            life.fetched(at(7), max_age);
            assert_eq!(life.due_at(), at(7 + expected));
        }
    }

    #[test]
    fn failures_are_repeated_ever_more_slowly_and_lose_nothing() {
        let mut life = KeySetLife::recovered(at(5), 10);
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            life.failed(at(5));
            assert_eq!(life.due_at(), at(5 + pause));
        }
        for _ in 0..300 {
            life.failed(at(5));
        }
        assert_eq!(life.due_at(), at(65));
        assert!(!life.is_over(at(5)));
        life.fetched(at(5), None);
        life.failed(at(3_605));
        assert_eq!(life.due_at(), at(3_606));
    }

    #[test]
    fn only_a_set_that_is_newer_than_the_token_covers_it() {
        let mut life = KeySetLife::default();
        assert!(!covers(&life, 0, 0, -100));
        assert!(life.is_over(at(0)));
        life.fetched(at(0), None);
        assert!(covers(&life, 500, 500, -60));
        assert!(!covers(&life, 500, 500, -59));
        assert!(life.covers(at(29), Some(unix(29)), None));
        assert!(!life.covers(at(30), Some(unix(30)), None));
    }

    #[test]
    fn a_clock_that_is_set_later_makes_no_set_older() {
        let mut life = KeySetLife::default();
        life.fetched(at(2), None);
        assert!(!life.covers(at(3), None, Some(unix(-100))), "nobody knows");
        assert!(life.covers(at(3), None, None));
        // The clock is set now, and 1970 was never the time.
        assert!(!life.is_over(at(4)));
        assert!(covers(&life, 4, 0, -62));
        assert!(!covers(&life, 4, 0, -61));
    }

    #[test]
    fn a_set_is_used_for_a_week_at_most() {
        let life = KeySetLife::recovered(at(9), 0);
        assert!(!life.is_over(at(9 + 604_799)));
        assert!(life.is_over(at(9 + 604_800)));
        assert!(KeySetLife::recovered(at(9), 604_800).is_over(at(9)));
        assert!(
            !KeySetLife::recovered(at(9), -5).is_over(at(9)),
            "from the future"
        );
    }
}
