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
fn an_extension_as_postfix_has_it_is_nobody_else_s() {
    let root = TempDir::new().unwrap();
    let (configuration, _) = configure(&root, "");
    let text = fs::read_to_string(&configuration).unwrap();
    fs::write(
        &configuration,
        format!("recipient_delimiter = \"-\"\n{text}"),
    )
    .unwrap();
    let add = |address: &str, source: &str| {
        gatepost(&root, "account", &["add", address, "--source", source])
    };
    add("boss@example.com", "idp").good();
    let refused = add("boss-x@example.com", "local");
    assert!(
        refused.told.contains("address refused")
            && refused.told.contains("\"owner_source\":\"idp\""),
        "{}",
        refused.told
    );
    refused.refused(1, "is an extension of boss@example.com, which is another's");
    add("boss+x@example.com", "local").good();
    fs::write(root.path().join("users"), "boss-y@example.com:x\n").unwrap();
    let file = root.path().join("users").display().to_string();
    let words = [
        "import",
        &file,
        "--format",
        "passwd-file",
        "--source",
        "local",
    ];
    let done = gatepost(&root, "account", &words);
    assert!(
        done.told
            .contains("line 1: boss-y@example.com: the address"),
        "{}",
        done.told
    );
    assert_eq!(done.out, "0 added, 0 there already, 1 refused\n");
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
    // Nor by one that cannot be done.
    let address = &["add", "a@example.com"][..];
    for (verb, words, told) in [
        (
            "scim-source",
            &["add", "ipd"][..],
            "there is no [[accounts.source]]",
        ),
        ("scim-source", &["add", "local"], "pushes nothing"),
        ("account", address, "say which: --source NAME"),
        (
            "account",
            &["add", "a", "--source", "idp"],
            "it is not an address",
        ),
        (
            "account",
            &["add", "a@example.org", "--source", "idp"],
            "gives no addresses in that domain",
        ),
        (
            "account",
            &["import", "/no", "--format", "csv", "--source", "idp"],
            "give a file that can be read",
        ),
    ] {
        gatepost(&root, verb, words).refused(1, told);
        assert_eq!(there(), before, "{words:?}");
    }
    // Where there was one, somebody has to know that it is not that one; the daemon's start says so as well.
    let told = "new database of accounts: if one was lost";
    let done = gatepost(&root, "scim-source", &["add", "idp"]);
    assert!(done.told.contains(told), "{}", done.told);
    done.good();
    let done = gatepost(&root, "account", &["list"]);
    assert!(!done.told.contains(told), "{}", done.told);
    assert_eq!(done.good(), "");
    let log = Daemon::start_in(root, "").serving.stop();
    assert!(log.contains(told), "{log}");
}

/// A command that may write files of some bytes alone, as on a disk that has so much room.
fn with_room(blocks: u32, verb: &str, root: &TempDir, words: &[&str]) -> Command {
    let mut command = Command::new("sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    command
        .args([
            "-c",
            &script,
            env!("CARGO_BIN_EXE_gatepost"),
            verb,
            "--config",
        ])
        .arg(root.path().join("gatepost.toml"))
        .args(words);
    command
}

#[test]
fn a_command_tells_what_keeps_it_from_the_database() {
    let root = TempDir::new().unwrap();
    configure(&root, "");
    gatepost(
        &root,
        "account",
        &["add", "a@example.com", "--source", "local"],
    )
    .good();
    let users = (0..200).map(|n| format!("u{n}@example.com:x\n"));
    let users = users.collect::<Vec<_>>().concat();
    let file = root.path().join("users").display().to_string();
    fs::write(&file, users).unwrap();
    let words = [
        "import",
        &file,
        "--format",
        "passwd-file",
        "--source",
        "local",
    ];
    // 100 blocks of 512 bytes.
    let output = with_room(100, "account", &root, &words).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains(
            "accounts.sqlite cannot be read or written (SQLite's code 778): look at the disk"
        ),
        "{told}"
    );
}

/// What little a start writes may have room still where nothing else has.
#[test]
fn a_disk_that_is_full_at_the_start_is_told_and_everybody_known_is_served() {
    let daemon = Daemon::start();
    daemon.source("idp").create("alice@example.com");
    let Daemon {
        root,
        serving,
        issuer,
        ..
    } = daemon;
    serving.stop();
    let mut full = with_room(1_000, "serve", &root, &[]);
    let daemon = Daemon::serve_by(&mut full, root, issuer);
    let (status, accounts) = daemon.ready();
    assert_eq!((status, &accounts["loaded"]), (200, &json!(true)));
    assert_eq!(accounts["can_write"], false, "{accounts}");
    assert!(
        accounts["why"]
            .as_str()
            .unwrap()
            .contains("the disk is full"),
        "{accounts}"
    );
    let mut map = daemon.connect("map");
    assert_eq!(
        look_up(&mut map, "mailbox alice@example.com"),
        "OK alice@example.com"
    );
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
