//! Gatepost on one core, and its configurations.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use gatepost_tests::auth_client::AuthClient;
use gatepost_tests::daemon::{program, wait_until};
use gatepost_tests::mint::Issuer;
use gatepost_tests::stream::Address;
use gatepost_tests::stub::Stub;

use super::process;
use super::tokens::ISSUER;

/// The core that servers are on, each in its turn, and the one that they are asked from.
pub(crate) const SERVERS_CORE: usize = 0;
pub(crate) const CLIENTS_CORE: usize = 1;

/// Where figures are asked for, of the first daemon and, counting on, of each after it.
static NEXT_PORT: AtomicU16 = AtomicU16::new(19_090);

/// A running daemon on the servers' core, ended when it goes out of scope.
pub(crate) struct Gatepost {
    child: Child,
    pub(crate) address: Address,
    metrics: String,
}

impl Gatepost {
    /// With a level of the log, a line a login at `info`, which goes to a file in memory, and `text` for the rest of
    /// the configuration.
    pub(crate) fn start(directory: &Path, name: &str, level: &str, text: &str) -> io::Result<Self> {
        let directory = directory.join(name);
        fs::create_dir_all(&directory)?;
        let (config, socket) = (directory.join("gatepost.toml"), directory.join("auth"));
        let metrics = format!("127.0.0.1:{}", NEXT_PORT.fetch_add(1, Ordering::Relaxed));
        let head = format!(
            "listen = \"unix:{}\"\nlog.level = \"{level}\"\nmetrics.listen = \"tcp:{metrics}\"\n",
            socket.display()
        );
        fs::write(&config, format!("{head}{text}"))?;
        let child = Command::new("taskset")
            .args(["-c", &SERVERS_CORE.to_string()])
            .arg(program()?)
            .args(["serve", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stderr(File::create(directory.join("log"))?)
            .spawn()?;
        let gatepost = Self {
            child,
            address: Address::Unix(socket),
            metrics,
        };
        wait_until("the daemon's handshake", || {
            AuthClient::open(&gatepost.address).is_ok()
        })?;
        Ok(gatepost)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The processor's time that it has had.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        process::cpu(self.id())
    }

    /// How long all its logins have taken from their responses to their verdicts, as it counts itself.
    pub(crate) fn judging(&self) -> io::Result<Duration> {
        let url = format!("http://{}/metrics", self.metrics);
        let answer = ureq::get(&url).call();
        let figures = answer.and_then(|mut answer| answer.body_mut().read_to_string());
        let figures = figures.map_err(io::Error::other)?;
        let mut lines = figures.lines();
        let sum = lines.find_map(|line| line.strip_prefix("gatepost_login_duration_seconds_sum "));
        let sum = sum.and_then(|sum| sum.trim().parse().ok());
        sum.map(Duration::from_secs_f64)
            .ok_or_else(|| io::Error::other("it counts no logins"))
    }
}

impl Drop for Gatepost {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

pub(crate) fn static_keys(directory: &Path, issuer: &Issuer) -> io::Result<String> {
    let keys = directory.join("keys.json");
    fs::write(&keys, issuer.jwk_set().to_string())?;
    Ok(format!(
        "[[provider]]\nissuer = \"{ISSUER}\"\naudience = \"mail\"\nusername_claims = [\"email\"]\nkeys = ['{}']\n",
        keys.display()
    ))
}

pub(crate) fn introspecting(stub: &Stub, concurrency: usize) -> String {
    format!(
        "[[provider]]\nintrospection_url = \"{}\"\naudience = \"mail\"\nusername_claims = [\"email\"]\n\
         client_id = \"rs\"\nclient_secret = \"secret\"\nconcurrency = {concurrency}\n",
        stub.url("/introspect")
    )
}
