//! `cargo xtask bench`: figures beside their targets.

use crate::Outcome;
use crate::workspace::{cargo, succeeds};

/// What judging costs; `arguments` go to the bench.
pub(crate) fn core(arguments: &[&str]) -> Outcome {
    let mut bench = cargo(["bench", "-p", "gatepost-tests", "--bench", "core", "--"]);
    Ok(succeeds(bench.args(arguments))?)
}
