//! The SCIM service provider, by the requests of real clients and of nobody's.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]
#![allow(
    clippy::needless_pass_by_value,
    reason = "bodies are written where they are sent"
)]

mod authentik;
mod canaille;
mod drawn;
mod entra;
mod hostile;
mod okta;
mod others;
mod protocol;
mod rules;
mod service;
mod whole;
