//! Bytes to values and back: base64url and JSON. No policy.

pub(crate) mod base64url;
pub(crate) mod json;
