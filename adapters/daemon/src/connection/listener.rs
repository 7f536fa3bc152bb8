//! Sockets that mail servers connect to.

pub(crate) mod holder;
mod systemd;
mod unix;

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, UnixListener};

use crate::config::{Address, Listener};
use crate::connection::client::Remote;
use crate::connection::worker::Stream;
use holder::Holder;

/// Connections that may wait to be accepted: what the kernel allows by default (`somaxconn`).
pub(crate) const BACKLOG: u32 = 4096;

/// A socket that listens.
pub(crate) struct Bound {
    socket: Socket,
    /// Whether whoever connects is believed where it says that logins come from.
    is_believed: bool,
}

enum Socket {
    /// With the path that is removed at the end.
    Unix(UnixListener, unix::Path),
    Tcp(TcpListener),
    /// One of systemd's, whose path is not ours.
    Inherited(UnixListener),
}

/// Why a listener cannot listen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    #[error("listener {address}: {source}; {hint}")]
    Io {
        address: Address,
        source: io::Error,
        hint: &'static str,
    },
    #[error(
        "listener {0}: tokens would travel to it in clear: listen on loopback or on a unix: path, or write \
         allow_remote = true"
    )]
    Remote(Address),
    #[error(
        "listener {address}: {holder} listens there; stop it or choose another address; take_over = true lets this \
         daemon take over from it"
    )]
    Held { address: Address, holder: Holder },
    #[error("listeners {0} and {1} share an address; give each of them one of its own")]
    Shared(Address, Address),
    #[error(
        "listener {0}: another listener of this configuration has this address; give each of them one of its own"
    )]
    OurOwn(Address),
    #[error("listener {0}: the path exists and is no socket; remove it or choose another")]
    NotASocket(Address),
    #[error("listener {address}: there is no {kind} {name:?}; create it or choose another")]
    Unknown {
        address: Address,
        kind: &'static str,
        name: String,
    },
    #[error(
        "listener {0}: systemd passed no socket of that name; set FileDescriptorName= in the .socket unit"
    )]
    NotPassed(Address),
}

impl BindError {
    fn held(listener: &Listener, holder: Holder) -> Self {
        let address = listener.address.clone();
        if holder.is_this_process() {
            return Self::OurOwn(address);
        }
        Self::Held { address, holder }
    }

    fn io(listener: &Listener, hint: &'static str) -> impl Fn(io::Error) -> Self {
        let address = listener.address.clone();
        move |source| Self::Io {
            address: address.clone(),
            source,
            hint,
        }
    }
}

/// Listens as `listener` says; a host name may stand for several sockets.
pub(crate) fn bind(listener: &Listener) -> Result<Vec<Bound>, BindError> {
    match &listener.address {
        Address::Unix(path) => unix::bind(listener, path).map(|bound| vec![bound]),
        Address::Tcp(host) => bind_tcp(listener, host),
        Address::Systemd(name) => systemd::take(listener, name),
    }
}

/// Tries whether [`bind`] would succeed: takes nothing from a daemon that listens there, and leaves nothing behind.
/// Sockets of systemd's cannot be tried.
pub(crate) fn rehearse(listener: &Listener) -> Result<(), BindError> {
    match &listener.address {
        Address::Unix(path) => unix::stage(listener, path).map(drop),
        Address::Tcp(host) => tcp_addresses(listener, host)?
            .into_iter()
            .try_for_each(|address| socket_at(listener, address).map(drop)),
        Address::Systemd(_) => Ok(()),
    }
}

/// Tries what of [`bind`] needs neither network nor a socket: whose the socket is to be and what is at its path, and
/// whether other hosts may connect, where that does not depend on a name.
pub(crate) fn look_up(listener: &Listener) -> Result<(), BindError> {
    match &listener.address {
        Address::Unix(path) => unix::look_up(listener, path),
        Address::Tcp(_) => {
            let mut known = listener.address.known().into_iter();
            known.try_for_each(|address| check_remote(listener, address))
        }
        Address::Systemd(_) => Ok(()),
    }
}

/// Whether no two of them share a path, whichever links lead to it.
pub(crate) fn check_paths(listeners: &[Listener]) -> Result<(), BindError> {
    let mut known: Vec<(PathBuf, &Address)> = Vec::new();
    for listener in listeners {
        let Address::Unix(path) = &listener.address else {
            continue;
        };
        let path = unix::without_links(path);
        if let Some((_, other)) = known.iter().find(|(known, _)| *known == path) {
            return Err(BindError::Shared(
                listener.address.clone(),
                (*other).clone(),
            ));
        }
        known.push((path, &listener.address));
    }
    Ok(())
}

fn bind_tcp(listener: &Listener, host: &str) -> Result<Vec<Bound>, BindError> {
    let sockets = tcp_addresses(listener, host)?.into_iter().map(|address| {
        let socket = socket_at(listener, address)?.listen(BACKLOG);
        // Two daemons that bind at once both get here, and one of them no further.
        socket
            .map(|socket| Bound::new(listener, Socket::Tcp(socket)))
            .map_err(|error| tcp_failed(listener, address, error))
    });
    sockets.collect()
}

/// The addresses of a host, each of which may be listened at.
fn tcp_addresses(listener: &Listener, host: &str) -> Result<Vec<SocketAddr>, BindError> {
    let unresolved = BindError::io(listener, "give an address or a host name that resolves");
    let addresses: Vec<SocketAddr> = host.to_socket_addrs().map_err(unresolved)?.collect();
    for address in &addresses {
        check_remote(listener, *address)?;
    }
    Ok(addresses)
}

fn tcp_failed(listener: &Listener, address: SocketAddr, error: io::Error) -> BindError {
    if error.kind() == io::ErrorKind::AddrInUse
        && let Some(holder) = holder::of_tcp(address)
    {
        return BindError::held(listener, holder);
    }
    let hint = "choose an address of this machine and a free port";
    BindError::io(listener, hint)(error)
}

fn check_remote(listener: &Listener, address: SocketAddr) -> Result<(), BindError> {
    if address.ip().is_loopback() || listener.allow_remote {
        Ok(())
    } else {
        Err(BindError::Remote(listener.address.clone()))
    }
}

/// A socket that is bound, and does not listen yet.
fn socket_at(listener: &Listener, address: SocketAddr) -> Result<TcpSocket, BindError> {
    let bound = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let bound = bound.and_then(|socket| {
        socket.set_reuseaddr(true)?;
        if address.is_ipv6() {
            // Else [::] would be IPv4's as well, and 0.0.0.0 beside it taken.
            SockRef::from(&socket).set_only_v6(true)?;
        }
        // The kernel lets daemons share a port where each of them says so, and gives each a share of the connections.
        socket.set_reuseport(listener.take_over)?;
        socket.bind(address)?;
        Ok(socket)
    });
    bound.map_err(|error| tcp_failed(listener, address, error))
}

impl Bound {
    /// Who connects from another host is believed only where a word says so.
    fn new(listener: &Listener, socket: Socket) -> Self {
        let is_believed = listener.trust_client_address;
        Self {
            is_believed: is_believed.unwrap_or_else(|| socket.is_of_this_host()),
            socket,
        }
    }

    /// Waits for a connection, which is bound to no runtime afterwards.
    pub(crate) async fn accept(&self) -> io::Result<(Stream, Remote)> {
        match &self.socket {
            Socket::Unix(listener, _) | Socket::Inherited(listener) => {
                let (stream, _) = listener.accept().await?;
                let remote = Remote::new(self.is_believed, None);
                Ok((stream.into_std().map(Stream::Unix)?, remote))
            }
            Socket::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                let remote = Remote::new(self.is_believed, Some(peer));
                Ok((stream.into_std().map(Stream::Tcp)?, remote))
            }
        }
    }

    /// Whether whoever connects is believed where it says that logins come from.
    pub(crate) const fn is_believed(&self) -> bool {
        self.is_believed
    }

    /// Where it listens, for the log.
    pub(crate) fn address(&self) -> String {
        match &self.socket {
            Socket::Unix(_, path) => format!("unix:{path}"),
            Socket::Tcp(listener) => listener
                .local_addr()
                .map_or_else(|_| "tcp:?".to_owned(), |address| format!("tcp:{address}")),
            Socket::Inherited(_) => "unix socket of systemd".to_owned(),
        }
    }
}

impl Socket {
    /// Whether nobody connects but from this host.
    fn is_of_this_host(&self) -> bool {
        match self {
            Self::Unix(..) | Self::Inherited(_) => true,
            Self::Tcp(listener) => listener
                .local_addr()
                .is_ok_and(|address| address.ip().is_loopback()),
        }
    }
}
