//! `mps2-an386`, with a Cortex-M4.

pub(crate) use gatepost_device::SCRIPT_ON_M4 as SCRIPT;

/// The first CMSDK timer.
pub(crate) const TIMER: usize = 0x4000_0000;

/// Instructions between two counts of the timer, of 25 MHz.
pub(crate) const INSTRUCTIONS_PER_COUNT: u32 = 40;
