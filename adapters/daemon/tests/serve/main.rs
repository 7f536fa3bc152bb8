//! The real command, spoken to as mail servers do, and as nobody should.

mod account;
mod answers;
mod dict;
mod doctor;
mod face;
mod finding;
mod front;
mod online;
mod serving;
mod sockets;
mod tls;
mod tokens;
