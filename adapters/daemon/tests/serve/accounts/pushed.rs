//! SCIM over HTTP: who is let in, what it may change, and what the log says of it.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use super::*;

#[test]
fn a_user_is_created_read_changed_and_deleted_and_each_change_has_its_line() {
    let mut daemon = Daemon::start();
    let secret = {
        let idp = daemon.source("idp");
        let user = json!({
            "schemas": [USER], "userName": "Alice@example.com", "externalId": "a-1", "password": "Tr0ub4dor",
        });
        let answer = idp.push("POST", "/Users", &user);
        let head = answer.head.to_lowercase();
        assert!(
            head.contains("content-type: application/scim+json"),
            "{head}"
        );
        assert!(
            head.contains("location: https://mail.example.com/scim/idp/v2/users/"),
            "{head}"
        );
        assert!(
            head.contains("etag: ") && head.contains("cache-control: no-store"),
            "{head}"
        );
        let created = answer.expect(201);
        let location = created["meta"]["location"].as_str().unwrap();
        assert!(
            location.starts_with("https://mail.example.com/scim/idp/v2/Users/"),
            "{location}"
        );
        let path = format!("/Users/{}", created["id"].as_str().unwrap());
        assert_eq!(idp.get(&path).expect(200)["userName"], "Alice@example.com");
        let found = idp
            .get("/Users?filter=externalId%20eq%20%22a-1%22")
            .expect(200);
        assert_eq!(found["totalResults"], 1);
        let off = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "value": {"active": false}}],
        });
        assert_eq!(idp.push("PATCH", &path, &off).expect(200)["active"], false);
        idp.send("DELETE", &path, "", "").expect(204);
        idp.get(&path).expect(404);
        idp.secret.clone()
    };
    let created = daemon.serving.wait_for("account changed");
    assert_eq!(created["source"], "idp");
    assert_eq!(created["actor"], "a test's");
    assert_eq!(
        (&created["kind"], &created["before"]),
        (&json!("account"), &Value::Null)
    );
    assert!(
        created["after"]
            .as_str()
            .unwrap()
            .contains("Alice@example.com")
    );
    let changed = daemon.serving.wait_for("account changed");
    assert!(
        changed["before"]
            .as_str()
            .unwrap()
            .contains("\"active\":true")
    );
    assert!(
        changed["after"]
            .as_str()
            .unwrap()
            .contains("\"active\":false")
    );
    let deleted = daemon.serving.wait_for("account changed");
    assert_eq!(
        (&deleted["id"], &deleted["after"]),
        (&created["id"], &Value::Null)
    );
    let log = daemon.serving.stop();
    assert!(
        !log.contains("Tr0ub4dor") && !log.contains(&secret),
        "{log}"
    );
    let kept = fs::read(daemon.root.path().join("accounts.sqlite")).unwrap();
    let holds = |text: &str| kept.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(!holds("Tr0ub4dor") && !holds(&secret));
}

#[test]
fn a_secret_opens_its_own_source_until_it_expires_or_is_revoked() {
    let daemon = Daemon::start();
    let (idp, other) = (daemon.source("idp"), daemon.source("other"));
    let late = daemon.source_until("idp", Some(Timestamp::from_millis(1_000)));
    let refused = |pushing: &Pushing<'_>| {
        let answer = pushing.get("/Users");
        assert!(
            answer
                .head
                .to_lowercase()
                .contains("www-authenticate: bearer")
        );
        let error = answer.expect(401);
        assert_eq!(error["status"], "401");
        assert_eq!(
            error["schemas"][0],
            "urn:ietf:params:scim:api:messages:2.0:Error"
        );
    };
    idp.get("/Users").expect(200);
    refused(&late);
    let with = |name: &str, secret: &str| Pushing {
        daemon: &daemon,
        name: name.to_owned(),
        secret: secret.to_owned(),
        id: idp.id,
    };
    refused(&with("idp", &other.secret));
    refused(&with("other", &idp.secret));
    for secret in [
        "",
        "x",
        "eyJhbGciOiJFUzI1NiJ9.e30.AA",
        BearerSecret::from_random([7; 32]).reveal(),
    ] {
        refused(&with("idp", secret));
    }
    // An administrator's source is nobody's to push to, and what is not configured is not there.
    for name in ["local", "nobody", "../idp", ""] {
        with(name, &idp.secret).get("/Users").expect(404);
    }
    let id = idp.id;
    idp.get("/Users").expect(200);
    assert!(daemon.with_store("idp", move |session, source| {
        session.revoke_secret(source, id).unwrap()
    }));
    refused(&idp);
    refused(&idp);
    other.get("/Users").expect(200);
}

#[test]
fn a_source_changes_what_it_owns_and_nothing_else() {
    let mut daemon = Daemon::start();
    let path = {
        let (idp, other) = (daemon.source("idp"), daemon.source("other"));
        let path = format!("/Users/{}", idp.create("alice@example.com"));
        let before = idp.get(&path).expect(200);
        let user = json!({"schemas": [USER], "userName": "alice@example.com", "active": false});
        other.get(&path).expect(404);
        other.push("PUT", &path, &user).expect(404);
        other
            .push(
                "PATCH",
                &path,
                &json!({"Operations": [{"op": "remove", "path": "active"}]}),
            )
            .expect(404);
        other.send("DELETE", &path, "", "").expect(404);
        assert_eq!(other.get("/Users").expect(200)["totalResults"], 0);
        assert_eq!(
            other.push("POST", "/Users", &user).expect(409)["scimType"],
            "uniqueness"
        );
        assert_eq!(idp.get(&path).expect(200), before);
        path
    };
    let event = daemon
        .serving
        .wait_for("address refused: another account has it, or a list");
    assert_eq!(
        (&event["source"], &event["owner_source"]),
        (&json!("other"), &json!("idp"))
    );
    assert_eq!(event["address"], "alice@example.com");
    assert!(path.ends_with(event["owner"].as_str().unwrap()));
}

#[test]
fn what_is_no_request_of_scims_is_told_so_in_scims_words() {
    let daemon = Daemon::start();
    let idp = daemon.source("idp");
    let text = idp.send("POST", "/Users", "Content-Type: text/plain\r\n", "{}");
    assert_eq!(text.expect(415)["status"], "415");
    let deep = "[".repeat(10_000);
    let json = "Content-Type: application/json\r\n";
    assert_eq!(
        idp.send("POST", "/Users", json, &deep).expect(400)["scimType"],
        "invalidSyntax"
    );
    idp.send("BREW", "/Users", "", "").expect(405);
    idp.get("/Nothing").expect(404);
    // Longer than a body may be, whether its length is told or not; nobody waits for its end.
    let head = |lines: &str| {
        format!(
            "POST /scim/idp/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n{json}{lines}",
            idp.secret
        )
    };
    let answer = ask(&daemon.scim, &head("Content-Length: 4194305\r\n"), "{");
    assert_eq!(answer.expect(413)["status"], "413");
    let mut client = Client::<TcpStream>::tcp(&daemon.scim);
    client.send(head("Transfer-Encoding: chunked\r\n\r\n"));
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    for _ in 0..65 {
        client.send(&chunk);
    }
    assert!(client.line().starts_with("HTTP/1.1 413 "));
    idp.get("/Users").expect(200);
}

#[test]
fn whoever_guesses_secrets_waits_and_whoever_knows_one_does_not() {
    let root = TempDir::new().unwrap();
    let daemon = Daemon::start_in(
        root,
        "trust_client_address = true\n[limits]\npenalty_seconds = 1",
    );
    let idp = daemon.source("idp");
    let from = |secret: &str, address: &str| {
        let head = format!(
            "GET /scim/idp/v2/Users HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9, {address}\r\n\
             Authorization: Bearer {secret}\r\n"
        );
        let status = ask(&daemon.scim, &head, "").status;
        let figures = ask(&daemon.watched, "GET /metrics HTTP/1.1\r\nHost: x\r\n", "").body;
        let waited = "gatepost_limits_hit_total{limit=\"penalty\"} ";
        let waited = figures.lines().find_map(|line| line.strip_prefix(waited));
        (status, waited.map_or(0, |count| count.parse().unwrap()))
    };
    let wrong = |number| BearerSecret::from_random([number; 32]).reveal().to_owned();
    assert_eq!(from(&idp.secret, "192.0.2.1"), (200, 0));
    assert_eq!(from(&wrong(1), "192.0.2.1"), (401, 0));
    assert_eq!(from(&wrong(2), "192.0.2.1"), (401, 1));
    assert_eq!(from(&idp.secret, "192.0.2.1"), (200, 1), "it is known");
    let another = daemon.source("idp");
    assert_eq!(
        from(&another.secret, "192.0.2.1"),
        (200, 2),
        "it is not known yet"
    );
    assert_eq!(from(&wrong(3), "198.51.100.1"), (401, 2), "another network");
    // What cannot be a secret is not looked up.
    assert_eq!(from("short", "192.0.2.1"), (401, 2));
    // Some proxies add the port, which is another for each connection.
    assert_eq!(from(&wrong(4), "198.51.100.1:567"), (401, 3));
    assert_eq!(from(&wrong(5), "[2001:db8::1]:443"), (401, 3), "another");
    assert_eq!(from(&wrong(6), "2001:db8::2"), (401, 4), "the same /64");
    assert_eq!(from(&wrong(7), "[2001:db8::3]"), (401, 5));
}

#[test]
fn bodies_that_are_slow_keep_no_other_source_away() {
    let daemon = Daemon::start();
    let (idp, other) = (daemon.source("idp"), daemon.source("other"));
    // Eight of the longest, of which nothing comes. A client that waits is told to go on once its body has room.
    let head = format!(
        "POST /scim/idp/v2/Users HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\
         Authorization: Bearer {}\r\n\r\n",
        4 << 20,
        idp.secret
    );
    let slow = || {
        let mut client = Client::tcp(&daemon.scim);
        client.send(&head);
        client
    };
    let mut first = slow();
    assert_eq!(first.line(), "HTTP/1.1 100 Continue\r");
    let _others: Vec<_> = (0..7).map(|_| slow()).collect();
    for number in 0..20 {
        other.create(&format!("u{number}@example.com"));
    }
}

/// Many connections of strangers, more than there may be, the last of which is answered.
fn flood(daemon: &Daemon) -> Vec<TcpStream> {
    let strangers = (0..50).map(|_| TcpStream::connect(&daemon.scim).unwrap());
    let strangers: Vec<_> = strangers.collect();
    let answer = ask(
        &daemon.scim,
        "GET /scim/idp/v2/Users HTTP/1.1\r\nHost: x\r\n",
        "",
    );
    assert_eq!(answer.status, 401);
    strangers
}

#[test]
fn strangers_close_no_connection_of_another_network() {
    let daemon = Daemon::start_in(TempDir::new().unwrap(), "connections = 4\n");
    let secret = daemon.source("idp").secret;
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let from: SocketAddr = "127.0.0.2:0".parse().unwrap();
    socket.bind(&from.into()).unwrap();
    let to: SocketAddr = daemon.scim.parse().unwrap();
    socket.connect(&to.into()).unwrap();
    let mut client = TcpStream::from(socket);
    client
        .write_all(b"GET /scim/idp/v2/Users HTTP/1.1\r\nHost: x\r\n")
        .unwrap();
    let strangers = flood(&daemon);
    let rest = format!("Authorization: Bearer {secret}\r\nConnection: close\r\n\r\n");
    client.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    drop(strangers);
}

#[test]
fn strangers_close_no_connection_that_has_shown_a_good_secret() {
    let daemon = Daemon::start_in(TempDir::new().unwrap(), "connections = 4\n");
    let secret = daemon.source("idp").secret;
    let body = json!({"schemas": [USER], "userName": "alice@example.com"}).to_string();
    let mut client = TcpStream::connect(&daemon.scim).unwrap();
    let head = format!(
        "POST /scim/idp/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nExpect: 100-continue\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    client.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    let strangers = flood(&daemon);
    client.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    drop(strangers);
}
