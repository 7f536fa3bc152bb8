//! Prepares the root directories that the end-to-end tests run real servers and clients in.

use std::process::ExitCode;
use std::time::Instant;

use gatepost_tests::{oidc_provider, roots};

fn main() -> ExitCode {
    let lacking = roots::lacking();
    if !lacking.is_empty() {
        println!(
            "left out: Postfix, Exim, Dovecot, mail clients, QEMU ({})",
            lacking.join(", ")
        );
        return ExitCode::SUCCESS;
    }
    let begun = Instant::now();
    let prepared = roots::directory().and_then(|directory| {
        let mut names = roots::prepare(&directory, &roots::RECIPES)?;
        let lacking = oidc_provider::lacking();
        if !lacking.is_empty() {
            println!("left out: oidc-provider ({})", lacking.join(", "));
        } else if !oidc_provider::is_ready(&directory) {
            oidc_provider::install(&directory)?;
            names.push("oidc-provider");
        }
        Ok(names)
    });
    match prepared {
        Ok(names) if names.is_empty() => println!("roots: up to date"),
        Ok(names) => println!(
            "roots: prepared {} in {} s",
            names.join(", "),
            begun.elapsed().as_secs()
        ),
        Err(error) => {
            eprintln!("roots: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
