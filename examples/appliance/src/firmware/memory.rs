//! Where things lie in memory, who may do what there, and how much of it is used.
//!
//! The stack lies at the bottom of RAM and the statics above it. So a stack that overflows runs into
//! addresses below RAM instead of the statics; the memory protection unit refuses those, which
//! is a fault on the spot, and no frame is large enough to jump across 256 MB. No second link step is
//! needed, as the stack's size is a constant of the memory map.

use core::ptr;

use cortex_m::asm;
use cortex_m::peripheral::MPU;
use cortex_m_rt::{STACK_PAINT_VALUE, heap_start};

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

/// A region of the memory protection unit; its size is a power of two, and its base a multiple of it.
struct Region {
    base: u32,
    /// The size's logarithm.
    size: u32,
    access: u32,
}

/// RASR: nobody may touch it, nor run it.
const NO_ACCESS: u32 = 1 << 28;
/// RASR: code and constants, not shared: cached, written through.
const READ_ONLY: u32 = 0b110 << 24 | 1 << 17;
/// RASR: data that is never run: cached, written back.
const NEVER_EXECUTED: u32 = 1 << 28 | 0b011 << 24 | 1 << 19 | 1 << 17 | 1 << 16;
/// RASR: the region counts.
const ENABLED: u32 = 1;
/// CTRL: the unit is on, and what no region covers is as the architecture has it.
const ON_WITH_DEFAULTS: u32 = 1 << 2 | 1;

const REGIONS: [Region; 3] = [
    // Code: 4 MB, which includes where null pointers lead.
    Region {
        base: 0x0000_0000,
        size: 22,
        access: READ_ONLY,
    },
    // Below the stack: 256 MB.
    Region {
        base: 0x1000_0000,
        size: 28,
        access: NO_ACCESS,
    },
    // RAM: 4 MB.
    Region {
        base: 0x2000_0000,
        size: 22,
        access: NEVER_EXECUTED,
    },
];

/// Puts the regions into force.
pub(crate) fn protect(mpu: &mut MPU) {
    for (number, region) in (0..).zip(REGIONS) {
        // SAFETY: the regions allow all that this program does: it runs what it was linked to at 0,
        // and keeps its data in RAM.
        unsafe {
            mpu.rnr.write(number);
            mpu.rbar.write(region.base);
            mpu.rasr
                .write(region.access | (region.size - 1) << 1 | ENABLED);
        }
    }
    // SAFETY: as above.
    unsafe { mpu.ctrl.write(ON_WITH_DEFAULTS) };
    asm::dsb();
    asm::isb();
}
