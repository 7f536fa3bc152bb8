//! How many looks at a provider's keys tokens may cause.
//!
//! Anybody can make up tokens that give reason for one. All of them together cause some looks in a row, then one
//! now and then: the provider is not asked more often than it takes to follow a rotation.

use core::time::Duration;

/// Looks that may follow each other, whoever causes them.
const IN_HAND: u32 = 6;

/// Time after which there is one more in hand.
const REFILL: Duration = Duration::from_secs(10);

/// Time from one look to the next at least; who comes meanwhile waits for that one.
const MIN_PAUSE: Duration = Duration::from_secs(1);

/// What is left of looks of one kind. Times are since any one beginning, on a clock that is never set.
#[derive(Clone, Copy, Debug, Default)]
pub struct LookBudget {
    spent: u32,
    refilled_at: Duration,
    due_last: Option<Duration>,
}

impl LookBudget {
    /// Takes one look, and gives the time when it is due; `None` where none is left. Whoever is trusted always has
    /// one.
    pub fn take(&mut self, now: Duration, is_trusted: bool) -> Option<Duration> {
        self.refill(now);
        if self.spent >= IN_HAND && !is_trusted {
            return None;
        }
        self.spent = self.spent.saturating_add(1).min(IN_HAND);
        let due = self.due_last.map_or(now, |last| {
            let next = last.saturating_add(MIN_PAUSE);
            now.max(next)
        });
        self.due_last = Some(due);
        Some(due)
    }

    fn refill(&mut self, now: Duration) {
        while self.spent > 0 && now >= self.refilled_at.saturating_add(REFILL) {
            self.refilled_at = self.refilled_at.saturating_add(REFILL);
            self.spent = self.spent.saturating_sub(1);
        }
        if self.spent == 0 {
            self.refilled_at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn some_looks_follow_each_other_and_then_one_at_a_time() {
        let mut budget = LookBudget::default();
        for second in 0..6 {
            assert_eq!(budget.take(at(0), false), Some(at(second)));
        }
        assert_eq!(budget.take(at(9), false), None);
        assert_eq!(budget.take(at(10), false), Some(at(10)));
        assert_eq!(budget.take(at(10), false), None);
    }

    #[test]
    fn the_trusted_have_theirs() {
        let mut budget = LookBudget::default();
        for _ in 0..6 {
            budget.take(at(0), false);
        }
        assert_eq!(budget.take(at(1), true), Some(at(6)));
        assert_eq!(budget.take(at(1), false), None);
    }

    #[test]
    fn a_quiet_time_fills_it_again_and_no_further() {
        let mut budget = LookBudget::default();
        for _ in 0..6 {
            budget.take(at(0), false);
        }
        let again = (0..100).filter_map(|_| budget.take(at(10_000), false));
        assert_eq!(again.count(), 6);
    }
}
