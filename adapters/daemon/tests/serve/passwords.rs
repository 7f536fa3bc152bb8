//! What is remembered of passwords, and for how long.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_tests::stub::{Behaviour, Page, Seen, Stub};
use serde_json::json;
use tempfile::TempDir;

use crate::online::Daemon;
use crate::serving::{Client, now};

const ALICE: &str = "alice@example.com";

/// The counter of guesses that have to wait.
const WAITED: &str = "gatepost_limits_hit_total{limit=\"penalty\"}";

/// The answer to a login of Alice's with a password.
fn plain(daemon: &Daemon, password: &str, remote: &str) -> String {
    plain_of(daemon, ALICE, password, remote)
}

fn plain_of(daemon: &Daemon, user: &str, password: &str, remote: &str) -> String {
    let response = STANDARD.encode(format!("\0{user}\0{password}"));
    let mut client = Client::tcp(&daemon.address);
    client.send("VERSION\t1\t2\nCPID\t1\n");
    client.send(format!(
        "AUTH\t1\tPLAIN\tservice=imap\tsecured\trip={remote}\tresp={response}\n"
    ));
    while client.line() != "DONE" {}
    client.line()
}

fn granted(seen: &Seen) -> Page {
    if seen.body.contains("password=right") {
        return Page::json(200, &json!({"access_token": "t", "token_type": "bearer"}));
    }
    Page::json(400, &json!({"error": "invalid_grant"}))
}

/// Alice's account at a provider that takes one password of hers.
fn provider() -> Stub {
    let stub = Stub::start().unwrap();
    let active = json!({"active": true, "aud": "mail", "email": ALICE, "exp": now() + 600});
    stub.set_json("/introspect", &active);
    stub.set("/token", Behaviour::Judge(granted));
    stub
}

fn configuration(stub: &Stub, scope: &str) -> String {
    format!(
        "[limits]\npenalty_seconds = 1\n[[provider]]\nname = \"p\"\naudience = \"mail\"\n\
         introspection_url = \"{}\"\nusername_claims = [\"email\"]\nclient_id = \"rs\"\nclient_secret = \"x\"\n\
         grant_url = \"{}\"\ngrant_scope = \"{scope}\"\n",
        stub.url("/introspect"),
        stub.url("/token")
    )
}

/// How many guesses have waited.
fn waited(daemon: &Daemon) -> u32 {
    let metrics = daemon.get("/metrics").1;
    let mut rows = metrics.lines().filter_map(|row| row.strip_prefix(WAITED));
    rows.next().map_or(0, |count| count.trim().parse().unwrap())
}

/// A right password that is quicker than a wrong one would tell a guesser that it is right, and lately used.
#[test]
fn whoever_guesses_waits_with_the_right_password_as_well() {
    let stub = provider();
    let daemon = Daemon::start(&configuration(&stub, "mail"));
    let (owner, guesser) = ("192.0.2.1", "198.51.100.1");
    let login = |password: &str, remote: &str| {
        let answer = plain(&daemon, password, remote);
        (answer.starts_with("OK\t1\t"), waited(&daemon))
    };
    assert_eq!(login("right", owner), (true, 0));
    assert_eq!(login("wrong", guesser), (false, 0));
    assert_eq!(login("other", guesser), (false, 1));
    assert_eq!(login("right", guesser), (true, 2));
    assert_eq!(login("right", owner), (true, 2), "the owner has waited");
}

/// Whoever types an application password, as his password or his name, shows it to nobody.
#[test]
fn an_application_password_is_shown_to_no_provider_and_no_log() {
    const SECRET: &str = "gp-csqq-awkm-cnjp-w832-f5t6-adej";
    let stub = provider();
    let daemon = Daemon::start(&configuration(&stub, "mail"));
    for (user, password) in [
        (ALICE, SECRET),
        (ALICE, "GP CSQQ AWKM CNJP W832 F5T6 ADEJ"),
        (SECRET, "right"),
        (SECRET, SECRET),
    ] {
        let answer = plain_of(&daemon, user, password, "192.0.2.1");
        assert!(answer.starts_with("FAIL\t1\t"), "{answer}");
        assert_eq!(answer.contains(&format!("user={ALICE}")), user == ALICE);
        assert!(!answer.contains("csqq"), "{answer}");
    }
    assert_eq!(waited(&daemon), 0, "a typing error is no guess");
    assert!(stub.seen("/token").is_empty());
    let log = daemon.serving.stop();
    assert!(!log.to_lowercase().contains("csqq"), "{log}");
    for (reason, times) in [("password_not_taken", 2), ("mistyped_password", 2)] {
        assert_eq!(log.matches(reason).count(), times, "{log}");
    }
}

/// The same where they are kept; and where they are required, no provider sees any other.
#[test]
fn a_provider_sees_no_application_password_that_is_kept_and_none_that_is_not_taken() {
    const SECRET: &str = "gp-csqq-awkm-cnjp-w832-f5t6-adej";
    let root = TempDir::new().unwrap();
    let path = |name: &str| root.path().join(name).display().to_string();
    std::fs::write(path("key"), STANDARD.encode([7; 32])).unwrap();
    let stub = provider();
    let accounts = format!(
        "[accounts]\ndatabase = \"{}\"\napp_password_key = \"{}\"\nunknown = \"allow\"\n\
         require_app_passwords = [\"smtp\"]\n[[accounts.source]]\nname = \"local\"\ndomains = \"example.com\"\n",
        path("accounts.sqlite"),
        path("key")
    );
    let daemon = Daemon::start(&format!("{}{accounts}", configuration(&stub, "mail")));
    for (user, password) in [(ALICE, SECRET), (ALICE, "gp-mine"), (SECRET, "right")] {
        let answer = plain_of(&daemon, user, password, "192.0.2.1");
        assert!(answer.starts_with("FAIL\t1"), "{answer}");
    }
    let smtp = STANDARD.encode(format!("\0{ALICE}\0right"));
    let mut client = Client::tcp(&daemon.address);
    client.send("VERSION\t1\t2\nCPID\t1\n");
    client.send(format!(
        "AUTH\t1\tPLAIN\tservice=smtp\tnologin\tresp={smtp}\n"
    ));
    while client.line() != "DONE" {}
    assert!(
        client
            .line()
            .contains("Log in with an application password")
    );
    assert!(stub.seen("/token").is_empty());
    let answer = plain_of(&daemon, ALICE, "right", "192.0.2.1");
    assert!(!answer.contains("application password"), "{answer}");
    assert_eq!(stub.seen("/token").len(), 1);
    let log = daemon.serving.stop();
    assert!(!log.to_lowercase().contains("csqq"), "{log}");
}

/// A pair is good or wrong at its provider as it is configured, and no other.
#[test]
fn tried_passwords_are_forgotten_when_their_provider_changes() {
    let stub = provider();
    let text = |scope: &str| configuration(&stub, scope);
    let tried = || stub.seen("/token").len();
    let mut daemon = Daemon::start(&text("mail"));
    let good = |daemon: &Daemon| {
        let answer = plain(daemon, "right", "192.0.2.1");
        assert!(answer.starts_with("OK\t1\t"), "{answer}");
        waited(daemon) == 1
    };
    let wrong = |daemon: &Daemon, remote: &str| {
        let answer = plain(daemon, "wrong", remote);
        assert!(answer.starts_with("FAIL\t1\t"), "{answer}");
    };
    good(&daemon);
    wrong(&daemon, "192.0.2.1");
    for reload in [false, true] {
        if reload {
            daemon.reload(&text("mail"));
        }
        assert!(!good(&daemon), "a good pair waited after a guess");
        let before = tried();
        wrong(&daemon, "198.51.100.1");
        assert_eq!(tried(), before, "it was tried again");
    }
    daemon.reload(&text("mail calendar"));
    let before = tried();
    wrong(&daemon, "198.51.100.1");
    assert_eq!(tried(), before + 1, "it was refused by another provider");
    assert!(good(&daemon), "it was good at another provider");
}

/// A guess whose outcome nobody knows is one all the same: a provider that fails after it has looked lets others
/// guess as fast as they can.
#[test]
fn guesses_wait_where_the_provider_fails() {
    for status in [500, 503, 429] {
        let stub = provider();
        let page = Page::of(status, "text/plain", "");
        stub.set("/token", Behaviour::Answer(page));
        let daemon = Daemon::start(&configuration(&stub, "mail"));
        for guess in 0..4 {
            let answer = plain(&daemon, &format!("wrong{guess}"), "198.51.100.1");
            assert!(answer.contains("code=temp_fail"), "{status}: {answer}");
            assert_eq!(waited(&daemon), guess, "{status}");
        }
        stub.set("/token", Behaviour::Judge(granted));
        let answer = plain(&daemon, "right", "198.51.100.1");
        assert!(answer.starts_with("OK\t1\t"), "{status}: {answer}");
        assert_eq!(waited(&daemon), 4, "{status}");
        // Its user has shown that those were slips.
        let answer = plain(&daemon, "right", "198.51.100.1");
        assert!(answer.starts_with("OK\t1\t"), "{status}: {answer}");
        assert_eq!(waited(&daemon), 4, "{status}");
    }
}

/// A provider's limit for one user is that user's: whoever guesses is not asked for, and nobody else waits.
#[test]
fn a_user_whom_the_provider_wants_left_alone_is_not_asked_about() {
    let stub = provider();
    let limited = |seen: &Seen| {
        if seen.body.contains("alice") {
            return Page::of(429, "text/plain", "").with("Retry-After: 3600");
        }
        Page::json(400, &json!({"error": "invalid_grant"}))
    };
    stub.set("/token", Behaviour::Judge(limited));
    let daemon = Daemon::start(&configuration(&stub, "mail"));
    for (password, remote) in [
        ("one", "198.51.100.1"),
        ("two", "198.51.100.2"),
        ("three", "198.51.100.3"),
    ] {
        let answer = plain(&daemon, password, remote);
        assert!(answer.contains("code=temp_fail"), "{answer}");
        assert_eq!(stub.seen("/token").len(), 1, "{password}");
    }
    let bob = STANDARD.encode("\0bob@example.com\0one");
    let mut client = Client::tcp(&daemon.address);
    client.send("VERSION\t1\t2\nCPID\t1\n");
    client.send(format!(
        "AUTH\t1\tPLAIN\tservice=imap\tsecured\trip=198.51.100.4\tresp={bob}\n"
    ));
    while client.line() != "DONE" {}
    let answer = client.line();
    assert!(
        answer.starts_with("FAIL\t1\t") && !answer.contains("temp_fail"),
        "{answer}"
    );
    assert_eq!(stub.seen("/token").len(), 2);
}
