//! The memory protection unit of Armv7-M: Cortex-M4 and M7.

use cortex_m::asm;
use cortex_m::peripheral::MPU;

use crate::firmware::board;

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
        base: board::FLASH,
        size: 22,
        access: READ_ONLY,
    },
    // Below the stack: 256 MB.
    Region {
        base: board::RAM - (1 << 28),
        size: 28,
        access: NO_ACCESS,
    },
    // RAM: 4 MB.
    Region {
        base: board::RAM,
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
