//! The few functions that the processor's multiplier makes fast; everything else stands on them.
//!
//! Numbers are words of 32 bits, the lowest first. Those of P-256's field are any below `2^256`, so that a number has
//! two forms where it is below `2^256` less the prime.

#[cfg(any(test, not(all(target_arch = "arm", target_os = "none"))))]
mod portable;
#[cfg(all(target_arch = "arm", target_os = "none"))]
mod umaal;

#[cfg(not(all(target_arch = "arm", target_os = "none")))]
pub(crate) use portable::{add, multiply, multiply_row, square, subtract};
#[cfg(all(target_arch = "arm", target_os = "none"))]
pub(crate) use umaal::{add, multiply, multiply_row, square, subtract};

/// A number of 256 bits.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Words(pub(crate) [u32; 8]);

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
