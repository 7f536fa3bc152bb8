//! How long a JWK Set is good, and when it is fetched anew.
//!
//! A set is used for as long as nothing better can be had, up to [`MAX_AGE`]: a provider that is away for an
//! hour keeps nobody from logging in. It is looked at again when it is due, and when a token names a key
//! that it lacks; the latter once a [`COOLDOWN`], however many tokens do.

use crate::time::UnixTime;

/// Shortest time between two fetches that are due, in seconds, whatever the provider says.
const MIN_FRESH: u32 = 300;

/// Longest, in seconds.
const MAX_FRESH: u32 = 86_400;

/// How long a set is fresh whose provider does not say, in seconds.
const DEFAULT_FRESH: u32 = 3_600;

/// How long a set is used that cannot be fetched anew, in seconds: a week, for a long weekend's outage.
const MAX_AGE: u32 = 604_800;

/// Time between two fetches for keys that are not known, in seconds.
const COOLDOWN: u32 = 30;

/// Longest pause between two attempts that fail, in seconds.
const MAX_PAUSE: u32 = 60;

/// How far the provider's clock may be behind ours, in seconds: the skew that policies allow.
const SKEW: u32 = 60;

/// How old a set may be in which a key that a token without `iat` names would be found, in seconds.
const RECENT: u32 = COOLDOWN;

/// The life of one issuer's JWK Set.
#[derive(Clone, Debug, Default)]
pub struct KeySetLife {
    fetched_at: Option<UnixTime>,
    /// When it is fetched next; `None` before the first attempt.
    due_at: Option<UnixTime>,
    /// When it was last fetched for a key that was not known.
    asked_for_at: Option<UnixTime>,
    /// When it was last fetched because a signature failed: whoever forges one delays no look for a key that
    /// is not known.
    doubted_at: Option<UnixTime>,
    failures: u8,
}

impl KeySetLife {
    /// A set that was fetched before and kept on disk: it is used, and due at once.
    #[must_use]
    pub fn recovered(fetched_at: UnixTime) -> Self {
        Self {
            fetched_at: Some(fetched_at),
            ..Self::default()
        }
    }

    /// Seconds until the set is due: nought where it is.
    #[must_use]
    pub fn due_in(&self, now: UnixTime) -> u32 {
        let Some(due_at) = self.due_at else { return 0 };
        let seconds = due_at.seconds().saturating_sub(now.seconds());
        // A clock that was set back does not put a fetch off beyond the longest time there is.
        u32::try_from(seconds.max(0)).map_or(MAX_FRESH, |seconds| seconds.min(MAX_FRESH))
    }

    /// It was fetched; `max_age` is what `Cache-Control` says, in seconds (RFC 9111 section 5.2.2.1).
    pub fn fetched(&mut self, now: UnixTime, max_age: Option<u32>) {
        let fresh = max_age.unwrap_or(DEFAULT_FRESH);
        self.fetched_at = Some(now);
        self.due_at = Some(now.plus(fresh.clamp(MIN_FRESH, MAX_FRESH)));
        self.failures = 0;
    }

    /// It could not be fetched, or was not a set of keys.
    pub fn failed(&mut self, now: UnixTime) {
        let pause = 1_u32.checked_shl(self.failures.into()).unwrap_or(MAX_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.due_at = Some(now.plus(pause.min(MAX_PAUSE)));
    }

    /// Whether a key that is not known is reason to fetch now; taking it as one begins a cooldown.
    pub fn ask_for_unknown_key(&mut self, now: UnixTime) -> bool {
        let is_cool = self.may_ask_for_unknown_key(now);
        if is_cool {
            self.asked_for_at = Some(now);
        }
        is_cool
    }

    /// Whether [`ask_for_unknown_key`](Self::ask_for_unknown_key) would say so.
    #[must_use]
    pub fn may_ask_for_unknown_key(&self, now: UnixTime) -> bool {
        is_cool(self.asked_for_at, now)
    }

    /// Whether a signature that failed under a known key is reason to fetch now: the provider may have
    /// replaced the key and kept its name. It has a cooldown of its own, which taking it as a reason begins.
    pub fn doubt_known_key(&mut self, now: UnixTime) -> bool {
        let is_cool = self.may_doubt_known_key(now);
        if is_cool {
            self.doubted_at = Some(now);
        }
        is_cool
    }

    /// Whether [`doubt_known_key`](Self::doubt_known_key) would say so.
    #[must_use]
    pub fn may_doubt_known_key(&self, now: UnixTime) -> bool {
        is_cool(self.doubted_at, now)
    }

    /// Whether a key that the set lacks is not the provider's: the token was issued well before the set was
    /// fetched, and a key is published before it signs.
    ///
    /// Nobody has vouched for `issued_at`; it only tells a bad token from one that may be good later.
    #[must_use]
    pub fn covers(&self, now: UnixTime, issued_at: Option<UnixTime>) -> bool {
        let Some(fetched_at) = self.fetched_at else {
            return false;
        };
        match issued_at {
            Some(issued_at) => issued_at.plus(SKEW) <= fetched_at,
            None => now < fetched_at.plus(RECENT),
        }
    }

    /// Whether the set has not been fetched for so long that it is used no more.
    #[must_use]
    pub fn is_over(&self, now: UnixTime) -> bool {
        self.fetched_at
            .is_none_or(|fetched_at| now >= fetched_at.plus(MAX_AGE))
    }
}

/// Whether the cooldown that began `at` is over; a clock that was set back does not lengthen it.
fn is_cool(at: Option<UnixTime>, now: UnixTime) -> bool {
    at.is_none_or(|at| now >= at.plus(COOLDOWN) || now < at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> UnixTime {
        UnixTime::from_seconds(1_800_000_000 + seconds)
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
            assert_eq!(life.due_in(at(0)), 0, "at once");
            life.fetched(at(0), max_age);
            assert_eq!(life.due_in(at(0)), expected);
            assert_eq!(life.due_in(at(i64::from(expected))), 0);
            assert_eq!(life.due_in(at(-1_000_000)), 86_400, "the clock went back");
        }
    }

    #[test]
    fn failures_are_repeated_ever_more_slowly_and_lose_nothing() {
        let mut life = KeySetLife::recovered(at(-10));
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            life.failed(at(0));
            assert_eq!(life.due_in(at(0)), pause);
        }
        for _ in 0..300 {
            life.failed(at(0));
        }
        assert_eq!(life.due_in(at(0)), 60);
        assert!(!life.is_over(at(0)));
        life.fetched(at(0), None);
        life.failed(at(3_600));
        assert_eq!(life.due_in(at(3_600)), 1);
    }

    #[test]
    fn unknown_keys_cause_one_fetch_a_cooldown() {
        let mut life = KeySetLife::default();
        life.fetched(at(0), None);
        assert!(life.ask_for_unknown_key(at(1)));
        for second in 1..31 {
            assert!(!life.ask_for_unknown_key(at(second)));
        }
        assert!(life.ask_for_unknown_key(at(31)));
        assert!(life.ask_for_unknown_key(at(0)), "the clock went back");
    }

    #[test]
    fn failed_signatures_delay_no_look_for_unknown_keys() {
        let mut life = KeySetLife::default();
        life.fetched(at(0), None);
        assert!(life.doubt_known_key(at(1)));
        assert!(!life.doubt_known_key(at(30)) && !life.may_doubt_known_key(at(30)));
        assert!(life.ask_for_unknown_key(at(2)));
        assert!(life.doubt_known_key(at(31)));
    }

    #[test]
    fn only_a_set_that_is_newer_than_the_token_covers_it() {
        let mut life = KeySetLife::default();
        assert!(!life.covers(at(0), Some(at(-100))));
        assert!(life.is_over(at(0)));
        life.fetched(at(0), None);
        assert!(life.covers(at(500), Some(at(-60))));
        assert!(!life.covers(at(500), Some(at(-59))));
        assert!(life.covers(at(29), None));
        assert!(!life.covers(at(30), None));
    }

    #[test]
    fn a_set_is_used_for_a_week_at_most() {
        let life = KeySetLife::recovered(at(0));
        assert!(!life.is_over(at(604_799)));
        assert!(life.is_over(at(604_800)));
    }
}
