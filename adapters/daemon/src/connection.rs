//! The path of every protocol's bytes: a listener's socket, an acceptor, a worker's thread, and the peer that drives a
//! [handler](crate::handlers).

pub(crate) mod acceptor;
pub(crate) mod client;
pub(crate) mod http;
pub(crate) mod listener;
pub(crate) mod peer;
pub(crate) mod service;
pub(crate) mod slot;
pub(crate) mod tls;
pub(crate) mod upstream;
pub(crate) mod worker;
#[cfg(test)]
pub(crate) mod world;
