//! An open connection, and how one is opened.

use embedded_io_async::{ErrorType, Read, Write};
use embedded_tls::{TlsConfig, TlsConnection, TlsContext, TlsError};
use rand_core::CryptoRng;

use crate::provider::Provider;
use crate::records::Records;
use crate::suite::Suite;
use crate::trust::Expected;
use crate::verifier::Verifier;
use crate::{Error, Expectation};

/// Shortest buffer for writing: the first message, with the longest name, takes 434 bytes of it.
pub const MIN_WRITE: usize = 576;
/// Longest buffer for reading that makes sense, in bytes: the largest record of TLS 1.3 without its
/// header (RFC 8446 section 5.2).
pub const MAX_READ: usize = (1 << 14) + 256;

/// Where records are put together and taken apart.
///
/// `read` holds one record whole, so its length is the server's to choose: [`MAX_READ`] takes
/// whatever TLS 1.3 allows. A shorter one takes servers whose records are known to be short; the largest
/// before data flows is the list of certificates (mostly 2 to 5 kB), which has to come in one record.
/// `write` takes [`MIN_WRITE`] bytes or more: what is written goes out in records that are 128 bytes
/// shorter than it.
///
/// No shorter records are asked of the server (RFC 6066 section 4): lists of certificates would no
/// longer fit one.
#[derive(Debug)]
pub struct Buffers<'b> {
    /// For records from the server.
    pub read: &'b mut [u8],
    /// For records to the server.
    pub write: &'b mut [u8],
}

/// Shakes hands with the server at the other end of `transport`, and returns once it has shown to be
/// the one that is expected. Not a byte of data leaves before the verdict.
///
/// Nothing here waits for a time: whoever abandons the future closes the transport.
///
/// # Errors
/// [`Error::Refused`] says why the server is another one. [`Error::ServerName`],
/// [`Error::ClockNotSet`] and [`Error::WriteBuffer`] come before anything is sent.
pub async fn connect<'b, T: Read + Write + 'b>(
    transport: T,
    buffers: Buffers<'b>,
    expectation: &Expectation<'_>,
    rng: &mut impl CryptoRng,
) -> Result<Connection<'b, T>, Error> {
    let expected = Expected::new(expectation)?;
    if buffers.write.len() < MIN_WRITE {
        return Err(Error::WriteBuffer);
    }
    let mut config = TlsConfig::new().enable_rsa_signatures();
    if let Some(name) = expected.dns_name() {
        config = config.with_server_name(name);
    }
    let mut provider = Provider {
        rng,
        verifier: Verifier::new(&expected),
    };
    let mut tls = TlsConnection::new(Records::new(transport), buffers.read, buffers.write);
    let opened = tls.open(TlsContext::new(&config, &mut provider)).await;
    if let Some(refusal) = provider.verifier.refusal() {
        return Err(Error::Refused(refusal));
    }
    opened?;
    provider.verifier.verdict().map_err(Error::Refused)?;
    Ok(Connection {
        tls,
        state: State::Open,
    })
}

/// A connection to the server that was meant.
///
/// Reading returns 0 after the server's `close_notify`, and [`Error::Truncated`] where the transport
/// ends without one. What is written leaves with [`flush`](Write::flush). After an error, or after a
/// future was dropped before it was done, the connection is of no use any more and says so.
pub struct Connection<'b, T: Read + Write + 'b> {
    tls: TlsConnection<'b, Records<T>, Suite>,
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Open,
    /// The server has closed its side.
    Closed,
    /// An operation failed, or has not ended.
    Broken,
}

impl<T: Read + Write> Connection<'_, T> {
    /// Tells the server that nothing more will come, and hands back the transport.
    ///
    /// # Errors
    /// [`Error::Transport`] where that did not reach the transport.
    pub async fn close(self) -> Result<T, Error> {
        if self.state != State::Open {
            return Err(Error::Ended);
        }
        match self.tls.close().await {
            Ok(records) => Ok(records.into_transport()),
            Err((_, error)) => Err(error.into()),
        }
    }

    /// Begins an operation, which leaves the connection broken unless it is settled.
    fn begin(&mut self) -> Result<(), Error> {
        if self.state != State::Open {
            return Err(Error::Ended);
        }
        self.state = State::Broken;
        Ok(())
    }

    fn settle<V>(&mut self, result: Result<V, TlsError>) -> Result<V, Error> {
        let value = result?;
        self.state = State::Open;
        Ok(value)
    }
}

impl<T: Read + Write> ErrorType for Connection<'_, T> {
    type Error = Error;
}

impl<T: Read + Write> Read for Connection<'_, T> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        if self.state == State::Closed || buffer.is_empty() {
            return Ok(0);
        }
        self.begin()?;
        let read = self.tls.read(buffer).await;
        if let Err(TlsError::ConnectionClosed) = read {
            self.state = State::Closed;
            return Ok(0);
        }
        self.settle(read)
    }
}

impl<T: Read + Write> Write for Connection<'_, T> {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, Error> {
        self.begin()?;
        let written = self.tls.write(buffer).await;
        self.settle(written)
    }

    async fn flush(&mut self) -> Result<(), Error> {
        self.begin()?;
        let flushed = self.tls.flush().await;
        self.settle(flushed)
    }
}
