//! What `gatepost import` reads of a `dovecot.conf`, beside what `doveconf` of that version says of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use gatepost_tests::daemon;
use gatepost_tests::databases::Databases;
use gatepost_tests::dovecot::Version;
use gatepost_tests::namespace::in_root;
use libtest_mimic::Failed;
use serde_json::Value;

use crate::Case;
use crate::grammar::{self, Files, Grammar, Random, VARIABLE};

/// Files of each version that are compared, some 30 ms each.
const FILES: u64 = 150;

/// The block and the name of each setting, with its value.
pub(crate) type Settings = BTreeMap<(String, String), String>;

pub(crate) fn cases() -> Vec<Case> {
    let of_version = |version: Version| {
        let name = format!("import::{version:?}::what_is_read_is_what_doveconf_says");
        Case::new(name, move |lab: &Databases| compare(lab, version))
    };
    Version::ALL.into_iter().map(of_version).collect()
}

/// Another seed is `GATEPOST_TESTS_SEED`; a failure names the one to repeat it with.
pub(crate) fn seed() -> u64 {
    let seed = std::env::var("GATEPOST_TESTS_SEED").ok();
    seed.and_then(|seed| seed.parse().ok()).unwrap_or(13)
}

fn compare(lab: &Databases, version: Version) -> Result<(), Failed> {
    let root = lab.root(version);
    let grammar = match version {
        Version::V2_3 => Grammar::V2_3,
        Version::V2_4 => Grammar::V2_4,
    };
    let directory = root.join("run/import");
    let (mut read, mut refused) = (0, 0);
    let default = match version {
        Version::V2_3 => Settings::new(),
        Version::V2_4 => {
            let text = "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n";
            place(&directory, &vec![("main".to_owned(), text.to_owned())])?;
            doveconf(&root, version)?.unwrap_or_default()
        }
    };
    for seed in seed() * 1_000_000..seed() * 1_000_000 + FILES {
        let files = grammar::main(&mut Random::new(seed), grammar);
        place(&directory, &files)?;
        let theirs = doveconf(&root, version)?;
        let ours = import(&directory.join("main"))?;
        let fault = match (&theirs, &ours) {
            (None, None) => {
                refused += 1;
                continue;
            }
            (Some(theirs), Some(ours)) => {
                read += ours.len();
                difference(theirs, ours, &default)
            }
            (None, Some(_)) => Some("doveconf alone refuses it".to_owned()),
            (Some(_), None) => Some("import alone refuses it".to_owned()),
        };
        if let Some(fault) = fault {
            let texts = files
                .iter()
                .map(|(name, text)| format!("--- {name}\n{text}"));
            let texts: String = texts.collect();
            return Err(format!("file {seed}: {fault}\n{texts}").into());
        }
    }
    println!("{version:?}: {FILES} files, {refused} refused by both, {read} settings alike");
    if read < 300 || refused < 3 {
        return Err("the grammar makes too little".into());
    }
    Ok(())
}

pub(crate) fn place(directory: &Path, files: &Files) -> std::io::Result<()> {
    fs::create_dir_all(directory.join("parts"))?;
    files
        .iter()
        .try_for_each(|(name, text)| fs::write(directory.join(name), text))
}

/// What differs, if anything does.
fn difference(theirs: &Settings, ours: &Settings, default: &Settings) -> Option<String> {
    // What is not in a list need not be told.
    let is_out = |((_, name), value): &(&(String, String), &String)| {
        let is_switch = name.starts_with("oauth2_scope/") || name.starts_with("oauth2_issuers/");
        is_switch && value.eq_ignore_ascii_case("no")
    };
    for (name, value) in ours.iter().filter(|setting| !is_out(setting)) {
        let other = theirs.get(name);
        if other != Some(value) {
            return Some(format!(
                "{name:?} is {value:?} here, and {other:?} to doveconf"
            ));
        }
    }
    let mut missed = theirs.iter().filter(|(name, _)| !ours.contains_key(name));
    let missed = missed.find(|missed| !is_out(missed) && default.get(missed.0) != Some(missed.1));
    missed.map(|missed| format!("{missed:?} is not seen here"))
}

/// What `import` reads; none where it refuses the file.
pub(crate) fn import(path: &Path) -> Result<Option<Settings>, Failed> {
    let output = Command::new(daemon::program()?)
        .args(["import", "--settings"])
        .arg(path)
        .env(VARIABLE, "a word")
        .output()?;
    if !output.status.success() {
        return Ok(None);
    }
    let mut settings = Settings::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let line: Value = serde_json::from_str(line)?;
        let member = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        // Paths begin where the root is seen.
        let mut value = member("value");
        if member("name").ends_with("_file") {
            value = below_run(&value);
        }
        settings.insert((member("block"), member("name")), value);
    }
    Ok(Some(settings))
}

/// What `doveconf` says; none where it refuses the file.
fn doveconf(root: &Path, version: Version) -> Result<Option<Settings>, Failed> {
    let arguments = match version {
        Version::V2_3 => "-Sx",
        Version::V2_4 => "-F",
    };
    let output = in_root(root, "/usr/bin/doveconf")
        .args(["-c", "/run/import/main", arguments])
        .env(VARIABLE, "a word")
        .output()?;
    // What it finds wrong behind the reading it says behind the settings.
    if output.stdout.is_empty() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(Some(match version {
        Version::V2_3 => sections(&text),
        Version::V2_4 => filters(&text),
    }))
}

/// 2.3: `passdb/0/driver=oauth2`.
fn sections(text: &str) -> Settings {
    let mut settings = Settings::new();
    for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
        let (block, name) = name.rsplit_once('/').unwrap_or(("", name));
        let is_passdb =
            block.starts_with("passdb/") && ["driver", "args", "mechanisms"].contains(&name);
        if is_passdb || block.is_empty() && name == "auth_mechanisms" {
            settings.insert((block.to_owned(), name.to_owned()), untabbed(value));
        }
    }
    settings
}

/// 2.4: settings behind the filter that they belong to, whose innermost part comes first.
fn filters(text: &str) -> Settings {
    let mut settings = Settings::new();
    let mut block = String::new();
    for line in text.lines() {
        if let Some(filter) = line.strip_prefix(":FILTER ") {
            let parts = filter.split(" AND ").map(|part| {
                let name = part.replace("settings_filter_name=", "").replace('=', "/");
                name.replace('"', "")
            });
            let parts: Vec<String> = parts.collect();
            block = parts.into_iter().rev().collect::<Vec<_>>().join(" ");
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        if !is_compared(&block, name) {
            continue;
        }
        let value = value
            .strip_suffix(" # stop list")
            .filter(|_| name.contains('/'))
            .unwrap_or(value);
        let mut value = untabbed(value);
        if name.ends_with("_file") {
            // The file's content follows its name.
            value = below_run(value.split('\n').next().unwrap_or_default());
        }
        settings.insert((block.clone(), unescaped(name)), value);
    }
    settings
}

/// A path from where both see the same.
fn below_run(path: &str) -> String {
    path.split("/run/").last().unwrap_or_default().to_owned()
}

fn is_compared(block: &str, name: &str) -> bool {
    let lists = ["oauth2_scope", "oauth2_issuers", "oauth2_fields"];
    let is_ours = block.split(' ').any(|part| part.starts_with("oauth2"));
    name.starts_with("oauth2_") && !lists.contains(&name)
        || is_ours
            && [
                "http_client_request_timeout",
                "ssl_client_ca_file",
                "ssl_client_key_file",
                "fs_posix_prefix",
            ]
            .contains(&name)
        || block.starts_with("passdb/") && name == "passdb_driver"
}

/// Without the escapes of names below a list.
fn unescaped(name: &str) -> String {
    let mut plain = String::new();
    let mut characters = name.chars();
    while let Some(character) = characters.next() {
        plain.push(match (character, character == '\\') {
            (_, true) => match characters.next() {
                Some('s') => '/',
                Some('_') => ' ',
                Some('e') => '=',
                Some('+') => ',',
                other => other.unwrap_or('\\'),
            },
            (character, false) => character,
        });
    }
    plain
}

/// Without the escapes of values (`strescape.h`).
fn untabbed(value: &str) -> String {
    let pairs = [
        ("\u{1}n", "\n"),
        ("\u{1}t", "\t"),
        ("\u{1}r", "\r"),
        ("\u{1}1", "\u{1}"),
    ];
    pairs.iter().fold(value.to_owned(), |value, (from, to)| {
        value.replace(from, to)
    })
}
