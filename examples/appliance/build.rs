//! Writes what the firmware must know of its board: the memory map and the board's constants.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The memory map of every board below; see `src/firmware/memory.rs` for where the stack lies.
const MEMORY: &str = include_str!("memory.ld");

/// A board and its constants, as Rust source.
struct Board {
    name: &'static str,
    constants: &'static str,
}

const BOARDS: [Board; 2] = [
    Board {
        name: "mps2-an386",
        constants: include_str!("boards/mps2-an386.rs"),
    },
    Board {
        name: "mps2-an500",
        constants: include_str!("boards/mps2-an500.rs"),
    },
];

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=memory.ld");
    println!("cargo:rerun-if-changed=boards");
    println!("cargo:rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "none") {
        let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
        link(&out)?;
        fs::write(out.join("board.rs"), chosen_board()?.constants)?;
    }
    Ok(())
}

/// Has the firmware linked by cortex-m-rt's script over our memory map.
fn link(out: &Path) -> io::Result<()> {
    fs::write(out.join("memory.x"), MEMORY)?;
    // cortex-m-rt asks for the weak aliases of a device crate; our table of vectors has none.
    fs::write(out.join("device.x"), "")?;
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    // Without it the linker aligns segments to its pages, and the image grows by the gaps.
    println!("cargo:rustc-link-arg-bins=--nmagic");
    Ok(())
}

/// The board that `APPLIANCE_BOARD` names.
fn chosen_board() -> io::Result<&'static Board> {
    println!("cargo:rerun-if-env-changed=APPLIANCE_BOARD");
    let name = env::var("APPLIANCE_BOARD").unwrap_or_else(|_| BOARDS[0].name.to_owned());
    BOARDS
        .iter()
        .find(|board| board.name == name)
        .ok_or_else(|| io::Error::other(format!("no board is called {name:?}")))
}
