//! One run's mail servers whose users are known to Gatepost before anybody logs in: a Postfix, and a Dovecot of each
//! version, all of which ask one Gatepost; and who provisions accounts to it.

mod docker_mailserver;

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::canaille::Canaille;
use crate::daemon::{self, Configuration, Daemon};
use crate::dovecot::{Dovecot, Setup, Tokens, Version};
use crate::mint::Issuer;
use crate::namespace::{Namespace, in_root};
use crate::postfix::{self, Postfix, Smtpd};
use crate::process::run;
use crate::roots::{self, CANAILLE, MAIL, PROVISIONED, PYTHON_PACKAGES, SCIM};
use crate::scim2_server::Scim2Server;
use crate::stream::Address;

/// The port where Postfix takes mail for recipients that it knows.
pub const SMTP: u16 = 10026;

/// The port where sources push accounts.
pub const PUSHED: u16 = 19082;

/// The domain whose mail is delivered to the Dovecot of a version.
#[must_use]
pub const fn domain(version: Version) -> &'static str {
    match version {
        Version::V2_3 => "d23.test",
        Version::V2_4 => "d24.test",
    }
}

/// The group that is a distribution list, and the list's address.
pub const LIST: (&str, &str) = ("Staff", "staff@d23.test");

/// The port where Dovecots of docker-mailserver's ask about tokens.
const HTTP: u16 = 19084;

/// The port where its Postfix asks about addresses.
const MAPS: u16 = 19085;

/// What both Dovecots are called.
const NAME: &str = "known";

/// What Gatepost is told besides. `DIRECTORY` stands for where its files are.
const TABLES: &str = "\
log = { format = \"json\", level = \"debug\" }

[http]
listen = \"tcp:127.0.0.1:HTTP\"

[[provider]]
issuer = \"https://id.example.test\"
audience = \"mail\"
username_claims = [\"email\"]
keys = [\"DIRECTORY/keys.json\"]

";

/// What an administrator is told to write for Gatepost.
const EXAMPLE: &str = include_str!("../../examples/scim/accounts.toml");

/// What an administrator is told to write for Postfix.
const POSTFIX: &str = include_str!("../../examples/scim/main.cf");

/// The source that pushes for the mail servers.
pub const SOURCE: &str = "idp";

/// Who pushes besides: suites that test whom they push to.
pub const SUITES: [&str; 3] = ["tester", "sanity", "models"];

/// The port of the provider that is read.
const PULLED: u16 = 19083;

/// What it is read with.
const PULLED_SECRET: &str = "of-scim2-server";

/// 32 bytes, as `gatepost app-password make-key` writes them.
const APP_PASSWORD_KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n";

/// The domain of its users.
pub const PULLED_DOMAIN: &str = "pulled.test";

/// Its group that is a distribution list, and the list's address.
pub const PULLED_LIST: (&str, &str) = ("Crew", "crew@pulled.test");

/// Where mail goes then. What has to wait is tried again at once.
const DELIVERY: &str = "\
virtual_transport = lmtp:unix:/run/dovecot/known/lmtp
transport_maps = inline:{d24.test=lmtp:unix:/run/dovecot24/known/lmtp}
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
";

/// Everything that the cases share.
pub struct Provisioned {
    /// The Postfix.
    pub postfix: Postfix,
    /// Who issues the tokens that Gatepost takes.
    pub issuer: Issuer,
    dovecots: [Dovecot; 2],
    daemon: Mutex<Daemon>,
    configuration: Configuration,
    directory: PathBuf,
    namespace: Namespace,
    canaille: OnceLock<Canaille>,
}

impl Provisioned {
    /// Starts everything; only inside of the namespaces.
    ///
    /// # Errors
    /// When a server does not start: tells what it wrote.
    pub fn open() -> io::Result<Self> {
        let namespace = Namespace::set_up(&roots::directory()?, &PROVISIONED)?;
        for version in Version::ALL {
            namespace.share_run(version.recipe(), &MAIL)?;
        }
        let mail = namespace.root(&MAIL);
        postfix::make_queue(&mail)?;
        let start =
            |version| Dovecot::start(&namespace.root(Version::recipe(version)), setup(version));
        let [first, second] = Version::ALL.map(start);
        let dovecots = [first?, second?];
        let directory = namespace.directory("gatepost")?;
        let map = postfix::queue(&mail).join("private/gatepost-map");
        fs::write(directory.join("pulled.secret"), PULLED_SECRET)?;
        fs::write(directory.join("app-password.key"), APP_PASSWORD_KEY)?;
        let text = configuration(&directory, &map, &dovecots);
        let listener = dovecots[0].login_socket();
        let configuration = Configuration::write_text(directory.clone(), listener, &text)?;
        let issuer = Issuer::new();
        configuration.write_keys(&issuer.jwk_set())?;
        let daemon = Daemon::start(&configuration)?;
        let settings = format!("{POSTFIX}{DELIVERY}");
        Ok(Self {
            postfix: Postfix::start(&mail, &[Smtpd::relay(SMTP)], &settings)?,
            issuer,
            dovecots,
            daemon: Mutex::new(daemon),
            configuration,
            directory,
            namespace,
            canaille: OnceLock::new(),
        })
    }

    /// The Dovecot of a version.
    #[must_use]
    pub fn dovecot(&self, version: Version) -> &Dovecot {
        let [first, second] = &self.dovecots;
        match version {
            Version::V2_3 => first,
            Version::V2_4 => second,
        }
    }

    /// The Gatepost.
    pub fn daemon(&self) -> MutexGuard<'_, Daemon> {
        self.daemon.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends Gatepost as nothing else may, and starts it again.
    ///
    /// # Errors
    /// When it does not start.
    pub fn kill_daemon(&self) -> io::Result<()> {
        let mut daemon = self.daemon();
        daemon.kill()?;
        *daemon = Daemon::start(&self.configuration)?;
        Ok(())
    }

    /// The provider, which is set up when it is needed first.
    ///
    /// # Errors
    /// When it cannot be set up: tells what it wrote.
    pub fn canaille(&self) -> io::Result<&Canaille> {
        if let Some(canaille) = self.canaille.get() {
            return Ok(canaille);
        }
        let secret = self.secret(SOURCE)?;
        let root = self.namespace.root(&CANAILLE);
        let canaille = Canaille::set_up(&root, &endpoint(SOURCE), &secret)?;
        Ok(self.canaille.get_or_init(|| canaille))
    }

    /// A provider that is read, with nobody in it so far.
    ///
    /// # Errors
    /// When it does not start.
    pub fn scim2_server(&self) -> io::Result<Scim2Server> {
        let log = self.directory.join("scim2-server.log");
        Scim2Server::start(&self.suite_root(), PULLED, PULLED_SECRET, &log)
    }

    /// A new secret of a source, as an administrator gets it.
    ///
    /// # Errors
    /// When there is none.
    pub fn secret(&self, source: &str) -> io::Result<String> {
        let printed = self.gatepost(&["scim-source"], &["rotate", source])?;
        let secret = printed.lines().find_map(|line| line.strip_prefix("secret"));
        let secret = secret.map(|secret| secret.trim().to_owned());
        secret.ok_or_else(|| io::Error::other(printed))
    }

    /// Runs a command of `gatepost` about accounts beside the daemon.
    ///
    /// # Errors
    /// When it fails: tells what it wrote.
    pub fn gatepost(&self, command: &[&str], arguments: &[&str]) -> io::Result<String> {
        let mut gatepost = Command::new(daemon::program()?);
        gatepost.args(command).arg("--config");
        gatepost.arg(self.directory.join("gatepost.toml"));
        run(gatepost.args(arguments))
    }

    /// Whether `text` is anywhere in the files of the database.
    ///
    /// # Errors
    /// Those of the system.
    pub fn is_kept(&self, text: &str) -> io::Result<bool> {
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("accounts.sqlite") {
                let kept = fs::read(&path)?;
                let mut parts = kept.windows(text.len());
                if parts.any(|part| part == text.as_bytes()) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// A Python program in the root of the suites.
    #[must_use]
    pub fn suite(&self, program: &str) -> Command {
        let mut command = in_root(&self.suite_root(), "/usr/bin/python3");
        command.args(["-c", program]);
        command.env("PYTHONPATH", PYTHON_PACKAGES);
        command.env("PYTHONPYCACHEPREFIX", "/tmp/pycache");
        command
    }

    /// The root of the suites, seen from outside.
    #[must_use]
    pub fn suite_root(&self) -> PathBuf {
        self.namespace.root(&SCIM)
    }

    /// Runs `doveadm` beside the Dovecot of a version.
    ///
    /// # Errors
    /// When it fails: tells what it wrote.
    pub fn doveadm(&self, version: Version, arguments: &[&str]) -> io::Result<String> {
        let mut command = in_root(&self.namespace.root(version.recipe()), "/usr/bin/doveadm");
        let configuration = format!("/run/{NAME}.conf");
        run(command.args(["-c", &configuration]).args(arguments))
    }

    /// The messages below the home directory of the account of that id.
    ///
    /// # Errors
    /// Those of the system.
    pub fn inbox(&self, version: Version, id: &str) -> io::Result<Vec<String>> {
        self.dovecot(version).inbox(id)
    }

    /// What each server has logged so far.
    #[must_use]
    pub fn logs(&self) -> Vec<(&'static str, String)> {
        let mut logs = vec![
            ("Gatepost", self.daemon().logged()),
            ("Postfix", self.postfix.logged()),
        ];
        for dovecot in &self.dovecots {
            logs.push((dovecot.setup().name, dovecot.logged()));
        }
        logs
    }
}

/// The URL of a source's endpoint.
#[must_use]
pub fn endpoint(source: &str) -> String {
    format!("http://127.0.0.1:{PUSHED}/scim/{source}/v2")
}

fn setup(version: Version) -> Setup {
    Setup {
        version,
        name: NAME,
        port: match version {
            Version::V2_3 => 14700,
            Version::V2_4 => 14800,
        },
        relay: SMTP,
        tokens: Tokens::Elsewhere,
        users: &[],
        core: None,
    }
}

fn configuration(directory: &Path, map: &Path, dovecots: &[Dovecot; 2]) -> String {
    let directory = directory.display().to_string();
    let mut text = TABLES.replace("DIRECTORY", &directory);
    text = text.replace("HTTP", &HTTP.to_string());
    let (domains, url) = (Version::ALL.map(domain), endpoint(SOURCE));
    let key = format!("[accounts]\napp_password_key = \"{directory}/app-password.key\"\n");
    text += &EXAMPLE
        .replace("[accounts]\n", &key)
        .replace("/var/lib/gatepost", &directory)
        .replace("127.0.0.1:9082", &format!("127.0.0.1:{PUSHED}"))
        .replace("\"vmail\"", "\"mail\"")
        .replace("/var/vmail", &format!("/var/mail/{NAME}"))
        .replace("[\"example.com\"]", &format!("{domains:?}"))
        .replace("https://mail.example.com/scim/idp/v2", &url)
        .replace("staff@example.com", LIST.1);
    for suite in SUITES {
        // A string always has room.
        let _ = write!(
            text,
            "\n[[accounts.source]]\nname = \"{suite}\"\ndomains = [\"{suite}.test\"]\n\
             public_url = \"{}\"\n",
            endpoint(suite)
        );
    }
    let (group, list) = PULLED_LIST;
    // A string always has room.
    let _ = write!(
        text,
        "\n[[accounts.source]]\nname = \"pulled\"\ndomains = [\"{PULLED_DOMAIN}\"]\n\
         [[accounts.pull]]\nsource = \"pulled\"\nurl = \"http://127.0.0.1:{PULLED}/v2\"\n\
         secret_file = \"{directory}/pulled.secret\"\nevery = \"1s\"\n\
         [[accounts.list]]\nsource = \"pulled\"\ngroup = \"{group}\"\naddress = \"{list}\"\n"
    );
    let mut listeners = vec![
        listener(&Address::Unix(map.to_owned()), "socketmap", "postfix"),
        format!("\n[[listener]]\naddress = \"tcp:127.0.0.1:{MAPS}\"\nprotocol = \"socketmap\"\n"),
    ];
    for dovecot in dovecots {
        listeners.push(listener(&dovecot.login_socket(), "auth", "dovenull"));
        listeners.push(listener(&dovecot.master_socket(), "master", "root"));
    }
    text + &listeners.concat()
}

fn listener(address: &Address, protocol: &str, group: &str) -> String {
    let path = match address {
        Address::Unix(path) => path.display().to_string(),
        Address::Tcp(address) => address.to_string(),
    };
    format!(
        "\n[[listener]]\naddress = \"unix:{path}\"\nprotocol = \"{protocol}\"\nmode = \"0660\"\n\
         owner = \"root\"\ngroup = \"{group}\"\n"
    )
}
