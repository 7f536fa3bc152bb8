//! Random numbers, where the configuration says that there is entropy.
//!
//! The boards have no source of entropy. What starts them, a test rig, writes 32 random bytes to
//! [`board::SEED`] before each start; `entropy = "seed"` in the configuration says that it does. A board
//! with a generator of its own reads it in [`entropy`] instead.

use core::cell::Cell;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use critical_section::Mutex;

use super::board;
use super::config::ENTROPY;
use crate::seed::{Seed, is_plausible, mixed};

/// Where the seed lies, and behind it what a run leaves to the next, should the board alone restart.
const PLACE: *mut [Seed; 2] = board::SEED as *mut [Seed; 2];

/// What the next numbers come from; `None` until it is read for the first time, then `Some(None)` where there is none.
static ROOT: Mutex<Cell<Option<Option<Seed>>>> = Mutex::new(Cell::new(None));

/// A number that nobody can guess, or `None` where there is none.
pub(crate) fn random() -> Option<u64> {
    let [a, b, c, d, e, f, g, h, ..] = draw()?;
    Some(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

/// Seeds another generator. What was drawn before is not to be found out from what is left.
fn draw() -> Option<Seed> {
    if !ENTROPY {
        return None;
    }
    critical_section::with(|section| {
        let root = ROOT.borrow(section);
        let seed = root.get().unwrap_or_else(entropy);
        let mut generator = seed.map(ChaCha20Rng::from_seed);
        let drawn = generator.as_mut().map(|generator| {
            let (mut next, mut drawn) = (Seed::default(), Seed::default());
            generator.fill_bytes(&mut next);
            generator.fill_bytes(&mut drawn);
            (next, drawn)
        });
        root.set(Some(drawn.map(|(next, _)| next)));
        Some(drawn?.1)
    })
}

/// A generator, or `None` where nothing is to be had that nobody can guess.
pub(crate) fn generator() -> Option<ChaCha20Rng> {
    let Some(seed) = draw() else {
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
