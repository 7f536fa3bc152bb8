//! Writes what the firmware must know: its board's memory map and constants, and its configuration.

mod config;
mod generate;
/// The device's own: here it checks a configuration, there it computes sizes.
#[path = "../../../adapters/embassy/src/limits.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "the device computes with the rest"
)]
mod limits;
mod trust;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs};

use config::{Config, Memory};

/// The memory map of every board below; see `src/firmware/memory.rs` for where the stack lies.
const MEMORY: &str = include_str!("../memory.ld");

/// The configuration of an image for which none is named.
const DEFAULT: &str = "appliance.toml";

/// A board and its constants, as Rust source.
struct Board {
    name: &'static str,
    constants: &'static str,
}

const BOARDS: [Board; 2] = [
    Board {
        name: "mps2-an386",
        constants: include_str!("../boards/mps2-an386.rs"),
    },
    Board {
        name: "mps2-an500",
        constants: include_str!("../boards/mps2-an500.rs"),
    },
];

fn main() -> Result<(), String> {
    println!("cargo:rustc-check-cfg=cfg(online)");
    for path in [
        "memory.ld",
        "boards",
        "build",
        "../../adapters/embassy/src/limits.rs",
    ] {
        println!("cargo:rerun-if-changed={path}");
    }
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "none") {
        let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
        write(&out).map_err(|error| format!("appliance: {error}"))?;
    }
    Ok(())
}

fn write(out: &Path) -> Result<(), String> {
    let config = Config::read(&configuration())?;
    config.check_features(has("DHCP"), has("DNS"))?;
    let file = |name: &str, content: &str| {
        fs::write(out.join(name), content).map_err(|error| format!("{name}: {error}"))
    };
    file("config.rs", &generate::source(&config, built_at())?)?;
    if config.is_online() {
        println!("cargo:rustc-cfg=online");
    }
    file("board.rs", board(&config.board)?.constants)?;
    file("memory.x", &memory_map(config.memory))?;
    // cortex-m-rt asks for the weak aliases of a device crate; our table of vectors has none.
    file("device.x", "")?;
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    // Without it the linker aligns segments to its pages, and the image grows by the gaps.
    println!("cargo:rustc-link-arg-bins=--nmagic");
    Ok(())
}

/// The linker's map of what there is.
fn memory_map(Memory { flash, ram, stack }: Memory) -> String {
    [("@FLASH@", flash), ("@RAM@", ram), ("@STACK@", stack)]
        .into_iter()
        .fold(MEMORY.to_owned(), |map, (name, kibibytes)| {
            map.replace(name, &format!("{kibibytes}K"))
        })
}

/// The file that `APPLIANCE_CONFIG` names, in the folder where cargo was called, or else the one beside us.
fn configuration() -> PathBuf {
    println!("cargo:rerun-if-env-changed=APPLIANCE_CONFIG");
    let named = env::var_os("APPLIANCE_CONFIG").map(PathBuf::from);
    let path = named.unwrap_or_else(|| DEFAULT.into());
    println!("cargo:rerun-if-changed={}", path.display());
    path
}

/// Whether the image is built with a feature.
fn has(feature: &str) -> bool {
    env::var_os(format!("CARGO_FEATURE_{feature}")).is_some()
}

/// When the image is built, in seconds since 1970: no time before it is believed.
fn built_at() -> u64 {
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let said = env::var("SOURCE_DATE_EPOCH").ok();
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs()
    };
    said.and_then(|said| said.parse().ok()).unwrap_or_else(now)
}

fn board(name: &str) -> Result<&'static Board, String> {
    let names = BOARDS.map(|board| board.name);
    let found = BOARDS.iter().find(|board| board.name == name);
    found.ok_or_else(|| format!("no board is called {name:?}; there are {names:?}"))
}
