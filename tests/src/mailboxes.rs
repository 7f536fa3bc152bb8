//! One run's mail servers with mailboxes: a Dovecot of each version.

use std::io;
use std::thread;

use serde_json::json;

use crate::dovecot::{Dovecot, Setup, Tokens, Version};
use crate::login::USER;
use crate::namespace::Namespace;
use crate::roots;
use crate::stub::Stub;

/// The port that Dovecot's submission servers hand mail to.
const RELAY: u16 = 10025;

/// Who logs in with a password instead.
pub const PASSWORD_USER: (&str, &str) = ("carol@example.test", "carol's password");

const USERS: &[(&str, &str)] = &[
    (USER, "alice's password"),
    ("bob@example.test", "bob's password"),
    PASSWORD_USER,
];

/// Everything that the cases share.
pub struct Mailboxes {
    /// A provider whose userinfo says [`USER`] to every token.
    pub stub: Stub,
    dovecots: Vec<Dovecot>,
}

impl Mailboxes {
    /// Starts everything; only inside of the namespaces.
    ///
    /// # Errors
    /// When a server does not start: tells what it wrote.
    ///
    /// # Panics
    /// When a thread that starts one does.
    pub fn open() -> io::Result<Self> {
        let namespace = Namespace::set_up(&roots::directory()?)?;
        let stub = Stub::provider()?;
        stub.set_json("/me", &json!({"email": USER}));
        let setups = [(Version::V2_3, "d23", 14300), (Version::V2_4, "d24", 14400)];
        let setups = setups.map(|(version, name, port)| Setup {
            version,
            name,
            port,
            relay: RELAY,
            tokens: Tokens::OAuth2(settings(&stub.url("/me"))),
            users: USERS,
            core: None,
        });
        let dovecots = thread::scope(|scope| {
            let namespace = &namespace;
            let start = |setup: Setup| {
                scope.spawn(move || Dovecot::start(&namespace.root(setup.version.recipe()), setup))
            };
            let starting = setups.map(start);
            let started = starting.map(|thread| thread.join().expect("it returns its errors"));
            started.into_iter().collect::<io::Result<Vec<_>>>()
        })?;
        Ok(Self { stub, dovecots })
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

    /// What each server has logged so far.
    #[must_use]
    pub fn logs(&self) -> Vec<(&'static str, String)> {
        let log = |dovecot: &Dovecot| (dovecot.setup().name, dovecot.logged());
        self.dovecots.iter().map(log).collect()
    }
}

/// The settings that docker-mailserver writes for its `OAUTH2_INTROSPECTION_URL`.
fn settings(url: &str) -> String {
    format!("introspection_url = {url}\nintrospection_mode = auth\nusername_attribute = email\n")
}
