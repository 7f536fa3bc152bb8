//! Where logins come from, and whose word on it counts.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::relay::dovecot::Dovecot;
use crate::serving::{Client, Serving};
use crate::sockets::handshake;

const PROVIDER: &str =
    "[[provider]]\nname = \"example\"\nissuer = \"https://127.0.0.1:1\"\naudience = \"mail\"\n";

/// A daemon of these lines, the address of its only listener, and what it said of it.
fn start(lines: &str) -> (TempDir, Serving, String, Value) {
    let root = TempDir::new().unwrap();
    let path = root.path().join("gatepost.toml");
    fs::write(
        &path,
        format!("log = {{ format = \"json\" }}\n{lines}{PROVIDER}"),
    )
    .unwrap();
    let mut serving = Serving::start(&path);
    let listening = serving.wait_for("listening");
    let address = listening["address"].as_str().unwrap();
    let (_, port) = address.rsplit_once(':').unwrap();
    let address = format!("127.0.0.1:{port}");
    serving.wait_for("ready");
    (root, serving, address, listening)
}

/// Where the log says that a login comes from whose mail server has said 192.0.2.7.
fn remote(serving: &mut Serving, address: &str) -> String {
    let mut client = handshake(Client::tcp(address));
    client.ask("AUTH\t1\tXOAUTH2\tservice=smtp\trip=192.0.2.7\tno-penalty\tresp=AAAA\n");
    let event = serving.wait_for("login");
    event["remote"].as_str().unwrap().to_owned()
}

/// Whoever reaches it could have logins held against anybody, and have a share for each address that they name.
#[test]
fn addresses_are_believed_from_this_host_or_where_a_word_says_so() {
    let beyond = "[[listener]]\naddress = \"tcp:0.0.0.0:0\"\nallow_remote = true\n";
    let loopback = "[[listener]]\naddress = \"tcp:127.0.0.1:0\"\n";
    let word = |lines: &str, word: bool| format!("{lines}trust_client_address = {word}\n");
    for (lines, is_believed) in [
        (beyond.to_owned(), false),
        (word(beyond, true), true),
        (loopback.to_owned(), true),
        (word(loopback, false), false),
    ] {
        let (_root, mut serving, address, listening) = start(&lines);
        let remote = remote(&mut serving, &address);
        let expected = if is_believed {
            "192.0.2.7"
        } else {
            "127.0.0.1:"
        };
        assert!(remote.starts_with(expected), "{lines}{remote}");
        assert_eq!(listening["trust_client_address"], is_believed, "{lines}");
    }
}

/// So it does over HTTP.
#[test]
fn addresses_in_headers_are_believed_likewise() {
    let http = "[http]\nlisten = \"tcp:0.0.0.0:0\"\nallow_remote = true\n";
    for (lines, expected) in [
        (http.to_owned(), "127.0.0.1:"),
        (
            format!("{http}trust_client_address = true\n"),
            "192.0.2.7:4711",
        ),
    ] {
        let (_root, mut serving, address, _) = start(&lines);
        let mut client = Client::tcp(&address);
        client.ask(
            "GET /userinfo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a.b\r\n\
             X-Dovecot-Auth-Remote: 192.0.2.7:4711\r\n\r\n",
        );
        let event = serving.wait_for("login");
        let remote = event["remote"].as_str().unwrap();
        assert!(remote.starts_with(expected), "{lines}{remote}");
    }
}

/// Dovecot would compare it with `allow_nets`, and hold failures against it.
#[test]
fn what_is_relayed_names_the_host_that_has_connected() {
    for (word, expected) in [
        ("false", "rip=127.0.0.1\trport="),
        ("true", "rip=192.0.2.7"),
    ] {
        let root = TempDir::new().unwrap();
        let dovecot = Dovecot::start(root.path());
        let lines = format!(
            "[upstream]\nlogin = \"unix:{}/dovecot/login\"\n[[listener]]\naddress = \"tcp:127.0.0.1:0\"\n\
             trust_client_address = {word}\n",
            root.path().display()
        );
        let (_root, _serving, address, _) = start(&lines);
        let mut client = handshake(Client::tcp(&address));
        let said =
            "service=smtp\trip=192.0.2.7\treal_rip=192.0.2.7\tno-penalty\tx=y\tresp=AGJvYgBnb29k";
        let answer = client.ask(format!("AUTH\t1\tPLAIN\t{said}\n"));
        assert!(answer.starts_with("OK\t1\tuser=bob"), "{answer}");
        let heard = dovecot.heard();
        let auth = heard
            .iter()
            .find(|line| line.starts_with("AUTH\t1\tPLAIN\t"));
        let auth = auth.unwrap();
        assert!(auth.contains(expected), "{auth}");
        assert_eq!(auth.contains("192.0.2.7"), word == "true", "{auth}");
        assert_eq!(auth.contains("no-penalty"), word == "true", "{auth}");
        assert!(auth.contains("\tservice=smtp\t") && auth.ends_with("\tx=y\tresp=AGJvYgBnb29k"));
    }
}

#[test]
fn the_doctor_says_of_what_other_hosts_reach_whom_it_believes() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("gatepost.toml");
    let said = |subcommand: &str, word: &str| {
        let listener = "[[listener]]\naddress = \"tcp:0.0.0.0:0\"\nallow_remote = true\n";
        fs::write(&path, format!("{listener}{word}{PROVIDER}")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
        command.arg(subcommand);
        if subcommand == "doctor" {
            command.arg("--config");
        }
        let output = command.arg(&path).stdin(Stdio::null()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let trust = "trust_client_address = true\n";
    let told = said("doctor", "");
    assert!(
        told.contains("coming from the host that connects"),
        "{told}"
    );
    for subcommand in ["doctor", "check-config"] {
        let told = said(subcommand, trust);
        assert!(
            told.contains("listener tcp:0.0.0.0:0: trust_client_address = true"),
            "{told}"
        );
        assert!(
            !told.contains("coming from the host that connects"),
            "{told}"
        );
    }
}
