//! A relay that records what passes through it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::stream::{Address, Stream};

/// What passed over one connection.
#[derive(Debug, Default)]
pub struct Recording {
    to_server: Mutex<Vec<u8>>,
    to_client: Mutex<Vec<u8>>,
}

/// A running relay; it serves until its process ends.
#[derive(Debug)]
pub struct Tap {
    /// Where clients connect to.
    pub address: Address,
    recordings: Arc<Mutex<Vec<Arc<Recording>>>>,
}

impl Recording {
    /// What the client has sent so far.
    #[must_use]
    pub fn to_server(&self) -> Vec<u8> {
        lock(&self.to_server).clone()
    }

    /// What the server has sent so far.
    #[must_use]
    pub fn to_client(&self) -> Vec<u8> {
        lock(&self.to_client).clone()
    }
}

impl Tap {
    /// Relays every connection to `port` of the loopback interface (0: any free one) to `server`.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn on_port(port: u16, server: Address) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let address = Address::Tcp(listener.local_addr()?);
        let accept = move || {
            let (stream, _) = listener.accept()?;
            stream.set_nodelay(true)?;
            Ok(Stream::Tcp(stream))
        };
        Ok(Self::serve(address, accept, server))
    }

    /// Relays every connection to a unix socket at `path` to `server`.
    ///
    /// # Errors
    /// When the path is taken.
    pub fn on_path(path: &Path, server: Address) -> io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        let accept = move || Ok(Stream::Unix(listener.accept()?.0));
        Ok(Self::serve(Address::Unix(path.to_owned()), accept, server))
    }

    /// One recording a connection, in the order in which they were made.
    #[must_use]
    pub fn recordings(&self) -> Vec<Arc<Recording>> {
        lock(&self.recordings).clone()
    }

    fn serve(
        address: Address,
        mut accept: impl FnMut() -> io::Result<Stream> + Send + 'static,
        server: Address,
    ) -> Self {
        let recordings = Arc::new(Mutex::new(Vec::new()));
        let tap = Self {
            address,
            recordings: Arc::clone(&recordings),
        };
        thread::spawn(move || {
            while let Ok(client) = accept() {
                let recording = Arc::new(Recording::default());
                lock(&recordings).push(Arc::clone(&recording));
                // A server that refuses shows itself to the client as a closed connection.
                let _refused = relay(client, &server, recording);
            }
        });
        tap
    }
}

fn relay(client: Stream, server: &Address, recording: Arc<Recording>) -> io::Result<()> {
    let server = server.connect()?;
    client.wait_for_ever()?;
    server.wait_for_ever()?;
    let (client_again, server_again) = (client.try_clone()?, server.try_clone()?);
    let record = Arc::clone(&recording);
    thread::spawn(move || copy(client, server, &record.to_server));
    thread::spawn(move || copy(server_again, client_again, &recording.to_client));
    Ok(())
}

/// Copies until one side ends, and passes the end on.
fn copy(mut from: Stream, mut to: Stream, record: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        lock(record).extend_from_slice(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    to.shutdown(Shutdown::Write);
    from.shutdown(Shutdown::Read);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
