//! What is said of answers that cannot be used: where they came from, and what is wrong with them (J8).

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use gatepost_tests::stub::{Behaviour, Page, Stub};
use tempfile::TempDir;

use crate::online::{Daemon, log_in};
use crate::serving::command;

const TOKEN: &str = "an-opaque-token-that-no-log-may-hold";

fn provider(stub: &Stub) -> String {
    format!(
        "[[provider]]\nname = \"p\"\nintrospection_url = \"{}\"\nclient_id = \"rs\"\n\
         client_secret = \"the-secret-of-the-client\"\naudience = \"mail\"\n",
        stub.url("/introspect?tenant=a")
    )
}

/// What `doctor` says of a token.
fn doctor(stub: &Stub) -> String {
    let root = TempDir::new().unwrap();
    let path = root.path().join("gatepost.toml");
    let text = format!("listen = \"tcp:127.0.0.1:0\"\n{}", provider(stub));
    fs::write(&path, text).unwrap();
    let mut child = command("doctor", &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(TOKEN.as_bytes()).unwrap();
    drop(stdin);
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

/// The daemon's log has one line of three logins, and `doctor` says the same.
#[track_caller]
fn check(page: Page, expected: &[&str]) {
    let stub = Stub::start().unwrap();
    stub.set("/introspect", Behaviour::Answer(page));
    let daemon = Daemon::start(&provider(&stub));
    for _ in 0..3 {
        let found = log_in(&daemon.address, "XOAUTH2", "a@b.test", TOKEN);
        assert!(found.last.contains("code=temp_fail"), "{found:?}");
    }
    let log = daemon.serving.stop();
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("answer not usable"))
        .collect();
    let [line] = *lines else {
        panic!("one line of {lines:#?} in {log}");
    };
    // The log is JSON.
    let line = line.replace("\\\"", "\"");
    let said = doctor(&stub);
    let place = stub.url("/introspect");
    for expected in expected.iter().chain(&["introspection", &*place]) {
        assert!(line.contains(expected), "{expected}\n{line}");
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    for secret in [TOKEN, "the-secret-of-the-client", "tenant=a"] {
        assert!(!line.contains(secret) && !said.contains(secret), "{secret}");
    }
}

#[test]
fn a_status_that_says_nothing_of_the_token() {
    for (status, expected) in [
        (301, "it redirects"),
        (308, "it redirects"),
        (404, "there is no such endpoint"),
        (405, "it takes another method"),
        (415, "it takes another content type"),
        (500, "it fails"),
    ] {
        check(
            Page::of(status, "text/plain", ""),
            &[&status.to_string(), expected],
        );
    }
    let busy = Page::of(429, "text/plain", "").with("Retry-After: 120");
    check(busy, &["429", "it is asked too often"]);
}

#[test]
fn credentials_that_are_refused() {
    for status in [400, 401] {
        let body = "{\"error\":\"invalid_client\"}";
        check(
            Page::of(status, "application/json", body),
            &[
                &status.to_string(),
                "invalid_client",
                "correct client_id and client_secret",
            ],
        );
    }
    let body = "{\"error\":\"invalid_request\"}";
    check(
        Page::of(400, "application/json", body),
        &["400", "invalid_request"],
    );
}

#[test]
fn a_body_that_is_no_answer() {
    let json = "application/json";
    for (content_type, body, expected) in [
        ("text/html", "<html>", "text/html"),
        (json, "\u{feff}{\"active\":true}", "byte order mark"),
        (json, "{\"active\":true,", "is not JSON"),
        (json, "[]", "no JSON object"),
        (
            json,
            "{\"active\":true,\"scope\":\"a\",\"scope\":\"b\"}",
            "member \"scope\" occurs twice",
        ),
        (json, "{\"aud\":\"mail\"}", "member \"active\" is missing"),
        (
            json,
            "{\"active\":\"yes\"}",
            "member \"active\" is neither true nor false",
        ),
        // Some answer 200 whatever comes of the question.
        (json, "{\"error\":\"invalid_client\"}", "invalid_client"),
        (
            json,
            "{\"error\":\"invalid_scope\"}",
            "it refuses the question (invalid_scope)",
        ),
        (
            json,
            "{\"ok\":false,\"error\":\"ratelimited\"}",
            "it is asked too often",
        ),
        (json, "{\"error\":\"server_error\"}", "it fails"),
        (json, "{\"error\":{\"code\":2}}", "it refuses the question"),
    ] {
        check(Page::of(200, content_type, body), &["200", expected]);
    }
}

/// Metadata and keys that cannot be read are named the same way.
#[test]
fn metadata_that_are_none() {
    for (page, expected) in [
        (Page::of(200, "text/html", "<html>"), "text/html"),
        (Page::of(404, "text/plain", ""), "there is no such endpoint"),
        (
            Page::of(429, "text/plain", "").with("Retry-After: 120"),
            "it is asked too often",
        ),
    ] {
        let stub = Stub::start().unwrap();
        stub.set("/.well-known/openid-configuration", Behaviour::Answer(page));
        let daemon = Daemon::start(&format!(
            "[[provider]]\nname = \"p\"\nissuer = \"{}\"\naudience = \"mail\"\n",
            stub.issuer()
        ));
        let log = daemon.serving.stop();
        let mut lines = log.lines();
        let line = lines.find(|line| line.contains("openid-configuration"));
        assert!(line.is_some_and(|line| line.contains(expected)), "{log}");
    }
}

/// Invariant 5: an answer may repeat the question, wherever it has room for words.
#[test]
fn an_answer_that_repeats_the_token_is_not_repeated() {
    let json = "application/json";
    check(
        Page::of(200, &format!("text/{TOKEN}"), ""),
        &["content type is not JSON"],
    );
    check(
        Page::of(429, "text/plain", "").with(&format!("Retry-After: {TOKEN}")),
        &["429", "it is asked too often"],
    );
    check(
        Page::of(200, json, format!("{{\"{TOKEN}\":1,\"{TOKEN}\":2}}")),
        &["occurs twice"],
    );
    for error in ["error", "error_description", "error_uri"] {
        let body = format!("{{\"{error}\":\"{TOKEN}\"}}");
        check(Page::of(400, json, body), &["it refuses the question"]);
    }
}
