//! The client, run to the end of a handshake and beyond.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use embedded_io_async::{Read, Write};
use gatepost_core::UnixTime;
use gatepost_core::crypto::KeyType;
use gatepost_embassy_tls::{
    Buffers, Connection, Error, Expectation, MAX_READ, MIN_WRITE, Trust, TrustAnchor,
    anchor_from_trusted_cert, connect,
};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::chain::{NAME, Signer};

/// 2026-06-01, when good certificates are valid.
pub(crate) const NOW: UnixTime = UnixTime::from_seconds(1_780_272_000);

/// How a client is set up; what a test does not speak of is as it should be.
pub(crate) struct Client<'a> {
    pub(crate) name: &'a str,
    pub(crate) trust: Trust<'a>,
    pub(crate) now: Option<UnixTime>,
    pub(crate) key_types: &'a [KeyType],
    pub(crate) read_len: usize,
    pub(crate) write_len: usize,
}

impl<'a> Client<'a> {
    pub(crate) fn new(trust: Trust<'a>) -> Self {
        Self {
            name: NAME,
            trust,
            now: Some(NOW),
            key_types: KeyType::ALL,
            read_len: MAX_READ,
            write_len: MIN_WRITE,
        }
    }

    /// Shakes hands, and hands the connection to `then`.
    pub(crate) fn run<T: Read + Write, V>(
        &self,
        transport: T,
        then: impl AsyncFnOnce(&mut Connection<'_, T>) -> V,
    ) -> Result<V, Error> {
        let mut read = vec![0; self.read_len];
        let mut write = vec![0; self.write_len];
        let buffers = Buffers {
            read: &mut read,
            write: &mut write,
        };
        let mut rng = StdRng::from_seed([7; 32]);
        finish(async {
            let expectation = Expectation {
                name: self.name,
                trust: self.trust,
                now: self.now,
                key_types: self.key_types,
            };
            let mut connection = connect(transport, buffers, &expectation, &mut rng).await?;
            Ok(then(&mut connection).await)
        })
    }

    pub(crate) fn shake_hands(&self, transport: impl Read + Write) -> Result<(), Error> {
        self.run(transport, async |_| ())
    }
}

pub(crate) fn anchor(root: &Signer) -> TrustAnchor<'_> {
    anchor_from_trusted_cert(&root.certificate).unwrap()
}

/// Sends `message`, and reads as much again.
pub(crate) async fn echo<T: Read + Write>(
    connection: &mut Connection<'_, T>,
    message: &[u8],
) -> Result<Vec<u8>, Error> {
    connection.write_all(message).await?;
    connection.flush().await?;
    let mut answer = vec![0; message.len()];
    let mut have = 0;
    while have < answer.len() {
        match connection.read(&mut answer[have..]).await? {
            0 => return Err(Error::Ended),
            read => have += read,
        }
    }
    Ok(answer)
}

/// The outcome of a future that never waits, as none does in memory.
fn finish<V>(future: impl Future<Output = V>) -> V {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
}
