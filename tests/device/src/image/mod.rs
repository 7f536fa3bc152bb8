//! Goes through the script, and ends the emulation with its verdict.

mod board;
mod login;
mod meter;

use core::slice;

use cortex_m_rt::entry;
use cortex_m_semihosting::hprintln;
use gatepost_core::crypto::KeyType;
use gatepost_device::{MAX_SCRIPT, Request, TYPES, Vector};
use heapless::String;

/// Room for what a response comes to: a name and a token, each of which may be as long as a response.
type Outcome = String<16_384>;

#[entry]
fn main() -> ! {
    meter::start();
    // SAFETY: the board's PSRAM, which holds what the emulator has loaded, and which nobody writes to.
    let script = unsafe { slice::from_raw_parts(board::SCRIPT as *const u8, MAX_SCRIPT) };
    match run(script) {
        Ok(is_good) => board::exit(is_good),
        Err(_) => {
            hprintln!("the script is cut off");
            board::exit(false)
        }
    }
}

/// Answers every request; whether nothing differs from what was expected.
fn run(mut script: &[u8]) -> Result<bool, postcard::Error> {
    let mut outcome = Outcome::new();
    let (mut judged, mut differing) = (0_u32, 0_u32);
    let mut are_measured = true;
    while let (Some(request), rest) = postcard::take_from_bytes::<Option<Request<'_>>>(script)? {
        script = rest;
        match request {
            Request::Judge { vector, expected } => {
                judge(&vector, TYPES, &mut outcome);
                if outcome == expected {
                    // What is not needed where the processor multiplies is elsewhere.
                    judge(&vector, KeyType::ALL, &mut outcome);
                }
                if outcome != expected {
                    hprintln!("differs {}: {}", judged, outcome);
                    differing += 1;
                }
                judged += 1;
            }
            Request::Measure(login) => are_measured &= login::measure(&login).is_some(),
        }
    }
    hprintln!("judged {}, {} differ", judged, differing);
    Ok(are_measured && differing == 0)
}

fn judge(vector: &Vector<'_>, types: &[KeyType], outcome: &mut Outcome) {
    outcome.clear();
    if vector.outcome_by(types, outcome).is_err() {
        outcome.clear();
    }
}
