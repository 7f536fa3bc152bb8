//! Who may push accounts beside whoever knows a secret: clients that a provider's tokens name.

use std::io::{ErrorKind, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use gatepost_tests::certificates::self_signed;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::*;

/// Clients of the provider may push, by tokens for `scim` alone.
const CLIENTS: &str =
    "[idp]\ntoken_audience = \"scim\"\ntoken_subjects = [\"pusher\", \"other-pusher\"]\n";

/// Asks for users with this token.
fn status(daemon: &Daemon, source: &str, token: &str) -> u16 {
    let head = format!(
        "GET /scim/{source}/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    );
    ask(&daemon.scim, &head, "").status
}

/// A token of the provider's with these claims.
fn token(daemon: &Daemon, changes: &Value) -> String {
    let mut claims = json!({
        "iss": "https://id.example.com", "sub": "pusher", "aud": "scim", "exp": now() + 600,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    daemon.issuer.sign("ES256", &claims)
}

#[test]
fn a_client_that_the_source_names_pushes_with_a_token_of_its_provider() {
    let mut daemon = Daemon::start_in(TempDir::new().unwrap(), CLIENTS);
    let token = token(&daemon, &json!({}));
    assert_eq!(status(&daemon, "idp", &token), 200);
    let body = json!({"schemas": [USER], "userName": "alice@example.com"}).to_string();
    let head = format!(
        "POST /scim/idp/v2/Users HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\
         Authorization: Bearer {token}\r\nContent-Type: application/scim+json\r\n",
        body.len()
    );
    ask(&daemon.scim, &head, &body).expect(201);
    let event = daemon.serving.wait_for("account changed");
    assert_eq!(event["actor"], "pusher", "{event}");
    // Secrets are good beside it.
    assert_eq!(daemon.source("idp").get("/Users").status, 200);
}

#[test]
fn a_mail_user_s_token_never_opens_scim() {
    let daemon = Daemon::start_in(TempDir::new().unwrap(), CLIENTS);
    let alice = json!({"aud": "mail", "sub": "s-1", "email": "alice@example.com"});
    for changes in [
        alice.clone(),
        json!({"aud": "mail"}),
        json!({"sub": "s-1"}),
        // A token for both is one that a mail user may hold.
        json!({"aud": ["mail", "scim"], "sub": "s-1"}),
        json!({"sub": "PUSHER"}),
        json!({"aud": "SCIM"}),
        json!({"exp": 1}),
        json!({"iss": "https://other.example.com"}),
        json!({"token_use": "id"}),
        json!({"sub": null}),
    ] {
        let token = token(&daemon, &changes);
        assert_eq!(status(&daemon, "idp", &token), 401, "{changes}");
    }
    let good = token(&daemon, &json!({}));
    assert_eq!(status(&daemon, "idp", &format!("{good}A")), 401);
    // Nor does it open another source.
    assert_eq!(status(&daemon, "other", &good), 401);
    // And SCIM's token opens no mailbox.
    let (answer, _) = daemon.log_in(
        "alice@example.com",
        &json!({"aud": "scim", "sub": "pusher"}),
    );
    assert!(answer.starts_with("FAIL\t1"), "{answer}");
    assert_eq!(status(&daemon, "idp", &good), 200);
}

#[test]
fn what_a_source_shows_is_shown_to_no_other_provider() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = elsewhere.local_addr().unwrap();
    let named = CLIENTS.replacen("[idp]\n", "[idp]\nprovider = \"example\"\n", 1);
    let lines = format!(
        "{named}[[provider]]\nname = \"elsewhere\"\naudience = \"mail\"\ntimeout_milliseconds = 100\n\
         introspection_url = \"http://{address}/introspect\"\n"
    );
    let daemon = Daemon::start_in(TempDir::new().unwrap(), &lines);
    // Such as a secret of which a part was not copied.
    assert_eq!(status(&daemon, "idp", "opaque-token"), 401);
    elsewhere.set_nonblocking(true).unwrap();
    let asked = elsewhere.accept().map(|_| ());
    assert_eq!(
        asked.map_err(|error| error.kind()),
        Err(ErrorKind::WouldBlock)
    );
    assert_eq!(status(&daemon, "idp", &token(&daemon, &json!({}))), 200);
}

/// What `/scim` answers over TLS to whoever trusts `certificate`; `None` where there is none to trust.
fn over_tls(daemon: &Daemon, certificate: &str) -> Option<String> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    roots.add(certificate).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let stream = std::net::TcpStream::connect(&daemon.scim).unwrap();
    stream
        .set_read_timeout(Some(crate::serving::PATIENCE))
        .unwrap();
    let mut stream = StreamOwned::new(client, stream);
    let request = "GET /scim/idp/v2/Users HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[test]
fn sources_are_spoken_to_over_tls_with_a_certificate_that_may_change() {
    let root = TempDir::new().unwrap();
    let [certificate, key] = ["tls.pem", "tls.key"].map(|name| root.path().join(name));
    let write = || {
        let [made, of_it] = self_signed("localhost").unwrap();
        fs::write(&key, of_it).unwrap();
        fs::write(&certificate, &made).unwrap();
        made
    };
    let first = write();
    let lines = format!("certificate = {certificate:?}\ncertificate_key = {key:?}");
    let mut daemon = Daemon::start_in(root, &lines);
    let answer = over_tls(&daemon, &first).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    // Nothing in clear, and nothing to whoever trusts another.
    let mut clear = Client::tcp(&daemon.scim);
    clear.send("GET /scim/idp/v2/Users HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut answer = Vec::new();
    let _ = clear.0.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    let [other, _] = self_signed("localhost").unwrap();
    assert_eq!(over_tls(&daemon, &other), None);
    // What cannot be used leaves the old one; between the two writes of a new one it may be seen as well.
    fs::write(&certificate, "nothing").unwrap();
    daemon
        .serving
        .wait_for("certificate not read again: the old one stays");
    assert!(over_tls(&daemon, &first).is_some());
    let second = write();
    daemon.serving.wait_for("certificate read again");
    assert!(over_tls(&daemon, &second).is_some());
    assert_eq!(over_tls(&daemon, &first), None);
}

#[test]
fn a_certificate_that_cannot_be_used_is_told_at_the_start() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("tls.pem");
    let lines = format!("certificate = {path:?}\ncertificate_key = {path:?}");
    let (configuration, _) = configure(&root, &lines);
    let told = crate::serving::refused(&configuration);
    assert!(told.contains("[accounts]: certificate "), "{told}");
    fs::write(&path, "x").unwrap();
    let told = crate::serving::refused(&configuration);
    assert!(told.contains("it holds no certificate"), "{told}");
}
