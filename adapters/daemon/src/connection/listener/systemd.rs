//! Sockets that systemd has opened for us (`sd_listen_fds(3)`).

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::{net, os::unix};

use tokio::net::{TcpListener, UnixListener};

use super::{BindError, Bound, Socket, check_remote};
use crate::config::Listener;

/// Takes every socket of that name.
pub(super) fn take(listener: &Listener, name: &str) -> Result<Vec<Bound>, BindError> {
    let failed = BindError::io(listener, "start gatepost from its systemd unit");
    let passed = sd_notify::listen_fds_with_names().map_err(&failed)?;
    let ours = passed.filter(|(_, found)| found == name);
    let sockets: Vec<Bound> = ours
        .map(|(descriptor, _)| adopt(listener, descriptor, &failed))
        .collect::<Result<_, _>>()?;
    if sockets.is_empty() {
        return Err(BindError::NotPassed(listener.address.clone()));
    }
    Ok(sockets)
}

fn adopt(
    listener: &Listener,
    descriptor: RawFd,
    failed: &impl Fn(io::Error) -> BindError,
) -> Result<Bound, BindError> {
    // SAFETY: systemd has passed the descriptor to this process to own. Names of listeners are unique
    // (the configuration is checked for it), and listeners are bound once, so that nobody else owns it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let socket = net::TcpListener::from(descriptor);
    // A unix socket's address is no internet address.
    let Ok(address) = socket.local_addr() else {
        let socket = unix::net::UnixListener::from(OwnedFd::from(socket));
        socket.set_nonblocking(true).map_err(failed)?;
        return UnixListener::from_std(socket)
            .map(|socket| Bound::new(listener, Socket::Inherited(socket)))
            .map_err(failed);
    };
    check_remote(listener, address)?;
    socket.set_nonblocking(true).map_err(failed)?;
    TcpListener::from_std(socket)
        .map(|socket| Bound::new(listener, Socket::Tcp(socket)))
        .map_err(failed)
}
