//! `mps2-an505`, with a Cortex-M33.

pub(crate) use gatepost_device::SCRIPT_ON_M33 as SCRIPT;

/// The first CMSDK timer, in the secure half of the address space.
pub(crate) const TIMER: usize = 0x5000_0000;

/// Instructions between two counts of the timer, of 20 MHz.
pub(crate) const INSTRUCTIONS_PER_COUNT: u32 = 50;
