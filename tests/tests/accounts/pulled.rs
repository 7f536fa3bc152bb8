//! scim2-server pushes nothing: Gatepost reads it, and Postfix knows whoever is there.

use gatepost_tests::daemon::wait_until;
use gatepost_tests::provisioned::{PULLED_DOMAIN, PULLED_LIST, Provisioned};
use gatepost_tests::scim2_server::Scim2Server;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Case;

pub(crate) fn cases() -> Vec<Case> {
    vec![Case::new(
        "pulled::who_is_at_the_provider_has_a_mailbox_until_they_are_not".to_owned(),
        life,
    )]
}

/// More than a page.
const CROWD: usize = 130;

fn address(name: &str) -> String {
    format!("{name}@{PULLED_DOMAIN}")
}

fn user(name: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": address(name), "active": true, "password": "Tr0ub4dor",
    })
}

/// What Postfix hears of an address.
fn look_up(lab: &Provisioned, map: &str, address: &str) -> String {
    let found = lab.postfix.look_up(&format!("gatepost-map:{map}"), address);
    found.unwrap_or_default()
}

fn until(lab: &Provisioned, map: &str, address: &str, value: &str) -> Result<(), Failed> {
    Ok(wait_until(
        &format!("{map} of {address}: {value:?}"),
        || look_up(lab, map, address) == value,
    )?)
}

fn create(server: &Scim2Server, path: &str, body: &Value) -> Result<String, Failed> {
    let made = server.ask("POST", path, body)?;
    let id = made["id"].as_str().map(str::to_owned);
    id.ok_or_else(|| made.to_string().into())
}

fn life(lab: &Provisioned) -> Result<(), Failed> {
    let server = lab.scim2_server()?;
    let anna = create(&server, "/Users", &user("anna"))?;
    let ben = create(&server, "/Users", &user("ben"))?;
    let cara = create(&server, "/Users", &user("cara"))?;
    for number in 0..CROWD {
        create(&server, "/Users", &user(&format!("crowd{number}")))?;
    }
    for name in ["anna", "ben", "cara", "crowd0", "crowd129"] {
        until(lab, "mailbox", &address(name), &address(name))?;
    }
    // Changed, locked, and in a group that is a list.
    let renamed = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "userName", "value": address("anna.new")}],
    });
    server.ask("PATCH", &format!("/Users/{anna}"), &renamed)?;
    until(lab, "mailbox", &address("anna.new"), &address("anna.new"))?;
    assert_eq!(look_up(lab, "mailbox", &address("anna")), "");
    let mut locked = user("ben");
    locked["active"] = json!(false);
    server.ask("PUT", &format!("/Users/{ben}"), &locked)?;
    until(lab, "sender_login", &address("ben"), "")?;
    assert_eq!(look_up(lab, "mailbox", &address("ben")), address("ben"));
    let (name, list) = PULLED_LIST;
    let group = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": name, "members": [{"value": cara}],
    });
    create(&server, "/Groups", &group)?;
    until(lab, "alias", list, &address("cara"))?;
    // Deleted.
    server.ask("DELETE", &format!("/Users/{cara}"), &Value::Null)?;
    until(lab, "mailbox", &address("cara"), "")?;
    until(lab, "alias", list, "")?;
    // While it is away, and when it comes back with nobody, whoever is known stays known.
    drop(server);
    let empty = lab.scim2_server()?;
    wait_until("the refusal", || {
        lab.daemon()
            .logged()
            .contains("would be deleted, more than max_deleted_percent")
    })?;
    assert_eq!(
        look_up(lab, "mailbox", &address("crowd7")),
        address("crowd7")
    );
    drop(empty);
    assert!(!lab.daemon().logged().contains("Tr0ub4dor"));
    assert!(!lab.is_kept("Tr0ub4dor")?, "a password is in the database");
    Ok(())
}
