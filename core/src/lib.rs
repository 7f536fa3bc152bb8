//! Decides whether an OAuth 2.0 bearer token is good, and whose it is.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

#[cfg(test)]
extern crate std;

pub mod crypto;
pub mod sasl;
mod time;
mod wire;

pub use time::UnixTime;
