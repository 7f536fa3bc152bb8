//! The CMSDK UART: lines go into a buffer, the transmitter's interrupt empties it.
//!
//! Nobody ever waits for the wire. A line that does not fit into the buffer is cut.

use core::cell::RefCell;
use core::fmt::{self, Write};

use critical_section::Mutex;
use heapless::Deque;

use super::board;
use super::config::LIMITS;

const DATA: usize = 0x0;
const STATE: usize = 0x4;
const CTRL: usize = 0x8;
const INTSTATUS: usize = 0xc;
const BAUDDIV: usize = 0x10;

/// STATE: the transmitter holds a byte.
const TX_FULL: u32 = 1;
/// CTRL: the transmitter runs, and interrupts when it has sent a byte.
const TX_ENABLED: u32 = 1 | 1 << 2;
/// INTSTATUS: the transmitter's interrupt.
const TX_SENT: u32 = 1;

const BAUD: u32 = 115_200;
/// A byte takes 87 µs at 25 MHz and 115,200 baud: some 2,200 cycles.
const PATIENCE: u32 = 10_000;

/// Some ten lines, and half as many where there are few connections to tell of, and little memory. What comes faster
/// than the wire takes it is lost, and not waited for.
type Buffer = Deque<u8, { if LIMITS.connections > 4 { 1024 } else { 512 } }>;

static BUFFER: Mutex<RefCell<Buffer>> = Mutex::new(RefCell::new(Deque::new()));

/// Switches the transmitter on.
pub(crate) fn start() {
    write(BAUDDIV, board::CLOCK_HZ / BAUD);
    write(CTRL, TX_ENABLED);
    board::enable(board::UART_SENT);
}

/// Queues `line` and a line feed, as a whole between all other lines.
pub(crate) fn write_line(line: fmt::Arguments<'_>) {
    critical_section::with(|section| {
        let mut buffer = BUFFER.borrow(section).borrow_mut();
        if writeln!(Queued(&mut buffer), "{line}").is_err() {
            // Full: the line is cut, but ends.
            buffer.pop_back();
            let _ = buffer.push_back(b'\n'); // There is room for one.
        }
        pump(&mut buffer);
    });
}

/// Writes `line` past the buffer: for the last words before a restart, when nothing else runs.
pub(crate) fn write_last_line(line: fmt::Arguments<'_>) {
    critical_section::with(|section| {
        // Whoever broke may have broken off in the midst of a line; what is queued comes first.
        if let Ok(mut buffer) = BUFFER.borrow(section).try_borrow_mut() {
            while let Some(byte) = buffer.pop_front() {
                transmit(byte);
            }
        }
        let _ = writeln!(Direct, "{line}"); // `Direct` never fails.
    });
    await_transmitter();
}

/// The transmitter has sent a byte.
pub(crate) extern "C" fn on_interrupt() {
    write(INTSTATUS, TX_SENT);
    critical_section::with(|section| pump(&mut BUFFER.borrow(section).borrow_mut()));
}

/// Hands the transmitter what it takes.
fn pump(buffer: &mut Buffer) {
    while read(STATE) & TX_FULL == 0 {
        let Some(byte) = buffer.pop_front() else {
            return;
        };
        write(DATA, u32::from(byte));
    }
}

/// Sends `byte` when the transmitter is free, or drops it if that never happens.
fn transmit(byte: u8) {
    if await_transmitter() {
        write(DATA, u32::from(byte));
    }
}

fn await_transmitter() -> bool {
    (0..PATIENCE).any(|_| read(STATE) & TX_FULL == 0)
}

/// Writes into the buffer.
struct Queued<'b>(&'b mut Buffer);

impl Write for Queued<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes()
            .try_for_each(|byte| self.0.push_back(byte).map_err(|_| fmt::Error))
    }
}

/// Writes to the wire.
struct Direct;

impl Write for Direct {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(transmit);
        Ok(())
    }
}

fn read(offset: usize) -> u32 {
    // SAFETY: `offset` is that of a register of the UART, which the board has at this address.
    unsafe { ((board::UART + offset) as *const u32).read_volatile() }
}

fn write(offset: usize, value: u32) {
    // SAFETY: as for `read`; no write to the UART touches memory.
    unsafe { ((board::UART + offset) as *mut u32).write_volatile(value) }
}
