//! The board's constants, interrupts, faults and end.

#[cfg_attr(armv8m, path = "board/m33.rs")]
#[cfg_attr(not(armv8m), path = "board/m4.rs")]
mod constants;

use core::panic::PanicInfo;

use cortex_m_rt::{ExceptionFrame, exception};
use cortex_m_semihosting::debug::{self, EXIT_FAILURE, EXIT_SUCCESS};
use cortex_m_semihosting::hprintln;

pub(crate) use constants::{INSTRUCTIONS_PER_COUNT, SCRIPT, TIMER};

/// What follows the processor's own vectors in the table at address 0; none of them is enabled.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [extern "C" fn(); 32] = [unexpected; 32];

extern "C" fn unexpected() {
    panic!("an interrupt that nobody enabled");
}

/// Ends the emulation.
pub(crate) fn exit(is_good: bool) -> ! {
    loop {
        debug::exit(if is_good { EXIT_SUCCESS } else { EXIT_FAILURE });
    }
}

#[panic_handler]
fn on_panic(info: &PanicInfo<'_>) -> ! {
    hprintln!("{}", info);
    exit(false)
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    hprintln!("fault at {:#x}", frame.pc());
    exit(false)
}
