//! Mail clients that others wrote, each submitting one message.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::login::{Mechanism, USER};
use crate::namespace::in_root;
use crate::process::run;
use crate::roots::PYTHON_PACKAGES;
use crate::stream::Address;
use crate::tap::{Recording, Tap};

/// A client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Client {
    /// Debian's curl.
    Curl,
    /// The newer libcurl that pycurl brings along.
    Pycurl,
    /// Python's smtplib.
    Smtplib,
    /// msmtp.
    Msmtp,
}

/// What was said between a client and the server.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Conversation {
    /// The mechanism that the client chose.
    pub mechanism: String,
    /// The decoded failure challenge, if there was one.
    pub challenge: Option<Vec<u8>>,
    /// The code of the reply that ended the login; `None` if the client left before.
    pub code: Option<u16>,
    /// Whether the server took the client's message.
    pub accepted_mail: bool,
    /// Whether the client reported success.
    pub client_is_content: bool,
}

const PYCURL: &str = r#"
import os, io, pycurl
c = pycurl.Curl()
c.setopt(c.URL, "smtp://127.0.0.1:" + os.environ["PORT"])
c.setopt(c.USERNAME, os.environ["LOGIN"])
c.setopt(c.XOAUTH2_BEARER, os.environ["TOKEN"])
c.setopt(c.LOGIN_OPTIONS, "AUTH=" + os.environ["MECHANISM"])
c.setopt(c.MAIL_FROM, os.environ["LOGIN"])
c.setopt(c.MAIL_RCPT, ["bob@example.com"])
c.setopt(c.READDATA, io.BytesIO(b"Subject: test\r\n\r\ntest\r\n"))
c.setopt(c.UPLOAD, 1)
c.perform()
"#;

const SMTPLIB: &str = r#"
import os, smtplib
login, token, mechanism = os.environ["LOGIN"], os.environ["TOKEN"], os.environ["MECHANISM"]
def respond(challenge=None):
    if mechanism == "XOAUTH2":
        return "" if challenge else f"user={login}\x01auth=Bearer {token}\x01\x01"
    return "\x01" if challenge else f"n,a={login},\x01auth=Bearer {token}\x01\x01"
with smtplib.SMTP("127.0.0.1", int(os.environ["PORT"])) as s:
    s.ehlo("client.example.test")
    s.auth(mechanism, respond)
    s.sendmail(login, ["bob@example.com"], b"Subject: test\r\n\r\ntest\r\n")
"#;

impl Client {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Curl, Self::Pycurl, Self::Smtplib, Self::Msmtp];

    /// The client's name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::Pycurl => "pycurl",
            Self::Smtplib => "smtplib",
            Self::Msmtp => "msmtp",
        }
    }

    /// Logs in at `server` with `token`, submits a message, and tells what was said.
    ///
    /// `root` holds the client's program.
    ///
    /// # Errors
    /// When the client cannot be run.
    pub fn submit(
        self,
        root: &Path,
        server: &Address,
        mechanism: Mechanism,
        token: &str,
    ) -> io::Result<Conversation> {
        let tap = Tap::on_port(0, server.clone())?;
        let Address::Tcp(address) = &tap.address else {
            unreachable!("a tap on a port")
        };
        let port = address.port().to_string();
        let output = match self {
            Self::Curl => curl(root, &port, mechanism, token),
            Self::Pycurl => python(root, PYCURL, &port, mechanism, token),
            Self::Smtplib => python(root, SMTPLIB, &port, mechanism, token),
            Self::Msmtp => msmtp(root, &port, mechanism, token),
        }?;
        let recordings = tap.recordings();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        let Some(recording) = recordings.last() else {
            return Err(io::Error::other(words));
        };
        let conversation = Conversation::new(recording, output.status.success());
        conversation.ok_or_else(|| io::Error::other(words))
    }
}

/// The version of Debian's curl, such as `(7, 88)`.
///
/// # Errors
/// When it cannot be run.
pub fn curl_version(root: &Path) -> io::Result<(u32, u32)> {
    let words = run(in_root(root, "/usr/bin/curl").arg("--version"))?;
    let version = words.split_whitespace().nth(1).unwrap_or_default();
    let mut numbers = version.split('.').map_while(|number| number.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => Ok((major, minor)),
        _ => Err(io::Error::other(words)),
    }
}

impl Conversation {
    fn new(recording: &Recording, client_is_content: bool) -> Option<Self> {
        let client = String::from_utf8_lossy(&recording.to_server()).into_owned();
        let server = String::from_utf8_lossy(&recording.to_client()).into_owned();
        let command = client
            .lines()
            .find(|line| line.to_ascii_uppercase().starts_with("AUTH "))?;
        let replies = || {
            server
                .lines()
                .filter_map(|line| Some((line.get(..3)?, line.get(4..)?)))
        };
        let challenge = replies().find(|&(code, text)| code == "334" && !text.is_empty());
        let end = replies().find(|(code, _)| ["235", "454", "500", "501", "535"].contains(code));
        Some(Self {
            mechanism: command.split_whitespace().nth(1)?.to_ascii_uppercase(),
            challenge: challenge.and_then(|(_, text)| STANDARD.decode(text).ok()),
            code: end.and_then(|(code, _)| code.parse().ok()),
            accepted_mail: replies().any(|(code, _)| code == "354"),
            client_is_content,
        })
    }
}

fn curl(root: &Path, port: &str, mechanism: Mechanism, token: &str) -> io::Result<Output> {
    fs::write(root.join("tmp/message"), "Subject: test\r\n\r\ntest\r\n")?;
    let mut child = in_root(root, "/usr/bin/curl")
        .args([
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--config",
            "-",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let configuration = format!(
        "url = \"smtp://127.0.0.1:{port}\"\nuser = \"{USER}\"\noauth2-bearer = \"{token}\"\n\
         login-options = \"AUTH={}\"\nmail-from = \"{USER}\"\nmail-rcpt = \"bob@example.com\"\n\
         upload-file = \"/tmp/message\"\n",
        mechanism.name()
    );
    let input = child.stdin.take();
    input.map_or(Ok(()), |mut input| {
        input.write_all(configuration.as_bytes())
    })?;
    child.wait_with_output()
}

fn python(
    root: &Path,
    script: &str,
    port: &str,
    mechanism: Mechanism,
    token: &str,
) -> io::Result<Output> {
    in_root(root, "/usr/bin/python3")
        .args(["-c", script])
        .env("PYTHONPATH", PYTHON_PACKAGES)
        // The root cannot be written to, and compiling anew takes most of a second.
        .env("PYTHONPYCACHEPREFIX", "/tmp")
        .envs([("PORT", port), ("LOGIN", USER), ("TOKEN", token)])
        .env("MECHANISM", mechanism.name())
        .output()
}

fn msmtp(root: &Path, port: &str, mechanism: Mechanism, token: &str) -> io::Result<Output> {
    fs::write(root.join("tmp/message"), "Subject: test\n\ntest\n")?;
    in_root(root, "/usr/bin/msmtp")
        .args([
            "--file=/dev/null",
            "--host=127.0.0.1",
            "--tls=off",
            "--timeout=20",
        ])
        .arg("--passwordeval=printenv TOKEN")
        .arg(format!("--port={port}"))
        .arg(format!("--auth={}", mechanism.name().to_lowercase()))
        .args([format!("--user={USER}"), format!("--from={USER}")])
        .arg("bob@example.com")
        .env("TOKEN", token)
        .stdin(fs::File::open(root.join("tmp/message"))?)
        .output()
}
