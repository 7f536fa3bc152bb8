//! What is read becomes what is kept.

use gatepost_accounts::pull::{Counts, Identity, Settings};
use serde_json::json;

use crate::lab::{EVERY, Lab, OTHER, PULLED, group, user};

#[test]
fn users_are_created_changed_locked_and_deleted() {
    let mut lab = Lab::of(&["a", "b", "c", "d", "e"]);
    assert_eq!(lab.ids(), ["a", "b", "c", "d", "e"]);
    assert_eq!(lab.pause, EVERY);
    let first = lab.account("a");
    assert_eq!(first.mailbox.unwrap().as_str(), "a@example.org");

    lab.provider.user("a")["userName"] = json!("anna@example.org");
    lab.provider.user("b")["active"] = json!(false);
    lab.provider.remove("c");
    let report = lab.pulled();
    let counts = Counts {
        changed: 2,
        deleted: 1,
        ..Counts::default()
    };
    assert_eq!((report.users, report.counts), (4, counts));
    assert_eq!(lab.ids(), ["a", "b", "d", "e"]);
    let renamed = lab.account("a");
    assert_eq!(
        (renamed.id, renamed.mailbox.unwrap().as_str()),
        (first.id, "anna@example.org")
    );
    assert!(!lab.account("b").active);

    // Nothing changed: nothing is written.
    let before = lab.store.changes().len();
    assert_eq!(lab.pulled().counts, Counts::default());
    assert_eq!(before, lab.store.changes().len());

    // Who is back has the mailbox of before.
    let gone = lab
        .store
        .records()
        .find(|record| record.resource.external_id() == Some("c"));
    let gone = gone.unwrap().resource.id();
    lab.provider.users.push(user("c"));
    lab.pulled();
    assert_eq!(lab.account("c").id, gone);
}

#[test]
fn groups_have_their_members_whatever_comes_first() {
    let mut lab = Lab::of(&["a", "b"]);
    let groups = [
        group("staff", &["a", "b", "nobody", "all"]),
        group("all", &["staff", "a"]),
        group("none", &[]),
    ];
    lab.provider.groups = Some(groups.to_vec());
    let report = lab.pulled();
    assert_eq!((report.groups, report.counts.strangers), (Some(3), 1));
    assert_eq!(lab.members("staff").unwrap(), ["a", "all", "b"]);
    assert_eq!(lab.members("all").unwrap(), ["a", "staff"]);
    let groups = [group("staff", &["b"]), group("all", &["staff"])];
    lab.provider.groups = Some(groups.to_vec());
    lab.provider.remove("a");
    lab.pulled();
    assert_eq!(lab.members("staff").unwrap(), ["b"]);
    assert_eq!(lab.members("none"), None);
    // An endpoint that is not there says nothing of groups.
    lab.provider.groups = None;
    assert_eq!(lab.pulled().groups, None);
    assert_eq!(lab.members("staff").unwrap(), ["b"]);
}

#[test]
fn an_account_is_known_by_its_external_id_or_else_by_its_id() {
    let mut lab = Lab::new();
    let mut alice = user("1");
    alice["externalId"] = json!("sub-1");
    lab.provider.users = vec![alice, user("2")];
    lab.pulled();
    assert_eq!(lab.ids(), ["2", "sub-1"]);
    // Who has got one only now is who they were.
    let before = lab.account("2").id;
    lab.provider.user("2")["externalId"] = json!("sub-2");
    lab.pulled();
    assert_eq!(lab.account("sub-2").id, before);

    let mut lab = Lab::with(Settings {
        identity: Identity::Id,
        ..lab.settings
    });
    let mut alice = user("1");
    alice["externalId"] = json!("of the personnel department");
    lab.provider.users = vec![alice];
    lab.pulled();
    assert_eq!(lab.ids(), ["1"]);
}

#[test]
fn whoever_claims_what_another_is_known_by_gets_nothing_and_takes_nothing() {
    let mut lab = Lab::of(&["a", "b", "c"]);
    let before = lab.account("a");
    let mut thief = user("t");
    thief["externalId"] = json!("a");
    lab.provider.users.insert(0, thief);
    let report = lab.pulled();
    assert_eq!(report.refused.len(), 2);
    assert_eq!(lab.account("a"), before);
    assert_eq!(lab.ids(), ["a", "b", "c"]);
}

#[test]
fn an_address_of_another_source_is_refused_and_its_owner_named() {
    let mut lab = Lab::new();
    let taken = json!({"userName": "a@example.org", "externalId": "x"});
    assert_eq!(lab.push(OTHER, "POST", "/Users", &taken), 201);
    lab.provider.users = vec![user("a"), user("b")];
    let report = lab.pulled();
    assert_eq!(lab.ids(), ["b"]);
    let [refused] = &*report.refused else {
        panic!("{report:?}");
    };
    assert_eq!((&*refused.external_id, refused.notes.len()), ("a", 1));
    assert!(refused.why.contains("another's"), "{}", refused.why);
}

#[test]
fn an_address_that_one_gives_up_is_free_for_another_in_the_same_reading() {
    let mut lab = Lab::of(&["a", "b", "c", "d"]);
    // Each takes the next one's, and the last goes.
    for (id, next) in [("a", "b"), ("b", "c"), ("c", "d")] {
        lab.provider.user(id)["userName"] = json!(format!("{next}@example.org"));
    }
    lab.provider.remove("d");
    let report = lab.pulled();
    assert_eq!(report.refused, []);
    assert_eq!(lab.account("a").user_name, "b@example.org");
    assert_eq!(lab.account("c").user_name, "d@example.org");
    // Whoever has the name of somebody who is gone is somebody else.
    let former = lab.account("a").id;
    lab.provider.remove("a");
    let mut new = user("n");
    new["userName"] = json!("b@example.org");
    lab.provider.users.push(new);
    lab.pulled();
    assert_ne!(lab.account("n").id, former);
}

#[test]
fn who_did_not_come_from_the_provider_stays() {
    let mut lab = Lab::of(&["a", "b", "c"]);
    let added = json!({"userName": "postmaster@example.org"});
    assert_eq!(lab.push(PULLED, "POST", "/Users", &added), 201);
    lab.provider.remove("a");
    lab.pulled();
    let names: Vec<_> = lab
        .accounts()
        .into_iter()
        .map(|one| one.user_name)
        .collect();
    assert!(
        names.contains(&"postmaster@example.org".to_owned()),
        "{names:?}"
    );
    assert_eq!(names.len(), 3);
}

#[test]
fn who_came_while_the_provider_was_read_is_not_missing() {
    let mut lab = Lab::of(&["a", "b", "c"]);
    // A login creates an account that the provider's first page does not have.
    lab.pushed = Some(json!({"userName": "d@example.org", "externalId": "d"}));
    lab.pulled();
    assert_eq!(lab.ids(), ["a", "b", "c", "d"]);
    // It is older than this reading, and gone.
    lab.pulled();
    assert_eq!(lab.ids(), ["a", "b", "c"]);
}

#[test]
fn pages_that_have_not_changed_are_not_read_again_but_now_and_then() {
    let mut lab = Lab::new();
    lab.provider.has_tags = true;
    lab.provider.users = ["a", "b", "c", "d"].map(user).to_vec();
    lab.pulled();
    let pages = lab.provider.asked.len();
    for _ in 0..12 {
        lab.provider.asked.clear();
        assert_eq!(lab.turn(), gatepost_accounts::pull::Event::Unchanged);
        assert_eq!(lab.provider.asked.len(), pages);
        assert!(
            lab.provider
                .asked
                .iter()
                .all(|one| one.if_none_match.is_some())
        );
    }
    lab.pulled();
    lab.provider.user("d")["active"] = json!(false);
    assert_eq!(lab.pulled().counts.changed, 1);
    // As long as something is not taken, all is tried again.
    lab.provider.user("d")["userName"] = json!("a/b@example.org");
    assert_eq!(lab.pulled().refused.len(), 1);
    assert_eq!(lab.pulled().refused.len(), 1);
}
