//! When a provider is looked at: when that is due, and when a token gives reason.

use core::time::Duration;

use super::key_set_life::KeySetLife;
use super::look::Step;
use super::look_budget::LookBudget;
use crate::time::UnixTime;

/// What is known of when one provider's metadata and keys were found, and when they are looked at again.
///
/// Whoever drives it sleeps for as long as [`due_in`](Self::due_in) says, or until a login [asks](Self::ask);
/// [begins](Self::begin) a look, takes it through a [`Look`](super::Look), and [ends](Self::end) it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Finder {
    life: KeySetLife,
    for_unknown_keys: LookBudget,
    for_failed_signatures: LookBudget,
    /// When a look is due because somebody asks.
    wanted_at: Option<Duration>,
    is_looking: bool,
    looks: u64,
}

/// A moment, on both clocks. They are never mixed: ages are counted on the one that is never set.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Since any one beginning, on a clock that is never set.
    pub uptime: Duration,
    /// The time of day, where it is known.
    pub time: Option<UnixTime>,
}

/// Why newer keys are looked for: a token that the known ones do not verify.
#[derive(Clone, Copy, Debug)]
pub struct LookReason {
    /// When the token says that it was issued; nobody has vouched for that.
    pub issued_at: Option<UnixTime>,
    /// Whether a known key was tried, and its signature failed: the provider may have replaced the key and kept
    /// its name. Whoever forges signatures delays no look for keys that are not known.
    pub is_key_known: bool,
}

/// Whether who asks may cause a look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Permit {
    /// Always: it had a good login lately.
    Trusted,
    /// As long as there are some left for all.
    Stranger,
    /// Not again so soon; it may wait for the looks of others.
    Spent,
}

/// What becomes of a login that asks for newer keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turn {
    /// It waits for the look that goes on, or for the next one where none does.
    Waits {
        /// Whether that look was caused by it.
        is_own: bool,
        /// Whether that is not the look that goes on, but the one after it.
        is_for_next: bool,
    },
    /// There is no look.
    Settled(Freshness),
}

/// What looking again for a key has come to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Freshness {
    /// All keys are known that could have signed the token.
    Current,
    /// The provider may have newer ones, which cannot be fetched now.
    Unavailable,
}

/// What a look has come to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ended {
    /// What those are told who have waited since before it began.
    pub freshness: Freshness,
    /// Whether what is known is too old to be used any longer.
    pub is_over: bool,
}

impl Finder {
    /// Nothing is known, and a look is due at once.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was found at `fetched_at` is known from a store: it is used, and a look is due at once.
    #[must_use]
    pub fn recovered(now: Moment, fetched_at: UnixTime) -> Self {
        let time = now.time.unwrap_or(fetched_at);
        let age = time.seconds().saturating_sub(fetched_at.seconds());
        Self {
            life: KeySetLife::recovered(now.uptime, age),
            ..Self::default()
        }
    }

    /// How long there is nothing to look at: nought where a look is due.
    #[must_use]
    pub fn due_in(&self, uptime: Duration) -> Duration {
        let due_at = self.life.due_at();
        let due_at = self.wanted_at.map_or(due_at, |wanted| wanted.min(due_at));
        due_at.saturating_sub(uptime)
    }

    /// What becomes of a login that asks for newer keys: it waits for a look that is due anyway, for one of its own,
    /// or for the one that goes on.
    pub fn ask(&mut self, now: Moment, reason: LookReason, permit: Permit) -> Turn {
        let is_due = self.life.due_at() <= now.uptime;
        let mut is_own = false;
        if self.wanted_at.is_none() && (self.is_looking || !is_due) {
            is_own = self.take(now.uptime, reason, permit);
            if !is_own && !self.is_looking {
                return Turn::Settled(self.freshness(now, reason.issued_at));
            }
        }
        Turn::Waits {
            is_own,
            is_for_next: self.is_looking && self.wanted_at.is_some(),
        }
    }

    fn take(&mut self, uptime: Duration, reason: LookReason, permit: Permit) -> bool {
        let budget = if reason.is_key_known {
            &mut self.for_failed_signatures
        } else {
            &mut self.for_unknown_keys
        };
        self.wanted_at = match permit {
            Permit::Trusted => budget.take(uptime, true),
            Permit::Stranger => budget.take(uptime, false),
            Permit::Spent => None,
        };
        let is_taken = self.wanted_at.is_some();
        self.looks = self.looks.saturating_add(is_taken.into());
        is_taken
    }

    /// A look begins.
    pub fn begin(&mut self) {
        self.is_looking = true;
        self.wanted_at = None;
    }

    /// It has ended with its `last` step.
    pub fn end(&mut self, uptime: Duration, last: Step<'_>) -> Ended {
        self.is_looking = false;
        let freshness = if let Step::Found(max_age) = last {
            self.life.fetched(uptime, max_age);
            Freshness::Current
        } else {
            self.life.failed(uptime);
            Freshness::Unavailable
        };
        Ended {
            freshness,
            is_over: self.life.is_over(uptime),
        }
    }

    /// Whether all keys are known that could have signed a token that was issued at `issued_at`.
    ///
    /// It is for those who came while a look went on that [ended](Self::end) well: a newer key may not have been in
    /// the answer.
    #[must_use]
    pub fn freshness(&self, now: Moment, issued_at: Option<UnixTime>) -> Freshness {
        if self.life.covers(now.uptime, now.time, issued_at) {
            Freshness::Current
        } else {
            Freshness::Unavailable
        }
    }

    /// Whether what is known is too old to be used.
    #[must_use]
    pub fn is_over(&self, uptime: Duration) -> bool {
        self.life.is_over(uptime)
    }

    /// Looks that were taken because somebody asked.
    #[must_use]
    pub fn looks(&self) -> u64 {
        self.looks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::LookFailure;

    const TIME: i64 = 1_800_000_000;
    const FOUND: Step<'_> = Step::Found(None);
    const FAILED: Step<'_> = Step::Failed(LookFailure::NotReached);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn moment(seconds: u64) -> Moment {
        let time = TIME + i64::try_from(seconds).unwrap();
        Moment {
            uptime: at(seconds),
            time: Some(UnixTime::from_seconds(time)),
        }
    }

    fn reason(is_key_known: bool) -> LookReason {
        LookReason {
            issued_at: None,
            is_key_known,
        }
    }

    /// Found at the beginning.
    fn found() -> Finder {
        let mut finder = Finder::new();
        assert_eq!(finder.due_in(at(0)), at(0));
        finder.begin();
        let ended = finder.end(at(0), FOUND);
        assert_eq!(
            (ended.freshness, ended.is_over),
            (Freshness::Current, false)
        );
        assert_eq!(finder.due_in(at(0)), at(3600));
        finder
    }

    fn own(is_for_next: bool) -> Turn {
        let is_own = true;
        Turn::Waits {
            is_own,
            is_for_next,
        }
    }

    fn others(is_for_next: bool) -> Turn {
        let is_own = false;
        Turn::Waits {
            is_own,
            is_for_next,
        }
    }

    #[test]
    fn a_login_waits_for_a_look_that_is_due_anyway() {
        let mut finder = Finder::new();
        let turn = finder.ask(moment(0), reason(false), Permit::Spent);
        assert_eq!((turn, finder.looks()), (others(false), 0));
    }

    #[test]
    fn one_look_is_for_all_who_ask_before_it_begins() {
        let mut finder = found();
        let turn = finder.ask(moment(100), reason(false), Permit::Stranger);
        assert_eq!((turn, finder.due_in(at(100))), (own(false), at(0)));
        let turn = finder.ask(moment(100), reason(true), Permit::Spent);
        assert_eq!((turn, finder.looks()), (others(false), 1));
    }

    #[test]
    fn who_comes_while_a_look_goes_on_has_the_next_or_waits_for_this_one() {
        let mut finder = found();
        finder.begin();
        let turn = finder.ask(moment(100), reason(false), Permit::Spent);
        assert_eq!(turn, others(false));
        let turn = finder.ask(moment(100), reason(false), Permit::Stranger);
        assert_eq!(turn, own(true));
        let turn = finder.ask(moment(100), reason(false), Permit::Spent);
        assert_eq!(turn, others(true));
        finder.end(at(101), FOUND);
        assert_eq!(finder.due_in(at(101)), at(0), "the next");
    }

    #[test]
    fn a_flood_of_strangers_leaves_the_trusted_and_failed_signatures_their_looks() {
        let mut finder = found();
        let mut looks = 0;
        for _ in 0..100 {
            if finder.ask(moment(100), reason(false), Permit::Stranger) == own(false) {
                looks += 1;
                finder.begin();
                finder.end(at(100), FOUND);
            }
        }
        assert_eq!(looks, 6);
        let settled = Turn::Settled(Freshness::Current);
        let turn = finder.ask(moment(101), reason(false), Permit::Stranger);
        assert_eq!(turn, settled, "looked at just now");
        let turn = finder.ask(moment(101), reason(true), Permit::Stranger);
        assert_eq!(turn, own(false));
        finder.begin();
        finder.end(at(101), FOUND);
        let turn = finder.ask(moment(101), reason(false), Permit::Trusted);
        assert_eq!(turn, own(false));
    }

    #[test]
    fn what_was_kept_is_used_and_looked_at_at_once_and_over_after_a_week() {
        let kept = |seconds: i64| {
            let fetched_at = UnixTime::from_seconds(TIME - seconds);
            Finder::recovered(moment(0), fetched_at)
        };
        assert_eq!(kept(10).due_in(at(0)), at(0));
        assert!(!kept(604_799).is_over(at(0)) && kept(604_800).is_over(at(0)));
        let mut finder = kept(604_000);
        finder.begin();
        assert!(!finder.end(at(1), FAILED).is_over);
        finder.begin();
        let ended = finder.end(at(800), FAILED);
        assert_eq!(
            (ended.freshness, ended.is_over),
            (Freshness::Unavailable, true)
        );
    }
}
