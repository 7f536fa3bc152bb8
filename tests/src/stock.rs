//! A fresh Debian machine: Dovecot and Postfix as their packages leave them, one user of the system, and an
//! administrator who does what `examples/dovecot/RELAY.md` says.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::auth_client::AuthClient;
use crate::certificates::self_signed;
use crate::daemon::{Configuration, Daemon, wait_until};
use crate::dovecot::Version;
use crate::imap::Session;
use crate::login::{AUDIENCE, ISSUER, Logins};
use crate::mint::Issuer;
use crate::namespace::{Namespace, in_root};
use crate::postfix::{self, Postfix};
use crate::process::run;
use crate::roots::{self, MAIL};
use crate::stream::Address;

/// The user of the system; tokens say that it is `alice@example.test`.
pub const NAME: &str = "alice";

/// Its password.
pub const PASSWORD: &str = "correct horse";

/// The page that the administrator follows.
const PAGE: &str = include_str!("../../examples/dovecot/RELAY.md");

/// The files of its first two steps.
const RELAY_CONF: &str = include_str!("../../examples/dovecot/relay.conf");
const RELAY_TOML: &str = include_str!("../../examples/dovecot/relay.toml");

/// What `debconf` adds to Postfix's configuration for an "Internet Site", and where its log goes without syslog.
const INTERNET_SITE: &str = "\
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
myhostname = mail.example.test
alias_maps =
mydestination = $myhostname, example.test, localhost
relayhost =
mynetworks = 127.0.0.0/8
mailbox_size_limit = 0
recipient_delimiter = +
inet_interfaces = all
inet_protocols = ipv4
maillog_file = /var/log/postfix.log
";

/// The protocols that packages switch on when they are installed.
const PROTOCOLS: [&str; 4] = ["imap", "pop3", "submission", "lmtp"];

/// What `pam-auth-update` makes of the packages' defaults, for each file that services include.
const PAM: [(&str, &str); 4] = [
    ("common-auth", "auth required pam_unix.so\n"),
    ("common-account", "account required pam_unix.so\n"),
    ("common-password", "password required pam_unix.so\n"),
    ("common-session", "session required pam_unix.so\n"),
];

/// Where the package of Dovecot expects the machine's own certificate, and the key of it.
const CERTIFICATE: [&str; 2] = [
    "etc/dovecot/private/dovecot.pem",
    "etc/dovecot/private/dovecot.key",
];

/// What all machines share: their packages, and who signs tokens.
pub struct Stock {
    namespace: Namespace,
    /// Makes and remembers tokens.
    pub logins: Logins,
}

/// One machine; its servers end when it goes out of scope.
pub struct Machine<'s> {
    stock: &'s Stock,
    /// Where Dovecot is at home, and where Postfix is: packages of two releases cannot share one root.
    root: PathBuf,
    mail: PathBuf,
    version: Version,
    dovecot: Option<Child>,
    postfix: Option<Postfix>,
    daemon: Option<Daemon>,
}

impl Stock {
    /// Unpacks the packages; only inside of the namespaces.
    ///
    /// # Errors
    /// When something cannot be mounted.
    pub fn open() -> io::Result<Self> {
        let namespace = Namespace::set_up(&roots::directory()?, &roots::SERVERS)?;
        namespace.let_write(&MAIL, "etc/ssl")?;
        postfix::make_queue(&namespace.root(&MAIL))?;
        Ok(Self {
            namespace,
            logins: Logins::new(Issuer::new()),
        })
    }

    /// A machine with `version` of Dovecot, installed and running, and nothing of Gatepost. One at a time: they
    /// have the same ports.
    ///
    /// # Errors
    /// When Dovecot does not start.
    pub fn install(&self, version: Version) -> io::Result<Machine<'_>> {
        let root = self.namespace.root(version.recipe());
        for name in ["etc", "home", "usr/share/dovecot", "var/lib"] {
            self.namespace.let_write(version.recipe(), name)?;
        }
        add_user(&root)?;
        configure_dovecot(&root, version)?;
        let mut machine = Machine {
            stock: self,
            mail: self.namespace.root(&MAIL),
            root,
            version,
            dovecot: None,
            postfix: None,
            daemon: None,
        };
        machine.restart_dovecot()?;
        machine.wait_for_mechanism("PLAIN")?;
        Ok(machine)
    }
}

impl Machine<'_> {
    /// Does what the page says, step by step.
    ///
    /// # Errors
    /// When a server does not start, or the page does not say what it should.
    pub fn follow_the_page(&mut self) -> io::Result<()> {
        let conf = self.root.join("etc/dovecot/conf.d");
        fs::write(conf.join("90-gatepost.conf"), RELAY_CONF)?;
        let format = on_the_page(match self.version {
            Version::V2_3 => "auth_username_format = %Ln",
            Version::V2_4 => "auth_username_format = %{user | username | lower}",
        })?;
        let mut auth = File::options()
            .append(true)
            .open(conf.join("10-auth.conf"))?;
        writeln!(auth, "{format}")?;
        // As `relay.service.conf` does before the daemon starts.
        fs::create_dir_all(self.root.join("run/dovecot/login/gatepost"))?;
        self.restart_dovecot()?;
        self.daemon = Some(self.start_daemon()?);
        self.wait_for_mechanism("OAUTHBEARER")?;
        let settings = [INTERNET_SITE, postfix::EXAMPLE].concat();
        self.postfix = Some(Postfix::start_as_packaged(&self.mail, &settings)?);
        Ok(())
    }

    /// Runs the line of the page's last step that presents a token, or a password.
    ///
    /// # Errors
    /// When curl fails: tells its last words.
    pub fn try_imap(&self, token: Option<&str>) -> io::Result<String> {
        let line = match token {
            Some(_) => {
                "curl imap://127.0.0.1/INBOX --user alice@example.com: --oauth2-bearer TOKEN"
            }
            None => "curl imap://127.0.0.1/INBOX --user alice@example.com:PASSWORD",
        };
        self.curl(&on_the_page(line)?, token)
    }

    /// Has Postfix accept a message, with a token or a password, over TLS as its example demands.
    ///
    /// # Errors
    /// When curl fails: tells its last words.
    pub fn try_smtp(&self, token: Option<&str>) -> io::Result<String> {
        let credentials = match token {
            Some(_) => "alice@example.com: --oauth2-bearer TOKEN",
            None => "alice@example.com:PASSWORD",
        };
        let line = format!(
            "curl --ssl-reqd --insecure smtp://127.0.0.1 --user {credentials} --mail-from alice@example.com \
             --mail-rcpt bob@example.net --upload-file /etc/postfix/main.cf"
        );
        self.curl(&line, token)
    }

    /// What each server has logged so far.
    #[must_use]
    pub fn logged(&self) -> String {
        let postfix = self.postfix.as_ref().map(Postfix::logged);
        let daemon = self.daemon.as_ref().map(Daemon::logged);
        let dovecot = fs::read_to_string(self.root.join("var/log/dovecot.log"));
        let dovecot = dovecot.unwrap_or_default();
        format!(
            "{dovecot}\n{}\n{}",
            daemon.unwrap_or_default(),
            postfix.unwrap_or_default()
        )
    }

    /// Runs a line of the page in the root of the clients, its words made this machine's.
    fn curl(&self, line: &str, token: Option<&str>) -> io::Result<String> {
        let mut words = line.split(' ');
        let program = words.next().unwrap_or_default();
        let mut command = in_root(&self.mail, format!("/usr/bin/{program}"));
        command.args(["--silent", "--show-error"]);
        for word in words {
            let word = word.replace("example.com", "example.test");
            let word = word.replace("PASSWORD", PASSWORD);
            command.arg(word.replace("TOKEN", token.unwrap_or_default()));
        }
        run(&mut command)
    }

    fn start_daemon(&self) -> io::Result<Daemon> {
        let directory = self
            .stock
            .namespace
            .directory(&format!("{:?}", self.version))?;
        let run = self.root.join("run/dovecot").display().to_string();
        let private = postfix::queue(&self.mail)
            .join("private")
            .display()
            .to_string();
        let (text, _provider) = RELAY_TOML.split_once("[[provider]]").unwrap_or_default();
        let text = text
            .replace("/run/dovecot", &run)
            .replace("/var/spool/postfix/private", &private);
        let provider = format!(
            "[log]\nformat = \"json\"\n[[provider]]\nissuer = \"{ISSUER}\"\naudience = \"{AUDIENCE}\"\nkeys = [\"{}\"]\n\
             username_claims = [\"email\"]\nuser_case = \"lower\"\n",
            directory.join("keys.json").display()
        );
        let listener = Address::Unix(self.root.join("run/dovecot/login/gatepost/auth"));
        let configuration = Configuration::write_text(directory, listener, &(text + &provider))?;
        configuration.write_keys(&self.stock.logins.jwk_set())?;
        Daemon::start(&configuration)
    }

    fn restart_dovecot(&mut self) -> io::Result<()> {
        self.stop_dovecot();
        let log = File::create(self.root.join("var/log/dovecot.words"))?;
        let started = in_root(&self.root, "/usr/sbin/dovecot")
            .arg("-F")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.dovecot = Some(started);
        let login = Address::Unix(self.root.join("run/dovecot/login/login"));
        wait_until("Dovecot's auth service", || {
            AuthClient::open(&login).is_ok()
        })
        .map_err(|error| io::Error::other(format!("{error}\n{}", self.logged())))
    }

    fn stop_dovecot(&mut self) {
        let Some(mut master) = self.dovecot.take() else {
            return;
        };
        let id = i32::try_from(master.id()).ok().and_then(Pid::from_raw);
        // It may have ended already.
        let _ended = id.map(|id| kill_process(id, Signal::TERM));
        let _status = master.wait();
    }

    fn wait_for_mechanism(&self, name: &str) -> io::Result<()> {
        let mechanism = format!("AUTH={name}");
        wait_until("Dovecot's greeting", || {
            let imap = Session::open(&Address::port(143));
            let answer = imap.and_then(|mut imap| imap.command("CAPABILITY"));
            answer.is_ok_and(|answer| answer.untagged.concat().contains(&mechanism))
        })
        .map_err(|error| io::Error::other(format!("{error}\n{}", self.logged())))
    }
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        self.stop_dovecot();
    }
}

/// `line`, if the page says it.
fn on_the_page(line: &str) -> io::Result<String> {
    if PAGE.contains(line) {
        return Ok(line.to_owned());
    }
    Err(io::Error::other(format!("RELAY.md does not say: {line}")))
}

/// What `adduser` does.
fn add_user(root: &Path) -> io::Result<()> {
    run(in_root(root, "/usr/sbin/useradd").args(["--create-home", NAME]))?;
    let password = format!("{NAME}:{PASSWORD}\n");
    let passwords = root.join("tmp/passwords");
    fs::write(&passwords, password)?;
    let mut chpasswd = in_root(root, "/usr/sbin/chpasswd");
    chpasswd.args(["--crypt-method", "SHA512"]);
    run(chpasswd.stdin(File::open(passwords)?))?;
    let mail = root.join("var/mail");
    chown(&mail, Some(0), Some(8))?;
    fs::set_permissions(&mail, Permissions::from_mode(0o2775))
}

/// What the packages' scripts do when they are installed.
fn configure_dovecot(root: &Path, version: Version) -> io::Result<()> {
    for name in PROTOCOLS {
        let enabled = match version {
            Version::V2_3 => format!("protocols = $protocols {name}\n"),
            Version::V2_4 => format!("protocols {{\n  {name} = yes\n}}\n"),
        };
        let file = format!("usr/share/dovecot/protocols.d/{name}d.protocol");
        fs::write(root.join(file), enabled)?;
    }
    fs::create_dir_all(root.join("var/lib/dovecot"))?;
    let (from, to) = (root.join("usr/share/dovecot/."), root.join("etc/dovecot"));
    run(Command::new("cp").arg("-r").arg(from).arg(&to))?;
    for (name, content) in PAM {
        fs::write(root.join("etc/pam.d").join(name), content)?;
    }
    let made = self_signed("localhost")?;
    for (path, pem) in CERTIFICATE.into_iter().zip(made) {
        fs::write(root.join(path), pem)?;
    }
    // No syslog runs here.
    fs::write(to.join("local.conf"), "log_path = /var/log/dovecot.log\n")
}
