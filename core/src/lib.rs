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
pub mod dovecot;
pub mod exchange;
pub mod introspection;
pub mod jose;
mod policy;
pub mod provider;
mod rejection;
pub mod sasl;
mod time;
mod wire;

pub use claims::{TokenType, VerifiedPayload};
pub use exchange::Exchange;
pub use policy::{
    Active, Audience, Claim, DEFAULT_SKEW, Delegate, Identity, Policy, Requirement, TemplateError,
    Tenant, UserCase, Violation, check_username_template,
};
pub use rejection::Rejection;
pub use time::UnixTime;
