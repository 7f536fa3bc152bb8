//! The database of the real command: at its start, while it is away, and at its end.

use std::os::unix::fs::{PermissionsExt as _, chown};

use super::*;
use crate::serving::refused;

#[test]
fn a_database_is_open_before_the_daemon_is_ready_and_nobody_elses_to_read() {
    let daemon = Daemon::start();
    let (status, accounts) = daemon.ready();
    assert_eq!((status, &accounts["loaded"]), (200, &json!(true)));
    assert_eq!(accounts["can_write"], true);
    let found = fs::metadata(daemon.path("accounts.sqlite")).unwrap();
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    let log = daemon.serving.stop();
    assert!(log.contains("accounts loaded"), "{log}");
}

#[test]
fn a_database_that_is_gone_is_told_to_whoever_watches() {
    let mut daemon = Daemon::start();
    fs::remove_file(daemon.path("accounts.sqlite")).unwrap();
    let event = daemon
        .serving
        .wait_for("database of accounts: what is known from before is answered");
    assert!(
        event["error"].as_str().unwrap().contains("is not there"),
        "{event}"
    );
    let (status, accounts) = daemon.ready();
    assert_eq!((status, &accounts["loaded"]), (200, &json!(true)));
    assert_eq!(accounts["can_write"], false);
    assert!(
        accounts["why"]
            .as_str()
            .unwrap()
            .starts_with("the database is not there")
    );
    assert!(accounts["since"].is_string());
}

#[test]
fn what_is_pushed_while_the_database_is_away_is_to_come_again() {
    let mut daemon = Daemon::start();
    let (secret, id) = {
        let idp = daemon.source("idp");
        idp.create("alice@example.com");
        (idp.secret.clone(), idp.id)
    };
    fs::remove_file(daemon.path("accounts.sqlite")).unwrap();
    daemon
        .serving
        .wait_for("database of accounts: what is known from before is answered");
    let idp = Pushing {
        daemon: &daemon,
        name: "idp".to_owned(),
        secret,
        id,
    };
    for answer in [
        idp.get("/Users"),
        idp.push(
            "POST",
            "/Users",
            &json!({"schemas": [USER], "userName": "bob@example.com"}),
        ),
    ] {
        assert!(answer.head.to_lowercase().contains("retry-after: "));
        assert_eq!(answer.expect(503)["status"], "503");
    }
}

#[test]
fn a_database_that_cannot_be_opened_keeps_no_login_away() {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("accounts.sqlite"), "x".repeat(10_000)).unwrap();
    let daemon = Daemon::start_in(root, "");
    let (status, accounts) = daemon.ready();
    assert_eq!((status, &accounts["loaded"]), (503, &json!(false)));
    assert!(
        accounts["why"].as_str().unwrap().contains("damaged"),
        "{accounts}"
    );
    // It is served from as soon as there is one.
    fs::remove_file(daemon.path("accounts.sqlite")).unwrap();
    while daemon.ready().0 != 200 {}
}

/// A command that root ran may have left them.
#[test]
fn a_file_beside_the_database_that_another_owns_is_told() {
    if !gatepost_tests::roots::is_root() {
        return;
    }
    let nobody = Some(65_534);
    let root = TempDir::new().unwrap();
    let (configuration, _) = configure(&root, "");
    let text = fs::read_to_string(&configuration).unwrap();
    fs::write(&configuration, format!("user = \"nobody\"\n{text}")).unwrap();
    chown(root.path(), nobody, nobody).unwrap();
    chown(&configuration, nobody, nobody).unwrap();
    at_home(&root);
    for ending in ["-wal", "-shm", ".lock"] {
        let path = root.path().join(format!("accounts.sqlite{ending}"));
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let words = format!(
            "the file ending in {ending} beside it, whose owner is the user of id 0: chown it"
        );
        for command in [CHECKED, EXAMINED] {
            let (said, code) = examined(&root, command);
            assert!(said.contains(&words), "{said}");
            assert_ne!(code, Some(0), "{said}");
        }
        let mut serving = Serving::start(&configuration);
        let event = serving.wait_for("accounts not loaded: mail for them waits");
        assert!(event["error"].as_str().unwrap().contains(&words), "{event}");
        fs::remove_file(&path).unwrap();
        serving.wait_for("accounts loaded");
        serving.stop();
        for left in fs::read_dir(root.path()).unwrap() {
            let left = left.unwrap().path();
            if left.to_string_lossy().contains("accounts.sqlite") {
                fs::remove_file(left).unwrap();
            }
        }
    }
}

#[test]
fn a_directory_that_is_not_there_is_told_at_the_start() {
    let root = TempDir::new().unwrap();
    let (configuration, _) = configure(&root, "");
    let text = fs::read_to_string(&configuration).unwrap();
    fs::write(
        &configuration,
        text.replace("/accounts.sqlite", "/no/accounts.sqlite"),
    )
    .unwrap();
    let told = refused(&configuration);
    assert!(told.contains("[accounts]: database"), "{told}");
    assert!(
        told.contains("its directory is not there; create it"),
        "{told}"
    );
}

/// What a command says of the configuration in `root`, its exit code, and that it has left everything as it was.
#[track_caller]
pub(super) fn examined(root: &TempDir, words: &[&str]) -> (String, Option<i32>) {
    // A daemon that runs may write into its own.
    let is_served = root.path().join("accounts.sqlite-wal").exists();
    let files = || {
        let files = fs::read_dir(root.path()).unwrap().map(|file| {
            let path = file.unwrap().path();
            let bytes = fs::read(&path).ok().filter(|_| !is_served);
            (path, bytes)
        });
        let mut files: Vec<_> = files.collect();
        files.sort();
        files
    };
    let before = files();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command
        .args(words)
        .arg(root.path().join("gatepost.toml"))
        .stdin(std::process::Stdio::null());
    let output = command.output().unwrap();
    assert!(before == files(), "{words:?} has changed something");
    let said = String::from_utf8(output.stdout).unwrap();
    (said, output.status.code())
}

/// Has the doctor look for endpoints on this machine alone.
fn at_home(root: &TempDir) {
    let path = root.path().join("gatepost.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.replace("https://mail.example.com", "http://127.0.0.1:1"),
    )
    .unwrap();
}

const CHECKED: &[&str] = &["check-config"];
const EXAMINED: &[&str] = &["doctor", "--config"];

#[test]
fn a_database_is_looked_at_before_the_daemon_starts_and_left_as_it_is() {
    let root = TempDir::new().unwrap();
    configure(&root, "");
    let (said, code) = examined(&root, CHECKED);
    assert_eq!(code, Some(0), "{said}");
    at_home(&root);
    let (said, _) = examined(&root, EXAMINED);
    assert!(said.contains("accounts.sqlite is not there yet"), "{said}");

    let daemon = Daemon::start_in(root, "");
    daemon.source("idp").create("alice@example.com");
    at_home(&daemon.root);
    // While the daemon has it open, most of it is in its log.
    let counted = "accounts.sqlite can be read: accounts: 1, sources: 3";
    for _ in 0..2 {
        let (said, code) = examined(&daemon.root, CHECKED);
        assert_eq!(code, Some(0), "{said}");
        let (said, _) = examined(&daemon.root, EXAMINED);
        assert!(said.contains(counted), "{said}");
    }
    let Daemon { root, serving, .. } = daemon;
    serving.stop();
    let (said, code) = examined(&root, CHECKED);
    assert_eq!(code, Some(0), "{said}");
    assert!(examined(&root, EXAMINED).0.contains(counted));

    let database = root.path().join("accounts.sqlite");
    let good = fs::read(&database).unwrap();
    let with = |at: usize, number: u32| {
        let mut bytes = good.clone();
        bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
        bytes
    };
    // The numbers of the schema and of the program: SQLite's user_version and application_id.
    for (bytes, words) in [
        (with(60, 99), "has version 99, and this gatepost knows"),
        (with(68, 7), "belongs to another program"),
        (with(0, 0), "is damaged"),
        (b"a few bytes".to_vec(), "is damaged"),
    ] {
        fs::write(&database, bytes).unwrap();
        let (said, code) = examined(&root, CHECKED);
        assert!(said.contains(words), "{words}: {said}");
        assert_eq!(code, Some(2), "{said}");
        let (said, code) = examined(&root, EXAMINED);
        assert!(said.contains(&format!("accounts.sqlite {words}")), "{said}");
        assert_eq!(code, Some(1), "{said}");
        let mut serving = Serving::start(&root.path().join("gatepost.toml"));
        let event = serving.wait_for("accounts not loaded: mail for them waits");
        assert!(
            event["error"].as_str().unwrap().starts_with(words),
            "{event}"
        );
    }
    fs::remove_file(&database).unwrap();
    fs::create_dir(&database).unwrap();
    let (said, code) = examined(&root, CHECKED);
    assert!(said.contains("it is no file; name one"), "{said}");
    assert_eq!(code, Some(2));
}
