//! What an administrator reads about a file with faults: every one of them, each with its line.

use super::*;

/// The faults of `text`, as `LINE: sentence`.
fn faults(text: &str) -> Vec<String> {
    let Err(fault) = Config::parse(text) else {
        return Vec::new();
    };
    let shown = fault.in_file(Path::new("gatepost.toml"), text).to_string();
    let lines = shown
        .lines()
        .filter_map(|line| line.strip_prefix("gatepost.toml:"));
    lines.map(str::to_owned).collect()
}

/// `text` has these faults and no others. Each expectation is the beginning of a line.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let found = faults(text);
    let is_same = found.len() == expected.len()
        && found
            .iter()
            .zip(expected)
            .all(|(found, expected)| found.starts_with(expected));
    assert!(is_same, "{text}\nfound {found:#?}\nwants {expected:#?}");
}

/// A listener and a provider without fault, then `line`, which is line 6, within the provider.
fn in_provider(line: &str) -> String {
    format!(
        "listen = \"tcp:127.0.0.1:1\"\n\n[[provider]]\nissuer = \"https://id.example.com\"\n\
         audience = \"mail\"\n{line}\n"
    )
}

/// A12
#[test]
fn all_faults_are_told_at_once_each_with_its_line() {
    let text = "listen = \"tcp:127.0.0.1:12345\"\n\
                [limits]\n\
                conections = 5\n\
                [provider]\n\
                issuer = \"id.example.com\"\n\
                audiance = \"mail\"\n\
                username_claims = \"email\"\n\
                skew_seconds = \"60\"\n\
                [[listener]]\n\
                address = \"unix:/run/x\"\n\
                mode = 0660\n";
    check(
        text,
        &[
            "3: [limits] has no key \"conections\"; write connections",
            "4: write [[provider]], with two brackets",
            "5: issuer: write \"https://id.example.com\"",
            "6: [[provider]] has no key \"audiance\"; write audience",
            "8: skew_seconds: write 60 without quotes, or a duration such as \"90s\" or \"5m\"",
            "11: mode: write it in quotes: mode = \"0660\"",
        ],
    );
}

/// A12: a list of one may be written without brackets.
#[test]
fn one_text_is_a_list_of_one() {
    let text = in_provider("username_claims = \"email\"\nscopes = \"mail\"\nkeys = \"/k\"");
    let settings = Config::parse(&text).map(|config| config.providers[0].settings());
    let settings = settings.map_err(|_| "refused").unwrap().unwrap();
    assert_eq!(settings.username_claims, ["email"]);
    assert_eq!(settings.scopes, ["mail"]);
    assert_eq!(settings.keys, [Path::new("/k")]);
}

/// A12: the nearest name, and nothing about the other forty.
#[test]
fn a_name_that_is_not_known_is_answered_by_the_nearest() {
    for (line, expected) in [
        ("audiances = 1", "write audience"),
        ("username-claims = \"a\"", "write username_claims"),
        ("usernameClaims = \"a\"", "write username_claims"),
        ("client_secert = \"x\"", "write client_secret"),
        ("jwks_uri = \"https://x\"", "write key_set_url"),
        (
            "listen = \"tcp:127.0.0.1:1\"",
            "it belongs above the first [table]",
        ),
        ("login = \"unix:/x\"", "it belongs under [upstream]"),
        ("colour = 1", "adapters/daemon/README.md lists its keys"),
    ] {
        let found = faults(&in_provider(line));
        let [found] = &*found else {
            panic!("{line}: {found:#?}");
        };
        let key = line.split(' ').next().unwrap_or_default();
        assert!(
            found.starts_with(&format!("6: [[provider]] has no key \"{key}\"; ")),
            "{found}"
        );
        assert!(found.ends_with(expected), "{found}");
    }
}

/// A12: values of the wrong kind, in the words of who writes the file.
#[test]
fn a_value_of_another_kind_is_answered_by_what_to_write() {
    for (line, expected) in [
        (
            "any_issuer = \"true\"",
            "any_issuer: write true or false, without quotes",
        ),
        ("any_issuer = yes", "any_issuer: write true or false"),
        ("any_issuer = True", "any_issuer: write true or false"),
        ("any_issuer = 1", "any_issuer: write true or false"),
        (
            "skew_seconds = 301",
            "skew_seconds: 301 is out of bounds; write 0 to 300",
        ),
        ("skew_seconds = 1.5", "skew_seconds: write 0 to 300"),
        ("concurrency = \"5\"", "concurrency: write 5 without quotes"),
        (
            "client_id = 5",
            "client_id: write it in quotes: client_id = \"5\"",
        ),
        (
            "client_id = [\"a\"]",
            "client_id: write one text, not a list",
        ),
        (
            "client_id = \"\"",
            "client_id: write text that is not empty",
        ),
        (
            "client_id = x y",
            "client_id: write it in quotes: client_id = \"x y\"",
        ),
        (
            "client_id = \u{201c}x\u{201d}",
            "client_id: write straight quotes: client_id = \"x\"",
        ),
        (
            "client_id = tcp:x",
            "client_id: write it in quotes: client_id = \"tcp:x\"",
        ),
        (
            "client_id = id.x",
            "client_id: write it in quotes: client_id = \"id.x\"",
        ),
        ("client_id = ", "client_id: write a value behind the ="),
        ("client_id = \"x", "client_id: the closing quote is missing"),
        (
            "client_id: \"x\"",
            "client_id: write client_id = \"..\", with = and not :",
        ),
        ("client_id", "client_id: write a value: client_id = \"..\""),
        ("// a word", "write # before a comment"),
        ("audience = \"x\"", "audience: it is written twice"),
        (
            "user_case = \"uper\"",
            "user_case: write \"lower-domain\", \"lower\" or \"keep\"",
        ),
        (
            "algorithms = [\"RS265\"]",
            "algorithms: \"RS265\" is not known; write \"RS256\"",
        ),
        (
            "fields = \"x\"",
            "fields: write a table: fields = { name = \"..\" }",
        ),
        ("scopes = [\"a\", 5]", "scopes: write it in quotes: \"5\""),
        (
            "introspection_url = \"id.example.com/x\"",
            "introspection_url: write an absolute URL",
        ),
    ] {
        check(&in_provider(line), &[&format!("6: {expected}")]);
    }
}

/// A12: a fault within a provider points at its own line, one that lies between keys at the first of them.
#[test]
fn a_fault_points_at_its_own_line() {
    for (lines, expected) in [
        (
            "\nactive_value = \"x\"",
            "7: provider: active_value needs active_attribute",
        ),
        (
            "\n\nany_audience = true",
            "8: provider: write either audience",
        ),
        ("scopes = [\n\"a\",\n\"\"]", "8: scopes: write text"),
        (
            "fields = { user = \"x\" }",
            "6: fields: write the name of a field",
        ),
        (
            "allow_http = false\ngrant_scope = \"a\"",
            "7: provider: grant_scope needs grant_url",
        ),
    ] {
        let text = in_provider(lines);
        check(&text, &[expected]);
    }
}

/// A fault that another one explains is not told.
#[test]
fn what_follows_from_a_fault_is_not_a_second_one() {
    for (text, expected) in [
        (
            "listn = \"tcp:127.0.0.1:1\"\n[[provider]]\nissuer = \"https://i\"\naudience = \"m\"\n",
            "1: there is no key \"listn\"; write listen",
        ),
        (
            "[[provider]]\nissuer = \"https://i\"\naudience = \"m\"\nlisten = \"tcp:127.0.0.1:1\"\n",
            "4: [[provider]] has no key \"listen\"; it belongs above the first [table]",
        ),
        (
            "listen = \"tcp:127.0.0.1:1\"\n[[provider]]\nissuer: \"https://i\"\naudience = \"m\"\n",
            "3: issuer: write issuer = \"..\", with = and not :",
        ),
        (
            "listen = \"tcp:127.0.0.1:1\"\n[[provider]]\nissuer = \"https://i\"\naudience = 5\n",
            "4: audience: write it in quotes: audience = \"5\"",
        ),
        (
            "listen = \"tcp:127.0.0.1:1\"\n[[providers]]\nissuer = \"https://i\"\naudience = \"m\"\n",
            "2: there is no table \"providers\"; write [[provider]]",
        ),
    ] {
        check(text, &[expected]);
    }
}

/// Invariant 5: neither the line that is shown nor a sentence holds a secret.
#[test]
fn invariant_5_no_fault_shows_a_secret() {
    for line in [
        "client_secret = \"hunter2",
        "client_secret = hunter2",
        "client_secret: \"hunter2\"",
        "client_secret = [\"hunter2\"]",
        "client_secert = \"hunter2\"",
        "client_secret = \"hunter2\\q\"",
        "Client_Secret \"hunter2\"",
        "client_secret = \"hunter2\"",
        "client-secret = \"hunter2\"",
        "password = \"hunter2\"",
        "client_secret = 0hunter2",
        "fields = { client_secret = \"hunter2\", user = \"x\" }",
    ] {
        let shown = refuse(&in_provider(line));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

/// Times have their unit in the key, or in the value.
#[test]
fn times_are_numbers_or_durations() {
    let cache = |value: &str| {
        let text = in_provider(&format!(
            "client_id = \"x\"\nclient_secret = \"x\"\ncache_seconds = {value}"
        ));
        let config = Config::parse(&text).map_err(|_| "refused").unwrap();
        let online = config.providers[0].settings().unwrap().online;
        online.unwrap().cache.as_millis()
    };
    for (value, milliseconds) in [
        ("5", 5_000),
        ("\"90s\"", 90_000),
        ("\"5m\"", 300_000),
        ("\"1h\"", 3_600_000),
        ("\"2000ms\"", 2_000),
    ] {
        assert_eq!(cache(value), milliseconds, "{value}");
    }
    for (value, expected) in [
        ("\"2h\"", "\"2h\" is out of bounds; write 0 to 3600 seconds"),
        ("\"500ms\"", "write whole seconds"),
        (
            "\"5 lightyears\"",
            "write a duration such as \"90s\" or \"5m\"",
        ),
        ("\"-5s\"", "write a duration such as \"90s\" or \"5m\""),
        ("5m", "write it in quotes: cache_seconds = \"5m\""),
        ("\"99999999999999999999h\"", "write a duration"),
    ] {
        check(
            &in_provider(&format!("cache_seconds = {value}")),
            &[&format!("6: cache_seconds: {expected}")],
        );
    }
}

/// A URL may hold credentials where they do not belong.
#[test]
fn no_fault_shows_what_a_url_holds_besides_its_place() {
    let urls = [
        "https://u:hunter2@id.example.com",
        "https://hunter2@id.example.com",
        "u:hunter2@id.example.com",
        "hunter2@id.example.com",
        "https://id.example.com/?key=hunter2#x",
        "id.example.com?key=hunter2",
    ];
    for key in [
        "issuer",
        "introspection_url",
        "tokeninfo_url",
        "metadata_url",
        "key_set_url",
        "grant_url",
    ] {
        for url in urls {
            for text in [
                format!("[[provider]]\n{key} = \"{url}\"\naudience = \"mail\"\n"),
                format!("{key} = \"{url}\"\n"),
            ] {
                let Err(fault) = Config::parse(&text) else {
                    panic!("no fault in {text}");
                };
                let shown = fault.in_file(Path::new("gatepost.toml"), &text).to_string();
                assert!(!shown.contains("hunter2"), "{shown}");
            }
        }
    }
    // An issuer is a name as well, which lines of the log hold.
    let text = in_provider("keys = \"/k\"").replace("https://", "https://u:hunter2@");
    check(&text, &["4: issuer: credentials are not for URLs"]);
}
