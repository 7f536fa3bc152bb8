//! A Postfix that asks Gatepost about every login, and throws away the mail it accepts or delivers it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::certificates::self_signed;
use crate::daemon::wait_until;
use crate::namespace::in_root;
use crate::roots::below;
use crate::smtp::Session;
use crate::stream::Address;

/// Postfix's account in the roots, and the group of those who may drop mail.
const POSTFIX: u32 = 101;
const POSTDROP: u32 = 102;

/// The queue's directories, with owner, group and mode as Postfix's own set-up makes them.
const QUEUE: [(&str, u32, u32, u32); 15] = [
    ("pid", 0, 0, 0o755),
    ("active", POSTFIX, 0, 0o700),
    ("bounce", POSTFIX, 0, 0o700),
    ("corrupt", POSTFIX, 0, 0o700),
    ("defer", POSTFIX, 0, 0o700),
    ("deferred", POSTFIX, 0, 0o700),
    ("flush", POSTFIX, 0, 0o700),
    ("hold", POSTFIX, 0, 0o700),
    ("incoming", POSTFIX, 0, 0o700),
    ("private", POSTFIX, 0, 0o700),
    ("saved", POSTFIX, 0, 0o700),
    ("trace", POSTFIX, 0, 0o700),
    ("maildrop", POSTFIX, POSTDROP, 0o730),
    ("public", POSTFIX, POSTDROP, 0o710),
    ("../../lib/postfix", POSTFIX, POSTFIX, 0o755),
];

/// What an administrator is told to write.
pub(crate) const EXAMPLE: &str = include_str!("../../examples/postfix/main.cf");

/// What follows overrides it: there is no TLS here, and a cut-off response is one of the cases. The limits
/// are lifted that would slow failing clients down or retire a process in a test.
const MAIN: &str = "\
compatibility_level = 3.6
myhostname = mx.example.test
mydestination =
mynetworks = 192.0.2.0/24
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
local_recipient_maps =
default_transport = discard
relay_transport = discard
alias_maps =
smtpd_tls_auth_only = no
line_length_limit = 2048
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_error_sleep_time = 0
smtpd_hard_error_limit = 1000
smtpd_soft_error_limit = 1000
smtpd_tls_security_level = none
smtpd_peername_lookup = no
max_use = 100000
max_idle = 1h
maillog_file = /var/log/postfix.log
";

const MASTER: &str = "\
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
discard unix - - n - - discard
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
";

/// One SMTP service.
#[derive(Clone, Copy, Debug)]
pub struct Smtpd {
    /// Its port, which is also its name in the log.
    pub port: u16,
    /// Where it finds Gatepost: a path below the queue's directory, or `inet:host:port`.
    pub gatepost: &'static str,
    /// The most processes that serve it.
    pub processes: u16,
    /// The mechanisms that it offers; empty: all that Gatepost has.
    pub mechanisms: &'static str,
    /// Whether it takes logins over TLS only, with a certificate of its own making.
    pub tls: bool,
    /// Whether it takes mail from loopback without a login, and offers none.
    pub is_relay: bool,
}

impl Smtpd {
    /// One that asks a Gatepost about everybody, and offers what that has.
    #[must_use]
    pub const fn new(port: u16, gatepost: &'static str, processes: u16) -> Self {
        Self {
            port,
            gatepost,
            processes,
            mechanisms: "",
            tls: false,
            is_relay: false,
        }
    }

    /// One that Dovecot's submission servers hand mail to.
    #[must_use]
    pub const fn relay(port: u16) -> Self {
        Self {
            is_relay: true,
            ..Self::new(port, "private/nobody", 20)
        }
    }
}

/// Where a root has the certificate of the services with TLS.
pub const CERTIFICATE: &str = "/etc/postfix/certificate.pem";

/// Its private key.
const PRIVATE_KEY: &str = "/etc/postfix/key.pem";

/// Where Debian's packages look for the machine's own certificate, and for its key.
const SNAKEOIL: [&str; 2] = [
    "/etc/ssl/certs/ssl-cert-snakeoil.pem",
    "/etc/ssl/private/ssl-cert-snakeoil.key",
];

/// A running Postfix.
#[derive(Debug)]
pub struct Postfix {
    root: PathBuf,
    master: Child,
}

/// The queue's directory as seen from outside of `root`.
#[must_use]
pub fn queue(root: &Path) -> PathBuf {
    root.join("var/spool/postfix")
}

/// Makes the queue's directories in `root`, so that Gatepost's sockets have their place.
///
/// # Errors
/// Those of the system.
pub fn make_queue(root: &Path) -> io::Result<()> {
    for (name, owner, group, mode) in QUEUE {
        let directory = queue(root).join(name);
        fs::create_dir_all(&directory)?;
        chown(&directory, Some(owner), Some(group))?;
        fs::set_permissions(&directory, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

impl Postfix {
    /// Starts Postfix in `root` and waits until its first service greets. What `settings` say overrides all else.
    ///
    /// # Errors
    /// When it stays silent: tells what Postfix logged.
    pub fn start(root: &Path, services: &[Smtpd], settings: &str) -> io::Result<Self> {
        let main = format!("{EXAMPLE}\n{MAIN}\n{settings}");
        write_certificate(root, [CERTIFICATE, PRIVATE_KEY])?;
        // The first for all: a service whose Gatepost is yet to come would give up.
        let port = services.first().map_or(25, |service| service.port);
        Self::run(root, &main, &master_file(services), port)
    }

    /// Starts Postfix as Debian's package configures it, but for `settings`, with the machine's own certificate.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_as_packaged(root: &Path, settings: &str) -> io::Result<Self> {
        let packaged = |name| fs::read_to_string(root.join("usr/share/postfix").join(name));
        let main = packaged("main.cf.debian")? + &packaged("main.cf.tls")? + settings;
        write_certificate(root, SNAKEOIL)?;
        Self::run(root, &main, &packaged("master.cf.dist")?, 25)
    }

    /// Starts it, and waits until the service at `port` greets.
    fn run(root: &Path, main: &str, master: &str, port: u16) -> io::Result<Self> {
        fs::write(root.join("etc/postfix/main.cf"), main)?;
        fs::write(root.join("etc/postfix/master.cf"), master)?;
        let words = File::create(root.join("var/log/master.log"))?;
        let master = in_root(root, "/usr/lib/postfix/sbin/master")
            .args(["-d", "-c", "/etc/postfix"])
            .stdin(Stdio::null())
            .stdout(words.try_clone()?)
            .stderr(words)
            .spawn()?;
        let postfix = Self {
            root: root.to_owned(),
            master,
        };
        let address = Address::port(port);
        wait_until("Postfix's greeting", || Session::open(&address).is_ok())
            .map_err(|error| io::Error::other(format!("{error}\n{}", postfix.logged())))?;
        Ok(postfix)
    }

    /// What it would hear of `key` from a socketmap in its private directory, such as `gatepost-map:mailbox`; nothing
    /// where that is not there.
    ///
    /// # Errors
    /// When the map cannot be asked: tells what it wrote.
    pub fn look_up(&self, map: &str, key: &str) -> io::Result<String> {
        self.ask(
            &format!("socketmap:unix:/var/spool/postfix/private/{map}"),
            key,
        )
    }

    /// What it would hear of `key` from any `map`; nothing where that is not there.
    ///
    /// # Errors
    /// When the map cannot be asked: tells what it wrote.
    pub fn ask(&self, map: &str, key: &str) -> io::Result<String> {
        let mut command = in_root(&self.root, "/usr/sbin/postmap");
        let output = command.args(["-q", key, map]).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        // Warnings about the configuration come beside "not found".
        if !said.contains("fatal:") {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        Err(io::Error::other(said))
    }

    /// What Postfix has logged so far.
    #[must_use]
    pub fn logged(&self) -> String {
        let read = |name| fs::read_to_string(self.root.join(name)).unwrap_or_default();
        read("var/log/master.log") + &read("var/log/postfix.log")
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.master.kill();
        let _status = self.master.wait();
    }
}

/// A certificate for loopback, which is its own authority, and its key, at `places` of `root`.
fn write_certificate(root: &Path, places: [&str; 2]) -> io::Result<()> {
    for (place, pem) in places.into_iter().zip(self_signed("127.0.0.1")?) {
        let place = below(root, Path::new(place));
        fs::write(&place, pem)?;
        fs::set_permissions(place, fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

fn master_file(services: &[Smtpd]) -> String {
    let mut text = MASTER.to_owned();
    for service in services {
        let (port, gatepost, processes) = (service.port, service.gatepost, service.processes);
        // Writing to a String cannot fail.
        let _written = write!(
            text,
            "{port} inet n - n - {processes} smtpd\n  -o syslog_name=postfix/{port}\n  \
             -o smtpd_sasl_path={gatepost}\n"
        );
        if !service.mechanisms.is_empty() {
            let filter = service.mechanisms;
            let _written = writeln!(text, "  -o smtpd_sasl_mechanism_filter={filter}");
        }
        if service.is_relay {
            text += "  -o smtpd_sasl_auth_enable=no\n  -o mynetworks=127.0.0.0/8\n  \
                     -o smtpd_relay_restrictions=permit_mynetworks,reject\n";
        }
        if service.tls {
            let _written = writeln!(
                text,
                "  -o smtpd_tls_auth_only=yes\n  -o smtpd_tls_security_level=may\n  \
                 -o smtpd_tls_cert_file={CERTIFICATE}\n  -o smtpd_tls_key_file={PRIVATE_KEY}"
            );
        }
    }
    text
}
