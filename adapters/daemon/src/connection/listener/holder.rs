//! Which process listens at an address.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

/// How long somebody may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who listens.
#[derive(Debug)]
pub(crate) struct Holder {
    /// `None` where only its own user and root may know.
    process: Option<u32>,
    /// The program's name.
    name: Option<String>,
}

impl Holder {
    fn of(process: Option<u32>) -> Self {
        let name = process.and_then(|id| fs::read_to_string(format!("/proc/{id}/comm")).ok());
        let name = name.map(|name| name.trim_end().to_owned());
        Self { process, name }
    }

    /// Whether it is we ourselves.
    pub(super) fn is_this_process(&self) -> bool {
        self.process == Some(std::process::id())
    }

    /// Whether it is a daemon like ours; `None` where that cannot be known.
    pub(crate) fn is_gatepost(&self) -> Option<bool> {
        self.name.as_ref().map(|name| name == "gatepost")
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().unwrap_or("a program");
        match self.process {
            Some(id) => write!(f, "{name} (process {id})"),
            None => write!(f, "{name} of another user's"),
        }
    }
}

/// Who listens at the path of a socket. Waits for nobody, whatever the listener does.
pub(crate) fn of_unix(path: &Path) -> Option<Holder> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).ok()?;
    socket.set_nonblocking(true).ok()?;
    match socket.connect(&SockAddr::unix(path).ok()?) {
        Ok(()) => {}
        Err(error) => {
            // Nobody has called listen(2), or nobody is there any more; all else says that somebody is.
            let is_free = matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::NotFound
                    | io::ErrorKind::PermissionDenied
            );
            return (!is_free).then(|| Holder::of(None));
        }
    }
    let stream = tokio::net::UnixStream::from_std(OwnedFd::from(socket).into()).ok()?;
    // The process that has called listen(2), whoever accepts (unix(7), SO_PEERCRED).
    let process = stream.peer_cred().ok()?.pid();
    let process = process.and_then(|id| u32::try_from(id).ok());
    Some(Holder::of(process))
}

/// Who listens at an address of this host.
pub(crate) fn of_tcp(address: SocketAddr) -> Option<Holder> {
    TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
    let mut tables = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok());
    let inode = tables.find_map(|table| {
        table
            .lines()
            .skip(1)
            .find_map(|line| listening(line, address))
    });
    Some(Holder::of(inode.and_then(|inode| {
        process_with(&format!("socket:[{inode}]"))
    })))
}

/// The inode of the socket on a line of the kernel's table, if it listens at `wanted` (proc(5)).
fn listening(line: &str, wanted: SocketAddr) -> Option<u64> {
    let mut columns = line.split_ascii_whitespace();
    let local = columns.nth(1)?;
    let state = columns.nth(1)?;
    let inode = columns.nth(5)?;
    let (address, port) = local.split_once(':')?;
    let address = address_of(address)?;
    let is_it = address == wanted.ip() || address.is_unspecified();
    let is_it = is_it && u16::from_str_radix(port, 16).ok()? == wanted.port();
    // TCP_LISTEN
    (state == "0A" && is_it).then(|| inode.parse().ok())?
}

/// Words in the order of this machine's bytes.
fn address_of(hex: &str) -> Option<IpAddr> {
    let words = hex
        .as_bytes()
        .chunks(8)
        .map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok());
    let bytes: Vec<u8> = words
        .collect::<Option<Vec<u32>>>()?
        .into_iter()
        .flat_map(u32::to_ne_bytes)
        .collect();
    if let Ok(bytes) = <[u8; 4]>::try_from(&*bytes) {
        return Some(Ipv4Addr::from(bytes).into());
    }
    let bytes = <[u8; 16]>::try_from(&*bytes).ok()?;
    Some(Ipv6Addr::from(bytes).to_canonical())
}

/// The process that has this file open, as far as we may look.
fn process_with(open: &str) -> Option<u32> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut processes =
        processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    processes.find(|id| {
        let files = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten();
        files
            .flatten()
            .any(|file| fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == open))
    })
}
