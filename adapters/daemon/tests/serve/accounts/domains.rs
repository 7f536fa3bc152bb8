//! Accounts of a source whose domains are others at the next start.

use super::*;
use crate::relay::look_up;

const OF_IDP: &str = "name = \"idp\"\ndomains = [\"example.com\", \"example.net\"]";
const OF_OTHER: &str = "name = \"other\"\ndomains = [\"example.com\"]";

const IDP_WITHOUT_NET: &str = "name = \"idp\"\ndomains = [\"example.com\"]";
const OTHER_WITH_NET: &str = "name = \"other\"\ndomains = [\"example.com\", \"example.net\"]";

#[track_caller]
fn check(daemon: &Daemon, rows: &[(&str, &str)]) {
    let mut map = daemon.connect("map");
    for (request, answer) in rows {
        assert_eq!(look_up(&mut map, request), *answer, "{request}");
    }
}

/// Pushes a user of that name with further addresses; gives its path.
fn push(source: &Pushing<'_>, name: &str, addresses: &[&str]) -> String {
    let emails = addresses.iter().map(|address| json!({"value": address}));
    let emails: Vec<_> = emails.collect();
    let user = json!({"schemas": [USER], "userName": name, "externalId": name, "emails": emails});
    let created = source.push("POST", "/Users", &user).expect(201);
    format!("/Users/{}", created["id"].as_str().unwrap())
}

#[test]
fn an_account_has_the_addresses_of_the_domains_that_its_source_has_now() {
    let daemon = Daemon::start();
    push(
        &daemon.source("idp"),
        "alice@example.com",
        &["a@example.net", "a@example.org"],
    );
    let (daemon, _) = daemon.restart_with(&[(
        OF_IDP,
        "name = \"idp\"\ndomains = [\"example.org\", \"example.com\"]",
    )]);
    check(
        &daemon,
        &[
            ("mailbox alice@example.com", "OK alice@example.com"),
            ("alias a@example.org", "OK alice@example.com"),
            ("domain example.org", "OK example.org"),
            ("alias a@example.net", "NOTFOUND "),
            ("domain example.net", "NOTFOUND "),
        ],
    );
    let (daemon, log) = daemon.restart_with(&[]);
    assert!(log.contains("account has other addresses"), "{log}");
    check(&daemon, &[("alias a@example.org", "OK alice@example.com")]);
    let log = daemon.serving.stop();
    assert!(!log.contains("account has other addresses"), "{log}");
}

#[test]
fn a_domain_moves_to_another_source_whichever_is_written_first() {
    let both = [(OF_IDP, IDP_WITHOUT_NET), (OF_OTHER, OTHER_WITH_NET)];
    let back = both.map(|(old, new)| (new, old));
    let daemon = Daemon::start();
    push(
        &daemon.source("idp"),
        "alice@example.com",
        &["sales@example.net"],
    );
    push(
        &daemon.source("other"),
        "bob@example.com",
        &["sales@example.net"],
    );
    check(
        &daemon,
        &[("alias sales@example.net", "OK alice@example.com")],
    );
    let (daemon, _) = daemon.restart_with(&both);
    check(
        &daemon,
        &[("alias sales@example.net", "OK bob@example.com")],
    );
    let (daemon, log) = daemon.restart_with(&back);
    assert!(log.contains("address has another account now"), "{log}");
    check(
        &daemon,
        &[("alias sales@example.net", "OK alice@example.com")],
    );
}

#[test]
fn an_address_that_another_has_stays_the_others_until_it_is_given_up() {
    let daemon = Daemon::start();
    let alice = push(
        &daemon.source("idp"),
        "alice@example.com",
        &["sales@example.net"],
    );
    push(
        &daemon.source("other"),
        "bob@example.com",
        &["sales@example.net"],
    );
    let (mut daemon, _) = daemon.restart_with(&[(OF_OTHER, OTHER_WITH_NET)]);
    check(
        &daemon,
        &[("alias sales@example.net", "OK alice@example.com")],
    );
    for _ in 0..2 {
        let (next, log) = daemon.restart_with(&[]);
        daemon = next;
        let line = log.lines().find(|line| line.contains("address refused"));
        let line: Value = serde_json::from_str(line.expect("each start tells it")).unwrap();
        assert_eq!(
            (&line["source"], &line["address"], &line["owner_source"]),
            (&json!("other"), &json!("sales@example.net"), &json!("idp"))
        );
    }
    let gone = daemon.source("idp").push("DELETE", &alice, &Value::Null);
    assert_eq!(gone.status, 204);
    let (daemon, _) = daemon.restart_with(&[]);
    check(
        &daemon,
        &[("alias sales@example.net", "OK bob@example.com")],
    );
    let log = daemon.serving.stop();
    assert!(!log.contains("address refused"), "{log}");
}

const MISTYPED: &str = "name = \"idp\"\ndomains = [\"exmaple.com\", \"example.net\"]";

/// What keeps a mistyped word from leaving most accounts without an address, and how to say that it is meant.
#[test]
fn a_mistyped_domain_takes_nobody_s_address_until_it_is_said_to_be_meant() {
    let daemon = Daemon::start();
    let alice = push(&daemon.source("idp"), "alice@example.com", &[]);
    push(&daemon.source("idp"), "bob@example.com", &["b@example.net"]);
    let rows = [
        ("mailbox alice@example.com", "OK alice@example.com"),
        ("mailbox bob@example.com", "OK bob@example.com"),
        ("alias b@example.net", "OK bob@example.com"),
    ];
    let (mut daemon, _) = daemon.restart_with(&[(OF_IDP, MISTYPED)]);
    let secret = daemon.source("idp").secret;
    for _ in 0..2 {
        check(&daemon, &rows);
        let (status, accounts) = daemon.ready();
        let kept = json!([{"source": "idp", "domains": ["example.com"], "accounts": 1}]);
        assert_eq!(
            (status, &accounts["kept_domains"]),
            (200, &kept),
            "{accounts}"
        );
        let figures = ask(&daemon.watched, "GET /metrics HTTP/1.1\r\nHost: x\r\n", "").body;
        for figure in [
            "gatepost_accounts{state=\"enabled\"} 2",
            "gatepost_accounts{state=\"disabled\"} 0",
            "gatepost_accounts_writable 1",
            "gatepost_accounts_in_kept_domains{source=\"idp\"} 1",
        ] {
            assert!(figures.contains(figure), "{figures}");
        }
        // Nor does what is pushed take it, nor what a command does.
        let idp = Pushing {
            daemon: &daemon,
            name: "idp".to_owned(),
            secret: secret.clone(),
            id: SecretId(0),
        };
        let named = json!({"schemas": [USER], "userName": "alice@example.com", "displayName": "A"});
        idp.push("PUT", &alice, &named).expect(200);
        super::commands::gatepost(&daemon.root, "account", &["disable", "bob@example.com"]).good();
        super::commands::gatepost(&daemon.root, "account", &["enable", "bob@example.com"]).good();
        let (next, log) = daemon.restart_with(&[]);
        daemon = next;
        let line = log.lines().find(|line| line.contains("domains kept"));
        let line = line.unwrap_or_else(|| panic!("{log}"));
        assert!(
            line.contains("ERROR") && line.contains("\"accounts\":1"),
            "{line}"
        );
    }
    let meant = format!("{MISTYPED}\nmax_without_address_percent = 100");
    let (daemon, _) = daemon.restart_with(&[(MISTYPED, &meant)]);
    check(
        &daemon,
        &[
            ("mailbox alice@example.com", "NOTFOUND "),
            ("mailbox b@example.net", "OK b@example.net"),
        ],
    );
    assert_eq!(daemon.ready().1["kept_domains"], Value::Null);
    let log = daemon.serving.stop();
    let line = log
        .lines()
        .find(|line| line.contains("have no address any more"));
    let line = line.unwrap_or_else(|| panic!("{log}"));
    assert!(
        line.contains("WARN") && line.contains("\"accounts\":1"),
        "{line}"
    );
}

#[test]
fn what_other_domains_would_do_is_told_before_the_start() {
    let daemon = Daemon::start();
    for number in 0..9 {
        push(
            &daemon.source("idp"),
            &format!("u{number}@example.com"),
            &[],
        );
    }
    push(&daemon.source("idp"), "bob@example.com", &["b@example.net"]);
    let Daemon { root, serving, .. } = daemon;
    serving.stop();
    let configuration = root.path().join("gatepost.toml");
    let text = fs::read_to_string(&configuration).unwrap();
    let says = |of_idp: &str, code: i32, words: &str| {
        let text = text
            .replace(OF_IDP, of_idp)
            .replace("https://mail.example.com", "http://127.0.0.1:1");
        fs::write(&configuration, text).unwrap();
        let (said, ended) = super::store::examined(&root, &["check-config"]);
        assert!(said.contains(words), "{said}");
        assert_eq!(ended, Some(code), "{said}");
        let (said, _) = super::store::examined(&root, &["doctor", "--config"]);
        assert!(said.contains(words), "{said}");
    };
    says(
        MISTYPED,
        2,
        "domains of the source \"idp\": 9 of its 10 accounts would have no address, and 1 another mailbox",
    );
    says(
        &format!("{MISTYPED}\nmax_without_address_percent = 90"),
        0,
        "9 of its 10 accounts will have no address",
    );
    let (said, _) = super::store::examined(&root, &["check-config"]);
    assert!(said.contains("max_without_address_percent = 90"), "{said}");
    fs::write(&configuration, &text).unwrap();
    let (said, _) = super::store::examined(&root, &["check-config"]);
    assert!(!said.contains("of its 10 accounts"), "{said}");
}

/// What a command wrote by another configuration than the daemon's is derived by the daemon's at its next start.
#[test]
fn what_a_command_wrote_by_other_domains_is_derived_anew() {
    let daemon = Daemon::start();
    let (daemon, _) = daemon.restart_with(&[(OF_IDP, IDP_WITHOUT_NET)]);
    let configuration = daemon.path("gatepost.toml");
    let text = fs::read_to_string(&configuration).unwrap();
    fs::write(&configuration, text.replace(IDP_WITHOUT_NET, OF_IDP)).unwrap();
    let words = [
        "add",
        "c@example.com",
        "--alias",
        "c@example.net",
        "--source",
        "idp",
    ];
    super::commands::gatepost(&daemon.root, "account", &words).good();
    let (daemon, _) = daemon.restart_with(&[(OF_IDP, IDP_WITHOUT_NET)]);
    check(
        &daemon,
        &[
            ("mailbox c@example.com", "OK c@example.com"),
            ("alias c@example.net", "NOTFOUND "),
        ],
    );
}
