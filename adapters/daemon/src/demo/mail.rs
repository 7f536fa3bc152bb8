//! `gatepost demo --mail`: real mail servers around the real daemon.
//!
//! They are set up by the repository's own tests, which know how to run Debian's servers without installing
//! them; so this demonstration is to be had in the repository alone.

use std::env;
use std::io;
use std::process::Command;

use clap::Args;

/// What is shown of it.
#[derive(Args)]
pub(super) struct Options {
    /// Starts Debian's Postfix and Dovecot around it, unpacked but not installed: shows a user whom canaille pushes over
    /// SCIM, and prints lines of curl that log in (in the repository, on Debian, as root).
    #[arg(long)]
    #[arg(conflicts_with_all = ["provider", "stay"])]
    pub(super) mail: bool,
    /// With `--mail`: logs in itself over SMTP and IMAP, prints what happened, and ends.
    #[arg(long)]
    #[arg(requires = "mail")]
    pub(super) once: bool,
}

/// The program of the tests that does it, as the tests build it.
const PROGRAM: [&str; 6] = [
    "run",
    "--quiet",
    "-p",
    "gatepost-tests",
    "--bin",
    "mail_demo",
];

/// Runs the demonstration; says whether everything came as it should.
pub(super) fn demonstrate(once: bool) -> io::Result<bool> {
    // Cargo says so to what it runs.
    let (Some(cargo), Some(package)) = (env::var_os("CARGO"), env::var_os("CARGO_MANIFEST_DIR"))
    else {
        return Err(io::Error::other(
            "it needs Gatepost's repository: run `cargo run --release -- demo --mail` there",
        ));
    };
    let mut command = Command::new(cargo);
    command.args(PROGRAM).current_dir(package);
    command.env("GATEPOST_BIN", env::current_exe()?);
    if once {
        command.args(["--", "--once"]);
    }
    Ok(command.status()?.success())
}
