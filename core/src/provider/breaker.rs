//! A circuit breaker: a provider that does not answer is left alone for a while.
//!
//! What a question brings about tells of the provider or of the question: some providers answer 5xx to every token that
//! they do not know, and what guards them asks for pauses or breaks connections. So failures of strangers, who could be
//! sending such tokens, count only while nobody has had an answer lately, and what they alone have opened does not
//! stop those who are trusted.
//!
//! ```text
//!                 trusted                           not blamed                  blamed
//! failing         at once, one at a time            at once                     no
//! silent          after the pause, one at a time    after a minute              no
//! asked to wait   after the pause                   after the pause             after the pause
//! ```
//!
//! Where strangers alone have opened it, those who are trusted try at once, one at a time.

use core::time::Duration;

/// Failures in a row after which nobody is asked.
const FAILURES: u8 = 5;

/// A pause: memory is dear where this is static.
type Seconds = u8;

/// Shortest pause until one request may try again.
const MIN_PAUSE: Seconds = 1;

/// Longest, also where the provider asks for more.
const MAX_PAUSE: Seconds = 30;

/// How long an answer below 500 proves that a stranger's failure is the question's own.
const LATELY: Duration = Duration::from_mins(1);

/// After how long strangers may try a silent provider: nobody else has found that it is back.
const FORSAKEN: Duration = Duration::from_mins(1);

/// Whether a provider is asked. Times are since any one beginning, on a clock that is never set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Breaker {
    failures: u8,
    /// Whether one of them was of somebody trusted.
    has_failed_trusted: bool,
    answered_at: Option<Duration>,
    open: Option<Open>,
    /// The last pause of one that was silent, until a request is answered that did not end it: what was tried may work
    /// where nothing else does.
    last_pause: Option<Seconds>,
}

/// A breaker that lets few pass.
#[derive(Clone, Copy, Debug)]
struct Open {
    why: Why,
    since: Duration,
    until: Duration,
    /// How long it has been left alone the last time.
    pause: Seconds,
    /// Whether strangers alone have seen why.
    is_doubtful: bool,
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
    /// Whoever had a good login lately, or we ourselves with a public question.
    Trusted,
    /// Anybody else who has brought about no failure lately.
    Unblamed,
    /// Anybody else.
    Blamed,
}

/// The permission to make one request.
#[derive(Clone, Copy, Debug)]
pub struct Admission {
    /// Whether it tries a provider that is left alone.
    is_probe: bool,
    is_trusted: bool,
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

impl RequestOutcome {
    /// How long whoever has asked has to wait, within bounds.
    #[must_use]
    pub fn pause(self) -> Option<Duration> {
        match self {
            Self::AskedToWait(pause) => Some(pause.clamp(duration(MIN_PAUSE), duration(MAX_PAUSE))),
            _ => None,
        }
    }
}

/// What an outcome has changed, for the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// Few are asked for this long.
    Opened(Duration),
    /// The provider is asked again.
    Closed,
}

impl Breaker {
    /// Permits a request, unless the provider is left alone by `asker`. Its outcome has to be
    /// [`report`](Self::report)ed.
    pub fn admit(&mut self, now: Duration, asker: Asker) -> Option<Admission> {
        let is_trusted = asker == Asker::Trusted;
        let admission = |is_probe| Admission {
            is_probe,
            is_trusted,
        };
        self.open.take_if(|open| open.is_over_as_asked(now));
        let Some(open) = &mut self.open else {
            return Some(admission(false));
        };
        match asker {
            Asker::Trusted if open.is_probing || !open.lets_try(now) => None,
            Asker::Trusted => {
                open.is_probing = true;
                Some(admission(true))
            }
            Asker::Unblamed => open.is_about_others(now).then_some(admission(false)),
            Asker::Blamed => None,
        }
    }

    /// Takes the outcome of a request.
    pub fn report(
        &mut self,
        now: Duration,
        admission: Admission,
        outcome: RequestOutcome,
    ) -> Option<Change> {
        if let Some(open) = self.open.as_mut().filter(|_| admission.is_probe) {
            open.is_probing = false;
        }
        match outcome {
            RequestOutcome::Answered => {
                self.has_answered(now);
                if self.open.is_none() {
                    self.last_pause = None;
                }
                self.close(admission)
            }
            RequestOutcome::ServerError => self.server_error(now, admission),
            RequestOutcome::NoAnswer => self.failure(now, admission, Why::Silent),
            RequestOutcome::AskedToWait(_) => self.wait(now, admission, outcome.pause()?),
            RequestOutcome::Abandoned => None,
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

    fn close(&mut self, admission: Admission) -> Option<Change> {
        self.forget_failures();
        // What was asked before the pause says nothing about it.
        let is_meant = |open: &mut Open| open.why != Why::AskedToWait || admission.is_probe;
        let open = self.open.take_if(is_meant)?;
        if open.why == Why::Silent {
            self.last_pause = Some(open.pause);
        }
        Some(Change::Closed)
    }

    fn forget_failures(&mut self) {
        self.failures = 0;
        self.has_failed_trusted = false;
    }

    fn server_error(&mut self, now: Duration, admission: Admission) -> Option<Change> {
        match self.open.map(|open| open.why) {
            // It answers.
            Some(Why::Silent) => self.close(admission),
            None if self.has_answered_lately(now) => {
                self.forget_failures();
                None
            }
            _ => self.failure(now, admission, Why::Failing),
        }
    }

    fn has_answered_lately(&self, now: Duration) -> bool {
        let answered_at = self.answered_at;
        answered_at.is_some_and(|answered_at| now < answered_at.saturating_add(LATELY))
    }

    fn failure(&mut self, now: Duration, admission: Admission, why: Why) -> Option<Change> {
        let Admission {
            is_probe,
            is_trusted,
        } = admission;
        if let Some(open) = &mut self.open {
            // Others tell nothing new, and one that has tried before its time, nothing yet.
            let is_new = is_probe && open.why != Why::AskedToWait && now >= open.until;
            return is_new.then(|| open.lengthen(now, why));
        }
        if !is_trusted && self.has_answered_lately(now) {
            return None;
        }
        self.has_failed_trusted |= is_trusted;
        self.failures = self.failures.saturating_add(1);
        if self.failures < FAILURES {
            return None;
        }
        let pause = self.last_pause.map_or(MIN_PAUSE, longer);
        let is_doubtful = !self.has_failed_trusted;
        Some(self.open(now, (pause, duration(pause)), why, is_doubtful))
    }

    fn wait(&mut self, now: Duration, admission: Admission, pause: Duration) -> Option<Change> {
        let is_doubtful = !admission.is_trusted;
        let is_others = is_doubtful && self.has_answered_lately(now);
        match &mut self.open {
            Some(open) if open.why == Why::AskedToWait => {
                open.until = open.until.max(now.saturating_add(pause));
                open.is_doubtful &= is_doubtful;
                None
            }
            _ if is_others => None,
            _ => Some(self.open(now, (MIN_PAUSE, pause), Why::AskedToWait, is_doubtful)),
        }
    }

    /// Opens for `lasting`, which counts as `pause`.
    fn open(
        &mut self,
        now: Duration,
        (pause, lasting): (Seconds, Duration),
        why: Why,
        is_doubtful: bool,
    ) -> Change {
        self.forget_failures();
        self.open = Some(Open {
            why,
            since: now,
            until: now.saturating_add(lasting),
            pause,
            is_doubtful,
            is_probing: false,
        });
        Change::Opened(lasting)
    }
}

impl Open {
    /// Whether the provider asked for this pause, and has had it.
    fn is_over_as_asked(&self, now: Duration) -> bool {
        self.why == Why::AskedToWait && now >= self.until
    }

    /// Whether somebody trusted may try: after the pause, or at once where the provider may well have an answer for him.
    fn lets_try(&self, now: Duration) -> bool {
        now >= self.until || self.is_doubtful || self.why == Why::Failing
    }

    /// Whether what is wrong may be wrong for those alone who have brought it about.
    fn is_about_others(&self, now: Duration) -> bool {
        match self.why {
            Why::Failing => true,
            Why::Silent => now >= self.since.saturating_add(FORSAKEN),
            Why::AskedToWait => false,
        }
    }

    /// Waits longer, as a try has failed.
    fn lengthen(&mut self, now: Duration, why: Why) -> Change {
        self.why = why;
        self.pause = longer(self.pause);
        let lasting = duration(self.pause);
        self.until = now.saturating_add(lasting);
        Change::Opened(lasting)
    }
}

fn longer(pause: Seconds) -> Seconds {
    pause.saturating_mul(2).min(MAX_PAUSE)
}

fn duration(pause: Seconds) -> Duration {
    Duration::from_secs(pause.into())
}

#[cfg(test)]
mod tests {
    use super::Asker::{Blamed, Trusted, Unblamed};
    use super::RequestOutcome::{Abandoned, Answered, AskedToWait, NoAnswer, ServerError};
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Whether `asker` may ask now, and what `outcome` then changes.
    fn ask(
        breaker: &mut Breaker,
        now: u64,
        asker: Asker,
        outcome: RequestOutcome,
    ) -> Result<Option<Change>, ()> {
        let admission = breaker.admit(seconds(now), asker).ok_or(())?;
        Ok(breaker.report(seconds(now), admission, outcome))
    }

    fn may_ask(breaker: Breaker, now: u64, asker: Asker) -> bool {
        { breaker }.admit(seconds(now), asker).is_some()
    }

    fn opened(seconds: u64) -> Change {
        Change::Opened(Duration::from_secs(seconds))
    }

    const CLOSED: Result<Option<Change>, ()> = Ok(Some(Change::Closed));

    /// Opened at 0 by what befell `asker`.
    fn open(asker: Asker, outcome: RequestOutcome) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            assert_eq!(ask(&mut breaker, 0, asker, outcome), Ok(None));
        }
        assert_eq!(ask(&mut breaker, 0, asker, outcome), Ok(Some(opened(1))));
        breaker
    }

    #[test]
    fn it_opens_after_five_failures_in_a_row() {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            assert_eq!(ask(&mut breaker, 0, Trusted, NoAnswer), Ok(None));
        }
        assert_eq!(ask(&mut breaker, 0, Trusted, Answered), Ok(None));
        let change = ask(&mut breaker, 0, Trusted, NoAnswer);
        assert_eq!(change, Ok(None), "they were not in a row");
        let breaker = open(Trusted, NoAnswer);
        assert!(breaker.is_open() && !may_ask(breaker, 0, Trusted));
    }

    #[test]
    fn one_trusted_request_probes_after_the_pause_which_doubles() {
        let mut breaker = open(Trusted, NoAnswer);
        let mut now = 0;
        for pause in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!(breaker.probe_in(seconds(now)), Some(seconds(pause)));
            now += pause;
            let before = seconds(now).saturating_sub(Duration::from_millis(1));
            assert!({ breaker }.admit(before, Trusted).is_none());
            let admission = breaker.admit(seconds(now), Trusted).unwrap();
            assert!(!may_ask(breaker, now, Trusted), "one at a time");
            let next = (pause * 2).min(30);
            let change = breaker.report(seconds(now), admission, NoAnswer);
            assert_eq!(change, Some(opened(next)));
        }
        assert_eq!(ask(&mut breaker, now + 30, Trusted, Answered), CLOSED);
        assert!(may_ask(breaker, now + 30, Blamed));
    }

    #[test]
    fn strangers_try_a_silent_provider_once_nobody_else_has_for_a_minute() {
        let breaker = open(Trusted, NoAnswer);
        assert!(!may_ask(breaker, 59, Unblamed) && may_ask(breaker, 60, Unblamed));
        assert!(!may_ask(breaker, 1000, Blamed));
        let mut breaker = breaker;
        assert_eq!(ask(&mut breaker, 60, Unblamed, NoAnswer), Ok(None));
        assert_eq!(ask(&mut breaker, 60, Unblamed, Answered), CLOSED);
    }

    #[test]
    fn a_provider_that_answers_to_probes_only_is_left_alone_ever_longer() {
        let mut breaker = open(Trusted, NoAnswer);
        for pause in [2, 4, 8] {
            assert_eq!(ask(&mut breaker, 100, Trusted, Answered), CLOSED);
            for _ in 0..4 {
                assert_eq!(ask(&mut breaker, 100, Trusted, NoAnswer), Ok(None));
            }
            assert_eq!(
                ask(&mut breaker, 50, Trusted, NoAnswer),
                Ok(Some(opened(pause)))
            );
        }
        assert_eq!(ask(&mut breaker, 100, Trusted, Answered), CLOSED);
        assert_eq!(ask(&mut breaker, 100, Trusted, Answered), Ok(None));
        for _ in 0..4 {
            assert_eq!(ask(&mut breaker, 100, Trusted, NoAnswer), Ok(None));
        }
        assert_eq!(
            ask(&mut breaker, 100, Trusted, NoAnswer),
            Ok(Some(opened(1)))
        );
    }

    #[test]
    fn failures_of_strangers_do_not_count_while_anybody_is_answered() {
        for outcome in [NoAnswer, ServerError, AskedToWait(seconds(7))] {
            let mut breaker = Breaker::default();
            assert_eq!(ask(&mut breaker, 0, Unblamed, Answered), Ok(None));
            for _ in 0..100 {
                assert_eq!(ask(&mut breaker, 59, Blamed, outcome), Ok(None));
            }
            breaker.has_answered(seconds(59));
            for _ in 0..100 {
                assert_eq!(ask(&mut breaker, 118, Unblamed, outcome), Ok(None));
            }
            if let AskedToWait(_) = outcome {
                assert_eq!(ask(&mut breaker, 119, Blamed, outcome), Ok(Some(opened(7))));
                continue;
            }
            for _ in 0..4 {
                assert_eq!(ask(&mut breaker, 119, Blamed, outcome), Ok(None));
            }
            assert_eq!(ask(&mut breaker, 119, Blamed, outcome), Ok(Some(opened(1))));
        }
    }

    #[test]
    fn no_answer_and_a_pause_count_of_those_who_are_trusted() {
        let mut breaker = Breaker::default();
        assert_eq!(ask(&mut breaker, 0, Trusted, Answered), Ok(None));
        for _ in 0..4 {
            assert_eq!(ask(&mut breaker, 1, Trusted, NoAnswer), Ok(None));
        }
        assert_eq!(ask(&mut breaker, 1, Trusted, NoAnswer), Ok(Some(opened(1))));
        let pause = AskedToWait(seconds(7));
        let mut breaker = Breaker::default();
        assert_eq!(ask(&mut breaker, 0, Trusted, Answered), Ok(None));
        assert_eq!(ask(&mut breaker, 1, Trusted, pause), Ok(Some(opened(7))));
        assert!(!may_ask(breaker, 7, Trusted) && may_ask(breaker, 8, Blamed));
    }

    #[test]
    fn what_strangers_alone_have_opened_stops_nobody_who_is_trusted() {
        for outcome in [NoAnswer, ServerError] {
            let mut breaker = open(Unblamed, outcome);
            assert_eq!(ask(&mut breaker, 0, Trusted, outcome), Ok(None));
            assert!(breaker.admit(seconds(0), Trusted).is_some());
            assert!(!may_ask(breaker, 0, Trusted), "one at a time");
            let mut breaker = open(Blamed, outcome);
            assert_eq!(ask(&mut breaker, 1, Trusted, outcome), Ok(Some(opened(2))));
            assert_eq!(ask(&mut breaker, 1, Trusted, Answered), CLOSED);
        }
        let mut breaker = Breaker::default();
        let pause = AskedToWait(seconds(7));
        assert_eq!(ask(&mut breaker, 0, Unblamed, pause), Ok(Some(opened(7))));
        assert!(!may_ask(breaker, 6, Unblamed));
        assert_eq!(ask(&mut breaker, 1, Trusted, Answered), CLOSED);
        assert_eq!(ask(&mut breaker, 100, Unblamed, pause), Ok(Some(opened(7))));
        assert_eq!(ask(&mut breaker, 101, Trusted, pause), Ok(None));
        assert!(
            !may_ask(breaker, 107, Trusted),
            "it is asked to wait itself"
        );
        assert!(may_ask(breaker, 108, Trusted));
    }

    #[test]
    fn a_provider_that_fails_is_tried_by_whoever_has_not_failed() {
        let mut breaker = open(Trusted, ServerError);
        assert!(!may_ask(breaker, 1000, Blamed) && may_ask(breaker, 0, Unblamed));
        assert_eq!(ask(&mut breaker, 0, Trusted, ServerError), Ok(None));
        assert_eq!(ask(&mut breaker, 0, Unblamed, ServerError), Ok(None));
        assert_eq!(ask(&mut breaker, 0, Unblamed, Answered), CLOSED);
    }

    #[test]
    fn a_server_error_is_an_answer_of_one_that_was_silent() {
        let mut breaker = open(Trusted, NoAnswer);
        assert_eq!(ask(&mut breaker, 1, Trusted, ServerError), CLOSED);
    }

    #[test]
    fn a_provider_that_asks_for_a_pause_has_it_within_bounds() {
        for (asked, pause) in [(0, 1), (7, 7), (86_400, 30)] {
            let mut breaker = Breaker::default();
            let early = breaker.admit(seconds(0), Trusted).unwrap();
            let outcome = AskedToWait(seconds(asked));
            assert_eq!(
                ask(&mut breaker, 0, Trusted, outcome),
                Ok(Some(opened(pause)))
            );
            assert!(breaker.waits_as_asked());
            let change = breaker.report(seconds(0), early, Answered);
            assert_eq!(change, None, "it was late");
            let change = breaker.report(seconds(0), early, outcome);
            assert_eq!(change, None, "it is no news");
            assert!(!may_ask(breaker, pause - 1, Trusted));
            assert_eq!(breaker.probe_in(seconds(0)), None);
            for asker in [Unblamed, Trusted, Blamed] {
                assert!(may_ask(breaker, pause, asker), "all of them");
            }
        }
    }

    #[test]
    fn late_failures_and_abandoned_probes_do_not_lengthen_it() {
        let mut breaker = Breaker::default();
        let late = breaker.admit(seconds(0), Trusted).unwrap();
        for _ in 0..4 {
            assert_eq!(ask(&mut breaker, 0, Trusted, NoAnswer), Ok(None));
        }
        assert_eq!(ask(&mut breaker, 0, Trusted, NoAnswer), Ok(Some(opened(1))));
        assert_eq!(breaker.report(seconds(0), late, NoAnswer), None);
        assert_eq!(ask(&mut breaker, 1, Trusted, Abandoned), Ok(None));
        assert!(may_ask(breaker, 1, Trusted));
    }
}
