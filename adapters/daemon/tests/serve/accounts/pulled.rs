//! Providers that are read: what mail servers hear of their users, and what whoever watches does while they are away.

use gatepost_tests::daemon::wait_until;
use gatepost_tests::stub::{Behaviour, Page, Seen, Stub};

use super::*;
use crate::relay::look_up;
use crate::serving::refused;

const SECRET: &str = "of-the-provider-s";

/// A daemon that reads a stub once a second, as its administrator's source.
struct Pulling {
    provider: Stub,
    daemon: Daemon,
}

fn list(resources: &[Value]) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": resources.len(), "Resources": resources,
    })
}

fn user(id: &str) -> Value {
    json!({"schemas": [USER], "id": id, "userName": format!("{id}@example.com"), "active": true})
}

fn users(ids: &[&str]) -> Page {
    let users: Vec<_> = ids.iter().map(|id| user(id)).collect();
    Page::json(200, &list(&users))
}

fn lines(root: &TempDir, url: &str) -> String {
    let path = root.path().display();
    format!(
        "[[accounts.pull]]\nsource = \"local\"\nurl = \"{url}\"\nsecret_file = \"{path}/provider.secret\"\n\
         every = \"1s\"\n"
    )
}

impl Pulling {
    fn start(ids: &[&str]) -> Self {
        Self::start_with(ids, "")
    }

    /// The same with `more` lines of the configuration.
    fn start_with(ids: &[&str], more: &str) -> Self {
        let provider = Stub::start().unwrap();
        provider.set("/scim/Users", Behaviour::Answer(users(ids)));
        let root = TempDir::new().unwrap();
        fs::write(root.path().join("provider.secret"), format!("{SECRET}\n")).unwrap();
        let lines = lines(&root, &provider.url("/scim"));
        let daemon = Daemon::start_in(root, &format!("{lines}{more}"));
        Self { provider, daemon }
    }

    fn set(&self, page: Page) {
        self.provider.set("/scim/Users", Behaviour::Answer(page));
    }

    fn map(&self, request: &str) -> String {
        look_up(&mut self.daemon.connect("map"), request)
    }

    /// Waits until `request` is answered so.
    #[track_caller]
    fn until(&self, request: &str, answer: &str) {
        wait_until(request, || self.map(request) == answer).unwrap();
    }

    fn pull(&self) -> Value {
        self.daemon.ready().1["pulls"][0].clone()
    }
}

#[test]
fn who_is_read_is_known_to_postfix_until_they_are_gone() {
    let mut pulling = Pulling::start(&["alice", "bob", "cara"]);
    pulling.until("mailbox alice@example.com", "OK alice@example.com");
    let seen: Vec<Seen> = pulling.provider.seen("/scim/Users");
    assert_eq!(seen[0].headers["authorization"], format!("Bearer {SECRET}"));
    assert!(
        seen[0].target.ends_with("?startIndex=1&count=100"),
        "{}",
        seen[0].target
    );
    let changed = pulling.daemon.serving.wait_for("account changed");
    assert_eq!(
        (&changed["source"], &changed["actor"]),
        (&json!("local"), &json!("pull"))
    );
    pulling.daemon.serving.wait_for("accounts pulled");

    let mut bob = user("bob");
    bob["userName"] = json!("robert@example.com");
    let mut cara = user("cara");
    cara["active"] = json!(false);
    pulling.set(Page::json(200, &list(&[bob, cara, user("dora")])));
    pulling.until("mailbox alice@example.com", "NOTFOUND ");
    pulling.until("mailbox robert@example.com", "OK robert@example.com");
    pulling.until("mailbox dora@example.com", "OK dora@example.com");
    pulling.until("sender_login cara@example.com", "NOTFOUND ");
    assert_eq!(
        pulling.map("mailbox cara@example.com"),
        "OK cara@example.com"
    );
    assert_eq!(pulling.map("mailbox bob@example.com"), "NOTFOUND ");
    let log = pulling.daemon.serving.stop();
    assert!(!log.contains(SECRET), "{log}");
}

#[test]
fn a_provider_that_is_away_changes_nothing_and_whoever_watches_is_told() {
    let mut pulling = Pulling::start(&["alice", "bob"]);
    pulling.until("mailbox alice@example.com", "OK alice@example.com");
    wait_until("success", || pulling.pull()["last"].is_string()).unwrap();
    for (page, words) in [
        (Page::json(503, &json!({})), "503"),
        (Page::json(401, &json!({})), "401"),
        (Page::of(200, "text/html", "<html>"), "no list"),
        (users(&[]), "max_deleted_percent"),
        // What another host would be shown is ours alone.
        (
            Page::of(302, "text/plain", "").with("Location: http://127.0.0.2:1/scim/Users"),
            "302",
        ),
    ] {
        pulling.set(page);
        wait_until(words, || {
            let why = pulling.pull()["why"].clone();
            why.as_str().is_some_and(|why| why.contains(words))
        })
        .unwrap();
        let event = pulling
            .daemon
            .serving
            .wait_for("accounts not pulled: they stay as they are");
        assert_eq!(event["source"], "local");
        assert_eq!(pulling.daemon.ready().0, 200);
        assert_eq!(
            pulling.map("mailbox alice@example.com"),
            "OK alice@example.com"
        );
    }
    pulling.set(users(&["alice", "bob", "cara"]));
    pulling.until("mailbox cara@example.com", "OK cara@example.com");
    wait_until("success", || pulling.pull()["why"].is_null()).unwrap();
}

#[test]
fn figures_say_when_a_provider_was_read_and_how_often_it_was_not() {
    let pulling = Pulling::start(&["alice"]);
    let figure = |name: &str| {
        let answer = ask(
            &pulling.daemon.watched,
            "GET /metrics HTTP/1.1\r\nHost: x\r\n",
            "",
        );
        let found = answer.body.lines().find_map(|line| line.strip_prefix(name));
        found.map(|figure| figure.trim().parse::<u64>().unwrap())
    };
    let last = "gatepost_pull_last_success_timestamp_seconds{source=\"local\"}";
    let success = "gatepost_pulls_total{source=\"local\",result=\"success\"}";
    let failure = "gatepost_pulls_total{source=\"local\",result=\"failure\"}";
    wait_until("success", || figure(success) > Some(1)).unwrap();
    let read = figure(last).unwrap();
    assert!(now() - read < 60, "{read}");
    assert_eq!(figure(failure), Some(0));
    pulling.set(Page::json(503, &json!({})));
    wait_until("failure", || figure(failure) > Some(0)).unwrap();
    assert!(figure(last) >= Some(read));
}

#[test]
fn pages_with_tags_are_asked_for_by_them() {
    let pulling = Pulling::start(&["alice", "bob"]);
    let tagged = |seen: &Seen| match seen.headers.get("if-none-match") {
        Some(tag) if tag == "W/\"1\"" => Page::of(304, "text/plain", ""),
        _ if seen.target.contains("startIndex=1&") => {
            users(&["alice", "bob"]).with("ETag: W/\"1\"")
        }
        _ => users(&["bob"]).with("ETag: W/\"1\""),
    };
    pulling
        .provider
        .set("/scim/Users", Behaviour::Judge(tagged));
    let is_tagged = |seen: &Seen| seen.headers.contains_key("if-none-match");
    wait_until("a page that has not changed", || {
        pulling.provider.seen("/scim/Users").iter().any(is_tagged)
    })
    .unwrap();
    pulling.until("mailbox bob@example.com", "OK bob@example.com");
}

#[test]
fn an_address_that_another_source_has_is_told_once() {
    let mut pulling = Pulling::start(&[]);
    pulling.daemon.source("idp").create("alice@example.com");
    pulling.set(users(&["alice", "bob"]));
    pulling.until("mailbox bob@example.com", "OK bob@example.com");
    let serving = &mut pulling.daemon.serving;
    let refused = serving.wait_for("not taken from the provider");
    assert_eq!(refused["external_id"], "alice");
    let owner = serving.wait_for("address refused: another account has it, or a list");
    assert_eq!(
        (&owner["source"], &owner["owner_source"]),
        (&json!("local"), &json!("idp"))
    );
    let asked = pulling.provider.seen("/scim/Users").len();
    wait_until("another reading", || {
        pulling.provider.seen("/scim/Users").len() > asked + 4
    })
    .unwrap();
    let log = pulling.daemon.serving.stop();
    assert_eq!(
        log.matches("not taken from the provider").count(),
        1,
        "{log}"
    );
}

/// What shows a token of the token endpoint's, and nothing else.
fn granted_users(ids: &[&str], token: &str, seen: &Seen) -> Page {
    if seen.headers.get("authorization") == Some(&format!("Bearer {token}")) {
        return users(ids);
    }
    Page::json(401, &json!({}))
}

#[test]
fn a_token_is_granted_kept_and_asked_for_anew_where_it_is_refused() {
    let provider = Stub::start().unwrap();
    let grant = |token: &str| {
        let body = json!({"access_token": token, "token_type": "bearer", "expires_in": 3_600});
        provider.set("/token", Behaviour::Answer(Page::json(200, &body)));
    };
    grant("one");
    let first = |seen: &Seen| granted_users(&["alice"], "one", seen);
    provider.set("/scim/Users", Behaviour::Judge(first));
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("client.secret"), format!("{SECRET}%\n")).unwrap();
    let (path, url) = (root.path().display(), provider.url("/scim"));
    let lines = format!(
        "[[accounts.pull]]\nsource = \"local\"\nurl = \"{url}\"\ntoken_url = \"{}\"\nclient_id = \"the:pull\"\n\
         client_secret_file = \"{path}/client.secret\"\nscope = \"read users\"\nevery = \"1s\"\n",
        provider.url("/token")
    );
    let daemon = Daemon::start_in(root, &lines);
    let pulling = Pulling { provider, daemon };
    pulling.until("mailbox alice@example.com", "OK alice@example.com");
    let seen = &pulling.provider.seen("/token")[0];
    assert_eq!(seen.method, "POST");
    assert_eq!(
        seen.body,
        "grant_type=client_credentials&scope=read%20users"
    );
    let basic = STANDARD.encode(format!("the%3Apull:{SECRET}%25"));
    assert_eq!(seen.headers["authorization"], format!("Basic {basic}"));
    // It is kept.
    wait_until("other readings", || {
        pulling.provider.seen("/scim/Users").len() > 4
    })
    .unwrap();
    assert_eq!(pulling.provider.seen("/token").len(), 1);
    // Until it is refused: then another one is asked for.
    let grant = |token: &str| {
        let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": 3_600});
        let page = Page::json(200, &body);
        pulling.provider.set("/token", Behaviour::Answer(page));
    };
    grant("two");
    let second = |seen: &Seen| granted_users(&["alice", "bob"], "two", seen);
    pulling
        .provider
        .set("/scim/Users", Behaviour::Judge(second));
    pulling.until("mailbox bob@example.com", "OK bob@example.com");
    assert_eq!(pulling.provider.seen("/token").len(), 2);
    // A reading under way may have met two states.
    wait_until("success", || pulling.pull()["why"].is_null()).unwrap();
    // One that is refused at once is not asked for again.
    grant("three");
    let nobody = |seen: &Seen| granted_users(&[], "none", seen);
    pulling
        .provider
        .set("/scim/Users", Behaviour::Judge(nobody));
    let why = |words: &str| {
        wait_until(words, || {
            let why = pulling.pull()["why"].clone();
            why.as_str().is_some_and(|why| why.contains(words))
        })
        .unwrap();
    };
    why("401");
    // Nor is a token endpoint that refuses us.
    let error = json!({"error": "invalid_client", "error_description": SECRET});
    let page = Page::json(401, &error);
    pulling.provider.set("/token", Behaviour::Answer(page));
    why("the token endpoint answers 401 (invalid_client)");
    pulling.provider.set(
        "/token",
        Behaviour::Answer(Page::json(
            200,
            &json!({"access_token": "a b", "token_type": "bearer"}),
        )),
    );
    why("the token endpoint's answer holds no bearer token");
    let log = pulling.daemon.serving.stop();
    assert!(!log.contains(SECRET), "{log}");
}

#[test]
fn a_token_that_is_about_to_end_is_not_shown() {
    let provider = Stub::start().unwrap();
    let body = json!({"access_token": "brief", "token_type": "Bearer", "expires_in": 5});
    provider.set("/token", Behaviour::Answer(Page::json(200, &body)));
    let brief = |seen: &Seen| granted_users(&["alice"], "brief", seen);
    provider.set("/scim/Users", Behaviour::Judge(brief));
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("client.secret"), SECRET).unwrap();
    let (path, url) = (root.path().display(), provider.url(""));
    let lines = format!(
        "[[accounts.pull]]\nsource = \"local\"\nurl = \"{url}/scim\"\ntoken_url = \"{url}/token\"\n\
         client_id = \"pull\"\nclient_secret_file = \"{path}/client.secret\"\nevery = \"1s\"\n"
    );
    let daemon = Daemon::start_in(root, &lines);
    let pulling = Pulling { provider, daemon };
    pulling.until("mailbox alice@example.com", "OK alice@example.com");
    wait_until("another token", || {
        pulling.provider.seen("/token").len() > 1
    })
    .unwrap();
    let seen = &pulling.provider.seen("/token")[0];
    assert_eq!(seen.body, "grant_type=client_credentials");
}

#[test]
fn a_pull_without_its_secret_does_not_start() {
    let root = TempDir::new().unwrap();
    let (configuration, _) = configure(&root, &lines(&root, "http://127.0.0.1:1/scim"));
    let said = refused(&configuration);
    assert!(
        said.contains("[[accounts.pull]] of local: secret_file"),
        "{said}"
    );
    assert!(said.contains("provider.secret"), "{said}");
}

/// A database that was lost is full again once everything was read, not with the first account.
#[test]
fn nobody_is_missing_before_everybody_was_read_once() {
    let mut pulling = Pulling::start(&[]);
    pulling.set(Page::json(503, &json!({})));
    pulling.daemon = {
        let Daemon {
            root,
            serving,
            issuer,
            ..
        } = pulling.daemon;
        serving.stop();
        for end in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(root.path().join(format!("accounts.sqlite{end}")));
        }
        Daemon::serve(root, issuer)
    };
    pulling.daemon.source("idp").create("alice@example.com");
    let unknown = "TEMP users cannot be looked up now";
    for (request, answer) in [
        ("mailbox alice@example.com", "OK alice@example.com"),
        ("mailbox bob@example.com", unknown),
        ("alias bob@example.com", unknown),
        ("mailbox nobody@example.com", unknown),
        // Nobody of the provider's can have that.
        ("mailbox bob@example.net", "NOTFOUND "),
        ("domain example.org", "NOTFOUND "),
    ] {
        assert_eq!(pulling.map(request), answer, "{request}");
    }
    let user = pulling
        .daemon
        .master()
        .ask("USER\t1\tbob@example.com\tservice=x\n");
    assert!(user.starts_with("FAIL\t1"), "{user}");
    let login = pulling.daemon.log_in(
        "bob@example.com",
        &json!({"email": "bob@example.com", "sub": "bob"}),
    );
    assert!(login.0.contains("temp"), "{login:?}");
    pulling.set(users(&["bob"]));
    pulling.until("mailbox bob@example.com", "OK bob@example.com");
    pulling.until("mailbox nobody@example.com", "NOTFOUND ");
    // It is remembered.
    pulling.set(Page::json(503, &json!({})));
    let (daemon, log) = pulling.daemon.restart_with(&[]);
    pulling.daemon = daemon;
    assert!(log.contains("new database of accounts"), "{log}");
    assert_eq!(pulling.map("mailbox nobody@example.com"), "NOTFOUND ");
    let log = pulling.daemon.serving.stop();
    assert!(!log.contains("new database of accounts"), "{log}");
}

/// A reading that found nobody is no whole one: whoever is unknown may be there all the same, and so may members of a
/// list.
#[test]
fn nobody_is_missing_while_a_reading_is_in_doubt() {
    let list_of_staff = "[[accounts.list]]\nsource = \"local\"\ngroup = \"Staff\"\n\
                         address = \"staff@example.com\"\n";
    let pulling = Pulling::start_with(&[], list_of_staff);
    pulling.daemon.source("idp").create("alice@example.com");
    wait_until("a reading", || !pulling.pull()["last"].is_null()).unwrap();
    let unknown = "TEMP users cannot be looked up now";
    for (request, answer) in [
        ("mailbox alice@example.com", "OK alice@example.com"),
        ("mailbox carol@example.com", unknown),
        ("alias staff@example.com", unknown),
        ("sender_login staff@example.com", unknown),
    ] {
        assert_eq!(pulling.map(request), answer, "{request}");
    }
    pulling.set(users(&["bob"]));
    pulling.until("mailbox carol@example.com", "NOTFOUND ");
    pulling.until("alias staff@example.com", "NOTFOUND ");
    let log = pulling.daemon.serving.stop();
    assert!(log.contains("not everybody"), "{log}");
}
