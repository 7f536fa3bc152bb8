//! A gate before embedded-tls, through which only records pass that TLS 1.3 allows at their place.
//!
//! Behind it, an unprotected record would count as a protected one, also when the handshake is long
//! over: anybody on the path could end a connection as if the server had closed it, or stop the program
//! with an unexpected message. So would a protected record without a content type. RFC 8446 sections 5
//! and 5.2 allow none of these. What protected records hold, [`suite`](crate::suite) looks at.

use core::fmt;

use embedded_io::{ErrorKind, ErrorType};
use embedded_io_async::{Read, Write};

/// Longest fragment of a protected record, in bytes (RFC 8446 section 5.2).
const MAX_PROTECTED: usize = (1 << 14) + 256;
/// Longest fragment of an unprotected record, in bytes (RFC 8446 section 5.1).
const MAX_PLAIN: usize = 1 << 14;
/// A protected record holds a content type and the tag of AES-GCM at least.
const MIN_PROTECTED: usize = 1 + 16;

// RFC 8446 section 5.1, ContentType.
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;
pub(crate) const APPLICATION_DATA: u8 = 23;

/// The version that each protected record bears (RFC 8446 section 5.2).
pub(crate) const VERSION: [u8; 2] = [3, 3];
/// What embedded-tls gets to see, and hands to the cipher, instead of [`VERSION`] when the handshake is
/// over.
pub(crate) const IN_USE: [u8; 2] = [0, 0];

/// A transport whose incoming bytes are records in their order.
#[derive(Debug)]
pub(crate) struct Records<T> {
    transport: T,
    phase: Phase,
    position: Position,
}

/// What may come next.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The `ServerHello`, or an alert instead.
    Hello,
    /// A `change_cipher_spec`, which means nothing (RFC 8446 appendix D.4), or protected records.
    Switch,
    /// Protected records of the handshake.
    Protected,
    /// Protected records after the handshake.
    InUse,
}

impl Phase {
    /// What follows a protected record, if one may come.
    fn protected(self) -> Option<Self> {
        match self {
            Self::Hello => None,
            Self::Switch | Self::Protected => Some(Self::Protected),
            Self::InUse => Some(Self::InUse),
        }
    }

    /// What follows something that the client sends: after its `ClientHello`, it has nothing to say
    /// before the server has finished the handshake.
    fn sending(self) -> Self {
        match self {
            Self::Hello => Self::Hello,
            Self::Switch | Self::Protected | Self::InUse => Self::InUse,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Position {
    /// Within a header, of which the first `have` bytes have passed.
    Header { bytes: [u8; 5], have: usize },
    /// Within a fragment, of which `left` bytes are to come.
    Fragment { left: usize },
}

impl Position {
    const START: Self = Self::Header {
        bytes: [0; 5],
        have: 0,
    };

    /// How much may be read before the next decision.
    fn wanted(self) -> usize {
        match self {
            Self::Header { bytes, have } => bytes.len().saturating_sub(have),
            Self::Fragment { left } => left,
        }
    }
}

impl<T> Records<T> {
    pub(crate) fn new(transport: T) -> Self {
        Self {
            transport,
            phase: Phase::Hello,
            position: Position::START,
        }
    }

    pub(crate) fn into_transport(self) -> T {
        self.transport
    }

    /// Follows `received`, which lies within one header or one fragment.
    fn follow<E>(&mut self, received: &[u8]) -> Result<(), Error<E>> {
        self.position = match self.position {
            Position::Header { mut bytes, have } => {
                let rest = bytes.get_mut(have..).unwrap_or_default();
                for (place, byte) in rest.iter_mut().zip(received) {
                    *place = *byte;
                }
                match have.saturating_add(received.len()) {
                    have if have < bytes.len() => Position::Header { bytes, have },
                    _ => fragment(self.admit(bytes)?),
                }
            }
            Position::Fragment { left } => fragment(left.saturating_sub(received.len())),
        };
        Ok(())
    }

    /// The length of the fragment that follows `header`, if its record may come now.
    fn admit<E>(&mut self, header: [u8; 5]) -> Result<usize, Error<E>> {
        let [content_type, major, minor, high, low] = header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        self.phase = match (self.phase, content_type, length) {
            (Phase::Hello, HANDSHAKE, 1..=MAX_PLAIN) => Phase::Switch,
            (Phase::Hello, ALERT, 2) => Phase::Hello,
            (Phase::Switch, CHANGE_CIPHER_SPEC, 1) => Phase::Protected,
            (_, APPLICATION_DATA, MIN_PROTECTED..=MAX_PROTECTED) if [major, minor] == VERSION => {
                self.phase.protected().ok_or(Error::Record)?
            }
            _ => return Err(Error::Record),
        };
        Ok(length)
    }

    /// Marks `received`, which came at `position`, where it is a header's and the handshake is over.
    fn mark(&self, position: Position, received: &mut [u8]) {
        let (Phase::InUse, Position::Header { have, .. }) = (self.phase, position) else {
            return;
        };
        let [first, second] = IN_USE;
        let marks = [None, Some(first), Some(second)];
        for (byte, mark) in received.iter_mut().zip(marks.into_iter().skip(have)) {
            *byte = mark.unwrap_or(*byte);
        }
    }
}

fn fragment(left: usize) -> Position {
    match left {
        0 => Position::START,
        left => Position::Fragment { left },
    }
}

impl<T: ErrorType> ErrorType for Records<T> {
    type Error = Error<T::Error>;
}

impl<T: Read> Read for Records<T> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        let wanted = self.position.wanted().min(buffer.len());
        let buffer = buffer.get_mut(..wanted).unwrap_or_default();
        let read = self
            .transport
            .read(buffer)
            .await
            .map_err(Error::Transport)?;
        let received = buffer.get_mut(..read).ok_or(Error::Record)?;
        let position = self.position;
        self.follow(received)?;
        self.mark(position, received);
        Ok(read)
    }
}

impl<T: Write> Write for Records<T> {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, Self::Error> {
        self.phase = self.phase.sending();
        match self.transport.write(buffer).await {
            // `write_all` would panic.
            Ok(0) if !buffer.is_empty() => Err(Error::WriteZero),
            Ok(written) => Ok(written),
            Err(error) => Err(Error::Transport(error)),
        }
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        self.transport.flush().await.map_err(Error::Transport)
    }
}

/// Why nothing passes the gate.
#[derive(Debug)]
pub(crate) enum Error<E> {
    /// The transport failed.
    Transport(E),
    /// The transport takes no more.
    WriteZero,
    /// A record that must not come here.
    Record,
}

impl<E: fmt::Debug> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl<E: fmt::Debug> core::error::Error for Error<E> {}

/// embedded-tls keeps the kind alone, so `InvalidData` is reserved for records.
impl<E: embedded_io::Error> embedded_io::Error for Error<E> {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Record => ErrorKind::InvalidData,
            Self::WriteZero => ErrorKind::WriteZero,
            Self::Transport(error) => match error.kind() {
                ErrorKind::InvalidData => ErrorKind::Other,
                kind => kind,
            },
        }
    }
}
