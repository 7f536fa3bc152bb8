//! Gatepost as the firmware of a mail gateway: a Cortex-M board that judges bearer tokens.
//!
//! Boots on the boards in `boards/`, all of which QEMU has.

#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]

#[cfg(target_os = "none")]
mod firmware;
#[cfg(any(target_os = "none", test))]
mod lan9118;
#[cfg(any(online, test))]
mod seed;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!(
        "this is firmware: cargo build -p appliance --target thumbv7em-none-eabihf --profile firmware"
    );
}
