//! What is said of a provider that cannot be reached: each fault by itself, with what to write.

use std::fs;
use std::net::TcpListener;
use std::process::Stdio;

use gatepost_tests::stub::Stub;
use gatepost_tests::tls::{Presented, TlsServer};
use tempfile::TempDir;

use crate::serving::{Serving, command};

/// What `doctor` says of a provider of this issuer, and what the daemon's log says of it.
fn told(issuer: &str, authority: Option<&str>) -> (String, String) {
    let root = TempDir::new().unwrap();
    let path = root.path().join("gatepost.toml");
    let mut text = format!(
        "listen = \"tcp:127.0.0.1:0\"\n[log]\nformat = \"json\"\n[[provider]]\nname = \"p\"\n\
         issuer = \"{issuer}\"\naudience = \"mail\"\ntimeout_milliseconds = 1000\n"
    );
    if let Some(authority) = authority {
        let file = root.path().join("ca.pem");
        fs::write(&file, authority).unwrap();
        text = format!("{text}ca_file = \"{}\"\n", file.display());
    }
    fs::write(&path, text).unwrap();
    let output = command("doctor", &path)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let mut serving = Serving::start(&path);
    serving.wait_for("ready");
    let log = serving.stop();
    (said, log)
}

/// Both say that the provider has this fault, and what to write.
#[track_caller]
fn check(issuer: &str, authority: Option<&str>, fault: &str, advice: &str) {
    let (said, log) = told(issuer, authority);
    for expected in [fault, advice] {
        assert!(said.contains(expected), "{expected}\n{said}");
        assert!(log.contains(expected), "{expected}\n{log}");
    }
    assert!(said.contains("WRONG"), "{said}");
}

#[track_caller]
fn check_presented(presented: Presented, fault: &str, advice: &str) {
    let server = TlsServer::start(presented).unwrap();
    check(&server.issuer(), Some(server.authority()), fault, advice);
}

/// A4
#[test]
fn an_authority_that_is_not_known_here() {
    let server = TlsServer::start(Presented::Good).unwrap();
    let (fault, advice) = (
        "its certificate is of an authority that is not trusted here",
        "write ca_file",
    );
    check(&server.issuer(), None, fault, advice);
    let other = TlsServer::start(Presented::Good).unwrap();
    check(&server.issuer(), Some(other.authority()), fault, advice);
    let (said, _) = told(&server.issuer(), Some(server.authority()));
    assert!(said.contains("answers 404"), "{said}");
}

/// A4
#[test]
fn a_certificate_that_vouches_for_itself() {
    let server = TlsServer::start(Presented::SelfSigned).unwrap();
    for authority in [None, Some(server.authority())] {
        check(
            &server.issuer(),
            authority,
            "its certificate is self-signed",
            "write ca_file with that certificate",
        );
    }
    // The advice helps.
    let (said, _) = told(&server.issuer(), Some(server.certificate()));
    assert!(said.contains("answers 404"), "{said}");
}

/// A4: as `openssl req -x509` makes it, naming it as an authority would not help.
#[test]
fn a_certificate_of_an_authority_in_a_servers_place() {
    let server = TlsServer::start(Presented::SelfSignedAuthority).unwrap();
    for authority in [None, Some(server.certificate())] {
        check(
            &server.issuer(),
            authority,
            "its certificate is self-signed as an authority",
            "basicConstraints = CA:FALSE",
        );
    }
}

/// A4
#[test]
fn a_certificate_out_of_its_time() {
    check_presented(
        Presented::Expired,
        "its certificate has expired",
        "have it renewed",
    );
    check_presented(
        Presented::NotYetValid,
        "its certificate is not valid yet",
        "set this host's clock",
    );
}

/// A4
#[test]
fn a_certificate_for_another_name() {
    check_presented(
        Presented::ForAnotherName,
        "its certificate is for another name",
        "write the name that the certificate has",
    );
}

/// A4
#[test]
fn a_server_that_does_not_speak_tls() {
    check_presented(Presented::Clear, "it does not speak TLS", "write http://");
}

/// A4
#[test]
fn a_server_that_wants_to_know_who_asks() {
    check_presented(
        Presented::WantsClientCertificate,
        "it refuses our client certificate, or wants one",
        "write client_certificate and client_key",
    );
}

/// A4
#[test]
fn a_server_that_closes_or_says_nothing() {
    check_presented(
        Presented::Closes,
        "it closes the connection during the TLS handshake",
        "look into its log",
    );
    check_presented(Presented::Silent, "no connection in time", "a firewall");
    check_presented(Presented::Full, "no connection in time", "a firewall");
}

/// A4
#[test]
fn a_name_without_an_address() {
    check(
        "https://no-such-host.invalid",
        None,
        "its name does not resolve",
        "correct the name",
    );
}

/// A4
#[test]
fn a_port_at_which_nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    check(
        &format!("https://{port}"),
        None,
        "nothing listens there",
        "correct host and port",
    );
}

/// A4: an answer that takes too long is no firewall's fault.
#[test]
fn an_answer_that_does_not_come() {
    use gatepost_tests::stub::Behaviour;
    let stub = Stub::start().unwrap();
    stub.set("/.well-known/openid-configuration", Behaviour::Silence);
    check(
        &stub.issuer(),
        None,
        "no answer in time",
        "raise timeout_milliseconds",
    );
    stub.set("/.well-known/openid-configuration", Behaviour::Reset);
    check(
        &stub.issuer(),
        None,
        "the connection broke off",
        "look into its log",
    );
}
