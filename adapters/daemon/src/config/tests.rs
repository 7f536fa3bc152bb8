use std::collections::BTreeMap;
use std::path::Path;

use super::*;

const REFERENCE: &str = include_str!("../../README.md");
const LISTENER: &str = "[[listener]]\naddress = \"unix:/run/auth\"\n";
const PROVIDER: &str =
    "[[provider]]\nname = \"p\"\nissuer = \"https://i\"\naudience = [\"mail\"]\nkeys = [\"k\"]\n";

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
    let example = include_str!("../../../../examples/postfix/gatepost.toml");
    assert!(Config::parse(example).is_ok());
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
    for (section, keys) in reference() {
        let message = refuse(&with(section, "no_such_key = 1"));
        let (_, known) = message.split_once("expected ").unwrap();
        let (known, _) = known.split_once('\n').unwrap();
        let mut known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        known.sort_unstable();
        assert_eq!(known, keys.keys().copied().collect::<Vec<_>>(), "{section}");
    }
}

#[test]
fn the_reference_names_the_defaults() {
    let plain = Config::parse(&with("Top level", "")).unwrap();
    for (section, keys) in reference() {
        for (key, default) in keys {
            if matches!(default, "required" | "not set" | "{}") {
                continue;
            }
            let written = Config::parse(&with(section, &format!("{key} = {default}"))).unwrap();
            if key == "mode" {
                let mode = written.listeners[0].as_ref().mode;
                assert_eq!(mode, Some(Mode::DEFAULT));
                continue;
            }
            assert_eq!(
                unspanned(&written),
                unspanned(&plain),
                "{section}: {key} = {default}"
            );
        }
    }
}

/// The configuration without the places of its tables, which differ.
fn unspanned(config: &Config) -> String {
    let listeners: Vec<_> = config.listeners.iter().map(Spanned::as_ref).collect();
    let providers: Vec<_> = config.providers.iter().map(Spanned::as_ref).collect();
    let Config {
        backend,
        compat,
        log,
        limits,
        discovery,
        ..
    } = config;
    format!("{backend:?} {compat:?} {log:?} {limits:?} {discovery:?} {listeners:?} {providers:?}")
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
            "gatepost.toml:2: unknown variant `xml`",
        ),
        (
            with("limits", "connections = 0"),
            "gatepost.toml:2: 0 is out of bounds: write 1 to 65536",
        ),
        (
            with("provider", "skew_seconds = 301"),
            "gatepost.toml:8: 301 is out of bounds",
        ),
        (
            with("provider", "any_audience = true"),
            "gatepost.toml:3: provider: write either",
        ),
        (
            with("provider", "active_value = \"x\""),
            "active_value needs active_attribute",
        ),
        (
            with("provider", "algorithms = [\"none\"]"),
            "\"none\" is not supported",
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
            "gatepost.toml:3: listener: this address occurs twice",
        ),
        (LISTENER.to_owned(), "no [[provider]]"),
        (PROVIDER.to_owned(), "no [[listener]]"),
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

/// Invariant 8: every looser choice is a word in the configuration, and is named in the log at start.
#[test]
fn invariant_8_every_looser_word_is_named() {
    let any = PROVIDER.replace("audience = [\"mail\"]", "any_audience = true");
    let words = "id_tokens = true\nuser_case = \"lower\"\nskew_seconds = 61\n";
    let listener = "[[listener]]\naddress = \"tcp:0.0.0.0:1\"\nallow_remote = true\n";
    let text = format!("compat = \"dovecot\"\n{listener}{any}{words}");
    let named = Config::parse(&text).unwrap().looser_words().join("\n");
    for word in [
        "compat",
        "allow_remote",
        "any_audience",
        "id_tokens",
        "user_case",
        "skew_seconds",
    ] {
        assert!(named.contains(word), "{word} is not named");
    }
}

#[test]
fn parts_that_need_a_restart_are_told() {
    let old = Config::parse(&with("log", "")).unwrap();
    let new = Config::parse(&with("log", "level = \"debug\"")).unwrap();
    assert_eq!(old.parts_for_a_restart(&new), ["[log]"]);
    assert!(old.parts_for_a_restart(&old).is_empty());
}
