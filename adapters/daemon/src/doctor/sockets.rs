//! Where mail servers ask: whether somebody answers there, or could.

use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::{Findings, note};
use crate::config::{Address, Config, Dovecot, UserSettings};

pub(super) fn examine(config: &Config, findings: &mut Findings) {
    for listener in &config.listeners {
        match &listener.address {
            Address::Unix(path) => examine_unix(path, findings),
            Address::Tcp(host) => match TcpStream::connect(host) {
                Ok(_) => findings.good(&format!("somebody answers at tcp:{host}")),
                Err(error) => note(&format!(
                    "nobody answers at tcp:{host} ({error}): start `gatepost serve`"
                )),
            },
            Address::Systemd(name) => {
                note(&format!("systemd:{name} is opened by its socket unit"));
            }
        }
    }
}

/// What stands behind: Dovecot's sockets, and the users.
pub(super) fn examine_behind(config: &Config, findings: &mut Findings) {
    let sockets = config.dovecot.as_ref().map(Dovecot::sockets);
    for (key, path) in sockets.into_iter().flatten() {
        let shown = format!("Dovecot's {key} at unix:{}", path.display());
        match UnixStream::connect(path) {
            Ok(_) => findings.good(&format!("somebody answers as {shown}")),
            Err(error) => findings.bad(
                &format!("nobody answers as {shown} ({error})"),
                "start Dovecot, or correct the path or its rights",
            ),
        }
    }
    match config.users.as_ref().map(UserSettings::load) {
        None => {}
        Some(Ok(_)) => findings.good("the users can be read"),
        Some(Err(error)) => findings.bad(&error.to_string(), "the daemon would not start"),
    }
}

fn examine_unix(path: &Path, findings: &mut Findings) {
    let shown = path.display();
    let Some(directory) = path.parent().filter(|directory| directory.is_dir()) else {
        let what = format!("unix:{shown}: its directory is not there");
        return findings.bad(&what, "create it, or correct the address");
    };
    match UnixStream::connect(path) {
        Ok(_) => {
            let rights = path.metadata().map(|socket| {
                let (uid, gid) = (socket.uid(), socket.gid());
                format!(
                    "mode {:o}, owner {uid}, group {gid}",
                    socket.permissions().mode() & 0o777
                )
            });
            let rights = rights.unwrap_or_default();
            findings.good(&format!("somebody answers at unix:{shown} ({rights})"));
        }
        Err(error) if path.exists() => note(&format!(
            "nobody answers at unix:{shown} ({error}): start `gatepost serve`"
        )),
        Err(_) => note(&format!(
            "unix:{shown} will be made in {} when `gatepost serve` starts",
            directory.display()
        )),
    }
}
