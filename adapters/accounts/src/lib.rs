//! Accounts that a provider knows, before anybody has logged in.
//!
//! Sans-IO: nothing here opens a socket, a file or a database, reads a clock or draws a random number. [`scim`] takes
//! what a provider pushes through a [`store::Transaction`]; a store tells its [`model::Change`]s to an
//! [`index::Index`], which answers mail servers and logins from memory.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used,
        reason = "a test that panics has failed"
    )
)]

pub mod app_password;
pub mod docker_mailserver;
pub mod id;
pub mod index;
pub mod login;
pub mod memory;
pub mod model;
pub mod name;
pub mod pull;
pub mod routes;
pub mod scim;
pub mod store;
pub mod time;
