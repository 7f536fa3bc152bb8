//! The real command before a provider with every fault: what the auth socket says, for each way of asking.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_tests::mint::Issuer;
use gatepost_tests::stub::{Behaviour, Page, Stub};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::serving::{Client, Serving, command, now};

/// The ways in which a provider is asked, each at a provider of its own for `WAY.test`.
const WAYS: [&str; 4] = ["tokeninfo", "auth", "get", "post"];

const MECHANISMS: [&str; 2] = ["XOAUTH2", "OAUTHBEARER"];

const TOKEN: &str = "an-opaque-token-that-no-log-may-hold";

/// A daemon that is asked over TCP, and says over HTTP how it is.
pub(crate) struct Daemon {
    pub(crate) serving: Serving,
    pub(crate) address: String,
    pub(crate) metrics: String,
    root: TempDir,
}

impl Daemon {
    /// Starts one with what `rest` says besides.
    pub(crate) fn start(rest: &str) -> Self {
        let root = TempDir::new().unwrap();
        let mut serving = Serving::start(&write(&root, rest));
        let mut listening = |protocol: &str| {
            let line = serving.wait_for("listening");
            assert_eq!(line["protocol"], protocol);
            let address = line["address"].as_str().unwrap();
            address.strip_prefix("tcp:").unwrap().to_owned()
        };
        let (address, metrics) = (listening("auth"), listening("metrics"));
        Self {
            serving,
            address,
            metrics,
            root,
        }
    }

    /// Has it read its configuration again, where `rest` stands now.
    pub(crate) fn reload(&mut self, rest: &str) {
        write(&self.root, rest);
        self.serving.signal("HUP");
        self.serving.wait_for("reloaded");
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.metrics).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        (answer[9..12].parse().unwrap(), answer)
    }
}

/// Writes its configuration.
fn write(root: &TempDir, rest: &str) -> PathBuf {
    let path = root.path().join("gatepost.toml");
    let head = "listen = \"tcp:127.0.0.1:0\"\nmetrics = { listen = \"tcp:127.0.0.1:0\" }\n\
                log = { format = \"json\", level = \"debug\" }\n";
    std::fs::write(&path, format!("{head}{rest}")).unwrap();
    path
}

/// What one login was answered.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Answered {
    challenge: Option<Value>,
    pub(crate) last: String,
}

/// Logs in, over a connection of its own.
pub(crate) fn log_in(address: &str, mechanism: &str, user: &str, token: &str) -> Answered {
    let message = match mechanism {
        "XOAUTH2" => format!("user={user}\x01auth=Bearer {token}\x01\x01"),
        _ => format!("n,a={user},\x01auth=Bearer {token}\x01\x01"),
    };
    let mut client = Client::tcp(address);
    let response = STANDARD.encode(message);
    let lines =
        format!("VERSION\t1\t2\nCPID\t1\nAUTH\t1\t{mechanism}\tservice=imap\tresp={response}\n");
    client.send(lines);
    let mut challenge = None;
    loop {
        let line = client.line();
        assert_ne!(line, "", "a closed connection");
        if let Some(json) = line.strip_prefix("CONT\t1\t") {
            let json = STANDARD.decode(json).unwrap();
            challenge = Some(serde_json::from_slice(&json).unwrap());
            client.send("CONT\t1\t\n");
        } else if line.starts_with("OK\t1") || line.starts_with("FAIL\t1") {
            return Answered {
                challenge,
                last: line,
            };
        }
    }
}

fn providers(stub: &Stub) -> String {
    let client = "client_id = \"rs\"\nclient_secret = \"the-secret-of-the-client\"\n";
    let mut text = String::new();
    for way in WAYS {
        let (key, mode) = match way {
            "tokeninfo" => ("tokeninfo_url", "auth"),
            mode => ("introspection_url", mode),
        };
        let client = if matches!(way, "get" | "post") {
            client
        } else {
            ""
        };
        let url = stub.url(&format!("/{way}?token="));
        let provider = format!(
            "[[provider]]\nname = \"{way}\"\n{key} = \"{url}\"\nintrospection_mode = \"{mode}\"\n\
             domains = [\"{way}.test\"]\naudience = \"mail\"\nusername_claims = [\"email\"]\n\
             scopes = [\"mail\"]\nactive_attribute = \"enabled\"\nactive_value = \"true\"\n\
             cache_seconds = 0\nnegative_cache_seconds = 0\ntimeout_milliseconds = 300\n{client}\n"
        );
        text += &provider;
    }
    text
}

/// What an endpoint says of a good token, changed.
fn said(way: &str, changes: &[(&str, Value)]) -> Value {
    let mut answer = json!({
        "active": true, "aud": "mail", "email": format!("alice@{way}.test"), "scope": "openid mail",
        "enabled": true, "exp": now() + 600,
    });
    for (name, value) in changes {
        answer[*name] = value.clone();
    }
    answer
}

/// The end that each reason has: the challenge's status over both mechanisms, and what `FAIL` says.
fn expected(reason: &str, mechanism: &str, user: &str) -> Answered {
    let (status, code) = match reason {
        "token_refused" | "wrong_audience" | "expired" | "not_yet_valid" => {
            (Some(["401", "invalid_token"]), "")
        }
        "insufficient_scope" => (Some(["403", "insufficient_scope"]), "\tcode=authz_fail"),
        "wrong_user" => (Some(["401", "invalid_token"]), "\tcode=authz_fail"),
        "inactive" => (Some(["401", "invalid_token"]), "\tcode=user_disabled"),
        _ => (None, "\tcode=temp_fail"),
    };
    let challenge = status.map(|[number, name]| match mechanism {
        "XOAUTH2" => json!({"status": number, "schemes": "bearer"}),
        _ => json!({"status": name}),
    });
    Answered {
        challenge,
        last: format!("FAIL\t1\tuser={user}{code}\treason="),
    }
}

#[track_caller]
fn check(
    daemon: &Daemon,
    stub: &Stub,
    what: &str,
    reasons: [&str; 4],
    make: impl Fn(&str) -> Behaviour,
) {
    for (way, reason) in WAYS.into_iter().zip(reasons) {
        let user = format!("alice@{way}.test");
        for mechanism in MECHANISMS {
            stub.set(&format!("/{way}"), make(way));
            let found = log_in(&daemon.address, mechanism, &user, TOKEN);
            let what = format!("{what} by {way} over {mechanism}: {found:?}");
            if reason == "accept" {
                assert_eq!(found.last, format!("OK\t1\tuser={user}"), "{what}");
                continue;
            }
            let expected = expected(reason, mechanism, &user);
            assert_eq!(found.challenge, expected.challenge, "{what}");
            assert!(found.last.starts_with(&expected.last), "{what}");
            let is_temporary = found.last.contains("reason=Temporary failure");
            assert_eq!(is_temporary, found.challenge.is_none(), "{what}");
        }
        // The breaker counts failures in a row.
        stub.set(
            &format!("/{way}"),
            Behaviour::Answer(Page::json(200, &said(way, &[]))),
        );
        let found = log_in(&daemon.address, "XOAUTH2", &user, TOKEN);
        assert_eq!(
            found.last,
            format!("OK\t1\tuser={user}"),
            "good after {what}"
        );
    }
}

#[test]
fn every_answer_has_its_reason_reply_and_code() {
    let stub = Stub::start().unwrap();
    let daemon = Daemon::start(&providers(&stub));
    check_claims(&daemon, &stub);
    check_faults(&daemon, &stub);

    let (status, metrics) = daemon.get("/metrics");
    assert_eq!(status, 200);
    for line in [
        "gatepost_logins_total{mechanism=\"XOAUTH2\",provider=\"post\",verdict=\"accept\"}",
        "gatepost_logins_total{mechanism=\"OAUTHBEARER\",provider=\"get\",verdict=\"client_refused\"}",
        "gatepost_login_duration_seconds_count",
        "gatepost_keys{provider=\"auth\"} 0",
    ] {
        assert!(metrics.contains(line), "no {line} in {metrics}");
    }
    let (status, health) = daemon.get("/ready");
    assert!(
        status == 200 && health.contains("\"status\":\"ready\""),
        "{health}"
    );
    assert_eq!(daemon.get("/other").0, 404);
    let log = daemon.serving.stop();
    for secret in [TOKEN, "the-secret-of-the-client", "cnM6dGhlLXNlY3JldA"] {
        assert!(
            !log.contains(secret) && !metrics.contains(secret),
            "{secret}"
        );
    }
}

/// What an answer says of a token.
fn check_claims(daemon: &Daemon, stub: &Stub) {
    let check = |what: &str, reasons, make: &dyn Fn(&str) -> Behaviour| {
        check(daemon, stub, what, reasons, make);
    };
    for (what, name, value, reason) in [
        ("expired", "exp", json!(now() - 100), "expired"),
        ("not yet valid", "nbf", json!(now() + 100), "not_yet_valid"),
        ("audience", "aud", json!("web"), "wrong_audience"),
        ("scope", "scope", json!("openid"), "insufficient_scope"),
        ("disabled", "enabled", json!(false), "inactive"),
    ] {
        check(what, [reason; 4], &|way| {
            Behaviour::Answer(Page::json(200, &said(way, &[(name, value.clone())])))
        });
    }
    check("user", ["wrong_user"; 4], &|way| {
        let bob = json!(format!("bob@{way}.test"));
        Behaviour::Answer(Page::json(200, &said(way, &[("email", bob)])))
    });
    let inactive = ["token_refused"; 4];
    check("inactive", inactive, &|way| {
        Behaviour::Answer(Page::json(200, &said(way, &[("active", json!(false))])))
    });
}

/// What is no answer, or none about a token.
fn check_faults(daemon: &Daemon, stub: &Stub) {
    const AWAY: [&str; 4] = ["provider_unavailable"; 4];
    const UNUSABLE: [&str; 4] = ["unusable_answer"; 4];
    let check = |what: &str, reasons, make: &dyn Fn(&str) -> Behaviour| {
        check(daemon, stub, what, reasons, make);
    };
    let page = |way: &str| Page::json(200, &said(way, &[]));
    let credentials = [
        "token_refused",
        "token_refused",
        "client_refused",
        "client_refused",
    ];
    let bad_request = [
        "token_refused",
        "token_refused",
        "provider_unavailable",
        "provider_unavailable",
    ];
    let forbidden = [
        "provider_unavailable",
        "provider_unavailable",
        "client_refused",
        "client_refused",
    ];
    for (status, reasons) in [
        (400, bad_request),
        (401, credentials),
        (403, forbidden),
        (404, AWAY),
        (500, AWAY),
        (503, AWAY),
    ] {
        // Its body vouches for the user, which counts for nothing.
        check(&status.to_string(), reasons, &|way| {
            Behaviour::Answer(Page {
                status,
                ..page(way)
            })
        });
    }
    check("redirect", AWAY, &|_| {
        Behaviour::Answer(Page::of(302, "text/plain", "").with("Location: /post"))
    });
    check("reset", AWAY, &|_| Behaviour::Reset);
    check("half an answer", AWAY, &|way| Behaviour::Half(page(way)));
    check("timeout", AWAY, &|_| Behaviour::Silence);
    check("slow drip", AWAY, &|way| {
        Behaviour::Drip(Duration::from_millis(20), page(way))
    });
    check("65 KiB", UNUSABLE, &|way| {
        let mut body = said(way, &[]).to_string().into_bytes();
        body.resize(65_537, b' ');
        Behaviour::Answer(Page::of(200, "application/json", body))
    });
    check("deep JSON", UNUSABLE, &|_| {
        let body = format!(
            "{{\"active\":true,\"x\":{}{}}}",
            "[".repeat(40),
            "]".repeat(40)
        );
        Behaviour::Answer(Page::of(200, "application/json", body))
    });
    check("wrong content type", UNUSABLE, &|way| {
        Behaviour::Answer(Page::of(200, "text/html", said(way, &[]).to_string()))
    });
}

#[test]
fn a_provider_with_tls_is_reached_by_its_own_authority_only() {
    let stub = Stub::start().unwrap();
    let url = stub.url("/me").replace("http://", "https://");
    let text = format!(
        "[[provider]]\nname = \"p\"\nintrospection_url = \"{url}\"\naudience = \"mail\"\n\
         username_claims = [\"email\"]\nallow_missing_audience = true\n"
    );
    let daemon = Daemon::start(&text);
    // What answers speaks no TLS.
    let found = log_in(&daemon.address, "XOAUTH2", "a@b.test", TOKEN);
    assert!(found.last.contains("code=temp_fail"), "{found:?}");
    assert!(!daemon.serving.stop().contains(TOKEN));
}

#[test]
fn an_unhealthy_daemon_says_so() {
    let stub = Stub::start().unwrap();
    let text = format!(
        "[[provider]]\nissuer = \"{}\"\naudience = \"mail\"\n",
        stub.issuer()
    );
    let daemon = Daemon::start(&text);
    let (status, body) = daemon.get("/ready");
    assert!(status == 503 && body.contains("not_ready"), "{body}");
    let claims = json!({"iss": stub.issuer(), "sub": "x", "aud": "mail", "exp": now() + 60});
    let token = Issuer::new().sign("ES256", &claims);
    let found = log_in(&daemon.address, "XOAUTH2", "x", &token);
    assert!(
        found.challenge.is_none() && found.last.contains("code=temp_fail"),
        "{found:?}"
    );
}

#[test]
fn a_provider_without_keys_that_nobody_asks_is_not_healthy() {
    let stub = Stub::provider().unwrap();
    assert!(stub.metadata().get("introspection_endpoint").is_some());
    let text = format!(
        "[[provider]]\nissuer = \"{}\"\naudience = \"mail\"\n",
        stub.issuer()
    );
    let daemon = Daemon::start(&text);
    let (status, body) = daemon.get("/ready");
    assert!(status == 503 && body.contains("not_ready"), "{body}");
}

/// What `gatepost doctor` says of a configuration and a token, and its exit code.
pub(crate) fn doctor(config: &str, token: &str) -> (String, Option<i32>) {
    let root = TempDir::new().unwrap();
    let path = root.path().join("gatepost.toml");
    std::fs::write(&path, config).unwrap();
    let mut child = command("doctor", &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // One that stops before it reads is no failure.
    let _ = stdin.write_all(token.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (said, output.status.code())
}

#[test]
fn the_doctor_says_what_is_wrong_and_what_to_do() {
    let stub = Stub::provider().unwrap();
    let issuer = Issuer::new();
    stub.set_json("/jwks", &json!({"keys": [issuer.jwk("ES256")]}));
    let config = format!(
        "listen = \"tcp:127.0.0.1:0\"\n[[provider]]\nissuer = \"{}\"\naudience = \"mail\"\n",
        stub.issuer()
    );
    let token = |aud: &str| {
        let claims = json!({"iss": stub.issuer(), "sub": "x", "aud": aud, "exp": now() + 60});
        issuer.sign("ES256", &claims)
    };
    let (said, code) = doctor(&config, &token("mail"));
    assert!(
        code == Some(0) && said.contains("the token is x's"),
        "{said}"
    );
    let (said, code) = doctor(&config, &token("web"));
    assert!(code == Some(1) && said.contains("wrong_audience"), "{said}");
    assert!(
        said.contains("let the provider put the mail server's audience"),
        "{said}"
    );
    assert!(!said.contains(&token("web")[..40]), "{said}");

    let page = Page::json(200, &stub.metadata()).with("Date: Sun, 22 Nov 2020 01:46:56 GMT");
    stub.set("/.well-known/openid-configuration", Behaviour::Answer(page));
    let (said, code) = doctor(&config, "");
    assert!(
        code == Some(1) && said.contains("seconds behind ours") && said.contains("set both clocks"),
        "{said}"
    );
    let mut foreign = stub.metadata();
    foreign["issuer"] = json!("https://other.example");
    stub.set_json("/.well-known/openid-configuration", &foreign);
    let (said, code) = doctor(&config, "");
    assert!(code == Some(1) && said.contains("has no keys"), "{said}");
    // The reason stands above it.
    assert!(
        said.contains("note   ") && said.contains("other.example"),
        "{said}"
    );
    let (said, code) = doctor("nonsense", "");
    assert!(
        code == Some(2) && said.contains("gatepost.toml:1"),
        "{said}"
    );
}

#[test]
fn passwords_are_exchanged_for_tokens_where_that_is_configured() {
    let stub = Stub::start().unwrap();
    stub.set_json(
        "/introspect",
        &said("p", &[("email", json!("alice@p.test"))]),
    );
    stub.set_json(
        "/token",
        &json!({"access_token": TOKEN, "token_type": "bearer"}),
    );
    let text = format!(
        "[[provider]]\nname = \"p\"\nintrospection_url = \"{}\"\naudience = \"mail\"\n\
         client_id = \"rs\"\nclient_secret = \"the-secret-of-the-client\"\n\
         username_claims = [\"email\"]\ngrant_url = \"{}\"\ngrant_scope = \"mail\"\n\
         fields = {{ proxy = \"\", proxy_mech = \"%{{mechanism}}\", pass = \"%{{token}}\" }}\n\
         cache_seconds = 0\nnegative_cache_seconds = 0\n",
        stub.url("/introspect"),
        stub.url("/token")
    );
    let daemon = Daemon::start(&text);
    let log_in = |lines: &[&str]| {
        let mut client = Client::tcp(&daemon.address);
        client.send("VERSION\t1\t2\nCPID\t1\n");
        let mut said = String::new();
        let mut lines = lines.iter();
        loop {
            let line = client.line();
            assert_ne!(line, "", "{said}");
            said += &line;
            said.push('\n');
            if line.starts_with("DONE") || line.starts_with("CONT") {
                client.send(lines.next().unwrap());
            } else if line.starts_with("OK") || line.starts_with("FAIL") {
                return (said, line);
            }
        }
    };
    let base64 = |text: &str| STANDARD.encode(text);
    let plain = |password: &str| {
        let response = base64(&format!("\0alice@p.test\0{password}"));
        log_in(&[&format!("AUTH\t1\tPLAIN\tservice=imap\tresp={response}\n")])
    };

    let (said, last) = plain("pass-word-of-alice");
    assert!(
        said.contains("MECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\n"),
        "{said}"
    );
    let ok = format!("OK\t1\tuser=alice@p.test\tpass={TOKEN}\tproxy\tproxy_mech=PLAIN");
    assert_eq!(last, ok);
    let seen = stub.seen("/token");
    assert_eq!(
        seen[0].body,
        "grant_type=password&username=alice%40p.test&password=pass-word-of-alice&scope=mail"
    );

    let (_, last) = log_in(&[
        "AUTH\t1\tLOGIN\tservice=imap\n",
        &format!("CONT\t1\t{}\n", base64("alice@p.test")),
        &format!("CONT\t1\t{}\n", base64("pass-word-of-alice")),
    ]);
    assert_eq!(last, ok.replace("PLAIN", "LOGIN"));

    let refused = Page::json(400, &json!({"error": "invalid_grant"}));
    stub.set("/token", Behaviour::Answer(refused));
    let (said, last) = plain("wrong-word");
    assert!(!said.contains("CONT"), "{said}");
    assert!(
        !last.contains("code=") && last.contains("refuses this name and password"),
        "{last}"
    );
    stub.set("/token", Behaviour::Silence);
    let (_, last) = plain("pass-word-of-alice");
    assert!(last.contains("code=temp_fail"), "{last}");

    let log = daemon.serving.stop();
    assert!(log.contains("\"reason\":\"password_refused\""), "{log}");
    for secret in [
        TOKEN,
        "pass-word-of-alice",
        "wrong-word",
        "the-secret-of-the-client",
    ] {
        assert!(!log.contains(secret), "{secret}");
    }
}
