//! The daemon is ended by SIGKILL at every step of a sync. What it acknowledged is there when it runs again, nothing is
//! half there, mail servers are told the same as SCIM, and the source goes on where it was.

use std::collections::BTreeMap;
use std::net::TcpStream;

use super::*;
use crate::relay::look_up;

const LIST: &str = "[[accounts.list]]\nsource = \"idp\"\ngroup = \"Staff\"\naddress = \"staff@example.com\"\n\
    members_may_send = true";

const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// A request of the sync. In its path and body `~` and a letter stand for the id of that external id.
struct Step {
    method: &'static str,
    path: &'static str,
    body: Value,
}

fn step(method: &'static str, path: &'static str, body: Value) -> Step {
    Step { method, path, body }
}

fn user(external_id: &str, address: &str, alias: &str) -> Value {
    json!({
        "schemas": [USER], "externalId": external_id, "userName": address, "active": true,
        "emails": [{"value": address, "primary": true}, {"value": alias}],
    })
}

fn operations(operations: &Value) -> Value {
    let schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
    json!({"schemas": schemas, "Operations": operations})
}

/// Everything that a sync does.
fn sync() -> Vec<Step> {
    let members = |ids: &[&str]| -> Value { ids.iter().map(|id| json!({"value": id})).collect() };
    let staff = json!({
        "schemas": [GROUP], "externalId": "s", "displayName": "Staff", "members": members(&["~a", "~b"]),
    });
    let swap = json!([
        {"op": "add", "path": "members", "value": members(&["~c"])},
        {"op": "remove", "path": "members[value eq \"~a\"]"},
    ]);
    let whole = json!([
        {"op": "replace", "value": {"displayName": "All", "members": members(&["~a"])}},
        {"op": "replace", "path": "displayName", "value": "Staff"},
        {"op": "add", "path": "members", "value": members(&["~c"])},
    ]);
    let lock = json!([{"op": "Replace", "path": "active", "value": "False"}]);
    let third = || user("c", "carol@example.com", "c@example.net");
    let again = json!([{"op": "add", "path": "members", "value": members(&["~c"])}]);
    vec![
        step(
            "POST",
            "/Users",
            user("a", "alice@example.com", "a@example.net"),
        ),
        step(
            "POST",
            "/Users",
            user("b", "bob@example.com", "b@example.net"),
        ),
        step("POST", "/Groups", staff),
        step("POST", "/Users", third()),
        step("PATCH", "/Groups/~s", operations(&swap)),
        step(
            "PUT",
            "/Users/~b",
            user("b", "robert@example.com", "bob@example.com"),
        ),
        step("PATCH", "/Users/~a", operations(&lock)),
        step("PATCH", "/Groups/~s", operations(&whole)),
        step("DELETE", "/Users/~c", Value::Null),
        step("POST", "/Users", third()),
        step("PATCH", "/Groups/~s", operations(&again)),
        step("DELETE", "/Groups/~s", Value::Null),
    ]
}

/// What is asked of every map.
const ADDRESSES: [&str; 8] = [
    "alice@example.com",
    "a@example.net",
    "bob@example.com",
    "b@example.net",
    "robert@example.com",
    "carol@example.com",
    "c@example.net",
    "staff@example.com",
];

/// The external ids of users and groups, by their ids.
fn ids(idp: &Pushing<'_>) -> BTreeMap<String, String> {
    let mut ids = BTreeMap::new();
    for endpoint in ["/Users", "/Groups"] {
        let listed = idp.get(endpoint).expect(200);
        for one in listed["Resources"].as_array().unwrap() {
            let text = |name: &str| one[name].as_str().unwrap().to_owned();
            ids.insert(text("id"), text("externalId"));
        }
    }
    ids
}

/// Everything that SCIM and the maps tell, with external ids in the place of ids.
fn view(idp: &Pushing<'_>) -> String {
    let (ids, mut lines) = (ids(idp), Vec::new());
    for endpoint in ["/Users", "/Groups"] {
        let listed = idp.get(endpoint).expect(200);
        for one in listed["Resources"].as_array().unwrap() {
            let mut one = one.clone();
            one.as_object_mut().unwrap().remove("meta");
            // What is in the order of ids, which are drawn, is put into that of what it stands for.
            for name in ["members", "groups"] {
                if let Some(several) = one[name].as_array_mut() {
                    several.sort_by_key(|one| ids.get(one["value"].as_str().unwrap()));
                }
            }
            lines.push(one.to_string());
        }
    }
    let mut map = idp.daemon.connect("map");
    for address in ADDRESSES {
        for name in ["mailbox", "alias", "sender_login"] {
            let answer = look_up(&mut map, &format!("{name} {address}"));
            let mut words: Vec<_> = answer.split([',', ' ']).collect();
            words.sort_unstable();
            lines.push(format!("{name} {address}: {words:?}"));
        }
    }
    let mut text = lines.join("\n");
    for (id, external_id) in &ids {
        text = text.replace(id, external_id);
    }
    text
}

/// The text of a request, with ids where they are meant; `None` where one of them is gone.
fn request(idp: &Pushing<'_>, step: &Step) -> Option<(String, String)> {
    let body = match &step.body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let (mut path, mut body) = (step.path.to_owned(), body);
    for (id, external_id) in ids(idp) {
        path = path.replace(&format!("~{external_id}"), &id);
        body = body.replace(&format!("~{external_id}"), &id);
    }
    (!path.contains('~') && !body.contains('~')).then_some((path, body))
}

/// Does a step, which may have been done already.
fn complete(idp: &Pushing<'_>, step: &Step) {
    let Some((path, body)) = request(idp, step) else {
        assert_eq!(step.method, "DELETE", "{}", step.path);
        return;
    };
    let lines = "Content-Type: application/scim+json\r\n";
    let answer = idp.send(step.method, &path, lines, &body);
    let is_done = answer.status < 300 || step.method == "POST" && answer.status == 409;
    assert!(is_done, "{} {path}: {}", step.method, answer.body);
}

/// Sends a step, and has the daemon killed after so many moments; whether the step was acknowledged before.
fn begin(idp: &Pushing<'_>, step: &Step, moments: Option<usize>) -> bool {
    let (path, body) = request(idp, step).unwrap();
    let (name, secret, length) = (&idp.name, &idp.secret, body.len());
    let mut client = Client::<TcpStream>::tcp(&idp.daemon.scim);
    client.send(format!(
        "{} /scim/{name}/v2{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}",
        step.method
    ));
    let mut answer = String::new();
    if moments.is_none() {
        answer = client.line();
    }
    for _ in 0..moments.unwrap_or_default() {
        std::hint::spin_loop();
    }
    idp.daemon.serving.signal("KILL");
    if answer.is_empty() {
        answer = client.line();
    }
    let status = answer.split(' ').nth(1);
    status.is_some_and(|status| status.starts_with('2'))
}

fn with<'d>(daemon: &'d Daemon, secret: &str, id: SecretId) -> Pushing<'d> {
    Pushing {
        daemon,
        name: "idp".to_owned(),
        secret: secret.to_owned(),
        id,
    }
}

#[test]
fn a_daemon_killed_at_any_step_of_a_sync_has_done_each_step_whole_or_not_at_all() {
    let steps = sync();
    let views = {
        let daemon = Daemon::start_in(TempDir::new().unwrap(), LIST);
        let idp = daemon.source("idp");
        let mut views = vec![view(&idp)];
        for step in &steps {
            complete(&idp, step);
            views.push(view(&idp));
        }
        views
    };
    let (mut done, mut not_done) = (0, 0);
    // At once, while it is written, and once it is acknowledged.
    for moments in [Some(0), Some(2_000), Some(6_000), Some(20_000), None] {
        let mut daemon = Daemon::start_in(TempDir::new().unwrap(), LIST);
        let (secret, id) = {
            let idp = daemon.source("idp");
            (idp.secret.clone(), idp.id)
        };
        for (number, step) in steps.iter().enumerate() {
            let is_told = begin(&with(&daemon, &secret, id), step, moments);
            let Daemon { root, serving, .. } = daemon;
            drop(serving.ended());
            daemon = Daemon::start_in(root, LIST);
            let idp = with(&daemon, &secret, id);
            let seen = view(&idp);
            let (before, after) = (&views[number], &views[number + 1]);
            let is_done = seen == *after;
            assert!(
                is_done || seen == *before,
                "step {number} is half done:\n{seen}"
            );
            assert!(
                is_done || !is_told,
                "step {number} was acknowledged, and is lost:\n{seen}"
            );
            if is_done {
                done += 1;
            } else {
                not_done += 1;
            }
            complete(&idp, step);
            let seen = view(&idp);
            assert_eq!(seen, *after, "step {number}, done again:\n{seen}");
        }
    }
    println!("{done} steps were done when it was killed, {not_done} were not");
    // That some were too late and some in time is the machine's speed; acknowledged ones are always done.
    assert!(done >= steps.len(), "{done} done, {not_done} not");
}
