//! Prepares the root directories that the end-to-end tests run real servers and clients in.

use std::process::ExitCode;
use std::time::Instant;

use gatepost_tests::{node, oidc_provider, roots};

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
        let mut names = roots::prepare(&directory)?;
        let lacking = node::lacking();
        for installation in [&oidc_provider::INSTALLATION, &node::CLIENTS] {
            let name = installation.name;
            if !lacking.is_empty() {
                println!("left out: {name} ({})", lacking.join(", "));
            } else if !installation.is_ready(&directory) {
                installation.install(&directory)?;
                names.push(name);
            }
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
