//! `[upstream]` and `[users]`: who is relayed to, and who exists.

use super::*;

/// A whole configuration with these lines after its listener and its provider.
fn with_tables(listener: &str, tables: &str) -> String {
    format!("{LISTENER}{listener}\n{PROVIDER}{tables}\n")
}

const USERS: &str = "[users]\ndomains = [\"example.com\"]\nuid = 5000\nhome = \"/var/vmail/%d/%n\"";
const DOVECOT: &str = "[upstream]\nlogin = \"unix:/run/dovecot/login/login\"\nmaster = \"unix:/run/dovecot/auth-master\"";

/// Dovecot knows `managesieve-login` from its own package alone, and without it does not start (A1).
#[test]
fn the_relays_example_configures_no_service_that_stock_dovecot_lacks() {
    let example = include_str!("../../../../../examples/dovecot/relay.conf");
    let services = example
        .lines()
        .filter_map(|line| line.strip_prefix("service "))
        .filter_map(|line| line.strip_suffix(" {"));
    let stock = ["imap-login", "pop3-login", "submission-login", "auth"];
    assert_eq!(services.collect::<Vec<_>>(), stock);
}

/// What the page has people write is included by something (A2), and says whose users it is for (A3).
#[test]
fn the_pages_name_every_file_and_both_kinds_of_users() {
    let way_1 = include_str!("../../../../../examples/dovecot/README.md");
    let way_3 = include_str!("../../../../../examples/dovecot/RELAY.md");
    let postfix = include_str!("../../../../../examples/postfix/README.md");
    assert_eq!(way_1.matches("!include auth-oauth2.conf.ext").count(), 2);
    for page in [way_1, way_3] {
        for word in ["System users", "Virtual users", "not found from userdb"] {
            assert!(page.contains(word), "{word}");
        }
    }
    assert!(postfix.contains("postconf -M submission/inet="));
}

#[test]
fn what_listeners_are_asked_has_to_be_known_by_somebody() {
    for (listener, tables, expected) in [
        ("protocol = \"master\"", "", "nobody knows the users"),
        ("protocol = \"socketmap\"", "", "nobody knows the users"),
        (
            "protocol = \"socketmap\"",
            "[upstream]\nclient = \"unix:/run/dovecot/auth-client\"",
            "nobody knows the users",
        ),
        (
            "protocol = \"master\"",
            "[upstream]\nclient = \"unix:/a\"\nmaster = \"unix:/b\"",
            "write login and master under [upstream]",
        ),
        ("", "[upstream]", "name its sockets"),
        (
            "",
            "[upstream]\nlogin = \"/run/x\"",
            "write the path of a socket",
        ),
        ("", "[users]\nuid = 5", "say who exists, in one way"),
        (
            "",
            "[users]\ndomains = [\"a\"]\nallow_all_users = true",
            "say who exists, in one way",
        ),
        ("", "[users]\ndomains = [\"@a.test\"]", "write a domain"),
        (
            "",
            "[users]\nallow_all_users = true\nfields = { uid = \"0\" }",
            "uid, gid and home are keys of their own",
        ),
        ("", "[users]\ndomains = [\"a test\"]", "write a domain"),
        ("", "[users]\ndomains = [\"a.test.\"]", "write a domain"),
        (
            "",
            "[users]\ndomains = [\"gatepost.invalid\"]",
            "write a domain",
        ),
        (
            "",
            "[users]\nallow_all_users = true\nhome = \"/v/%n\\n\"",
            "write text with %u or %{user}",
        ),
        (
            "",
            "[users]\nallow_all_users = true\nhome = \"%h\"",
            "write text with %u or %{user}",
        ),
        (
            "",
            "[users]\nallow_all_users = true\nuid = -1",
            "write a number, or the name",
        ),
        (
            "protocol = \"imap\"",
            "",
            "write \"auth\", \"master\" or \"socketmap\"",
        ),
    ] {
        let message = refuse(&with_tables(listener, tables));
        assert!(message.contains(expected), "{message}");
    }
    for (listener, tables) in [
        ("protocol = \"master\"", USERS),
        ("protocol = \"master\"", DOVECOT),
        ("protocol = \"socketmap\"", USERS),
        ("", DOVECOT),
    ] {
        let config = Config::parse(&with_tables(listener, tables)).unwrap();
        assert_eq!(config.looser_words(), Vec::<String>::new());
    }
}

#[test]
fn no_socket_of_ours_keeps_dovecot_from_starting() {
    let listener = "[[listener]]\naddress = \"unix:/run/dovecot/login/gatepost\"\n";
    let message = refuse(&format!("{listener}{PROVIDER}{DOVECOT}\n"));
    assert!(message.contains("write a path below"), "{message}");
    let below = listener.replace("gatepost", "gatepost/auth");
    assert!(Config::parse(&format!("{below}{PROVIDER}{DOVECOT}\n")).is_ok());
}

#[test]
fn masters_are_not_listened_for_over_tcp() {
    let tcp = "[[listener]]\naddress = \"tcp:127.0.0.1:1\"\nprotocol = \"master\"\n";
    let message = refuse(&format!("{tcp}{PROVIDER}{USERS}\n"));
    assert!(
        message.contains("hands out logins; write a unix: address"),
        "{message}"
    );
}

#[test]
fn that_everybody_exists_is_a_looser_word() {
    let text = with_tables("", "[users]\nallow_all_users = true");
    let words = Config::parse(&text).unwrap().looser_words();
    assert_eq!(
        words,
        ["[users]: allow_all_users = true: every name exists"]
    );
}

#[test]
fn users_are_made_of_what_the_system_knows() {
    let load = |table: &str| {
        let config = Config::parse(&with_tables("", table)).unwrap();
        config.users.unwrap().load()
    };
    let users = load(
        "[users]\ndomains = [\"Example.com\"]\nuid = \"mail\"\ngid = 9\nfields = { mail = \"m:%n\" }",
    );
    let found = users.unwrap().find("Alice@example.COM").unwrap();
    let fields = [("uid", "8"), ("gid", "9"), ("mail", "m:alice")];
    let fields = fields.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(found.fields, fields);
    for (table, expected) in [
        (
            "[users]\nallow_all_users = true\nuid = \"root\"",
            "uid = 0 would be root",
        ),
        (
            "[users]\nallow_all_users = true\ngid = 0",
            "gid = 0 would be root",
        ),
        (
            "[users]\nallow_all_users = true\ngid = \"no-such\"",
            "there is no gid \"no-such\"",
        ),
        (
            "[users]\npasswd_file = \"/no/such\"",
            "passwd_file /no/such: No such file",
        ),
    ] {
        let message = load(table).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}
