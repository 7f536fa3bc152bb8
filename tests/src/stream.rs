//! Stream sockets of both families behind one type.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// No answer of a server takes this long: a read that waits longer has found a hang.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Where a server listens.
#[derive(Clone, Debug)]
pub enum Address {
    /// A TCP port.
    Tcp(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

/// A connection.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a unix socket.
    Unix(UnixStream),
}

impl Address {
    /// A port on the loopback interface.
    #[must_use]
    pub fn port(port: u16) -> Self {
        Self::Tcp(([127, 0, 0, 1], port).into())
    }

    /// Connects; reading gives up after [`PATIENCE`].
    ///
    /// # Errors
    /// Those of the system.
    pub fn connect(&self) -> io::Result<Stream> {
        Ok(match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Stream::Tcp(stream)
            }
            Self::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Stream::Unix(stream)
            }
        })
    }
}

impl Stream {
    /// A second handle of the same connection.
    ///
    /// # Errors
    /// Those of the system.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
    }

    /// Waits as long as it takes, instead of [`PATIENCE`].
    ///
    /// # Errors
    /// Those of the system.
    pub fn wait_for_ever(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(None),
            Self::Unix(stream) => stream.set_read_timeout(None),
        }
    }

    /// Ends one or both directions.
    pub fn shutdown(&self, how: Shutdown) {
        // A peer that has already gone is what the caller wants.
        let _gone = match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Unix(stream) => stream.shutdown(how),
        };
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A dialogue in lines, as POP3, LMTP and `ManageSieve` have it.
#[derive(Debug)]
pub struct Talk(BufReader<Stream>);

impl Talk {
    /// Connects.
    ///
    /// # Errors
    /// Those of the system.
    pub fn open(address: &Address) -> io::Result<Self> {
        Ok(Self(BufReader::new(address.connect()?)))
    }

    /// Sends a line, and reads one.
    ///
    /// # Errors
    /// As [`line`](Self::line).
    pub fn ask(&mut self, line: &str) -> io::Result<String> {
        self.0
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())?;
        self.line()
    }

    /// Reads a line, and takes its end away.
    ///
    /// # Errors
    /// Those of the system, and a closed connection.
    pub fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}
