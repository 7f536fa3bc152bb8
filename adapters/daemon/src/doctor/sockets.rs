//! Where mail servers ask, and the upstream sockets: who answers there.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::{Findings, note};
use crate::config::{Address, Config, Http, Listener, ListenerProtocol, Upstream};
use crate::connection::listener::BindError;
use crate::connection::listener::holder::{self, Holder};
use crate::process::prepare::{self, StartError};

pub(super) fn examine(config: &Config, findings: &mut Findings) {
    for listener in prepare::listeners(config) {
        match &listener.address {
            Address::Unix(path) => examine_unix(path, findings),
            Address::Tcp(host) => examine_tcp(host, findings),
            Address::Systemd(_) => {}
        }
    }
    for listener in &config.listeners {
        if let Address::Systemd(name) = &listener.address {
            note(&format!("systemd:{name} is opened by its socket unit"));
        }
    }
}

/// Listeners that other hosts can connect to, where nothing says whether these are believed.
pub(super) fn examine_trust(config: &Config) {
    let http = config.http.iter().flat_map(Http::listeners);
    let is_auth = |listener: &&Listener| listener.protocol == ListenerProtocol::Auth;
    let all = config.listeners.iter().filter(is_auth).cloned().chain(http);
    for listener in all {
        if listener.trust_client_address.is_none() && listener.is_remote() {
            note(&format!(
                "{}: a login counts as coming from the host that connects, whatever client that names: write \
                 trust_client_address = true if only your mail servers reach this port",
                listener.address
            ));
        }
    }
}

/// Whether this only says that a daemon of ours is running.
pub(super) fn is_our_own(fault: &StartError) -> bool {
    let StartError::Bind(BindError::Held { holder, .. }) = fault else {
        return false;
    };
    holder.is_gatepost() != Some(false)
}

/// The sockets of the upstream Dovecot.
pub(super) fn examine_upstream(config: &Config, findings: &mut Findings) {
    let sockets = config.upstream.as_ref().map(Upstream::sockets);
    for (key, path) in sockets.into_iter().flatten() {
        let shown = format!("Dovecot's {key} at unix:{}", path.display());
        match UnixStream::connect(path) {
            Ok(_) => findings.good(&format!("{shown} accepts connections")),
            Err(error) => findings.bad(
                &format!("cannot connect to {shown}: {error}"),
                "start Dovecot, or correct the path or its permissions",
            ),
        }
    }
}

fn examine_unix(path: &Path, findings: &mut Findings) {
    let shown = format!("unix:{}", path.display());
    match holder::of_unix(path) {
        Some(holder) => {
            let rights = path.metadata().map(|socket| {
                let (uid, gid) = (socket.uid(), socket.gid());
                let mode = socket.permissions().mode() & 0o777;
                format!(" (mode {mode:o}, owner {uid}, group {gid})")
            });
            let shown = format!("{shown}{}", rights.unwrap_or_default());
            let advice = "choose another path, or stop it";
            examine_holder(&holder, &shown, advice, findings);
        }
        None if path.exists() => note(&format!(
            "nothing is listening at {shown}: start `gatepost serve`"
        )),
        None => note(&format!(
            "{shown} does not exist yet: `gatepost serve` creates it"
        )),
    }
}

fn examine_tcp(host: &str, findings: &mut Findings) {
    let addresses = host.to_socket_addrs().into_iter().flatten();
    let addresses: Vec<SocketAddr> = addresses.collect();
    let holders = addresses
        .iter()
        .filter_map(|address| holder::of_tcp(*address));
    let Some(holder) = holders.into_iter().next() else {
        note(&format!(
            "nothing is listening at tcp:{host}: start `gatepost serve`"
        ));
        return;
    };
    let advice = "choose another port, or stop it";
    examine_holder(&holder, &format!("tcp:{host}"), advice, findings);
}

fn examine_holder(holder: &Holder, address: &str, advice: &str, findings: &mut Findings) {
    let what = format!("{holder} listens at {address}");
    match holder.is_gatepost() {
        Some(true) => findings.good(&what),
        Some(false) => findings.bad(&what, advice),
        None => note(&format!("{what}; if that is not gatepost, {advice}")),
    }
}
