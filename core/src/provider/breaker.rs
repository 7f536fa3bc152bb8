//! A circuit breaker: a provider that keeps failing is left alone for a while.

use core::time::Duration;

/// Failures in a row after which nobody is asked.
const FAILURES: u8 = 5;

/// Shortest pause until one request may try again.
const MIN_PAUSE: Duration = Duration::from_secs(1);

/// Longest.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Whether a provider is asked. Times are since any one beginning, on a clock that is never set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Breaker {
    failures: u8,
    open: Option<Open>,
}

/// A breaker that lets nobody pass.
#[derive(Clone, Copy, Debug)]
struct Open {
    until: Duration,
    pause: Duration,
    /// Whether the one request that tries again is on its way.
    is_probing: bool,
}

/// What an outcome has changed, for the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// Nobody is asked for this long.
    Opened(Duration),
    /// The provider is asked again.
    Closed,
}

impl Breaker {
    /// Whether a request may be made; one that was permitted has to report its outcome.
    pub fn permits(&mut self, now: Duration) -> bool {
        match &mut self.open {
            None => true,
            Some(open) if open.is_probing || now < open.until => false,
            Some(open) => {
                open.is_probing = true;
                true
            }
        }
    }

    /// A request was answered, whatever the answer says of a token.
    pub fn succeeded(&mut self) -> Option<Change> {
        self.failures = 0;
        self.open.take().map(|_| Change::Closed)
    }

    /// A request was not answered, or with a fault of the provider's.
    pub fn failed(&mut self, now: Duration) -> Option<Change> {
        let pause = match self.open {
            // One that was on its way already when the breaker opened.
            Some(open) if !open.is_probing => return None,
            Some(open) => open.pause.saturating_mul(2).min(MAX_PAUSE),
            None => {
                self.failures = self.failures.saturating_add(1);
                if self.failures < FAILURES {
                    return None;
                }
                MIN_PAUSE
            }
        };
        self.open = Some(Open {
            until: now.saturating_add(pause),
            pause,
            is_probing: false,
        });
        Some(Change::Opened(pause))
    }

    /// A request that was permitted was given up before it had an outcome.
    pub fn abandoned(&mut self) {
        if let Some(open) = &mut self.open {
            open.is_probing = false;
        }
    }

    /// Whether nobody is asked at the moment.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            assert!(breaker.permits(seconds(0)));
            assert_eq!(breaker.failed(seconds(0)), None);
        }
        assert_eq!(breaker.failed(seconds(0)), Some(Change::Opened(seconds(1))));
        breaker
    }

    #[test]
    fn it_opens_after_five_failures_in_a_row() {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            assert_eq!(breaker.failed(seconds(0)), None);
        }
        assert_eq!(breaker.succeeded(), None);
        assert_eq!(breaker.failed(seconds(0)), None, "they were not in a row");
        let mut breaker = opened();
        assert!(breaker.is_open() && !breaker.permits(seconds(0)));
    }

    #[test]
    fn one_request_probes_after_the_pause_which_doubles() {
        let mut breaker = opened();
        let mut now = 0;
        for pause in [1, 2, 4, 8, 16, 30, 30] {
            now += pause;
            assert!(!breaker.permits(seconds(now).saturating_sub(Duration::from_millis(1))));
            assert!(breaker.permits(seconds(now)));
            assert!(!breaker.permits(seconds(now)), "one at a time");
            let next = (pause * 2).min(30);
            let change = Some(Change::Opened(seconds(next)));
            assert_eq!(breaker.failed(seconds(now)), change);
        }
        assert!(breaker.permits(seconds(now + 30)));
        assert_eq!(breaker.succeeded(), Some(Change::Closed));
        assert!(breaker.permits(seconds(now + 30)));
    }

    #[test]
    fn late_failures_and_abandoned_probes_do_not_lengthen_it() {
        let mut breaker = opened();
        assert_eq!(breaker.failed(seconds(0)), None);
        assert!(breaker.permits(seconds(1)));
        breaker.abandoned();
        assert!(breaker.permits(seconds(1)));
    }
}
