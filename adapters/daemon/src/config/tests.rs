use std::collections::BTreeMap;
use std::path::Path;

use super::values::Mode as SocketMode;
use super::*;

mod accounts;
mod examples;
mod faults;
mod listeners;
mod mistakes;
mod policy;
mod providers;
mod upstream;

const REFERENCE: &str = include_str!("../../README.md");
const LISTENER: &str = "[[listener]]\naddress = \"unix:/run/auth\"\n";
const PROVIDER: &str = "[[provider]]\nname = \"p\"\nissuer = \"https://i\"\n# its keys are found\naudience = [\"mail\"]\n";

const ACCOUNTS: &str = "[accounts]\ndatabase = \"/a\"\n";
const ADMINISTRATOR: &str = "[[accounts.source]]\nname = \"local\"\ndomains = [\"example.com\"]\n";
const LIST: &str =
    "[[accounts.list]]\nsource = \"local\"\ngroup = \"Staff\"\naddress = \"staff@example.com\"\n";
const PULL: &str = "[[accounts.pull]]\nsource = \"local\"\nurl = \"https://id.example.com/scim/v2\"\n\
                    secret_file = \"/s\"\n";

/// The keys of each section of the reference, with their defaults.
fn reference() -> BTreeMap<&'static str, BTreeMap<&'static str, &'static str>> {
    let mut sections: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    let mut section = "";
    for line in REFERENCE.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title.trim_matches(['`', '[', ']']);
        }
        let Some(row) = line.strip_prefix("| `") else {
            continue;
        };
        let (key, rest) = row.split_once("` | ").unwrap();
        let (default, _) = rest.split_once(" | ").unwrap();
        sections
            .entry(section)
            .or_default()
            .insert(key, default.trim_matches('`'));
    }
    sections
}

/// A whole configuration with `line` in the section.
fn with(section: &str, line: &str) -> String {
    match section {
        "Top level" => format!("{line}\n{LISTENER}{PROVIDER}"),
        "listener" => format!("{LISTENER}{line}\n{PROVIDER}"),
        "provider" => format!("{LISTENER}{PROVIDER}{line}\n"),
        "dict" if !line.starts_with("address") => {
            format!("[dict]\naddress = \"unix:/run/dict\"\n{line}\n{LISTENER}{PROVIDER}")
        }
        "http" if !line.starts_with("listen") => {
            format!("[http]\nlisten = \"tcp:127.0.0.1:1\"\n{line}\n{LISTENER}{PROVIDER}")
        }
        "metrics" if !line.starts_with("listen") => {
            format!("[metrics]\nlisten = \"tcp:127.0.0.1:1\"\n{line}\n{LISTENER}{PROVIDER}")
        }
        "accounts" => format!("{ACCOUNTS}{line}\n{ADMINISTRATOR}{LISTENER}{PROVIDER}"),
        "accounts.source" => format!("{ACCOUNTS}{ADMINISTRATOR}{line}\n{LISTENER}{PROVIDER}"),
        "accounts.list" => {
            format!("{ACCOUNTS}{ADMINISTRATOR}{LIST}{line}\n{LISTENER}{PROVIDER}")
        }
        "accounts.passwords_from" => {
            let table = "[[accounts.passwords_from]]\nusers = \"a\"\n";
            format!("{ACCOUNTS}{ADMINISTRATOR}{table}{line}\n{LISTENER}{PROVIDER}")
        }
        "accounts.pull" => {
            format!("{ACCOUNTS}{ADMINISTRATOR}{PULL}{line}\n{LISTENER}{PROVIDER}")
        }
        "upstream" => format!("[upstream]\nmaster = \"unix:/m\"\n{line}\n{LISTENER}{PROVIDER}"),
        "users" => format!("[users]\npasswd_file = \"/u\"\n{line}\n{LISTENER}{PROVIDER}"),
        _ => format!("[{section}]\n{line}\n{LISTENER}{PROVIDER}"),
    }
}

#[track_caller]
fn refuse(text: &str) -> String {
    let fault = Config::parse(text).unwrap_err();
    fault.in_file(Path::new("gatepost.toml"), text).to_string()
}

#[test]
fn the_configurations_that_are_shown_are_good() {
    for example in [
        include_str!("../../../../examples/postfix/gatepost.toml"),
        include_str!("../../../../examples/docker-mailserver/gatepost.toml"),
        include_str!("../../../../examples/dovecot/dict.toml"),
        include_str!("../../../../examples/dovecot/http.toml"),
        include_str!("../../../../examples/dovecot/relay.toml"),
        concat!(
            include_str!("../../../../examples/dovecot/relay.toml"),
            include_str!("../../../../examples/scim/accounts.toml")
        ),
    ] {
        assert!(Config::parse(example).is_ok());
    }
    let pages = [
        include_str!("../../../../README.md"),
        include_str!("../../README.md"),
    ];
    for page in pages {
        let (_, rest) = page.split_once("```toml\n").unwrap();
        let (shown, _) = rest.split_once("```").unwrap();
        assert!(Config::parse(shown).is_ok(), "{shown}");
    }
}

#[test]
fn the_reference_lists_every_key_and_no_other() {
    let documented = reference();
    for (header, keys) in names::TABLES {
        let section = match header {
            "" => "Top level",
            header => header.trim_matches(['[', ']']),
        };
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        let documented: Vec<&str> = documented[section].keys().copied().collect();
        assert_eq!(documented, keys, "{section}");
    }
    assert_eq!(documented.len(), names::TABLES.len());
}

#[test]
fn the_reference_names_the_defaults() {
    for (section, keys) in reference() {
        let plain = Config::parse(&with(section, "")).unwrap();
        for (key, default) in keys {
            if matches!(default, "required" | "not set" | "{}") {
                continue;
            }
            let written = Config::parse(&with(section, &format!("{key} = {default}"))).unwrap();
            if key == "mode" {
                let dict = written.dict.map(|dict| dict.listener());
                let listener = dict.unwrap_or_else(|| written.listeners[0].clone());
                let mode = listener.mode;
                assert_eq!(mode, Some(SocketMode::DEFAULT));
                continue;
            }
            assert_eq!(written, plain, "{section}: {key} = {default}");
        }
    }
}

#[test]
fn the_example_of_the_reference_is_good() {
    let (_, example) = REFERENCE.split_once("```toml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    assert_eq!(
        Config::parse(example).unwrap().looser_words(),
        Vec::<String>::new()
    );
}

#[test]
fn an_error_names_file_line_and_what_to_write() {
    for (text, expected) in [
        (
            with("log", "format = \"xml\""),
            "gatepost.toml:2: format: write \"text\" or \"json\"",
        ),
        (
            with("limits", "connections = 0"),
            "gatepost.toml:2: connections: 0 is out of bounds; write 1 to 65536",
        ),
        (
            with("provider", "skew_seconds = 301"),
            "gatepost.toml:8: skew_seconds: 301 is out of bounds",
        ),
        (
            with("provider", "any_audience = true"),
            "gatepost.toml:8: provider: write either",
        ),
        (
            with("provider", "active_value = \"x\""),
            "active_value needs active_attribute",
        ),
        (
            with("provider", "algorithms = [\"none\"]"),
            "\"none\" is not known",
        ),
        (with("provider", "username_claims = []"), "write 1 to 15"),
        (
            with("provider", "account_claim = \"upn\""),
            "gatepost.toml:8: provider: account_claim: by a name or an address",
        ),
        (
            with("listener", "mode = \"rw\""),
            "three or four octal digits",
        ),
        (with("listener", "allow_remote = true"), "not for unix:"),
        (
            "[[listener]]\naddress = \"tcp:x:y\"\n".to_owned(),
            "write host and port",
        ),
        (
            "[[listener]]\naddress = \"unix:x\"\n".to_owned(),
            "absolute path",
        ),
        (
            format!("{LISTENER}{LISTENER}{PROVIDER}"),
            "gatepost.toml:4: listener unix:/run/auth and listener unix:/run/auth share an address",
        ),
        (LISTENER.to_owned(), "no [[provider]]"),
        (PROVIDER.to_owned(), "nowhere to listen: write listen ="),
        (
            with("discovery", &format!("scope = {:?}", "s".repeat(1100))),
            "do not fit",
        ),
        ("x".to_owned(), "gatepost.toml:1: "),
    ] {
        let message = refuse(&text);
        assert!(message.contains(expected), "{message:?} lacks {expected:?}");
    }
}

#[test]
fn five_lines_are_a_configuration() {
    let text = "listen = \"tcp:127.0.0.1:12345\"\n\n[[provider]]\nissuer = \"https://id.example.com\"\n\
                audience = \"mail\"\n";
    let config = Config::parse(text).unwrap();
    assert_eq!(config.looser_words(), Vec::<String>::new());
    assert_eq!(config.listeners.len(), 1);
    let provider = &config.providers[0];
    assert_eq!(provider.name(), "id.example.com");
    let online = provider.settings().unwrap().online.unwrap();
    assert!(online.discovery && online.about.is_none());
    let url = config.discovery.openid_configuration.unwrap();
    assert_eq!(
        &*url,
        "https://id.example.com/.well-known/openid-configuration"
    );
}

/// J17: an issuer is a name, and need not be where clients find anything.
#[test]
fn clients_are_told_urls_that_somebody_has() {
    let metadata_url = "metadata_url = \"https://id.internal/m\"\n";
    for (issuer, more, expected) in [
        (
            "https://id.example.com",
            metadata_url,
            Some("https://id.example.com/.well-known/openid-configuration"),
        ),
        ("accounts.example.com", metadata_url, None),
        ("urn:example", metadata_url, None),
        (
            "https://login.example.com/{tenantid}/v2.0",
            "tenants = { 11111111-2222-3333-4444-555555555555 = [\"example.com\"] }\n",
            Some("https://login.example.com/organizations/v2.0/.well-known/openid-configuration"),
        ),
    ] {
        let text = format!(
            "listen = \"tcp:127.0.0.1:12345\"\n[[provider]]\nissuer = \"{issuer}\"\naudience = \"mail\"\n{more}"
        );
        let config = Config::parse(&text).map_err(|_| issuer).unwrap();
        let told = config.discovery.openid_configuration;
        assert_eq!(told.as_deref(), expected, "{issuer}");
    }
}

/// Invariant 8: every looser choice is a word in the configuration, and is named in the log at start.
#[test]
fn invariant_8_every_looser_word_is_named() {
    let any = PROVIDER.replace("audience = [\"mail\"]", "any_audience = true");
    let anybody =
        "[[provider]]\nname = \"q\"\nany_issuer = true\nkeys = [\"k\"]\naudience = \"mail\"\n";
    let words = "id_tokens = true\nuser_case = \"lower\"\nskew_seconds = 61\nuserinfo = true\n\
                 allow_missing_audience = true\nunauthorized = \"invalid-token\"\nallow_http = true\n\
                 cache_seconds = 61\n";
    let grants = "[[provider]]\nname = \"r\"\nissuer = \"https://r\"\naudience = \"mail\"\n\
                  client_id = \"x\"\nclient_secret = \"x\"\ngrant_url = \"https://r/token\"\n\
                  domains = [\"r.test\"]\nfields = { pass = \"%{token}\" }\n";
    let listener = "[[listener]]\naddress = \"tcp:0.0.0.0:1\"\nallow_remote = true\ntrust_client_address = true\n";
    let http =
        "[http]\nlisten = \"tcp:0.0.0.0:2\"\nallow_remote = true\ntrust_client_address = true\n";
    let dict = "[dict]\naddress = \"unix:/d\"\nprovider = \"p\"\nsecrets = true\n";
    let accounts = "[accounts]\ndatabase = \"/a\"\nlisten = \"tcp:0.0.0.0:3\"\nallow_remote = true\n\
                    unknown = \"allow\"\nlogin_names = \"addresses\"\n\
                    [[accounts.source]]\nname = \"s\"\ndomains = \"x.test\"\npublic_url = \"https://x\"\n\
                    provider = \"p\"\njoin = \"address\"\n";
    let text = format!(
        "compat = \"dovecot\"\n{http}{dict}{accounts}{listener}{anybody}{grants}{any}{words}"
    );
    let named = Config::parse(&text).unwrap().looser_words().join("\n");
    for word in [
        "compat",
        "allow_remote",
        "any_audience",
        "any_issuer",
        "id_tokens",
        "user_case",
        "skew_seconds",
        "userinfo",
        "allow_missing_audience",
        "unauthorized",
        "allow_http",
        "cache_seconds",
        "grant_url",
        "fields with %{token}",
        "[http]: allow_remote",
        "[accounts]: allow_remote",
        "[accounts]: unknown",
        "[accounts]: login_names",
        "source s: join",
        "listener tcp:0.0.0.0:1: trust_client_address",
        "listener tcp:0.0.0.0:2: trust_client_address",
        "[dict]: Dovecot judges",
        "[dict]: secrets",
    ] {
        assert!(named.contains(word), "{word} is not named");
    }
}

#[test]
fn parts_that_need_a_restart_are_told() {
    let old = Config::parse(&with("log", "")).unwrap();
    let new = Config::parse(&with("log", "level = \"debug\"")).unwrap();
    assert_eq!(old.parts_for_a_restart(&new), ["[log]"]);
    let new = Config::parse(&with("http", "")).unwrap();
    assert_eq!(old.parts_for_a_restart(&new), ["[http]"]);
    let new = Config::parse(&with("accounts", "")).unwrap();
    assert_eq!(old.parts_for_a_restart(&new), ["[accounts]"]);
    let new = Config::parse(&with("dict", "")).unwrap();
    assert_eq!(old.parts_for_a_restart(&new), ["[dict]"]);
    assert!(old.parts_for_a_restart(&old).is_empty());
}
