//! Cargo's subcommands that a chore needs, built into the target folder where the machine has none.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::workspace::{cargo, succeeds, target_dir};

/// Makes sure that `cargo SUBCOMMAND` exists, and returns a `PATH` on which it is found.
///
/// # Errors
/// When it has to be built and cannot be.
pub(crate) fn path_with(subcommand: &str) -> Result<OsString, Box<dyn Error>> {
    let tools = target_dir().join("tools");
    let name = format!("cargo-{subcommand}");
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = vec![tools.join("bin")];
    folders.extend(env::split_paths(&path));
    if !folders.iter().any(|folder| folder.join(&name).is_file()) {
        let mut install = cargo(["install", "--locked", &name, "--root"]);
        if !succeeds(install.arg(&tools))? {
            return Err(format!("{name} could not be built").into());
        }
    }
    Ok(env::join_paths(folders)?)
}
