//! An Exim that asks Gatepost about every login and throws away the mail it accepts.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::daemon::wait_until;
use crate::namespace::in_root;
use crate::smtp::Session;
use crate::stream::Address;

/// Exim's port.
pub const PORT: u16 = 10125;

/// Exim's account in the roots.
const EXIM: u32 = 103;

/// Where Exim looks for Gatepost, inside of its root.
const SOCKET: &str = "run/ext/auth";

/// A running Exim.
#[derive(Debug)]
pub struct Exim {
    root: PathBuf,
    daemon: Child,
}

/// Makes the directory of Gatepost's socket in `root` and returns the socket's path from outside.
///
/// # Errors
/// Those of the system.
pub fn make_socket_directory(root: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(root.join("run/ext"))?;
    Ok(root.join(SOCKET))
}

impl Exim {
    /// Starts Exim in `root` and waits until it greets.
    ///
    /// # Errors
    /// When it stays silent: tells what it logged.
    pub fn start(root: &Path) -> io::Result<Self> {
        for name in ["var/spool/exim4", "var/log/exim4", "run/exim4"] {
            fs::create_dir_all(root.join(name))?;
            chown(root.join(name), Some(EXIM), Some(EXIM))?;
        }
        fs::write(root.join("etc/exim4/exim4.conf"), configuration())?;
        let words = File::create(root.join("var/log/words.log"))?;
        let daemon = in_root(root, "/usr/sbin/exim4")
            .args(["-bdf", "-q1h"])
            .stdin(Stdio::null())
            .stdout(words.try_clone()?)
            .stderr(words)
            .spawn()?;
        let exim = Self {
            root: root.to_owned(),
            daemon,
        };
        let address = Address::port(PORT);
        wait_until("Exim's greeting", || Session::open(&address).is_ok())
            .map_err(|error| io::Error::other(format!("{error}\n{}", exim.logged())))?;
        Ok(exim)
    }

    /// What Exim has logged so far.
    #[must_use]
    pub fn logged(&self) -> String {
        let read = |name| fs::read_to_string(self.root.join("var/log").join(name));
        [
            "words.log",
            "exim4/mainlog",
            "exim4/rejectlog",
            "exim4/paniclog",
        ]
        .map(|name| read(name).unwrap_or_default())
        .concat()
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.daemon.kill();
        let _status = self.daemon.wait();
    }
}

fn configuration() -> String {
    // What an administrator is told to write, but for the socket's place and TLS.
    let example = include_str!("../../examples/exim/authenticators.conf");
    let example = example.replace("/run/gatepost/auth", &format!("/{SOCKET}"));
    let lines = example.lines();
    let authenticators: Vec<&str> = lines
        .filter(|line| !line.contains("server_advertise_condition"))
        .collect();
    format!(
        "\
primary_hostname = ex.example.test
local_interfaces = 127.0.0.1
daemon_smtp_ports = {PORT}
acl_smtp_rcpt = rcpt
log_file_path = /var/log/exim4/%slog
pid_file_path = /run/exim4/exim.pid
spool_directory = /var/spool/exim4
auth_advertise_hosts = *
tls_advertise_hosts =
host_lookup =
rfc1413_query_timeout = 0s
keep_environment =
smtp_accept_max = 100
begin acl
rcpt:
  accept authenticated = *
  deny message = relay denied
begin routers
discard:
  driver = redirect
  data = :blackhole:
begin retry
begin authenticators
{}
",
        authenticators.join("\n")
    )
}
