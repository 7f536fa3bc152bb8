//! One run's mail servers with mailboxes: a Dovecot of each version, and a Postfix that delivers to them.

use std::io;
use std::thread;

use serde_json::json;

use crate::dovecot::{Dovecot, Setup, Tokens, Version};
use crate::login::USER;
use crate::namespace::Namespace;
use crate::postfix::{self, Postfix, Smtpd};
use crate::roots::{self, MAIL};
use crate::stream::Address;
use crate::stub::Stub;

/// Who logs in with a password instead.
pub const PASSWORD_USER: (&str, &str) = ("carol@example.test", "carol's password");

/// Who has an account at each Dovecot. All of them receive mail at its own domain.
const USERS: &[(&str, &str)] = &[
    (USER, "alice's password"),
    ("bob@example.test", "bob's password"),
    PASSWORD_USER,
    ("bob@d23.test", ""),
    ("bob@d24.test", ""),
];

/// Each Dovecot: its version, its name, and its first port.
const DOVECOTS: [(Version, &str, u16); 2] =
    [(Version::V2_3, "d23", 14300), (Version::V2_4, "d24", 14400)];

/// The port that Dovecot's submission servers hand mail to.
const RELAY: u16 = 10025;

/// How far the port of the Postfix that delivers to a Dovecot is from its first.
const POSTFIX: u16 = 10;

/// Each service: it asks the Dovecot that it delivers to about logins.
const SERVICES: [Smtpd; 3] = [
    Smtpd {
        is_relay: true,
        ..smtpd(RELAY, "private/nobody")
    },
    smtpd(14300 + POSTFIX, "/run/dovecot/d23/auth-client"),
    smtpd(14400 + POSTFIX, "/run/dovecot24/d24/auth-client"),
];

const fn smtpd(port: u16, gatepost: &'static str) -> Smtpd {
    Smtpd {
        port,
        gatepost,
        processes: 20,
        mechanisms: "",
        tls: false,
        is_relay: false,
    }
}

/// Mail goes to the first Dovecot, or to the one that the domain names.
const DELIVERY: &str = "\
virtual_mailbox_domains = example.test, d23.test, d24.test
virtual_transport = lmtp:unix:/run/dovecot/d23/lmtp
transport_maps = inline:{d24.test=lmtp:unix:/run/dovecot24/d24/lmtp}
";

/// Everything that the cases share.
pub struct Mailboxes {
    /// A provider whose userinfo says [`USER`] to every token.
    pub stub: Stub,
    /// The Postfix before all Dovecots.
    pub postfix: Postfix,
    dovecots: Vec<Dovecot>,
}

impl Mailboxes {
    /// Starts everything; only inside of the namespaces.
    ///
    /// # Errors
    /// When a server does not start: tells what it wrote.
    pub fn open() -> io::Result<Self> {
        let namespace = Namespace::set_up(&roots::directory()?, &roots::SERVERS)?;
        for version in Version::ALL {
            namespace.share_run(version.recipe(), &MAIL)?;
        }
        let stub = Stub::provider()?;
        stub.set_json("/me", &json!({"email": USER}));
        let mail = namespace.root(&MAIL);
        postfix::make_queue(&mail)?;
        Ok(Self {
            dovecots: start_dovecots(&namespace, &stub)?,
            stub,
            postfix: Postfix::start(&mail, &SERVICES, DELIVERY)?,
        })
    }

    /// The Dovecot of a version.
    ///
    /// # Panics
    /// Never: there is one of each.
    #[must_use]
    pub fn dovecot(&self, version: Version) -> &Dovecot {
        let mut dovecots = self.dovecots.iter();
        let found = dovecots.find(|dovecot| dovecot.setup().version == version);
        found.expect("there is one of each version")
    }

    /// The service of Postfix that asks `dovecot` about logins.
    #[must_use]
    pub fn submission(&self, dovecot: &Dovecot) -> Address {
        Address::port(dovecot.setup().port + POSTFIX)
    }

    /// What each server has logged so far.
    #[must_use]
    pub fn logs(&self) -> Vec<(&'static str, String)> {
        let log = |dovecot: &Dovecot| (dovecot.setup().name, dovecot.logged());
        let mut logs: Vec<_> = self.dovecots.iter().map(log).collect();
        logs.push(("Postfix", self.postfix.logged()));
        logs
    }
}

/// All at the same time.
fn start_dovecots(namespace: &Namespace, stub: &Stub) -> io::Result<Vec<Dovecot>> {
    let setups = DOVECOTS.map(|(version, name, port)| Setup {
        version,
        name,
        port,
        relay: RELAY,
        tokens: Tokens::OAuth2(settings(&stub.url("/me"))),
        users: USERS,
        core: None,
    });
    thread::scope(|scope| {
        let start = |setup: Setup| {
            let root = namespace.root(setup.version.recipe());
            scope.spawn(move || Dovecot::start(&root, setup))
        };
        let starting = setups.map(start).into_iter();
        let started = starting.map(|thread| thread.join().expect("it returns its errors"));
        started.collect()
    })
}

/// The settings that docker-mailserver writes for its `OAUTH2_INTROSPECTION_URL`.
fn settings(url: &str) -> String {
    format!("introspection_url = {url}\nintrospection_mode = auth\nusername_attribute = email\n")
}
