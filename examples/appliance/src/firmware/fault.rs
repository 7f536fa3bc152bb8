//! Panics and faults: one line that says what happened and where, and a restart.

use core::arch::naked_asm;
use core::fmt;
use core::panic::PanicInfo;

use cortex_m::interrupt;
use cortex_m::peripheral::SCB;

use super::{memory, uart};

/// Says `why` and restarts the board.
pub(crate) fn restart(why: fmt::Arguments<'_>) -> ! {
    interrupt::disable();
    uart::write_last_line(format_args!("ERROR restart {why}"));
    SCB::sys_reset()
}

/// Tells where, and not what: a message may quote what a client has sent.
#[panic_handler]
fn on_panic(info: &PanicInfo<'_>) -> ! {
    match info.location() {
        Some(place) => restart(format_args!("panic at {}:{}", place.file(), place.line())),
        None => restart(format_args!("panic")),
    }
}

/// The entry for every fault, as none has a handler of its own.
///
/// The stack may be what is at fault, so it is given up: its top is where [`on_fault`] goes on, with
/// the program counter, the link register and the stack pointer of the culprit. A stack that has
/// overflown holds no frame to take the first two from: it is below its end, or on Armv8-M at it.
#[unsafe(naked)]
#[unsafe(export_name = "HardFault")]
unsafe extern "C" fn hard_fault() -> ! {
    naked_asm!(
        "mrs r2, msp",
        "ldr r3, =_stack_end",
        "movs r0, #0",
        "movs r1, #0",
        "cmp r2, r3",
        "bls 1f",
        "ldr r0, [r2, #24]",
        "ldr r1, [r2, #20]",
        "1:",
        "ldr r3, =_stack_start",
        "msr msp, r3",
        "b {on_fault}",
        on_fault = sym on_fault,
    )
}

/// CFSR: the stack pointer was about to pass its limit (Armv8-M).
const STACK_LIMIT: u32 = 1 << 20;

extern "C" fn on_fault(pc: usize, lr: usize, sp: usize) -> ! {
    // SAFETY: reads registers of the processor, which has nothing else left to do.
    let scb = unsafe { &*SCB::PTR };
    let (cause, address) = (scb.cfsr.read(), scb.mmfar.read());
    let what = if sp < memory::stack_end() || cause & STACK_LIMIT != 0 {
        "stack overflow"
    } else {
        "fault"
    };
    restart(format_args!(
        "{what} pc={pc:#x} lr={lr:#x} sp={sp:#x} cfsr={cause:#x} address={address:#x}"
    ))
}
