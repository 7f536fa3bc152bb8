//! How core behaves, as whoever uses it sees it: whole logins on both backends, without any I/O.
//!
//! One program, so that a changed core is judged as soon as one is built: `cargo xtask mutants` changes it
//! some thousand times.

mod accounts;
mod dovecot_cases;
mod errors;
mod invariants;
mod library;
mod online;
mod passwords;
mod policy;
