//! What an administrator does with accounts, beside a daemon that runs.

use std::process::{Command, Output};

use super::*;
use crate::relay::look_up;

/// What a command prints, and how it ends.
pub(crate) struct Done {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) told: String,
}

pub(crate) fn gatepost(root: &TempDir, verb: &str, words: &[&str]) -> Done {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command
        .args([verb, "--config"])
        .arg(root.path().join("gatepost.toml"))
        .args(words);
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    Done {
        code: status.code(),
        out: String::from_utf8(stdout).unwrap(),
        told: String::from_utf8(stderr).unwrap(),
    }
}

impl Done {
    #[track_caller]
    pub(crate) fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.told);
        self.out
    }

    #[track_caller]
    pub(super) fn refused(self, code: i32, words: &str) {
        assert_eq!(self.code, Some(code), "{}", self.told);
        assert!(self.told.contains(words), "{:?} lacks {words:?}", self.told);
        assert_eq!(self.out, "");
    }
}

/// The secret that a command has printed.
fn printed(out: &str) -> String {
    let secret = out.lines().find_map(|line| line.strip_prefix("secret  "));
    secret.unwrap().to_owned()
}

#[test]
fn a_source_gets_a_secret_that_is_shown_once_and_another_that_takes_over() {
    let daemon = Daemon::start();
    let source = |words: &[&str]| gatepost(&daemon.root, "scim-source", words);
    let first = source(&["add", "idp", "--label", "authentik"]).good();
    assert!(
        first.contains("https://mail.example.com/scim/idp/v2"),
        "{first}"
    );
    let first = printed(&first);
    let push = |secret: &str, status| {
        let pushing = Pushing {
            daemon: &daemon,
            name: "idp".to_owned(),
            secret: secret.to_owned(),
            id: SecretId(0),
        };
        pushing.get("/Users").expect(status)
    };
    push(&first, 200);
    source(&["add", "idp"]).refused(1, "rotate gives it another");
    source(&["add", "local"]).refused(1, "pushes nothing");
    source(&["add", "nobody"]).refused(1, "there is no [[accounts.source]]");
    source(&["rotate", "idp", "--expires-days", "0"]).refused(2, "0 is not in 1..=65535");
    let second = printed(&source(&["rotate", "idp", "--expires-days", "90"]).good());
    push(&first, 200);
    push(&second, 200);
    let listed = source(&["list"]).good();
    assert!(listed.contains("\tauthentik\tadded "), "{listed}");
    assert!(
        listed.contains("expires never") && listed.contains("\tsecret\tadded "),
        "{listed}"
    );
    assert!(!listed.contains(&first) && !listed.contains(&second));
    let number = listed
        .lines()
        .find(|line| line.contains("\tauthentik\t"))
        .unwrap();
    let number = number.split('\t').nth(1).unwrap();
    source(&["revoke", "idp", number]).good();
    source(&["revoke", "idp", number]).refused(1, "has no secret");
    push(&first, 401);
    push(&second, 200);
    let third = printed(&source(&["rotate", "idp", "--revoke-others"]).good());
    push(&second, 401);
    push(&third, 200);
    let log = daemon.serving.stop();
    assert!(
        [first, second, third]
            .iter()
            .all(|secret| !log.contains(secret))
    );
}

#[test]
fn an_account_is_added_shown_disabled_and_deleted_and_the_daemon_notices() {
    let daemon = Daemon::start();
    let account = |words: &[&str]| gatepost(&daemon.root, "account", words);
    let add = [
        "add",
        "Alice@example.com",
        "--alias",
        "sales@example.com",
        "--quota",
        "1000",
    ];
    account(&add).refused(1, "say which: --source NAME, one of: idp, other, local");
    let added = account(&[&add[..], &["--source", "local", "--external-id", "a-1"]].concat());
    assert!(added.told.contains("account changed") && added.told.contains("alice@example.com"));
    let id = added.good().trim().to_owned();
    let mut map = daemon.connect("map");
    let mut wait_for = |request: &str, answer: &str| while look_up(&mut map, request) != answer {};
    wait_for("alias sales@example.com", "OK alice@example.com");
    let shown: Value =
        serde_json::from_str(&account(&["show", "Sales@example.com"]).good()).unwrap();
    assert_eq!(
        (&shown["id"], &shown["externalId"]),
        (&json!(id), &json!("a-1"))
    );
    account(&["add", "alice@example.com", "--source", "other"]).refused(1, "");
    account(&["add", "bob@example.org", "--source", "local"])
        .refused(1, "gives no addresses in that domain");
    account(&["disable", "alice@example.com"]).good();
    wait_for("sender_login alice@example.com", "NOTFOUND ");
    let row = format!("{id}\tlocal\tdisabled\talice@example.com\talice@example.com\n");
    assert_eq!(account(&["list"]).good(), row);
    assert_eq!(account(&["list", "--source", "idp"]).good(), "");
    account(&["enable", &id]).good();
    wait_for("sender_login alice@example.com", "OK alice@example.com");
    account(&["delete", &id]).good();
    wait_for("mailbox alice@example.com", "NOTFOUND ");
    account(&["show", &id]).refused(1, "there is no account");
    assert_eq!(account(&["list"]).good(), "");
}

#[test]
fn accounts_of_other_programs_are_added_once() {
    let root = TempDir::new().unwrap();
    configure(&root, "");
    let path = |name: &str| root.path().join(name).display().to_string();
    let users = (0..250).map(|n| format!("u{n}@example.com:{{PLAIN}}s3cret:1:1::/h::\n"));
    let mut users = users.collect::<Vec<_>>().concat();
    users += "# none\n\nx@example.org:y\n@example.com:x\n";
    fs::write(path("users"), users).unwrap();
    fs::write(
        path("postfix-accounts.cf"),
        "u1@example.com|{SHA512-CRYPT}$6$x\nv@example.com|{X}y|userdb_z=1\n",
    )
    .unwrap();
    let import = |name: &str, format: &str| {
        let words = [
            "import",
            &path(name),
            "--format",
            format,
            "--source",
            "local",
        ];
        gatepost(&root, "account", &words)
    };
    let done = import("users", "passwd-file");
    assert_eq!(
        (done.code, &*done.out),
        (Some(1), "250 added, 0 there already, 2 refused\n")
    );
    assert!(
        done.told.contains("line 253: no address in a domain") && !done.told.contains("s3cret")
    );
    let done = import("postfix-accounts.cf", "docker-mailserver").good();
    assert_eq!(done, "1 added, 1 there already, 0 refused\n");
    // Of a file that is too long nothing is added.
    let line = format!("w@example.com:{}\n", "x".repeat(1_000));
    fs::write(path("long"), line.repeat(34_000)).unwrap();
    import("long", "passwd-file").refused(1, "longer than 32 MiB");
    assert_eq!(
        gatepost(&root, "account", &["list"]).good().lines().count(),
        251
    );
}

#[test]
fn a_table_of_accounts_is_added_with_all_that_it_says() {
    let root = TempDir::new().unwrap();
    configure(&root, "");
    let path = root.path().join("users.csv");
    let import = |text: &str| {
        fs::write(&path, text).unwrap();
        let file = path.display().to_string();
        let words = ["import", &file, "--format", "csv", "--source", "local"];
        gatepost(&root, "account", &words)
    };
    let done = import(
        "address,display_name,external_id,aliases,quota,active\r\n\
         Alice@example.com,\"Smith, Alice\",s-1,sales@example.com,1073741824,\r\n\
         bob@example.com,,s-2,,,false\r\ncarol@example.org,,,,,\r\ndan@example.com,,s-1,,,\r\n\
         erin@example.com,,,,lots,\r\n",
    );
    assert_eq!(
        (done.code, &*done.out),
        (Some(1), "2 added, 0 there already, 3 refused\n"),
        "{}",
        done.told
    );
    for line in [
        "line 4: no address in a domain of the source \"local\"",
        "line 5: dan@example.com: there is a user of this externalId already",
        "line 6: its quota is no number of bytes",
    ] {
        assert!(done.told.contains(line), "{}", done.told);
    }
    let shown = gatepost(&root, "account", &["show", "sales@example.com"]).good();
    for part in ["\"Smith, Alice\"", "\"s-1\"", "1073741824"] {
        assert!(shown.contains(part), "{shown}");
    }
    let listed = gatepost(&root, "account", &["list"]).good();
    assert!(listed.contains("disabled\tbob@example.com"), "{listed}");
    import("address,password\na@example.com,s3cret\n")
        .refused(1, "there is no column \"password\"");
}

#[test]
fn a_configuration_without_accounts_is_told_what_to_write() {
    let root = TempDir::new().unwrap();
    let text = "listen = \"tcp:127.0.0.1:0\"\n[[provider]]\nissuer = \"https://id.example.com\"\naudience = \"m\"\n";
    fs::write(root.path().join("gatepost.toml"), text).unwrap();
    gatepost(&root, "account", &["list"]).refused(2, "there is no [accounts]; write it");
}

#[test]
fn a_database_that_is_not_there_is_told_and_made_by_the_first_account_or_secret_alone() {
    let root = TempDir::new().unwrap();
    configure(&root, "");
    let there = || fs::read_dir(root.path()).unwrap().count();
    let before = there();
    let told = "accounts.sqlite is not there; gatepost serve makes it";
    for (verb, words) in [
        ("account", &["list"][..]),
        ("account", &["show", "a@example.com"]),
        ("account", &["disable", "a@example.com"]),
        ("account", &["enable", "a@example.com"]),
        ("account", &["delete", "a@example.com"]),
        ("scim-source", &["list"]),
        ("scim-source", &["revoke", "idp", "1"]),
    ] {
        gatepost(&root, verb, words).refused(2, told);
        assert_eq!(there(), before, "{words:?}");
    }
    gatepost(&root, "scim-source", &["add", "idp"]).good();
    assert_eq!(gatepost(&root, "account", &["list"]).good(), "");
}

#[test]
fn a_database_that_a_daemon_has_lost_is_not_made_beside_it() {
    let daemon = Daemon::start();
    let database = daemon.path("accounts.sqlite");
    fs::remove_file(&database).unwrap();
    for (verb, words) in [
        (
            "account",
            &["add", "a@example.com", "--source", "local"][..],
        ),
        ("account", &["list"]),
        ("scim-source", &["add", "idp"]),
        ("scim-source", &["rotate", "idp"]),
    ] {
        gatepost(&daemon.root, verb, words).refused(2, "accounts.sqlite is not there");
        assert!(!database.exists(), "{words:?}");
    }
}
