//! What the end-to-end tests share.

pub use gatepost_core_tests::{judge, mint};

pub mod appliance;
pub mod auth_client;
pub mod cases;
pub mod certificates;
pub mod clients;
pub mod corpora;
pub mod daemon;
pub mod databases;
pub mod device;
pub mod django;
pub mod dovecot;
pub mod emulators;
pub mod exim;
pub mod flood;
pub mod fuzz;
pub mod imap;
pub mod lab;
pub mod login;
pub mod namespace;
pub mod node;
pub mod oidc_provider;
pub mod postfix;
pub mod process;
pub mod relayed;
pub mod roots;
pub mod roundcube;
pub mod smtp;
pub mod stock;
pub mod stream;
pub mod stub;
pub mod tap;
pub mod tls;
pub mod typical;
pub mod vectors;
pub mod ways;
