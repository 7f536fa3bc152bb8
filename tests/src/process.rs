//! Other programs: run to their end, with failures told in words.

use std::io;
use std::process::{Command, Output};

/// Runs `command` to its end and returns what it wrote to its standard output.
///
/// # Errors
/// When it cannot be started or does not exit with 0: names the command and quotes its last words.
pub fn run(command: &mut Command) -> io::Result<String> {
    let output = command
        .output()
        .map_err(|error| io::Error::new(error.kind(), format!("{command:?}: {error}")))?;
    succeeded(command, &output)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether `program` is found on the search path.
#[must_use]
pub fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

fn succeeded(command: &Command, output: &Output) -> io::Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let last = words.lines().rev().take(12).collect::<Vec<_>>();
    let last = last.into_iter().rev().collect::<Vec<_>>().join("\n");
    Err(io::Error::other(format!(
        "{command:?}: {}\n{last}",
        output.status
    )))
}
