//! What each theme of `cargo xtask test` may take, so that all of it stays near half an hour; and of its long
//! run, which may take a night.

use std::time::Duration;

/// What a run and each of its themes may take.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Plan {
    /// Themes by how their names begin, each with what it may take from a clean clone on two cores, in
    /// seconds. The first that fits counts.
    themes: &'static [(&'static str, u64)],
    /// What everything may take.
    pub(crate) total: Duration,
}

/// `cargo xtask test`.
pub(crate) const TESTS: Plan = Plan {
    themes: &[
        ("lint: clippy", 190),
        ("lint: docs", 80),
        ("lint: ", 95),
        ("build of the tests", 320),
        ("instructions of a login", 60),
        ("real servers", 150),
        ("firmware of the appliance", 100),
        ("sizes of the appliance", 30),
        ("servers: ", 240),
        ("stock: ", 15),
        ("databases: ", 20),
        ("relay: ", 20),
        ("ways: ", 65),
        ("accounts: ", 90),
        ("floods: ", 40),
        ("board: ", 160),
        ("demo with real mail servers", 40),
        ("demo", 160),
        ("static ARM build", 150),
        ("gateway on a board", 15),
        // Everything else together.
        ("", 120),
    ],
    total: Duration::from_mins(36),
};

/// `cargo xtask test --long`.
pub(crate) const LONG: Plan = Plan {
    themes: &[
        ("mutants: policy", 5400),
        ("mutants: sasl", 2700),
        ("mutants: jose", 4500),
        ("mutants: exchange", 3600),
        ("mutants: dovecot", 4500),
        ("mutants: wire", 3300),
        // Twenty-one targets, ten minutes each.
        ("fuzz", 14_100),
        ("floods", 3300),
        ("demo with real mail servers", 600),
        // Everything else together.
        ("", 1200),
    ],
    total: Duration::from_hours(12),
};

impl Plan {
    /// The theme of what is called `name`, and what it may take.
    pub(crate) fn of(&self, name: &str) -> (&'static str, Duration) {
        let mut themes = self.themes.iter();
        let fitting = themes.find(|(begin, _)| name.starts_with(begin));
        let (theme, seconds) = fitting.copied().unwrap_or_default();
        (theme, Duration::from_secs(seconds))
    }
}

/// Who says nothing else tests.
impl Default for &'static Plan {
    fn default() -> Self {
        &TESTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_themes_together_take_what_everything_may() {
        for plan in [TESTS, LONG] {
            let sum: u64 = plan.themes.iter().map(|(_, seconds)| seconds).sum();
            assert_eq!(Duration::from_secs(sum), plan.total);
        }
    }

    #[test]
    fn every_name_has_a_theme() {
        assert_eq!(TESTS.of("lint: docs").0, "lint: docs");
        assert_eq!(TESTS.of("lint: format").0, "lint: ");
        assert_eq!(TESTS.of("policy: tests/policy/main.rs").0, "");
        assert_eq!(LONG.of("fuzz: jwt").0, "fuzz");
    }
}
