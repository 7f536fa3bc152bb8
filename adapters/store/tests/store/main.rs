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
mod commit;
mod drawn;
mod feed;
mod file;
mod kill;
mod passwords;
mod sources;
mod trouble;
