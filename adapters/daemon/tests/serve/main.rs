//! The real command, spoken to as mail servers do, and as nobody should.

mod account;
mod accounts;
mod addresses;
mod answers;
mod checked;
mod dict;
mod doctor;
mod finding;
mod http;
mod neighbours;
mod online;
mod operations;
mod passwords;
mod refusals;
mod relay;
mod serving;
mod sockets;
mod tls;
mod tokens;
mod watching;
mod whose;
