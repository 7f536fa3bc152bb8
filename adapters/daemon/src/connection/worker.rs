//! The threads that serve: one a core, each with a share of the connections.

use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use gatepost_mail::http::Responder;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncWrite;
use tokio::runtime;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::connection::client::Client;
use crate::connection::http::{self, Scim};
use crate::connection::peer::{self, Handler, Output, Reader};
use crate::connection::service::Service;
use crate::connection::slot::Slot;
use crate::connection::upstream::Upstream;
use crate::handlers::auth::Auth;
use crate::handlers::dict::Dict;
use crate::handlers::master::Master;
use crate::handlers::relay::RelayedAuth;
use crate::handlers::socketmap::Socketmap;
use crate::log;
use crate::metrics;
use crate::process::vital;

/// A TCP peer that is silent for so long is asked whether it is still there, so often, before it counts as gone.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_mins(1), Duration::from_secs(15), 4);

/// After how many tasks sockets are looked at: what has just come waits for no more than these.
const EVENT_INTERVAL: u32 = 4;

/// A connection on its way to the thread that serves it.
pub(crate) struct Accepted {
    pub(crate) stream: Stream,
    pub(crate) protocol: Protocol,
    pub(crate) client: Client,
    /// Its room among all connections, given back at its end.
    pub(crate) slot: Arc<Slot>,
    /// Counts it as long as it is open.
    pub(crate) connected: metrics::Connected,
}

/// What is spoken over a connection, with whatever answers it.
#[derive(Clone)]
pub(crate) enum Protocol {
    /// Dovecot's auth protocol.
    Auth,
    /// The same, where Dovecot judges what Gatepost does not, or mail processes ask for logins.
    RelayedAuth(Arc<Upstream>),
    /// Dovecot's master protocol.
    Master(Arc<Upstream>),
    /// Postfix's socketmap.
    Socketmap(Arc<Upstream>),
    /// Dovecot's dict protocol.
    Dict,
    /// HTTP, as Dovecot's oauth2 database speaks it.
    Questions(Arc<Responder>),
    /// HTTP, as sources of accounts speak it.
    Scim(Arc<Scim>),
    /// HTTP, for whoever watches.
    Metrics,
}

impl Protocol {
    /// Its name, for the log.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Auth | Self::RelayedAuth(_) => Auth::PROTOCOL,
            Self::Master(_) => Master::PROTOCOL,
            Self::Socketmap(_) => Socketmap::PROTOCOL,
            Self::Dict => Dict::PROTOCOL,
            Self::Questions(_) => "http",
            Self::Scim(_) => "scim",
            Self::Metrics => "metrics",
        }
    }

    /// Whether it is HTTP.
    pub(crate) const fn is_http(&self) -> bool {
        matches!(self, Self::Questions(_) | Self::Scim(_) | Self::Metrics)
    }

    /// Whether logins go over it, of which is told where they come from.
    pub(crate) const fn has_logins(&self) -> bool {
        matches!(self, Self::Auth | Self::RelayedAuth(_) | Self::Questions(_))
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

    /// Hands a connection to the next thread. Their number is bounded by the connections' permits.
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
        .event_interval(EVENT_INTERVAL)
        .build()?;
    let work = move || LocalSet::new().block_on(&runtime, work(receiver, service));
    vital::spawn(format!("judge-{index}"), work)?;
    Ok(sender)
}

async fn work(mut receiver: mpsc::UnboundedReceiver<Accepted>, service: Arc<Service>) {
    while let Some(accepted) = receiver.recv().await {
        let service = Arc::clone(&service);
        tokio::task::spawn_local(async move {
            let number = accepted.client.number;
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
    let (slot, connected) = (accepted.slot, accepted.connected);
    let (protocol, client) = (accepted.protocol, (accepted.client, Arc::clone(&slot)));
    let served = match accepted.stream {
        Stream::Unix(stream) => {
            let stream = tokio::net::UnixStream::from_std(stream)?;
            speak(stream, protocol, service, client)
        }
        Stream::Tcp(stream) => {
            let stream = tokio::net::TcpStream::from_std(stream)?;
            stream.set_nodelay(true)?;
            let (idle, interval, retries) = KEEPALIVE;
            let keepalive = TcpKeepalive::new()
                .with_time(idle)
                .with_interval(interval)
                .with_retries(retries);
            SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
            speak(stream, protocol, service, client)
        }
    };
    served.await;
    drop((slot, connected));
    Ok(())
}

/// Speaks a protocol until either side has had enough. No future holds what it was made of, so that an idle
/// connection takes no more room than its own protocol needs.
fn speak(
    stream: impl SplitStream,
    protocol: Protocol,
    service: &Arc<Service>,
    (client, slot): (Client, Arc<Slot>),
) -> Pin<Box<dyn Future<Output = ()>>> {
    let mechanisms = service.mechanisms();
    let number = client.number;
    match protocol {
        Protocol::Auth => {
            let auth = Auth::greet(service, mechanisms, std::iter::empty(), client);
            drive(stream, auth, service, number)
        }
        Protocol::RelayedAuth(upstream) => {
            let relayed = RelayedAuth::greet(service, &upstream, mechanisms, client);
            drive(stream, relayed, service, number)
        }
        Protocol::Master(upstream) => drive(stream, Master::greet(&upstream), service, number),
        Protocol::Socketmap(upstream) => drive(stream, Socketmap::new(&upstream), service, number),
        Protocol::Dict => drive(stream, Dict::new(service), service, number),
        Protocol::Questions(responder) => {
            let service = Arc::clone(service);
            Box::pin(async move {
                http::answer_questions(stream, &responder, &service, (client, &slot)).await;
            })
        }
        Protocol::Scim(scim) => {
            let service = Arc::clone(service);
            Box::pin(async move {
                let Some(tls) = scim.tls() else {
                    return http::answer_sources(stream, &scim, &service, (client, &slot)).await;
                };
                match tls.accept(stream, service.handshake).await {
                    Ok(stream) => {
                        http::answer_sources(stream, &scim, &service, (client, &slot)).await;
                    }
                    Err(error) => log::not_secured(number, &error),
                }
            })
        }
        Protocol::Metrics => {
            let service = Arc::clone(service);
            Box::pin(async move { http::answer_watchers(stream, &service, (number, &slot)).await })
        }
    }
}

fn drive<H: Handler + 'static>(
    stream: impl SplitStream,
    handler: (H, Output),
    service: &Arc<Service>,
    number: u32,
) -> Pin<Box<dyn Future<Output = ()>>> {
    let (reader, writer) = stream.halves();
    Box::pin(peer::serve(reader, writer, handler, service, number))
}

/// A stream of either kind.
trait SplitStream: tokio::io::AsyncRead + AsyncWrite + Unpin + 'static {
    fn halves(self) -> (impl Reader + 'static, impl AsyncWrite + Unpin + 'static);
}

impl SplitStream for tokio::net::UnixStream {
    fn halves(self) -> (impl Reader + 'static, impl AsyncWrite + Unpin + 'static) {
        self.into_split()
    }
}

impl SplitStream for tokio::net::TcpStream {
    fn halves(self) -> (impl Reader + 'static, impl AsyncWrite + Unpin + 'static) {
        self.into_split()
    }
}
