//! What an index is filled by and kept current by.

use gatepost_accounts::id::Id;
use gatepost_accounts::index::{Cursor, Index};
use gatepost_accounts::model::Change;
use gatepost_accounts::scim::Effect;
use gatepost_store::{Store, Untold, run};

use crate::both::{Keeps, Kept, Numbers, SOURCES, deleted, group, id, user};

/// Everything that an index can be asked for.
fn state(index: &Index, ids: &[Id]) -> Vec<String> {
    let listed = index.matching("*", Cursor::default());
    let mut state: Vec<_> = listed.map(|(_, entry)| format!("{entry:?}")).collect();
    state.sort();
    state.extend(ids.iter().map(|id| format!("{:?}", index.groups_of(*id))));
    state.push(index.len().to_string());
    state
}

fn filled(changes: &[Change]) -> Index {
    let mut index = Index::default();
    for change in changes {
        index.apply(change);
    }
    index
}

/// A few changes that are drawn at random.
fn change(kept: &mut Kept, numbers: &mut Numbers) {
    let drawn = [(); 6].map(|()| numbers.below(10) as u64);
    let [who, which, op, a, b, c] = drawn;
    let done = kept.work(move |store| {
        let source = SOURCES[0];
        let is_known = |store: &mut dyn gatepost_accounts::store::Transaction, number| {
            store.unknown(source, &[id(number)]).unwrap().is_empty()
        };
        let (person, team) = (who, 100 + which % 4);
        match op {
            0..=2 if !is_known(store, person) => _ = store.insert(&user(person, source)).unwrap(),
            3 if is_known(store, person) => {
                _ = store.update(&deleted(user(person, source))).unwrap();
            }
            4 if is_known(store, person) => _ = store.update(&user(person, source)).unwrap(),
            5 if is_known(store, team) => _ = store.update(&deleted(group(team, source))).unwrap(),
            _ if !is_known(store, team) => _ = store.insert(&group(team, source)).unwrap(),
            _ => {
                let mut living = [a, b, c].to_vec();
                living.retain(|number| is_known(store, *number));
                let ids: Vec<_> = living.into_iter().map(id).collect();
                let (added, removed) = ids.split_at(ids.len() / 2);
                store.edit_members(id(team), added, removed).unwrap();
            }
        }
        (Effect::Commit, ())
    });
    done.unwrap();
}

#[test]
fn changes_as_they_come_and_a_load_and_what_is_told_later_fill_the_same_index() {
    let ids: Vec<_> = (0..10).chain(100..104).map(id).collect();
    for round in 1..=8 {
        let mut numbers = Numbers(round * 104_729);
        let mut kept = Kept::new();
        let mut earlier = vec![(0, Index::default())];
        for at in 0..120 {
            change(&mut kept, &mut numbers);
            if at % 10 == 0 {
                let mut index = Index::default();
                let sequence = kept.store().load(&mut |change| index.apply(&change));
                earlier.push((sequence.unwrap(), index));
            }
        }
        let expected = filled(&kept.heard.changes());
        let loaded = filled(&kept.loaded());
        assert_eq!(
            state(&loaded, &ids),
            state(&expected, &ids),
            "round {round}"
        );
        assert_eq!(state(&kept.heard.index(), &ids), state(&expected, &ids));
        assert_eq!(loaded.sequence(), expected.sequence());
        kept.reopen();
        assert_eq!(state(&kept.heard.index(), &ids), state(&expected, &ids));
        for (sequence, mut index) in earlier {
            let told = kept
                .store()
                .after(sequence, &mut |change| index.apply(&change));
            assert_eq!(told, Ok(expected.sequence()));
            assert_eq!(
                state(&index, &ids),
                state(&expected, &ids),
                "round {round}, after {sequence}"
            );
        }
    }
}

#[test]
fn every_change_is_numbered_one_after_the_other() {
    let mut kept = Kept::new();
    let mut numbers = Numbers(5);
    for _ in 0..100 {
        change(&mut kept, &mut numbers);
    }
    let heard = kept.heard.changes();
    let numbers: Vec<_> = heard.iter().map(|change| change.sequence).collect();
    assert_eq!(numbers, (1..=heard.len() as u64).collect::<Vec<_>>());
}

#[test]
fn nothing_is_told_of_numbers_that_never_were() {
    let kept = Kept::new();
    let mut told = 0;
    assert_eq!(kept.store().after(0, &mut |_| told += 1), Ok(0));
    assert_eq!(
        kept.store().after(1, &mut |_| told += 1),
        Err(Untold::Forgotten)
    );
    assert_eq!(told, 0);
}

#[test]
fn what_another_process_changes_is_heard_before_what_comes_next() {
    let kept = Kept::new();
    let command = kept.command();
    let inserted = |number| {
        move |session: &mut dyn gatepost_store::Session| {
            let written = session.insert(&user(number, SOURCES[0])).unwrap();
            (Effect::Commit, written.version)
        }
    };
    assert_eq!(run(kept.store(), inserted(1)), Ok(1));
    assert_eq!(run(&command, inserted(2)), Ok(2));
    assert_eq!(run(&command, inserted(3)), Ok(3));
    assert_eq!(run(kept.store(), inserted(4)), Ok(4));
    let numbers: Vec<_> = kept
        .heard
        .changes()
        .iter()
        .map(|change| change.sequence)
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    // The same without a job of the server's own: it looks by itself.
    assert_eq!(run(&command, inserted(5)), Ok(5));
    while kept.heard.changes().len() < 5 {
        std::thread::yield_now();
    }
    assert_eq!(kept.heard.reloads(), 1, "when it was opened");
}

#[test]
fn changes_of_members_are_forgotten_where_they_would_take_too_much() {
    let kept = Kept::new();
    let many = 100_000;
    run(kept.store(), move |session| {
        session.insert(&group(u64::MAX - 1, SOURCES[0])).unwrap();
        (Effect::Commit, ())
    })
    .unwrap();
    // Rows that only the log has: what is measured is how much it keeps.
    let connection = rusqlite::Connection::open(kept.path()).unwrap();
    let group = id(u64::MAX - 1);
    let insert = "INSERT INTO member_changes (sequence, group_id, added, removed) VALUES (?1, ?2, zeroblob(?3), x'')";
    for sequence in 2..=60 {
        let row = rusqlite::params![sequence, group.as_bytes(), many * 16];
        connection.execute(insert, row).unwrap();
    }
    connection
        .execute("UPDATE state SET sequence = 60", ())
        .unwrap();
    drop(connection);
    let mut kept = kept;
    kept.reopen();
    let mut added = 0;
    run(kept.store(), |session| {
        session.insert(&user(1, SOURCES[0])).unwrap();
        session
            .edit_members(id(u64::MAX - 1), &[id(1)], &[])
            .unwrap();
        (Effect::Commit, ())
    })
    .unwrap();
    // 59 changes of 1.6 MB are more than 64 MiB; 20 of them are less than half of that, 21 more.
    let forgotten = kept.store().after(10, &mut |_| ());
    assert_eq!(forgotten, Err(Untold::Forgotten));
    let mut numbers = Vec::new();
    assert_eq!(
        kept.store()
            .after(50, &mut |change| numbers.push(change.sequence)),
        Ok(62)
    );
    assert_eq!(numbers.len(), 12);
    kept.store().load(&mut |_| added += 1).unwrap();
    assert_eq!(added, 3, "a group, a user and a membership");
}
