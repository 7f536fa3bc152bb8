//! What the trait says, of a store in memory and of SQLite.

use gatepost_accounts::memory::Memory;
use gatepost_accounts::model::{Kind, Resource, SourceId};
use gatepost_accounts::name::Address;
use gatepost_accounts::scim::Effect;
use gatepost_accounts::store::{Key, Member, Owner, Record, Transaction};

use crate::both::{Keeps, Kept, SOURCES, deleted, group, id, user};

const ONE: SourceId = SOURCES[0];
const TWO: SourceId = SOURCES[1];

/// Does work over both kinds of store, from nothing each time.
#[track_caller]
fn on_both(work: fn(&mut dyn Transaction)) {
    let run = move |transaction: &mut dyn Transaction| {
        work(transaction);
        (Effect::Commit, ())
    };
    Memory::new().work(run).unwrap();
    Kept::new().work(run).expect("the assertions above hold");
}

fn names(records: &[Record]) -> Vec<&str> {
    records
        .iter()
        .map(|record| record.resource.name())
        .collect()
}

#[test]
fn a_record_is_found_by_everything_it_has_and_by_its_own_source_alone() {
    on_both(|store| {
        let record = user(1, ONE);
        let written = store.insert(&record).unwrap();
        let mut kept = record.clone();
        kept.resource.life_mut().version = written.version;
        kept.resource.life_mut().position = written.version;
        for key in [
            Key::Id(id(1)),
            Key::Name("user1@example.org"),
            Key::ExternalId("ext-1"),
            Key::Subject("sub-1"),
            Key::Email("u1@example.net"),
        ] {
            let found = store.find(Kind::Account, ONE, key, 9).unwrap();
            assert_eq!(found, std::slice::from_ref(&kept), "{key:?}");
            assert!(store.find(Kind::Account, TWO, key, 9).unwrap().is_empty());
            assert!(store.find(Kind::Group, ONE, key, 9).unwrap().is_empty());
            assert!(store.find(Kind::Account, ONE, key, 0).unwrap().is_empty());
        }
        for key in [
            Key::Name("User1@example.org"),
            Key::ExternalId("EXT-1"),
            Key::Subject("SUB-1"),
        ] {
            assert!(store.find(Kind::Account, ONE, key, 9).unwrap().is_empty());
        }
        let owner = Owner {
            account: id(1),
            source: ONE,
        };
        for address in ["user1@example.org", "u1@example.net"] {
            assert_eq!(store.owner(address), Ok(Some(owner)));
        }
        assert_eq!(store.owner("u2@example.net"), Ok(None));
        let mut asked = Vec::new();
        let found = store.prefixed("u", &mut |address, _| {
            asked.push(address.to_owned());
            address.starts_with("user")
        });
        assert_eq!(found, Ok(Some(("user1@example.org".to_owned(), owner))));
        assert_eq!(asked, ["u1@example.net", "user1@example.org"]);
        for prefix in ["u2", "user1@example.org ", "v", ""] {
            let found = store.prefixed(prefix, &mut |_, owner| owner.source != ONE);
            assert_eq!(found, Ok(None), "{prefix:?}");
        }
    });
}

#[test]
fn lists_are_in_the_order_of_positions_and_can_go_on_anywhere() {
    on_both(|store| {
        for number in [5, 3, 9, 1, 7] {
            store.insert(&user(number, ONE)).unwrap();
            store.insert(&user(number + 10, TWO)).unwrap();
            store.insert(&group(number + 20, ONE)).unwrap();
        }
        let first = store.after(Kind::Account, ONE, 0, 1).unwrap().remove(0);
        store.update(&first).unwrap();
        store.update(&deleted(user(3, ONE))).unwrap();
        let all = store.after(Kind::Account, ONE, 0, 99).unwrap();
        let expected = [
            "User5@example.org",
            "User9@example.org",
            "User1@example.org",
            "User7@example.org",
        ];
        assert_eq!(names(&all), expected);
        assert_eq!(store.count(Kind::Account, ONE), Ok(4));
        assert_eq!(store.count(Kind::Group, TWO), Ok(0));
        for offset in 0..=5 {
            for limit in 0..=5 {
                let page = store
                    .page(Kind::Account, ONE, offset as u64, limit)
                    .unwrap();
                let wanted = all.iter().skip(offset).take(limit);
                assert!(page.iter().eq(wanted), "{offset}, {limit}");
            }
        }
        let second = all[1].resource.life().position;
        let rest = store.after(Kind::Account, ONE, second, 1).unwrap();
        assert_eq!(rest, [all[2].clone()]);
        let none = store.page(Kind::Account, ONE, u64::MAX, 9).unwrap();
        assert!(none.is_empty());
    });
}

#[test]
fn who_is_deleted_is_seen_by_no_one_and_returns_at_the_end() {
    on_both(|store| {
        store.insert(&user(1, ONE)).unwrap();
        store.insert(&user(2, ONE)).unwrap();
        assert_eq!(store.returned(Kind::Account, ONE, "ext-1"), Ok(None));
        store.update(&deleted(user(1, ONE))).unwrap();
        for key in [
            Key::Id(id(1)),
            Key::Name("user1@example.org"),
            Key::ExternalId("ext-1"),
        ] {
            assert!(store.find(Kind::Account, ONE, key, 9).unwrap().is_empty());
        }
        assert_eq!(store.owner("user1@example.org"), Ok(None));
        let former = store.former_owner("user1@example.org").unwrap();
        assert_eq!(former.map(|owner| owner.account), Some(id(1)));
        assert_eq!(store.unknown(ONE, &[id(1), id(2)]), Ok(vec![id(1)]));
        let returned = store.returned(Kind::Account, ONE, "ext-1").unwrap();
        assert_eq!(returned.map(|one| one.resource.id()), Some(id(1)));
        assert_eq!(store.returned(Kind::Account, TWO, "ext-1"), Ok(None));
        assert_eq!(store.returned(Kind::Group, ONE, "ext-1"), Ok(None));

        store.insert(&user(1, ONE)).unwrap();
        assert_eq!(store.returned(Kind::Account, ONE, "ext-1"), Ok(None));
        let all = store.after(Kind::Account, ONE, 0, 9).unwrap();
        assert_eq!(names(&all), ["User2@example.org", "User1@example.org"]);
    });
}

#[test]
fn of_several_that_were_deleted_the_last_returns() {
    on_both(|store| {
        for number in [1, 2, 3] {
            let mut record = user(number, ONE);
            if let Resource::Account(account) = &mut record.resource {
                account.external_id = Some("same".to_owned());
            }
            store.insert(&record).unwrap();
            store.update(&deleted(record)).unwrap();
        }
        let returned = store.returned(Kind::Account, ONE, "same").unwrap();
        assert_eq!(returned.map(|one| one.resource.id()), Some(id(3)));
    });
}

#[test]
fn an_address_that_is_given_up_is_free_and_remembered() {
    on_both(|store| {
        store.insert(&user(1, ONE)).unwrap();
        let mut without = user(1, ONE);
        if let Resource::Account(account) = &mut without.resource {
            account.aliases.clear();
        }
        store.update(&without).unwrap();
        assert_eq!(store.owner("u1@example.net"), Ok(None));
        let former = store.former_owner("u1@example.net").unwrap();
        assert_eq!(former.map(|owner| owner.account), Some(id(1)));
        let mut heir = user(2, TWO);
        if let Resource::Account(account) = &mut heir.resource {
            account.aliases = vec![Address::parse("u1@example.net").unwrap()];
        }
        store.insert(&heir).unwrap();
        let owner = store.owner("u1@example.net").unwrap();
        assert_eq!(
            owner.map(|owner| (owner.account, owner.source)),
            Some((id(2), TWO))
        );
    });
}

#[test]
fn members_are_edited_read_in_pieces_and_replaced() {
    on_both(|store| {
        store.insert(&group(100, ONE)).unwrap();
        store.insert(&group(101, ONE)).unwrap();
        let mut members: Vec<_> = (0..9).map(id).collect();
        for number in 0..9 {
            store.insert(&user(number, ONE)).unwrap();
        }
        let group = id(100);
        assert_eq!(store.edit_members(group, &members, &[]), Ok(9));
        assert_eq!(store.edit_members(group, &members, &[]), Ok(0));
        assert_eq!(
            store.edit_members(group, &members[..1], &members[1..2]),
            Ok(1)
        );
        store.edit_members(group, &[id(101)], &[]).unwrap();
        members.remove(1);
        members.push(id(101));
        members.sort_unstable();
        let mut read = Vec::new();
        loop {
            let piece = store
                .members(group, read.last().map(|one: &Member| one.id), 4)
                .unwrap();
            if piece.is_empty() {
                break;
            }
            assert!(piece.len() <= 4);
            read.extend(piece);
        }
        let ids: Vec<_> = read.iter().map(|member| member.id).collect();
        assert_eq!(ids, members);
        let groups = read.iter().filter(|member| member.kind == Kind::Group);
        assert_eq!(
            groups.map(|member| member.id).collect::<Vec<_>>(),
            [id(101)]
        );

        assert_eq!(
            store.groups_of(id(0), 9),
            Ok(vec![(group, "Group 100".to_owned())])
        );
        assert_eq!(store.groups_of(id(0), 0), Ok(vec![]));
        let with = store
            .find(Kind::Group, ONE, Key::Member(id(101)), 9)
            .unwrap();
        assert_eq!(names(&with), ["Group 100"]);
        assert!(
            store
                .find(Kind::Group, TWO, Key::Member(id(101)), 9)
                .unwrap()
                .is_empty()
        );

        assert_eq!(store.replace_members(group, &[id(1), id(2)]), Ok(9));
        assert_eq!(store.replace_members(group, &[id(1), id(2)]), Ok(0));
        assert_eq!(store.replace_members(group, &[]), Ok(2));
        assert_eq!(store.members(group, None, 9), Ok(vec![]));
    });
}

#[test]
fn who_is_deleted_leaves_groups_which_change() {
    on_both(|store| {
        store.insert(&user(1, ONE)).unwrap();
        for number in [100, 101, 102] {
            store.insert(&group(number, ONE)).unwrap();
            store.edit_members(id(number), &[id(1)], &[]).unwrap();
        }
        let before = store.find(Kind::Group, ONE, Key::Id(id(100)), 1).unwrap();
        store.update(&deleted(user(1, ONE))).unwrap();
        let after = store.find(Kind::Group, ONE, Key::Id(id(100)), 1).unwrap();
        assert!(after[0].resource.life().version > before[0].resource.life().version);
        assert_eq!(
            after[0].resource.life().position,
            before[0].resource.life().position
        );
        for number in [100, 101, 102] {
            assert_eq!(store.members(id(number), None, 9), Ok(vec![]));
        }
        store.insert(&user(1, ONE)).unwrap();
        assert_eq!(
            store.groups_of(id(1), 9),
            Ok(vec![]),
            "nobody returns into a group"
        );

        store.edit_members(id(100), &[id(1), id(101)], &[]).unwrap();
        store.update(&deleted(group(100, ONE))).unwrap();
        assert_eq!(store.groups_of(id(1), 9), Ok(vec![]));
        store.insert(&group(100, ONE)).unwrap();
        assert_eq!(store.members(id(100), None, 9), Ok(vec![]));
    });
}

#[test]
fn who_returns_takes_no_address_from_whoever_has_it_now() {
    on_both(|store| {
        store.insert(&user(1, ONE)).unwrap();
        store.update(&deleted(user(1, ONE))).unwrap();
        let alias = Address::parse("u1@example.net").unwrap();
        let (mut heir, mut returned) = (user(2, TWO), user(1, ONE));
        if let Resource::Account(account) = &mut heir.resource {
            account.aliases = vec![alias];
        }
        if let Resource::Account(account) = &mut returned.resource {
            account.aliases.clear();
        }
        store.insert(&heir).unwrap();
        store.insert(&returned).unwrap();
        let owner = store.owner("u1@example.net").unwrap();
        assert_eq!(owner.map(|owner| owner.account), Some(id(2)));
    });
}
