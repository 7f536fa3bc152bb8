//! Bytes to values and back: base64, JSON and percent-encoding. No policy.

pub(crate) mod ascii;
pub(crate) mod base64;
pub(crate) mod json;
pub(crate) mod percent;
pub(crate) mod scanned;
pub(crate) mod search;

#[cfg(test)]
mod linear;
