//! What Postfix hears of accounts, at once, and while their database is away.

use super::*;
use crate::relay::look_up;

#[track_caller]
fn check(daemon: &Daemon, rows: &[(&str, &str)]) {
    let mut map = daemon.connect("map");
    for (request, answer) in rows {
        assert_eq!(look_up(&mut map, request), *answer, "{request}");
    }
}

const LISTS: &str = "catch_all = { \"example.net\" = \"alice@example.com\" }\n\
    [[accounts.list]]\nsource = \"idp\"\ngroup = \"Staff\"\naddress = \"staff@example.com\"\nmembers_may_send = true\n\
    [[accounts.list]]\nsource = \"idp\"\ngroup = \"News\"\naddress = \"news@example.com\"";

#[test]
fn who_is_pushed_is_known_to_every_map_at_once() {
    let daemon = Daemon::start_in(TempDir::new().unwrap(), LISTS);
    // Before the first account nobody knows who exists: the database may be a new one in the old one's place.
    let unknown = "TEMP users cannot be looked up now";
    check(
        &daemon,
        &[
            ("mailbox alice@example.com", unknown),
            ("alias alice@example.com", unknown),
            ("sender_login alice@example.com", unknown),
            ("domain example.org", unknown),
        ],
    );
    let idp = daemon.source("idp");
    let user = json!({
        "schemas": [USER], "userName": "Alice@example.com",
        "emails": [{"value": "sales@example.com"}, {"value": "alice@elsewhere.test"}],
    });
    let alice = idp.push("POST", "/Users", &user).expect(201);
    let bob = idp.create("bob@example.com");
    let group = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "staff",
        "members": [{"value": alice["id"]}, {"value": bob}],
    });
    idp.push("POST", "/Groups", &group).expect(201);
    let mut members = look_up(&mut daemon.connect("map"), "alias staff@example.com");
    let mut members: Vec<_> = members.split_off(3).split(',').map(str::to_owned).collect();
    members.sort();
    assert_eq!(members, ["alice@example.com", "bob@example.com"]);
    check(
        &daemon,
        &[
            ("mailbox ALICE@example.com", "OK alice@example.com"),
            ("mailbox alice+tag@example.com", "OK alice@example.com"),
            ("mailbox sales@example.com", "NOTFOUND "),
            ("alias sales@example.com", "OK alice@example.com"),
            ("alias sales+x@example.com", "OK alice@example.com"),
            ("alias alice@example.com", "NOTFOUND "),
            ("alias alice@elsewhere.test", "NOTFOUND "),
            ("mailbox alice@elsewhere.test", "NOTFOUND "),
            ("sender_login sales+x@example.com", "OK alice@example.com"),
            ("sender_login news@example.com", "NOTFOUND "),
            ("alias news@example.com", "NOTFOUND "),
            ("alias nobody@example.net", "OK alice@example.com"),
            ("alias nobody@example.com", "NOTFOUND "),
            ("mailbox @example.com", "NOTFOUND "),
            (
                "aliases x",
                "PERM there are the maps mailbox, alias, sender_login and domain",
            ),
        ],
    );
    let path = format!("/Users/{}", alice["id"].as_str().unwrap());
    let off = json!({"Operations": [{"op": "Replace", "path": "active", "value": "False"}]});
    let off = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": off["Operations"]});
    idp.push("PATCH", &path, &off).expect(200);
    check(
        &daemon,
        &[
            ("mailbox alice@example.com", "OK alice@example.com"),
            ("sender_login alice@example.com", "NOTFOUND "),
            ("sender_login staff@example.com", "OK bob@example.com"),
        ],
    );
    idp.send("DELETE", &path, "", "").expect(204);
    check(
        &daemon,
        &[
            ("mailbox alice@example.com", "NOTFOUND "),
            ("alias sales@example.com", "NOTFOUND "),
            ("alias staff@example.com", "OK bob@example.com"),
        ],
    );
}

/// It was the account's before there was the list: it stays so, and the administrator is told.
#[test]
fn the_address_of_a_list_that_an_account_has_is_named_with_its_owner() {
    let daemon = Daemon::start();
    let other = daemon.source("other");
    let alice = other.create("staff@example.com");
    let bob = json!({
        "schemas": [USER], "userName": "bob@example.com", "emails": [{"value": "news~3@example.com"}],
    });
    let bob = other.push("POST", "/Users", &bob).expect(201);
    drop(other);
    let Daemon { root, serving, .. } = daemon;
    assert!(!serving.stop().contains("the address of a list"));
    let daemon = Daemon::start_in(root, LISTS);
    check(
        &daemon,
        &[("mailbox staff@example.com", "OK staff@example.com")],
    );
    let log = daemon.serving.stop();
    let told = log.lines().filter(|line| line.contains("an account has"));
    let mut told: Vec<_> = told
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(
                (&line["level"], &line["source"]),
                (&json!("WARN"), &json!("idp"))
            );
            let part = |name: &str| line[name].as_str().unwrap().to_owned();
            [part("address"), part("owner_source"), part("owner")]
        })
        .collect();
    told.sort();
    let bob = bob["id"].as_str().unwrap();
    assert_eq!(
        told,
        [
            ["news~3@example.com", "other", bob],
            ["staff@example.com", "other", &*alice]
        ]
    );
}

#[test]
fn mail_for_the_disabled_is_refused_where_it_is_to_be() {
    let daemon = Daemon::start_in(TempDir::new().unwrap(), "disabled_mail = \"refuse\"");
    let idp = daemon.source("idp");
    let user = json!({"schemas": [USER], "userName": "alice@example.com", "active": false});
    idp.push("POST", "/Users", &user).expect(201);
    check(
        &daemon,
        &[
            ("mailbox alice@example.com", "NOTFOUND "),
            ("sender_login alice@example.com", "NOTFOUND "),
        ],
    );
}

#[test]
fn who_is_known_stays_known_while_the_database_is_away() {
    let mut daemon = Daemon::start();
    daemon.source("idp").create("alice@example.com");
    fs::remove_file(daemon.path("accounts.sqlite")).unwrap();
    daemon
        .serving
        .wait_for("database of accounts: what is known from before is answered");
    check(
        &daemon,
        &[("mailbox alice@example.com", "OK alice@example.com")],
    );
}

/// Nobody who could exist is told not to.
#[test]
fn as_long_as_nobody_is_known_mail_is_to_come_again() {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("accounts.sqlite"), "x".repeat(10_000)).unwrap();
    fs::write(root.path().join("users"), "carol@example.com:x\n").unwrap();
    let users = format!("[users]\npasswd_file = \"{}/users\"", root.path().display());
    let daemon = Daemon::start_in(root, &users);
    let away = "TEMP users cannot be looked up now";
    check(
        &daemon,
        &[
            ("mailbox alice@example.com", away),
            ("alias alice@example.com", away),
            ("sender_login alice@example.com", away),
            ("domain example.com", away),
            ("mailbox carol@example.com", "OK carol@example.com"),
        ],
    );
}

#[test]
fn users_of_a_file_and_accounts_are_users_beside_each_other() {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("users"), "carol@example.net:x\n").unwrap();
    let lines = "catch_all = { \"example.net\" = \"alice@example.com\" }";
    let users = format!(
        "{lines}\n[users]\npasswd_file = \"{}/users\"",
        root.path().display()
    );
    let daemon = Daemon::start_in(root, &users);
    daemon.source("idp").create("alice@example.com");
    check(
        &daemon,
        &[
            ("mailbox alice@example.com", "OK alice@example.com"),
            ("mailbox carol@example.net", "OK carol@example.net"),
            ("alias carol+x@example.net", "NOTFOUND "),
            ("alias dave@example.net", "OK alice@example.com"),
            ("domain example.net", "OK example.net"),
        ],
    );
}
