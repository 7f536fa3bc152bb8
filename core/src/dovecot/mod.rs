//! Dovecot's auth-client protocol, the server's side: how Postfix, Exim and Dovecot hand over a login.
//!
//! Grammar and protocol state only: bytes in, events and lines out. Nothing here reads a socket or a
//! clock, and nothing decides whether a token is good.

mod answer;
mod auth;
mod error;
mod field;
mod input;
mod line;
mod login;
mod pending;
mod response;
#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]
mod transcripts;

pub use answer::{FailCode, Failure, Greeting, NotSent};
pub use auth::{Connection, Event};
pub use error::ProtocolError;
pub use line::MAX_LINE;
pub use login::{Endpoint, Login, Origin, Refusal, RefusalReason, ServiceName, SessionId, Ticket};
pub use pending::{FixedTable, LoginEntry, LoginKey, LoginTable, UserName};
pub use response::{MAX_RESPONSE, MAX_RESPONSE_CHARACTERS};
