//! oidc-provider: a real identity provider, on Node.js.
//!
//! Its packages are pinned in `tests/idp` and installed below the directory of all roots; its own server,
//! `tests/idp/server.mjs`, lets a test rotate keys.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::certificates;
use crate::node::Installation;

/// Its packages, and the server.
pub const INSTALLATION: Installation = Installation {
    name: "oidc-provider",
    files: &[
        ("package.json", include_str!("../idp/package.json")),
        (
            "package-lock.json",
            include_str!("../idp/package-lock.json"),
        ),
        ("server.mjs", include_str!("../idp/server.mjs")),
    ],
};

/// What a test's resource server is called, and its secret.
pub const RESOURCE_SERVER: (&str, &str) = ("rs", "rssecret");

/// The client that gets tokens, and its secret.
pub const CLIENT: (&str, &str) = ("mail", "mailsecret");

/// The client of a webmail, and its secret. Its tokens last for an hour.
pub const WEBMAIL: (&str, &str) = ("webmail", "webmailsecret");

/// The same, but with tokens so short-lived that Roundcube renews them before every use.
pub const HASTY_WEBMAIL: (&str, &str) = ("hasty", "hastysecret");

/// A running provider, killed when it goes out of scope.
#[derive(Debug)]
pub struct OidcProvider {
    program: PathBuf,
    port: u16,
    /// The file of its keys.
    state: PathBuf,
    log: PathBuf,
    /// What it is called where it answers behind TLS too, and where its certificate and key lie.
    tls: Option<(String, PathBuf)>,
    child: Option<Child>,
}

/// The kind of access token that is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A JWT, signed with this algorithm.
    Jwt(&'static str),
    /// A reference, for an audience.
    Opaque,
    /// A reference for no audience at all, which userinfo takes.
    Plain,
}

impl OidcProvider {
    /// Starts it on `port`; its keys lie in `state`, its log beside them.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(roots: &Path, port: u16, state: &Path) -> io::Result<Self> {
        Self::start_with(roots, port, state, None)
    }

    /// As [`start`](Self::start), but it calls itself `issuer`, an `https` URL whose port it serves too, with what
    /// [`certificates::write`] has left in `state`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_behind_tls(
        roots: &Path,
        port: u16,
        state: &Path,
        issuer: &str,
    ) -> io::Result<Self> {
        let tls = (issuer.to_owned(), state.to_owned());
        Self::start_with(roots, port, state, Some(tls))
    }

    fn start_with(
        roots: &Path,
        port: u16,
        state: &Path,
        tls: Option<(String, PathBuf)>,
    ) -> io::Result<Self> {
        let mut provider = Self {
            program: INSTALLATION.directory(roots).join("server.mjs"),
            port,
            state: state.join("provider.json"),
            log: state.join("provider.log"),
            tls,
            child: None,
        };
        provider.restart()?;
        Ok(provider)
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts it again, with the same keys and none of its tokens.
    ///
    /// # Errors
    /// When it does not start: tells what it wrote.
    pub fn restart(&mut self) -> io::Result<()> {
        self.kill();
        let log = File::options().append(true).create(true).open(&self.log)?;
        let mut command = Command::new("node");
        command
            .arg(&self.program)
            .arg(self.port.to_string())
            .arg(&self.state);
        if let Some((issuer, directory)) = &self.tls {
            let files = [certificates::CHAIN, certificates::KEY].map(|name| directory.join(name));
            command.arg(issuer).args(files);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let stdout = child.stdout.take();
        self.child = Some(child);
        let mut line = String::new();
        if let Some(stdout) = stdout {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        if line.trim() == "ready" {
            return Ok(());
        }
        Err(io::Error::other(fs::read_to_string(&self.log)?))
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended already.
            let _ended = child.kill();
            let _status = child.wait();
        }
    }

    /// Lets it accept connections and say nothing, until it is thawed.
    ///
    /// # Errors
    /// When it does not run.
    pub fn freeze(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn thaw(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// An access token of `user` for `audience`.
    ///
    /// # Errors
    /// When the provider refuses.
    pub fn token(&self, user: &str, kind: Kind, audience: &str) -> io::Result<String> {
        let resource = match kind {
            Kind::Jwt(algorithm) => format!("&resource=urn:{audience}:{algorithm}"),
            Kind::Opaque => format!("&resource=urn:{audience}:opaque"),
            Kind::Plain => String::new(),
        };
        let form = format!(
            "grant_type=password&username={user}&password=password&scope=openid%20email%20mail{resource}"
        );
        access_token(&self.post("/token", CLIENT, &form)?)
    }

    /// A JWT of `user` for the audience `mail`, whose time is over.
    ///
    /// # Errors
    /// When the provider does not answer.
    pub fn expired_token(&self, user: &str) -> io::Result<String> {
        let path = format!("/test/expired?user={user}");
        access_token(&self.post(&path, CLIENT, "")?)
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// When the provider refuses.
    pub fn revoke(&self, token: &str) -> io::Result<()> {
        self.post("/token/revocation", CLIENT, &format!("token={token}"))
            .map(drop)
    }

    /// Takes back all that `user` has consented to on its pages, with every token that came of it.
    ///
    /// # Errors
    /// When the provider does not answer.
    pub fn revoke_grants(&self, user: &str) -> io::Result<()> {
        let path = format!("/test/revoke-grants?user={user}");
        self.post(&path, CLIENT, "").map(drop)
    }

    /// Makes new keys, and forgets the old ones.
    ///
    /// # Errors
    /// When the provider does not answer.
    pub fn rotate(&self) -> io::Result<()> {
        self.post("/test/rotate", CLIENT, "").map(drop)
    }

    /// Makes new keys, and publishes the old ones beside them.
    ///
    /// # Errors
    /// When the provider does not answer.
    pub fn rotate_keeping(&self) -> io::Result<()> {
        self.post("/test/rotate?keep=1", CLIENT, "").map(drop)
    }

    /// Makes new keys, of which the RSA ones have so many bits, and forgets the old ones.
    ///
    /// # Errors
    /// When the provider does not answer.
    pub fn rotate_to(&self, bits: u32) -> io::Result<()> {
        let path = format!("/test/rotate?bits={bits}");
        self.post(&path, CLIENT, "").map(drop)
    }

    /// Presents, from now on, what [`certificates::write`] has left last.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn present_certificate(&self) -> io::Result<()> {
        self.post("/test/certificate", CLIENT, "").map(drop)
    }

    /// Lets it answer `slow`ly, or with `garbage`; with `None` as it should.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn disturb(&self, kind: Option<&str>) -> io::Result<()> {
        let query = kind.map(|kind| format!("?kind={kind}"));
        let path = format!("/test/fault{}", query.unwrap_or_default());
        self.post(&path, CLIENT, "").map(drop)
    }

    /// What it has logged so far.
    #[must_use]
    pub fn logged(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn post(&self, path: &str, (id, secret): (&str, &str), form: &str) -> io::Result<Value> {
        let body = format!("{form}&client_id={id}&client_secret={secret}");
        let answer = ureq::post(format!("{}{path}", self.issuer()))
            .config()
            .http_status_as_error(false)
            .build()
            .content_type("application/x-www-form-urlencoded")
            .send(body);
        let mut answer = answer.map_err(io::Error::other)?;
        let text = answer
            .body_mut()
            .read_to_string()
            .map_err(io::Error::other)?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|_| io::Error::other(format!("{path}: {text}")))
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let child = self.child.as_ref();
        let id = child.and_then(|child| i32::try_from(child.id()).ok());
        let id = id.and_then(Pid::from_raw);
        let id = id.ok_or_else(|| io::Error::other("the provider does not run"))?;
        Ok(kill_process(id, signal)?)
    }
}

fn access_token(answer: &Value) -> io::Result<String> {
    let token = answer.get("access_token").and_then(Value::as_str);
    token
        .map(str::to_owned)
        .ok_or_else(|| io::Error::other(format!("no token: {answer}")))
}

impl Drop for OidcProvider {
    fn drop(&mut self) {
        self.kill();
    }
}
