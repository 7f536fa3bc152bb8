use std::fs;

use gatepost_tests::mint::Issuer;

use super::*;

/// What is said of a configuration of `top` and `end`, in which HERE is a directory with keys.
fn said(top: &str, end: &str, is_file_only: bool) -> (String, bool) {
    let root = tempfile::tempdir().unwrap();
    let keys = root.path().join("jwks.json");
    fs::write(&keys, Issuer::new().jwk_set().to_string()).unwrap();
    fs::write(root.path().join("secret"), "hunter2\n").unwrap();
    let text = format!(
        "{top}\n[[provider]]\nname = \"p\"\nissuer = \"i\"\naudience = \"mail\"\nkeys = \"HERE/jwks.json\"\n{end}\n"
    );
    let here = root.path().display().to_string();
    let path = root.path().join("gatepost.toml");
    fs::write(&path, text.replace("HERE", &here)).unwrap();
    let report = report(&path, is_file_only);
    (report.lines.join("\n"), report.is_good)
}

const LISTEN: &str = "listen = \"tcp:127.0.0.1:0\"";

/// Whatever ends `serve` before it listens, as far as no network is needed to know it.
#[test]
fn what_ends_a_start_is_a_fault() {
    let unix = |rest: &str| format!("[[listener]]\naddress = \"unix:/no/such\"\n{rest}");
    let other = "[[provider]]\nname = \"q\"\nissuer = \"j\"\naudience = \"mail\"\n";
    let asked = "introspection_url = \"https://192.0.2.1/\"\nclient_id = \"x\"\n";
    let top = |top: &str| (top.to_owned(), String::new());
    let end = |end: &str| (LISTEN.to_owned(), end.to_owned());
    for ((top, end), expected) in [
        (
            end(&format!("{other}keys = \"/nonexistent\"")),
            "provider \"q\": /nonexistent: ",
        ),
        (
            end(&format!("{asked}client_secret_file = \"HERE/none\"")),
            "client_secret_file",
        ),
        (
            end(&format!(
                "{asked}client_secret = \"y\"\nca_file = \"HERE/none\""
            )),
            "provider \"p\": ",
        ),
        (
            end("[users]\npasswd_file = \"HERE/none\""),
            "none: No such file",
        ),
        (top("listen = \"tcp:0.0.0.0:1\""), "allow_remote = true"),
        (top("listen = \"tcp:[::]:1\""), "allow_remote = true"),
        (
            top("[http]\nlisten = \"tcp:0.0.0.0:1\""),
            "allow_remote = true",
        ),
        (
            top(&format!("{LISTEN}\n[metrics]\nlisten = \"tcp:0.0.0.0:1\"")),
            "allow_remote = true",
        ),
        (
            top(
                "[http]\nlisten = \"tcp:127.0.0.1:1\"\nclient_id = \"x\"\nclient_secret_file = \"HERE/none\"",
            ),
            "none: No such file",
        ),
        (
            top(&unix("owner = \"no-such-user\"")),
            "there is no user \"no-such-user\"",
        ),
        (
            top(&unix("group = \"no-such-group\"")),
            "there is no group \"no-such-group\"",
        ),
        (
            top(&format!("user = \"no-such-user\"\n{LISTEN}")),
            "there is no user \"no-such-user\"",
        ),
        (top(&format!("user = \"root\"\n{LISTEN}")), "root itself"),
    ] {
        let (told, is_good) = said(&top, &end, false);
        assert!(!is_good && told.contains(expected), "{expected}\n{told}");
        assert!(!told.contains("nothing is wrong"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn every_fault_of_this_host_is_told_at_once() {
    let more = "[[provider]]\nname = \"q\"\nissuer = \"j\"\naudience = \"mail\"\nkeys = \"/none/q\"\n\
                [[provider]]\nname = \"r\"\nissuer = \"k\"\naudience = \"mail\"\nkeys = \"/none/r\"\n";
    let (told, _) = said("listen = \"tcp:0.0.0.0:1\"", more, false);
    for expected in ["/none/q", "/none/r", "allow_remote"] {
        assert!(told.contains(expected), "{expected}\n{told}");
    }
}

/// Files and accounts of another machine are not looked for.
#[test]
fn a_file_for_another_machine_is_checked_by_itself() {
    let more =
        "[[provider]]\nname = \"q\"\nissuer = \"j\"\naudience = \"mail\"\nkeys = \"/none/q\"\n";
    let top = "user = \"no-such-user\"\nlisten = \"tcp:127.0.0.1:0\"";
    let (told, is_good) = said(top, more, true);
    assert!(is_good, "{told}");
    let (told, is_good) = said(top, "skew_seconds = 900", true);
    assert!(!is_good, "{told}");
}

/// Whoever is not root may not read what the daemon reads.
#[test]
fn what_may_not_be_read_is_a_warning_to_others_than_root() {
    let denied = std::io::Error::from_raw_os_error(13).to_string();
    let fault = format!("provider \"p\": /keys: {denied}");
    assert!(is_for_lack_of_rights(&fault, false));
    assert!(!is_for_lack_of_rights(&fault, true));
    assert!(!is_for_lack_of_rights("/keys: No such file", false));
}
