//! The examples fit each other: sockets, the directories that hold them, whose they are, and the unit (A13, A14).

use std::fs;
use std::path::PathBuf;

const UNIT: &str = include_str!("../../../../../examples/postfix/gatepost.service");
const OWN_USER: &str = include_str!("../../../../../examples/postfix/own-user.conf");
const RELAY_UNIT: &str = include_str!("../../../../../examples/dovecot/relay.service.conf");

/// Every TOML file of the examples that is a configuration, and every piece of one on their pages.
fn texts() -> Vec<(PathBuf, String)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let folders = fs::read_dir(root).unwrap().flatten();
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten());
    let mut texts = Vec::new();
    for path in files.flatten().map(|file| file.path()) {
        let text = fs::read_to_string(&path).unwrap_or_default();
        match path.extension().and_then(|end| end.to_str()) {
            Some("toml") if text.contains("[[provider]]") => texts.push((path, text)),
            Some("md") => {
                let pieces = text.split("```toml\n").skip(1);
                let pieces = pieces.filter_map(|piece| piece.split("```").next());
                texts.extend(pieces.map(|piece| (path.clone(), piece.to_owned())));
            }
            _ => {}
        }
    }
    texts
}

/// The tables of a text that listen at a unix socket, with their lines.
fn sockets(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let tables = lines.split(|line| line.is_empty() || line.starts_with("[["));
    let tables = tables.map(|table| table.join("\n"));
    tables
        .filter(|table| table.contains("address = \"unix:"))
        .collect()
}

#[test]
fn every_socket_of_an_example_says_whose_it_is() {
    let mut count = 0;
    for (path, text) in texts() {
        for table in sockets(&text) {
            count += 1;
            let is_written = |key: &str| table.lines().any(|line| line.starts_with(key));
            let is_roots = table.contains("mode = \"0600\"");
            let has_owner = is_written("owner = ") || is_written("group = ");
            assert!(
                is_written("mode = ") && (has_owner || is_roots),
                "{}: {table}",
                path.display()
            );
        }
    }
    assert!(count >= 6, "{count}");
}

/// Only what asks at Dovecot's master socket has to stay root.
#[test]
fn every_example_that_can_says_who_to_become() {
    let mut count = 0;
    for (path, text) in texts() {
        // A container says it elsewhere, and a piece of a page says that it is one.
        if !text.contains("[[provider]]")
            || path.ends_with("docker-mailserver/gatepost.toml")
            || path.ends_with("appliance.toml")
        {
            continue;
        }
        count += 1;
        let is_for_root = text.contains("\nmaster = ");
        let says_user = text.lines().any(|line| line.starts_with("user = "));
        assert!(says_user != is_for_root, "{}", path.display());
    }
    assert!(count >= 4, "{count}");
}

#[test]
fn the_unit_makes_every_directory_that_an_example_listens_in() {
    assert!(UNIT.contains("\nRuntimeDirectory=gatepost\n"));
    let written: Vec<&str> = [UNIT, RELAY_UNIT]
        .iter()
        .flat_map(|unit| unit.lines())
        .filter_map(|line| line.strip_prefix("ReadWritePaths="))
        .flat_map(|paths| paths.split(' '))
        .map(|path| path.trim_start_matches('-'))
        .chain(["/run/gatepost"])
        .collect();
    for (path, text) in texts() {
        for address in text.split("\"unix:").skip(1) {
            let address = address.split('"').next().unwrap();
            let is_upstream = address.starts_with("/run/dovecot/");
            let is_made = written.iter().any(|written| address.starts_with(written));
            assert!(is_made || is_upstream, "{}: {address}", path.display());
        }
    }
}

#[test]
fn the_unit_raises_limits_and_checks_before_it_reloads() {
    let lines: Vec<&str> = UNIT.lines().collect();
    let at = |line: &str| lines.iter().position(|one| *one == line);
    let check = at("ExecReload=/usr/local/bin/gatepost check-config /etc/gatepost.toml");
    // With `+`: what the unit leaves to root cannot signal a daemon that has become somebody else.
    let reload = at("ExecReload=+/bin/kill -HUP $MAINPID");
    assert!(check.is_some() && check < reload);
    assert!(at("LimitNOFILE=65536").is_some());
    assert!(at("Type=notify").is_some());
    assert!(OWN_USER.contains("LoadCredential="));
}

/// The units that a line such as `Before=` of a unit names.
fn named<'u>(unit: &'u str, key: &str) -> Vec<&'u str> {
    let lines = unit.lines().filter_map(|line| line.strip_prefix(key));
    lines.flat_map(str::split_whitespace).collect()
}

/// A drop-in cannot take an order back, and systemd leaves out one of two units that both come first.
#[test]
fn no_drop_in_turns_the_order_of_the_unit_round() {
    let before = named(UNIT, "Before=");
    for drop_in in [OWN_USER, RELAY_UNIT] {
        let after = named(drop_in, "After=");
        assert!(after.iter().all(|unit| !before.contains(unit)), "{after:?}");
    }
}

/// On Debian 12 `postfix.service` starts nothing: `postfix@-.service` does.
#[test]
fn the_unit_comes_before_every_unit_that_starts_a_mail_server_at_its_socket() {
    let before = named(UNIT, "Before=");
    for unit in ["postfix.service", "postfix@-.service", "exim4.service"] {
        assert!(before.contains(&unit), "{unit} is not in {before:?}");
    }
}

/// The unit's `UMask` closes what is made without a mode, and Dovecot's login processes are nobody's friends.
#[test]
fn every_directory_that_a_unit_makes_has_a_mode() {
    assert!(UNIT.contains("\nUMask=0077\n"));
    let lines = [UNIT, RELAY_UNIT].into_iter().flat_map(str::lines);
    let commands: Vec<&str> = lines
        .filter_map(|line| line.strip_prefix("ExecStartPre="))
        .collect();
    assert!(commands.len() >= 2, "{commands:?}");
    for command in commands {
        let makes_with_mode =
            command.starts_with("+/usr/bin/install -d ") && command.contains(" -m ");
        assert!(makes_with_mode, "{command}");
    }
}
