//! Logins over unix and loopback sockets, and what the daemon's operator does meanwhile.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_tests::mint::Issuer;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::serving::{Client, PATIENCE, Serving, command, now, refused};

/// A daemon with a directory of its own.
pub(crate) struct Daemon {
    pub(crate) root: TempDir,
    pub(crate) serving: Serving,
    pub(crate) issuer: Issuer,
    /// Where it listens on TCP.
    pub(crate) tcp: String,
}

impl Daemon {
    pub(crate) fn start(limits: &str) -> Self {
        Self::start_with(limits, &[])
    }

    pub(crate) fn start_with(limits: &str, environment: &[(&str, &Path)]) -> Self {
        let root = TempDir::new().unwrap();
        let issuer = Issuer::new();
        write_config(&root, limits, "mail");
        fs::write(root.path().join("jwks.json"), issuer.jwk_set().to_string()).unwrap();
        let mut command = command("serve", &root.path().join("gatepost.toml"));
        let mut serving = Serving::spawn(command.envs(environment.iter().copied()));
        let tcp = loop {
            let event = serving.wait_for("listening");
            if let Some(tcp) = event["address"].as_str().unwrap().strip_prefix("tcp:") {
                break tcp.to_owned();
            }
        };
        serving.wait_for("ready");
        Self {
            root,
            serving,
            issuer,
            tcp,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn token(&self, user: &str) -> String {
        let claims = json!({
            "iss": "https://id.example.com", "sub": "1", "aud": "mail", "email": user, "exp": now() + 600,
        });
        self.issuer.sign("ES256", &claims)
    }

    pub(crate) fn unix(&self) -> Client<UnixStream> {
        Client::unix(&self.path("auth"))
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

pub(crate) fn handshake<S: Read + Write>(mut client: Client<S>) -> Client<S> {
    while client.line() != "DONE" {}
    client.send("VERSION\t1\t0\nCPID\t4711\n");
    client
}

pub(crate) fn login<S: Read + Write>(
    client: &mut Client<S>,
    id: u32,
    user: &str,
    token: &str,
) -> String {
    client.ask(auth(id, user, token))
}

pub(crate) fn auth(id: u32, user: &str, token: &str) -> String {
    let response = STANDARD.encode(format!("user={user}\x01auth=Bearer {token}\x01\x01"));
    format!(
        "AUTH\t{id}\tXOAUTH2\tservice=smtp\tnologin\tlip=127.0.0.1\trip=192.0.2.7\tresp={response}\n"
    )
}

pub(crate) const ALICE: &str = "alice@example.com";
pub(crate) const GOOD: &str = "OK\t1\tuser=alice@example.com";

#[test]
fn a_good_token_opens_and_a_bad_one_is_told_why_over_unix_and_tcp() {
    let mut daemon = Daemon::start("");
    let token = daemon.token(ALICE);
    let mut unix = handshake(daemon.unix());
    let mut tcp = handshake(Client::tcp(&daemon.tcp));
    assert_eq!(login(&mut unix, 1, ALICE, &token), GOOD);
    assert_eq!(login(&mut tcp, 1, ALICE, &token), GOOD);
    let event = daemon.serving.wait_for("login");
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
    daemon.serving.wait_for("login");
    assert!(login(&mut unix, 2, "bob@example.com", &token).starts_with("CONT\t2\t"));
    let event = daemon.serving.wait_for("login");
    assert_eq!(
        (&event["claimed"], &event["reason"]),
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
    let mut client = handshake(daemon.unix());
    for byte in auth(1, ALICE, &daemon.token(ALICE)).bytes() {
        client.send([byte]);
    }
    assert_eq!(client.line(), GOOD);
}

#[test]
fn every_login_has_one_line_and_no_line_holds_a_token() {
    let daemon = Daemon::start("");
    let mut client = handshake(daemon.unix());
    let token = daemon.token(ALICE);
    login(&mut client, 1, ALICE, &token);
    login(
        &mut client,
        2,
        "eve\n{\"message\":\"login\"}\x1b[31m",
        &token,
    );
    login(&mut client, 3, ALICE, &token.replace('.', "-"));
    client.send("AUTH\t4\tXOAUTH2\tservice=smtp\tresp=*\n");
    assert!(client.line().contains("code=invalid_base64"));
    let endless = "A".repeat(12_292);
    client.send(format!("AUTH\t5\tXOAUTH2\tservice=smtp\tresp={endless}\n"));
    assert!(client.line().starts_with("FAIL\t5\treason="));
    let log = daemon.serving.stop();
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
    let mut client = handshake(daemon.unix());
    let old = daemon.token(ALICE);
    assert_eq!(login(&mut client, 1, ALICE, &old), GOOD);
    fs::write(daemon.path("jwks.json"), "{}").unwrap();
    daemon.serving.signal("HUP");
    let event = daemon
        .serving
        .wait_for("not reloaded: the old configuration stays");
    assert!(event["error"].as_str().unwrap().contains("jwks.json"));
    assert_eq!(login(&mut client, 1, ALICE, &old), GOOD);
    daemon.issuer = Issuer::new();
    fs::write(
        daemon.path("jwks.json"),
        daemon.issuer.jwk_set().to_string(),
    )
    .unwrap();
    daemon.serving.signal("HUP");
    daemon.serving.wait_for("reloaded");
    assert!(login(&mut client, 2, ALICE, &old).starts_with("CONT\t2\t"));
    assert_eq!(login(&mut client, 1, ALICE, &daemon.token(ALICE)), GOOD);
    write_config(&daemon.root, "", "another");
    daemon.serving.signal("HUP");
    daemon.serving.wait_for("reloaded");
    assert!(login(&mut client, 1, ALICE, &daemon.token(ALICE)).starts_with("CONT\t1\t"));
}

#[test]
fn sigterm_answers_logins_that_have_begun_and_removes_the_socket() {
    let mut daemon = Daemon::start("");
    let token = daemon.token(ALICE);
    let mut begun = handshake(daemon.unix());
    let line = auth(1, ALICE, &token);
    let (head, tail) = line.split_at(line.len() / 2);
    login(&mut begun, 9, ALICE, &token);
    daemon.serving.wait_for("login");
    begun.send(head);
    let mut idle = handshake(daemon.unix());
    login(&mut idle, 1, ALICE, &token);
    daemon.serving.wait_for("login");
    daemon.serving.signal("TERM");
    daemon.serving.wait_for("stopping");
    assert_eq!(idle.line(), "", "an idle connection is closed");
    assert!(!daemon.path("auth").exists());
    begun.send(tail);
    assert_eq!(begun.line(), GOOD);
    assert_eq!(begun.line(), "");
    assert_eq!(daemon.serving.ended().0, Some(0));
}

#[test]
fn one_connection_too_many_is_closed_and_its_place_comes_back() {
    let mut daemon = Daemon::start("[limits]\nconnections = 2\n");
    let token = daemon.token(ALICE);
    let mut first = handshake(daemon.unix());
    let mut second = handshake(daemon.unix());
    assert_eq!(daemon.unix().line(), "");
    daemon
        .serving
        .wait_for("connection closed: too many connections");
    assert_eq!(login(&mut first, 1, ALICE, &token), GOOD);
    assert_eq!(login(&mut second, 1, ALICE, &token), GOOD);
    drop(first);
    daemon.serving.wait_for("connection ended");
    // The place comes back just after the line.
    while daemon.unix().line().is_empty() {}
}

/// Strangers who reach one listener hold it full, and no other one.
#[test]
fn connections_of_one_listener_take_no_room_of_another() {
    let daemon = Daemon::start("[limits]\nconnections = 1\n");
    let _stranger = handshake(Client::tcp(&daemon.tcp));
    let mut client = handshake(daemon.unix());
    assert_eq!(login(&mut client, 1, ALICE, &daemon.token(ALICE)), GOOD);
}

#[test]
fn a_socket_is_replaced_and_the_old_daemon_leaves_the_new_one_alone() {
    let daemon = Daemon::start("");
    let config = daemon.path("newer.toml");
    let text = fs::read_to_string(daemon.path("gatepost.toml")).unwrap();
    let unix = "[[listener]]\naddress = \"unix";
    let text = text.replace(unix, "[[listener]]\ntake_over = true\naddress = \"unix");
    fs::write(&config, text).unwrap();
    let mut newer = Serving::start(&config);
    newer.wait_for("ready");
    let (path, token) = (daemon.path("auth"), daemon.token(ALICE));
    daemon.serving.stop();
    let mut client = handshake(Client::unix(&path));
    assert_eq!(login(&mut client, 1, ALICE, &token), GOOD);
}

#[test]
fn a_bad_configuration_ends_with_2_and_says_what_to_write() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("gatepost.toml");
    fs::write(&path, "compat = \"loose\"\n").unwrap();
    let told = refused(&path);
    let expected = format!(
        "{}:1: compat: write \"strict\" or \"dovecot\"",
        path.display()
    );
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
    let told = refused(&path);
    assert!(told.contains("allow_remote = true"), "{told}");
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
    assert_eq!(states().trim(), "READY=1\nSTATUS=serving example");
    daemon.serving.signal("HUP");
    let reloading = states();
    assert!(reloading.contains("RELOADING=1") && reloading.contains("MONOTONIC_USEC="));
    assert_eq!(states().trim(), "READY=1\nSTATUS=serving example");
    daemon.serving.signal("TERM");
    assert_eq!(states().trim(), "STOPPING=1");
}

#[test]
fn a_hostile_name_cannot_break_a_line_of_text() {
    let daemon = Daemon::start("");
    let config = fs::read_to_string(daemon.path("gatepost.toml")).unwrap();
    let text = config
        .replace("\"json\"", "\"text\"")
        .replace("/auth\"", "/text\"");
    fs::write(daemon.path("text.toml"), text).unwrap();
    let mut serving = Serving::start(&daemon.path("text.toml"));
    serving.line(" ready ");
    let mut client = handshake(Client::unix(&daemon.path("text")));
    let name = "eve\nINFO login user=\"root\"\x1b[31m\r";
    login(&mut client, 1, name, &daemon.token(ALICE));
    let line = serving.line(" login ");
    assert!(
        line.contains(r#"claimed="eve\nINFO login user=\"root\"\u{1b}[31m\r""#),
        "{line}"
    );
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
    let gatepost = command("serve", &daemon.path("systemd.toml"));
    let mut shell = Command::new("sh");
    shell.args(["-c", passing]).arg(gatepost.get_program());
    shell.args(gatepost.get_args()).stdin(OwnedFd::from(socket));
    let mut serving = Serving::spawn(&mut shell);
    serving.wait_for("ready");
    let mut client = handshake(Client::unix(&path));
    assert_eq!(login(&mut client, 1, ALICE, &daemon.token(ALICE)), GOOD);
    serving.stop();
    assert!(path.exists());
}
