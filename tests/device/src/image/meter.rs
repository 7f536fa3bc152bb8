//! What work costs: instructions, and how deep it goes on the stack.
//!
//! With `-icount shift=0` an instruction of the emulated processor takes a nanosecond of the board's time,
//! which a timer counts in clocks of 20 or 25 MHz.

use core::arch::asm;
use core::ptr;

use cortex_m::register::msp;

use super::board::{self, INSTRUCTIONS_PER_COUNT};

/// The timer: control, value (counting down), and what it starts from.
const TIMER: *mut u32 = board::TIMER as *mut u32;

/// What nobody leaves on the stack by chance.
const PAINT: u32 = 0xc5c5_c5c5;

unsafe extern "C" {
    static _stack_end: u32;
}

/// The cost of some work.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    /// Instructions, to the nearest of the timer's counts.
    pub(crate) instructions: u32,
    /// Bytes of stack below where it was called.
    pub(crate) stack: usize,
}

/// Starts the timer.
pub(crate) fn start() {
    // SAFETY: the timer's registers, which nobody else uses.
    unsafe {
        TIMER.add(2).write_volatile(u32::MAX);
        TIMER.add(1).write_volatile(u32::MAX);
        TIMER.write_volatile(1);
    }
}

/// Does `work` and tells what it cost.
#[inline(never)]
pub(crate) fn measure(work: &mut dyn FnMut()) -> Cost {
    let top = msp::read() as usize;
    paint();
    let before = count();
    work();
    let counts = before.wrapping_sub(count());
    Cost {
        instructions: counts.saturating_mul(INSTRUCTIONS_PER_COUNT),
        stack: top.saturating_sub(deepest()),
    }
}

fn count() -> u32 {
    // SAFETY: reads a register that nothing depends on.
    unsafe { TIMER.add(1).read_volatile() }
}

/// Paints the stack below whoever calls.
#[inline(never)]
fn paint() {
    // SAFETY: below the stack pointer nothing is kept, as this loop calls nothing and no interrupt is enabled.
    unsafe {
        asm!(
            "2: cmp {address}, sp",
            "bhs 3f",
            "str {paint}, [{address}], #4",
            "b 2b",
            "3:",
            address = inout(reg) ptr::addr_of!(_stack_end) => _,
            paint = in(reg) PAINT,
        );
    }
}

/// The lowest address of the stack that has lost its paint.
fn deepest() -> usize {
    let top = msp::read() as usize;
    let mut words = (ptr::addr_of!(_stack_end) as usize..top).step_by(size_of::<u32>());
    // SAFETY: reads a word of the stack.
    let is_painted = |address: usize| unsafe { (address as *const u32).read_volatile() } == PAINT;
    words.find(|address| !is_painted(*address)).unwrap_or(top)
}
