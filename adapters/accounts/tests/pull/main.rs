//! Accounts that are pulled: a provider's pages go in, and a store holds what it has; without sockets, and in virtual
//! time.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

mod disorder;
mod faults;
mod lab;
mod rules;
