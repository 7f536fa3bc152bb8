//! `cargo xtask bench`: figures beside their targets.

use crate::Outcome;
use crate::appliance;
use crate::instructions;
use crate::workspace::{cargo, fresh, succeeds};

/// What judging costs: instructions by function, then times; `arguments` go to what measures the times.
pub(crate) fn core(arguments: &[&str]) -> Outcome {
    match arguments {
        ["--check"] => return instructions::check(),
        ["--record"] => return instructions::record(),
        _ => {}
    }
    match instructions::lacking().as_slice() {
        [] => _ = instructions::print()?,
        lacking => println!("instructions are not counted: {}", lacking.join(", ")),
    }
    let mut bench = cargo(["bench", "-p", "gatepost-tests", "--bench", "core", "--"]);
    Ok(succeeds(bench.args(arguments))?)
}

/// What the daemon bears, beside Dovecot's own auth process on the same core; `arguments` name parts of it.
pub(crate) fn daemon(arguments: &[&str]) -> Outcome {
    let bench = ["bench", "-p", "gatepost-tests", "--bench", "daemon", "--"];
    Ok(succeeds(&mut cargo(["build", "--release"]))?
        && succeeds(fresh("roots").args(["mail", "dovecot"]))?
        && succeeds(cargo(bench).args(arguments))?)
}

/// What a login costs on the appliance, emulated, with the cryptography small and fast.
pub(crate) fn appliance() -> Outcome {
    // What is measured runs emulated: the host's side need not be quick.
    let bench = [
        "bench",
        "--profile",
        "dev",
        "-p",
        "gatepost-tests",
        "--bench",
        "appliance",
    ];
    Ok(succeeds(&mut fresh("roots"))?
        && appliance::build_measuring()?
        && succeeds(&mut cargo(bench))?)
}
