//! What the end-to-end tests share.

pub mod appliance;
pub mod auth_client;
pub mod certificates;
pub mod clients;
pub mod corpora;
pub mod daemon;
pub mod django;
pub mod dovecot;
pub mod emulators;
pub mod exim;
pub mod fuzz;
pub mod judge;
pub mod lab;
pub mod login;
pub mod mint;
pub mod namespace;
pub mod oidc_provider;
pub mod postfix;
pub mod process;
pub mod roots;
pub mod smtp;
pub mod stream;
pub mod stub;
pub mod tap;
