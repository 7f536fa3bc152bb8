//! Has the image linked by cortex-m-rt's script over the memory map of the board.

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=memory.ld");
    println!("cargo:rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "none") {
        let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
        fs::write(out.join("memory.x"), include_str!("memory.ld"))?;
        // cortex-m-rt asks for the weak aliases of a device crate; our table of vectors has none.
        fs::write(out.join("device.x"), "")?;
        println!("cargo:rustc-link-search={}", out.display());
        println!("cargo:rustc-link-arg-bins=-Tlink.x");
        // Without it the linker aligns segments to its pages, and the image grows by the gaps.
        println!("cargo:rustc-link-arg-bins=--nmagic");
    }
    Ok(())
}
