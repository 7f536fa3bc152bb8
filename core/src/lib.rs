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

mod claims;
pub mod crypto;
pub mod jose;
mod policy;
pub mod sasl;
mod time;
mod wire;

pub use policy::{Active, Audience, Claim, DEFAULT_SKEW, Identity, Policy, UserCase, Violation};
pub use time::UnixTime;
