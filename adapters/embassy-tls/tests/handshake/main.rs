//! Whom the client speaks to, and whom it refuses: against rustls, in memory.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "nobody sends anything to a test"
)]

mod accepted;
mod afterwards;
mod chain;
mod client;
mod refused;
mod server;
