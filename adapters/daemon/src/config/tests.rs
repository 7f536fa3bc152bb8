use std::collections::BTreeMap;
use std::path::Path;

use gatepost_core::introspection::{About, Mode};

use super::values::Mode as SocketMode;
use super::*;

mod examples;
mod faults;
mod policy;

const REFERENCE: &str = include_str!("../../README.md");
const LISTENER: &str = "[[listener]]\naddress = \"unix:/run/auth\"\n";
const PROVIDER: &str = "[[provider]]\nname = \"p\"\nissuer = \"https://i\"\n# its keys are found\naudience = [\"mail\"]\n";

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
            "gatepost.toml:4: listener: this address occurs twice",
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
fn an_error_about_the_face_says_what_to_write() {
    let shared = with("http", "").replace("unix:/run/auth", "tcp:127.0.0.1:1");
    for (text, expected) in [
        (
            with("http", "listen = []"),
            "nowhere to listen: write listen",
        ),
        (
            with("http", "listen = \"9080\""),
            "gatepost.toml:2: listen: write",
        ),
        (
            with("http", "listen = \"unix:/run/http\""),
            "gatepost.toml:2: http: write \"tcp:host:port\"",
        ),
        (
            with("http", "shape = \"x\""),
            "gatepost.toml:3: shape: write \"dovecot\" or \"rfc\"",
        ),
        (with("http", "attributes = []"), "write 1 to 16 attributes"),
        (
            with("http", "attributes = [\"error\"]"),
            "write 1 to 16 attributes",
        ),
        (
            with("http", "client_id = \"x\""),
            "client_id needs client_secret",
        ),
        (
            with("http", "client_secret = \"x\""),
            "client_id needs client_secret",
        ),
        (
            with(
                "http",
                "client_id = \"x\"\nclient_secret = \"x\"\nclient_secret_file = \"x\"",
            ),
            "are one thing",
        ),
        (
            with("http", "") + "fields = { scope = \"x\" }\n",
            "hold a member of that name already",
        ),
        (
            with("http", "") + "fields = { email = \"x\" }\n",
            "hold a member of that name already",
        ),
        (shared, "a listener has this address"),
    ] {
        let message = refuse(&text);
        assert!(message.contains(expected), "{message:?} lacks {expected:?}");
    }
}

#[test]
fn an_error_about_the_dict_says_what_to_write() {
    let two = with("dict", "") + &PROVIDER.replace("\"p\"", "\"q\"");
    for (text, expected) in [
        (
            with("dict", "").replace("unix:/run/dict", "tcp:127.0.0.1:1"),
            "Dovecot asks over a unix socket",
        ),
        (
            with("dict", "").replace("/run/dict", "/run/auth"),
            "a listener has this address",
        ),
        (with("dict", "mode = \"x\""), "three or four octal digits"),
        (with("dict", "provider = \"x\""), "the name of one"),
        (two.clone(), "each could sign for the users of another"),
    ] {
        let message = refuse(&text);
        assert!(message.contains(expected), "{message:?} lacks {expected:?}");
    }
    let named = two.replace("[dict]\n", "[dict]\nprovider = \"q\"\n");
    assert_eq!(Config::parse(&named).unwrap().told_provider().unwrap(), "q");
    let only = Config::parse(&with("dict", "")).unwrap();
    assert_eq!(only.told_provider().unwrap(), "p");
}

#[test]
fn a_face_alone_is_somewhere_to_listen() {
    let text = format!("[http]\nlisten = \"tcp:127.0.0.1:9080\"\n{PROVIDER}");
    let config = Config::parse(&text).unwrap();
    assert_eq!(config.looser_words(), Vec::<String>::new());
    let http = config.http.unwrap();
    assert_eq!(http.attributes(), ["email", "username", "sub"]);
    assert!(http.caller().unwrap().is_none());
}

#[test]
fn an_error_about_the_metadata_url_says_what_to_write() {
    for (text, expected) in [
        (
            with("provider", "metadata_url = \"http://i.example/x\""),
            "plain http to another host",
        ),
        (
            with(
                "provider",
                "metadata_url = \"https://i.example/x\"\ndiscovery = false",
            ),
            "contradict each other",
        ),
        (
            "[[provider]]\nany_issuer = true\nany_audience = true\n\
             metadata_url = \"https://i.example/x\"\n"
                .to_owned(),
            "metadata_url needs issuer",
        ),
    ] {
        let message = refuse(&text);
        assert!(message.contains(expected), "{message:?} lacks {expected:?}");
    }
}

#[test]
fn an_error_about_the_network_says_what_to_write() {
    for (text, expected) in [
        (
            with("Top level", "listen = \"tcp:x\""),
            "gatepost.toml:1: listen: write \"unix:/path\"",
        ),
        (
            with("provider", "keys = []\ndiscovery = false"),
            "no keys to verify tokens with",
        ),
        (
            with("provider", "client_id = \"x\""),
            "client_id needs client_secret",
        ),
        (
            with("provider", "client_secret = \"x\""),
            "client_id needs client_secret",
        ),
        (
            with("provider", "client_key = \"x\""),
            "client_certificate needs client_key",
        ),
        (
            with(
                "provider",
                "client_id = \"x\"\nclient_secret = \"y\"\nclient_secret_file = \"z\"",
            ),
            "are one thing",
        ),
        (
            with("provider", "validate = \"online\""),
            "nobody can be asked",
        ),
        (
            with(
                "provider",
                "userinfo = true\nintrospection_url = \"https://i/x\"",
            ),
            "userinfo = true is for providers without introspection",
        ),
        (
            with("provider", "introspection_url = \"http://i.example/x\""),
            "plain http to another host",
        ),
        (
            with(
                "provider",
                "introspection_url = \"https://a:b@i.example/x\"",
            ),
            "write client_id and client_secret",
        ),
        (
            with("provider", "introspection_url = \"/x\""),
            "write an absolute URL",
        ),
        (
            with("provider", "introspection_url = \"https://i/x#y\""),
            "a fragment",
        ),
        (
            with("provider", "").replace("https://i", "http://i.example"),
            "anybody on the way could replace its keys",
        ),
        (
            with("provider", "").replace("https://i", "urn:i"),
            "is no https URL",
        ),
        (
            with("provider", "").replace("https://i", "https://i/?a"),
            "has no query",
        ),
        (
            with("provider", "").replace("issuer = \"https://i\"\n", ""),
            "no issuer",
        ),
        (
            with("provider", "userinfo = true")
                + &PROVIDER.replace("\"p\"", "\"q\"")
                + "userinfo = true\n",
            "asked about the same opaque tokens",
        ),
        (
            with(
                "provider",
                "username_claims = [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\", \"h\", \
                  \"i\", \"j\", \"k\", \"l\", \"m\", \"n\", \"o\"]\nrequire = { x = \"y\", z = \"y\" }",
            ),
            "more than 16 claims",
        ),
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

/// What a provider's lines make of it: which tokens it is asked about, how, and whether its metadata are
/// fetched.
#[track_caller]
fn asks(lines: &str, about: Option<About>, mode: Mode, discovery: bool) {
    let text = format!("{LISTENER}[[provider]]\naudience = \"mail\"\n{lines}\n");
    let config = Config::parse(&text).unwrap();
    let online = config.providers[0].settings().unwrap().online;
    let found = online.map(|online| (online.about, online.introspection_mode, online.discovery));
    let expected = (about.is_some() || discovery).then_some((about, mode, discovery));
    assert_eq!(found, expected, "{lines}");
}

#[test]
fn whom_to_ask_follows_from_what_is_written() {
    const ISSUER: &str = "issuer = \"https://i\"\n";
    const CLIENT: &str = "client_id = \"x\"\nclient_secret = \"y\"\n";
    const URL: &str = "introspection_url = \"https://i/x\"\n";
    let (opaque, every) = (Some(About::OpaqueTokens), Some(About::EveryToken));
    let with = |parts: &[&str]| parts.concat();
    asks(ISSUER, None, Mode::Auth, true);
    asks(&with(&[ISSUER, "keys = [\"k\"]"]), None, Mode::Auth, false);
    asks(&with(&[ISSUER, CLIENT]), opaque, Mode::Post, true);
    asks(
        &with(&[ISSUER, "userinfo = true"]),
        opaque,
        Mode::Auth,
        true,
    );
    asks(&with(&[ISSUER, URL]), opaque, Mode::Auth, true);
    asks(
        &with(&[ISSUER, URL, "keys = [\"k\"]"]),
        opaque,
        Mode::Auth,
        false,
    );
    // Dovecot's own way: an endpoint and nothing else.
    asks(URL, every, Mode::Auth, false);
    asks(&with(&[URL, CLIENT]), every, Mode::Post, false);
    asks(
        &with(&[ISSUER, URL, "validate = \"online\""]),
        every,
        Mode::Auth,
        false,
    );
    let fallback = Some(About::UnverifiableTokens);
    asks(
        &with(&[ISSUER, CLIENT, "validate = \"fallback\""]),
        fallback,
        Mode::Post,
        true,
    );
    asks(
        &with(&[ISSUER, CLIENT, "validate = \"local\""]),
        None,
        Mode::Post,
        true,
    );
}

/// Invariant 8: every looser choice is a word in the configuration, and is named in the log at start.
#[test]
fn an_error_about_passwords_and_fields_says_what_to_write() {
    for (text, expected) in [
        (
            with("provider", "grant_url = \"https://id/token\""),
            "grant_url needs client_id",
        ),
        (
            with("provider", "grant_scope = \"mail\""),
            "grant_scope needs grant_url",
        ),
        (
            with("provider", "fields = { user = \"x\" }"),
            "but not \"user\" or \"resp\"",
        ),
        (
            with("provider", "fields = { pass = \"%u\" }"),
            "write text with %{user}",
        ),
    ] {
        let fault = format!("{:?}", Config::parse(&text).unwrap_err());
        let expected = format!("{expected:?}");
        assert!(fault.contains(expected.trim_matches('"')), "{fault}");
    }
}

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
    let text = format!("compat = \"dovecot\"\n{http}{dict}{listener}{anybody}{grants}{any}{words}");
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
    let new = Config::parse(&with("dict", "")).unwrap();
    assert_eq!(old.parts_for_a_restart(&new), ["[dict]"]);
    assert!(old.parts_for_a_restart(&old).is_empty());
}

/// A whole configuration with these lines behind its listener and its provider.
fn with_behind(listener: &str, tables: &str) -> String {
    format!("{LISTENER}{listener}\n{PROVIDER}{tables}\n")
}

const USERS: &str = "[users]\ndomains = [\"example.com\"]\nuid = 5000\nhome = \"/var/vmail/%d/%n\"";
const DOVECOT: &str = "[upstream]\nlogin = \"unix:/run/dovecot/login/login\"\nmaster = \"unix:/run/dovecot/auth-master\"";

/// Dovecot knows `managesieve-login` from its own package alone, and without it does not start (A1).
#[test]
fn the_relays_example_configures_no_service_that_stock_dovecot_lacks() {
    let example = include_str!("../../../../examples/dovecot/relay.conf");
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
    let way_1 = include_str!("../../../../examples/dovecot/README.md");
    let way_3 = include_str!("../../../../examples/dovecot/RELAY.md");
    let postfix = include_str!("../../../../examples/postfix/README.md");
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
        let message = refuse(&with_behind(listener, tables));
        assert!(message.contains(expected), "{message}");
    }
    for (listener, tables) in [
        ("protocol = \"master\"", USERS),
        ("protocol = \"master\"", DOVECOT),
        ("protocol = \"socketmap\"", USERS),
        ("", DOVECOT),
    ] {
        let config = Config::parse(&with_behind(listener, tables)).unwrap();
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
    let text = with_behind("", "[users]\nallow_all_users = true");
    let words = Config::parse(&text).unwrap().looser_words();
    assert_eq!(
        words,
        ["[users]: allow_all_users = true: every name exists"]
    );
}

#[test]
fn users_are_made_of_what_the_system_knows() {
    let load = |table: &str| {
        let config = Config::parse(&with_behind("", table)).unwrap();
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
