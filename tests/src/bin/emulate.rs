//! `emulate PROGRAM [ARGUMENT]..`: runs a static Linux program for 64-bit ARM on another processor.
//!
//! The program may start itself again: in a user namespace of its own, which needs no rights, the kernel
//! is told to hand every such program to `qemu-aarch64`, and nothing outside of it notices.
//! `emulate --lacking` names what this machine lacks for that, one reason a line.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use gatepost_tests::process::{is_installed, run};
use gatepost_tests::{emulators, roots};

/// Where the kernel is told about foreign programs.
const BINFMT: &str = "/proc/sys/fs/binfmt_misc";

/// The first words of the program that runs inside of the namespace.
const INSIDE: &str = "--inside";

/// How a program for 64-bit ARM begins (the ELF header up to `e_machine`), of any ABI, position-independent or not.
const MAGIC: &str = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00";
const MASK: &str =
    r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<&OsStr> = arguments.iter().map(OsString::as_os_str).collect();
    let outcome = match words.as_slice() {
        [flag] if *flag == "--lacking" => {
            for reason in lacking() {
                println!("{reason}");
            }
            return ExitCode::SUCCESS;
        }
        [flag, words @ ..] if *flag == INSIDE => emulate(words),
        [] => Err(io::Error::other("no program is named")),
        words => enter(words),
    };
    let Err(error) = outcome;
    eprintln!("emulate: {error}");
    ExitCode::FAILURE
}

fn lacking() -> Vec<String> {
    let mut reasons = emulators::lacking("qemu-aarch64");
    if !is_installed("unshare") {
        reasons.push("no unshare".to_owned());
    } else if run(namespace().args(["mount", "-t", "binfmt_misc", "none", BINFMT])).is_err() {
        reasons.push("no right to hand foreign programs to an emulator (Linux 6.7)".to_owned());
    }
    reasons
}

fn namespace() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount"]);
    command
}

/// Becomes this program inside of the namespace; returns only if it cannot.
fn enter(words: &[&OsStr]) -> io::Result<std::convert::Infallible> {
    let program = std::env::current_exe()?;
    Err(namespace().arg(program).arg(INSIDE).args(words).exec())
}

fn emulate(words: &[&OsStr]) -> io::Result<std::convert::Infallible> {
    let (program, rest) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let script = roots::directory()?.join("qemu-aarch64");
    fs::write(&script, emulators::aarch64_script()?)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    register(&script)?;
    Err(Command::new(program).args(rest).exec())
}

fn register(interpreter: &Path) -> io::Result<()> {
    run(Command::new("mount").args(["-t", "binfmt_misc", "none", BINFMT]))?;
    let rule = format!(":aarch64:M::{MAGIC}:{MASK}:{}:", interpreter.display());
    fs::write(Path::new(BINFMT).join("register"), rule)
}
