//! A database that goes away, and comes back.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use gatepost_accounts::model::Kind;
use gatepost_accounts::scim::Effect;
use gatepost_accounts::store::Unavailable;
use gatepost_store::{Settings, Sqlite, State, Store, Trouble, run};

use crate::both::{Kept, SOURCES, user};

fn insert(kept: &Kept, number: u64) -> Result<u64, Unavailable> {
    run(kept.store(), move |session| {
        let written = session.insert(&user(number, SOURCES[0]));
        (Effect::Commit, written.map(|written| written.version))
    })?
}

fn count(kept: &Kept) -> Result<u64, Unavailable> {
    run(kept.store(), |session| {
        (Effect::Nothing, session.count(Kind::Account, SOURCES[0]))
    })?
}

fn why(kept: &Kept) -> Option<Trouble> {
    match kept.store().state() {
        State::Available => None,
        State::Away { why, .. } => Some(why),
    }
}

/// Asks until there is an answer.
fn until_it_is_back(kept: &Kept) -> u64 {
    loop {
        if let Ok(count) = count(kept) {
            return count;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_full_disk_refuses_writers_until_there_is_room() {
    let kept = Kept::with(Settings {
        max_bytes: 300 << 10,
        retry: Duration::from_hours(1),
        ..Settings::default()
    });
    kept.add_sources();
    let number = (0..1_000)
        .take_while(|number| insert(&kept, *number).is_ok())
        .count() as u64;
    assert!((10..1_000).contains(&number), "{number}");
    assert_eq!(why(&kept), Some(Trouble::Full));
    assert_eq!(count(&kept), Ok(number), "whoever reads is answered");
    assert_eq!(why(&kept), Some(Trouble::Full));
    assert_eq!(
        kept.heard.changes().len() as u64,
        number,
        "what is not kept is not heard of"
    );
    // One that needs no room: a user loses an address.
    let updated = run(kept.store(), |session| {
        let mut all = session.after(Kind::Account, SOURCES[0], 0, 1).unwrap();
        let mut first = all.remove(0);
        first.document = "{}".to_owned();
        (
            Effect::Commit,
            session.update(&first).map(|written| written.version),
        )
    });
    assert_eq!(updated, Ok(Ok(number + 1)));
    assert_eq!(why(&kept), None);
}

#[test]
fn a_database_that_is_damaged_refuses_everybody_until_it_is_put_back() {
    let mut kept = Kept::new();
    for number in 0..200 {
        insert(&kept, number).unwrap();
    }
    // Everything is in the database, and nothing of it in memory.
    kept.store = None;
    let good = fs::read(kept.path()).unwrap();
    let settings = Settings {
        retry: Duration::ZERO,
        ..Settings::default()
    };
    kept.store = Some(Sqlite::open(&kept.path(), settings, kept.heard.clone()).unwrap());
    let file = OpenOptions::new().write(true).open(kept.path()).unwrap();
    file.write_all_at(&vec![0xaa; good.len() - 4_096], 4_096)
        .unwrap();
    assert_eq!(count(&kept), Err(Unavailable));
    assert_eq!(why(&kept), Some(Trouble::Damaged));
    let State::Away { since, .. } = kept.store().state() else {
        panic!("it is away");
    };
    assert_eq!(insert(&kept, 1_000), Err(Unavailable));
    let away = State::Away {
        since,
        why: Trouble::Damaged,
    };
    assert_eq!(kept.store().state(), away, "it is told since when");
    assert_eq!(
        kept.heard.troubles(),
        [Trouble::Damaged],
        "an operator is told once"
    );
    fs::write(kept.path(), &good).unwrap();
    assert_eq!(until_it_is_back(&kept), 200);
    assert_eq!(why(&kept), None);
    assert_eq!(insert(&kept, 1_000), Ok(201));
    assert_eq!(kept.heard.reloads(), 2, "when it was opened");
}

#[test]
fn a_file_that_is_taken_away_is_missed_and_no_other_is_taken_for_it() {
    let mut kept = Kept::new();
    kept.store = None;
    let backup = fs::read(kept.path()).unwrap();
    let settings = Settings {
        retry: Duration::ZERO,
        ..Settings::default()
    };
    kept.store = Some(Sqlite::open(&kept.path(), settings, kept.heard.clone()).unwrap());
    insert(&kept, 1).unwrap();
    let aside = kept.directory.path().join("aside");
    fs::rename(kept.path(), &aside).unwrap();
    assert_eq!(insert(&kept, 2), Err(Unavailable));
    assert_eq!(why(&kept), Some(Trouble::Missing));
    fs::write(kept.path(), backup).unwrap();
    assert_eq!(insert(&kept, 2), Err(Unavailable));
    assert_eq!(why(&kept), Some(Trouble::Moved));
    fs::rename(&aside, kept.path()).unwrap();
    assert_eq!(until_it_is_back(&kept), 1);
    assert_eq!(insert(&kept, 2), Ok(2));
    assert_eq!(why(&kept), None);
    assert_eq!(kept.heard.reloads(), 2, "when it was opened");
}

#[test]
fn what_another_process_did_and_cannot_be_told_is_loaded() {
    let kept = Kept::new();
    insert(&kept, 1).unwrap();
    let other = rusqlite::Connection::open(kept.path()).unwrap();
    other
        .execute("UPDATE state SET sequence = 60, forgotten = 50", ())
        .unwrap();
    assert_eq!(insert(&kept, 2), Ok(61));
    assert_eq!(kept.heard.reloads(), 2);
    other
        .execute("UPDATE state SET sequence = 7, forgotten = 0", ())
        .unwrap();
    assert_eq!(insert(&kept, 3), Ok(8));
    assert_eq!(kept.heard.reloads(), 3);
    assert_eq!(kept.heard.index().len(), 3);
    let numbers: Vec<_> = kept
        .heard
        .changes()
        .iter()
        .map(|change| change.sequence)
        .collect();
    assert_eq!(numbers, [1, 61, 8]);
}

#[test]
fn a_database_that_another_holds_is_busy_and_nothing_is_lost() {
    let kept = Kept::new();
    insert(&kept, 1).unwrap();
    let holder = rusqlite::Connection::open(kept.path()).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(insert(&kept, 2), Err(Unavailable));
    assert_eq!(why(&kept), Some(Trouble::Busy));
    holder.execute_batch("ROLLBACK").unwrap();
    assert_eq!(insert(&kept, 2), Ok(2));
    assert_eq!(why(&kept), None);
}

/// A server waits two seconds, and a command longer: a server that takes many changes holds it.
#[test]
fn a_command_waits_longer_than_a_server() {
    let kept = Kept::new();
    let command = kept.command();
    let holder = rusqlite::Connection::open(kept.path()).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            run(&command, |session| {
                let written = session.insert(&user(1, SOURCES[0]));
                (Effect::Commit, written.map(|written| written.version))
            })
        });
        assert_eq!(insert(&kept, 2), Err(Unavailable));
        holder.execute_batch("ROLLBACK").unwrap();
        assert_eq!(waiting.join().unwrap(), Ok(Ok(1)));
    });
}

#[test]
fn a_store_whose_thread_ended_says_so() {
    struct Failing;
    impl gatepost_store::Feed for Failing {
        fn changes(&mut self, _: &[gatepost_accounts::model::Change]) {
            panic!("this feed was to panic");
        }
        fn reload(&mut self, _: &gatepost_store::Load<'_>) -> Result<(), Trouble> {
            Ok(())
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("accounts.db");
    let store = Sqlite::open(&path, Settings::default(), Failing).unwrap();
    let inserted = run(&store, |session| {
        let source = session.add_source("one", crate::both::now()).unwrap();
        session.insert(&user(1, source)).unwrap();
        (Effect::Commit, ())
    });
    assert_eq!(inserted, Err(Unavailable), "nobody waits for ever");
    let again = run(&store, |_| (Effect::Nothing, ()));
    assert_eq!(again, Err(Unavailable));
    while store.state() == State::Available {
        std::thread::yield_now();
    }
    let State::Away { why, .. } = store.state() else {
        panic!("it is away");
    };
    assert_eq!(why, Trouble::Stopped);
}
