//! The threads that judge: one a core, each with a share of the connections.

use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::io::AsyncWrite;
use tokio::runtime;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::LocalSet;

use crate::config::ListenerProtocol;
use crate::connection::{self, Reader, Service};
use crate::{dict, http, master, relay, socketmap, vital};

/// A connection on its way to the thread that serves it.
pub(crate) struct Accepted {
    pub(crate) stream: Stream,
    pub(crate) protocol: Protocol,
    pub(crate) number: u32,
    pub(crate) cookie: [u8; 16],
    /// Its place among all connections, given back at its end.
    pub(crate) place: OwnedSemaphorePermit,
}

/// What is spoken over a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Protocol {
    /// Dovecot's auth protocol.
    Auth,
    /// HTTP, as Dovecot's oauth2 database speaks it.
    Http,
    /// Dovecot's dict protocol.
    Dict,
    /// Dovecot's master protocol.
    Master,
    /// Postfix's socketmap.
    Socketmap,
}

impl From<ListenerProtocol> for Protocol {
    fn from(protocol: ListenerProtocol) -> Self {
        match protocol {
            ListenerProtocol::Auth => Self::Auth,
            ListenerProtocol::Master => Self::Master,
            ListenerProtocol::Socketmap => Self::Socketmap,
        }
    }
}

impl Protocol {
    /// Its name, for the log.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Http => "http",
            Self::Dict => "dict",
            Self::Master => "master",
            Self::Socketmap => "socketmap",
        }
    }
}

/// A stream that belongs to no runtime; it does not block.
pub(crate) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// The threads, which take turns.
pub(crate) struct Workers {
    threads: Vec<mpsc::UnboundedSender<Accepted>>,
    next: AtomicUsize,
}

impl Workers {
    /// Starts one thread for each core.
    pub(crate) fn start(service: &Arc<Service>) -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = (0..cores).map(|index| start(index, Arc::clone(service)));
        Ok(Self {
            threads: threads.collect::<io::Result<_>>()?,
            next: AtomicUsize::new(0),
        })
    }

    /// Hands a connection to the next thread. Their number is bounded by the connections' places.
    pub(crate) fn serve(&self, accepted: Accepted) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.threads.len();
        if self.threads[turn].send(accepted).is_err() {
            tracing::error!(thread = turn, "a worker has ended: restart gatepost");
        }
    }
}

fn start(index: usize, service: Arc<Service>) -> io::Result<mpsc::UnboundedSender<Accepted>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let work = move || LocalSet::new().block_on(&runtime, work(receiver, service));
    vital::spawn(format!("judge-{index}"), work)?;
    Ok(sender)
}

async fn work(mut receiver: mpsc::UnboundedReceiver<Accepted>, service: Arc<Service>) {
    while let Some(accepted) = receiver.recv().await {
        let service = Arc::clone(&service);
        tokio::task::spawn_local(async move {
            let number = accepted.number;
            if let Err(error) = serve(accepted, &service).await {
                tracing::warn!(
                    connection = number,
                    error = error.to_string(),
                    "connection lost"
                );
            }
        });
    }
}

async fn serve(accepted: Accepted, service: &Arc<Service>) -> io::Result<()> {
    let Accepted {
        stream,
        protocol,
        number,
        cookie,
        place,
    } = accepted;
    match (protocol, stream) {
        (Protocol::Http, Stream::Unix(stream)) => {
            let stream = tokio::net::UnixStream::from_std(stream)?;
            http::serve(stream, service, number).await;
        }
        (Protocol::Http, Stream::Tcp(stream)) => {
            let stream = tokio::net::TcpStream::from_std(stream)?;
            stream.set_nodelay(true)?;
            http::serve(stream, service, number).await;
        }
        (Protocol::Dict, Stream::Unix(stream)) => {
            let stream = tokio::net::UnixStream::from_std(stream)?;
            dict::serve(stream, service, number).await;
        }
        (Protocol::Dict, Stream::Tcp(_)) => {
            return Err(io::Error::other("the dict protocol is for unix sockets"));
        }
        (_, Stream::Unix(stream)) => {
            let mut stream = tokio::net::UnixStream::from_std(stream)?;
            speak(protocol, stream.split(), service, (number, cookie)).await;
        }
        (_, Stream::Tcp(stream)) => {
            let mut stream = tokio::net::TcpStream::from_std(stream)?;
            stream.set_nodelay(true)?;
            speak(protocol, stream.split(), service, (number, cookie)).await;
        }
    }
    drop(place);
    Ok(())
}

/// Speaks any protocol but HTTP, which brings its own way to split a stream.
async fn speak(
    protocol: Protocol,
    (reader, writer): (impl Reader, impl AsyncWrite + Unpin),
    service: &Arc<Service>,
    (number, cookie): (u32, [u8; 16]),
) {
    match (protocol, &service.upstream) {
        (Protocol::Auth, None) => connection::serve(reader, writer, service, number, cookie).await,
        (Protocol::Auth, Some(upstream)) => {
            let served = relay::serve(reader, writer, (service, upstream), number, cookie);
            // Made where it stays: both sides of it are some kilobytes.
            Box::pin(served).await;
        }
        (Protocol::Master, Some(upstream)) => {
            master::serve(reader, writer, (service, upstream), number).await;
        }
        (Protocol::Socketmap, Some(upstream)) => {
            socketmap::serve(reader, writer, (service, upstream), number).await;
        }
        // The configuration has seen to it that there is somebody to ask.
        (Protocol::Master | Protocol::Socketmap, None) | (Protocol::Http | Protocol::Dict, _) => {}
    }
}
