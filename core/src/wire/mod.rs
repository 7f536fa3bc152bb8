//! Bytes to values and back: base64url, JSON and percent-encoding. No policy.

pub(crate) mod ascii;
pub(crate) mod base64url;
pub(crate) mod json;
pub(crate) mod percent;
pub(crate) mod scanned;

#[cfg(test)]
mod linear;
