//! What each theme of `cargo xtask test` may take, so that all of it stays under half an hour.

use std::time::Duration;

/// Themes by how their names begin, each with what it may take from a clean clone on two cores, in seconds.
/// The first that fits counts.
const THEMES: &[(&str, u64)] = &[
    ("lint: clippy", 190),
    ("lint: docs", 80),
    ("lint: ", 95),
    ("build of the tests", 320),
    ("real servers", 150),
    ("firmware of the appliance", 80),
    ("sizes of the appliance", 30),
    ("servers: ", 240),
    ("stock: ", 15),
    ("databases: ", 20),
    ("front: ", 20),
    ("ways: ", 65),
    ("demo with real mail servers", 10),
    ("demo", 160),
    ("static ARM build", 150),
    ("gateway on a board", 15),
    // Everything else together.
    ("", 160),
];

/// What everything may take.
pub(crate) const TOTAL: Duration = Duration::from_mins(30);

/// The theme of what is called `name`, and what it may take.
pub(crate) fn of(name: &str) -> (&'static str, Duration) {
    let mut themes = THEMES.iter();
    let fitting = themes.find(|(begin, _)| name.starts_with(begin));
    let (theme, seconds) = fitting.copied().unwrap_or_default();
    (theme, Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_themes_together_take_what_everything_may() {
        let sum: u64 = THEMES.iter().map(|(_, seconds)| seconds).sum();
        assert_eq!(Duration::from_secs(sum), TOTAL);
    }

    #[test]
    fn every_name_has_a_theme() {
        assert_eq!(of("lint: docs").0, "lint: docs");
        assert_eq!(of("lint: format").0, "lint: ");
        assert_eq!(of("policy: tests/policy/main.rs").0, "");
    }
}
