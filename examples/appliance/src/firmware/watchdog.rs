//! The CMSDK watchdog: restarts the board when its tasks no longer run.
//!
//! A task of the network feeds it, and only while the tasks of thread mode come to an end of their steps too. Both
//! the boards and QEMU's models of them raise the non-maskable interrupt when the watchdog expires,
//! and reset when it expires once more.

use cortex_m_rt::exception;
use embassy_time::{Duration, Timer};

use super::{board, executor, fault};

const LOAD: usize = 0x0;
const CONTROL: usize = 0x8;
const INTCLR: usize = 0xc;
const LOCK: usize = 0xc00;

/// CONTROL: interrupts when it expires first, resets when it expires again.
const INTERRUPT_AND_RESET: u32 = 0b11;
/// Written to LOCK, lets the other registers be written; anything else locks them.
const UNLOCK: u32 = 0x1acc_e551;

/// How long the watchdog is patient, in seconds: with the two below 8 seconds, as documented.
const PATIENCE: u32 = 2;
const FEEDING: Duration = Duration::from_millis(500);

/// The longest step of a task of thread mode. A signature of ES384 is some 27 million instructions, more than a second
/// at 25 MHz; the longest chain of certificates that is checked has five.
const STEP_LIMIT: Duration = Duration::from_millis(5_500);

/// Lets the watchdog watch from here on.
pub(crate) fn start() {
    write(LOCK, UNLOCK);
    write(LOAD, board::CLOCK_HZ * PATIENCE);
    write(CONTROL, INTERRUPT_AND_RESET);
    write(LOCK, 0);
}

/// Feeds the watchdog for as long as thread mode gives signs of life.
#[embassy_executor::task]
pub(crate) async fn keep() -> ! {
    loop {
        if executor::thread_silence() < STEP_LIMIT {
            feed();
        }
        Timer::after(FEEDING).await;
    }
}

fn feed() {
    write(LOCK, UNLOCK);
    write(INTCLR, 0); // Whatever is written starts the count anew.
    write(LOCK, 0);
}

/// The watchdog has expired.
#[exception]
unsafe fn NonMaskableInt() -> ! {
    let silence = executor::thread_silence().as_millis();
    fault::restart(format_args!(
        "watchdog expired, thread mode silent for {silence} ms"
    ))
}

fn write(offset: usize, value: u32) {
    // SAFETY: `offset` is that of a register of the watchdog, which the board has at this address;
    // it touches no memory.
    unsafe { ((board::WATCHDOG + offset) as *mut u32).write_volatile(value) }
}
