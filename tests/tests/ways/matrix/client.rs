//! Every client, with the protocols and mechanisms that it is tried with.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use gatepost_tests::daemon::wait_until;
use gatepost_tests::login::{Mechanism, USER};
use gatepost_tests::namespace::in_root;
use gatepost_tests::node;
use gatepost_tests::roots::{self, PYTHON_PACKAGES};
use gatepost_tests::tap::Tap;

use super::own;

/// Whom a client talks to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Protocol {
    Imap,
    Pop3,
    /// Postfix's submission service.
    Postfix,
    /// Dovecot's own submission server.
    Submission,
}

/// A client's way of logging in.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    pub(crate) name: &'static str,
    pub(crate) protocol: Protocol,
    /// What it uses where the server offers both.
    pub(crate) mechanism: Mechanism,
    run: fn(&Attempt) -> io::Result<bool>,
}

/// What a client is told.
pub(crate) struct Attempt<'a> {
    /// The root of Debian's clients.
    pub(crate) root: &'a Path,
    /// What the client takes for the server.
    pub(crate) tap: &'a Tap,
    pub(crate) port: u16,
    pub(crate) mechanism: Mechanism,
    pub(crate) protocol: Protocol,
    pub(crate) token: &'a str,
    pub(crate) recipient: &'a str,
}

const fn client(
    name: &'static str,
    protocol: Protocol,
    mechanism: Mechanism,
    run: fn(&Attempt) -> io::Result<bool>,
) -> Client {
    Client {
        name,
        protocol,
        mechanism,
        run,
    }
}

/// curl 7.88 never uses XOAUTH2 where OAUTHBEARER is offered too, whatever it is asked for.
pub(crate) const CLIENTS: [Client; 22] = {
    use Mechanism::{OauthBearer, Xoauth2};
    use Protocol::{Imap, Pop3, Postfix, Submission};
    [
        client("curl", Imap, OauthBearer, curl),
        client("curl", Pop3, OauthBearer, curl),
        client("curl", Postfix, OauthBearer, curl),
        client("pycurl", Imap, Xoauth2, pycurl),
        client("pycurl", Pop3, Xoauth2, pycurl),
        client("pycurl", Submission, Xoauth2, pycurl),
        client("imaplib", Imap, Xoauth2, imaplib),
        client("imaplib", Imap, OauthBearer, imaplib),
        client("poplib", Pop3, Xoauth2, poplib),
        client("poplib", Pop3, OauthBearer, poplib),
        client("smtplib", Postfix, Xoauth2, smtplib),
        client("smtplib", Submission, OauthBearer, smtplib),
        client("mutt", Imap, OauthBearer, mutt),
        client("mutt", Postfix, Xoauth2, mutt),
        client("neomutt", Imap, Xoauth2, neomutt),
        client("neomutt", Postfix, OauthBearer, neomutt),
        client("msmtp", Postfix, OauthBearer, msmtp),
        client("mbsync", Imap, Xoauth2, mbsync),
        client("imapflow", Imap, OauthBearer, imapflow),
        client("nodemailer", Postfix, Xoauth2, nodemailer),
        client("lettre", Postfix, Xoauth2, own::lettre),
        client("async-imap", Imap, Xoauth2, own::async_imap),
    ]
};

impl Client {
    /// Logs in and does one thing that needs a login; whether it reports success.
    pub(crate) fn run(&self, attempt: &Attempt) -> io::Result<bool> {
        (self.run)(attempt)
    }
}

impl Attempt<'_> {
    /// Runs `command` to its end, with everything that it has to know in its environment.
    fn succeeds(&self, command: &mut Command) -> io::Result<bool> {
        self.succeeds_unless(command, || false)
    }

    /// As [`succeeds`](Self::succeeds), but ends it as soon as it `is_stuck`.
    fn succeeds_unless(
        &self,
        command: &mut Command,
        mut is_stuck: impl FnMut() -> bool,
    ) -> io::Result<bool> {
        let mut child = self.tell(command).stderr(Stdio::null()).spawn()?;
        let ended = wait_until("the client's end", || {
            !matches!(child.try_wait(), Ok(None)) || is_stuck()
        });
        // It may have ended already.
        let _killed = child.kill();
        let status = child.wait()?;
        ended.map(|()| status.success())
    }

    fn tell<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .env("PORT", self.port.to_string())
            .env("LOGIN", USER)
            .env("TOKEN", self.token)
            .env("MECHANISM", self.mechanism.name())
            .env("RECIPIENT", self.recipient)
            .env("URL", self.url())
            .stdout(Stdio::null())
    }

    /// What passed over its last connection so far.
    fn passed(&self) -> (String, String) {
        let recordings = self.tap.recordings();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        recordings
            .last()
            .map_or_else(Default::default, |recording| {
                (text(recording.to_server()), text(recording.to_client()))
            })
    }

    /// The URL of the server, as curl spells it.
    fn url(&self) -> String {
        let scheme = match self.protocol {
            Protocol::Imap => "imap",
            Protocol::Pop3 => "pop3",
            Protocol::Postfix | Protocol::Submission => "smtp",
        };
        let path = if scheme == "imap" { "INBOX" } else { "" };
        format!("{scheme}://127.0.0.1:{}/{path}", self.port)
    }

    /// Writes a file that only this attempt uses, and returns its path inside of the root.
    fn write(&self, kind: &str, content: &str) -> io::Result<String> {
        // The port is a tap's, and every attempt has one of its own.
        let path = format!("/tmp/{}.{kind}", self.port);
        fs::write(roots::below(self.root, Path::new(&path)), content)?;
        Ok(path)
    }
}

fn curl(attempt: &Attempt) -> io::Result<bool> {
    let action = match attempt.protocol {
        Protocol::Imap => "request = \"NOOP\"\n".to_owned(),
        Protocol::Pop3 => String::new(),
        Protocol::Postfix | Protocol::Submission => format!(
            "mail-from = \"{USER}\"\nmail-rcpt = \"{}\"\nupload-file = \"{}\"\n",
            attempt.recipient,
            attempt.write("message", "Subject: curl\r\n\r\ntest\r\n")?
        ),
    };
    let configuration = format!(
        "url = \"{}\"\nuser = \"{USER}\"\noauth2-bearer = \"{}\"\nlogin-options = \"AUTH={}\"\n{action}",
        attempt.url(),
        attempt.token,
        attempt.mechanism.name()
    );
    let configuration = attempt.write("curl", &configuration)?;
    let arguments = ["--max-time", "20", "--config", &configuration];
    attempt.succeeds(in_root(attempt.root, "/usr/bin/curl").args(arguments))
}

fn python(attempt: &Attempt, script: &str) -> io::Result<bool> {
    attempt.succeeds(
        in_root(attempt.root, "/usr/bin/python3")
            .args(["-c", script])
            .env("PYTHONPATH", PYTHON_PACKAGES)
            .env("PYTHONPYCACHEPREFIX", "/tmp"),
    )
}

fn pycurl(attempt: &Attempt) -> io::Result<bool> {
    python(attempt, include_str!("pycurl.py"))
}

fn imaplib(attempt: &Attempt) -> io::Result<bool> {
    python(attempt, include_str!("imaplib.py"))
}

fn poplib(attempt: &Attempt) -> io::Result<bool> {
    python(attempt, include_str!("poplib.py"))
}

fn smtplib(attempt: &Attempt) -> io::Result<bool> {
    python(attempt, include_str!("smtplib.py"))
}

/// Takes tokens over connections alone that it believes to be safe, as those of a command's are.
fn mutt(attempt: &Attempt) -> io::Result<bool> {
    if attempt.protocol != Protocol::Imap {
        return submit_with_mutt(attempt, "/usr/bin/mutt");
    }
    let port = attempt.port;
    let settings = mutt_settings(attempt)
        + &tunnel(attempt)?
        + &format!("set sendmail=/bin/true copy=yes record=\"imap://127.0.0.1:{port}/INBOX\"\n");
    let settings = attempt.write("muttrc", &settings)?;
    attempt.succeeds(
        in_root(attempt.root, "/usr/bin/mutt")
            .args(["-n", "-F", &settings, "-s", "mutt", attempt.recipient])
            .stdin(Stdio::null()),
    )?;
    // Its status is about sending alone; the message was to be filed over IMAP.
    Ok(attempt.passed().0.contains(" APPEND "))
}

/// Opens a mailbox at a terminal alone; whether it went well is seen by its going on.
fn neomutt(attempt: &Attempt) -> io::Result<bool> {
    if attempt.protocol != Protocol::Imap {
        return submit_with_mutt(attempt, "/usr/bin/neomutt");
    }
    let settings =
        mutt_settings(attempt) + &tunnel(attempt)? + "set folder=/tmp quit=yes sleep_time=0\n";
    let settings = attempt.write("muttrc", &settings)?;
    let mailbox = format!("imap://127.0.0.1:{}/INBOX", attempt.port);
    let mut command = in_root(attempt.root, "/usr/bin/python3");
    command
        .args(["-c", "import pty, sys; pty.spawn(sys.argv[1:])"])
        .args(["/usr/bin/neomutt", "-n", "-F", &settings, "-f", &mailbox])
        .env("TERM", "xterm")
        .stdin(Stdio::null());
    let goes_on = || attempt.passed().0.contains(" SELECT ");
    attempt.succeeds_unless(&mut command, || {
        goes_on() || attempt.passed().1.contains(" NO [")
    })?;
    Ok(goes_on())
}

fn submit_with_mutt(attempt: &Attempt, program: &str) -> io::Result<bool> {
    let url = format!("smtp://{USER}@127.0.0.1:{}", attempt.port);
    let settings = mutt_settings(attempt) + &format!("set copy=no smtp_url=\"{url}\"\n");
    let settings = attempt.write("muttrc", &settings)?;
    let message = attempt.write("message", "test\n")?;
    let message = File::open(roots::below(attempt.root, Path::new(&message)))?;
    attempt.succeeds(
        in_root(attempt.root, program)
            .args(["-n", "-F", &settings, "-s", "mutt", attempt.recipient])
            .stdin(message),
    )
}

/// What makes a connection safe in the eyes of both.
fn tunnel(attempt: &Attempt) -> io::Result<String> {
    let script = attempt.write("tunnel", include_str!("tunnel.py"))?;
    Ok(format!(
        "set tunnel=\"python3 {script} {}\"\n",
        attempt.port
    ))
}

fn mutt_settings(attempt: &Attempt) -> String {
    let mechanism = attempt.mechanism.name().to_lowercase();
    format!(
        "set tmpdir=/tmp from=\"{USER}\" ssl_starttls=no ssl_force_tls=no\n\
         set imap_user=\"{USER}\" imap_authenticators=\"{mechanism}\"\n\
         set imap_oauth_refresh_command=\"printenv TOKEN\"\n\
         set smtp_authenticators=\"{mechanism}\" smtp_oauth_refresh_command=\"printenv TOKEN\"\n"
    )
}

fn msmtp(attempt: &Attempt) -> io::Result<bool> {
    let message = attempt.write("message", "Subject: msmtp\n\ntest\n")?;
    let message = File::open(roots::below(attempt.root, Path::new(&message)))?;
    attempt.succeeds(
        in_root(attempt.root, "/usr/bin/msmtp")
            .args([
                "--file=/dev/null",
                "--host=127.0.0.1",
                "--tls=off",
                "--timeout=20",
            ])
            .arg("--passwordeval=printenv TOKEN")
            .arg(format!("--port={}", attempt.port))
            .arg(format!(
                "--auth={}",
                attempt.mechanism.name().to_lowercase()
            ))
            .args([format!("--user={USER}"), format!("--from={USER}")])
            .arg(attempt.recipient)
            .stdin(message),
    )
}

/// It never answers a failure challenge, and waits until it is stopped.
fn mbsync(attempt: &Attempt) -> io::Result<bool> {
    let port = attempt.port;
    let settings = format!(
        "IMAPStore far\nHost 127.0.0.1\nPort {port}\nUser {USER}\nPassCmd \"printenv TOKEN\"\n\
         SSLType None\nAuthMechs {}\n\nMaildirStore near\nPath /tmp/{port}/\n\
         Inbox /tmp/{port}/inbox\n\nChannel inbox\nFar :far:INBOX\nNear :near:\nCreate Near\nSync Pull\n\
         SyncState *\n",
        attempt.mechanism.name()
    );
    let settings = attempt.write("mbsyncrc", &settings)?;
    fs::create_dir_all(attempt.root.join(format!("tmp/{port}")))?;
    let mut command = in_root(attempt.root, "/usr/bin/mbsync");
    attempt.succeeds_unless(command.args(["--config", &settings, "inbox"]), || {
        attempt
            .passed()
            .1
            .lines()
            .any(|line| line.starts_with("+ "))
    })
}

fn imapflow(attempt: &Attempt) -> io::Result<bool> {
    on_node(attempt, "imapflow.mjs")
}

fn nodemailer(attempt: &Attempt) -> io::Result<bool> {
    on_node(attempt, "nodemailer.mjs")
}

fn on_node(attempt: &Attempt, program: &str) -> io::Result<bool> {
    let directory = node::CLIENTS.directory(&roots::directory()?);
    attempt.succeeds(Command::new("node").arg(directory.join(program)))
}
