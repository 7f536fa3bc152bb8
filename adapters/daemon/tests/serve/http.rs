//! The HTTP listener of the real command, spoken to as Dovecot's oauth2 database does, and as nobody should.

use std::fs;
use std::io::{BufRead as _, Read as _};
use std::net::TcpStream;

use gatepost_tests::mint::Issuer;
use gatepost_tests::stub::{Behaviour, Page, Stub};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::serving::{self, Serving, now, refused};

const ALICE: &str = "alice@example.com";

/// A daemon with a http, and a provider whose keys lie in a file.
struct Daemon {
    _root: TempDir,
    serving: Serving,
    issuer: Issuer,
    http: String,
}

impl Daemon {
    /// Starts it with this configuration.
    fn start_as(root: TempDir, text: &str, issuer: Issuer) -> Self {
        let configuration = root.path().join("gatepost.toml");
        fs::write(&configuration, text).unwrap();
        let mut serving = Serving::start(&configuration);
        let event = serving.wait_for("listening");
        assert_eq!(event["protocol"], "http");
        let http = event["address"].as_str().unwrap();
        let http = http.strip_prefix("tcp:").unwrap().to_owned();
        serving.wait_for("ready");
        Self {
            _root: root,
            serving,
            issuer,
            http,
        }
    }

    fn start(http: &str) -> Self {
        Self::start_with(http, "")
    }

    /// `provider` is added to the provider's table.
    fn start_with(http: &str, provider: &str) -> Self {
        let root = TempDir::new().unwrap();
        let issuer = Issuer::new();
        let path = root.path();
        fs::write(path.join("keys.json"), issuer.jwk_set().to_string()).unwrap();
        fs::write(path.join("secret"), "s3cret\n").unwrap();
        let http = http.replace("ROOT", path.to_str().unwrap());
        let text = format!(
            "log = {{ format = \"json\", level = \"debug\" }}\n\
             [http]\nlisten = \"tcp:127.0.0.1:0\"\n{http}\n\
             [[provider]]\nname = \"example\"\nissuer = \"https://id.example.com\"\naudience = \"mail\"\n\
             keys = [\"{}/keys.json\"]\nusername_claims = [\"email\"]\nscopes = [\"mail\"]\n{provider}",
            path.display()
        );
        Self::start_as(root, &text, issuer)
    }

    fn connect(&self) -> Client {
        Client(serving::Client::tcp(&self.http))
    }

    fn token(&self, user: &str, scope: &str, ttl: i64) -> String {
        let claims = json!({
            "iss": "https://id.example.com", "sub": "1", "aud": "mail", "email": user, "scope": scope,
            "exp": now().saturating_add_signed(ttl),
        });
        self.issuer.sign("ES256", &claims)
    }
}

struct Client(serving::Client<TcpStream>);

struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Client {
    /// Sends one request with `lines` behind the first, which end in a body or in nothing.
    fn ask(&mut self, first: &str, lines: &str) -> Answer {
        self.0
            .send(format!("{first} HTTP/1.1\r\nHost: gatepost\r\n{lines}"));
        self.answer()
    }

    fn userinfo(&mut self, token: &str) -> Answer {
        let lines = format!("Authorization: Bearer {token}\r\n\r\n");
        self.ask("GET /userinfo", &lines)
    }

    fn introspect(&mut self, headers: &str, form: &str) -> Answer {
        let length = form.len();
        let lines = format!(
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n{headers}\r\n{form}"
        );
        self.ask("POST /introspect", &lines)
    }

    fn answer(&mut self) -> Answer {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.0.0.read_line(&mut head).unwrap(), 0, "{head}");
        }
        let length = head.to_lowercase();
        let (_, length) = length.split_once("content-length: ").unwrap();
        let (length, _) = length.split_once('\r').unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        self.0.0.read_exact(&mut body).unwrap();
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
            head,
        }
    }

    fn is_closed(&mut self) -> bool {
        // A reset is an end as well.
        self.0.0.read_to_end(&mut Vec::new()).is_ok() || self.0.0.get_ref().peer_addr().is_err()
    }
}

/// Whether an answer is what Dovecot takes for a bad token, and names nobody.
#[track_caller]
fn is_bad_token(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.head);
    assert_eq!(answer.body["active"], false);
    assert_eq!(
        answer.body.get("error"),
        None,
        "Dovecot would take it for temporary"
    );
    let name = answer.body["email"].as_str().unwrap();
    assert!(
        name.starts_with("nobody-") && name.ends_with("@gatepost.invalid"),
        "{name}"
    );
}

#[test]
fn every_mode_of_dovecots_database_hears_whose_a_token_is_over_one_connection() {
    let mut daemon = Daemon::start_with("", "fields = { home = \"/mail/%{username}\" }\n");
    let token = daemon.token(ALICE, "openid mail", 600);
    let mut client = daemon.connect();
    let get = format!("GET /introspect?token={token}&client_id=&client_secret=");
    let answers = [
        client.userinfo(&token),
        client.introspect("", &format!("token={token}&client_id=&client_secret=")),
        client.ask(&get, "\r\n"),
        client.ask(&format!("GET /tokeninfo?access_token={token}"), "\r\n"),
        client.ask(
            &format!("GET /tokeninfo?token={token}"),
            &format!("Authorization: Bearer {token}\r\n\r\n"),
        ),
    ];
    for answer in answers {
        assert_eq!(answer.status, 200);
        for name in ["email", "username", "sub"] {
            assert_eq!(answer.body[name], ALICE);
        }
        assert_eq!(answer.body["active"], true);
        assert_eq!(answer.body["scope"], "mail");
        assert_eq!(answer.body["home"], "/mail/alice");
        let event = daemon.serving.wait_for("login");
        assert_eq!(
            (&event["user"], &event["verdict"]),
            (&json!(ALICE), &json!("accept"))
        );
        assert_eq!(
            (&event["mechanism"], &event["service"]),
            (&json!("BEARER"), &json!("http"))
        );
    }
    assert!(!daemon.serving.stop().contains(&token));
}

#[test]
fn a_bad_token_is_a_bad_token_in_dovecots_eyes() {
    let daemon = Daemon::start("");
    let mut client = daemon.connect();
    let forged = Issuer::new().sign("ES256", &json!({"email": ALICE}));
    for token in [
        daemon.token(ALICE, "mail", -600),
        daemon.token("nobody-@gatepost.invalid", "mail", 600),
        forged,
        "opaque".to_owned(),
        "a token".to_owned(),
        "t".repeat(9216),
    ] {
        is_bad_token(&client.userinfo(&token), 401);
    }
    is_bad_token(&client.userinfo(&daemon.token(ALICE, "openid", 600)), 403);
    is_bad_token(&client.introspect("", "token=%00%ff"), 401);
    let log = daemon.serving.stop();
    assert_eq!(log.matches("\"reason\":\"expired\"").count(), 1);
    assert!(
        !log.contains("@gatepost.invalid"),
        "whoever knows the name could claim it"
    );
}

#[test]
fn every_start_draws_another_name_for_nobody() {
    let name = || {
        let answer = Daemon::start("").connect().userinfo("t");
        answer.body["email"].as_str().unwrap().to_owned()
    };
    assert_ne!(name(), name());
}

#[test]
fn other_askers_hear_what_the_rfcs_say() {
    let daemon = Daemon::start("shape = \"rfc\"\nattributes = [\"sub\"]\n");
    let mut client = daemon.connect();
    let good = daemon.token(ALICE, "mail", 600);
    assert_eq!(client.userinfo(&good).body, json!({"sub": ALICE}));
    let answer = client.introspect("", &format!("token={good}"));
    assert_eq!(
        (&answer.body["active"], &answer.body["sub"]),
        (&json!(true), &json!(ALICE))
    );
    let answer = client.introspect("", "token=t");
    assert_eq!(
        (answer.status, answer.body),
        (200, json!({"active": false}))
    );
    let answer = client.userinfo("t");
    assert_eq!(
        (answer.status, &answer.body["error"]),
        (401, &json!("invalid_token"))
    );
    assert!(
        answer
            .head
            .contains("www-authenticate: Bearer error=\"invalid_token\"")
    );
    let answer = client.userinfo(&daemon.token(ALICE, "openid", 600));
    assert_eq!(
        (answer.status, &answer.body["error"]),
        (403, &json!("insufficient_scope"))
    );
}

#[test]
fn a_provider_that_is_away_is_no_bad_token() {
    let stub = Stub::start().unwrap();
    let asked = format!(
        "validate = \"opaque\"\nintrospection_url = \"{}\"\nclient_id = \"x\"\nclient_secret = \"y\"\n",
        stub.url("/nowhere")
    );
    let mut daemon = Daemon::start_with("", &asked);
    let answer = daemon.connect().userinfo("opaque");
    assert_eq!(
        (answer.status, &answer.body["error"]),
        (503, &json!("temporarily_unavailable"))
    );
    assert!(answer.head.contains("retry-after: "));
    assert_eq!(answer.body.get("email"), None);
    assert_eq!(
        daemon.serving.wait_for("login")["reason"],
        "provider_unavailable"
    );
}

/// docker-mailserver's own test: its token, what its provider answers to it and to others, and Dovecot 2.4's question
/// (`introspection_mode = auth`, `username_attribute = email`), A21.
#[test]
fn docker_mailservers_own_token_logs_in_and_no_other() {
    const TOKEN: &str = "DMS_YWNjZXNzX3Rva2Vu";
    const USER: &str = "user1@localhost.localdomain";
    let stub = Stub::start().unwrap();
    let good = json!({"email": USER, "email_verified": true});
    stub.set_json("/userinfo", &good);
    let text = format!(
        "log = {{ format = \"json\", level = \"debug\" }}\n[http]\nlisten = \"tcp:127.0.0.1:0\"\n\
         [[provider]]\nname = \"dms\"\nintrospection_url = \"{}\"\nintrospection_mode = \"auth\"\n\
         any_audience = true\nusername_claims = [\"email\"]\nuser_case = \"lower\"\n",
        stub.url("/userinfo")
    );
    let daemon = Daemon::start_as(TempDir::new().unwrap(), &text, Issuer::new());
    let answer = daemon.connect().userinfo(TOKEN);
    assert_eq!((answer.status, &answer.body["email"]), (200, &json!(USER)));
    let seen = stub.seen("/userinfo");
    assert_eq!(seen[0].headers["authorization"], format!("Bearer {TOKEN}"));
    let refusal = Page {
        status: 401,
        headers: Vec::new(),
        body: Vec::new(),
        chunk: None,
    };
    stub.set("/userinfo", Behaviour::Answer(refusal));
    is_bad_token(&daemon.connect().userinfo("another"), 401);
}

#[test]
fn only_who_knows_the_secret_may_ask_where_one_is_set() {
    let mut daemon =
        Daemon::start("client_id = \"dovecot\"\nclient_secret_file = \"ROOT/secret\"\n");
    let good = daemon.token(ALICE, "mail", 600);
    let mut client = daemon.connect();
    // "dovecot:s3cret"
    let basic = "Authorization: Basic ZG92ZWNvdDpzM2NyZXQ=\r\n";
    let answer = client.introspect(basic, &format!("token={good}"));
    assert_eq!((answer.status, &answer.body["email"]), (200, &json!(ALICE)));
    let form = format!("token={good}&client_id=dovecot&client_secret=s3cret");
    assert_eq!(client.introspect("", &form).status, 200);
    for headers in [
        "",
        "Authorization: Basic ZG92ZWNvdDpzM2NyZXU=\r\n",
        "Authorization: Bearer t\r\n",
    ] {
        let answer = client.introspect(headers, &format!("token={good}"));
        assert_eq!(
            (answer.status, &answer.body["error"]),
            (401, &json!("invalid_client"))
        );
        let event = daemon.serving.wait_for("request refused");
        assert_eq!(event["reason"], "unknown_caller");
    }
    assert_eq!(client.userinfo(&good).status, 404);
    let log = daemon.serving.stop();
    assert!(!log.contains("s3cret") && !log.contains(&good));
}

#[test]
fn where_dovecot_says_who_asks_the_log_does() {
    let mut daemon = Daemon::start("");
    let token = daemon.token(ALICE, "mail", 600);
    let lines = format!(
        "Authorization: Bearer {token}\r\nX-Dovecot-Auth-Protocol: imap\r\n\
         X-Dovecot-Auth-Remote: 192.0.2.7:4711\r\n\r\n"
    );
    assert_eq!(daemon.connect().ask("GET /userinfo", &lines).status, 200);
    let event = daemon.serving.wait_for("login");
    assert_eq!(
        (&event["service"], &event["remote"]),
        (&json!("imap"), &json!("192.0.2.7:4711"))
    );
}

#[test]
fn a_hostile_asker_gets_a_clear_answer_or_none_and_disturbs_nobody() {
    let daemon = Daemon::start("");
    let token = daemon.token(ALICE, "mail", 600);
    // They hold their connections open all the while.
    let mut half: Vec<Client> = Vec::new();
    for begun in [
        "",
        "G",
        "GET /userinfo HTTP/1.1\r\nX:",
        "POST /introspect HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
    ] {
        let mut client = daemon.connect();
        client.0.send(begun);
        half.push(client);
    }
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 404),
        ("DELETE /userinfo HTTP/1.1\r\n\r\n".to_owned(), 405),
        (
            "POST /introspect HTTP/1.1\r\nContent-Length: 9\r\n\r\n{\"token\":".to_owned(),
            400,
        ),
        (
            format!(
                "GET /userinfo HTTP/1.1\r\nA: {}\r\n\r\n",
                "x".repeat(100_000)
            ),
            431,
        ),
        (
            format!("GET /userinfo HTTP/1.1\r\n{}\r\n", "A: x\r\n".repeat(100)),
            431,
        ),
        (
            format!(
                "POST /introspect HTTP/1.1\r\nContent-Length: 99999\r\n\r\n{}",
                "x".repeat(99_999)
            ),
            413,
        ),
        (
            "\x16\x03\x01\x02\x00\x01\x00\x01".to_owned() + "\r\n\r\n",
            400,
        ),
        ("EHLO mail\r\n\r\n".to_owned(), 400),
    ] {
        let mut client = daemon.connect();
        client.0.send(&request);
        assert_eq!(client.answer().status, status, "{}", request.len());
        assert_eq!(daemon.connect().userinfo(&token).status, 200);
    }
    drop(half);
    let log = daemon.serving.stop();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn one_connection_too_many_is_closed_and_the_others_go_on() {
    let daemon = Daemon::start("connections = 2\n");
    let token = daemon.token(ALICE, "mail", 600);
    let (mut one, mut two) = (daemon.connect(), daemon.connect());
    assert_eq!(one.userinfo(&token).status, 200);
    assert_eq!(two.userinfo(&token).status, 200);
    assert!(daemon.connect().is_closed());
    assert_eq!(one.userinfo(&token).status, 200);
    drop(two);
    // Its place is free as soon as its end has been seen.
    let free = || {
        let mut client = daemon.connect();
        client.0.send("GET / HTTP/1.1\r\n\r\n");
        let mut line = String::new();
        client.0.0.read_line(&mut line).is_ok_and(|read| read > 0)
    };
    while !free() {}
    drop(one);
}

#[test]
fn an_http_listener_beyond_loopback_needs_a_word() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("gatepost.toml");
    let text = "[http]\nlisten = \"tcp:0.0.0.0:0\"\n[[provider]]\nissuer = \"https://127.0.0.1:1\"\n\
                audience = \"mail\"\n";
    fs::write(&path, text).unwrap();
    let told = refused(&path);
    assert!(told.contains("allow_remote = true"), "{told}");
}

/// What asks nothing makes room; what has asked before is not closed for it.
#[test]
fn a_connection_that_has_never_asked_makes_room_for_another() {
    let daemon = Daemon::start("connections = 2\n");
    let token = daemon.token(ALICE, "mail", 600);
    let mut asked = daemon.connect();
    assert_eq!(asked.userinfo(&token).status, 200);
    let mut silent = daemon.connect();
    silent.0.send("GET /userinfo HTTP/1.1\r\n");
    let mut other = daemon.connect();
    assert_eq!(other.userinfo(&token).status, 200);
    assert!(silent.is_closed());
    assert_eq!(asked.userinfo(&token).status, 200);
}

/// As README.md says: what lies between the two depends on how it comes.
#[test]
fn a_head_may_have_32_kib() {
    let daemon = Daemon::start("");
    for (length, status) in [(32_000, 404), (66_000, 431)] {
        let request = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(length));
        let mut client = daemon.connect();
        client.0.send(&request);
        assert_eq!(client.answer().status, status, "{length}");
    }
    let readme = include_str!("../../README.md");
    assert!(readme.contains("more head at 64 KiB at the latest"));
}
