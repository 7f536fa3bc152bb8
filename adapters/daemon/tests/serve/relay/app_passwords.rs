//! Application passwords before a Dovecot, which hears nothing of them, and of other passwords what it always did.

use super::*;
use crate::accounts::commands::gatepost;

const SECRET: &str = "gp-csqq-awkm-cnjp-w832-f5t6-adej";
const MISTYPED: &str = "gp-csqq-awkm-cnjp-w832-f5t6-adek";

/// A daemon with an account of Alice's, such `lines` under `[accounts]`, and a Dovecot; and a password of hers.
fn start(lines: &str) -> (Daemon, Dovecot, String) {
    let root = TempDir::new().unwrap();
    let dovecot = Dovecot::start(root.path());
    let key = root.path().join("key");
    fs::write(&key, STANDARD.encode([7; 32])).unwrap();
    let accounts = format!(
        "{DOVECOT}[accounts]\ndatabase = \"%/accounts.sqlite\"\nuid = 5000\nhome = \"/v/%n\"\n\
         app_password_key = \"%/key\"\n{lines}\n\
         [[accounts.source]]\nname = \"local\"\ndomains = \"example.com\"\n"
    );
    let daemon = Daemon::start(root, &accounts);
    gatepost(&daemon.root, "account", &["add", ALICE]).good();
    let out = gatepost(&daemon.root, "app-password", &["add", ALICE]).good();
    let password = out.lines().find_map(|line| line.strip_prefix("password  "));
    let password = password.unwrap().to_owned();
    let (mut client, _) = daemon.auth(5);
    for id in 1.. {
        if client
            .ask(self::password(id, ALICE, &password))
            .starts_with("OK\t")
        {
            break;
        }
    }
    (daemon, dovecot, password)
}

/// Nothing of this kind was said to Dovecot, in clear or in base64.
#[track_caller]
fn never_heard(dovecot: &Dovecot, secrets: &[&str]) {
    let decoded = |line: &String| {
        let words = line.split(['\t', '=']);
        let decoded = words.filter_map(|word| {
            let padded = format!("{word}{}", "=".repeat(word.len().wrapping_neg() % 4));
            STANDARD.decode(padded).ok()
        });
        let text: Vec<String> = decoded
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .collect();
        format!("{line} {}", text.join(" "))
    };
    for line in dovecot.heard().iter().map(decoded) {
        for secret in secrets {
            assert!(!line.to_lowercase().contains(secret), "{line}");
        }
    }
}

#[test]
fn an_application_password_is_ours_and_any_other_is_dovecot_s() {
    let (daemon, dovecot, secret) = start("");
    let (mut client, greeting) = daemon.auth(77);
    let mechanisms: Vec<&str> = greeting
        .iter()
        .filter_map(|line| line.strip_prefix("MECH\t"))
        .filter_map(|line| line.split('\t').next())
        .collect();
    assert_eq!(
        mechanisms,
        ["OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN", "CRAM-MD5"]
    );
    let good = format!("OK\t1\tuser={ALICE}");
    assert_eq!(client.ask(password(1, ALICE, &secret)), good);
    assert_eq!(
        client.ask(password(2, "bob", "good")),
        "OK\t2\tuser=bob\tx_new=1"
    );
    assert_eq!(client.ask(password(3, "bob", "bad")), "FAIL\t3\tuser=bob");
    assert_eq!(client.ask("AUTH\t4\tPLAIN\tprotocol=imap\n"), "CONT\t4\t");
    assert_eq!(
        client.ask("CONT\t4\tAGV2ZQBnb29k\n"),
        "OK\t4\tuser=eve\tx_new=1"
    );
    // A client of LOGIN, with either.
    let base64 = |text: &str| STANDARD.encode(text);
    for (id, user, typed, answer) in [
        (5, "eve", "good", "OK\t5\tuser=eve\tx_new=1".to_owned()),
        (6, ALICE, &*secret, format!("OK\t6\tuser={ALICE}")),
    ] {
        let name = client.ask(format!("AUTH\t{id}\tLOGIN\tservice=imap\tfuture=1\n"));
        assert_eq!(name, format!("CONT\t{id}\t{}", base64("Username:")));
        let word = client.ask(format!("CONT\t{id}\t{}\n", base64(user)));
        assert_eq!(word, format!("CONT\t{id}\t{}", base64("Password:")));
        assert_eq!(
            client.ask(format!("CONT\t{id}\t{}\n", base64(typed))),
            answer
        );
    }
    let cookie = cookie(&greeting);
    let mut master = daemon.master();
    let asked = master.ask(format!("REQUEST\t1\t77\t1\t{cookie}\n"));
    assert!(asked.starts_with(&format!("USER\t1\t{ALICE}\t")), "{asked}");
    for (number, id, user) in [(2, 2, "bob"), (3, 4, "eve"), (4, 5, "eve")] {
        let asked = master.ask(format!("REQUEST\t{number}\t77\t{id}\t{cookie}\n"));
        assert_eq!(
            asked,
            format!("USER\t{number}\t{user}\tuid=8\thome=/h/{user}")
        );
    }
    let heard = dovecot.heard();
    let expected = [
        password(2, "bob", "good"),
        password(3, "bob", "bad"),
        "AUTH\t4\tPLAIN\tprotocol=imap\tresp=AGV2ZQBnb29k\n".to_owned(),
        "AUTH\t5\tPLAIN\tservice=imap\tfuture=1\tresp=AGV2ZQBnb29k\n".to_owned(),
    ];
    for line in expected {
        assert!(
            heard.contains(&line.trim_end().to_owned()),
            "{line} {heard:?}"
        );
    }
    never_heard(&dovecot, &[&secret[3..], "csqq"]);
}

#[test]
fn what_is_mistyped_or_typed_as_a_name_reaches_dovecot_as_little() {
    let (daemon, dovecot, secret) = start("");
    let (mut client, _) = daemon.auth(77);
    let compact = SECRET.replace('-', "").to_uppercase();
    let tries = [
        (ALICE, MISTYPED),
        (ALICE, "gp-"),
        (ALICE, SECRET),
        ("bob", SECRET),
        ("nobody", &compact),
        (SECRET, "good"),
        (MISTYPED, "good"),
        (&secret, "good"),
        (&secret, &secret),
    ];
    for (id, (user, typed)) in (1..).zip(tries) {
        let answer = client.ask(password(id, user, typed));
        assert!(answer.starts_with(&format!("FAIL\t{id}")), "{answer}");
        assert!(!answer.to_lowercase().contains("csqq") && !answer.contains(&secret));
    }
    never_heard(&dovecot, &[&secret[3..], "csqq"]);
    let log = daemon.serving.stop().to_lowercase();
    assert!(
        !log.contains("csqq") && !log.contains(&secret[3..]),
        "{log}"
    );
}

#[test]
fn where_application_passwords_are_required_dovecot_sees_no_other() {
    let (mut daemon, dovecot, secret) = start("require_app_passwords = [\"imap\"]");
    let (mut client, greeting) = daemon.auth(77);
    assert!(
        greeting
            .iter()
            .any(|line| line.starts_with("MECH\tCRAM-MD5"))
    );
    let before = dovecot.heard().len();
    assert_eq!(client.ask(password(1, "bob", "good")), "FAIL\t1\tuser=bob");
    assert_eq!(
        client.ask("AUTH\t2\tCRAM-MD5\tservice=imap\tresp=AA==\n"),
        "FAIL\t2"
    );
    let told = client.ask("AUTH\t3\tCRAM-MD5\tservice=imap\tnologin\n");
    assert_eq!(told, "FAIL\t3\treason=Log in with an application password");
    assert_eq!(dovecot.heard().len(), before);
    assert_eq!(
        client.ask(password(4, ALICE, &secret)),
        format!("OK\t4\tuser={ALICE}")
    );
    let smtp = password(5, "bob", "good").replace("=imap", "=smtp");
    assert_eq!(client.ask(smtp), "OK\t5\tuser=bob\tx_new=1");
    assert_eq!(client.ask("AUTH\t6\tCRAM-MD5\tservice=smtp\n"), "CONT\t6\t");
    for _ in 0..3 {
        while daemon.serving.wait_for("login")["reason"] != "app_password_required" {}
    }
}

#[test]
fn where_they_are_required_everywhere_nothing_else_is_offered() {
    let (daemon, dovecot, _) = start("require_app_passwords = true");
    let (mut client, greeting) = daemon.auth(77);
    assert!(
        !greeting.iter().any(|line| line.contains("CRAM-MD5")),
        "{greeting:?}"
    );
    let before = dovecot.heard().len();
    assert!(
        client
            .ask(password(1, "bob", "good"))
            .starts_with("FAIL\t1")
    );
    assert!(
        client
            .ask("AUTH\t2\tCRAM-MD5\tservice=imap\n")
            .starts_with("FAIL\t2")
    );
    assert_eq!(dovecot.heard().len(), before);
}

#[test]
fn passwords_from_elsewhere_are_shown_to_nobody() {
    let rules = "[[accounts.passwords_from]]\nnetworks = \"10.0.0.0/8\"\n\
                 [[accounts.passwords_from]]\nusers = \"bob\"";
    let tables = format!(
        "{DOVECOT}[accounts]\ndatabase = \"%/accounts.sqlite\"\n{rules}\n\
         [[accounts.source]]\nname = \"local\"\ndomains = \"example.com\"\n"
    );
    let (daemon, dovecot) = with_dovecot_and(&tables);
    let (mut client, _) = daemon.auth(77);
    let from = |id, user, address: &str| {
        password(id, user, "good").replace("future=1", &format!("rip={address}"))
    };
    let answer = client.ask(from(1, "eve", "10.1.1.1"));
    assert_eq!(answer, "OK\t1\tuser=eve\tx_new=1");
    let answer = client.ask(from(2, "bob", "192.0.2.1"));
    assert_eq!(answer, "OK\t2\tuser=bob\tx_new=1");
    let before = dovecot.heard().len();
    assert_eq!(client.ask(from(3, "eve", "192.0.2.1")), "FAIL\t3\tuser=eve");
    let cram = client.ask("AUTH\t4\tCRAM-MD5\tservice=imap\trip=192.0.2.1\n");
    assert_eq!(cram, "FAIL\t4");
    assert_eq!(dovecot.heard().len(), before);
    let cram = client.ask("AUTH\t5\tCRAM-MD5\tservice=imap\trip=10.1.1.1\n");
    assert_eq!(cram, "CONT\t5\t");
}
