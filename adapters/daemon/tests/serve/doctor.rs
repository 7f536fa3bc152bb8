//! What `gatepost doctor` and `gatepost check-config` say before anybody serves.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use gatepost_tests::mint::Issuer;
use tempfile::TempDir;

use crate::serving::{Serving, command, refused};

/// A directory with keys and a configuration.
struct Desk {
    root: TempDir,
}

impl Desk {
    /// A configuration of `top`, a provider whose keys are in a file, and `end`.
    fn new(top: &str, end: &str) -> Self {
        let root = TempDir::new().unwrap();
        let keys = root.path().join("jwks.json");
        fs::write(&keys, Issuer::new().jwk_set().to_string()).unwrap();
        let here = root.path().display().to_string();
        let text = format!(
            "{top}\n[[provider]]\nname = \"p\"\nissuer = \"i\"\naudience = \"mail\"\nkeys = \"{}\"\n{end}\n",
            keys.display()
        );
        let path = root.path().join("gatepost.toml");
        fs::write(&path, text.replace("HERE", &here)).unwrap();
        for file in [&path, &keys] {
            fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
        }
        Self { root }
    }

    fn config(&self) -> std::path::PathBuf {
        self.root.path().join("gatepost.toml")
    }

    /// What `gatepost doctor` says, and its exit code.
    fn doctor(&self) -> (String, Option<i32>) {
        ended(command("doctor", &self.config()))
    }

    /// What `gatepost check-config` says, and its exit code.
    fn check_config(&self) -> (String, Option<i32>) {
        check_config(&self.config())
    }
}

/// As `gatepost doctor | head` does, which has gone when there is more to read.
#[test]
fn a_reader_that_leaves_early_hears_no_panic() {
    let desk = Desk::new("listen = \"unix:HERE/auth\"", "");
    for verb in ["doctor", "check-config"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
        if verb == "doctor" {
            command.arg(verb).arg("--config").arg(desk.config());
        } else {
            command.arg(verb).arg(desk.config());
        }
        command.stdin(Stdio::null()).stdout(writer);
        let said = command.stderr(Stdio::piped()).output().unwrap().stderr;
        let said = String::from_utf8_lossy(&said);
        assert!(!said.contains("panicked"), "{verb}: {said}");
    }
}

/// A device says that it is empty, and ends never.
#[test]
fn a_file_without_end_is_too_long() {
    let zero = Path::new("/dev/zero");
    let (said, code) = check_config(zero);
    assert!(said.contains("longer than"), "{said}");
    assert_eq!(code, Some(2));
    let mut import = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    let import = import.arg("import").arg(zero).output().unwrap();
    let said = String::from_utf8_lossy(&import.stderr);
    assert!(said.contains("longer than"), "{said}");
    assert!(!import.status.success());
    let root = TempDir::new().unwrap();
    let path = root.path().join("gatepost.toml");
    for end in [
        "client_secret_file = \"/dev/zero\"",
        "client_secret = \"s\"\nca_file = \"/dev/zero\"",
    ] {
        let provider = "issuer = \"https://id.example.com\"\naudience = \"mail\"\nclient_id = \"gatepost\"\n\
                        introspection_url = \"https://id.example.com/introspect\"";
        let text = format!("listen = \"tcp:127.0.0.1:0\"\n[[provider]]\n{provider}\n{end}\n");
        fs::write(&path, text).unwrap();
        let (said, code) = check_config(&path);
        assert!(said.contains("/dev/zero: longer than"), "{said}");
        assert_eq!(code, Some(2));
    }
}

fn check_config(path: &Path) -> (String, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command.arg("check-config").arg(path);
    ended(command)
}

fn ended(mut command: Command) -> (String, Option<i32>) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (said, output.status.code())
}

/// A5: whatever keeps `serve` from starting, `doctor` says it too.
#[test]
fn the_doctor_fails_wherever_the_daemon_would() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("tcp:{}", taken.local_addr().unwrap());
    let unix = |rest: &str| format!("[[listener]]\naddress = \"unix:HERE/auth\"\n{rest}");
    let free = "listen = \"tcp:127.0.0.1:0\"\n";
    for (top, end, expected) in [
        (
            unix("group = \"no-such-group\""),
            "",
            "there is no group \"no-such-group\"",
        ),
        (
            unix("owner = \"no-such-user\""),
            "",
            "there is no user \"no-such-user\"",
        ),
        (
            "listen = \"tcp:0.0.0.0:0\"".to_owned(),
            "",
            "or write allow_remote = true",
        ),
        (
            unix("").replace("/auth", "/jwks.json/auth"),
            "",
            "its directory must exist",
        ),
        (
            unix("").replace("/auth", "/no/such/auth"),
            "",
            "its directory must exist",
        ),
        (unix("").replace("/auth", "/jwks.json"), "", "is no socket"),
        (
            "listen = \"tcp:no-such-host.invalid:1\"".to_owned(),
            "",
            "give an address or a host name that resolves",
        ),
        (
            "[dict]\naddress = \"unix:HERE/no/dict\"".to_owned(),
            "",
            "its directory must exist",
        ),
        (
            format!("[http]\nlisten = \"{taken}\""),
            "",
            "listens there; stop it or choose another address",
        ),
        (
            format!("metrics = {{ listen = \"{taken}\" }}\n{free}"),
            "",
            "listens there; stop it or choose another address",
        ),
        (
            format!("user = \"no-such-user\"\n{free}"),
            "",
            "there is no user \"no-such-user\"",
        ),
        (format!("user = \"root\"\n{free}"), "", "root itself"),
        (
            free.to_owned(),
            "[users]\npasswd_file = \"HERE/no-such\"",
            "no-such: No such file",
        ),
        (
            free.to_owned(),
            "[users]\nallow_all_users = true\nuid = \"no-such\"",
            "there is no uid \"no-such\"",
        ),
        (
            "[http]\nlisten = \"tcp:127.0.0.1:0\"\nclient_id = \"x\"\nclient_secret_file = \"HERE/none\"\n"
                .to_owned(),
            "",
            "none: No such file",
        ),
    ] {
        let desk = Desk::new(&top, end);
        let (said, code) = desk.doctor();
        assert_eq!(code, Some(1), "{top}{end}\n{said}");
        assert!(said.contains(expected), "{expected}\n{said}");
        let told = refused(&desk.config());
        assert!(told.contains(expected), "{expected}\n{told}");
    }
}

/// A5: all of it at once, in both.
#[test]
fn everything_that_keeps_a_daemon_from_starting_is_told_at_once() {
    let desk = Desk::new(
        "[[listener]]\naddress = \"unix:HERE/a\"\ngroup = \"no-such-group\"\n\
         [[listener]]\naddress = \"unix:HERE/no/such\"\n",
        "[users]\npasswd_file = \"HERE/no-such\"",
    );
    let (said, _) = desk.doctor();
    let told = refused(&desk.config());
    for expected in ["no-such-group", "/no/such", "passwd_file"] {
        assert!(said.contains(expected), "{expected}\n{said}");
        assert!(told.contains(expected), "{expected}\n{told}");
    }
}

/// A5: keys that are found over the network want a place for the last good ones.
#[test]
fn the_doctor_looks_at_the_state_directory() {
    let network =
        "[[provider]]\nname = \"q\"\nissuer = \"https://127.0.0.1:9\"\naudience = \"mail\"\n";
    let free = "listen = \"tcp:127.0.0.1:0\"";
    let (said, _) = Desk::new(free, network).doctor();
    assert!(said.contains("no state_directory"), "{said}");
    let (said, _) = Desk::new(
        &format!("state_directory = \"HERE/jwks.json\"\n{free}"),
        network,
    )
    .doctor();
    assert!(
        said.contains("state_directory") && said.contains("WRONG"),
        "{said}"
    );
    let (said, _) = Desk::new(&format!("state_directory = \"HERE\"\n{free}"), network).doctor();
    assert!(!said.contains("no state_directory"), "{said}");
    let (said, code) = Desk::new(free, "").doctor();
    assert!(
        !said.contains("state_directory") && code == Some(0),
        "{said}"
    );
}

/// A5: sockets that a running daemon holds are no fault, and stay its own.
#[test]
fn the_doctor_says_who_listens_already() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let desk = Desk::new(
        &format!(
            "listen = [\"unix:HERE/auth\", \"tcp:{port}\"]\n[http]\nlisten = \"tcp:127.0.0.1:0\"\n\
             [log]\nformat = \"json\""
        ),
        "",
    );
    let mut serving = Serving::start(&desk.config());
    serving.wait_for("ready");
    let pid = serving.id();
    for _ in 0..2 {
        let (said, code) = desk.doctor();
        assert_eq!(code, Some(0), "{said}");
        for place in [
            format!("unix:{}/auth", desk.root.path().display()),
            format!("tcp:{port}"),
        ] {
            let expected = format!("gatepost (process {pid}) listens at {place}");
            assert!(said.contains(&expected), "{expected}\n{said}");
        }
    }
    serving.stop();
}

/// A5: a socket of another program's is a fault, for the daemon would take its place.
#[test]
fn the_doctor_says_which_other_program_listens() {
    let desk = Desk::new("listen = \"unix:HERE/auth\"", "");
    let _other = UnixListener::bind(desk.root.path().join("auth")).unwrap();
    let (said, code) = desk.doctor();
    assert_eq!(code, Some(1), "{said}");
    let expected = format!("(process {}) listens at unix:", std::process::id());
    assert!(said.contains(&expected), "{said}");
    let (said, code) = desk.doctor();
    assert_eq!(code, Some(1), "{said}");
}

#[test]
fn a_configuration_without_fault_is_checked_without_network() {
    let desk = Desk::new(
        "listen = \"unix:/no/such/directory\"",
        "id_tokens = true\n[[provider]]\nissuer = \"https://192.0.2.1\"\naudience = \"mail\"\n",
    );
    let (said, code) = desk.check_config();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("id_tokens = true"), "{said}");
    assert!(said.contains("gatepost.toml: nothing is wrong"), "{said}");
}

#[test]
fn every_fault_of_a_configuration_is_printed() {
    let desk = Desk::new(
        "lisen = \"unix:/no/such/directory\"",
        "skew_seconds = 900\nscope = \"mail\"",
    );
    let (said, code) = desk.check_config();
    assert_eq!(code, Some(2), "{said}");
    for expected in [
        "gatepost.toml:1: there is no key \"lisen\"; write listen",
        "gatepost.toml:7: skew_seconds: 900 is out of bounds",
        "gatepost.toml:8: [[provider]] has no key \"scope\"; write scopes",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    assert_eq!(check_config(Path::new("/no/such/file")).1, Some(2));
}

/// Secrets that others can read are named: in the file itself, in a file of their own, among keys.
#[test]
fn a_secret_that_others_can_read_is_a_warning() {
    let client = "client_id = \"x\"\nintrospection_url = \"https://127.0.0.1:9/\"\n";
    let inline = format!("{client}client_secret = \"hunter2\"");
    let file = format!("{client}client_secret_file = \"HERE/secret\"");
    let oct =
        "[[provider]]\nname = \"q\"\nissuer = \"j\"\naudience = \"mail\"\nkeys = \"HERE/oct\"\n";
    for (end, path) in [
        (&*inline, "gatepost.toml"),
        (&*file, "secret"),
        (oct, "oct"),
    ] {
        let desk = Desk::new(
            "listen = \"tcp:127.0.0.1:0\"\n[log]\nformat = \"json\"",
            end,
        );
        let at = |name: &str| desk.root.path().join(name);
        fs::write(at("secret"), "hunter2\n").unwrap();
        let key = r#"{"keys":[{"kty":"oct","alg":"HS256","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}]}"#;
        fs::write(at("oct"), key).unwrap();
        for name in ["secret", "oct"] {
            fs::set_permissions(at(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        let (said, code) = desk.check_config();
        assert!(
            code == Some(0) && !said.contains("can be read by others"),
            "{said}"
        );
        fs::set_permissions(at(path), fs::Permissions::from_mode(0o644)).unwrap();
        let expected = format!(
            "{} holds a secret and can be read by others",
            at(path).display()
        );
        let (said, code) = desk.check_config();
        assert!(
            code == Some(0) && said.contains(&expected),
            "{expected}\n{said}"
        );
        assert!(!said.contains("hunter2"), "{said}");
        let (said, _) = desk.doctor();
        assert!(said.contains(&expected), "{expected}\n{said}");
        let mut serving = Serving::start(&desk.config());
        serving.line("can be read by others");
        serving.wait_for("ready");
        serving.stop();
    }
}
