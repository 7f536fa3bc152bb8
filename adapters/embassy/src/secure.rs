//! TLS to providers. Whoever builds a device says who speaks it: an image that never asks over `https` carries none
//! of it.

use core::fmt;

use embedded_io_async::{Read, Write};
use gatepost_core::UnixTime;

use crate::tunnel::Line;

/// Who speaks TLS.
pub trait Secure {
    /// A connection to the server that was meant.
    type Connection<'c>: Read + Write
    where
        Self: 'c;
    /// Why there is none. What it displays is logged, and names no secret.
    type Error: fmt::Display;

    /// Shakes hands over `line`, and returns once the server has shown to be `server`.
    ///
    /// # Errors
    /// Where it has not: nothing of a request has been sent.
    fn connect<'c>(
        &'c mut self,
        line: Line,
        server: Server<'_>,
        now: UnixTime,
    ) -> impl Future<Output = Result<Self::Connection<'c>, Self::Error>>;
}

/// Who is meant.
#[derive(Clone, Copy, Debug)]
pub struct Server<'s> {
    /// Its name, or its address.
    pub name: &'s str,
    /// What has to vouch for it: the [`trust`](crate::OnlineSettings::trust) of its provider.
    pub trust: usize,
}
