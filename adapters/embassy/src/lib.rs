//! Drives Gatepost's core on embassy, for mail gateways without an operating system.
//!
//! Two executors share the work, and only bytes go between them. The one of higher priority has the
//! network: it serves the mail servers' connections ([`serve`]), carries bytes to providers and back
//! ([`run_tunnel`]) and asks what time it is ([`keep_time`]). The one of lower priority judges: each
//! [`Court::sit`] takes one login after the other through an [`Exchange`](gatepost_core::Exchange),
//! [`Providers::keep_current`] looks for new keys, and [`run_errands`] speaks HTTP for both. A verification of 25
//! million instructions therefore delays other verdicts, and nothing else.
//!
//! ```text
//! client ── serve ──(Logins)──> Court::sit ──(Errands)──> run_errands ──(Tunnel)──> run_tunnel ── provider
//!        <─────────(Verdicts)──           <──────────────             <───────────
//! ```
//!
//! Where a provider is asked over TLS, who speaks it is up to the device ([`Secure`]).
//!
//! An image whose keys are all part of it has no errands: there each judge sits alone ([`Court::sit_alone`]).
//!
//! Nothing is allocated: logins lie in a [`Pool`] of blocks, keys in one arena of bytes. Requests, JWK Sets and
//! metadata pass through one buffer, which holds no more than answers about tokens. Whoever builds a device says how
//! large each of them is.
#![no_std]

#[cfg(test)]
extern crate std;

mod agreement;
mod baked;
mod client;
mod clock;
mod connection;
mod errands;
mod http;
mod judge;
mod keys;
mod limits;
mod logins;
mod network;
mod pool;
mod providers;
mod secure;
mod settings;
#[cfg(test)]
mod testing;
mod time;
mod tunnel;
mod url;

pub use baked::{BakedKey, Numbers};
pub use client::{NoTls, run_errands};
pub use clock::Clock;
pub use connection::serve;
pub use errands::{Buffer, Errands};
pub use http::{AnswerHead, AnswerReader, AnswerStep};
pub use judge::Court;
pub use limits::{Limits, OutOfRange};
pub use logins::{Logins, Verdicts};
pub use network::run_tunnel;
pub use pool::{Block, Memory, Pool};
pub use providers::{Providers, Seat};
pub use secure::{Secure, Server};
pub use settings::{OnlineSettings, ProviderSettings};
pub use time::keep_time;
pub use tunnel::{Line, Tunnel};
