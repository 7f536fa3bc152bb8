//! What `gatepost doctor` finds where a source would push to.

use std::io::Write as _;
use std::process::Stdio;

use gatepost_tests::stub::Stub;

use super::*;
use crate::serving::command;

/// What it says, and its exit code, of a configuration with one source, whose endpoint is `url`.
fn doctor(url: &str, input: &str) -> (String, Option<i32>) {
    let root = TempDir::new().unwrap();
    let (path, _) = configure(&root, "");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace("https://mail.example.com/scim/idp/v2", url);
    let (first, _) = text
        .split_once("[[accounts.source]]\nname = \"other\"")
        .unwrap();
    fs::write(&path, first).unwrap();
    let mut child = command("doctor", &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (said, output.status.code())
}

#[track_caller]
fn check(url: &str, input: &str, expected: &[&str], code: i32) {
    let (said, status) = doctor(url, input);
    for words in expected {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
    assert_eq!(status, Some(code), "{said}");
}

#[test]
fn the_doctor_calls_the_endpoint_as_the_source_would() {
    let daemon = Daemon::start();
    let idp = daemon.source("idp");
    idp.create("alice@example.com");
    let url = |path: &str| format!("http://{}{path}", daemon.scim);
    let endpoint = url("/scim/idp/v2");
    let asks = "ok     source \"idp\": its endpoint asks for a secret";
    check(
        &endpoint,
        "",
        &[asks, "note   give the source's secret on standard input"],
        0,
    );
    let opens = "ok     source \"idp\": the secret opens its endpoint, where 1 user is known";
    check(&endpoint, &idp.secret, &[asks, opens], 0);
    // Another's secret, and what nobody has.
    let unknown = BearerSecret::from_random([9; 32]).reveal().to_owned();
    for secret in [&daemon.source("other").secret, &unknown] {
        let (said, code) = doctor(&endpoint, secret);
        assert!(
            said.contains("WRONG  source \"idp\": the secret does not open its endpoint"),
            "{said}"
        );
        assert!(said.contains("gatepost scim-source"), "{said}");
        assert!(!said.contains(secret.as_str()), "{said}");
        assert_eq!(code, Some(1));
    }
    // A proxy that changes the path, or the URL of a source that is not there.
    for path in ["/scim/nobody/v2", "/idp/v2"] {
        let expected = [
            "WRONG  source \"idp\": there is no endpoint at",
            "the proxy",
        ];
        check(&url(path), "", &expected, 1);
    }
}

#[test]
fn the_doctor_tells_who_else_answers_where_the_source_would_push_to() {
    let stub = Stub::start().unwrap();
    stub.set_json(
        "/v2/ServiceProviderConfig",
        &json!({"patch": {"supported": true}}),
    );
    let expected = [
        "WRONG  source \"idp\": somebody else answers 200 at",
        "public_url",
    ];
    check(&stub.url("/v2"), "", &expected, 1);
    check(
        &stub.url("/v3"),
        "",
        &["WRONG  source \"idp\": somebody else answers 404 at"],
        1,
    );
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let expected = [
        "WRONG  source \"idp\": nothing answers at",
        "start it, or correct host and port",
    ];
    check(&format!("http://{nobody}/scim/idp/v2"), "", &expected, 1);
}
