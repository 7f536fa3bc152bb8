//! The real command before a Dovecot, spoken to as mail servers and mail processes do.

mod app_passwords;
pub(crate) mod dovecot;
mod restarts;
mod users;

use std::fs;
use std::io::{BufRead as _, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use dovecot::Dovecot;
use gatepost_tests::mint::Issuer;
use serde_json::json;
use tempfile::TempDir;

use crate::serving::{Client, Serving, command, now};

const ALICE: &str = "alice@example.com";

/// The tables of a Gatepost that has Dovecot for everything but tokens; `%` is its directory.
const DOVECOT: &str =
    "[upstream]\nlogin = \"unix:%/dovecot/login\"\nmaster = \"unix:%/dovecot/master\"\n";

/// Those of one that has users of its own, and no Dovecot.
const USERS: &str = "[users]\ndomains = [\"example.com\"]\nuid = 5000\nhome = \"/v/%n\"\n";

/// A daemon with a directory of its own.
struct Daemon {
    root: TempDir,
    serving: Serving,
    issuer: Issuer,
}

impl Daemon {
    /// Starts it in `root`, with `tables` behind its listeners.
    fn start(root: TempDir, tables: &str) -> Self {
        Self::start_with(root, "", tables)
    }

    /// Starts it in `root`, with `top` above all tables.
    fn start_with(root: TempDir, top: &str, tables: &str) -> Self {
        let path = root.path().display().to_string();
        let issuer = Issuer::new();
        fs::write(root.path().join("jwks.json"), issuer.jwk_set().to_string()).unwrap();
        let text = format!(
            "{top}[log]\nformat = \"json\"\nlevel = \"debug\"\n{}\n\
             [[listener]]\naddress = \"unix:{path}/auth\"\n\
             [[listener]]\naddress = \"unix:{path}/gatepost-master\"\nprotocol = \"master\"\n\
             [[listener]]\naddress = \"unix:{path}/map\"\nprotocol = \"socketmap\"\nmode = \"0660\"\n\
             [[provider]]\nname = \"example\"\nissuer = \"https://id.example.com\"\naudience = [\"mail\"]\n\
             keys = [\"{path}/jwks.json\"]\nusername_claims = [\"email\"]\n",
            tables.replace("%/", &format!("{path}/"))
        );
        fs::write(root.path().join("gatepost.toml"), text).unwrap();
        let serving = serve(&root);
        Self {
            root,
            serving,
            issuer,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn connect(&self, name: &str) -> Client<UnixStream> {
        Client::unix(&self.path(name))
    }

    /// An auth client, after the greeting; and what the greeting said.
    fn auth(&self, pid: u32) -> (Client<UnixStream>, Vec<String>) {
        let mut client = self.connect("auth");
        client.send(format!("VERSION\t1\t2\nCPID\t{pid}\n"));
        let mut said = vec![client.line()];
        while said.last().is_none_or(|line| line != "DONE") {
            said.push(client.line());
        }
        (client, said)
    }

    fn master(&self) -> Client<UnixStream> {
        let mut client = self.connect("gatepost-master");
        assert_eq!(client.ask("VERSION\t1\t0\n"), "VERSION\t1\t1");
        assert_eq!(client.line(), format!("SPID\t{}", self.serving.id()));
        client
    }

    fn token(&self, id: u32) -> String {
        let claims = json!({
            "iss": "https://id.example.com", "sub": "1", "aud": "mail", "email": ALICE, "exp": now() + 600,
        });
        let token = self.issuer.sign("ES256", &claims);
        let response = STANDARD.encode(format!("user={ALICE}\x01auth=Bearer {token}\x01\x01"));
        format!("AUTH\t{id}\tXOAUTH2\tservice=imap\trip=192.0.2.7\tsecured\tresp={response}\n")
    }
}

/// Starts the command in `root`, and waits until it is ready.
fn serve(root: &TempDir) -> Serving {
    let mut serving = Serving::start(&root.path().join("gatepost.toml"));
    serving.wait_for("ready");
    serving
}

/// Asks a socketmap.
pub(crate) fn look_up(map: &mut Client<UnixStream>, request: &str) -> String {
    map.send(format!("{}:{request},", request.len()));
    let mut length = Vec::new();
    map.0.read_until(b':', &mut length).unwrap();
    let length = String::from_utf8(length).unwrap();
    let length: usize = length.trim_end_matches(':').parse().unwrap();
    let mut answer = vec![0; length + 1];
    map.0.read_exact(&mut answer).unwrap();
    assert_eq!(answer.pop(), Some(b','));
    String::from_utf8(answer).unwrap()
}

fn password(id: u32, user: &str, password: &str) -> String {
    let response = STANDARD.encode(format!("\0{user}\0{password}"));
    format!("AUTH\t{id}\tPLAIN\tservice=imap\tfuture=1\tresp={response}\n")
}

/// The cookie that a greeting gives.
fn cookie(greeting: &[String]) -> &str {
    let mut lines = greeting.iter();
    lines
        .find_map(|line| line.strip_prefix("COOKIE\t"))
        .unwrap()
}

fn with_dovecot() -> (Daemon, Dovecot) {
    with_dovecot_and(DOVECOT)
}

fn with_dovecot_and(tables: &str) -> (Daemon, Dovecot) {
    let root = TempDir::new().unwrap();
    let dovecot = Dovecot::start(root.path());
    (Daemon::start(root, tables), dovecot)
}

/// Logs in with a good password until that succeeds: Dovecot is tried again after a while.
fn log_in_again(client: &mut Client<UnixStream>) {
    for id in 1000.. {
        let answer = client.ask(password(id, "bob", "good"));
        if answer.starts_with("OK\t") {
            return;
        }
        assert!(answer == format!("FAIL\t{id}\tcode=temp_fail"), "{answer}");
    }
}

#[test]
fn tokens_and_passwords_log_in_side_by_side_and_their_mail_processes_find_them() {
    let (daemon, dovecot) = with_dovecot();
    let (mut client, greeting) = daemon.auth(77);
    let mechanisms: Vec<&str> = greeting
        .iter()
        .filter_map(|line| line.strip_prefix("MECH\t"))
        .collect();
    let expected = [
        "OAUTHBEARER\tplaintext",
        "XOAUTH2\tplaintext",
        "PLAIN\tplaintext",
        "CRAM-MD5\tdictionary",
    ];
    assert_eq!(mechanisms, expected);
    assert!(greeting.contains(&format!("SPID\t{}", daemon.serving.id())));
    assert_eq!(client.ask(daemon.token(1)), format!("OK\t1\tuser={ALICE}"));
    assert_eq!(
        client.ask(password(2, "bob", "good")),
        "OK\t2\tuser=bob\tx_new=1"
    );
    assert_eq!(client.ask(password(3, "bob", "bad")), "FAIL\t3\tuser=bob");
    assert_eq!(client.ask("AUTH\t4\tPLAIN\tprotocol=imap\n"), "CONT\t4\t");
    assert_eq!(
        client.ask("CONT\t4\tAGV2ZQBnb29k\n"),
        "OK\t4\tuser=eve\tx_new=1"
    );

    let cookie = cookie(&greeting);
    let mut master = daemon.master();
    assert_eq!(
        master.ask(format!("REQUEST\t1\t77\t1\t{}\n", "0".repeat(32))),
        "FAIL\t1"
    );
    assert_eq!(
        master.ask(format!("REQUEST\t2\t77\t1\t{cookie}\tsession_pid=5\n")),
        format!("USER\t2\t{ALICE}\tuid=8\thome=/h/{ALICE}\tauth_mech=XOAUTH2")
    );
    assert_eq!(
        master.ask(format!("REQUEST\t3\t77\t1\t{cookie}\n")),
        "FAIL\t3"
    );
    assert_eq!(
        master.ask(format!("REQUEST\t4\t77\t2\t{cookie}\tsession_pid=5\n")),
        "USER\t4\tbob\tuid=8\thome=/h/bob"
    );
    assert_eq!(
        master.ask(format!("REQUEST\t5\t77\t3\t{cookie}\n")),
        "FAIL\t5"
    );
    // Over another connection as well, as another process would.
    assert_eq!(
        daemon
            .master()
            .ask(format!("REQUEST\t1\t77\t4\t{cookie}\n")),
        "USER\t1\teve\tuid=8\thome=/h/eve"
    );
    let heard = dovecot.heard();
    assert!(
        heard.contains(&format!("USER\t2\t{ALICE}\tservice=imap\trip=192.0.2.7")),
        "{heard:?}"
    );
    assert!(heard.contains(&password(2, "bob", "good").trim_end().to_owned()));
    assert!(
        !heard.iter().any(|line| line.contains("XOAUTH2")),
        "{heard:?}"
    );
}

#[test]
fn a_password_in_single_bytes_is_a_password() {
    let (daemon, _dovecot) = with_dovecot();
    let (mut client, _) = daemon.auth(77);
    for byte in password(1, "bob", "good").bytes() {
        client.0.get_mut().write_all(&[byte]).unwrap();
    }
    assert_eq!(client.line(), "OK\t1\tuser=bob\tx_new=1");
}

#[test]
fn lookups_are_dovecot_s() {
    let (daemon, _dovecot) = with_dovecot();
    let mut master = daemon.master();
    for (asked, answer) in [
        (
            "USER\t1\tbob\tservice=lmtp\n",
            "USER\t1\tbob\tuid=8\thome=/h/bob",
        ),
        ("USER\t2\tnobody\tprotocol=lmtp\n", "NOTFOUND\t2"),
        ("PASS\t3\tbob\tservice=doveadm\n", "PASS\t3\tuser=bob"),
        ("LIST\t4\tuser=*\n", "LIST\t4\ta"),
    ] {
        assert_eq!(master.ask(asked), answer);
    }
    assert_eq!(
        (master.line(), master.line()),
        ("LIST\t4\tb".to_owned(), "DONE\t4".to_owned())
    );
}

#[test]
fn hostile_clients_are_closed_with_a_reason_and_delay_nobody() {
    let (mut daemon, _dovecot) = with_dovecot();
    let long = "A".repeat(20_000);
    let handshake = "VERSION\t1\t0\n";
    for (listener, said, message, reason) in [
        (
            "auth",
            "EHLO x\n".to_owned(),
            "connection closed: protocol error",
            "VersionExpected",
        ),
        (
            "auth",
            format!("{handshake}CPID\t1\nAUTH\t1\tPLAIN\tx={long}"),
            "connection closed: protocol error",
            "a line is longer than 16384 bytes",
        ),
        (
            "auth",
            format!("{handshake}CPID\t1\nAUTH\t1\tPLAIN\n"),
            "connection closed: protocol error",
            "AUTH without service= or protocol=",
        ),
        (
            "gatepost-master",
            "GET / HTTP/1.1\n".to_owned(),
            "connection closed: protocol error",
            "it does not speak version 1 of Dovecot's master protocol",
        ),
        (
            "gatepost-master",
            format!("{handshake}CPID\t1\n"),
            "connection closed: protocol error",
            "an auth client came to a listener for masters: give it one with protocol = \"auth\"",
        ),
        (
            "gatepost-master",
            long.clone(),
            "connection closed: protocol error",
            "a line is longer than 16384 bytes",
        ),
        (
            "map",
            "mailbox x".to_owned(),
            "connection closed: protocol error",
            "a request that is no netstring",
        ),
        (
            "map",
            "2000:".to_owned(),
            "connection closed: protocol error",
            "a request of more than 1024 bytes",
        ),
    ] {
        let mut client = daemon.connect(listener);
        client.send(said);
        while !client.line().is_empty() {}
        let event = daemon.serving.wait_for(message);
        let told = [&event["reason"], &event["error"]];
        assert!(told.contains(&&json!(reason)), "{event}");
    }
    let half: Vec<_> = (0..50)
        .map(|_| {
            let mut half = daemon.connect("gatepost-master");
            half.send("VERSION\t1");
            half
        })
        .collect();
    let mut master = daemon.master();
    assert_eq!(
        master.ask("USER\t1\tbob\tservice=lmtp\n"),
        "USER\t1\tbob\tuid=8\thome=/h/bob"
    );
    drop(half);
}

#[test]
fn the_doctor_looks_at_dovecots_sockets() {
    let (daemon, dovecot) = with_dovecot();
    let examine = || {
        let output = command("doctor", &daemon.path("gatepost.toml"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let path = daemon.path("dovecot/master").display().to_string();
    let said = examine();
    assert!(
        said.contains(&format!(
            "Dovecot's master at unix:{path} accepts connections"
        )),
        "{said}"
    );
    drop(dovecot);
    let said = examine();
    assert!(
        said.contains(&format!(
            "cannot connect to Dovecot's master at unix:{path}"
        )),
        "{said}"
    );
    assert!(
        said.contains("start Dovecot, or correct the path or its permissions"),
        "{said}"
    );
}
