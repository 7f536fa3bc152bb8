//! Where the workspace is, and commands that run in it.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Outcome;

/// The targets without an operating system that core is built for.
pub(crate) const BARE_TARGETS: [&str; 2] = ["thumbv7em-none-eabihf", "x86_64-unknown-none"];

/// The folder that holds the workspace's `Cargo.toml`.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// The folder for everything that is built.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |d| root().join(d))
}

/// Whether the standard library of `target` is there, or core's alone where that is all there is.
pub(crate) fn is_target_installed(target: &str) -> bool {
    output(Command::new("rustc").args(["--print", "sysroot"])).is_ok_and(|sysroot| {
        let libraries = Path::new(sysroot.trim()).join("lib/rustlib");
        libraries.join(target).join("lib").is_dir()
    })
}

/// Makes sure that `targets` are there. A machine without rustup is fine if it has them already.
///
/// # Errors
/// When it has neither.
pub(crate) fn install_targets(targets: &[&str]) -> Outcome {
    if targets.iter().all(|target| is_target_installed(target)) {
        return Ok(true);
    }
    let mut rustup = Command::new("rustup");
    Ok(succeeds(rustup.args(["target", "add"]).args(targets))?)
}

/// The cargo that runs us, in the workspace's root.
pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.current_dir(root()).args(arguments);
    command
}

/// A program of the tests' package, to be given arguments.
pub(crate) type Programs = fn(&str) -> Command;

/// The program `name` of the tests, built as it is run.
pub(crate) fn fresh(name: &str) -> Command {
    let package = ["run", "--quiet", "-p", "gatepost-tests", "--bin"];
    let mut command = cargo(package);
    command.args([name, "--"]);
    command
}

/// The program `name` of the tests as the build of all tests has left it: [`fresh`] builds all that it uses again,
/// with the features that it alone wants.
pub(crate) fn built(name: &str) -> Command {
    let mut command = Command::new(target_dir().join("debug").join(name));
    command.current_dir(root());
    command
}

/// Runs `command` with our own output; whether it exited with 0.
pub(crate) fn succeeds(command: &mut Command) -> io::Result<bool> {
    announce(command);
    Ok(command
        .status()
        .map_err(|e| cannot_run(command, &e))?
        .success())
}

/// Runs `command` and takes its standard output.
///
/// # Errors
/// When it cannot be run, exits with anything but 0, or prints something other than UTF-8.
pub(crate) fn output(command: &mut Command) -> io::Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| cannot_run(command, &e))?;
    if !output.status.success() {
        let message = format!("{}: {}", shown(command), output.status);
        return Err(io::Error::other(message));
    }
    String::from_utf8(output.stdout).map_err(io::Error::other)
}

/// Says on standard error what is about to run.
pub(crate) fn announce(command: &Command) {
    eprintln!("$ {}", shown(command));
}

/// `command` as one would type it: the program's file name and its arguments.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(name)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

fn cannot_run(command: &Command, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("cannot run `{}`: {error}", shown(command)),
    )
}
