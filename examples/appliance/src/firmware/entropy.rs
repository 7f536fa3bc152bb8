//! Random numbers, in images that speak TLS.
//!
//! The boards have no source of entropy. What starts them, a test rig, writes 32 random bytes to
//! [`board::SEED`] before each start; `entropy = "seed"` in the configuration says that it does. A board
//! with a generator of its own reads it in [`entropy`] instead.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};

use super::board;
use crate::seed::{Seed, is_plausible, mixed};

/// Where the seed lies, and behind it what a run leaves to the next, should the board alone restart.
const PLACE: *mut [Seed; 2] = board::SEED as *mut [Seed; 2];

/// A generator, or `None` where nothing is to be had that nobody can guess.
pub(crate) fn generator() -> Option<ChaCha20Rng> {
    let Some(seed) = entropy() else {
        log::error!(
            "no TLS: no seed; write 32 new random bytes to {:#x} before each start",
            board::SEED
        );
        return None;
    };
    log::warn!("looser: entropy = \"seed\": TLS is as good as the seed of each start");
    Some(ChaCha20Rng::from_seed(seed))
}

/// Takes the seed: it serves once.
///
/// A restart by the watchdog may find it written anew, as QEMU does. So what was left behind is mixed in,
/// and nobody who sees memory later learns what was drawn.
fn entropy() -> Option<Seed> {
    // SAFETY: the board has memory at this address, of which nobody else knows; any bytes are a seed.
    let [seed, left] = unsafe { PLACE.read_volatile() };
    if !is_plausible(&seed) {
        return None;
    }
    let mut generator = ChaCha20Rng::from_seed(mixed(seed, left));
    let (mut own, mut next) = ([0; size_of::<Seed>()], [0; size_of::<Seed>()]);
    generator.fill_bytes(&mut own);
    generator.fill_bytes(&mut next);
    // SAFETY: as above.
    unsafe { PLACE.write_volatile([[0; size_of::<Seed>()], next]) };
    Some(own)
}
