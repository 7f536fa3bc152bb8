//! Many jobs share a commit; each is kept or undone alone, and none is told before it is kept.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

use gatepost_accounts::model::{Change, Kind};
use gatepost_accounts::scim::Effect;
use gatepost_accounts::store::{Key, Unavailable};
use gatepost_store::{Feed, Load, Session, Settings, State, Store, Trouble, job, run};

use crate::both::{Kept, SOURCES, deleted, group, id, user};

/// A job that holds the thread until it is let go.
fn hold(kept: &Kept) -> Sender<()> {
    let (go, wait) = mpsc::channel::<()>();
    let (begun, has_begun) = mpsc::channel();
    let work = move |_: &mut dyn Session| {
        begun.send(()).unwrap();
        wait.recv().unwrap();
        (Effect::Nothing, ())
    };
    kept.store().submit(job(work, |_| ()));
    has_begun.recv().unwrap();
    go
}

/// Submits a job that inserts a user, and has that effect.
fn insert(kept: &Kept, number: u64, effect: Effect) -> Receiver<Result<u64, Unavailable>> {
    let (sender, receiver) = mpsc::channel();
    let work = move |session: &mut dyn Session| {
        let written = session.insert(&user(number, SOURCES[0])).unwrap();
        (effect, written.version)
    };
    kept.store()
        .submit(job(work, move |result| sender.send(result).unwrap()));
    receiver
}

fn count(kept: &Kept) -> u64 {
    run(kept.store(), |session| {
        (
            Effect::Nothing,
            session.count(Kind::Account, SOURCES[0]).unwrap(),
        )
    })
    .unwrap()
}

#[test]
fn each_job_of_a_commit_is_kept_or_undone_alone() {
    let mut kept = Kept::new();
    let go = hold(&kept);
    let effects = [
        Effect::Commit,
        Effect::RollBack,
        Effect::Commit,
        Effect::Nothing,
        Effect::Commit,
    ];
    let results: Vec<_> = (0..)
        .zip(effects)
        .map(|(number, effect)| insert(&kept, number, effect))
        .collect();
    go.send(()).unwrap();
    // What is undone leaves no gap in the numbers.
    let versions: Vec<_> = results.iter().map(|one| one.recv().unwrap()).collect();
    assert_eq!(versions, [Ok(1), Ok(2), Ok(2), Ok(3), Ok(3)]);
    kept.reopen();
    assert_eq!(count(&kept), 3);
    let found = run(kept.store(), |session| {
        let undone = session
            .find(Kind::Account, SOURCES[0], Key::Id(id(1)), 1)
            .unwrap();
        let owner = session.owner("u1@example.net").unwrap();
        let former = session.former_owner("u1@example.net").unwrap();
        (Effect::Nothing, (undone.len(), owner, former))
    });
    assert_eq!(found, Ok((0, None, None)));
}

#[test]
fn what_only_one_may_have_is_refused_to_one_job_alone() {
    let kept = Kept::new();
    let go = hold(&kept);
    let first = insert(&kept, 1, Effect::Commit);
    let (sender, second) = mpsc::channel();
    let work = |session: &mut dyn Session| {
        session.insert(&group(100, SOURCES[1])).unwrap();
        // The same addresses, and whoever does not look at that cannot keep it.
        let mut other = user(1, SOURCES[1]);
        if let gatepost_accounts::model::Resource::Account(account) = &mut other.resource {
            account.id = id(2);
        }
        assert_eq!(session.insert(&other), Err(Unavailable));
        (Effect::Commit, ())
    };
    kept.store()
        .submit(job(work, move |result| sender.send(result).unwrap()));
    let third = insert(&kept, 3, Effect::Commit);
    go.send(()).unwrap();
    assert_eq!(first.recv().unwrap(), Ok(1));
    assert_eq!(second.recv().unwrap(), Err(Unavailable));
    assert_eq!(third.recv().unwrap(), Ok(2));
    assert_eq!(kept.heard.changes().len(), 2);
    assert!(matches!(kept.heard.troubles()[..], [Trouble::Refused(_)]));
    assert_eq!(
        kept.store().state(),
        State::Available,
        "one request's fault is nobody else's"
    );
}

#[test]
fn a_job_that_panics_is_undone_and_the_others_are_kept() {
    let kept = Kept::new();
    let go = hold(&kept);
    let first = insert(&kept, 1, Effect::Commit);
    let (sender, second) = mpsc::channel();
    let work = |session: &mut dyn Session| -> (Effect, ()) {
        session.insert(&user(2, SOURCES[0])).unwrap();
        panic!("this job was to panic");
    };
    kept.store()
        .submit(job(work, move |result| sender.send(result).unwrap()));
    let third = insert(&kept, 3, Effect::Commit);
    go.send(()).unwrap();
    assert_eq!(first.recv().unwrap(), Ok(1));
    assert_eq!(second.recv().unwrap(), Err(Unavailable));
    assert_eq!(third.recv().unwrap(), Ok(2));
    assert_eq!(count(&kept), 2);
}

#[test]
fn one_job_more_than_may_wait_is_refused_at_once() {
    let kept = Kept::with(Settings {
        queue: 2,
        ..Settings::default()
    });
    kept.add_sources();
    let go = hold(&kept);
    let [first, second, third] = [1, 2, 3].map(|number| insert(&kept, number, Effect::Commit));
    assert_eq!(
        third.try_recv(),
        Ok(Err(Unavailable)),
        "nobody waits for the thread"
    );
    go.send(()).unwrap();
    assert_eq!(first.recv().unwrap(), Ok(1));
    assert_eq!(second.recv().unwrap(), Ok(2));
    assert_eq!(count(&kept), 2);
    assert_eq!(kept.store().state(), State::Available);
}

/// Notes what it hears among what else happens.
struct Noting(Arc<Mutex<Vec<String>>>);

impl Feed for Noting {
    fn changes(&mut self, changes: &[Change]) {
        let numbers = changes
            .iter()
            .map(|change| format!("heard {}", change.sequence));
        self.0.lock().unwrap().extend(numbers);
    }

    fn reload(&mut self, _: &Load<'_>) -> Result<(), Trouble> {
        self.0.lock().unwrap().push("reloaded".to_owned());
        Ok(())
    }
}

#[test]
fn changes_are_heard_in_order_before_anybody_is_told_that_they_are_kept() {
    let kept = Kept::new();
    let path = kept.directory.path().join("other.db");
    let notes = Arc::new(Mutex::new(Vec::new()));
    let store =
        gatepost_store::Sqlite::open(&path, Settings::default(), Noting(Arc::clone(&notes)))
            .unwrap();
    let added = run(&store, |session| {
        (
            Effect::Commit,
            session.add_source("one", crate::both::now()).unwrap(),
        )
    });
    assert_eq!(added, Ok(SOURCES[0]));
    let (go, wait) = mpsc::channel::<()>();
    store.submit(job(
        move |_| (Effect::Nothing, wait.recv().unwrap()),
        |_| (),
    ));
    for number in 1..=3 {
        let told = Arc::clone(&notes);
        store.submit(job(
            move |session| {
                (
                    Effect::Commit,
                    session.insert(&user(number, SOURCES[0])).unwrap(),
                )
            },
            move |written| {
                told.lock()
                    .unwrap()
                    .push(format!("told {}", written.unwrap().version));
            },
        ));
    }
    go.send(()).unwrap();
    // Whoever drops the store waits for its jobs.
    drop(store);
    let notes = notes.lock().unwrap();
    let heard = notes.iter().filter(|note| note.starts_with("heard"));
    assert!(heard.eq(["heard 1", "heard 2", "heard 3"].iter()));
    for number in 1..=3 {
        let place = |what: &str| {
            notes
                .iter()
                .position(|note| *note == format!("{what} {number}"))
        };
        assert!(
            place("heard") < place("told") && place("heard").is_some(),
            "{notes:?}"
        );
    }
}

#[test]
fn a_job_that_reads_sees_what_was_kept_before_it() {
    let kept = Kept::new();
    insert(&kept, 1, Effect::Commit).recv().unwrap().unwrap();
    let work = |session: &mut dyn Session| {
        session.update(&deleted(user(1, SOURCES[0]))).unwrap();
        let inside = session.count(Kind::Account, SOURCES[0]).unwrap();
        (Effect::RollBack, inside)
    };
    assert_eq!(
        run(kept.store(), work),
        Ok(0),
        "a transaction sees its own writes"
    );
    assert_eq!(count(&kept), 1);
}
