//! Who the daemon is, where root starts it.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStderr, Command, Stdio};

use gatepost_tests::mint::Issuer;
use gatepost_tests::roots::is_root;
use tempfile::TempDir;

/// The account without rights of every system.
const NOBODY: &str = "nobody";

/// A directory that everybody may look into, with a configuration.
fn directory(user: &str) -> TempDir {
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
    fs::write(root.path().join("gatepost.toml"), configuration).unwrap();
    root
}

fn serve(root: &TempDir) -> (Child, BufReader<ChildStderr>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args(["serve", "--config"])
        .arg(root.path().join("gatepost.toml"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(child.stderr.take().unwrap());
    (child, log)
}

fn wait_for(log: &mut BufReader<ChildStderr>, words: &str) {
    let mut line = String::new();
    while !line.contains(words) {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "no {words:?}");
    }
}

/// What it says when it does not start.
fn refused(root: &TempDir) -> String {
    let (mut child, mut log) = serve(root);
    let mut words = String::new();
    log.read_to_string(&mut words).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2), "{words}");
    words
}

#[test]
fn the_rights_of_root_are_given_up_once_the_sockets_are_there() {
    if !is_root() {
        let words = refused(&directory(NOBODY));
        assert!(words.contains("only root can become"), "{words}");
        return;
    }
    let root = directory(NOBODY);
    let (mut child, mut log) = serve(&root);
    wait_for(&mut log, "\"ready\"");
    let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
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
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-HUP", &pid])
            .status()
            .unwrap()
            .success()
    );
    wait_for(&mut log, "\"reloaded\"");
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_the_user_may_not_read_is_noticed_at_the_start() {
    if !is_root() {
        return;
    }
    for name in ["jwks.json", "gatepost.toml"] {
        let root = directory(NOBODY);
        let path = root.path().join(name);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let words = refused(&root);
        assert!(
            words.contains(name) && words.contains("ermission"),
            "{words}"
        );
    }
}

#[test]
fn a_user_that_is_root_or_not_there_is_refused() {
    for (user, hint) in [("root", "root itself"), ("no-such-user", "adduser")] {
        let words = refused(&directory(user));
        assert!(words.contains(hint), "{words}");
    }
}
