//! The real command, spoken to as mail servers do, over unix and loopback sockets.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_tests::mint::Issuer;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take before the test is given up.
const PATIENCE: Duration = Duration::from_mins(1);

/// A daemon with a directory of its own.
struct Daemon {
    root: TempDir,
    child: Child,
    log: BufReader<ChildStderr>,
    lines: Vec<String>,
    issuer: Issuer,
    /// Where it listens on TCP.
    tcp: String,
}

impl Daemon {
    fn start(limits: &str) -> Self {
        Self::start_with(limits, &[])
    }

    fn start_with(limits: &str, environment: &[(&str, &std::path::Path)]) -> Self {
        let root = TempDir::new().unwrap();
        let issuer = Issuer::new();
        write_config(&root, limits, "mail");
        fs::write(root.path().join("jwks.json"), issuer.jwk_set().to_string()).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_gatepost"))
            .args(["serve", "--config"])
            .arg(root.path().join("gatepost.toml"))
            .envs(environment.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut daemon = Self {
            root,
            child,
            log,
            lines: Vec::new(),
            issuer,
            tcp: String::new(),
        };
        while daemon.tcp.is_empty() {
            let event = daemon.wait_for("listening");
            let tcp = event["address"]
                .as_str()
                .and_then(|a| a.strip_prefix("tcp:"));
            tcp.unwrap_or_default().clone_into(&mut daemon.tcp);
        }
        daemon.wait_for("ready");
        daemon
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Reads the log up to a line with that message.
    fn wait_for(&mut self, message: &str) -> Value {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.log.read_line(&mut line).unwrap(),
                0,
                "no {message:?} in {:?}",
                self.lines
            );
            self.lines.push(line.clone());
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["message"] == message {
                return event;
            }
        }
    }

    fn connect(&self) -> Client<UnixStream> {
        let stream = UnixStream::connect(self.path("auth")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client::new(stream)
    }

    fn connect_tcp(&self) -> Client<TcpStream> {
        let stream = TcpStream::connect(&self.tcp).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client::new(stream)
    }

    fn token(&self, user: &str) -> String {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let claims = json!({
            "iss": "https://id.example.com", "sub": "1", "aud": "mail", "email": user, "exp": now + 600,
        });
        self.issuer.sign("ES256", &claims)
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Stops the daemon, and gives its whole log.
    fn stop(mut self) -> (Option<i32>, String) {
        self.signal("TERM");
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        (
            self.child.wait().unwrap().code(),
            self.lines.concat() + &rest,
        )
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_config(root: &TempDir, limits: &str, audience: &str) {
    let path = root.path().display();
    let text = format!(
        "[log]\nformat = \"json\"\nlevel = \"debug\"\n{limits}\n\
         [[listener]]\naddress = \"unix:{path}/auth\"\nmode = \"0660\"\n\
         [[listener]]\naddress = \"tcp:127.0.0.1:0\"\n\
         [[provider]]\nname = \"example\"\nissuer = \"https://id.example.com\"\naudience = [\"{audience}\"]\n\
         keys = [\"{path}/jwks.json\"]\nusername_claims = [\"email\"]\n"
    );
    fs::write(root.path().join("gatepost.toml"), text).unwrap();
}

/// A process that ends with its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Client<S> {
    stream: BufReader<S>,
}

impl<S: Read + Write> Client<S> {
    fn new(stream: S) -> Self {
        Self {
            stream: BufReader::new(stream),
        }
    }

    fn send(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// One line, without its end; empty at the end of the stream.
    fn line(&mut self) -> String {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => panic!("{error}"),
            _ => line.trim_end().to_owned(),
        }
    }

    fn handshake(mut self) -> Self {
        while self.line() != "DONE" {}
        self.send("VERSION\t1\t0\nCPID\t4711\n");
        self
    }

    fn login(&mut self, id: u32, user: &str, token: &str) -> String {
        self.send(&auth(id, user, token));
        self.line()
    }
}

fn auth(id: u32, user: &str, token: &str) -> String {
    let response = STANDARD.encode(format!("user={user}\x01auth=Bearer {token}\x01\x01"));
    format!(
        "AUTH\t{id}\tXOAUTH2\tservice=smtp\tnologin\tlip=127.0.0.1\trip=192.0.2.7\tresp={response}\n"
    )
}

const ALICE: &str = "alice@example.com";
const GOOD: &str = "OK\t1\tuser=alice@example.com";

#[test]
fn a_good_token_opens_and_a_bad_one_is_told_why_over_unix_and_tcp() {
    let mut daemon = Daemon::start("");
    let token = daemon.token(ALICE);
    let mut unix = daemon.connect().handshake();
    let mut tcp = daemon.connect_tcp().handshake();
    assert_eq!(unix.login(1, ALICE, &token), GOOD);
    assert_eq!(tcp.login(1, ALICE, &token), GOOD);
    let event = daemon.wait_for("login");
    assert_eq!(
        (&event["user"], &event["verdict"]),
        (&json!(ALICE), &json!("accept"))
    );
    assert_eq!(
        (&event["provider"], &event["kid"]),
        (&json!("example"), &json!("ES256"))
    );
    assert_eq!(
        (&event["remote"], &event["service"]),
        (&json!("192.0.2.7"), &json!("smtp"))
    );
    daemon.wait_for("login");
    assert!(
        unix.login(2, "bob@example.com", &token)
            .starts_with("CONT\t2\t")
    );
    let event = daemon.wait_for("login");
    assert_eq!(
        (&event["user"], &event["reason"]),
        (&json!("bob@example.com"), &json!("wrong_user"))
    );
    unix.send("CONT\t2\t\n");
    assert!(
        unix.line()
            .starts_with("FAIL\t2\tuser=bob@example.com\tcode=authz_fail\treason=")
    );
    let mode = fs::metadata(daemon.path("auth"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
}

#[test]
fn a_login_in_single_bytes_is_a_login() {
    let daemon = Daemon::start("");
    let mut client = daemon.connect().handshake();
    for byte in auth(1, ALICE, &daemon.token(ALICE)).bytes() {
        client.stream.get_mut().write_all(&[byte]).unwrap();
    }
    assert_eq!(client.line(), GOOD);
}

#[test]
fn every_login_has_one_line_and_no_line_holds_a_token() {
    let daemon = Daemon::start("");
    let mut client = daemon.connect().handshake();
    let token = daemon.token(ALICE);
    client.login(1, ALICE, &token);
    client.login(2, "eve\n{\"message\":\"login\"}\x1b[31m", &token);
    client.login(3, ALICE, &token.replace('.', "-"));
    client.send("AUTH\t4\tXOAUTH2\tservice=smtp\tresp=*\n");
    assert!(client.line().contains("code=invalid_base64"));
    let endless = "A".repeat(12_292);
    client.send(&format!("AUTH\t5\tXOAUTH2\tservice=smtp\tresp={endless}\n"));
    assert!(client.line().starts_with("FAIL\t5\treason="));
    let (status, log) = daemon.stop();
    assert_eq!(status, Some(0));
    let events = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let logins: Vec<Value> = events.filter(|event| event["message"] == "login").collect();
    assert_eq!(logins.len(), 5, "{log}");
    for part in token.split('.').chain(["AAAAAAAAAAAAAAAA"]) {
        assert!(!log.contains(part), "a part of a token is in the log");
    }
}

#[test]
fn sighup_takes_new_keys_and_keeps_the_old_ones_where_the_new_are_bad() {
    let mut daemon = Daemon::start("");
    let mut client = daemon.connect().handshake();
    let old = daemon.token(ALICE);
    assert_eq!(client.login(1, ALICE, &old), GOOD);
    fs::write(daemon.path("jwks.json"), "{}").unwrap();
    daemon.signal("HUP");
    let event = daemon.wait_for("not reloaded: the old configuration stays");
    assert!(event["error"].as_str().unwrap().contains("jwks.json"));
    assert_eq!(client.login(1, ALICE, &old), GOOD);
    daemon.issuer = Issuer::new();
    fs::write(
        daemon.path("jwks.json"),
        daemon.issuer.jwk_set().to_string(),
    )
    .unwrap();
    daemon.signal("HUP");
    daemon.wait_for("reloaded");
    assert!(client.login(2, ALICE, &old).starts_with("CONT\t2\t"));
    assert_eq!(client.login(1, ALICE, &daemon.token(ALICE)), GOOD);
    write_config(&daemon.root, "", "another");
    daemon.signal("HUP");
    daemon.wait_for("reloaded");
    assert!(
        client
            .login(1, ALICE, &daemon.token(ALICE))
            .starts_with("CONT\t1\t")
    );
}

#[test]
fn sigterm_answers_logins_that_have_begun_and_removes_the_socket() {
    let mut daemon = Daemon::start("");
    let token = daemon.token(ALICE);
    let mut begun = daemon.connect().handshake();
    let line = auth(1, ALICE, &token);
    let (head, tail) = line.split_at(line.len() / 2);
    begun.login(9, ALICE, &token);
    daemon.wait_for("login");
    begun.send(head);
    let mut idle = daemon.connect().handshake();
    idle.login(1, ALICE, &token);
    daemon.wait_for("login");
    daemon.signal("TERM");
    daemon.wait_for("stopping");
    assert_eq!(idle.line(), "", "an idle connection is closed");
    assert!(!daemon.path("auth").exists());
    begun.send(tail);
    assert_eq!(begun.line(), GOOD);
    assert_eq!(begun.line(), "");
    assert_eq!(daemon.child.wait().unwrap().code(), Some(0));
}

#[test]
fn one_connection_too_many_is_closed_and_its_place_comes_back() {
    let mut daemon = Daemon::start("[limits]\nconnections = 2\n");
    let token = daemon.token(ALICE);
    let mut first = daemon.connect().handshake();
    let mut second = daemon.connect().handshake();
    assert_eq!(daemon.connect().line(), "");
    daemon.wait_for("connection closed: too many connections");
    assert_eq!(first.login(1, ALICE, &token), GOOD);
    assert_eq!(second.login(1, ALICE, &token), GOOD);
    drop(first);
    daemon.wait_for("connection ended");
    // The place comes back just after the line.
    while daemon.connect().line().is_empty() {}
}

#[test]
fn a_socket_is_replaced_and_the_old_daemon_leaves_the_new_one_alone() {
    let daemon = Daemon::start("");
    let newer = Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args(["serve", "--config"])
        .arg(daemon.path("gatepost.toml"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut newer = Killed(newer);
    let mut log = BufReader::new(newer.0.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("\"ready\"") {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0);
    }
    let (path, token) = (daemon.path("auth"), daemon.token(ALICE));
    daemon.signal("TERM");
    let mut daemon = daemon;
    assert_eq!(daemon.child.wait().unwrap().code(), Some(0));
    let mut client = Client::new(UnixStream::connect(path).unwrap()).handshake();
    assert_eq!(client.login(1, ALICE, &token), GOOD);
}

#[test]
fn a_bad_configuration_ends_with_2_and_says_what_to_write() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("gatepost.toml");
    fs::write(&path, "compat = \"loose\"\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args(["serve", "--config"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    let expected = format!("{}:1: unknown variant `loose`", path.display());
    assert!(told.contains(&expected), "{told}");
}

#[test]
fn an_address_beyond_loopback_needs_a_word() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("gatepost.toml");
    let keys = root.path().join("jwks.json");
    fs::write(&keys, Issuer::new().jwk_set().to_string()).unwrap();
    let text = format!(
        "[[listener]]\naddress = \"tcp:0.0.0.0:0\"\n[[provider]]\nname = \"p\"\nissuer = \"i\"\n\
         audience = [\"mail\"]\nkeys = [{keys:?}]\n"
    );
    fs::write(&path, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args(["serve", "--config"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("allow_remote = true")
    );
}

#[test]
fn systemd_is_told_when_the_daemon_is_ready_reloads_and_stops() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("notify");
    let notified = UnixDatagram::bind(&path).unwrap();
    notified.set_read_timeout(Some(PATIENCE)).unwrap();
    let states = || {
        let mut message = [0; 256];
        let length = notified.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let daemon = Daemon::start_with("", &[("NOTIFY_SOCKET", &path)]);
    assert_eq!(states().trim(), "READY=1");
    daemon.signal("HUP");
    let reloading = states();
    assert!(reloading.contains("RELOADING=1") && reloading.contains("MONOTONIC_USEC="));
    assert_eq!(states().trim(), "READY=1");
    daemon.signal("TERM");
    assert_eq!(states().trim(), "STOPPING=1");
}

#[test]
fn a_hostile_name_cannot_break_a_line_of_text() {
    let mut daemon = Daemon::start("");
    let config = fs::read_to_string(daemon.path("gatepost.toml")).unwrap();
    let text = config
        .replace("\"json\"", "\"text\"")
        .replace("/auth\"", "/text\"");
    fs::write(daemon.path("text.toml"), text).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args(["serve", "--config"])
        .arg(daemon.path("text.toml"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Killed(child);
    let mut log = BufReader::new(child.0.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(" ready ") {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0);
    }
    let stream = UnixStream::connect(daemon.path("text")).unwrap();
    let mut client = Client::new(stream).handshake();
    client.login(
        1,
        "eve\nINFO login user=\"root\"\x1b[31m\r",
        &daemon.token(ALICE),
    );
    line.clear();
    log.read_line(&mut line).unwrap();
    assert!(
        line.contains(r#"user="eve\nINFO login user=\"root\"\u{1b}[31m\r""#),
        "{line}"
    );
    daemon.signal("TERM");
    daemon.wait_for("stopped");
}

#[test]
fn a_socket_of_systemd_is_served_and_its_path_left_alone() {
    let daemon = Daemon::start("");
    let path = daemon.path("inherited");
    let socket = UnixListener::bind(&path).unwrap();
    let config = fs::read_to_string(daemon.path("gatepost.toml")).unwrap();
    let unix = format!(
        "\"unix:{}\"\nmode = \"0660\"",
        daemon.path("auth").display()
    );
    let config = config.replace(&unix, "\"systemd:mail\"");
    fs::write(daemon.path("systemd.toml"), config).unwrap();
    let passing = "exec 3<&0; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=mail exec \"$0\" \"$@\"";
    let child = Command::new("sh")
        .args([
            "-c",
            passing,
            env!("CARGO_BIN_EXE_gatepost"),
            "serve",
            "--config",
        ])
        .arg(daemon.path("systemd.toml"))
        .stdin(OwnedFd::from(socket))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Killed(child);
    let mut log = BufReader::new(child.0.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("\"ready\"") {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0);
    }
    let mut client = Client::new(UnixStream::connect(&path).unwrap()).handshake();
    assert_eq!(client.login(1, ALICE, &daemon.token(ALICE)), GOOD);
    let pid = child.0.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
    assert!(path.exists());
}
