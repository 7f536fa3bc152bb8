//! Logins where accounts are kept: the account of a good token's user decides.

use super::*;

const ALICE: &str = "alice@example.com";
const BOB: &str = "bob@example.com";
const OPEN: &str = "OK\t1\tuser=alice@example.com";

/// What a token says of its user.
fn user(subject: &str, email: &str) -> Value {
    json!({"sub": subject, "email": email})
}

fn verified(subject: &str, email: &str) -> Value {
    json!({"sub": subject, "email": email, "email_verified": true})
}

/// Logs in, and is refused for this reason, which the log has.
#[track_caller]
fn refused(daemon: &mut Daemon, claimed: &str, claims: &Value, reason: &str, code: &str) {
    let (answer, challenge) = daemon.log_in(claimed, claims);
    assert!(answer.starts_with("FAIL\t1"), "{answer}");
    let told = answer
        .split('\t')
        .find_map(|field| field.strip_prefix("code="));
    assert_eq!(told, Some(code), "{answer}");
    assert_eq!(challenge.is_none(), code == "temp_fail", "{challenge:?}");
    let event = daemon.serving.wait_for("login");
    assert_eq!(event["reason"], reason, "{event}");
}

#[test]
fn a_token_opens_the_mailbox_of_its_subject_whatever_it_calls_its_user() {
    let mut daemon = Daemon::start_in(TempDir::new().unwrap(), "login_names = \"addresses\"");
    let idp = daemon.source("idp");
    let alice = json!({
        "schemas": [USER], "userName": ALICE, "externalId": "s-1", "emails": [{"value": "sales@example.com"}],
    });
    let id = idp.push("POST", "/Users", &alice).expect(201)["id"].clone();
    for (claimed, email) in [
        (ALICE, ALICE),
        // A user who was renamed here, or at the provider.
        ("old@example.com", "old@example.com"),
        (ALICE, "new@example.com"),
        ("Sales@example.com", "new@example.com"),
    ] {
        let (answer, _) = daemon.log_in(claimed, &user("s-1", email));
        assert_eq!(answer, OPEN, "{claimed} {email}");
        let event = daemon.serving.wait_for("login");
        assert_eq!(event["user"], ALICE, "{event}");
        assert_eq!(event["account"], id, "{event}");
    }
    refused(
        &mut daemon,
        BOB,
        &user("s-1", ALICE),
        "wrong_user",
        "authz_fail",
    );
}

/// Entra's `sub` is another one for each application, and what its source calls a user is the `oid`; so it is with the
/// `uid` of Okta's access tokens.
#[test]
fn a_provider_that_calls_its_users_otherwise_than_sub_is_told_by_which_claim() {
    let mut daemon = Daemon::start();
    let alice = json!({"schemas": [USER], "userName": ALICE, "externalId": "o-1"});
    daemon
        .source("idp")
        .push("POST", "/Users", &alice)
        .expect(201);
    let path = daemon.path("gatepost.toml");
    let text = fs::read_to_string(&path).unwrap();
    let names = "username_claims = [\"email\"]\n";
    let text = text.replace(names, &format!("{names}account_claim = \"oid\"\n"));
    fs::write(&path, text).unwrap();
    daemon.serving.signal("HUP");
    daemon.serving.wait_for("reloaded");
    let token = json!({"sub": "pairwise", "oid": "o-1", "email": ALICE});
    assert_eq!(daemon.log_in(ALICE, &token).0, OPEN);
    daemon.serving.wait_for("login");
    for foreign in [
        json!({"sub": "o-1", "oid": "o-2", "email": BOB}),
        json!({"sub": "o-1", "email": BOB}),
        json!({"sub": "o-1", "oid": null, "email": BOB}),
    ] {
        refused(&mut daemon, BOB, &foreign, "unknown_account", "authz_fail");
    }
}

/// Dovecot's oauth2 database hears the mailbox of the token's account, and of nobody who has none.
#[test]
fn dovecot_is_told_the_mailbox_over_http_as_well() {
    let http = "[http]\nlisten = \"tcp:127.0.0.1:0\"";
    let daemon = Daemon::start_in(TempDir::new().unwrap(), http);
    let userinfo = |claims: &Value| {
        let head = format!(
            "GET /userinfo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n",
            daemon.token(claims)
        );
        let answer = ask(&daemon.http, &head, "");
        (answer.status, answer.body)
    };
    let idp = daemon.source("idp");
    let alice = json!({"schemas": [USER], "userName": ALICE, "externalId": "s-1"});
    let id = idp.push("POST", "/Users", &alice).expect(201)["id"].clone();
    let (status, body) = userinfo(&user("s-1", "renamed@example.com"));
    assert_eq!(status, 200);
    assert!(body.contains(ALICE) && !body.contains("renamed"), "{body}");
    let path = format!("/Users/{}", id.as_str().unwrap());
    let off = json!({"schemas": [PATCH], "Operations": [{"op": "replace", "path": "active", "value": false}]});
    idp.push("PATCH", &path, &off).expect(200);
    for claims in [user("s-1", ALICE), user("s-2", BOB)] {
        let (_, body) = userinfo(&claims);
        assert!(!body.contains("@example.com"), "{body}");
    }
}

#[test]
fn another_address_of_the_account_is_no_login_unless_that_is_configured() {
    let mut daemon = Daemon::start();
    let alice = json!({
        "schemas": [USER], "userName": ALICE, "externalId": "s-1", "emails": [{"value": "sales@example.com"}],
    });
    daemon
        .source("idp")
        .push("POST", "/Users", &alice)
        .expect(201);
    let token = user("s-1", ALICE);
    refused(
        &mut daemon,
        "sales@example.com",
        &token,
        "account_renamed",
        "authz_fail",
    );
    assert_eq!(daemon.log_in(ALICE, &token).0, OPEN);
}

#[test]
fn who_has_no_account_or_none_that_may_log_in_is_refused_at_once() {
    let mut daemon = Daemon::start();
    let idp = daemon.source("idp");
    let id = idp.create(ALICE);
    let nowhere = json!({"schemas": [USER], "userName": "carol", "externalId": "s-3"});
    idp.push("POST", "/Users", &nowhere).expect(201);
    let alice = user(&format!("sub-{ALICE}"), ALICE);
    assert_eq!(daemon.log_in(ALICE, &alice).0, OPEN);
    daemon.serving.wait_for("login");
    let path = format!("/Users/{id}");
    let off = json!({"schemas": [PATCH], "Operations": [{"op": "replace", "path": "active", "value": false}]});
    daemon.source("idp").push("PATCH", &path, &off).expect(200);
    refused(
        &mut daemon,
        ALICE,
        &alice,
        "account_disabled",
        "user_disabled",
    );
    refused(
        &mut daemon,
        BOB,
        &user("s-2", BOB),
        "unknown_account",
        "authz_fail",
    );
    // Whoever gets an address at the provider does not get the mailbox here.
    refused(
        &mut daemon,
        ALICE,
        &verified("s-2", ALICE),
        "address_taken",
        "authz_fail",
    );
    refused(
        &mut daemon,
        "carol",
        &user("s-3", "carol"),
        "no_mailbox",
        "authz_fail",
    );
    daemon
        .source("idp")
        .send("DELETE", &path, "", "")
        .expect(204);
    refused(&mut daemon, ALICE, &alice, "unknown_account", "authz_fail");
}

const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

#[test]
fn the_accounts_of_a_source_are_opened_by_the_tokens_of_its_provider_alone() {
    let root = TempDir::new().unwrap();
    let second = Issuer::new();
    let keys = root.path().join("second.json");
    fs::write(&keys, second.jwk_set().to_string()).unwrap();
    let lines = format!(
        "[idp]\nprovider = \"second\"\n[[provider]]\nname = \"second\"\nissuer = \"https://second.example.com\"\n\
         discovery = false\nkeys = [\"{}\"]\naudience = \"mail\"\nusername_claims = [\"email\"]",
        keys.display()
    );
    let mut daemon = Daemon::start_in(root, &lines);
    daemon.source("idp").create(ALICE);
    let subject = format!("sub-{ALICE}");
    refused(
        &mut daemon,
        ALICE,
        &user(&subject, ALICE),
        "address_taken",
        "authz_fail",
    );
    daemon.issuer = second;
    let theirs = json!({"iss": "https://second.example.com", "sub": subject, "email": ALICE});
    assert_eq!(daemon.log_in(ALICE, &theirs).0, OPEN);
}

#[test]
fn as_long_as_nobody_is_known_a_good_token_is_to_come_again() {
    // A database of which nothing was read, and one in which nobody ever was.
    for text in ["x".repeat(10_000), String::new()] {
        let root = TempDir::new().unwrap();
        fs::write(root.path().join("accounts.sqlite"), text).unwrap();
        let mut daemon = Daemon::start_in(root, "");
        let alice = user("s-1", ALICE);
        refused(
            &mut daemon,
            ALICE,
            &alice,
            "accounts_unavailable",
            "temp_fail",
        );
    }
}

#[test]
fn while_the_database_is_away_who_is_known_logs_in_and_nobody_is_made() {
    let mut daemon = Daemon::start_in(TempDir::new().unwrap(), "unknown = \"create\"");
    daemon.source("idp").create(ALICE);
    fs::remove_file(daemon.path("accounts.sqlite")).unwrap();
    daemon
        .serving
        .wait_for("database of accounts: what is known from before is answered");
    let alice = user(&format!("sub-{ALICE}"), ALICE);
    assert_eq!(daemon.log_in(ALICE, &alice).0, OPEN);
    daemon.serving.wait_for("login");
    refused(
        &mut daemon,
        BOB,
        &user("s-2", BOB),
        "accounts_unavailable",
        "temp_fail",
    );
}

#[test]
fn a_verified_address_finds_an_account_once_where_the_source_says_so() {
    let root = TempDir::new().unwrap();
    let lines = "[idp]\njoin = \"address\"\n";
    let mut daemon = Daemon::start_in(root, lines);
    // Its source does not call it what the tokens do.
    let id = daemon.source("idp").create(ALICE);
    refused(
        &mut daemon,
        ALICE,
        &user("s-1", ALICE),
        "address_taken",
        "authz_fail",
    );
    assert_eq!(daemon.log_in(ALICE, &verified("s-1", ALICE)).0, OPEN);
    let bound = daemon.serving.wait_for("account bound to a subject");
    assert_eq!(
        (&bound["id"], &bound["subject"]),
        (&json!(id), &json!("s-1"))
    );
    daemon.serving.wait_for("login");
    refused(
        &mut daemon,
        ALICE,
        &verified("s-2", ALICE),
        "address_taken",
        "authz_fail",
    );
    // It stays so, whatever the address of the token.
    let Daemon { root, serving, .. } = daemon;
    serving.stop();
    let mut daemon = Daemon::start_in(root, "");
    assert_eq!(daemon.log_in(ALICE, &user("s-1", BOB)).0, OPEN);
    daemon.serving.wait_for("login");
    refused(
        &mut daemon,
        ALICE,
        &verified("s-2", ALICE),
        "address_taken",
        "authz_fail",
    );
}

#[test]
fn a_good_token_makes_an_account_where_that_is_configured() {
    let mut daemon = Daemon::start_in(TempDir::new().unwrap(), "unknown = \"create\"");
    let (answer, _) = daemon.log_in("Alice@Example.com", &user("s-1", "Alice@Example.com"));
    assert_eq!(answer, OPEN);
    let made = daemon.serving.wait_for("account changed");
    assert_eq!(
        (&made["source"], &made["actor"]),
        (&json!("idp"), &json!("login"))
    );
    let event = daemon.serving.wait_for("login");
    assert_eq!(event["account"], made["id"], "{event}");
    let mut master = daemon.master();
    let answer = master.ask("USER\t1\talice@example.com\tservice=lmtp\n");
    assert!(
        answer.starts_with("USER\t1\talice@example.com\t"),
        "{answer}"
    );
    // The same user, and another who would have the address.
    assert_eq!(daemon.log_in(ALICE, &user("s-1", ALICE)).0, OPEN);
    daemon.serving.wait_for("login");
    refused(
        &mut daemon,
        ALICE,
        &user("s-2", ALICE),
        "address_taken",
        "authz_fail",
    );
    let elsewhere = "alice@elsewhere.test";
    refused(
        &mut daemon,
        elsewhere,
        &user("s-3", elsewhere),
        "unknown_account",
        "authz_fail",
    );
    // Whom the source has deleted stays deleted.
    let idp = daemon.source("idp");
    let id = made["id"].as_str().unwrap();
    idp.push("DELETE", &format!("/Users/{id}"), &json!({}))
        .expect(204);
    refused(
        &mut daemon,
        ALICE,
        &user("s-1", ALICE),
        "unknown_account",
        "authz_fail",
    );
}

#[test]
fn a_good_token_logs_in_without_an_account_where_that_is_configured() {
    let mut daemon = Daemon::start_in(TempDir::new().unwrap(), "unknown = \"allow\"");
    assert_eq!(daemon.log_in(ALICE, &user("s-1", ALICE)).0, OPEN);
    daemon.serving.wait_for("login");
    daemon.source("idp").create(ALICE);
    refused(
        &mut daemon,
        ALICE,
        &user("s-1", ALICE),
        "address_taken",
        "authz_fail",
    );
    let (answer, _) = daemon.log_in(BOB, &user("s-2", BOB));
    assert_eq!(answer, "OK\t1\tuser=bob@example.com");
}
