//! Protocols between Gatepost and mail servers that only a host needs, one module each.
//!
//! Sans-IO: bytes or values in, bytes or values out. Nothing here opens a socket, reads a clock or judges a
//! token; every buffer has a bound, and a peer that breaks its protocol gets an error that says how.

#![forbid(unsafe_code)]

pub mod dict;
pub mod http;
pub mod line;
pub mod logins;
pub mod master;
pub mod relay;
pub mod socketmap;
pub mod upstream;
pub mod users;
pub mod waiting;
