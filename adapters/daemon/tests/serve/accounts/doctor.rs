//! What `gatepost doctor` finds where a source would push to.

use std::io::Write as _;
use std::process::Stdio;

use gatepost_tests::stub::{Behaviour, Page, Stub};

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
    run(&path, input)
}

/// The same of a source that is pulled, as these lines say.
fn doctor_of_pull(lines: &str, secret: &str) -> (String, Option<i32>) {
    let root = TempDir::new().unwrap();
    let (path, _) = configure(&root, "");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("listen = \"tcp:127.0.0.1:0\"\n\n").unwrap();
    let (_, local) = rest
        .split_once("[[accounts.source]]\nname = \"local\"")
        .unwrap();
    let file = root.path().join("provider.secret");
    fs::write(&file, secret).unwrap();
    let lines = lines.replace("FILE", &file.display().to_string());
    let text = format!(
        "{before}[[accounts.source]]\nname = \"local\"{local}\n[[accounts.pull]]\nsource = \"local\"\n{lines}"
    );
    fs::write(&path, text).unwrap();
    run(&path, "")
}

fn run(path: &std::path::Path, input: &str) -> (String, Option<i32>) {
    let mut child = command("doctor", path)
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
fn the_doctor_reads_a_provider_s_first_page_as_the_daemon_would() {
    let stub = Stub::start().unwrap();
    let list = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": 0});
    let set = |page: Page| stub.set("/scim/Users", Behaviour::Answer(page));
    let lines = format!("url = \"{}\"\nsecret_file = \"FILE\"\n", stub.url("/scim"));
    let check = |lines: &str, expected: &[&str], code: i32| {
        let (said, status) = doctor_of_pull(lines, "of-the-provider-s");
        for words in expected {
            assert!(said.contains(words), "no {words:?} in {said}");
        }
        assert!(!said.contains("of-the-provider-s"), "{said}");
        assert_eq!(status, Some(code), "{said}");
    };
    set(Page::json(200, &list));
    check(
        &lines,
        &["ok     pull of \"local\": its provider lists users at"],
        0,
    );
    let seen = &stub.seen("/scim/Users")[0];
    assert_eq!(seen.headers["authorization"], "Bearer of-the-provider-s");
    assert!(
        seen.target.ends_with("?startIndex=1&count=100"),
        "{}",
        seen.target
    );
    for (page, expected) in [
        (
            Page::json(401, &json!({})),
            ["the answer's status is 401", "secret_file"],
        ),
        (
            Page::json(403, &json!({})),
            ["the answer's status is 403", "read users"],
        ),
        (
            Page::json(404, &json!({})),
            ["the answer's status is 404", "correct url"],
        ),
        (
            Page::json(503, &json!({})),
            ["the answer's status is 503", "its log"],
        ),
        (
            Page::of(200, "text/html", "<html>"),
            ["is no list of SCIM's", "correct url"],
        ),
    ] {
        set(page);
        check(
            &lines,
            &["WRONG  pull of \"local\": ", expected[0], expected[1]],
            1,
        );
    }
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let lines = format!("url = \"http://{nobody}/scim\"\nsecret_file = \"FILE\"\n");
    check(
        &lines,
        &[
            "WRONG  pull of \"local\": ",
            "start it, or correct host and port",
        ],
        1,
    );
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
