//! What holds of every store, and what holds of SQLite.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

mod behaviour;
mod both;
mod drawn;
