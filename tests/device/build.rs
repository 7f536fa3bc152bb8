//! Has the image linked by cortex-m-rt's script over the memory map of the board: one with a Cortex-M33 for Armv8-M,
//! one with a Cortex-M4 for any other target.

use std::path::PathBuf;
use std::{env, fs, io};

/// Where flash and RAM begin on the boards, `mps2-an386` and `mps2-an505`.
const M4: [&str; 2] = ["0x00000000", "0x20000000"];
const M33: [&str; 2] = ["0x10000000", "0x38000000"];

fn main() -> io::Result<()> {
    println!("cargo:rustc-check-cfg=cfg(armv8m)");
    println!("cargo:rerun-if-changed=memory.ld");
    println!("cargo:rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "none") {
        let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
        let is_m33 = env::var("TARGET").is_ok_and(|target| target.starts_with("thumbv8m.main"));
        if is_m33 {
            println!("cargo:rustc-cfg=armv8m");
        }
        let [flash, ram] = if is_m33 { M33 } else { M4 };
        let map = include_str!("memory.ld").replace("@FLASH@", flash);
        fs::write(out.join("memory.x"), map.replace("@RAM@", ram))?;
        // cortex-m-rt asks for the weak aliases of a device crate; our table of vectors has none.
        fs::write(out.join("device.x"), "")?;
        println!("cargo:rustc-link-search={}", out.display());
        println!("cargo:rustc-link-arg-bins=-Tlink.x");
        // Without it the linker aligns segments to its pages, and the image grows by the gaps.
        println!("cargo:rustc-link-arg-bins=--nmagic");
    }
    Ok(())
}
