//! Where things lie in memory, who may do what there, and how much of it is used.
//!
//! The stack lies at the bottom of RAM and the statics above it. So a stack that overflows runs into
//! addresses below RAM instead of the statics. On Armv7-M the memory protection unit refuses those, which
//! is a fault on the spot, and no frame is large enough to jump across 256 MB; on Armv8-M the processor refuses a stack
//! pointer below its limit. No second link step is needed, as the stack's size is a constant of the memory map.

#[cfg_attr(armv8m, path = "memory/v8.rs")]
#[cfg_attr(not(armv8m), path = "memory/v7.rs")]
mod protection;

use core::ptr;

use cortex_m_rt::{STACK_PAINT_VALUE, heap_start};

pub(crate) use protection::protect;

unsafe extern "C" {
    static _stack_end: u32;
    static _stack_start: u32;
    static _ram_start: u32;
}

/// What is used of RAM, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Every static: the whole of `.data`, `.bss` and `.uninit`.
    pub(crate) statics: usize,
    /// The most that the stack has held since the start.
    pub(crate) stack: usize,
}

/// Measures what is used of RAM.
///
/// cortex-m-rt paints the stack before anything runs on it; what has lost its paint was used. Bytes
/// that were reserved but never written look unused.
pub(crate) fn usage() -> Usage {
    let (end, start) = (stack_end(), ptr::addr_of!(_stack_start) as usize);
    let untouched = (end..start)
        .step_by(size_of::<u32>())
        // SAFETY: these addresses are the words of the stack. What others write there meanwhile is
        // read as it is, word by word.
        .take_while(|&word| unsafe { (word as *const u32).read_volatile() } == STACK_PAINT_VALUE)
        .count();
    Usage {
        statics: heap_start() as usize - ptr::addr_of!(_ram_start) as usize,
        stack: start - end - untouched * size_of::<u32>(),
    }
}

/// The lowest address of the stack.
pub(crate) fn stack_end() -> usize {
    ptr::addr_of!(_stack_end) as usize
}
