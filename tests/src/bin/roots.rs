//! Prepares the root directories that the end-to-end tests run real servers and clients in; of them all, or of
//! those alone that are named.

use std::process::ExitCode;
use std::time::Instant;

use gatepost_tests::roots::{self, Recipe};
use gatepost_tests::{node, oidc_provider};

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
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let prepared = roots::directory().and_then(|directory| {
        if !wanted.is_empty() {
            let is_wanted = |recipe: &&&Recipe| wanted.iter().any(|name| name == recipe.name);
            let recipes: Vec<_> = roots::RECIPES.iter().filter(is_wanted).copied().collect();
            return roots::prepare(&directory, &recipes);
        }
        let mut names = roots::prepare(&directory, &roots::RECIPES)?;
        let lacking = node::lacking();
        let installations = [
            &oidc_provider::INSTALLATION,
            &node::CLIENTS,
            &node::SCIM_ORACLES,
        ];
        for installation in installations {
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
