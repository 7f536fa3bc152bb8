//! A command whose reader has gone ends, as others do: `gatepost doctor | head`.

use nix::sys::signal::{SigHandler, Signal, signal};

/// Has a write to a pipe that nobody reads end the process, where Rust would have it fail, and `println!` panic. Not
/// for whoever serves: there it is one connection that ends.
pub(crate) fn end_without_reader() {
    // SAFETY: no handler is put in place, but the system's default. Fails for no signal that there is.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
}
