//! django-oauth-toolkit as a second identity provider, behind TLS with an authority of its own.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;

use crate::namespace::in_root;

const PROGRAM: &str = include_str!("../idp/django_provider.py");

/// The client that gets tokens and asks about them, and its secret.
pub const CLIENT: (&str, &str) = ("mail", "mailsecret");

/// Where it answers without TLS, for tests alone.
const PLAIN_PORT: u16 = 13100;
/// Where it answers with TLS to those who show a certificate.
const TLS_PORT: u16 = 13101;

/// A running provider, killed when it goes out of scope.
#[derive(Debug)]
pub struct Django {
    child: Child,
    /// Where certificates and keys lie, seen from outside of its root.
    directory: PathBuf,
}

impl Django {
    /// Starts it in `root`, with a new authority and new users.
    ///
    /// # Errors
    /// When it does not start: tells what it wrote.
    pub fn start(root: &Path) -> io::Result<Self> {
        let inside = "/tmp/provider";
        let directory = root.join("tmp/provider");
        fs::create_dir_all(&directory)?;
        write_certificates(&directory).map_err(io::Error::other)?;
        fs::write(directory.join("provider.py"), PROGRAM)?;
        let log = directory.join("provider.log");
        let mut child = in_root(root, "/usr/bin/python3")
            .arg(format!("{inside}/provider.py"))
            .arg(inside)
            .args([PLAIN_PORT, TLS_PORT].map(|port| port.to_string()))
            .env("PYTHONPYCACHEPREFIX", "/tmp")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()?;
        let stdout = child.stdout.take();
        let provider = Self { child, directory };
        let mut line = String::new();
        if let Some(stdout) = stdout {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        if line.trim() == "ready" {
            return Ok(provider);
        }
        Err(io::Error::other(fs::read_to_string(log)?))
    }

    /// The URL of an endpoint, behind TLS.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{TLS_PORT}{path}")
    }

    /// A file of its directory: `authority.pem`, `client.pem`, `client.key`.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// An access token of `user`.
    ///
    /// # Errors
    /// When the provider refuses.
    pub fn token(&self, user: &str, scope: &str) -> io::Result<String> {
        let form = format!("grant_type=password&username={user}&password=password&scope={scope}");
        let answer = post("/o/token/", &form)?;
        let answer: Value = serde_json::from_str(&answer)?;
        let token = answer.get("access_token").and_then(Value::as_str);
        token
            .map(str::to_owned)
            .ok_or_else(|| io::Error::other(format!("no token: {answer}")))
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// When the provider refuses.
    pub fn revoke(&self, token: &str) -> io::Result<()> {
        post("/o/revoke_token/", &format!("token={token}")).map(drop)
    }
}

impl Drop for Django {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

fn post(path: &str, form: &str) -> io::Result<String> {
    let (id, secret) = CLIENT;
    let body = format!("{form}&client_id={id}&client_secret={secret}");
    let answer = ureq::post(format!("http://127.0.0.1:{PLAIN_PORT}{path}"))
        .content_type("application/x-www-form-urlencoded")
        .send(body);
    let mut answer = answer.map_err(io::Error::other)?;
    answer.body_mut().read_to_string().map_err(io::Error::other)
}

/// An authority, and what it has signed: a server's certificate for loopback, and a client's.
fn write_certificates(directory: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let name = |params: &mut CertificateParams, name: &str| {
        params.distinguished_name.push(DnType::CommonName, name);
    };
    name(&mut authority, "the authority of the tests");
    let key = KeyPair::generate()?;
    let certificate = authority.self_signed(&key)?;
    fs::write(directory.join("authority.pem"), certificate.pem())?;
    let authority = Issuer::new(authority, key);
    for (file, host) in [("server", "127.0.0.1"), ("client", "gatepost.test")] {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![host.to_owned()])?;
        name(&mut params, host);
        let certificate = params.signed_by(&key, &authority)?;
        fs::write(directory.join(format!("{file}.pem")), certificate.pem())?;
        fs::write(directory.join(format!("{file}.key")), key.serialize_pem())?;
    }
    Ok(())
}
