//! Decides whether an OAuth 2.0 bearer token is good, and whose it is.
#![no_std]
#![forbid(unsafe_code)]

pub mod crypto;
pub mod dovecot;
pub mod sasl;
mod time;

pub use time::UnixTime;
