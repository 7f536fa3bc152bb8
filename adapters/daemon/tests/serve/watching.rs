//! What whoever watches the daemon is told: health (N18), and figures by Prometheus' conventions.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use gatepost_tests::mint::Issuer;
use gatepost_tests::stub::{Page, Stub};
use serde_json::{Value, json};

use crate::online::{Daemon, log_in};
use crate::serving::{PATIENCE, now};

struct Answer {
    status: u16,
    head: String,
    body: String,
}

/// Asks with `lines` of a head, each with its end.
fn ask(daemon: &Daemon, first: &str, lines: &str) -> Answer {
    let mut stream = TcpStream::connect(&daemon.metrics).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("{first} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head[9..12].parse().unwrap(),
        head: head.to_lowercase(),
        body: body.to_owned(),
    }
}

fn get(daemon: &Daemon, path: &str) -> (u16, Value) {
    let answer = ask(daemon, &format!("GET {path}"), "");
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

/// A provider whose keys are found, and its issuer.
fn known(issuer: &Issuer) -> (Stub, String) {
    let stub = Stub::provider().unwrap();
    stub.set_json("/jwks", &json!({"keys": [issuer.jwk("ES256")]}));
    let text = format!(
        "[[provider]]\nname = \"here\"\nissuer = \"{}\"\naudience = \"mail\"\n",
        stub.issuer()
    );
    (stub, text)
}

/// A provider that nobody finds.
fn away() -> (Stub, String) {
    let stub = Stub::start().unwrap();
    let text = format!(
        "[[provider]]\nname = \"away\"\nissuer = \"{}\"\naudience = \"mail\"\n",
        stub.issuer()
    );
    (stub, text)
}

#[test]
fn one_tenant_that_is_away_is_not_the_daemons_readiness() {
    let ((_here, here), (_away, away)) = (known(&Issuer::new()), away());
    let daemon = Daemon::start(&format!("{here}{away}"));
    assert_eq!(get(&daemon, "/live"), (200, json!({"status": "live"})));
    let (status, body) = get(&daemon, "/ready");
    assert_eq!((status, &body["status"]), (200, &json!("ready")), "{body}");
    let providers: HashMap<&str, bool> = body["providers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["name"].as_str().unwrap(),
                one["can_judge"].as_bool().unwrap(),
            )
        })
        .collect();
    assert_eq!(providers, HashMap::from([("here", true), ("away", false)]));
}

#[test]
fn a_daemon_that_can_judge_nothing_lives_and_is_not_ready() {
    let (_away, away) = away();
    let daemon = Daemon::start(&away);
    assert_eq!(get(&daemon, "/live").0, 200);
    let (status, body) = get(&daemon, "/ready");
    assert_eq!(
        (status, &body["status"]),
        (503, &json!("not_ready")),
        "{body}"
    );
}

#[test]
fn every_method_has_its_answer() {
    let (_here, here) = known(&Issuer::new());
    let daemon = Daemon::start(&here);
    for path in ["/live", "/ready", "/metrics"] {
        let got = ask(&daemon, &format!("GET {path}"), "");
        let head = ask(&daemon, &format!("HEAD {path}"), "");
        assert_eq!((head.status, got.status), (200, 200), "{path}");
        assert!(head.body.is_empty(), "{path}: {}", head.body);
        assert!(head.head.contains("content-length: "), "{}", head.head);
        let options = ask(&daemon, &format!("OPTIONS {path}"), "");
        assert_eq!(options.status, 204, "{path}");
        assert!(
            options.head.contains("allow: get, head, options"),
            "{}",
            options.head
        );
        let post = ask(&daemon, &format!("POST {path}"), "Content-Length: 0\r\n");
        assert_eq!(post.status, 405, "{path}");
        assert!(
            post.head.contains("allow: get, head, options"),
            "{}",
            post.head
        );
    }
    for first in ["GET /", "GET /health", "POST /other", "GET /metrics/x"] {
        assert_eq!(ask(&daemon, first, "").status, 404, "{first}");
    }
    assert_eq!(ask(&daemon, "GET /live?verbose=1", "").status, 200);
}

#[test]
fn figures_come_in_the_format_that_is_asked_for() {
    let (_here, here) = known(&Issuer::new());
    let daemon = Daemon::start(&here);
    let open = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    let plain = "content-type: text/plain; version=0.0.4; charset=utf-8";
    for (accept, expected) in [
        (None, plain),
        (Some("*/*"), plain),
        (Some("text/plain"), plain),
        (Some("application/openmetrics-text; version=1.0.0"), open),
        // Prometheus 2.53.
        (
            Some(
                "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;\
                 q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            ),
            open,
        ),
        (
            Some("text/plain;q=0.9, application/openmetrics-text;q=0.1"),
            plain,
        ),
        (Some("application/openmetrics-text;q=0"), plain),
        (Some("nonsense;;q=x,,"), plain),
    ] {
        let accept = accept.map(|accept| format!("Accept: {accept}\r\n"));
        let answer = ask(&daemon, "GET /metrics", &accept.clone().unwrap_or_default());
        assert_eq!(answer.status, 200);
        assert!(
            answer.head.contains(expected),
            "{accept:?}: {}",
            answer.head
        );
        let is_open = expected == open;
        assert_eq!(answer.body.ends_with("# EOF\n"), is_open, "{accept:?}");
    }
}

/// What each sample of the text format says, by its name with its labels.
fn samples(text: &str) -> HashMap<&str, f64> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let samples = samples.map(|line| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name, value.parse().unwrap())
    });
    let count = samples.clone().count();
    let samples: HashMap<_, _> = samples.collect();
    assert_eq!(samples.len(), count, "a sample occurs twice in {text}");
    samples
}

#[test]
fn figures_have_the_names_units_and_words_of_prometheus() {
    let (_here, here) = known(&Issuer::new());
    let daemon = Daemon::start(&here);
    let text = ask(&daemon, "GET /metrics", "").body;
    let mut types = HashMap::new();
    let mut helped = Vec::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(words.len() > 10 && words.ends_with('.'), "{line}");
            helped.push(name);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(types.insert(name, kind).is_none(), "{name} occurs twice");
            let is_counter = kind == "counter";
            assert_eq!(name.ends_with("_total"), is_counter, "{line}");
            assert!(
                name.starts_with("gatepost_") || name.starts_with("process_"),
                "{line}"
            );
            for unit in [
                "_ms",
                "_milliseconds",
                "_microseconds",
                "_minutes",
                "_kb",
                "_count",
            ] {
                assert!(!name.contains(unit), "{line}");
            }
        }
    }
    assert_eq!(helped.len(), types.len());
    for name in samples(&text).keys() {
        let name = name.split('{').next().unwrap();
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
            name.strip_suffix(end)
                .filter(|name| types.contains_key(name))
        });
        assert!(types.contains_key(family.unwrap_or(name)), "{name}");
    }
}

#[test]
fn figures_tell_what_happened() {
    let issuer = Issuer::new();
    let (stub, here) = known(&issuer);
    let answer = json!({"active": true, "aud": "mail", "sub": "bob", "exp": now() + 60});
    stub.set(
        "/introspect",
        gatepost_tests::stub::Behaviour::Answer(Page::json(200, &answer)),
    );
    let asked = format!(
        "introspection_url = \"{}\"\nclient_id = \"x\"\nclient_secret = \"the-secret\"\n",
        stub.url("/introspect")
    );
    let text = format!("{here}{asked}");
    let mut daemon = Daemon::start(&text);
    let claims = json!({"iss": stub.issuer(), "sub": "x", "aud": "mail", "exp": now() + 60});
    for token in [&issuer.sign("ES256", &claims), "opaque-token-of-bob"] {
        for user in ["x", "bob"] {
            log_in(&daemon.address, "XOAUTH2", user, token);
        }
    }
    let before = ask(&daemon, "GET /metrics", "").body;
    let requests = "gatepost_provider_requests_total{provider=\"here\",endpoint=\"introspection\",result=\"2xx\"}";
    let count = samples(&before).get(requests).copied();
    assert!(count.is_some_and(|count| count > 0.0), "{before}");
    daemon.reload(&text);
    let text = ask(&daemon, "GET /metrics", "").body;
    let samples = samples(&text);
    let is = |name: &str, expected: f64| {
        let found = samples.get(name);
        assert_eq!(found, Some(&expected), "{name} in {text}");
    };
    let logins = |verdict| {
        format!(
            "gatepost_logins_total{{mechanism=\"XOAUTH2\",provider=\"here\",verdict=\"{verdict}\"}}"
        )
    };
    is(&logins("accept"), 2.0);
    is(&logins("wrong_user"), 2.0);
    is("gatepost_login_duration_seconds_count", 4.0);
    is("gatepost_connections_opened_total{protocol=\"auth\"}", 4.0);
    is("gatepost_keys{provider=\"here\"}", 1.0);
    is("gatepost_reloads_total{result=\"success\"}", 1.0);
    is("gatepost_reloads_total{result=\"failure\"}", 0.0);
    is("gatepost_log_lines_dropped_total", 0.0);
    is("gatepost_provider_breaker_open{provider=\"here\"}", 0.0);
    is(
        &format!(
            "gatepost_build_info{{version=\"{}\"}}",
            env!("CARGO_PKG_VERSION")
        ),
        1.0,
    );
    let above = |name: &str, least: f64| {
        let found = samples.get(name);
        assert!(
            found.is_some_and(|found| *found > least),
            "{name}: {found:?} in {text}"
        );
    };
    above("gatepost_last_reload_success_timestamp_seconds", 1.0e9);
    above("process_start_time_seconds", 1.0e9);
    above("process_resident_memory_bytes", 1.0e6);
    above("process_virtual_memory_bytes", 1.0e6);
    above("process_open_fds", 3.0);
    above("process_max_fds", 3.0);
    above(
        "gatepost_keys_fetched_timestamp_seconds{provider=\"here\"}",
        1.0e9,
    );
    for cache in ["answers", "signatures"] {
        let hits = format!(
            "gatepost_cache_lookups_total{{provider=\"here\",cache=\"{cache}\",result=\"hit\"}}"
        );
        above(&hits, 0.0);
    }
    is("gatepost_answers_kept{provider=\"here\"}", 1.0);
    above("gatepost_answers_kept_bytes{provider=\"here\"}", 256.0);
    above("process_threads", 1.0);
    above("gatepost_connections{protocol=\"metrics\"}", 0.0);
    assert!(samples.contains_key("process_cpu_seconds_total"), "{text}");
    assert!(
        !text.contains("the-secret") && !text.contains("opaque-token"),
        "{text}"
    );
}

/// Whoever has connected and asks nothing makes room for whoever asks.
#[test]
fn connections_that_ask_nothing_keep_nobody_from_watching() {
    let (_here, here) = known(&Issuer::new());
    let daemon = Daemon::start(&here);
    for begun in [
        "",
        "GET /live HTTP/1.1\r\nHost:",
        "GET /live HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let silent: Vec<TcpStream> = (0..150)
            .map(|_| {
                let mut stream = TcpStream::connect(&daemon.metrics).unwrap();
                // It may have been closed already.
                let _ = stream.write_all(begun.as_bytes());
                stream
            })
            .collect();
        for _ in 0..3 {
            assert_eq!(get(&daemon, "/live").0, 200, "{begun:?}");
            assert_eq!(ask(&daemon, "GET /metrics", "").status, 200, "{begun:?}");
        }
        drop(silent);
    }
}
