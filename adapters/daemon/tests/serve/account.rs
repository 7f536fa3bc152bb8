//! Who the daemon is, where root starts it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use gatepost_tests::mint::Issuer;
use gatepost_tests::roots::is_root;
use tempfile::TempDir;

use crate::serving::{Serving, refused};

/// The account without rights of every system.
const NOBODY: &str = "nobody";

/// A directory that everybody may look into, with a configuration, which is named as well.
fn directory(user: &str) -> (TempDir, PathBuf) {
    let root = TempDir::new().unwrap();
    fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
    let keys = root.path().join("jwks.json");
    fs::write(&keys, Issuer::new().jwk_set().to_string()).unwrap();
    let configuration = format!(
        "user = \"{user}\"\n[log]\nformat = \"json\"\n[[listener]]\naddress = \"unix:{}\"\nmode = \"0600\"\n\
         [[provider]]\nissuer = \"https://id.example.com\"\naudience = \"mail\"\nkeys = [\"{}\"]\n",
        root.path().join("auth").display(),
        keys.display()
    );
    let path = root.path().join("gatepost.toml");
    fs::write(&path, configuration).unwrap();
    (root, path)
}

#[test]
fn the_rights_of_root_are_given_up_once_the_sockets_are_there() {
    if !is_root() {
        let (_root, configuration) = directory(NOBODY);
        let words = refused(&configuration);
        assert!(words.contains("only root can become"), "{words}");
        return;
    }
    let (root, configuration) = directory(NOBODY);
    let mut daemon = Serving::start(&configuration);
    daemon.wait_for("ready");
    let tasks = fs::read_dir(format!("/proc/{}/task", daemon.id())).unwrap();
    for task in tasks {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let of = |key: &str| {
            status
                .lines()
                .find(|line| line.starts_with(key))
                .unwrap()
                .to_owned()
        };
        for key in ["Uid:", "Gid:"] {
            let ids = of(key);
            let mut ids = ids.split_whitespace().skip(1);
            assert!(ids.all(|id| id == "65534"), "{status}");
        }
        assert!(
            !of("Groups:").split_whitespace().any(|group| group == "0"),
            "{status}"
        );
    }
    // Bound by root, so that nobody else reaches it; and it can be read anew.
    UnixStream::connect(root.path().join("auth")).unwrap();
    daemon.signal("HUP");
    daemon.wait_for("reloaded");
    daemon.stop();
}

#[test]
fn what_the_user_may_not_read_is_noticed_at_the_start() {
    if !is_root() {
        return;
    }
    for name in ["jwks.json", "gatepost.toml"] {
        let (root, configuration) = directory(NOBODY);
        let path = root.path().join(name);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let words = refused(&configuration);
        assert!(
            words.contains(name) && words.contains("ermission"),
            "{words}"
        );
    }
}

#[test]
fn a_user_that_is_root_or_not_there_is_refused() {
    for (user, hint) in [("root", "root itself"), ("no-such-user", "adduser")] {
        let (_root, configuration) = directory(user);
        let words = refused(&configuration);
        assert!(words.contains(hint), "{words}");
    }
}
