//! The board that the firmware was built for: its constants, and who answers its interrupts.

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;

use super::{ethernet, executor, uart};

include!(concat!(env!("OUT_DIR"), "/board.rs"));

/// Raised by software to run the network's tasks.
pub(crate) const NETWORK: Interrupt = Interrupt(SPARE_INTERRUPTS[0]);
/// Raised by software to end the sleep of thread mode.
pub(crate) const THREAD: Interrupt = Interrupt(SPARE_INTERRUPTS[1]);
/// Raised by the Ethernet controller.
pub(crate) const ETHERNET_EVENT: Interrupt = Interrupt(ETHERNET_INTERRUPT);
/// Raised by the UART when it has sent a byte.
pub(crate) const UART_SENT: Interrupt = Interrupt(UART_INTERRUPT);

/// Priorities, most urgent first; the boards implement the upper three bits. `SysTick`'s is 0.
const DEVICES: u8 = 0x40;
const EXECUTOR: u8 = 0xc0;
const WAKING: u8 = 0xe0;

/// An interrupt of the board.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interrupt(u16);

// SAFETY: the numbers are constants of the board, and `VECTORS` would not compile if one were not
// below `INTERRUPTS`.
unsafe impl InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self.0
    }
}

type Handler = extern "C" fn();

/// What follows the processor's own vectors in the table at address 0.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [Handler; INTERRUPTS] = VECTORS;

const VECTORS: [Handler; INTERRUPTS] = {
    let mut vectors = [unexpected as Handler; INTERRUPTS];
    vectors[ETHERNET_EVENT.0 as usize] = ethernet::on_interrupt;
    vectors[UART_SENT.0 as usize] = uart::on_interrupt;
    vectors[NETWORK.0 as usize] = executor::on_network_interrupt;
    vectors[THREAD.0 as usize] = executor::on_thread_interrupt;
    vectors
};

/// No other interrupt is ever enabled.
extern "C" fn unexpected() {
    panic!("an interrupt that nobody enabled");
}

/// Orders the interrupts: devices before the network's tasks, these before thread mode.
pub(crate) fn set_priorities(nvic: &mut NVIC) {
    for (interrupt, priority) in [
        (ETHERNET_EVENT, DEVICES),
        (UART_SENT, DEVICES),
        (NETWORK, EXECUTOR),
        (THREAD, WAKING),
    ] {
        // SAFETY: runs before any of them is enabled, so no mask by priority can be in force.
        unsafe { nvic.set_priority(interrupt, priority) };
    }
}

/// Lets `interrupt` happen.
pub(crate) fn enable(interrupt: Interrupt) {
    NVIC::unpend(interrupt);
    // SAFETY: nothing here relies on an interrupt's absence; critical sections mask all of them.
    unsafe { NVIC::unmask(interrupt) };
}
