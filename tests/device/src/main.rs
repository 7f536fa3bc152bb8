//! The image: judges and measures what its host has written into its memory, and tells by semihosting.

#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]

#[cfg(target_os = "none")]
mod image;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this is an image for a board: `cargo xtask bench appliance` builds and boots it");
}
