//! Files that administrators had imported, and what went wrong.

use std::fs;
use std::path::Path;

use gatepost_tests::mint::Issuer;

use super::{ImportError, import};
use crate::config::Config;
use crate::judging::generation::Generation;

/// What the file `text` becomes: the written text, and its table; the daemon takes it.
#[track_caller]
fn imported(text: &str) -> (String, toml::Table) {
    let written = import(Path::new("dovecot"), text).unwrap();
    loads(&written);
    let table = toml::from_str(&written).unwrap();
    (written, table)
}

/// The daemon takes `written`, once the keys that it names are there.
#[track_caller]
fn loads(written: &str) {
    let directory = tempfile::tempdir().unwrap();
    let mut table: toml::Table = toml::from_str(written).unwrap();
    for provider in table["provider"].as_array_mut().unwrap() {
        let provider = provider.as_table_mut().unwrap();
        // What is in files is the administrator's.
        for file in ["ca_file", "client_certificate", "client_key"] {
            provider.remove(file);
        }
        if provider.contains_key("keys") {
            let keys = directory.path().join("keys.json");
            write_keys(&keys);
            let keys = keys.to_str().unwrap().to_owned();
            provider.insert("keys".to_owned(), vec![keys].into());
        }
    }
    let config = Config::parse(&table.to_string());
    let config = config.unwrap_or_else(|fault| panic!("{fault:?}\n{written}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _inside = runtime.enter();
    if let Err(fault) = Generation::load(&config, None) {
        panic!("{fault}\n{written}");
    }
}

/// Settings of either version, and values of which some are good and some are not.
const NAMES: [&str; 33] = [
    "tokeninfo_url",
    "introspection_url",
    "introspection_url",
    "introspection_mode",
    "introspection_mode",
    "force_introspection",
    "scope",
    "issuers",
    "issuers",
    "audience",
    "username_attribute",
    "username_format",
    "active_attribute",
    "active_value",
    "client_id",
    "client_id",
    "client_secret",
    "client_secret",
    "openid_configuration_url",
    "local_validation_key_dict",
    "local_validation_key_dict",
    "send_auth_headers",
    "timeout_msecs",
    "max_parallel_connections",
    "tls_ca_cert_file",
    "tls_cert_file",
    "tls_key_file",
    "grant_url",
    "use_grant_password",
    "pass_attrs",
    "debug",
    "rawlog_dir",
    "max_idle_time_msecs",
];

const VALUES: [&str; 36] = [
    "",
    "yes",
    "no",
    "local",
    "local",
    "auth",
    "post",
    "get",
    "https://id.example.org/a?token=",
    "https://id.example.org",
    "http://mail.example.org/realms/x",
    "http://127.0.0.1:80/u",
    "https://u:p%20w@id.example.org/i",
    "https://:@x/",
    "https:///p",
    "http://[::1]/?",
    "fs:posix:prefix=/etc/dovecot/keys/",
    "fs:posix:prefix=/k",
    "redis:host=1",
    "0",
    "5",
    "99999999",
    "0x1f",
    "12s",
    "email",
    "active",
    "scope",
    "\"two words\"",
    "'it is # \\' x'",
    "mail other third",
    "%Lu",
    "%{user|lower}",
    "proxy=y user=x pass=%{oauth2:access_token} email=%u a=%{oauth2:b}",
    "https://id.example.org/\u{fc}",
    "a.b.c",
    "https://issuer-of-a-very-long-name.example.org/0123456789012345678901234567890123456789/realms",
];

/// Whatever an administrator writes: it is refused with a reason, or becomes a file that the daemon takes.
#[test]
fn what_is_written_loads() {
    let mut state = 1_u64;
    let mut below = |end: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % end
    };
    let (mut written, mut refused) = (0, 0);
    for round in 0..3_000 {
        let mut text = String::new();
        for _ in 0..=below(9) {
            let (name, value) = (NAMES[below(NAMES.len())], VALUES[below(VALUES.len())]);
            // Most settings have a value of their kind, or nothing would ever be written.
            let value = match name {
                _ if below(8) == 0 => value,
                "introspection_mode" => ["auth", "post", "get", "local"][below(4)],
                "force_introspection" | "send_auth_headers" | "use_grant_password" => {
                    ["yes", "no"][below(2)]
                }
                "local_validation_key_dict" => VALUES[16 + below(3)],
                "timeout_msecs" | "max_parallel_connections" => VALUES[19 + below(4)],
                "tokeninfo_url" => ["https://id.example.org/a?token=", "http://[::1]/?"][below(2)],
                name if name.ends_with("_url") => VALUES[8 + below(8)],
                _ => value,
            };
            text.extend([name, " = ", value, "\n"]);
        }
        let text = match round % 2 {
            0 => text,
            _ => format!("oauth2 {{\n{text}}}\npassdb oauth2 {{\n}}\n"),
        };
        match import(Path::new("dovecot"), &text) {
            Ok(written_text) => {
                written += 1;
                // Building clients takes its time; every text has been parsed by then.
                if written % 5 == 0 {
                    loads(&written_text);
                }
            }
            Err(ImportError::Refused(fault)) => panic!("{fault}\n{text}"),
            Err(_) => refused += 1,
        }
    }
    assert!(
        written > 300 && refused > 300,
        "{written} written, {refused} refused"
    );
}

fn write_keys(path: &Path) {
    fs::write(path, Issuer::new().jwk_set().to_string()).unwrap();
}

fn provider(table: &toml::Table) -> &toml::Table {
    table["provider"][0].as_table().unwrap()
}

// A8
#[test]
fn local_validation_without_issuers_loads() {
    let (_, table) = imported(include_str!(
        "../../tests/import/local-without-issuers.conf.ext"
    ));
    assert_eq!(provider(&table)["validate"].as_str(), Some("local"));
}

// A9
#[test]
fn quotes_hold_hashes_and_go_away() {
    let (_, table) = imported(include_str!("../../tests/import/quotes-a.conf.ext"));
    let provider = provider(&table);
    assert_eq!(provider["client_id"].as_str(), Some("mail"));
    assert_eq!(provider["client_secret"].as_str(), Some("abc # def"));
    assert_eq!(provider["username_claims"][0].as_str(), Some("email"));
    assert!(!provider.contains_key("ca_file"));
}

// A9
#[test]
fn braces_have_comments_behind_them() {
    let (_, table) = imported(include_str!("../../tests/import/quotes-b.conf"));
    let provider = provider(&table);
    assert_eq!(
        provider["introspection_url"].as_str(),
        Some("https://id.example.org/u")
    );
}

// A10
#[test]
fn passwords_stay_where_they_are_unless_they_are_granted() {
    let text = include_str!("../../tests/import/grant-url.conf.ext");
    let (written, table) = imported(text);
    assert!(!provider(&table).contains_key("grant_url"));
    assert!(
        written.contains(
            "grant_url = https://id.example.org/realms/p/protocol/openid-connect/token: "
        )
    );
    let granted = format!("{text}use_grant_password = yes\n");
    assert!(provider(&imported(&granted).1).contains_key("grant_url"));
}

// J6: Dovecot never looked at email_verified, and authentik answers false for everybody.
#[test]
fn an_address_that_nobody_verified_names_its_user_as_before() {
    let text = "introspection_url = https://id.example.org/u\n";
    let (written, table) = imported(text);
    assert_eq!(provider(&table)["unverified_email"].as_bool(), Some(true));
    assert!(written.contains("never looked at email_verified"));
    let (_, table) = imported(&format!("{text}username_attribute = sub\n"));
    assert!(!provider(&table).contains_key("unverified_email"));
}

// A11
#[test]
fn dovecot_asks_gatepost_and_is_told_how() {
    for text in [
        include_str!("../../tests/import/quotes-a.conf.ext"),
        include_str!("../../tests/import/quotes-b.conf"),
    ] {
        let (written, table) = imported(text);
        assert_eq!(table["http"]["listen"].as_str(), Some("tcp:127.0.0.1:9080"));
        assert!(!table.contains_key("listen"), "IMAP never asks there");
        for line in [
            "introspection_url = http://127.0.0.1:9080/userinfo",
            "introspection_mode = auth",
            "username_attribute = email",
        ] {
            assert!(written.contains(line), "no {line} in\n{written}");
        }
    }
}
