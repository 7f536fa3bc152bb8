//! The memory protection unit of Armv8-M, and its limit of the stack: Cortex-M33.

use cortex_m::asm;
use cortex_m::peripheral::MPU;
use cortex_m::register::msplim;

use super::stack_end;
use crate::firmware::board;

/// 4 MB, what each memory has.
const SIZE: u32 = 1 << 22;

/// A region: its bounds are multiples of 32, and none may overlap another.
struct Region {
    base: u32,
    size: u32,
    access: u32,
    kind: u32,
}

/// RBAR: privileged code may read it, nobody may write it.
const READ_ONLY: u32 = 0b10 << 1;
/// RBAR: nobody may run it.
const NEVER_EXECUTED: u32 = 1;
/// MAIR: cached, written through, and cached, written back; the number of each is that of its byte.
const KINDS: u32 = 0xffaa;
const WRITTEN_THROUGH: u32 = 0;
const WRITTEN_BACK: u32 = 1;
/// RLAR: the region counts.
const ENABLED: u32 = 1;
/// CTRL: the unit is on, and what no region covers is as the architecture has it.
const ON_WITH_DEFAULTS: u32 = 1 << 2 | 1;

const REGIONS: [Region; 3] = [
    // Code.
    Region {
        base: board::FLASH,
        size: SIZE,
        access: READ_ONLY,
        kind: WRITTEN_THROUGH,
    },
    // Its other addresses, which include where null pointers lead.
    Region {
        base: 0,
        size: 2 * SIZE,
        access: READ_ONLY | NEVER_EXECUTED,
        kind: WRITTEN_THROUGH,
    },
    // RAM.
    Region {
        base: board::RAM,
        size: SIZE,
        access: NEVER_EXECUTED,
        kind: WRITTEN_BACK,
    },
];

/// Puts the regions and the limit of the stack into force.
pub(crate) fn protect(mpu: &mut MPU) {
    // SAFETY: what is used of the stack lies above its end.
    unsafe { msplim::write(stack_end() as u32) };
    // SAFETY: the regions allow all that this program does: it runs what it was linked to in flash, and keeps its data
    // in RAM.
    unsafe { mpu.mair[0].write(KINDS) };
    for (number, region) in (0..).zip(REGIONS) {
        let last = region.base + (region.size - 32);
        // SAFETY: as above.
        unsafe {
            mpu.rnr.write(number);
            mpu.rbar.write(region.base | region.access);
            mpu.rlar.write(last | region.kind << 1 | ENABLED);
        }
    }
    // SAFETY: as above.
    unsafe { mpu.ctrl.write(ON_WITH_DEFAULTS) };
    asm::dsb();
    asm::isb();
}
