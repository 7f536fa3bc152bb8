//! TLS to providers, in images that ask over `https`; no other holds any of this.

use core::fmt;

use chacha20::ChaCha20Rng;
use gatepost_core::UnixTime;
use gatepost_embassy::{Line, Secure, Server};
use gatepost_embassy_tls::{Buffers, Connection, Error, Expectation, Trust, connect};
use static_cell::ConstStaticCell;

use super::config::{TLS_RECORD, TLS_TYPES, TRUST};
use super::entropy;

/// Records to a provider: 1,024 bytes of a request each, and what TLS puts around them.
const SENT: usize = 1024 + 128;

/// What a device speaks TLS with.
pub(crate) struct Tls {
    /// `None` where there is no entropy.
    generator: Option<ChaCha20Rng>,
    received: &'static mut [u8; TLS_RECORD],
    sent: &'static mut [u8; SENT],
}

/// Why there is no connection.
pub(crate) enum Failure {
    /// Random numbers could be guessed.
    NoEntropy,
    /// The server was not the one that was meant, or something broke.
    Tls(Error),
}

impl Tls {
    /// Looks for entropy, and says so; may be called once.
    pub(crate) fn start() -> Self {
        static RECEIVED: ConstStaticCell<[u8; TLS_RECORD]> = ConstStaticCell::new([0; TLS_RECORD]);
        static A_SENT: ConstStaticCell<[u8; SENT]> = ConstStaticCell::new([0; SENT]);
        Self {
            generator: entropy::generator(),
            received: RECEIVED.take(),
            sent: A_SENT.take(),
        }
    }
}

impl Secure for Tls {
    type Connection<'c> = Connection<'c, Line>;
    type Error = Failure;

    async fn connect<'c>(
        &'c mut self,
        line: Line,
        server: Server<'_>,
        now: UnixTime,
    ) -> Result<Connection<'c, Line>, Failure> {
        let generator = self.generator.as_mut().ok_or(Failure::NoEntropy)?;
        let buffers = Buffers {
            read: self.received,
            write: self.sent,
        };
        let trust = TRUST.get(server.trust).copied();
        let trust = trust.unwrap_or(Trust::Anchors(&[]));
        let expectation = Expectation {
            name: server.name,
            trust,
            now: Some(now),
            key_types: TLS_TYPES,
        };
        let connected = connect(line, buffers, &expectation, generator).await;
        connected.map_err(Failure::Tls)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEntropy => f.write_str("no entropy: restart with a new seed"),
            Self::Tls(error) => error.fmt(f),
        }
    }
}
