//! Dovecot's own oauth2 database with Gatepost behind it: asked over HTTP (way 1), or for keys (way 2).
//!
//! Each version of Dovecot has a Gatepost of its own, for it looks for the dict's socket in its own root.

use std::io;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::daemon::{Configuration, Daemon};
use crate::dovecot::{Dovecot, Setup, Tokens, Version};
use crate::login::USER;
use crate::mint::Issuer;
use crate::namespace::Namespace;
use crate::postfix::{self, Postfix, Smtpd};
use crate::roots::{self, MAIL};
use crate::stream::Address;
use crate::stub::{Behaviour, Page, Stub};

/// Who has an account at each Dovecot.
const USERS: &[(&str, &str)] = &[(USER, "")];

/// Of each version: its first port, the name of its Dovecot that asks over HTTP and of the one that asks for
/// keys, the port of the HTTP listener, and the service of Postfix that asks the former.
const SITES: [(Version, u16, [&str; 2], u16, u16); 2] = [
    (Version::V2_3, 14300, ["w23", "k23"], 9080, 14310),
    (Version::V2_4, 14500, ["w24", "k24"], 9081, 14510),
];

/// How far the ports of the Dovecot that asks for keys are from the other's.
const KEYS: u16 = 100;

const SERVICES: [Smtpd; 2] = [
    Smtpd::new(14310, "/run/dovecot/w23/auth-client", 4),
    Smtpd::new(14510, "/run/dovecot24/w24/auth-client", 4),
];

/// Everything that the cases share.
pub struct Databases {
    /// The provider, whose JWK Set is what [`publish`](Self::publish) says.
    pub stub: Stub,
    /// Postfix, which asks the Dovecots of way 1.
    pub postfix: Postfix,
    /// The root of Postfix and of Debian's clients.
    pub mail_root: PathBuf,
    /// Who signs.
    pub issuer: Issuer,
    namespace: Namespace,
    sites: Vec<Site>,
}

/// One version.
pub struct Site {
    /// It.
    pub version: Version,
    /// The Dovecot that asks over HTTP.
    pub http: Dovecot,
    /// The Dovecot that asks for keys.
    pub keys: Dovecot,
    /// The port of the service of Postfix that asks the former.
    pub submission: Address,
    /// The Gatepost behind both.
    pub gatepost: Daemon,
}

impl Databases {
    /// Starts everything; only inside of the namespaces.
    ///
    /// # Errors
    /// When a server does not start: tells what it wrote.
    pub fn open() -> io::Result<Self> {
        let namespace = Namespace::set_up(&roots::directory()?, &roots::SERVERS)?;
        for version in Version::ALL {
            namespace.share_run(version.recipe(), &MAIL)?;
        }
        let mail_root = namespace.root(&MAIL);
        postfix::make_queue(&mail_root)?;
        let (stub, issuer) = (Stub::provider()?, Issuer::new());
        publish(&stub, &[issuer.jwk("ES256"), issuer.jwk("RS256")]);
        let start = |site| Site::start(&namespace, &stub, site);
        let sites = SITES.map(start).into_iter().collect::<io::Result<_>>()?;
        Ok(Self {
            postfix: Postfix::start(&mail_root, &SERVICES, "")?,
            stub,
            mail_root,
            issuer,
            namespace,
            sites,
        })
    }

    /// What there is of a version.
    ///
    /// # Panics
    /// Never: there is one of each.
    #[must_use]
    pub fn site(&self, version: Version) -> &Site {
        let mut sites = self.sites.iter();
        let found = sites.find(|site| site.version == version);
        found.expect("there is one of each version")
    }

    /// The root of a version.
    #[must_use]
    pub fn root(&self, version: Version) -> PathBuf {
        self.namespace.root(version.recipe())
    }

    /// The claims of a good token of [`USER`]'s that lives `seconds` from now.
    #[must_use]
    pub fn claims(&self, seconds: i64) -> Value {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0));
        json!({
            "iss": self.stub.issuer(), "sub": "1", "aud": "mail", "email": USER, "iat": now + seconds.min(0) - 60,
            "exp": now + seconds,
        })
    }

    /// Replaces the provider's JWK Set.
    pub fn publish(&self, keys: &[Value]) {
        publish(&self.stub, keys);
    }

    /// What each server has logged so far.
    #[must_use]
    pub fn logs(&self) -> Vec<(&'static str, String)> {
        let mut logs = vec![("Postfix", self.postfix.logged())];
        for site in &self.sites {
            let dovecots = [&site.http, &site.keys];
            logs.extend(dovecots.map(|dovecot| (dovecot.setup().name, dovecot.logged())));
            logs.push(("Gatepost", site.gatepost.logged()));
        }
        logs
    }
}

fn publish(stub: &Stub, keys: &[Value]) {
    let page = Page::json(200, &json!({"keys": keys}));
    stub.set("/jwks", Behaviour::Answer(page));
}

impl Site {
    fn start(
        namespace: &Namespace,
        stub: &Stub,
        (version, port, [http, keys], http_port, submission): (
            Version,
            u16,
            [&'static str; 2],
            u16,
            u16,
        ),
    ) -> io::Result<Self> {
        let root = namespace.root(version.recipe());
        let directory = namespace.directory(http)?;
        let listener = Address::Unix(directory.join("auth"));
        let text = format!(
            "listen = \"unix:{}/auth\"\n[log]\nformat = \"json\"\n[http]\nlisten = \"tcp:127.0.0.1:{http_port}\"\n\
             [dict]\naddress = \"unix:{}/run/keys\"\nmode = \"0666\"\n\
             [[provider]]\nissuer = \"{}\"\naudience = \"mail\"\nuserinfo = true\nusername_claims = [\"email\"]\n",
            directory.display(),
            root.display(),
            stub.issuer()
        );
        let gatepost = Daemon::start(&Configuration::write_text(directory, listener, &text)?)?;
        let start = |name, port, tokens| {
            Dovecot::start(
                &root,
                Setup {
                    version,
                    name,
                    port,
                    relay: submission,
                    tokens,
                    users: USERS,
                    core: None,
                },
            )
        };
        Ok(Self {
            version,
            http: start(http, port, Tokens::docker_mailserver(http_port))?,
            keys: start(keys, port + KEYS, Tokens::OAuth2(local(version).to_owned()))?,
            submission: Address::port(submission),
            gatepost,
        })
    }
}

fn local(version: Version) -> &'static str {
    match version {
        Version::V2_3 => {
            "introspection_mode = local\nusername_attribute = email\n\
             local_validation_key_dict = proxy:idle_msecs=60000:/run/keys:keys\n"
        }
        Version::V2_4 => {
            "introspection_mode = local\nusername_attribute = email\noauth2_local_validation {\n  dict proxy {\n    \
             name = keys\n    socket_path = /run/keys\n    idle_timeout = 60s\n  }\n}\n"
        }
    }
}
