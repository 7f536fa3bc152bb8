//! QEMU: the machine's own, or Debian's in a root directory.
//!
//! A program of the root is started by the root's own loader, so that it needs neither rights nor a
//! change of its root directory, and sees the files of whoever asks for it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::is_installed;
use crate::roots::{self, EMULATORS};

/// The loader of programs, below a root.
const LOADER: &str = "lib64/ld-linux-x86-64.so.2";

/// What this machine lacks for [`find`], one reason a line; empty when it lacks nothing.
#[must_use]
pub fn lacking(program: &str) -> Vec<String> {
    match find(program) {
        Ok(_) => Vec::new(),
        Err(error) => vec![error.to_string()],
    }
}

/// The words that start an emulator, such as `qemu-system-arm`: the root's before the machine's own.
///
/// # Errors
/// When there is neither.
pub fn find(program: &str) -> io::Result<Vec<PathBuf>> {
    let roots = roots::directory()?;
    let root = roots.join(EMULATORS.name);
    if EMULATORS.is_ready(&roots) && root.join(LOADER).is_file() {
        return Ok(vec![
            root.join(LOADER),
            "--library-path".into(),
            root.join("usr/lib/x86_64-linux-gnu"),
            root.join("usr/bin").join(program),
        ]);
    }
    if is_installed(program) {
        return Ok(vec![program.into()]);
    }
    Err(io::Error::other(format!("no {program}")))
}

/// A command that starts the emulator of boards.
///
/// # Errors
/// As [`find`].
pub fn board() -> io::Result<Command> {
    let words = find("qemu-system-arm")?;
    // A board's processor waits for nobody; if an emulated one does for two seconds, the board's watchdog bites.
    let mut command = if roots::is_root() {
        let mut nice = Command::new("nice");
        nice.args(["-n", "-15"]).args(&words);
        nice
    } else {
        let (first, rest) = words.split_first().ok_or(io::ErrorKind::NotFound)?;
        let mut command = Command::new(first);
        command.args(rest);
        command
    };
    if words.len() > 1 {
        let root = roots::directory()?.join(EMULATORS.name);
        command.arg("-L").arg(root.join("usr/share/qemu"));
    }
    Ok(command)
}

/// A script that runs its first argument, a program for 64-bit ARM, with the others.
///
/// # Errors
/// As [`find`].
pub fn aarch64_script() -> io::Result<String> {
    let words = find("qemu-aarch64")?;
    let quoted = words.iter().map(|word| quoted(word));
    let words = quoted.collect::<Vec<_>>().join(" ");
    Ok(format!("#!/bin/sh\nexec {words} \"$@\"\n"))
}

fn quoted(word: &Path) -> String {
    format!("'{}'", word.display().to_string().replace('\'', r"'\''"))
}
