//! Dovecot as a whole mail server: IMAP, POP3, submission, `ManageSieve` and LMTP over maildirs.
//!
//! Two versions, and two ways of judging tokens: by Dovecot's own oauth2 database, or by another's sockets.
//! Passwords are Dovecot's own matter in both.

mod configuration;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::auth_client::AuthClient;
use crate::daemon::wait_until;
use crate::imap::Session;
use crate::roots::{DOVECOT_2_3, DOVECOT_2_4, Recipe};
use crate::stream::Address;

/// The account that owns all mail, in every root.
const MAIL: u32 = 8;

/// A release series of Dovecot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// Debian 12's.
    V2_3,
    /// Debian 13's.
    V2_4,
}

/// Who judges the tokens that clients present.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Tokens {
    /// Dovecot itself, by these settings of its oauth2 database.
    OAuth2(String),
    /// 2.3 itself, by as many oauth2 databases: each is asked about a token that none before it knew.
    Databases(Vec<String>),
    /// Whoever listens at [`Dovecot::login_socket`] and [`Dovecot::master_socket`]: its servers ask there about
    /// every login and user, and its own auth process serves passwords alone.
    Elsewhere,
}

/// How a Dovecot is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its series.
    pub version: Version,
    /// Its name, also that of its directories; several may run in one root.
    pub name: &'static str,
    /// The port of IMAP; those of POP3, submission and `ManageSieve` follow it.
    pub port: u16,
    /// The port that its submission server hands mail to.
    pub relay: u16,
    /// Who judges tokens.
    pub tokens: Tokens,
    /// Who has an account: the name and the password.
    pub users: &'static [(&'static str, &'static str)],
    /// The one processor core that it runs on, if it is to share none.
    pub core: Option<usize>,
}

/// A running Dovecot, ended when it goes out of scope.
#[derive(Debug)]
pub struct Dovecot {
    root: PathBuf,
    setup: Setup,
    master: Option<Child>,
}

impl Tokens {
    /// What docker-mailserver writes for its `OAUTH2_INTROSPECTION_URL`, which names Gatepost at `port`.
    #[must_use]
    pub fn docker_mailserver(port: u16) -> Self {
        Self::OAuth2(format!(
            "introspection_url = http://127.0.0.1:{port}/userinfo\nintrospection_mode = auth\n\
             username_attribute = email\n"
        ))
    }
}

impl Version {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V2_3, Self::V2_4];

    /// The recipe of its root.
    #[must_use]
    pub fn recipe(self) -> &'static Recipe {
        match self {
            Self::V2_3 => &DOVECOT_2_3,
            Self::V2_4 => &DOVECOT_2_4,
        }
    }
}

impl Dovecot {
    /// Starts it in `root` and waits until it greets.
    ///
    /// # Errors
    /// When it does not start: tells what it wrote.
    pub fn start(root: &Path, setup: Setup) -> io::Result<Self> {
        let mail = root.join("var/mail").join(setup.name);
        fs::create_dir_all(&mail)?;
        chown(&mail, Some(MAIL), Some(MAIL))?;
        for (name, content) in configuration::files(&setup) {
            let path = root.join("run").join(name);
            fs::write(&path, content)?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o644))?;
        }
        let run = root.join("run").join(setup.name);
        if setup.tokens == Tokens::Elsewhere {
            // A socket right in `login` would keep Dovecot from starting.
            fs::create_dir_all(run.join(configuration::LOGIN_SOCKET).with_file_name(""))?;
        }
        let mut dovecot = Self {
            root: root.to_owned(),
            setup,
            master: None,
        };
        dovecot.restart()?;
        Ok(dovecot)
    }

    /// Ends it if it runs, and starts it once more with the same mail.
    ///
    /// # Errors
    /// When it does not start: tells what it wrote.
    pub fn restart(&mut self) -> io::Result<()> {
        self.stop();
        let words = File::create(self.words())?;
        self.master = Some(
            self.command()
                .stdin(Stdio::null())
                .stdout(words.try_clone()?)
                .stderr(words)
                .spawn()?,
        );
        let (imap, auth) = (self.imap(), self.auth_client());
        // Without whoever it asks elsewhere, it does not greet.
        let greets_alone = self.setup.tokens != Tokens::Elsewhere;
        wait_until("Dovecot's greeting", || {
            AuthClient::open(&auth).is_ok() && (!greets_alone || Session::open(&imap).is_ok())
        })
        .map_err(|error| io::Error::other(format!("{error}\n{}", self.logged())))
    }

    /// Starts it once more with `settings` behind its own.
    ///
    /// # Errors
    /// When it does not start: tells what it wrote.
    pub fn add(&mut self, settings: &str) -> io::Result<()> {
        let path = self.root.join(format!("run/{}.conf", self.setup.name));
        let text = fs::read_to_string(&path)?;
        fs::write(path, text + settings)?;
        self.restart()
    }

    /// Ends it, and all of its processes with it.
    pub fn stop(&mut self) {
        let Some(mut master) = self.master.take() else {
            return;
        };
        let id = i32::try_from(master.id()).ok();
        if let Some(id) = id.and_then(Pid::from_raw) {
            // Its master ends its processes; it may have ended already.
            let _ended = kill_process(id, Signal::TERM);
        }
        let _status = master.wait();
    }

    /// How it was set up.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Its IMAP server.
    #[must_use]
    pub fn imap(&self) -> Address {
        Address::port(self.setup.port)
    }

    /// Its POP3 server.
    #[must_use]
    pub fn pop3(&self) -> Address {
        Address::port(self.setup.port + configuration::POP3)
    }

    /// Its submission server.
    #[must_use]
    pub fn submission(&self) -> Address {
        Address::port(self.setup.port + configuration::SUBMISSION)
    }

    /// Its `ManageSieve` server.
    #[must_use]
    pub fn sieve(&self) -> Address {
        Address::port(self.setup.port + configuration::SIEVE)
    }

    /// Its LMTP server.
    #[must_use]
    pub fn lmtp(&self) -> Address {
        self.socket("lmtp")
    }

    /// Where its own auth process serves those who judge logins by it.
    #[must_use]
    pub fn auth_client(&self) -> Address {
        self.socket("auth-client")
    }

    /// Where its own auth process serves those who look users up.
    #[must_use]
    pub fn auth_master(&self) -> Address {
        self.socket(match self.setup.tokens {
            Tokens::OAuth2(_) | Tokens::Databases(_) => "auth-master",
            Tokens::Elsewhere => "dovecot-master",
        })
    }

    /// Where its login processes ask, with [`Tokens::Elsewhere`]; it is there for another to listen at.
    #[must_use]
    pub fn login_socket(&self) -> Address {
        self.socket(configuration::LOGIN_SOCKET)
    }

    /// Where its other processes ask, with [`Tokens::Elsewhere`]; it is there for another to listen at.
    #[must_use]
    pub fn master_socket(&self) -> Address {
        self.socket("auth-master")
    }

    /// The messages that have come into `user`'s inbox and were not filed elsewhere, read or not.
    ///
    /// # Errors
    /// Those of the system.
    pub fn inbox(&self, user: &str) -> io::Result<Vec<String>> {
        let mail = self.root.join("var/mail").join(self.setup.name);
        let maildir = mail.join(configuration::home(user)).join("Maildir");
        let mut messages = Vec::new();
        for name in ["new", "cur"] {
            let Ok(entries) = fs::read_dir(maildir.join(name)) else {
                continue; // It is made when the first message comes.
            };
            for entry in entries {
                messages.push(fs::read_to_string(entry?.path())?);
            }
        }
        Ok(messages)
    }

    /// The processes of its root, those of the name `name` or all.
    ///
    /// # Errors
    /// Those of the system.
    pub fn processes(&self, name: Option<&str>) -> io::Result<Vec<Pid>> {
        let mut processes = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let path = entry?.path();
            let command = fs::read_to_string(path.join("cmdline")).unwrap_or_default();
            let is_named = name.is_none_or(|name| command.split('\0').next() == Some(name));
            let is_here = fs::read_link(path.join("root")).is_ok_and(|root| root == self.root);
            let id = path
                .file_name()
                .and_then(|name| name.to_str()?.parse().ok());
            if is_here && is_named {
                processes.extend(id.and_then(Pid::from_raw));
            }
        }
        Ok(processes)
    }

    /// What it has logged so far.
    #[must_use]
    pub fn logged(&self) -> String {
        let log = self.root.join(format!("var/log/{}.log", self.setup.name));
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        read(self.words()) + &read(log)
    }

    /// A socket in its directory, seen from outside of its root.
    fn socket(&self, name: &str) -> Address {
        Address::Unix(self.root.join("run").join(self.setup.name).join(name))
    }

    /// What it says before it has a log.
    fn words(&self) -> PathBuf {
        self.root.join(format!("var/log/{}.words", self.setup.name))
    }

    fn command(&self) -> Command {
        let mut command = match self.setup.core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &core.to_string(), "chroot"]);
                command
            }
            None => Command::new("chroot"),
        };
        command
            .arg(&self.root)
            .args(["/usr/sbin/dovecot", "-F", "-c"])
            .arg(format!("/run/{}.conf", self.setup.name))
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin");
        command
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        self.stop();
    }
}
