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

/// Whoever loses every address by a word that was mistyped gets no mail: that is told.
#[test]
fn accounts_without_an_address_at_a_start_are_counted_in_the_log() {
    let daemon = Daemon::start();
    daemon.source("idp").create("alice@example.com");
    daemon.source("idp").create("bob@example.com");
    let mistyped = OF_IDP.replace("example.com", "exmaple.com");
    assert_ne!(mistyped, OF_IDP);
    let (daemon, _) = daemon.restart_with(&[(OF_IDP, &mistyped)]);
    assert_eq!(
        look_up(&mut daemon.connect("map"), "mailbox bob@example.com"),
        "NOTFOUND "
    );
    let log = daemon.serving.stop();
    let line = log
        .lines()
        .find(|line| line.contains("have no address any more"));
    let line = line.unwrap_or_else(|| panic!("{log}"));
    assert!(
        line.contains("WARN") && line.contains("\"accounts\":2"),
        "{line}"
    );
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
