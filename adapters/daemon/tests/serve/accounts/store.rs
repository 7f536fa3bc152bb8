//! The database of the real command: at its start, while it is away, and at its end.

use std::os::unix::fs::PermissionsExt as _;

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
