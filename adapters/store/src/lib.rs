//! Where accounts, groups, sources and application passwords are kept: one trait, [`Store`], and SQLite behind it.
//!
//! No other crate has SQL. Reads of mail servers and logins never come here: they are answered by an
//! [`Index`](gatepost_accounts::index::Index), which the store's [`Feed`] fills and keeps current.
//! Writes are [`Job`]s. Many of them share one commit, and none is told that it is kept before it is on disk.

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

mod job;
mod password;
mod source;
pub mod sqlite;
mod store;
mod trouble;

pub use job::{Job, job, run};
pub use password::{NewPassword, PasswordError, Passwords};
pub use source::{
    BearerSecret, KnownSource, MAX_LABEL, MAX_SECRETS, NewSecret, Secret, SecretHash, SecretId,
    Session, SourceError,
};
pub use sqlite::{
    Counts, Role, Settings, Sqlite, accounts_derived_otherwise, count, look, look_beside,
};
pub use store::{Feed, Load, State, Store, Untold};
pub use trouble::Trouble;
