//! The dict server of the real command, asked as Dovecot's local validation does, and as nobody should.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

use gatepost_tests::mint::Issuer;
use gatepost_tests::stub::Stub;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::serving::{Client, Serving};

const HELLO: &str = "H4\t0\t0\t\toauth2keys\n";

/// A daemon with a dict, and a provider in the network.
struct Daemon {
    root: TempDir,
    serving: Serving,
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
        let configuration = root.path().join("gatepost.toml");
        fs::write(&configuration, text).unwrap();
        let mut serving = Serving::start(&configuration);
        serving.wait_for("ready");
        Self { root, serving }
    }

    fn connect(&self) -> Client<UnixStream> {
        Client::unix(&self.root.path().join("dict"))
    }
}

fn look_up(client: &mut Client<UnixStream>, key: &str) -> String {
    client.ask(format!("L{key}\t\n"))
}

fn found(issuer: &Issuer, alg: &str) -> String {
    format!("O{}", issuer.spki_pem(alg).replace('\n', "\x01n"))
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
        client.send(hello);
        let pem = found(&issuer, "ES256");
        assert_eq!(
            look_up(&mut client, "shared/default/ES256/hello.world%2f%25"),
            pem
        );
        assert_eq!(look_up(&mut client, "shared/webmail/ES256/default"), pem);
        assert_eq!(
            look_up(&mut client, "shared/default/RS256/RS256"),
            found(&issuer, "RS256")
        );
        for unknown in [
            "RS256/x",
            "ES384/hello.world%2f%25",
            "EdDSA/EdDSA",
            "HS256/HS256",
        ] {
            let answer = look_up(&mut client, &format!("shared/default/{unknown}"));
            assert_eq!(answer, "N", "{unknown}");
        }
    }
    let event = daemon.serving.wait_for("key looked up");
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
    let daemon = Daemon::start("", &discovered(&stub));
    stub.set_json("/jwks", &json!({"keys": keys}));
    let mut client = daemon.connect();
    client.send(HELLO);
    assert_eq!(
        look_up(&mut client, "shared/default/ES256/new"),
        "N",
        "at once"
    );
    let found = found(&new, "ES256");
    while look_up(&mut client, "shared/default/ES256/new") != found {}
    let asked = stub.seen("/jwks").len();
    for _ in 0..100 {
        assert_eq!(look_up(&mut client, "shared/default/ES256/other"), "N");
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
    client.send(HELLO);
    let answer = look_up(&mut client, "shared/default/HS256/HS256");
    assert!(answer.starts_with('O') && answer.len() > 40);
    let secret = answer.trim_end().trim_start_matches('O').to_owned();
    let log = daemon.serving.stop();
    assert!(log.contains("secrets = true") && log.contains("Dovecot judges tokens"));
    assert!(!log.contains(&secret));
}

#[test]
fn a_hostile_client_is_answered_or_closed_and_disturbs_nobody() {
    let issuer = Issuer::new();
    let stub = provider(&[issuer.jwk("ES256")]);
    let daemon = Daemon::start("", &discovered(&stub));
    // They hold their connections open all the while.
    let mut half: Vec<Client<UnixStream>> = Vec::new();
    for begun in ["", "H", HELLO, "H4\t0\t0\t\tkeys\nLshared/default/"] {
        let mut client = daemon.connect();
        client.send(begun);
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
        other.send(HELLO);
        assert_eq!(
            look_up(&mut other, "shared/default/ES256/ES256"),
            found(&issuer, "ES256")
        );
    }
    let mut client = daemon.connect();
    client.send(HELLO);
    let endless = format!("shared/default/ES256/{}", "k".repeat(50_000));
    assert_eq!(look_up(&mut client, &endless), "N");
    client.send(b"I0\t0\tshared/\n");
    assert_eq!(client.line(), "Fonly look-ups are served");
    assert_eq!(
        look_up(&mut client, "shared/default/ES256/ES256"),
        found(&issuer, "ES256")
    );
    let log = daemon.serving.stop();
    assert!(!log.contains("panicked"), "{log}");
}
