//! `cargo xtask lint`: what must hold of the code, each check with a name of its own.

mod crates;
mod features;
mod floors;
mod length;
mod manifest;
mod purity;
mod source;
mod unsafety;

use std::error::Error;

use crate::Outcome;
use crate::tally::Tally;
use crate::workspace::{BARE_TARGETS, cargo, output, root, succeeds};

/// What is wrong, one line each; none is good.
type Complaints = Vec<String>;

/// Runs every check and prints the count.
pub(crate) fn run() -> bool {
    let mut tally = Tally::default();
    check_all(&mut tally);
    println!("{tally}");
    tally.is_good(true)
}

/// Runs every check, the quick ones first; each counts as one test.
pub(crate) fn check_all(tally: &mut Tally) {
    let sources = || source::read(&root().join("core/src"));
    tally.check("lint: format", || passes(&["fmt", "--all", "--check"]));
    tally.check("lint: arrows between crates", || {
        Ok(report(&crates::complaints(&metadata()?, root())?))
    });
    tally.check("lint: arrows between core's modules", || {
        Ok(report(&floors::complaints(&sources()?)))
    });
    tally.check("lint: core's sources", || {
        Ok(report(&purity::complaints(&sources()?)))
    });
    tally.check("lint: core's manifest", || {
        let manifest = std::fs::read_to_string(root().join("core/Cargo.toml"))?;
        Ok(report(&manifest::complaints(&manifest)))
    });
    tally.check("lint: features of core's dependencies", || {
        Ok(report(&features::complaints(&dependency_tree()?)))
    });
    tally.check("lint: length of files and functions", || {
        Ok(report(&length::complaints(root())?))
    });
    tally.check("lint: unsafe code of the multiplier", || {
        Ok(report(&unsafety::complaints(root())?))
    });
    tally.check("lint: the multiplier on a device", || {
        let target = ["--target", BARE_TARGETS[0]];
        let build = ["build", "-p", "gatepost-cortex-m"];
        passes(&[build.as_slice(), &target].concat())
    });
    for target in BARE_TARGETS {
        tally.check(&format!("lint: core on {target}"), || {
            passes(&["build", "-p", "gatepost-core", "--target", target])
        });
    }
    tally.check("lint: TLS for devices on a device", || {
        let target = ["--target", BARE_TARGETS[0]];
        let build = ["build", "-p", "gatepost-embassy-tls"];
        passes(&[build.as_slice(), &target].concat())
    });
    tally.check("lint: clippy", || {
        passes(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ])
    });
    tally.check("lint: docs", || {
        let mut doc = cargo(["doc", "--workspace", "--no-deps"]);
        Ok(succeeds(doc.env("RUSTDOCFLAGS", "-D warnings"))?)
    });
}

fn passes(arguments: &[&str]) -> Outcome {
    Ok(succeeds(&mut cargo(arguments.iter().copied()))?)
}

/// Prints `complaints`; whether there are none.
fn report(complaints: &[String]) -> bool {
    for complaint in complaints {
        eprintln!("{complaint}");
    }
    complaints.is_empty()
}

fn metadata() -> Result<serde_json::Value, Box<dyn Error>> {
    let text = output(&mut cargo([
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
    ]))?;
    Ok(serde_json::from_str(&text)?)
}

/// What core is built with on a device, one `name version|feature,feature` a line.
fn dependency_tree() -> Result<String, Box<dyn Error>> {
    let tree = ["tree", "-p", "gatepost-core", "--target", BARE_TARGETS[0]];
    let form = [
        "-e",
        "normal,no-proc-macro",
        "--prefix",
        "none",
        "-f",
        "{p}|{f}",
    ];
    Ok(output(&mut cargo(tree.into_iter().chain(form)))?)
}
