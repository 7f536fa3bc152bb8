//! How many tests passed, failed and were skipped, and how long each group of them took.

use std::fmt;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::budget::Plan;

/// The sum over a run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// Tests that were left out.
    pub(crate) skipped: u64,
    /// What failed, by name.
    pub(crate) failures: Vec<String>,
    /// What was left out, by name, each with its reason where one is known.
    pub(crate) left_out: Vec<String>,
    /// Each group of tests, in the order in which they ran, with its duration.
    pub(crate) durations: Vec<(String, Duration)>,
    /// What they may take.
    pub(crate) plan: &'static Plan,
}

impl Tally {
    /// Runs one check, which counts as one test.
    pub(crate) fn check(&mut self, name: &str, check: impl FnOnce() -> Outcome) {
        if self.need(name, check) {
            self.passed += 1;
        }
    }

    /// Runs one check where the machine `lack`s nothing for it; counts it as skipped where it does.
    pub(crate) fn check_unless(
        &mut self,
        lacking: &[String],
        name: &str,
        check: impl FnOnce() -> Outcome,
    ) {
        if lacking.is_empty() {
            return self.check(name, check);
        }
        self.skipped += 1;
        self.left_out
            .push(format!("{name}: {}", lacking.join(", ")));
    }

    /// Runs a step that counts only if it fails, such as a build. Whether it succeeded.
    pub(crate) fn need(&mut self, name: &str, step: impl FnOnce() -> Outcome) -> bool {
        let started = Instant::now();
        let outcome = step();
        self.durations.push((name.to_owned(), started.elapsed()));
        match outcome {
            Ok(true) => return true,
            Ok(false) => self.fail(name.to_owned()),
            Err(error) => self.fail(format!("{name}: {error}")),
        }
        false
    }

    /// Counts one failure.
    pub(crate) fn fail(&mut self, name: String) {
        eprintln!("FAILED: {name}");
        self.failed += 1;
        self.failures.push(name);
    }

    /// Adds what `other` counted.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.failures.extend(other.failures);
        self.left_out.extend(other.left_out);
        self.durations.extend(other.durations);
    }

    /// Whether the run is good: nothing failed and, where `strict`, nothing was skipped.
    pub(crate) fn is_good(&self, strict: bool) -> bool {
        self.failed == 0 && !(strict && self.skipped > 0)
    }
}

/// Durations, names of what failed or was left out, and last the one line that counts.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, duration) in &self.durations {
            writeln!(f, "{:8.1} s  {name}", duration.as_secs_f64())?;
        }
        self.write_budget(f)?;
        for name in &self.left_out {
            writeln!(f, "skipped: {name}")?;
        }
        for name in &self.failures {
            writeln!(f, "failed: {name}")?;
        }
        let (passed, failed, skipped) = (self.passed, self.failed, self.skipped);
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

impl Tally {
    /// Each theme with what it took and what it may take. Machines differ, so that nothing fails by it.
    fn write_budget(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut themes: Vec<(&str, Duration, Duration)> = Vec::new();
        for (name, duration) in &self.durations {
            let (theme, budget) = self.plan.of(name);
            match themes.iter_mut().find(|(known, ..)| *known == theme) {
                Some((_, took, _)) => *took += *duration,
                None => themes.push((theme, *duration, budget)),
            }
        }
        let all = self.durations.iter().map(|(_, duration)| *duration).sum();
        themes.push(("everything", all, self.plan.total));
        for (theme, took, budget) in themes {
            let theme = if theme.is_empty() {
                "all else"
            } else {
                theme.trim_end_matches([':', ' '])
            };
            let mark = if took > budget { "  over" } else { "" };
            let (took, budget) = (took.as_secs_f64(), budget.as_secs());
            writeln!(f, "budget: {took:8.1} s of {budget:4} s  {theme}{mark}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_fails_counts_and_is_named() {
        let mut tally = Tally::default();
        tally.check("good", || Ok(true));
        tally.check("bad", || Ok(false));
        tally.check("broken", || Err("no such file".into()));
        assert!(!tally.need("build", || Ok(false)));
        assert!(tally.need("other build", || Ok(true)));
        assert_eq!((tally.passed, tally.failed), (1, 3));
        assert_eq!(tally.failures, ["bad", "broken: no such file", "build"]);
        assert!(!tally.is_good(false));
    }

    #[test]
    fn skipping_is_a_failure_only_where_strict() {
        let tally = Tally {
            skipped: 1,
            ..Tally::default()
        };
        assert!(tally.is_good(false));
        assert!(!tally.is_good(true));
    }

    #[test]
    fn a_check_that_the_machine_has_no_means_for_is_skipped_and_named() {
        let mut tally = Tally::default();
        tally.check_unless(&["no a".to_owned(), "no b".to_owned()], "c", || Ok(false));
        tally.check_unless(&[], "d", || Ok(true));
        assert_eq!((tally.passed, tally.failed, tally.skipped), (1, 0, 1));
        assert_eq!(tally.left_out, ["c: no a, no b"]);
    }

    #[test]
    fn the_last_line_counts() {
        let tally = Tally {
            passed: 3,
            failed: 1,
            skipped: 1,
            failures: vec!["a".to_owned()],
            left_out: vec!["b: no reason".to_owned()],
            durations: vec![("core".to_owned(), Duration::from_millis(1500))],
            ..Tally::default()
        };
        let budget = tally.plan.of("core").1.as_secs();
        let total = tally.plan.total.as_secs();
        let text = format!(
            "     1.5 s  core\nbudget:      1.5 s of {budget:>4} s  all else\n\
             budget:      1.5 s of {total:>4} s  everything\nskipped: b: no reason\nfailed: a\n3 passed, 1 failed, 1 skipped"
        );
        assert_eq!(tally.to_string(), text);
    }
}
