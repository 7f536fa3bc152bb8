//! The protocols of mail servers, each without I/O: what a [`Peer`](crate::connection::peer) drives.

pub(crate) mod auth;
pub(crate) mod dict;
pub(crate) mod master;
pub(crate) mod relay;
pub(crate) mod socketmap;
