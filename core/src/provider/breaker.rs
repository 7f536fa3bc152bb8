//! A circuit breaker: a provider that does not answer is left alone for a while.
//!
//! No answer at all tells of the provider, whoever asked. A 5xx tells of the question as well, for some providers
//! answer so to every token that they do not know: it counts only while nobody has had a better answer lately.
//! Strangers, who could be sending such tokens, do not decide when a provider is asked again.

use core::time::Duration;

/// Failures in a row after which nobody is asked.
const FAILURES: u8 = 5;

/// Shortest pause until one request may try again.
const MIN_PAUSE: Duration = Duration::from_secs(1);

/// Longest, also where the provider asks for more.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// How long an answer below 500 proves that a 5xx is the question's own.
const LATELY: Duration = Duration::from_mins(1);

/// Whether a provider is asked. Times are since any one beginning, on a clock that is never set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Breaker {
    failures: u8,
    answered_at: Option<Duration>,
    open: Option<Open>,
    /// The last pause of one that was silent, until a request is answered that did not end it: what was tried may work where nothing
    /// else does.
    last_pause: Option<Duration>,
}

/// A breaker that lets nobody pass.
#[derive(Clone, Copy, Debug)]
struct Open {
    why: Why,
    until: Duration,
    pause: Duration,
    /// Whether the one request that tries again is on its way.
    is_probing: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Why {
    /// It does not answer.
    Silent,
    /// It answers with 5xx.
    Failing,
    /// It said when to come again.
    AskedToWait,
}

/// Who wants to ask.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asker {
    /// Whoever had a good login lately, or we ourselves with a public question: one may try again.
    Trusted,
    /// Anybody else.
    Stranger,
}

/// What came of a request that was permitted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RequestOutcome {
    /// A status below 500.
    Answered,
    /// A status of 500 or more.
    ServerError,
    /// No connection, none that TLS trusts, a time-out, or a connection that broke.
    NoAnswer,
    /// The provider wants to be asked again after this long (RFC 9110 section 10.2.3).
    AskedToWait(Duration),
    /// It was given up before it had an outcome.
    Abandoned,
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
    /// Whether a request may be made; one that was permitted has to [`report`](Self::report) its outcome.
    ///
    /// A provider that only fails may be tried by those that are trusted at once, one at a time: it may well have
    /// an answer for them.
    pub fn permits(&mut self, now: Duration, asker: Asker) -> bool {
        let Some(open) = &mut self.open else {
            return true;
        };
        let is_over = now >= open.until;
        match open.why {
            Why::AskedToWait => {
                if is_over {
                    self.open = None;
                }
                return is_over;
            }
            Why::Silent if !is_over => return false,
            Why::Silent | Why::Failing => {}
        }
        if open.is_probing || asker == Asker::Stranger {
            return false;
        }
        open.is_probing = true;
        true
    }

    /// Takes the outcome of a request.
    pub fn report(&mut self, now: Duration, outcome: RequestOutcome) -> Option<Change> {
        match outcome {
            RequestOutcome::Answered => {
                self.failures = 0;
                self.has_answered(now);
                if self.open.is_none() {
                    self.last_pause = None;
                }
                self.close()
            }
            RequestOutcome::ServerError => self.server_error(now),
            RequestOutcome::NoAnswer => self.failure(now, Why::Silent),
            RequestOutcome::AskedToWait(pause) => self.wait(now, pause),
            RequestOutcome::Abandoned => {
                if let Some(open) = &mut self.open {
                    open.is_probing = false;
                }
                None
            }
        }
    }

    /// The provider has answered another question below 500, one for its metadata say. That closes nothing.
    pub fn has_answered(&mut self, now: Duration) {
        self.answered_at = Some(now);
    }

    /// Whether somebody is not asked at the moment.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether that is because the provider asked for it.
    #[must_use]
    pub fn waits_as_asked(&self) -> bool {
        self.open.is_some_and(|open| open.why == Why::AskedToWait)
    }

    /// How long until a public question may try whether the provider is back; `None` where none is needed.
    #[must_use]
    pub fn probe_in(&self, now: Duration) -> Option<Duration> {
        let open = self.open.filter(|open| open.why != Why::AskedToWait)?;
        Some(open.until.saturating_sub(now))
    }

    fn close(&mut self) -> Option<Change> {
        let open = self.open.take_if(|open| open.why != Why::AskedToWait)?;
        self.last_pause = (open.why == Why::Silent).then_some(open.pause);
        Some(Change::Closed)
    }

    fn server_error(&mut self, now: Duration) -> Option<Change> {
        match self.open.map(|open| open.why) {
            // It answers.
            Some(Why::Silent) => {
                self.failures = 0;
                self.close()
            }
            None if self.has_answered_lately(now) => {
                self.failures = 0;
                None
            }
            _ => self.failure(now, Why::Failing),
        }
    }

    fn has_answered_lately(&self, now: Duration) -> bool {
        let answered_at = self.answered_at;
        answered_at.is_some_and(|answered_at| now < answered_at.saturating_add(LATELY))
    }

    fn failure(&mut self, now: Duration, why: Why) -> Option<Change> {
        let pause = match &mut self.open {
            // One that was on its way already when the breaker opened.
            Some(open) if !open.is_probing || open.why == Why::AskedToWait => return None,
            // One that has tried before its time.
            Some(open) if now < open.until => {
                open.is_probing = false;
                return None;
            }
            Some(open) => longer(open.pause),
            None => {
                self.failures = self.failures.saturating_add(1);
                if self.failures < FAILURES {
                    return None;
                }
                self.last_pause.map_or(MIN_PAUSE, longer)
            }
        };
        Some(self.open_for(now, pause, why))
    }

    fn wait(&mut self, now: Duration, pause: Duration) -> Option<Change> {
        let pause = pause.clamp(MIN_PAUSE, MAX_PAUSE);
        match self.open {
            Some(open) if open.until >= now.saturating_add(pause) => None,
            _ => Some(self.open_for(now, pause, Why::AskedToWait)),
        }
    }

    fn open_for(&mut self, now: Duration, pause: Duration, why: Why) -> Change {
        self.open = Some(Open {
            why,
            until: now.saturating_add(pause),
            pause,
            is_probing: false,
        });
        Change::Opened(pause)
    }
}

fn longer(pause: Duration) -> Duration {
    pause.saturating_mul(2).min(MAX_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::Asker::{Stranger, Trusted};
    use super::RequestOutcome::{Abandoned, Answered, AskedToWait, NoAnswer, ServerError};
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn opened(outcome: RequestOutcome) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            assert!(breaker.permits(seconds(0), Stranger));
            assert_eq!(breaker.report(seconds(0), outcome), None);
        }
        let change = Some(Change::Opened(seconds(1)));
        assert_eq!(breaker.report(seconds(0), outcome), change);
        breaker
    }

    #[test]
    fn it_opens_after_five_failures_in_a_row() {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            assert_eq!(breaker.report(seconds(0), NoAnswer), None);
        }
        assert_eq!(breaker.report(seconds(0), Answered), None);
        let change = breaker.report(seconds(0), NoAnswer);
        assert_eq!(change, None, "they were not in a row");
        let mut breaker = opened(NoAnswer);
        assert!(breaker.is_open() && !breaker.permits(seconds(0), Trusted));
    }

    #[test]
    fn one_request_of_no_stranger_probes_after_the_pause_which_doubles() {
        let mut breaker = opened(NoAnswer);
        let mut now = 0;
        for pause in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!(breaker.probe_in(seconds(now)), Some(seconds(pause)));
            now += pause;
            let before = seconds(now).saturating_sub(Duration::from_millis(1));
            assert!(!breaker.permits(before, Trusted));
            assert!(!breaker.permits(seconds(now), Stranger));
            assert!(breaker.permits(seconds(now), Trusted));
            assert!(!breaker.permits(seconds(now), Trusted), "one at a time");
            let next = (pause * 2).min(30);
            let change = Some(Change::Opened(seconds(next)));
            assert_eq!(breaker.report(seconds(now), NoAnswer), change);
        }
        assert!(breaker.permits(seconds(now + 30), Trusted));
        let change = breaker.report(seconds(now + 30), Answered);
        assert_eq!(change, Some(Change::Closed));
        assert!(breaker.permits(seconds(now + 30), Stranger));
    }

    #[test]
    fn a_provider_that_answers_to_probes_only_is_left_alone_ever_longer() {
        let mut breaker = opened(NoAnswer);
        for pause in [2, 4, 8] {
            assert!(breaker.permits(seconds(100), Trusted));
            assert_eq!(breaker.report(seconds(100), Answered), Some(Change::Closed));
            for _ in 0..4 {
                assert_eq!(breaker.report(seconds(100), NoAnswer), None);
            }
            let change = breaker.report(seconds(0), NoAnswer);
            assert_eq!(change, Some(Change::Opened(seconds(pause))));
        }
        assert!(breaker.permits(seconds(100), Trusted));
        breaker.report(seconds(100), Answered);
        breaker.report(seconds(100), Answered);
        for _ in 0..4 {
            breaker.report(seconds(100), NoAnswer);
        }
        let change = breaker.report(seconds(100), NoAnswer);
        assert_eq!(change, Some(Change::Opened(seconds(1))));
    }

    #[test]
    fn server_errors_do_not_count_while_anybody_is_answered() {
        let mut breaker = Breaker::default();
        breaker.report(seconds(0), Answered);
        for _ in 0..100 {
            assert_eq!(breaker.report(seconds(59), ServerError), None);
        }
        breaker.has_answered(seconds(59));
        for _ in 0..100 {
            assert_eq!(breaker.report(seconds(118), ServerError), None);
        }
        for _ in 0..4 {
            assert_eq!(breaker.report(seconds(119), ServerError), None);
        }
        let change = breaker.report(seconds(119), ServerError);
        assert_eq!(change, Some(Change::Opened(seconds(1))));
    }

    #[test]
    fn whoever_is_trusted_tries_a_failing_provider_at_once() {
        let mut breaker = opened(ServerError);
        assert!(!breaker.permits(seconds(0), Stranger));
        assert!(breaker.permits(seconds(0), Trusted));
        assert!(!breaker.permits(seconds(0), Trusted), "one at a time");
        assert_eq!(breaker.report(seconds(0), ServerError), None);
        assert!(breaker.permits(seconds(0), Trusted));
        assert_eq!(breaker.report(seconds(0), Answered), Some(Change::Closed));
    }

    #[test]
    fn a_server_error_is_an_answer_of_one_that_was_silent() {
        let mut breaker = opened(NoAnswer);
        assert!(breaker.permits(seconds(1), Trusted));
        let change = breaker.report(seconds(1), ServerError);
        assert_eq!(change, Some(Change::Closed));
    }

    #[test]
    fn a_provider_that_asks_for_a_pause_has_it_within_bounds() {
        for (asked, pause) in [(0, 1), (7, 7), (86_400, 30)] {
            let mut breaker = Breaker::default();
            let change = breaker.report(seconds(0), AskedToWait(seconds(asked)));
            assert_eq!(change, Some(Change::Opened(seconds(pause))));
            assert_eq!(breaker.report(seconds(0), Answered), None, "it was late");
            assert!(!breaker.permits(seconds(pause - 1), Trusted));
            assert_eq!(breaker.probe_in(seconds(0)), None);
            assert!(breaker.permits(seconds(pause), Stranger));
            assert!(breaker.permits(seconds(pause), Stranger), "all of them");
        }
    }

    #[test]
    fn late_failures_and_abandoned_probes_do_not_lengthen_it() {
        let mut breaker = opened(NoAnswer);
        assert_eq!(breaker.report(seconds(0), NoAnswer), None);
        assert!(breaker.permits(seconds(1), Trusted));
        breaker.report(seconds(1), Abandoned);
        assert!(breaker.permits(seconds(1), Trusted));
    }
}
