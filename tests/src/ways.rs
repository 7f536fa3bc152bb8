//! One run's mail servers with Gatepost in each way that leaves Dovecot in its place, and a real provider.
//!
//! Way 1: Dovecot's own oauth2 database asks Gatepost's HTTP listener, one URL being all that changes. Way 3:
//! Gatepost stands before Dovecot's auth service. Each way has a Dovecot of each version, and a Postfix that asks
//! whoever judges logins there and delivers there.

use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use crate::daemon::{Configuration, Daemon, wait_until};
use crate::dovecot::{Dovecot, Setup, Tokens, Version};
use crate::imap::Session;
use crate::login::USER;
use crate::namespace::Namespace;
use crate::oidc_provider::{Kind, OidcProvider};
use crate::postfix::{self, Postfix, Smtpd};
use crate::roots::{self, DOVECOT_2_3, DOVECOT_2_4, MAIL, Recipe, WEBMAIL};
use crate::stream::Address;

/// How Gatepost comes between a Dovecot and the provider.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// Dovecot asks Gatepost's HTTP listener.
    Http,
    /// Gatepost stands before Dovecot's auth service.
    Relay,
}

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The provider has revoked it.
    Revoked,
    /// Its time is over.
    Expired,
    /// It belongs to another user.
    OtherUser,
}

/// Who has an account at each Dovecot. The last ones receive mail at its own domain.
const USERS: &[(&str, &str)] = &[
    (USER, "alices-password"),
    (OTHER_USER, "bobs-password"),
    ("bob@w23.test", ""),
    ("bob@w24.test", ""),
    ("bob@f23.test", ""),
    ("bob@f24.test", ""),
];

/// Who has tokens, but not for [`USER`].
const OTHER_USER: &str = "bob@example.test";

/// The roots that the servers and the browser run in.
const ROOTS: [&Recipe; 4] = [&MAIL, &DOVECOT_2_3, &DOVECOT_2_4, &WEBMAIL];

/// Each Dovecot: the way, its version, its name, and its first port.
const DOVECOTS: [(Way, Version, &str, u16); 4] = [
    (Way::Http, Version::V2_3, "w23", 14300),
    (Way::Http, Version::V2_4, "w24", 14400),
    (Way::Relay, Version::V2_3, "f23", 14500),
    (Way::Relay, Version::V2_4, "f24", 14600),
];

/// The port of the provider.
const PROVIDER: u16 = 13000;

/// The port of the HTTP listener.
const HTTP: u16 = 9080;

/// The port that Dovecot's submission servers hand mail to.
pub const RELAY: u16 = 10025;

/// How far the port of the Postfix that delivers to a Dovecot is from its first.
const POSTFIX: u16 = 10;

/// Each service asks the Dovecot that it delivers to, or the Gatepost before it.
const SERVICES: [Smtpd; 5] = [
    Smtpd::relay(RELAY),
    smtpd(14300 + POSTFIX, "/run/dovecot/w23/auth-client"),
    smtpd(14400 + POSTFIX, "/run/dovecot24/w24/auth-client"),
    smtpd(14500 + POSTFIX, "private/f23"),
    smtpd(14600 + POSTFIX, "private/f24"),
];

const fn smtpd(port: u16, gatepost: &'static str) -> Smtpd {
    Smtpd::new(port, gatepost, 20)
}

/// Mail goes to the Dovecot that the domain names, and all other to one that has Gatepost before it.
const DELIVERY: &str = "\
virtual_mailbox_domains = example.test, w23.test, w24.test, f23.test, f24.test
virtual_transport = lmtp:unix:/run/dovecot/f23/lmtp
transport_maps = inline:{ w23.test=lmtp:unix:/run/dovecot/w23/lmtp,
 w24.test=lmtp:unix:/run/dovecot24/w24/lmtp, f24.test=lmtp:unix:/run/dovecot24/f24/lmtp }
";

/// Everything that the cases share.
pub struct Ways {
    /// The provider.
    pub provider: OidcProvider,
    /// The Postfix before all Dovecots.
    pub postfix: Postfix,
    /// The root of Postfix and of Debian's clients.
    pub mail_root: PathBuf,
    /// The root of Roundcube and of its browser.
    pub webmail_root: PathBuf,
    http: Daemon,
    sites: Vec<Site>,
}

/// A Dovecot that judges tokens by Gatepost.
pub struct Site {
    /// In which way.
    pub way: Way,
    /// The Dovecot.
    pub dovecot: Dovecot,
    /// The Gatepost before it, if it does not ask the common one.
    relay: Option<Daemon>,
}

impl Fault {
    /// All of them, none first.
    pub const ALL: [Self; 4] = [Self::None, Self::Revoked, Self::Expired, Self::OtherUser];
}

impl Ways {
    /// Starts everything; only inside of the namespaces.
    ///
    /// # Errors
    /// When a server does not start: tells what it wrote.
    ///
    /// # Panics
    /// When a thread that starts one does.
    pub fn open() -> io::Result<Self> {
        let namespace = Namespace::set_up(&roots::directory()?, &ROOTS)?;
        for version in Version::ALL {
            namespace.share_run(version.recipe(), &MAIL)?;
        }
        let mail_root = namespace.root(&MAIL);
        postfix::make_queue(&mail_root)?;
        let state = namespace.directory("provider")?;
        let provider = OidcProvider::start(&roots::directory()?, PROVIDER, &state)?;
        let http = start_http(&namespace)?;
        let sites = thread::scope(|scope| {
            let (namespace, mail) = (&namespace, &mail_root);
            let start = |dovecot| scope.spawn(move || Site::start(namespace, mail, dovecot));
            let starting = DOVECOTS.map(start).into_iter();
            let started = starting.map(|thread| thread.join().expect("it returns its errors"));
            started.collect::<io::Result<_>>()
        })?;
        Ok(Self {
            provider,
            webmail_root: namespace.root(&WEBMAIL),
            postfix: Postfix::start(&mail_root, &SERVICES, DELIVERY)?,
            mail_root,
            http,
            sites,
        })
    }

    /// Every Dovecot, in each way.
    #[must_use]
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// A token for a login of [`USER`], good but for one fault.
    ///
    /// # Errors
    /// When the provider refuses.
    pub fn token(&self, fault: Fault) -> io::Result<String> {
        let opaque = |user| self.provider.token(user, Kind::Plain, "");
        match fault {
            Fault::None => opaque(USER),
            Fault::Revoked => {
                let token = opaque(USER)?;
                self.provider.revoke(&token)?;
                Ok(token)
            }
            Fault::Expired => self.provider.expired_token(USER),
            Fault::OtherUser => opaque(OTHER_USER),
        }
    }

    /// What each server has logged so far.
    #[must_use]
    pub fn logs(&self) -> Vec<(&'static str, String)> {
        let mut logs = vec![
            ("Postfix", self.postfix.logged()),
            ("Gatepost", self.http.logged()),
        ];
        for site in &self.sites {
            logs.push((site.dovecot.setup().name, site.dovecot.logged()));
            logs.extend(site.relay.iter().map(|relay| ("Gatepost", relay.logged())));
        }
        logs
    }
}

impl Site {
    fn start(
        namespace: &Namespace,
        mail: &Path,
        (way, version, name, port): (Way, Version, &'static str, u16),
    ) -> io::Result<Self> {
        let tokens = match way {
            Way::Http => Tokens::docker_mailserver(HTTP),
            Way::Relay => Tokens::Elsewhere,
        };
        let root = namespace.root(version.recipe());
        let dovecot = Dovecot::start(
            &root,
            Setup {
                version,
                name,
                port,
                relay: RELAY,
                tokens,
                users: USERS,
                core: None,
            },
        )?;
        let relay = match way {
            Way::Http => None,
            Way::Relay => Some(start_relay(namespace, mail, &dovecot)?),
        };
        Ok(Self {
            way,
            dovecot,
            relay,
        })
    }

    /// The service of Postfix that asks who judges logins here, and delivers here.
    #[must_use]
    pub fn postfix(&self) -> Address {
        Address::port(self.dovecot.setup().port + POSTFIX)
    }
}

/// JWTs are judged by the provider's keys, opaque tokens by its userinfo; nothing is remembered, so that a
/// revocation shows at once.
fn provider() -> String {
    format!(
        "[log]\nformat = \"json\"\n[[provider]]\nissuer = \"http://127.0.0.1:{PROVIDER}\"\naudience = \"mail\"\n\
         userinfo = true\nusername_claims = [\"email\"]\ncache_seconds = 0\nnegative_cache_seconds = 0\n"
    )
}

fn start_http(namespace: &Namespace) -> io::Result<Daemon> {
    let directory = namespace.directory("http")?;
    let listener = Address::Unix(directory.join("auth"));
    let text = format!(
        "listen = \"unix:{}/auth\"\n[http]\nlisten = \"tcp:127.0.0.1:{HTTP}\"\n{}",
        directory.display(),
        provider()
    );
    Daemon::start(&Configuration::write_text(directory, listener, &text)?)
}

fn start_relay(namespace: &Namespace, mail: &Path, dovecot: &Dovecot) -> io::Result<Daemon> {
    let name = dovecot.setup().name;
    let postfix = Address::Unix(postfix::queue(mail).join("private").join(name));
    let login = path(&dovecot.login_socket());
    let text = format!(
        "[upstream]\nlogin = \"unix:{}\"\nclient = \"unix:{}\"\nmaster = \"unix:{}\"\n\
         [[listener]]\naddress = \"unix:{login}\"\nmode = \"0666\"\n\
         [[listener]]\naddress = \"unix:{}\"\nprotocol = \"master\"\n\
         [[listener]]\naddress = \"unix:{}\"\nmode = \"0660\"\nowner = \"postfix\"\n{}",
        login.replace("login/gatepost/auth", "login/login"),
        path(&dovecot.auth_client()),
        path(&dovecot.auth_master()),
        path(&dovecot.master_socket()),
        path(&postfix),
        provider()
    );
    let directory = namespace.directory(name)?;
    let listener = dovecot.login_socket();
    let relay = Daemon::start(&Configuration::write_text(directory, listener, &text)?)?;
    let imap = dovecot.imap();
    wait_until("Dovecot's greeting", || {
        let capabilities = Session::open(&imap).and_then(|mut imap| imap.command("CAPABILITY"));
        capabilities.is_ok_and(|answer| answer.untagged.concat().contains("AUTH=OAUTHBEARER"))
    })?;
    Ok(relay)
}

fn path(address: &Address) -> String {
    match address {
        Address::Unix(path) => path.display().to_string(),
        Address::Tcp(address) => address.to_string(),
    }
}
