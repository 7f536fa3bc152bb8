//! What the tests of the core share: an issuer, and a driver of logins on both backends.

pub mod judge;
pub mod mint;
