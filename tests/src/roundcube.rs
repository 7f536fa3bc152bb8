//! Roundcube, on PHP's own web server, and a user of it in a browser.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Lines, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use crate::daemon::wait_until;
use crate::namespace::in_root;
use crate::node;
use crate::process::run;
use crate::roots;
use crate::stream::Address;

/// Its port, which the provider has registered.
const PORT: u16 = 8000;

/// What an administrator is told to write.
const EXAMPLE: &str = include_str!("../../examples/roundcube/oauth2.inc.php");

/// The extensions that the packages' scripts would have enabled, in the order in which they need one another.
const EXTENSIONS: &str = "/usr/share/php8.2-common/common:/usr/share/php8.2-sqlite3/sqlite3:\
    /usr/share/php8.2-curl/curl:/usr/share/php8.2-intl/intl:/usr/share/php8.2-mbstring/mbstring:\
    /usr/share/php8.2-xml/xml:/usr/share/php8.2-zip/zip";

/// Where the package has its tables.
const SCHEMA: &str = "/usr/share/dbconfig-common/data/roundcube/install/sqlite3";

/// What the rest of a house's settings would hold.
const BASICS: &str = "\
$config['db_dsnw'] = 'sqlite:///DIRECTORY/database';
$config['des_key'] = 'twenty-four bytes of key';
$config['log_dir'] = 'DIRECTORY/';
$config['temp_dir'] = '/tmp';
$config['plugins'] = [];
";

/// How a Roundcube is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its name, also that of its directory.
    pub name: String,
    /// Its IMAP server.
    pub imap: Address,
    /// Its SMTP server.
    pub smtp: Address,
    /// The provider.
    pub issuer: String,
    /// Its client there, and the secret.
    pub client: (&'static str, &'static str),
}

/// A running Roundcube, killed when it goes out of scope.
#[derive(Debug)]
pub struct Roundcube {
    root: PathBuf,
    directory: PathBuf,
    server: Child,
}

/// A user in front of a browser, both gone when it goes out of scope.
#[derive(Debug)]
pub struct User {
    browser: Child,
    asks: ChildStdin,
    sees: Lines<BufReader<ChildStdout>>,
}

impl Roundcube {
    /// Starts it in `root`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(root: &Path, setup: &Setup) -> io::Result<Self> {
        let inside = format!("/run/{}", setup.name);
        let directory = roots::below(root, Path::new(&inside));
        fs::create_dir(&directory)?;
        for name in ["defaults.inc.php", "mimetypes.php"] {
            fs::copy(root.join("etc/roundcube").join(name), directory.join(name))?;
        }
        let settings = configuration(setup)? + &BASICS.replace("DIRECTORY", &inside);
        fs::write(directory.join("config.inc.php"), settings)?;
        let database = format!("{inside}/database");
        run(in_root(root, "/usr/bin/sqlite3").args([&database, &format!(".read {SCHEMA}")]))?;
        let server = in_root(root, "/usr/bin/php8.2")
            .args(["-S", &format!("127.0.0.1:{PORT}")])
            .args(["-t", "/var/lib/roundcube"])
            .env("ROUNDCUBE_CONFIG_DIR", format!("{inside}/"))
            .env("PHP_CLI_SERVER_WORKERS", "3")
            .env("PHP_INI_SCAN_DIR", EXTENSIONS)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(directory.join("php.log"))?)
            // Its workers would outlive it.
            .process_group(0)
            .spawn()?;
        let roundcube = Self {
            root: root.to_owned(),
            directory,
            server,
        };
        wait_until("Roundcube", || Address::port(PORT).connect().is_ok())?;
        Ok(roundcube)
    }

    /// Seats a user in front of a browser.
    ///
    /// # Errors
    /// When the browser cannot be started.
    pub fn seat(&self) -> io::Result<User> {
        let browser = self.root.join("tmp/browser");
        let root = self.root.display();
        let chromium = "/usr/lib/chromium/chromium-headless-shell";
        fs::write(
            &browser,
            format!("#!/bin/sh\nexec chroot {root} {chromium} \"$@\"\n"),
        )?;
        fs::set_permissions(&browser, fs::Permissions::from_mode(0o755))?;
        let program = node::CLIENTS.directory(&roots::directory()?);
        let mut browser = Command::new("node")
            .arg(program.join("roundcube.mjs"))
            .env("BROWSER", &browser)
            .env("URL", format!("http://127.0.0.1:{PORT}"))
            .env("HOME", "/tmp")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (asks, sees) = (browser.stdin.take(), browser.stdout.take());
        let (Some(asks), Some(sees)) = (asks, sees) else {
            unreachable!("pipes were asked for");
        };
        Ok(User {
            browser,
            asks,
            sees: BufReader::new(sees).lines(),
        })
    }

    /// What it has logged so far: without its web server's lines on each request, and without queries, which may
    /// hold a code of the provider's.
    #[must_use]
    pub fn logged(&self) -> String {
        let read = |name| fs::read_to_string(self.directory.join(name)).unwrap_or_default();
        let php = read("php.log");
        let is_complaint = |line: &&str| line.contains("PHP ") && !line.ends_with(" started");
        let logs = ["errors.log", "sendmail.log"].map(read).concat();
        let lines = php.lines().filter(is_complaint).chain(logs.lines());
        let without_query =
            |line: &str| line.split('?').next().unwrap_or_default().to_owned() + "\n";
        lines.map(without_query).collect()
    }
}

impl User {
    /// Logs in at the provider; sees the mailboxes.
    ///
    /// # Errors
    /// As [`come_back`](Self::come_back).
    pub fn log_in(&mut self, name: &str) -> io::Result<String> {
        self.take("logIn", &json!(name))
    }

    /// Looks into the inbox until a message is there; sees its subject.
    ///
    /// # Errors
    /// As [`come_back`](Self::come_back).
    pub fn find(&mut self, subject: &str) -> io::Result<String> {
        self.take("find", &json!(subject))
    }

    /// Opens a message of the inbox; sees its text.
    ///
    /// # Errors
    /// As [`come_back`](Self::come_back).
    pub fn open(&mut self, subject: &str) -> io::Result<String> {
        self.take("open", &json!(subject))
    }

    /// Writes a message; sees that it is `sent`, or what Roundcube complains about.
    ///
    /// # Errors
    /// As [`come_back`](Self::come_back).
    pub fn send(&mut self, to: &str, subject: &str, body: &str) -> io::Result<String> {
        self.take("send", &json!({"to": to, "subject": subject, "body": body}))
    }

    /// Comes back to the inbox and waits until Roundcube says `words`; without any, until it shows its login page.
    /// Sees all that it says.
    ///
    /// # Errors
    /// When the page is another: tells what is on it.
    pub fn come_back(&mut self, words: Option<&str>) -> io::Result<String> {
        self.take("comeBack", &json!(words))
    }

    fn take(&mut self, step: &str, argument: &Value) -> io::Result<String> {
        writeln!(self.asks, "{}", json!([step, argument]))?;
        let line = self.sees.next().unwrap_or_else(|| {
            let ended = format!("{step}: the browser has ended");
            Err(io::Error::other(ended))
        })?;
        let answer: Value = serde_json::from_str(&line)?;
        let text = |name| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        text("sees").ok_or_else(|| io::Error::other(text("failed").unwrap_or(line)))
    }
}

impl Drop for Roundcube {
    fn drop(&mut self) {
        let id = i32::try_from(self.server.id()).ok();
        if let Some(id) = id.and_then(Pid::from_raw) {
            // They may have ended already.
            let _ended = kill_process_group(id, Signal::KILL);
        }
        let _status = self.server.wait();
    }
}

impl Drop for User {
    fn drop(&mut self) {
        // It may have ended already; the browser ends with its pipes.
        let _ended = self.browser.kill();
        let _status = self.browser.wait();
    }
}

/// The example, with what its page says to change.
fn configuration(setup: &Setup) -> io::Result<String> {
    let (id, secret) = setup.client;
    let changes = [
        ("= 'roundcube'", format!("= '{id}'")),
        ("the secret of that client", secret.to_owned()),
        (
            "https://id.example.com/userinfo",
            format!("{}/me", setup.issuer),
        ),
        ("https://id.example.com", setup.issuer.clone()),
        ("ssl://imap.example.com:993", host(&setup.imap)),
        ("tls://smtp.example.com:587", host(&setup.smtp)),
    ];
    let mut text = EXAMPLE.to_owned();
    for (old, new) in changes {
        if !text.contains(old) {
            return Err(io::Error::other(format!("the example has no {old}")));
        }
        text = text.replace(old, &new);
    }
    Ok(text)
}

fn host(address: &Address) -> String {
    match address {
        Address::Tcp(address) => address.to_string(),
        Address::Unix(path) => path.display().to_string(),
    }
}
