//! Who waits for nobody: logins beside strangers on one connection, watchers beside watchers that do not read,
//! and what becomes of logins when the daemon stops.

use std::fs;
use std::io::BufReader;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_tests::mint::Issuer;
use gatepost_tests::stub::{Behaviour, Page, Stub};
use serde_json::json;
use socket2::{Domain, SockAddr, Socket, Type};
use tempfile::TempDir;

use crate::online;
use crate::serving::{Client, PATIENCE, now};

const ALICE: &str = "alice@example.com";

/// What a Dovecot says first.
const GREETING: &str =
    "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t00ff\nDONE\n";

/// A daemon that verifies JWTs by itself, and asks a stub about all other tokens.
struct Daemon {
    online: online::Daemon,
    issuer: Issuer,
    _keys: TempDir,
}

impl Daemon {
    fn start(stub: &Stub, further: &str) -> Self {
        Self::with_provider(stub, further, "")
    }

    fn with_provider(stub: &Stub, further: &str, provider: &str) -> Self {
        let root = TempDir::new().unwrap();
        let issuer = Issuer::new();
        let keys = root.path().join("jwks.json");
        fs::write(&keys, issuer.jwk_set().to_string()).unwrap();
        let text = format!(
            "{further}\n[[provider]]\nname = \"example\"\nissuer = \"https://id.example.com\"\naudience = \"mail\"\n\
             discovery = false\nkeys = [\"{}\"]\nusername_claims = [\"email\"]\n\
             introspection_url = \"{}\"\nclient_id = \"rs\"\nclient_secret = \"x\"\n{provider}",
            keys.display(),
            stub.url("/introspect")
        );
        Self {
            online: online::Daemon::start(&text),
            issuer,
            _keys: root,
        }
    }

    fn connect(&self) -> Client<TcpStream> {
        let mut client = Client::tcp(&self.online.address);
        client.send("VERSION\t1\t2\nCPID\t1\n");
        while client.line() != "DONE" {}
        client
    }

    /// A token of Alice's that keys on disk verify.
    fn jwt(&self) -> String {
        let claims = json!({
            "iss": "https://id.example.com", "aud": "mail", "sub": "1", "email": ALICE, "exp": now() + 600,
        });
        self.issuer.sign("ES256", &claims)
    }
}

fn auth(id: usize, token: &str, remote: &str) -> String {
    let response = STANDARD.encode(format!("user={ALICE}\x01auth=Bearer {token}\x01\x01"));
    format!("AUTH\t{id}\tXOAUTH2\tservice=imap\trip={remote}\tresp={response}\n")
}

/// N1: Dovecot's `imap-login` has one connection for all its clients.
#[test]
fn invariant_7_a_login_on_a_shared_connection_waits_for_no_stranger() {
    let stub = Stub::start().unwrap();
    stub.set("/introspect", Behaviour::Silence);
    let daemon = Daemon::start(&stub, "");
    let mut client = daemon.connect();
    let strangers: String = (1..=100)
        .map(|id| auth(id, &format!("opaque-{id}"), "192.0.2.1"))
        .collect();
    client.send(strangers);
    client.send(auth(101, &daemon.jwt(), "198.51.100.1"));
    // Nobody who was there before has an answer yet.
    assert_eq!(client.line(), format!("OK\t101\tuser={ALICE}"));
}

/// N9: as many watchers as there are places never read.
#[test]
fn watchers_that_do_not_read_are_closed_and_others_are_answered() {
    let stub = Stub::start().unwrap();
    let daemon = Daemon::start(&stub, "[limits]\nline_seconds = 1\n");
    let deaf: Vec<_> = (0..64)
        .map(|_| {
            let mut client = Client::tcp(&daemon.online.metrics);
            // More answers than any socket's buffers hold.
            let request = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(5_000);
            client.0.get_ref().set_nonblocking(true).unwrap();
            client.send(request);
            client
        })
        .collect();
    let until = Instant::now() + PATIENCE;
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answered = || Client::tcp(&daemon.online.metrics).ask(request);
    while !answered().starts_with("HTTP/1.1 200") {
        assert!(Instant::now() < until, "nobody is answered");
        thread::sleep(Duration::from_millis(50));
    }
    drop(deaf);
}

/// N13: Dovecot's queue of connections is full for a moment.
#[test]
fn a_dovecot_whose_queue_is_full_is_tried_again() {
    let stub = Stub::start().unwrap();
    let root = TempDir::new().unwrap();
    let path = root.path().join("client");
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    socket.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    socket.listen(0).unwrap();
    let upstream = format!("[upstream]\nclient = \"unix:{}\"\n", path.display());
    let accept = move || {
        let (stream, _) = socket.accept().unwrap();
        Client(BufReader::new(UnixStream::from(OwnedFd::from(stream))))
    };
    let first = thread::spawn(move || {
        let mut first = accept();
        first.send(GREETING);
        (first, accept)
    });
    let mut daemon = Daemon::start(&stub, &upstream);
    daemon.online.serving.wait_for("ready");
    let (_first, accept) = first.join().unwrap();
    let mut client = daemon.connect();
    // There is one place, and somebody has it.
    let other = UnixStream::connect(&path).unwrap();
    client.send("AUTH\t1\tPLAIN\tservice=smtp\tnologin\tresp=AGEAYg==\n");
    let stream = client.0.get_ref();
    stream
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    assert!(stream.peek(&mut [0]).is_err(), "{}", client.line());
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    drop((accept(), other));
    let mut relayed = accept();
    relayed.send(GREETING);
    while !relayed.line().starts_with("AUTH\t1\tPLAIN") {}
    relayed.send("OK\t1\tuser=a\n");
    assert_eq!(client.line(), "OK\t1\tuser=a");
}

/// N18: the daemon stops while a provider is silent.
#[test]
fn a_login_that_is_given_up_has_its_line() {
    let stub = Stub::start().unwrap();
    stub.set(
        "/introspect",
        Behaviour::After(
            Duration::from_secs(20),
            Page::json(200, &json!({"active": false})),
        ),
    );
    let daemon = Daemon::start(&stub, "[limits]\ndrain_seconds = 1\n");
    let mut client = daemon.connect();
    client.send(auth(1, "opaque-1", "192.0.2.1"));
    while stub.seen("/introspect").is_empty() {
        thread::sleep(Duration::from_millis(10));
    }
    let log = daemon.online.serving.stop();
    let mut lines = log
        .lines()
        .filter(|line| line.contains("\"message\":\"login\""));
    let line = lines.next().unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("\"reason\":\"abandoned\""), "{line}");
    assert!(lines.next().is_none());
}

/// N2: however many forged tokens one address has in flight, their answers wait, and no good login's does.
#[test]
fn forged_tokens_at_once_wait_as_one_after_the_other_and_delay_no_good_one() {
    let stub = Stub::start().unwrap();
    let daemon = Daemon::start(&stub, "");
    let mut client = daemon.connect();
    let forged = format!("{}A", daemon.jwt());
    let guesses: String = (1..=30).map(|id| auth(id, &forged, "192.0.2.1")).collect();
    client.send(guesses);
    client.send(auth(31, &daemon.jwt(), "192.0.2.1"));
    let first = [client.line(), client.line()];
    assert!(
        first.contains(&format!("OK\t31\tuser={ALICE}")),
        "{first:?}"
    );
}

/// N2: passwords wait before they are tried, and one that has just been refused is not tried again.
#[test]
fn wrong_passwords_at_once_are_not_all_tried_at_once() {
    let stub = Stub::start().unwrap();
    stub.set(
        "/token",
        Behaviour::Answer(Page::json(400, &json!({"error": "invalid_grant"}))),
    );
    let grant = format!("grant_url = \"{}\"\n", stub.url("/token"));
    let daemon = Daemon::with_provider(&stub, "", &grant);
    let mut client = daemon.connect();
    let plain = |id: usize, password: &str, remote: &str| {
        let response = STANDARD.encode(format!("\0{ALICE}\0{password}"));
        format!("AUTH\t{id}\tPLAIN\tservice=imap\tsecured\trip={remote}\tresp={response}\n")
    };
    let guesses: String = (1..=50)
        .map(|id| plain(id, &format!("guess-{id}"), "192.0.2.1"))
        .collect();
    client.send(guesses);
    let first = client.line();
    assert!(first.starts_with("FAIL\t"), "{first}");
    // The next waits for a second.
    assert!(stub.seen("/token").len() <= 2);
    let id = first.split('\t').nth(1).unwrap();
    let before = stub.seen("/token").len();
    client.send(plain(99, &format!("guess-{id}"), "198.51.100.1"));
    let again = client.line();
    assert!(again.starts_with("FAIL\t99\t"), "{again}");
    assert_eq!(
        stub.seen("/token").len(),
        before,
        "it was answered from memory"
    );
}

/// N5: what a provider does with strangers' tokens, which it does not know, says nothing of the others'.
#[test]
fn invariant_7_tokens_that_a_provider_fails_at_stop_nobody_elses_login() {
    let active = json!({"active": true, "aud": "mail", "email": ALICE, "exp": now() + 600});
    for behaviour in [
        Behaviour::Answer(Page::json(500, &json!({}))),
        Behaviour::Reset,
        Behaviour::Silence,
    ] {
        let stub = Stub::start().unwrap();
        let text = format!(
            "[[provider]]\nname = \"example\"\nissuer = \"https://id.example.com\"\naudience = \"mail\"\n\
             discovery = false\nvalidate = \"online\"\nusername_claims = [\"email\"]\n\
             tokeninfo_url = \"{}\"\ntimeout_milliseconds = 300\n",
            stub.url("/info/")
        );
        let daemon = online::Daemon::start(&text);
        let mut client = Client::tcp(&daemon.address);
        client.send("VERSION\t1\t2\nCPID\t1\n");
        while client.line() != "DONE" {}
        let mut id = 0;
        for round in 0..12 {
            let good = format!("good-{round}");
            stub.set_json(&format!("/info/{good}"), &active);
            id += 1;
            client.send(auth(id, &good, "198.51.100.1"));
            assert_eq!(
                client.line(),
                format!("OK\t{id}\tuser={ALICE}"),
                "{behaviour:?} {round}"
            );
            for _ in 0..10 {
                id += 1;
                let junk = format!("junk-{id}");
                stub.set(&format!("/info/{junk}"), behaviour.clone());
                client.send(auth(id, &junk, "192.0.2.1"));
            }
            for _ in 0..10 {
                assert!(client.line().starts_with("FAIL\t"));
            }
        }
    }
}

/// N4: whoever waits for a slow provider's turn is not late.
#[test]
fn a_burst_of_good_tokens_is_taken_as_fast_as_its_provider_answers() {
    let stub = Stub::start().unwrap();
    let active = json!({"active": true, "aud": "mail", "email": ALICE, "exp": now() + 600});
    let page = Page::json(200, &active);
    stub.set(
        "/introspect",
        Behaviour::After(Duration::from_millis(500), page),
    );
    let daemon = Daemon::start(&stub, "");
    let mut client = daemon.connect();
    let burst: String = (1..=280)
        .map(|id| auth(id, &format!("opaque-{id}"), "192.0.2.1"))
        .collect();
    client.send(burst);
    for _ in 1..=280 {
        let line = client.line();
        assert!(line.starts_with("OK\t"), "{line}");
    }
}
