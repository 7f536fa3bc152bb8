//! Memory that a peak has left behind goes back to the system.
//!
//! glibc keeps what is freed below what is still in use, and no setting of it changes that: after ten thousand
//! connections that have left, three times as much stays as was needed before.

use std::io;
use std::thread;
use std::time::Duration;

use super::vital;

/// How often. It takes a millisecond or two, of a thread of its own.
const PERIOD: Duration = Duration::from_secs(10);

/// Gives back what is free, again and again.
pub(crate) fn keep_trimmed() -> io::Result<()> {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) {
        return Ok(());
    }
    vital::spawn("memory".to_owned(), || {
        loop {
            thread::sleep(PERIOD);
            trim();
        }
    })
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn trim() {
    // SAFETY: it takes a number, touches no memory that is in use, and may be called from any thread at any time
    // (malloc_trim(3): MT-Safe). What it says is whether anything was given back.
    unsafe { nix::libc::malloc_trim(0) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim() {}
