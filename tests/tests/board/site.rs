//! The board that most cases share, the provider that it asks over TLS, and whoever else is on its wire.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gatepost_tests::appliance::{self, Appliance, Boot};
use gatepost_tests::certificates::{self, Certificate};
use gatepost_tests::daemon::wait_until;
use gatepost_tests::flood::{Connection, Good, Provider, Times};
use gatepost_tests::frames::Wire;
use gatepost_tests::mint::Issuer;
use gatepost_tests::stream::Address;
use gatepost_tests::stub::Stub;
use libtest_mimic::Failed;
use serde_json::json;

use crate::{Case, shared};

/// Its image, by its configuration in `tests/appliance`.
pub(crate) const IMAGE: &str = "online-tls";

const HOST: &str = "id.test";
const ISSUER: &str = "https://id.test:13143";
const PROVIDER: u16 = 13143;
pub(crate) const TIME: u16 = 12301;
const PORT: u16 = 12370;
pub(crate) const DEBUGGER: u16 = 12371;

/// From where frames are sent, and to where: UDP on loopback, which QEMU takes frames from.
const WIRE: [u16; 2] = [12372, 12373];

/// An instruction takes 32 nanoseconds, as about one does at 25 MHz, and time goes no faster than its host's.
const AS_SILICON: &str = "shift=5,align=on,sleep=on";

/// The keys that the provider publishes.
const ALGORITHMS: [&str; 5] = ["ES256", "ES384", "ES512", "RS256", "EdDSA"];

pub(crate) struct Site {
    pub(crate) appliance: Appliance,
    pub(crate) provider: Provider,
    pub(crate) wire: Wire,
    /// Those of two processes of a mail server's, for as long as they live: one for JWTs, one for opaque tokens.
    own: [Arc<Connection>; 2],
    logins: u64,
}

pub(crate) fn cases() -> Vec<Case> {
    vec![shared(
        "keys_and_questions_take_one_handshake_as_long_as_the_connection_lasts",
        one_handshake,
    )]
}

impl Site {
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        appliance::serve_time(TIME)?;
        let stub = Stub::over_tls(PROVIDER, ISSUER, presented(Certificate::Good)?)?;
        let issuer = Issuer::new();
        let keys = json!({"keys": ALGORITHMS.map(|algorithm| issuer.jwk(algorithm))});
        let provider = Provider::behind(stub, issuer, &keys);
        let wire = Wire::open(WIRE)?;
        let appliance = Appliance::start(&Boot {
            has_seed: true,
            wire: Some(WIRE),
            icount: Some(AS_SILICON),
            debugger: Some(DEBUGGER),
            ..Boot::new(IMAGE, "mps2-an386", PORT, directory)
        })?;
        appliance.wait_for("provider found")?;
        let own = [connect(&appliance.address)?, connect(&appliance.address)?];
        Ok(Self {
            appliance,
            provider,
            wire,
            own,
            logins: 0,
        })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.appliance.address
    }

    /// Connects once more, as the mail server does where the board has restarted.
    pub(crate) fn reconnect(&mut self) -> io::Result<()> {
        self.own = [self.connect()?, self.connect()?];
        Ok(())
    }

    /// What the provider presents from now on, to whoever it has a connection with as well.
    pub(crate) fn present(&self, kind: Certificate) -> io::Result<()> {
        self.provider.stub.present(presented(kind)?);
        self.provider.stub.hang_up();
        Ok(())
    }

    /// A connection: there is no backlog, so that one is refused until the board has noticed that another ended.
    pub(crate) fn connect(&self) -> io::Result<Arc<Connection>> {
        connect(self.address())
    }

    /// Logs in on the mail server's connections, so many times with a pause before each, in one way after the other.
    pub(crate) fn log_in(&mut self, ways: &[Good], times: u32, pause: Duration) -> Times {
        let mut answers = Vec::new();
        for way in ways.iter().cycle().take(times as usize) {
            std::thread::sleep(pause);
            self.logins += 1;
            let remote = format!("198.51.100.{}", 1 + self.logins % 250);
            let message = way.message(self.logins, &self.provider);
            let [signed, opaque] = &self.own;
            let connection = match way {
                Good::Opaque => opaque,
                _ => signed,
            };
            answers.push((*way, connection.log_in(message, &remote)));
        }
        let mut found = Times::default();
        for (way, answer) in answers {
            found.take(way, answer);
        }
        found
    }
}

fn connect(address: &Address) -> io::Result<Arc<Connection>> {
    let mut connection = None;
    wait_until("a connection", || {
        connection = Connection::open(address).ok();
        connection.is_some()
    })?;
    connection.ok_or_else(|| io::ErrorKind::NotConnected.into())
}

fn presented(kind: Certificate) -> io::Result<Arc<rustls::ServerConfig>> {
    certificates::server(kind, &[HOST.to_owned()])
}

/// D7: each question took one of its own.
#[expect(clippy::unnecessary_wraps, reason = "as every case")]
fn one_handshake(site: &mut Site) -> Result<(), Failed> {
    assert_eq!(site.provider.stub.connections(), 1, "metadata and keys");
    for _ in 0..5 {
        let found = site.log_in(&[Good::Opaque], 1, Duration::ZERO);
        assert_eq!(found.refused, [""; 0]);
    }
    let asked = site.provider.stub.seen("/introspect").len();
    let handshakes = site.provider.stub.connections();
    assert!(asked == 5 && handshakes <= 2, "{asked}, {handshakes}");
    Ok(())
}
