//! Programs that a chore needs, put into the target folder where the machine has none: Cargo's subcommands,
//! and a C compiler for foreign processors.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace::{cargo, succeeds, target_dir};

/// Makes sure that `cargo SUBCOMMAND` exists, and returns a `PATH` on which it is found. Where the machine has none,
/// it is built in the release `version`.
///
/// # Errors
/// When it has to be built and cannot be.
pub(crate) fn path_with(subcommand: &str, version: &str) -> Result<OsString, Box<dyn Error>> {
    let tools = target_dir().join("tools");
    let name = format!("cargo-{subcommand}");
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = vec![tools.join("bin")];
    folders.extend(env::split_paths(&path));
    if !folders.iter().any(|folder| folder.join(&name).is_file()) {
        let mut install = cargo(["install", "--locked", &name, "--version", version, "--root"]);
        if !succeeds(install.arg(&tools))? {
            return Err(format!("{name} could not be built").into());
        }
    }
    Ok(env::join_paths(folders)?)
}

/// The release of Zig on the Python Package Index whose C compiler crosses, with every libc in its luggage.
const ZIG: &str = "0.17.1";

/// rustc names its target in its own words, which are not Zig's; sanitizers would need a runtime.
const COMPILER: &str = r#"#!/bin/sh
for word; do
    shift
    case $word in --target=*) ;; *) set -- "$@" "$word" ;; esac
done
exec "$(dirname "$0")/ziglang/zig" cc -target aarch64-linux-musl -fno-sanitize=all "$@"
"#;

const ARCHIVER: &str = r#"#!/bin/sh
exec "$(dirname "$0")/ziglang/zig" ar "$@"
"#;

/// The folder that holds `cc` and `ar` for 64-bit ARM with musl, and whatever they cache.
///
/// # Errors
/// When pip cannot fetch them.
pub(crate) fn zig() -> Result<PathBuf, Box<dyn Error>> {
    let place = target_dir().join("tools").join(format!("zig-{ZIG}"));
    if place.is_dir() {
        return Ok(place);
    }
    let partial = place.with_extension("partial");
    let mut install = Command::new("python3");
    install
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--no-cache-dir",
            "--upgrade",
        ])
        .args([
            "--only-binary",
            ":all:",
            &format!("ziglang=={ZIG}"),
            "--target",
        ]);
    if !succeeds(install.arg(&partial))? {
        return Err("pip could not fetch ziglang".into());
    }
    write_script(&partial.join("cc"), COMPILER)?;
    write_script(&partial.join("ar"), ARCHIVER)?;
    fs::rename(partial, &place)?;
    Ok(place)
}

fn write_script(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}
