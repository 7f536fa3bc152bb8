//! What ends a start is what `check-config` tells before, in the same words, as far as no network is needed to know it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::process::Command;

use gatepost_tests::mint::Issuer;
use tempfile::TempDir;

use crate::serving::refused;

/// A configuration of `top`, in which HERE is a directory with keys, is refused by both.
#[track_caller]
fn check(top: &str, expected: &[&str]) {
    let root = TempDir::new().unwrap();
    let here = root.path().display().to_string();
    let keys = root.path().join("jwks.json");
    fs::write(&keys, Issuer::new().jwk_set().to_string()).unwrap();
    fs::create_dir(root.path().join("run")).unwrap();
    fs::write(root.path().join("file"), "").unwrap();
    symlink(root.path().join("run"), root.path().join("link")).unwrap();
    let text = format!(
        "{top}\n[[provider]]\nname = \"p\"\nissuer = \"i\"\naudience = \"mail\"\nkeys = \"HERE/jwks.json\"\n"
    );
    let path = root.path().join("gatepost.toml");
    fs::write(&path, text.replace("HERE", &here)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    let output = command.arg("check-config").arg(&path).output().unwrap();
    let checked = String::from_utf8(output.stdout).unwrap();
    let served = refused(&path);
    assert_eq!(output.status.code(), Some(2), "{top}\n{checked}{served}");
    assert!(!checked.contains("nothing is wrong"), "{checked}");
    for expected in expected {
        let expected = expected.replace("HERE", &here);
        assert!(checked.contains(&expected), "{expected}\n{checked}");
        assert!(served.contains(&expected), "{expected}\n{served}");
    }
}

/// An address that only the resolver of this machine takes for one.
#[test]
fn an_address_that_is_not_written_in_full() {
    for host in [
        "0",
        "127.1",
        "0x7f.1",
        "2130706433",
        "::1",
        "[::1",
        "*",
        "a b",
    ] {
        check(
            &format!("listen = \"tcp:{host}:1234\""),
            &["write", "127.0.0.1", "[::1]"],
        );
    }
}

#[test]
fn two_listeners_at_one_address() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let at = |host: &str| format!("tcp:{host}:{port}");
    let (one, name, all) = (at("127.0.0.1"), at("localhost"), at("0.0.0.0"));
    for (top, others) in [
        (
            format!("[http]\nlisten = \"{one}\"\n[metrics]\nlisten = \"{one}\""),
            ["[metrics]", "[http]"],
        ),
        (format!("listen = [\"{one}\", \"{name}\"]"), [&*one, &*name]),
        (
            format!("listen = \"{one}\"\n[metrics]\nlisten = \"{all}\"\nallow_remote = true"),
            ["[metrics]", &*one],
        ),
        (
            "listen = [\"unix:HERE/run/a\", \"unix:HERE/link/a\"]".to_owned(),
            ["unix:HERE/run/a", "unix:HERE/link/a"],
        ),
    ] {
        check(&top, &["share an address", others[0], others[1]]);
    }
}

#[test]
fn paths_that_no_socket_can_have() {
    let long = format!("unix:/{}", "x".repeat(107));
    check(&format!("listen = \"{long}\""), &["107 bytes"]);
    check("listen = \"unix:HERE/file\"", &["is no socket"]);
    check("listen = \"unix:HERE/file/socket\"", &["Not a directory"]);
}

/// The daemon's working directory is systemd's choice.
#[test]
fn a_state_directory_is_named_in_full() {
    check(
        "state_directory = \"state\"\nlisten = \"tcp:127.0.0.1:0\"",
        &["state_directory", "absolute path"],
    );
}
