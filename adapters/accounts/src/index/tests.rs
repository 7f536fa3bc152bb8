use super::*;
use crate::model::{Group, Life};
use crate::name::Address;
use crate::time::Timestamp;

const SOURCE: SourceId = SourceId(1);

fn id(number: u128) -> Id {
    Id::from_bytes(number.to_be_bytes())
}

fn life(version: u64) -> Life {
    let now = Timestamp::from_millis(0);
    Life {
        created: now,
        modified: now,
        version,
        position: version,
        deleted: None,
    }
}

fn account(number: u128, version: u64, addresses: &[&str]) -> Account {
    let mut addresses = addresses.iter().map(|one| Address::parse(one).unwrap());
    Account {
        id: id(number),
        source: SOURCE,
        external_id: Some(format!("sub-{number}")),
        subject: None,
        user_name: format!("User{number}"),
        display_name: None,
        mailbox: addresses.next(),
        aliases: addresses.collect(),
        active: true,
        quota: Some(5),
        forwarding: Vec::new(),
        life: life(version),
    }
}

fn put(account: Account) -> Change {
    Change {
        sequence: account.life.version,
        event: Event::Put(Resource::Account(account)),
    }
}

fn group(number: u128, name: &str, version: u64) -> Change {
    let group = Group {
        id: id(number),
        source: SOURCE,
        external_id: None,
        display_name: name.to_owned(),
        life: life(version),
    };
    Change {
        sequence: version,
        event: Event::Put(Resource::Group(group)),
    }
}

fn members(group: u128, added: &[u128], removed: &[u128]) -> Change {
    let ids = |numbers: &[u128]| numbers.iter().copied().map(id).collect();
    Change {
        sequence: 1_000,
        event: Event::Members {
            group: id(group),
            added: ids(added),
            removed: ids(removed),
        },
    }
}

fn index(changes: &[Change]) -> Index {
    let mut index = Index::default();
    for change in changes {
        index.apply(change);
    }
    index
}

fn mailbox(entry: Option<&Entry>) -> Option<&str> {
    entry.and_then(Entry::mailbox)
}

#[test]
fn an_account_is_found_by_everything_that_it_has() {
    let index = index(&[put(account(1, 1, &["a@x.example", "b@y.example"]))]);
    for found in [
        index.account(id(1)),
        index.by_subject(SOURCE, "sub-1"),
        index.by_name(SOURCE, "uSER1"),
        index.by_address("A@X.example"),
        index.by_address("b@y.example"),
        index.mailbox("a@X.example"),
    ] {
        assert_eq!(mailbox(found), Some("a@x.example"));
    }
    for nobody in [
        index.account(id(2)),
        index.by_subject(SOURCE, "SUB-1"),
        index.by_subject(SourceId(2), "sub-1"),
        index.by_name(SourceId(2), "user1"),
        index.by_address("a@y.example"),
        index.by_address(""),
        index.mailbox("b@y.example"),
    ] {
        assert!(nobody.is_none());
    }
    assert_eq!(index.aliases("b@y.example"), ["a@x.example"]);
    assert!(index.aliases("a@x.example").is_empty());
    assert_eq!(index.may_send_as("B@y.example"), ["a@x.example"]);
    assert!(index.domain("X.EXAMPLE") && !index.domain("example"));
}

#[test]
fn a_newer_state_replaces_an_older_one_and_never_the_other_way_round() {
    let old = put(account(1, 1, &["a@x.example", "b@x.example"]));
    let new = put(account(1, 2, &["c@y.example"]));
    for changes in [[old.clone(), new.clone()], [new.clone(), old]] {
        let mut index = index(&changes);
        index.apply(&new);
        assert_eq!(index.len(), 1);
        assert!(index.by_address("a@x.example").is_none());
        assert!(!index.domain("x.example"));
        assert_eq!(
            mailbox(index.by_subject(SOURCE, "sub-1")),
            Some("c@y.example")
        );
        assert_eq!(index.sequence(), 2);
    }
}

#[test]
fn who_is_deleted_is_found_by_nothing_and_the_address_may_be_another_s() {
    let mut gone = account(1, 2, &["a@x.example"]);
    gone.life.deleted = Some(Timestamp::from_millis(1));
    let index = index(&[
        put(account(1, 1, &["a@x.example"])),
        put(gone),
        put(account(2, 3, &["a@x.example"])),
    ]);
    assert!(index.account(id(1)).is_none() && index.by_name(SOURCE, "user1").is_none());
    assert_eq!(index.by_address("a@x.example").map(Entry::id), Some(id(2)));
    assert_eq!(index.len(), 1);
}

#[test]
fn who_is_not_active_gets_mail_unless_it_is_refused() {
    let mut away = account(1, 1, &["a@x.example", "b@x.example"]);
    away.active = false;
    let mut routes = Routes::new();
    routes.refuses_inactive = true;
    let mut strict = Index::new(routes);
    strict.apply(&put(away.clone()));
    let lenient = index(&[put(away)]);
    assert!(
        lenient
            .mailbox("a@x.example")
            .is_some_and(|entry| !entry.is_active())
    );
    assert_eq!(lenient.aliases("b@x.example"), ["a@x.example"]);
    assert!(strict.mailbox("a@x.example").is_none() && strict.aliases("b@x.example").is_empty());
    // The account is known all the same: a login of it is refused, not one of a stranger.
    assert!(strict.by_address("a@x.example").is_some());
    assert!(lenient.may_send_as("a@x.example").is_empty());
}

#[test]
fn a_listing_goes_on_where_it_was() {
    let changes: Vec<_> = (1..=9_u128)
        .map(|n| {
            put(account(
                n,
                u64::try_from(n).unwrap(),
                &[&format!("u{n}@x.example")],
            ))
        })
        .collect();
    let mut index = index(&changes);
    let names = |index: &Index, mask: &str, from: Cursor| -> Vec<String> {
        let found = index.matching(mask, from);
        found
            .filter_map(|(_, entry)| Some(entry.mailbox()?.to_owned()))
            .collect()
    };
    assert_eq!(names(&index, "*", Cursor::default()).len(), 9);
    assert_eq!(names(&index, "U?@X.*", Cursor::default()).len(), 9);
    assert_eq!(
        names(&index, "u3@x.example", Cursor::default()),
        ["u3@x.example"]
    );
    assert!(names(&index, "", Cursor::default()).is_empty());
    let (cursor, _) = index.matching("*", Cursor::default()).nth(4).unwrap();
    let mut gone = account(2, 20, &[]);
    gone.life.deleted = Some(Timestamp::from_millis(1));
    index.apply(&put(gone));
    index.apply(&put(account(4, 21, &["renamed@x.example"])));
    let rest = [
        "u6@x.example",
        "u7@x.example",
        "u8@x.example",
        "u9@x.example",
    ];
    assert_eq!(names(&index, "*", cursor)[..], rest);
}

#[test]
fn groups_contain_groups_and_circles_end() {
    let mut index = index(&[
        put(account(1, 1, &["a@x.example"])),
        put(account(2, 2, &["b@x.example"])),
        group(10, "Outer", 3),
        group(11, "Inner", 4),
        members(10, &[1, 11], &[]),
        members(11, &[2, 10], &[]),
    ]);
    assert_eq!(index.groups_of(id(2)), ["Inner", "Outer"]);
    assert_eq!(index.groups_of(id(1)), ["Inner", "Outer"]);
    index.apply(&members(10, &[], &[11]));
    assert_eq!(index.groups_of(id(2)), ["Inner"]);
    // What came already, or went already, changes nothing.
    index.apply(&members(10, &[1], &[11, 2]));
    assert_eq!(index.groups_of(id(1)), ["Inner", "Outer"]);
    let Event::Put(Resource::Group(mut outer)) = group(10, "Outer", 30).event else {
        panic!("a group")
    };
    outer.life.deleted = Some(Timestamp::from_millis(1));
    let event = Event::Put(Resource::Group(outer));
    index.apply(&Change {
        sequence: 31,
        event,
    });
    assert!(index.groups_of(id(1)).is_empty());
    assert_eq!(index.groups_of(id(2)), ["Inner"]);
}
