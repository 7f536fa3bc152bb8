//! The firmware of the appliance: built for each configuration, and measured.

pub(crate) mod size;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use self::size::{Size, kibibytes};
use crate::Outcome;
use crate::workspace::{
    Programs, cargo, fresh, install_targets, output, root, succeeds, target_dir,
};

/// What it is built for: boards with Cortex-M4 and M7.
const TARGET: &str = "thumbv7em-none-eabihf";

/// Another board, and what it is built for: Cortex-M33.
const M33: (&str, &str) = ("mps2-an505", "thumbv8m.main-none-eabihf");

/// The configurations of the end-to-end tests.
const TESTED: [&str; 6] = [
    "tests/appliance/online.toml",
    "tests/appliance/online-an500.toml",
    "tests/appliance/online-an505.toml",
    "tests/appliance/online-tls.toml",
    "tests/appliance/pinned-an500.toml",
    "tests/appliance/wellknown.toml",
];

/// The package of the images that judge vectors and measure logins, and what they are called: by their targets.
const DEVICE: &str = "gatepost-device";
const DEVICE_IMAGES: [(&str, &str); 2] = [(TARGET, "device"), (M33.1, "device-m33")];

/// The libraries that do the arithmetic of a signature.
const CRYPTOGRAPHY: [&str; 13] = [
    "crypto-bigint",
    "curve25519-dalek",
    "ecdsa",
    "ed25519-dalek",
    "elliptic-curve",
    "hmac",
    "p256",
    "p384",
    "p521",
    "primefield",
    "primeorder",
    "sha2",
    "wnaf",
];

/// How an image's libraries of cryptography are built.
#[derive(Clone, Copy)]
enum Cryptography {
    /// As all the rest: small.
    Small,
    /// With `opt-level = 3`.
    Fast,
}

impl Cryptography {
    /// What is added to an image's name.
    fn suffix(self) -> &'static str {
        match self {
            Self::Small => "",
            Self::Fast => "-fast",
        }
    }

    /// What cargo is told.
    fn arguments(self) -> Vec<String> {
        let fast = |name| {
            let level = format!("profile.firmware.package.{name}.opt-level=3");
            ["--config".to_owned(), level]
        };
        match self {
            Self::Small => Vec::new(),
            Self::Fast => CRYPTOGRAPHY.into_iter().flat_map(fast).collect(),
        }
    }
}

/// Builds the images that the tests boot; fails where one could allocate.
pub(crate) fn build_tested() -> Outcome {
    let mut images = Vec::new();
    for configuration in TESTED {
        images.push(build(&root().join(configuration), &[])?);
    }
    for device in DEVICE_IMAGES {
        images.push(build_device(device, Cryptography::Small)?);
    }
    let mut are_good = true;
    for image in images {
        are_good &= match image {
            Some(image) => Size::read(&image)?.is_without_heap(&image),
            None => false,
        };
    }
    Ok(are_good)
}

/// Builds the images that measure logins, the first in both ways, and says what the faster one takes of flash.
pub(crate) fn build_measuring() -> Outcome {
    let configuration = root().join(size::ALL.configuration);
    let mut flash = Vec::new();
    let [device, others @ ..] = DEVICE_IMAGES;
    for other in others {
        if build_device(other, Cryptography::Small)?.is_none() {
            return Ok(false);
        }
    }
    for cryptography in [Cryptography::Small, Cryptography::Fast] {
        let (Some(_), Some(image)) = (
            build_device(device, cryptography)?,
            build_with(cryptography, &configuration, size::ALL.arguments)?,
        ) else {
            return Ok(false);
        };
        flash.push(kibibytes(Size::read(&image)?.flash));
    }
    if let [small, fast] = flash[..] {
        println!(
            "flash of all.toml: {small:.1} KiB; with opt-level 3 of its cryptography {fast:.1} KiB"
        );
    }
    Ok(true)
}

fn build_device((target, name): (&str, &str), cryptography: Cryptography) -> Built {
    let build = cargo(["build", "-p", DEVICE]);
    build_image(build, target, cryptography, DEVICE, name.as_ref())
}

/// Builds the image of a configuration, or of one that is made up, boots it, and leaves it serving; with
/// `once` it logs in itself and ends; by `programs` of the tests.
pub(crate) fn qemu(configuration: Option<&str>, once: bool, programs: Programs) -> Outcome {
    let demo = target_dir().join("appliance/demo");
    let configuration = match configuration {
        Some(named) => std::path::absolute(named)?,
        None if succeeds(programs(BOARD).arg("prepare").arg(&demo))? => demo.join("appliance.toml"),
        None => return Ok(false),
    };
    let Some(image) = build(&configuration, &[])? else {
        return Ok(false);
    };
    if !succeeds(&mut programs("roots"))? {
        return Ok(false);
    }
    let mut serve = programs(BOARD);
    serve.arg("serve").arg(image).arg(configuration);
    Ok(succeeds(serve.args(once.then_some("--once")))?)
}

/// What this machine lacks for [`qemu`], each a reason of its own.
pub(crate) fn lacking(programs: Programs) -> Vec<String> {
    match output(programs(BOARD).arg("lacking")) {
        Ok(lines) => lines.lines().map(str::to_owned).collect(),
        Err(error) => vec![error.to_string()],
    }
}

/// One login at a port of loopback, with the token of the standard input.
pub(crate) fn login(port: &str, user: &str) -> Outcome {
    Ok(succeeds(fresh(BOARD).args(["login", port, user]))?)
}

/// The program that makes boards up, boots them, and logs in.
const BOARD: &str = "board";

/// Where an image lies, or `None` where it cannot be built.
type Built = Result<Option<PathBuf>, Box<dyn std::error::Error>>;

/// Builds the image of a configuration, told `more`.
fn build(configuration: &Path, more: &[&str]) -> Built {
    build_with(Cryptography::Small, configuration, more)
}

fn build_with(cryptography: Cryptography, configuration: &Path, more: &[&str]) -> Built {
    let mut build = cargo(["build", "-p", "appliance"]);
    build.args(more).env("APPLIANCE_CONFIG", configuration);
    let name = configuration.file_stem().unwrap_or_default();
    let target = target(configuration)?;
    build_image(build, target, cryptography, "appliance", name)
}

/// What the image of a configuration is built for. That the configuration is right is seen when it is built.
fn target(configuration: &Path) -> io::Result<&'static str> {
    let (board, target) = M33;
    let text = fs::read_to_string(configuration)?;
    let mut settings = text.lines().filter_map(|line| line.split_once('='));
    let is_m33 = settings
        .any(|(key, value)| key.trim() == "board" && value.split('"').nth(1) == Some(board));
    Ok(if is_m33 { target } else { TARGET })
}

/// Runs `build` for `target`, and keeps what it has made of `package` as the image `name`.
fn build_image(
    mut command: Command,
    target: &str,
    cryptography: Cryptography,
    package: &str,
    name: &OsStr,
) -> Built {
    command
        .args(["--target", target, "--profile", "firmware"])
        .args(cryptography.arguments());
    if !install_targets(&[target])? || !succeeds(&mut command)? {
        return Ok(None);
    }
    let images = target_dir().join("appliance");
    fs::create_dir_all(&images)?;
    let mut name = name.to_owned();
    name.push(cryptography.suffix());
    let image = images.join(name);
    let built = target_dir().join(target).join("firmware").join(package);
    fs::copy(built, &image)?;
    Ok(Some(image))
}
