//! One run's servers: Gatepost, a Postfix and an Exim that ask it, and taps that record its words.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::daemon::{Backend, Configuration, Daemon};
use crate::exim::{self, Exim};
use crate::login::Logins;
use crate::mint::Issuer;
use crate::namespace::Namespace;
use crate::postfix::{self, Postfix, Smtpd};
use crate::roots::{self, EXIM, MAIL};
use crate::stream::Address;
use crate::tap::Tap;

/// Postfix asks over a unix socket.
pub const UNIX: u16 = 10587;
/// Postfix asks over TCP, through a tap.
pub const INET: u16 = 10588;
/// As [`UNIX`], but one process serves all clients.
pub const SERIAL: u16 = 10589;
/// As [`UNIX`], but only XOAUTH2 is offered.
pub const ONLY_XOAUTH2: u16 = 10590;
/// Postfix asks a Gatepost that comes and goes, over a unix socket.
pub const RESTARTED_UNIX: u16 = 10591;
/// Postfix asks a Gatepost that comes and goes, over TCP.
pub const RESTARTED_INET: u16 = 10592;
/// Postfix asks a Gatepost whose configuration changes.
pub const RELOADED: u16 = 10593;
/// Postfix asks a Gatepost that finds its provider over the network.
pub const ONLINE: u16 = 10594;
/// Postfix asks a Gatepost that asks a provider behind TLS.
pub const DJANGO: u16 = 10596;

/// Postfix asks the firmware of the appliance.
pub const APPLIANCE: u16 = 10597;

/// Where the appliance of [`APPLIANCE`] is reached.
pub const APPLIANCE_GATEPOST: u16 = 12350;

/// As [`UNIX`], but over TLS only.
pub const TLS: u16 = 10595;

/// Where the Gatepost of [`ONLINE`] listens.
pub const ONLINE_GATEPOST: u16 = 12348;

/// Where the Gatepost of [`DJANGO`] listens.
pub const DJANGO_GATEPOST: u16 = 12349;

/// How many processes serve a port unless its name says otherwise.
pub const PROCESSES: u16 = 4;

const GATEPOST: u16 = 12345;
const TAPPED: u16 = 12346;
const RESTARTED: u16 = 12347;

const SERVICES: [Smtpd; 11] = [
    smtpd(UNIX, "private/extauth"),
    smtpd(INET, "inet:127.0.0.1:12346"),
    Smtpd {
        processes: 1,
        ..smtpd(SERIAL, "private/extauth")
    },
    Smtpd {
        mechanisms: "xoauth2",
        ..smtpd(ONLY_XOAUTH2, "private/extauth")
    },
    smtpd(RESTARTED_UNIX, "private/restarted"),
    smtpd(RESTARTED_INET, "inet:127.0.0.1:12347"),
    smtpd(RELOADED, "private/reloaded"),
    smtpd(ONLINE, "inet:127.0.0.1:12348"),
    smtpd(DJANGO, "inet:127.0.0.1:12349"),
    smtpd(APPLIANCE, "inet:127.0.0.1:12350"),
    Smtpd {
        tls: true,
        ..smtpd(TLS, "private/extauth")
    },
];

const fn smtpd(port: u16, gatepost: &'static str) -> Smtpd {
    Smtpd::new(port, gatepost, PROCESSES)
}

/// Everything that the cases share.
pub struct Lab {
    /// Makes and remembers what clients present.
    pub logins: Logins,
    /// The Gatepost that runs all the time.
    pub daemon: Daemon,
    /// The tap before its TCP port.
    pub inet_tap: Tap,
    /// The tap before its unix socket, which Exim uses too.
    pub unix_tap: Tap,
    /// The running Postfix.
    pub postfix: Postfix,
    /// The running Exim.
    pub exim: Exim,
    namespace: Namespace,
    configurations: PathBuf,
}

impl Lab {
    /// Starts everything; only inside of the namespaces.
    ///
    /// # Errors
    /// When a server does not start: tells what it wrote.
    pub fn open() -> io::Result<Self> {
        let namespace = Namespace::set_up(&roots::directory()?, &roots::SERVERS)?;
        let (mail, exim) = (namespace.root(&MAIL), namespace.root(&EXIM));
        let configurations = namespace.directory("gatepost")?;
        postfix::make_queue(&mail)?;
        let logins = Logins::new(Issuer::new());

        let tapped = Address::Unix(configurations.join("tapped"));
        let extauth = Address::Unix(private(&mail, "extauth"));
        let listeners = vec![extauth, Address::port(GATEPOST), tapped.clone()];
        let configuration = configure(&configurations, "main", listeners, Backend::AwsLc, &logins)?;
        let daemon = Daemon::start(&configuration)?;
        let unix_tap = Tap::on_path(&exim::make_socket_directory(&exim)?, tapped)?;
        open_to_all(&unix_tap.address)?;
        let inet_tap = Tap::on_port(TAPPED, Address::port(GATEPOST))?;

        Ok(Self {
            logins,
            daemon,
            inet_tap,
            unix_tap,
            postfix: Postfix::start(&mail, &SERVICES, "")?,
            exim: Exim::start(&exim)?,
            namespace,
            configurations,
        })
    }

    /// The root of Postfix and the clients.
    #[must_use]
    pub fn mail_root(&self) -> PathBuf {
        self.namespace.root(&MAIL)
    }

    /// The root of the provider in Python.
    #[must_use]
    pub fn django_root(&self) -> PathBuf {
        self.namespace.root(&roots::DJANGO)
    }

    /// A configuration of its own for a Gatepost that is asked by `port`, a service of Postfix.
    ///
    /// # Errors
    /// Those of the system.
    pub fn configuration_for(&self, port: u16) -> io::Result<Configuration> {
        let listener = match port {
            RESTARTED_INET => Address::port(RESTARTED),
            RESTARTED_UNIX => Address::Unix(private(&self.mail_root(), "restarted")),
            _ => Address::Unix(private(&self.mail_root(), "reloaded")),
        };
        self.configuration(&port.to_string(), listener, Backend::AwsLc)
    }

    /// A configuration of its own for a Gatepost with `backend` that no mail server asks, and its
    /// socket.
    ///
    /// # Errors
    /// Those of the system.
    pub fn configuration_with(&self, backend: Backend) -> io::Result<(Configuration, Address)> {
        let name = format!("{backend:?}");
        let address = Address::Unix(self.configurations.join(&name).join("socket"));
        Ok((
            self.configuration(&name, address.clone(), backend)?,
            address,
        ))
    }

    /// A directory of its own for whatever is called `name`; its logs are searched with all others.
    ///
    /// # Errors
    /// Those of the system.
    pub fn directory_for(&self, name: &str) -> io::Result<PathBuf> {
        let directory = self.configurations.join(name);
        fs::create_dir_all(&directory)?;
        Ok(directory)
    }

    fn configuration(
        &self,
        name: &str,
        listener: Address,
        backend: Backend,
    ) -> io::Result<Configuration> {
        configure(
            &self.configurations,
            name,
            vec![listener],
            backend,
            &self.logins,
        )
    }

    /// Every log line of this run, from every Gatepost, Postfix and Exim.
    ///
    /// # Errors
    /// Those of the system.
    pub fn logs(&self) -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut logs = vec![
            ("Postfix".to_owned(), self.postfix.logged().into_bytes()),
            ("Exim".to_owned(), self.exim.logged().into_bytes()),
        ];
        for directory in fs::read_dir(&self.configurations)? {
            let directory = directory?.path();
            if !directory.is_dir() {
                continue;
            }
            for file in fs::read_dir(directory)? {
                let path = file?.path();
                if path.extension().is_some_and(|kind| kind == "log") {
                    logs.push((path.display().to_string(), fs::read(path)?));
                }
            }
        }
        Ok(logs)
    }
}

fn configure(
    configurations: &Path,
    name: &str,
    listeners: Vec<Address>,
    backend: Backend,
    logins: &Logins,
) -> io::Result<Configuration> {
    let directory = configurations.join(name);
    // Two cases may use one service, one after the other.
    fs::create_dir_all(&directory)?;
    Configuration::write(directory, listeners, backend, &logins.jwk_set())
}

/// A socket in the directory that only Postfix may enter.
fn private(mail: &Path, name: &str) -> PathBuf {
    postfix::queue(mail).join("private").join(name)
}

fn open_to_all(address: &Address) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    match address {
        Address::Unix(path) => fs::set_permissions(path, fs::Permissions::from_mode(0o666)),
        Address::Tcp(_) => Ok(()),
    }
}
