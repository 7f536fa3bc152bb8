//! Application passwords of the real command: made beside a daemon that runs, and judged from memory.

use std::os::unix::fs::PermissionsExt as _;

use gatepost_accounts::app_password::{KeyId, Services, Verifier};
use gatepost_accounts::id::Id;
use gatepost_core::app_password::{AppPassword, VerifierKey};
use gatepost_store::NewPassword;

use super::commands::{Done, gatepost};
use super::*;
use crate::serving::refused;

const ALICE: &str = "alice@example.com";
const BOB: &str = "bob@example.com";
/// What a client hears whatever is wrong, but for its name.
const REFUSED: &str = "\treason=There is no such user, or the application password is not his";

/// What a daemon with such `lines` has under `[accounts]`, with a key that is made already.
fn with_key(lines: &str) -> Daemon {
    let root = TempDir::new().unwrap();
    let key = root.path().join("key").display().to_string();
    let lines = format!("app_password_key = \"{key}\"\n{lines}");
    let (_, issuer) = configure(&root, &lines);
    gatepost(&root, "app-password", &["make-key"]).good();
    Daemon::serve(root, issuer)
}

impl Daemon {
    fn app_password(&self, words: &[&str]) -> Done {
        gatepost(&self.root, "app-password", words)
    }

    /// Makes a password, and gives its number and itself.
    #[track_caller]
    fn issue(&self, words: &[&str]) -> (String, String) {
        let out = self.app_password(&[&["add"], words].concat()).good();
        let row = |name| {
            let found = out.lines().find_map(|line| line.strip_prefix(name));
            found.unwrap().trim().to_owned()
        };
        (row("number"), row("password"))
    }

    /// What Postfix hears of a login, against which nothing is held.
    fn enter(&self, user: &str, password: &str, fields: &str) -> String {
        let response = STANDARD.encode(format!("\0{user}\0{password}"));
        let mut client = handshake(self.connect("auth"));
        client.ask(format!(
            "AUTH\t1\tPLAIN\t{fields}\tno-penalty\tnologin\tresp={response}\n"
        ))
    }

    /// Waits until the daemon has noticed a password.
    fn await_good(&self, user: &str, password: &str, fields: &str) {
        while !self.enter(user, password, fields).starts_with("OK\t") {}
    }

    /// Has it refused for `reason`, which only the log has.
    #[track_caller]
    fn refuse(&mut self, user: &str, password: &str, fields: &str, reason: &str) {
        let answer = self.enter(user, password, fields);
        assert_eq!(answer, format!("FAIL\t1\tuser={user}{REFUSED}"), "{reason}");
        self.expect(reason);
    }

    /// Waits for the line of a login that was refused so; others came before a change was noticed.
    fn expect(&mut self, reason: &str) {
        while self.serving.wait_for("login")["reason"] != reason {}
    }
}

#[test]
fn a_password_opens_its_account_where_it_is_good_and_nothing_else() {
    let mut daemon = with_key("login_names = \"addresses\"");
    let account = |words: &[&str]| gatepost(&daemon.root, "account", words).good();
    account(&[
        "add",
        ALICE,
        "--source",
        "local",
        "--alias",
        "a@example.com",
    ]);
    account(&["add", BOB, "--source", "local"]);
    let words = [
        ALICE,
        "--label",
        "Phone",
        "--service",
        "imap",
        "--service",
        "sieve",
    ];
    let (number, phone) = daemon.issue(&[&words[..], &["--network", "10.0.0.0/8"]].concat());
    let (_, other) = daemon.issue(&[ALICE]);
    let office = "service=imap\trip=10.1.1.1";
    daemon.await_good(ALICE, &phone, office);
    daemon.await_good(ALICE, &other, "service=doveadm");
    let plain = phone.to_uppercase().replace('-', " ");
    for (user, typed) in [("A@Example.com", &phone), (ALICE, &plain)] {
        let answer = daemon.enter(user, typed, office);
        assert_eq!(answer, format!("OK\t1\tuser={ALICE}"), "{user}");
    }
    let mut event = daemon.serving.wait_for("login");
    while event["app_password"] != number.parse::<u32>().unwrap() {
        event = daemon.serving.wait_for("login");
    }
    assert_eq!(
        (&event["user"], &event["mechanism"]),
        (&json!(ALICE), &json!("PLAIN"))
    );
    assert!(
        event["account"].is_string() && event["provider"].is_null(),
        "{event}"
    );
    for (user, password, fields, reason) in [
        (
            ALICE,
            &phone,
            "service=smtp\trip=10.1.1.1",
            "app_password_wrong_service",
        ),
        (
            ALICE,
            &phone,
            "service=imap\trip=192.0.2.1",
            "app_password_wrong_network",
        ),
        (ALICE, &phone, "service=imap", "app_password_wrong_network"),
        (BOB, &phone, office, "app_password_unknown"),
        ("nobody@example.com", &phone, office, "app_password_unknown"),
    ] {
        daemon.refuse(user, password, fields, reason);
    }
    gatepost(&daemon.root, "account", &["disable", ALICE]).good();
    while daemon.enter(ALICE, &phone, office).starts_with("OK\t") {}
    daemon.refuse(ALICE, &phone, office, "account_disabled");
    gatepost(&daemon.root, "account", &["enable", ALICE]).good();
    daemon.await_good(ALICE, &phone, office);
    daemon.app_password(&["revoke", ALICE, &number]).good();
    while daemon.enter(ALICE, &phone, office).starts_with("OK\t") {}
    daemon.refuse(ALICE, &phone, office, "app_password_revoked");
    let log = daemon.serving.stop();
    is_in_no_log(&log, &[&phone, &other]);
}

/// Nothing of a password is in a log, however it is written there.
#[track_caller]
fn is_in_no_log(log: &str, passwords: &[&str]) {
    let log = log.to_lowercase();
    for password in passwords {
        for group in password.split('-').skip(1) {
            let is_there = log.split(|c: char| !c.is_ascii_alphanumeric());
            assert!(is_there.into_iter().all(|word| word != group), "{group}");
        }
        assert!(!log.contains(&password[3..].replace('-', "")));
    }
}

#[test]
fn a_typing_error_is_told_and_a_password_typed_as_a_name_is_repeated_to_nobody() {
    let mut daemon = with_key("");
    gatepost(
        &daemon.root,
        "account",
        &["add", ALICE, "--source", "local"],
    )
    .good();
    let (_, password) = daemon.issue(&[ALICE]);
    daemon.await_good(ALICE, &password, "service=imap");
    let last = if password.ends_with('0') { "1" } else { "0" };
    let mistyped = format!("{}{last}", &password[..password.len() - 1]);
    for (user, typed) in [(ALICE, &*mistyped), (ALICE, "gp-mine")] {
        let answer = daemon.enter(user, typed, "service=imap");
        assert!(
            answer.contains("The application password is mistyped"),
            "{answer}"
        );
        daemon.expect("mistyped_password");
    }
    for (user, typed) in [
        (&*password, &*password),
        (&mistyped, "secret"),
        (&password, "secret"),
    ] {
        let answer = daemon.enter(user, typed, "service=imap");
        assert!(answer.starts_with("FAIL\t1\treason="), "{answer}");
        daemon.expect("mistyped_password");
    }
    // Those who know none go where they went: here to nobody.
    let answer = daemon.enter(ALICE, "secret", "service=imap");
    assert!(answer.contains("log in with a token"), "{answer}");
    daemon.expect("password_not_taken");
    is_in_no_log(&daemon.serving.stop(), &[&password, &mistyped]);
}

#[test]
fn a_password_that_has_expired_is_refused_as_any_other() {
    let mut daemon = with_key("");
    let id = gatepost(
        &daemon.root,
        "account",
        &["add", ALICE, "--source", "local"],
    )
    .good();
    let account = Id::parse(id.trim()).unwrap();
    let key = fs::read_to_string(daemon.path("key")).unwrap();
    let key: [u8; 32] = STANDARD.decode(key.trim()).unwrap().try_into().unwrap();
    let password = AppPassword::from_random(*b"fourteen bytes");
    let verifier = VerifierKey::new(&key).verifier(account.as_bytes(), &password);
    daemon.with_store("local", move |session, _| {
        let now = Timestamp::from_millis(0);
        let new = NewPassword {
            account,
            key: KeyId(0),
            verifier: Verifier(verifier),
            label: "",
            services: Services::default(),
            networks: &[],
            now,
            expires: Some(now),
        };
        session.add_password(&new).unwrap();
    });
    let (_, good) = daemon.issue(&[ALICE]);
    daemon.await_good(ALICE, &good, "service=imap");
    let shown = "gp-csqq-awkm-cnjp-w832-f5t6-adej";
    daemon.refuse(ALICE, shown, "service=imap", "app_password_expired");
    let listed = daemon.app_password(&["list", ALICE]).good();
    assert!(
        listed.starts_with("1\texpired\t\tall\tall\tadded "),
        "{listed}"
    );
}

#[test]
fn passwords_are_listed_with_where_they_are_good_and_when_they_were_used() {
    let daemon = with_key("");
    gatepost(
        &daemon.root,
        "account",
        &["add", ALICE, "--source", "local"],
    )
    .good();
    let words = [
        ALICE,
        "--label",
        "Phone",
        "--service",
        "smtp",
        "--network",
        "192.0.2.1",
    ];
    let added = daemon.app_password(&[&["add"], &words[..], &["--expires-days", "9"]].concat());
    assert!(
        added.told.contains("application password changed"),
        "{}",
        added.told
    );
    let printed = added.good();
    let password = printed
        .lines()
        .find_map(|line| line.strip_prefix("password  "));
    let password = password.unwrap();
    daemon.await_good(ALICE, password, "service=submission\trip=192.0.2.1");
    daemon
        .app_password(&["add", "nobody@example.com"])
        .refused(1, "there is no account");
    daemon
        .app_password(&["add", ALICE, "--network", "x"])
        .refused(2, "write an address");
    daemon
        .app_password(&["revoke", ALICE, "9"])
        .refused(1, "no application password 9");
    let root = daemon.root;
    let _ = daemon.serving.stop();
    let listed = gatepost(&root, "app-password", &["list", ALICE]).good();
    assert!(
        listed.starts_with("1\tgood\tPhone\tsmtp\t192.0.2.1/32\tadded "),
        "{listed}"
    );
    assert!(
        listed.contains(" from 192.0.2.1\n") && !listed.contains("expires never"),
        "{listed}"
    );
    assert!(!listed.contains(&password[3..]));
    let revoked = gatepost(&root, "app-password", &["revoke", ALICE, "1"]);
    assert!(revoked.told.contains("revoked"), "{}", revoked.told);
    revoked.good();
    let listed = gatepost(&root, "app-password", &["list", ALICE]).good();
    assert!(listed.starts_with("1\trevoked\tPhone\t"), "{listed}");
}

#[test]
fn a_key_is_made_once_is_private_and_is_missed() {
    let root = TempDir::new().unwrap();
    let key = root.path().join("key");
    let shown = key.display().to_string();
    let (path, issuer) = configure(&root, &format!("app_password_key = \"{shown}\""));
    let text = refused(&path);
    assert!(
        text.contains("it is not there") && text.contains("make-key"),
        "{text}"
    );
    gatepost(&root, "app-password", &["make-key"]).good();
    let made = fs::read(&key).unwrap();
    assert_eq!(
        fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    gatepost(&root, "app-password", &["make-key"]).refused(1, "is there already");
    assert_eq!(fs::read(&key).unwrap(), made);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let checked = std::process::Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .arg("check-config")
        .arg(&path)
        .output();
    let checked = String::from_utf8(checked.unwrap().stdout).unwrap();
    let warning = format!("{shown} holds a secret and can be read by others");
    assert!(checked.contains(&warning), "{checked}");
    // Another key for new passwords; those of the first are good until they are made anew.
    let daemon = Daemon::serve(root, issuer);
    gatepost(
        &daemon.root,
        "account",
        &["add", ALICE, "--source", "local"],
    )
    .good();
    let (_, old) = daemon.issue(&[ALICE]);
    let both = format!("[\"{shown}2\", \"{shown}\"]");
    let text = fs::read_to_string(daemon.path("gatepost.toml")).unwrap();
    let written = text.replace(&format!("\"{shown}\""), &both);
    fs::write(daemon.path("gatepost.toml"), written).unwrap();
    gatepost(&daemon.root, "app-password", &["make-key"]).good();
    let (daemon, _) = daemon.restart_with(&[]);
    let (_, new) = daemon.issue(&[ALICE]);
    daemon.await_good(ALICE, &new, "service=imap");
    daemon.await_good(ALICE, &old, "service=imap");
    let (daemon, _) = daemon.restart_with(&[(&both, &format!("\"{shown}2\""))]);
    daemon.await_good(ALICE, &new, "service=imap");
    assert!(
        daemon
            .enter(ALICE, &old, "service=imap")
            .starts_with("FAIL\t")
    );
}

#[test]
fn a_wrong_password_is_a_guess_and_a_good_one_elsewhere_is_good_at_once() {
    let daemon = with_key("");
    gatepost(
        &daemon.root,
        "account",
        &["add", ALICE, "--source", "local"],
    )
    .good();
    let (_, password) = daemon.issue(&[ALICE, "--service", "imap"]);
    daemon.await_good(ALICE, &password, "service=imap");
    let guess = |password: &str, service: &str| {
        let response = STANDARD.encode(format!("\0{ALICE}\0{password}"));
        let mut client = handshake(daemon.connect("auth"));
        client.ask(format!(
            "AUTH\t1\tPLAIN\tservice={service}\trip=192.0.2.9\tnologin\tresp={response}\n"
        ))
    };
    let waited = || {
        let metrics = ask(&daemon.watched, "GET /metrics HTTP/1.1\r\nHost: x\r\n", "").body;
        let row = "gatepost_limits_hit_total{limit=\"penalty\"} ";
        let mut rows = metrics.lines().filter_map(|line| line.strip_prefix(row));
        rows.next()
            .map_or(0, |number| number.parse::<u32>().unwrap())
    };
    for mistyped in ["gp-", "gp-1", "gp-2", "gp-3"] {
        assert!(guess(mistyped, "imap").contains("mistyped"));
    }
    assert_eq!(waited(), 0, "a typing error is no guess");
    // The same pair again is the same guess, and is judged for what it is there.
    assert!(guess(&password, "smtp").starts_with("FAIL\t"));
    assert!(guess(&password, "smtp").starts_with("FAIL\t"));
    assert!(guess(&password, "imap").starts_with("OK\t"));
    assert_eq!(waited(), 0);
    assert!(guess("gp-csqq-awkm-cnjp-w832-f5t6-adej", "imap").starts_with("FAIL\t"));
    assert_eq!(waited(), 1);
}

#[test]
fn other_passwords_are_refused_where_application_passwords_are_required_or_none_are_taken() {
    let mut daemon = with_key("require_app_passwords = [\"imap\"]\n");
    gatepost(
        &daemon.root,
        "account",
        &["add", ALICE, "--source", "local"],
    )
    .good();
    let (_, password) = daemon.issue(&[ALICE]);
    daemon.await_good(ALICE, &password, "service=imap");
    let answer = daemon.enter(ALICE, "secret", "service=imap");
    let expected = format!("FAIL\t1\tuser={ALICE}\treason=Log in with an application password");
    assert_eq!(answer, expected);
    daemon.expect("app_password_required");
    daemon.enter(ALICE, "secret", "service=smtp");
    daemon.expect("password_not_taken");
    let rule = "[[accounts.passwords_from]]\nnetworks = \"10.0.0.0/8\"\n[[accounts.source]]\nname = \"local\"";
    let changes = [("[[accounts.source]]\nname = \"local\"", rule)];
    let (mut daemon, _) = daemon.restart_with(&changes);
    daemon.await_good(ALICE, &password, "service=imap\trip=10.1.1.1");
    for typed in [&*password, "secret"] {
        let answer = daemon.enter(ALICE, typed, "service=imap\trip=192.0.2.1");
        assert!(answer.contains("Passwords are not taken here"), "{answer}");
        daemon.expect("password_not_allowed");
    }
}
