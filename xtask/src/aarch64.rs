//! `cargo xtask aarch64`: the daemon for 64-bit ARM, as one static file for any Linux.

use std::path::PathBuf;
use std::process::Command;

use crate::Outcome;
use crate::tools::zig;
use crate::workspace::{
    Programs, cargo, install_targets, is_target_installed, output, succeeds, target_dir,
};

const TARGET: &str = "aarch64-unknown-linux-musl";

/// A release without the optimisation over all crates at once, which takes as long as all the rest.
const PROFILE: &str = "cross";

/// Builds it and says where it lies.
pub(crate) fn build() -> Outcome {
    if !install_targets(&[TARGET])? {
        return Ok(false);
    }
    let zig = zig()?;
    let mut build = cargo([
        "build",
        "-p",
        "gatepost",
        "--profile",
        PROFILE,
        "--target",
        TARGET,
    ]);
    build
        .env("CC_aarch64_unknown_linux_musl", zig.join("cc"))
        .env("AR_aarch64_unknown_linux_musl", zig.join("ar"))
        // rustc brings this linker, and musl's library to go with it.
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER", "rust-lld")
        .env("ZIG_GLOBAL_CACHE_DIR", zig.join("cache"))
        .env("ZIG_LOCAL_CACHE_DIR", zig.join("cache"));
    let is_built = succeeds(&mut build)?;
    if is_built {
        println!("built {}", program().display());
    }
    Ok(is_built)
}

/// Builds it, and runs both demonstrations under QEMU.
pub(crate) fn demonstrate(programs: Programs) -> Outcome {
    let demo = |arguments: &[&str]| {
        let mut emulate = programs("emulate");
        succeeds(emulate.arg(program()).arg("demo").args(arguments))
    };
    Ok(build()? && demo(&[])? && demo(&["--provider"])?)
}

/// What this machine lacks for [`demonstrate`], each a reason of its own.
pub(crate) fn lacking(programs: Programs) -> Vec<String> {
    let mut reasons = Vec::new();
    let works = |command: &mut Command| output(command).is_ok();
    if !works(Command::new("python3").args(["-m", "pip", "--version"])) {
        reasons.push("no pip".to_owned());
    }
    if !is_target_installed(TARGET) && !works(Command::new("rustup").arg("--version")) {
        reasons.push("no rustup".to_owned());
    }
    match output(programs("emulate").arg("--lacking")) {
        Ok(lines) => reasons.extend(lines.lines().map(str::to_owned)),
        Err(error) => reasons.push(error.to_string()),
    }
    reasons
}

fn program() -> PathBuf {
    target_dir().join(TARGET).join(PROFILE).join("gatepost")
}
