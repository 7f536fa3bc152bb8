//! Files that administrators had imported, and what went wrong.

use std::fs;
use std::path::Path;

use gatepost_tests::mint::Issuer;

use super::import;
use crate::config::Config;
use crate::generation::Generation;

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

// A11
#[test]
fn dovecot_asks_gatepost_and_is_told_how() {
    for text in [
        include_str!("../../tests/import/quotes-a.conf.ext"),
        include_str!("../../tests/import/quotes-b.conf"),
    ] {
        let (written, table) = imported(text);
        assert_eq!(table["face"]["listen"].as_str(), Some("tcp:127.0.0.1:9080"));
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
