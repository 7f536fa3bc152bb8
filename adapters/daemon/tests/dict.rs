//! The dict server of the real command, asked as Dovecot's local validation does, and as nobody should.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use gatepost_tests::mint::Issuer;
use gatepost_tests::stub::Stub;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take before the test is given up.
const PATIENCE: Duration = Duration::from_mins(1);

const HELLO: &str = "H4\t0\t0\t\toauth2keys\n";

/// A daemon with a dict, and a provider in the network.
struct Daemon {
    root: TempDir,
    child: Child,
    log: BufReader<ChildStderr>,
    lines: String,
}

impl Daemon {
    fn start(dict: &str, provider: &str) -> Self {
        let root = TempDir::new().unwrap();
        let text = format!(
            "log = {{ format = \"json\", level = \"debug\" }}\n\
             [dict]\naddress = \"unix:{}/dict\"\n{dict}\n\
             [[provider]]\nname = \"p\"\naudience = \"mail\"\n{provider}\n",
            root.path().display()
        );
        fs::write(root.path().join("gatepost.toml"), text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_gatepost"))
            .args(["serve", "--config"])
            .arg(root.path().join("gatepost.toml"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let lines = String::new();
        let mut daemon = Self {
            root,
            child,
            log,
            lines,
        };
        daemon.wait_for("ready");
        daemon
    }

    /// Reads the log up to a line with that message.
    fn wait_for(&mut self, message: &str) -> Value {
        loop {
            let mut line = String::new();
            let read = self.log.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "no {message:?} in {}", self.lines);
            self.lines += &line;
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["message"] == message {
                return event;
            }
        }
    }

    fn connect(&self) -> Client {
        let stream = UnixStream::connect(self.root.path().join("dict")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client(BufReader::new(stream))
    }

    /// Stops the daemon, and gives its whole log.
    fn stop(mut self) -> String {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", "TERM", &pid]).status();
        assert!(sent.unwrap().success());
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success());
        std::mem::take(&mut self.lines) + &rest
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client(BufReader<UnixStream>);

impl Client {
    fn send(&mut self, bytes: &[u8]) {
        // The other side may have closed, which the answer tells.
        let _ = self.0.get_mut().write_all(bytes);
    }

    /// One line; empty at the end.
    fn line(&mut self) -> String {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => panic!("{error}"),
            _ => line,
        }
    }

    fn look_up(&mut self, key: &str) -> String {
        self.send(format!("L{key}\t\n").as_bytes());
        self.line()
    }
}

fn found(issuer: &Issuer, alg: &str) -> String {
    format!("O{}\n", issuer.spki_pem(alg).replace('\n', "\x01n"))
}

/// A provider with metadata whose JWK Set holds `keys`.
fn provider(keys: &[Value]) -> Stub {
    let stub = Stub::provider().unwrap();
    stub.set_json("/jwks", &json!({"keys": keys}));
    stub
}

fn discovered(stub: &Stub) -> String {
    format!("issuer = \"{}\"\n", stub.issuer())
}

#[test]
fn keys_of_the_providers_set_are_told_to_both_versions_of_dovecot() {
    let issuer = Issuer::new();
    let mut key = issuer.jwk("ES256");
    key["kid"] = json!("hello.world/%");
    let stub = provider(&[
        key,
        issuer.jwk("RS256"),
        issuer.jwk("EdDSA"),
        issuer.jwk("HS256"),
    ]);
    let mut daemon = Daemon::start("mode = \"0666\"\n", &discovered(&stub));
    let mode = fs::metadata(daemon.root.path().join("dict"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o666);
    for hello in ["H3\t2\t0\t\toauth2keys\n", HELLO] {
        let mut client = daemon.connect();
        client.send(hello.as_bytes());
        let pem = found(&issuer, "ES256");
        assert_eq!(
            client.look_up("shared/default/ES256/hello.world%2f%25"),
            pem
        );
        assert_eq!(client.look_up("shared/webmail/ES256/default"), pem);
        assert_eq!(
            client.look_up("shared/default/RS256/RS256"),
            found(&issuer, "RS256")
        );
        for unknown in [
            "RS256/x",
            "ES384/hello.world%2f%25",
            "EdDSA/EdDSA",
            "HS256/HS256",
        ] {
            let answer = client.look_up(&format!("shared/default/{unknown}"));
            assert_eq!(answer, "N\n", "{unknown}");
        }
    }
    let event = daemon.wait_for("key looked up");
    assert_eq!(
        (&event["kid"], &event["found"]),
        (&json!("hello.world/%"), &json!(true))
    );
}

#[test]
fn a_key_that_is_not_known_yet_is_found_soon_and_the_provider_asked_once() {
    let (old, new) = (Issuer::new(), Issuer::new());
    let mut keys = [old.jwk("ES256"), new.jwk("ES256")];
    keys[0]["kid"] = json!("old");
    keys[1]["kid"] = json!("new");
    let stub = provider(&keys[..1]);
    let mut daemon = Daemon::start("", &discovered(&stub));
    stub.set_json("/jwks", &json!({"keys": keys}));
    let mut client = daemon.connect();
    client.send(HELLO.as_bytes());
    assert_eq!(client.look_up("shared/default/ES256/new"), "N\n", "at once");
    let found = found(&new, "ES256");
    while client.look_up("shared/default/ES256/new") != found {
        // Nobody writes into a pipe that nobody reads.
        daemon.wait_for("key looked up");
    }
    let asked = stub.seen("/jwks").len();
    for _ in 0..100 {
        assert_eq!(client.look_up("shared/default/ES256/other"), "N\n");
        daemon.wait_for("key looked up");
    }
    assert_eq!(stub.seen("/jwks").len(), asked, "once in a while");
}

#[test]
fn a_secret_is_told_with_a_word_that_the_log_names() {
    let issuer = Issuer::new();
    let root = TempDir::new().unwrap();
    let path = root.path().join("keys.json");
    fs::write(&path, issuer.jwk_set().to_string()).unwrap();
    let provider = format!("issuer = \"https://id.example.com\"\nkeys = [{path:?}]\n");
    let daemon = Daemon::start("secrets = true\n", &provider);
    let mut client = daemon.connect();
    client.send(HELLO.as_bytes());
    let answer = client.look_up("shared/default/HS256/HS256");
    assert!(answer.starts_with('O') && answer.len() > 40);
    let secret = answer.trim_end().trim_start_matches('O').to_owned();
    let log = daemon.stop();
    assert!(log.contains("secrets = true") && log.contains("Dovecot judges tokens"));
    assert!(!log.contains(&secret));
}

#[test]
fn a_hostile_client_is_answered_or_closed_and_disturbs_nobody() {
    let issuer = Issuer::new();
    let stub = provider(&[issuer.jwk("ES256")]);
    let daemon = Daemon::start("", &discovered(&stub));
    // They hold their connections open all the while.
    let mut half: Vec<Client> = Vec::new();
    for begun in ["", "H", HELLO, "H4\t0\t0\t\tkeys\nLshared/default/"] {
        let mut client = daemon.connect();
        client.send(begun.as_bytes());
        half.push(client);
    }
    let endless = HELLO.to_owned() + &"L".repeat(100_000);
    for hostile in [
        b"GET / HTTP/1.1\r\n".to_vec(),
        b"\x00\xff\x00\n".to_vec(),
        b"H9\t0\t0\t\tkeys\n".to_vec(),
        format!("{HELLO}{HELLO}").into_bytes(),
        endless.into_bytes(),
    ] {
        let mut client = daemon.connect();
        client.send(&hostile);
        assert_eq!(client.line(), "", "closed");
        let mut other = daemon.connect();
        other.send(HELLO.as_bytes());
        assert_eq!(
            other.look_up("shared/default/ES256/ES256"),
            found(&issuer, "ES256")
        );
    }
    let mut client = daemon.connect();
    client.send(HELLO.as_bytes());
    let endless = format!("shared/default/ES256/{}", "k".repeat(50_000));
    assert_eq!(client.look_up(&endless), "N\n");
    client.send(b"I0\t0\tshared/\n");
    assert_eq!(client.line(), "Fonly look-ups are served\n");
    assert_eq!(
        client.look_up("shared/default/ES256/ES256"),
        found(&issuer, "ES256")
    );
    let log = daemon.stop();
    assert!(!log.contains("panicked"), "{log}");
}
