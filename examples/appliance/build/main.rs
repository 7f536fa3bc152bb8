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
    /// What its images are built for.
    target: &'static str,
    /// Where its flash and its RAM begin.
    flash: u32,
    ram: u32,
    constants: &'static str,
}

const BOARDS: [Board; 3] = [
    Board {
        name: "mps2-an386",
        target: "thumbv7em-none-eabihf",
        flash: 0x0000_0000,
        ram: 0x2000_0000,
        constants: include_str!("../boards/mps2-an386.rs"),
    },
    Board {
        name: "mps2-an500",
        target: "thumbv7em-none-eabihf",
        flash: 0x0000_0000,
        ram: 0x2000_0000,
        constants: include_str!("../boards/mps2-an500.rs"),
    },
    Board {
        name: "mps2-an505",
        target: ARMV8M,
        flash: 0x1000_0000,
        ram: 0x3800_0000,
        constants: include_str!("../boards/mps2-an505.rs"),
    },
];

/// The target of boards whose memory protection is that of Armv8-M.
const ARMV8M: &str = "thumbv8m.main-none-eabihf";

fn main() -> Result<(), String> {
    println!("cargo:rustc-check-cfg=cfg(online, armv8m)");
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
    let board = board(&config.board)?;
    if board.target == ARMV8M {
        println!("cargo:rustc-cfg=armv8m");
    }
    file("board.rs", &constants(board))?;
    file("memory.x", &memory_map(board, config.memory))?;
    // cortex-m-rt asks for the weak aliases of a device crate; our table of vectors has none.
    file("device.x", "")?;
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    // Without it the linker aligns segments to its pages, and the image grows by the gaps.
    println!("cargo:rustc-link-arg-bins=--nmagic");
    Ok(())
}

/// What the firmware knows of its board.
fn constants(board: &Board) -> String {
    let Board { flash, ram, .. } = board;
    format!(
        "{}\n/// Where flash and RAM begin.\npub(crate) const FLASH: u32 = {flash:#x};\n\
         pub(crate) const RAM: u32 = {ram:#x};\n",
        board.constants
    )
}

/// The linker's map of what there is.
fn memory_map(board: &Board, Memory { flash, ram, stack }: Memory) -> String {
    let size = |kibibytes| format!("{kibibytes}K");
    [
        ("@FLASH_ORIGIN@", format!("{:#x}", board.flash)),
        ("@RAM_ORIGIN@", format!("{:#x}", board.ram)),
        ("@FLASH@", size(flash)),
        ("@RAM@", size(ram)),
        ("@STACK@", size(stack)),
    ]
    .into_iter()
    .fold(MEMORY.to_owned(), |map, (name, value)| {
        map.replace(name, &value)
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

/// The board of that name, if this is a build for it.
fn board(name: &str) -> Result<&'static Board, String> {
    let names = BOARDS.map(|board| board.name);
    let found = BOARDS.iter().find(|board| board.name == name);
    let board = found.ok_or_else(|| format!("no board is called {name:?}; there are {names:?}"))?;
    if env::var("TARGET").is_ok_and(|target| target == board.target) {
        return Ok(board);
    }
    let target = board.target;
    Err(format!("board {name:?} is built by --target {target}"))
}
