//! The invariants of accounts, on the real daemon.

use super::*;
use crate::relay::look_up;

const ALICE: &str = "alice@example.com";

/// What a token says of Alice.
fn alice() -> Value {
    json!({"sub": format!("sub-{ALICE}"), "email": ALICE})
}

/// A store that is away is never a bad token, and never "no such user": nothing that is asked is final.
#[test]
fn invariant_4_a_failing_store_is_temporary() {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("accounts.sqlite"), "x".repeat(10_000)).unwrap();
    let daemon = Daemon::start_in(root, "");
    // It was never read.
    for claims in [alice(), json!({"sub": "s-2", "email": "bob@example.com"})] {
        let (answer, challenge) = daemon.log_in(claims["email"].as_str().unwrap(), &claims);
        assert!(answer.contains("\tcode=temp_fail"), "{answer}");
        assert!(challenge.is_none(), "{challenge:?}");
    }
    let mut map = daemon.connect("map");
    for name in ["mailbox", "alias", "sender_login", "domain"] {
        let answer = look_up(&mut map, &format!("{name} {ALICE}"));
        assert!(answer.starts_with("TEMP "), "{answer}");
    }
    let mut master = daemon.master();
    let answer = master.ask(format!("USER\t1\t{ALICE}\tservice=lmtp\n"));
    assert!(answer.starts_with("FAIL\t1"), "{answer}");
    assert_eq!(daemon.ready().0, 503);

    // It goes away after it was read: what is known is answered, and nothing is acknowledged.
    let mut daemon = Daemon::start();
    let (secret, id) = {
        let idp = daemon.source("idp");
        idp.create(ALICE);
        (idp.secret.clone(), idp.id)
    };
    fs::remove_file(daemon.path("accounts.sqlite")).unwrap();
    daemon
        .serving
        .wait_for("database of accounts: what is known from before is answered");
    assert_eq!(
        daemon.log_in(ALICE, &alice()).0,
        format!("OK\t1\tuser={ALICE}")
    );
    let known = look_up(&mut daemon.connect("map"), &format!("mailbox {ALICE}"));
    assert_eq!(known, format!("OK {ALICE}"));
    let name = "idp".to_owned();
    let idp = Pushing {
        daemon: &daemon,
        name,
        secret,
        id,
    };
    let user = json!({"schemas": [USER], "userName": "bob@example.com"});
    idp.push("POST", "/Users", &user).expect(503);
}

/// What a source hears of a request for what is another's is what it hears of what nobody has.
#[test]
fn invariant_9_a_source_changes_what_it_owns_and_nothing_else() {
    let daemon = Daemon::start();
    let (idp, other) = (daemon.source("idp"), daemon.source("other"));
    let id = idp.create(ALICE);
    let before = idp.get(&format!("/Users/{id}")).expect(200);
    let path = format!("/Users/{id}");
    let taken = json!({"schemas": [USER], "userName": ALICE, "active": false});
    let off = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "active", "value": false}],
    });
    for (method, body) in [
        ("GET", &json!(null)),
        ("PUT", &taken),
        ("PATCH", &off),
        ("DELETE", &json!(null)),
    ] {
        other.push(method, &path, body).expect(404);
    }
    assert_eq!(other.get("/Users").expect(200)["totalResults"], 0);
    let group = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Staff",
        "members": [{"value": id}],
    });
    let refused = other.push("POST", "/Groups", &group).status;
    assert_eq!(refused, 400);
    // An address has one owner, whoever claims it: as a name, or as another address.
    other.push("POST", "/Users", &taken).expect(409);
    let alias =
        json!({"schemas": [USER], "userName": "bob@example.com", "emails": [{"value": ALICE}]});
    other.push("POST", "/Users", &alias).expect(409);
    assert_eq!(idp.get(&path).expect(200), before);
    assert_eq!(
        daemon.log_in(ALICE, &alice()).0,
        format!("OK\t1\tuser={ALICE}")
    );
}

/// Neither the database nor the log nor an answer holds a password, a secret of a source or a token.
#[test]
fn invariant_5_nothing_secret_is_kept() {
    let daemon = Daemon::start();
    let idp = daemon.source("idp");
    let password = "correct-horse-battery";
    let user = json!({"schemas": [USER], "userName": ALICE, "externalId": format!("sub-{ALICE}"), "password": password});
    let made = idp.push("POST", "/Users", &user).expect(201);
    let path = format!("/Users/{}", made["id"].as_str().unwrap());
    let change = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "add", "value": {"password": password, "displayName": "Alice"}}],
    });
    let patched = idp.push("PATCH", &path, &change).expect(200);
    let shown = idp.get(&path).expect(200);
    let secret = idp.secret.clone();
    let token = daemon.issuer.sign("ES256", &json!({"sub": "s-9"}));
    let head =
        format!("GET /scim/idp/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n");
    assert_eq!(ask(&daemon.scim, &head, "").status, 401);
    assert!(daemon.log_in(ALICE, &alice()).0.starts_with("OK\t"));
    let Daemon { root, serving, .. } = daemon;
    let log = serving.stop();
    let mut kept = format!("{log}{made}{patched}{shown}").into_bytes();
    for entry in fs::read_dir(root.path()).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("accounts.sqlite")
        {
            kept.extend(fs::read(path).unwrap());
        }
    }
    let holds = |text: &str| kept.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(
        holds(ALICE) && holds("Alice"),
        "it is what is looked through"
    );
    for text in [password, &secret, &token] {
        assert!(!holds(text), "{text}");
    }
}
