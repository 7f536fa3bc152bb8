//! One run's mail servers with Gatepost before the auth service of each: a Dovecot of each version, and a
//! Postfix that asks Gatepost about logins, senders and recipients.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Signal, kill_process};
use serde_json::json;

use crate::daemon::{Configuration, Daemon, wait_until};
use crate::dovecot::{Dovecot, Setup, Tokens, Version};
use crate::imap::Session;
use crate::login::{AUDIENCE, ISSUER, Logins, SCOPE, USER};
use crate::mint::Issuer;
use crate::namespace::{Namespace, in_root};
use crate::postfix::{self, Postfix, Smtpd};
use crate::process::run;
use crate::roots::{self, MAIL};
use crate::stream::Address;
use crate::stub::{Behaviour, Page, Stub};

/// Who logs in with a password instead.
pub const PASSWORD_USER: (&str, &str) = ("carol@example.test", "carols-password");

/// Who has an account at each Dovecot. The last two receive mail at its own domain.
const USERS: &[(&str, &str)] = &[
    (USER, "alices-password"),
    PASSWORD_USER,
    ("bob@f23.test", ""),
    ("bob@f24.test", ""),
];

/// Each Dovecot: its version, its name, and its first port.
const DOVECOTS: [(Version, &str, u16); 2] =
    [(Version::V2_3, "f23", 14300), (Version::V2_4, "f24", 14400)];

/// The port that Dovecot's submission servers hand mail to.
const RELAY: u16 = 10025;

/// Those whose users are Gatepost's, with the table that says so; `NAME` stands for the Dovecot's.
const WITHOUT_USERS: [(Version, &str, u16, &str); 2] = [
    (
        Version::V2_3,
        "u23",
        14500,
        "[users]\ndomains = [\"example.test\"]\nuid = \"mail\"\ngid = 8\nhome = \"/var/mail/NAME/%n\"\n",
    ),
    (
        Version::V2_4,
        "u24",
        14600,
        "[users]\npasswd_file = \"NAME.users\"\nuid = 8\ngid = 8\nhome = \"/var/mail/NAME/%{username}\"\n",
    ),
];

/// The file that one of the tables names.
const PASSWD_FILE: &str = "alice@example.test:x:::::: userdb_x=y\n";

/// How far the port of the Postfix that asks a Dovecot's Gatepost is from its first.
const POSTFIX: u16 = 10;

/// Each service: it asks the Gatepost before the Dovecot that it delivers to.
const SERVICES: [Smtpd; 3] = [
    Smtpd::relay(RELAY),
    smtpd(14300 + POSTFIX, "private/f23"),
    smtpd(14400 + POSTFIX, "private/f24"),
];

const fn smtpd(port: u16, gatepost: &'static str) -> Smtpd {
    Smtpd::new(port, gatepost, 20)
}

/// What an administrator is told to write for Gatepost.
const EXAMPLE: &str = include_str!("../../examples/dovecot/relay.toml");

/// What an administrator is told to write for Postfix, once for each Gatepost.
const POSTFIX_SETTINGS: &str = "\
virtual_mailbox_domains = example.test, f23.test, f24.test
virtual_transport = lmtp:unix:/run/dovecot/f23/lmtp
transport_maps = inline:{f24.test=lmtp:unix:/run/dovecot24/f24/lmtp}
virtual_mailbox_maps = socketmap:unix:/var/spool/postfix/private/f23-map:mailbox, \
 socketmap:unix:/var/spool/postfix/private/f24-map:mailbox
smtpd_sender_login_maps = socketmap:unix:/var/spool/postfix/private/f23-map:sender_login
smtpd_sender_restrictions = reject_authenticated_sender_login_mismatch
";

/// Where that provider is asked.
pub const OPAQUE: &str = "/introspect";

/// How long the provider of opaque tokens takes to say that one is not good.
const SLOWNESS: Duration = Duration::from_secs(5);

/// Everything that the cases share.
pub struct Relayed {
    /// A provider of opaque tokens, which takes its time.
    pub slow: Stub,
    /// Makes and remembers what clients present.
    pub logins: Logins,
    /// The Postfix before all Dovecots.
    pub postfix: Postfix,
    sites: [Site; 2],
    without_users: [Site; 2],
}

/// A Dovecot, and the Gatepost before it.
pub struct Site {
    /// Its root.
    root: PathBuf,
    dovecot: Mutex<Dovecot>,
    configuration: Configuration,
    daemon: Mutex<Daemon>,
}

impl Relayed {
    /// Starts everything; only inside of the namespaces.
    ///
    /// # Errors
    /// When a server does not start: tells what it wrote.
    pub fn open() -> io::Result<Self> {
        let namespace = Namespace::set_up(&roots::directory()?, &roots::SERVERS)?;
        for version in Version::ALL {
            namespace.share_run(version.recipe(), &MAIL)?;
        }
        let mail = namespace.root(&MAIL);
        postfix::make_queue(&mail)?;
        let logins = Logins::new(Issuer::new());
        let slow = Stub::start()?;
        let refusal = Page::json(200, &json!({"active": false}));
        slow.set(OPAQUE, Behaviour::After(SLOWNESS, refusal));
        let url = slow.url(OPAQUE);
        let start =
            |dovecot, users| Site::start(&namespace, &mail, (&logins, &url), dovecot, users);
        let [first, second] = DOVECOTS.map(|dovecot| start(dovecot, None));
        let [third, fourth] = WITHOUT_USERS
            .map(|(version, name, port, users)| start((version, name, port), Some(users)));
        Ok(Self {
            slow,
            sites: [first?, second?],
            without_users: [third?, fourth?],
            postfix: Postfix::start(&mail, &SERVICES, POSTFIX_SETTINGS)?,
            logins,
        })
    }

    /// The Dovecot of a version that has users and passwords, and its Gatepost.
    #[must_use]
    pub fn site(&self, version: Version) -> &Site {
        of_version(&self.sites, version)
    }

    /// The Dovecot of a version whose users are Gatepost's.
    #[must_use]
    pub fn site_without_users(&self, version: Version) -> &Site {
        of_version(&self.without_users, version)
    }

    /// What each server has logged so far.
    #[must_use]
    pub fn logs(&self) -> Vec<(&'static str, String)> {
        let mut logs = vec![("Postfix", self.postfix.logged())];
        for site in self.sites.iter().chain(&self.without_users) {
            let dovecot = site.dovecot();
            logs.push((dovecot.setup().name, dovecot.logged()));
            logs.push(("Gatepost", site.daemon().logged()));
        }
        logs
    }
}

fn of_version(sites: &[Site; 2], version: Version) -> &Site {
    let [first, second] = sites;
    match version {
        Version::V2_3 => first,
        Version::V2_4 => second,
    }
}

impl Site {
    fn start(
        namespace: &Namespace,
        mail: &Path,
        (logins, slow): (&Logins, &str),
        (version, name, port): (Version, &'static str, u16),
        users: Option<&str>,
    ) -> io::Result<Self> {
        let root = namespace.root(version.recipe());
        let dovecot = Dovecot::start(
            &root,
            Setup {
                version,
                name,
                port,
                relay: RELAY,
                tokens: Tokens::Elsewhere,
                users: USERS,
                core: None,
            },
        )?;
        let directory = namespace.directory(name)?;
        let private = postfix::queue(mail).join("private");
        let file = directory.join("users");
        fs::write(&file, PASSWD_FILE)?;
        let (behind, listeners) = example(&dovecot, &private);
        let behind = users.map_or(behind, |users| {
            let users = users.replace("NAME.users", &file.display().to_string());
            users.replace("NAME", name)
        });
        let text = [behind, listeners, providers(&directory, slow)].concat();
        let listener = dovecot.login_socket();
        let configuration = Configuration::write_text(directory, listener, &text)?;
        configuration.write_keys(&logins.jwk_set())?;
        let daemon = Daemon::start(&configuration)?;
        let site = Self {
            root,
            dovecot: Mutex::new(dovecot),
            configuration,
            daemon: Mutex::new(daemon),
        };
        site.wait_for_greeting()?;
        Ok(site)
    }

    /// The Dovecot.
    pub fn dovecot(&self) -> MutexGuard<'_, Dovecot> {
        self.dovecot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The Gatepost before it.
    pub fn daemon(&self) -> MutexGuard<'_, Daemon> {
        self.daemon.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The service of Postfix that asks this Gatepost about logins.
    #[must_use]
    pub fn postfix(&self) -> Address {
        Address::port(self.dovecot().setup().port + POSTFIX)
    }

    /// Ends Gatepost, and starts it again.
    ///
    /// # Errors
    /// When it does not end in time, or not start.
    pub fn restart_daemon(&self) -> io::Result<()> {
        let mut daemon = self.daemon();
        daemon.terminate()?;
        *daemon = Daemon::start(&self.configuration)?;
        Ok(())
    }

    /// Ends the auth process of this Dovecot, which its master starts again.
    ///
    /// # Errors
    /// When there is none.
    pub fn end_auth_process(&self) -> io::Result<()> {
        let processes = self.dovecot().processes(Some("dovecot/auth"))?;
        let Some(&id) = processes.first() else {
            return Err(io::Error::other("there is no auth process"));
        };
        kill_process(id, Signal::TERM)?;
        let path = Path::new("/proc").join(id.to_string());
        wait_until("the auth process' end", || !path.exists())
    }

    /// Runs `doveadm` beside this Dovecot.
    ///
    /// # Errors
    /// When it fails: tells what it wrote.
    pub fn doveadm(&self, arguments: &[&str]) -> io::Result<String> {
        let configuration = format!("/run/{}.conf", self.dovecot().setup().name);
        let mut command = in_root(&self.root, "/usr/bin/doveadm");
        run(command.args(["-c", &configuration]).args(arguments))
    }

    /// Waits until Dovecot's login processes have found Gatepost.
    ///
    /// # Errors
    /// When they do not in time.
    pub fn wait_for_greeting(&self) -> io::Result<()> {
        let imap = self.dovecot().imap();
        wait_until("Dovecot's greeting", || {
            let greeting = Session::open(&imap).and_then(|mut imap| imap.command("CAPABILITY"));
            greeting.is_ok_and(|answer| answer.untagged.concat().contains("AUTH=OAUTHBEARER"))
        })
    }
}

/// What an administrator is told to write, for `dovecot` and its sockets: the table that names those behind, and
/// all listeners.
fn example(dovecot: &Dovecot, private: &Path) -> (String, String) {
    let name = dovecot.setup().name;
    let path = match dovecot.master_socket() {
        Address::Unix(path) => path,
        Address::Tcp(address) => address.to_string().into(),
    };
    let run = path.parent().unwrap_or(&path).display().to_string();
    let text = EXAMPLE.replace("/run/dovecot", &run);
    let private = format!("{}/{name}", private.display());
    let text = text.replace("/var/spool/postfix/private/gatepost", &private);
    let (tables, _provider) = text.split_once("[[provider]]").unwrap_or((&text, ""));
    let (behind, listeners) = tables.split_once("[[listener]]").unwrap_or((tables, ""));
    (behind.to_owned(), format!("[[listener]]{listeners}"))
}

/// The rest of a configuration, whose keys lie in `directory`; about opaque tokens `slow` is asked.
fn providers(directory: &Path, slow: &str) -> String {
    format!(
        "[log]\nformat = \"json\"\nlevel = \"debug\"\n[discovery]\nscope = \"{SCOPE}\"\n\
         [[provider]]\nname = \"test\"\nissuer = \"{ISSUER}\"\naudience = [\"{AUDIENCE}\"]\nkeys = [\"{}/keys.json\"]\n\
         username_claims = [\"email\"]\nscopes = [\"{SCOPE}\"]\nuser_case = \"lower\"\n\
         [[provider]]\nname = \"slow\"\naudience = [\"{AUDIENCE}\"]\nintrospection_url = \"{slow}\"\n\
         client_id = \"gatepost\"\nclient_secret = \"x\"\nusername_claims = [\"email\"]\n\
         timeout_milliseconds = 20000\n",
        directory.display()
    )
}
