//! Reads what `cargo test` prints while it runs: libtest's and libtest-mimic's lines under cargo's headings.

use std::time::Instant;

use crate::tally::Tally;

/// Adds up the lines of one `cargo test`.
pub(crate) struct Reading {
    tally: Tally,
    running: Option<Binary>,
}

/// A test binary, or the doctests of one crate.
struct Binary {
    name: String,
    started: Instant,
    has_result: bool,
}

impl Reading {
    pub(crate) fn new() -> Self {
        Self {
            tally: Tally::default(),
            running: None,
        }
    }

    /// Takes one line, without its end, that was printed at `now`.
    pub(crate) fn line(&mut self, line: &str, now: Instant) {
        if let Some(name) = heading(line) {
            self.close(now);
            self.running = Some(Binary {
                name,
                started: now,
                has_result: false,
            });
        } else if let Some(result) = line.strip_prefix("test result: ") {
            self.result(result);
        } else if let Some((name, outcome)) = test_line(line) {
            self.test(name, outcome);
        }
    }

    /// Ends the reading; `success` is what cargo's exit status says.
    pub(crate) fn finish(mut self, success: bool, now: Instant) -> Tally {
        self.close(now);
        if !success && self.tally.failed == 0 {
            self.tally
                .fail("cargo test, with no failing test to name".to_owned());
        }
        self.tally
    }

    /// The binary that was running has ended: without a result line, it crashed.
    fn close(&mut self, now: Instant) {
        let Some(binary) = self.running.take() else {
            return;
        };
        if !binary.has_result {
            self.tally
                .fail(format!("{} ended without a result", binary.name));
        }
        let duration = now.duration_since(binary.started);
        self.tally.durations.push((binary.name, duration));
    }

    // ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
    fn result(&mut self, result: &str) {
        self.tally.passed += count(result, " passed");
        self.tally.failed += count(result, " failed");
        self.tally.skipped += count(result, " ignored");
        if let Some(binary) = &mut self.running {
            binary.has_result = true;
        }
    }

    fn test(&mut self, name: &str, outcome: &str) {
        let binary = self.running.as_ref().map_or("", |binary| &binary.name);
        if outcome == "FAILED" {
            self.tally.failures.push(format!("{binary}: {name}"));
        } else if let Some(reason) = outcome.strip_prefix("ignored") {
            let reason = reason.strip_prefix(", ").unwrap_or("no reason given");
            self.tally
                .left_out
                .push(format!("{binary}: {name}: {reason}"));
        }
    }
}

// Running unittests src/lib.rs (target/debug/deps/gatepost_core-0123456789abcdef)
// Doc-tests gatepost_core
fn heading(line: &str) -> Option<String> {
    let line = line.trim_start();
    if let Some(name) = line.strip_prefix("Doc-tests ") {
        return Some(format!("{name}: doctests"));
    }
    let (source, executable) = line
        .strip_prefix("Running ")?
        .strip_suffix(')')?
        .split_once(" (")?;
    let file = executable.rsplit('/').next()?;
    let (name, _hash) = file.rsplit_once('-')?;
    Some(format!("{name}: {source}"))
}

// test name ... outcome; libtest-mimic pads the name
fn test_line(line: &str) -> Option<(&str, &str)> {
    let (name, outcome) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    Some((name.trim(), outcome))
}

fn count(result: &str, what: &str) -> u64 {
    result
        .split([';', '.'])
        .find_map(|part| part.trim().strip_suffix(what)?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(output: &str, success: bool) -> Tally {
        let now = Instant::now();
        let mut reading = Reading::new();
        output.lines().for_each(|line| reading.line(line, now));
        reading.finish(success, now)
    }

    #[test]
    fn results_of_all_binaries_add_up() {
        let tally = read(
            "     Running unittests src/lib.rs (target/debug/deps/gatepost_core-0a1b)\n\
             running 3 tests\n\
             test a ... ok\n\
             test b ... ok\n\
             test c ... ignored, needs the corpora\n\n\
             test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
             \n   Doc-tests gatepost_core\n\
             test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s\n\
             test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s\n",
            true,
        );
        assert_eq!((tally.passed, tally.failed, tally.skipped), (7, 0, 1));
        assert_eq!(
            tally.left_out,
            ["gatepost_core: unittests src/lib.rs: c: needs the corpora"]
        );
        let names: Vec<_> = tally
            .durations
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "gatepost_core: unittests src/lib.rs",
                "gatepost_core: doctests"
            ]
        );
    }

    #[test]
    fn a_failing_test_is_counted_once_and_named() {
        let tally = read(
            "     Running tests/postfix.rs (target/debug/deps/postfix-0a1b)\n\
             test inet socket   ... FAILED\n\
             test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n",
            false,
        );
        assert_eq!((tally.passed, tally.failed), (0, 1));
        assert_eq!(tally.failures, ["postfix: tests/postfix.rs: inet socket"]);
    }

    #[test]
    fn a_crashing_binary_is_a_failure() {
        let tally = read(
            "     Running tests/a.rs (target/debug/deps/a-0a1b)\n\
             running 1 test\n\
             error: test failed, to rerun pass `--test a`\n\
             \x20    Running tests/b.rs (target/debug/deps/b-0a1b)\n\
             test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n",
            false,
        );
        assert_eq!((tally.passed, tally.failed), (1, 1));
        assert_eq!(tally.failures, ["a: tests/a.rs ended without a result"]);
    }

    #[test]
    fn a_compile_failure_is_a_failure() {
        assert_eq!(read("error[E0425]: cannot find value\n", false).failed, 1);
    }
}
