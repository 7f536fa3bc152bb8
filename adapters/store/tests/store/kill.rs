//! A process that is ended between any two writes: everything it told is there, and nothing is half there.
//!
//! This binary is run again as the process that writes and is ended.

use std::env;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use gatepost_accounts::index::Index;
use gatepost_accounts::model::{Kind, Resource};
use gatepost_accounts::scim::Effect;
use gatepost_store::{Session, Settings, Sqlite, Store, job, run};

use crate::both::{Numbers, SOURCES, group, id, now, user};

/// Tells this binary that it is the one to be ended, and where its database is.
const DATABASE: &str = "GATEPOST_STORE_KILL";

/// Groups' numbers begin here.
const GROUPS: u64 = 1 << 40;

/// Changes of one job: a user, a group, its members, and another state of the user.
const CHANGES: u64 = 4;

/// How many jobs are handed over before the first is answered.
const IN_FLIGHT: usize = 6;

/// When no further round begins.
const LONG_ENOUGH: Duration = Duration::from_secs(8);

const ROUNDS: usize = 60;

fn write(session: &mut dyn Session, number: u64) -> (Effect, ()) {
    let source = SOURCES[0];
    let mut person = user(number, source);
    let written = session.insert(&person).unwrap();
    session.insert(&group(GROUPS + number, source)).unwrap();
    let members = [id(number), id(number.saturating_sub(1))];
    session
        .replace_members(id(GROUPS + number), &members)
        .unwrap();
    if let Resource::Account(account) = &mut person.resource {
        account.aliases.clear();
        account.life.position = written.version;
    }
    session.update(&person).unwrap();
    (Effect::Commit, ())
}

#[test]
fn writes_until_it_is_killed() {
    let Some(path) = env::var_os(DATABASE) else {
        return;
    };
    let store = Sqlite::open(Path::new(&path), Settings::default(), ()).unwrap();
    let first = run(&store, |session| {
        if session.sources().unwrap().is_empty() {
            session.add_source("one", now()).unwrap();
        }
        (
            Effect::Commit,
            session.count(Kind::Account, SOURCES[0]).unwrap(),
        )
    });
    let (sender, receiver) = mpsc::channel();
    for (at, number) in (first.unwrap()..).enumerate() {
        if at >= IN_FLIGHT {
            let told: u64 = receiver.recv().unwrap();
            println!("told {told}");
        }
        let sender = sender.clone();
        let work = move |session: &mut dyn Session| write(session, number);
        store.submit(job(work, move |result| {
            result.unwrap();
            sender.send(number).unwrap();
        }));
    }
}

fn start(path: &Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "kill::writes_until_it_is_killed", "--nocapture"])
        .env(DATABASE, path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (child, output.lines())
}

/// Ends a process once it told that many writes, or a moment after; gives how many users are told to be there.
fn end_after(path: &Path, wanted: usize, moments: usize, known: u64) -> u64 {
    let (mut child, mut lines) = start(path);
    let mut told = known;
    let mut take = |line: String| {
        if let Some(number) = line.strip_prefix("told ") {
            told = number.parse::<u64>().unwrap() + 1;
            return 1;
        }
        0
    };
    let mut taken = 0;
    while taken < wanted {
        taken += take(lines.next().expect("it writes on and on").unwrap());
    }
    for _ in 0..moments {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it told in its last moments.
    for line in lines.map_while(Result::ok) {
        take(line);
    }
    told
}

/// Everything that holds of a database that was written to; gives how many users there are.
fn check(path: &Path) -> u64 {
    let store = Sqlite::open(path, Settings::default(), ()).unwrap();
    let mut index = Index::default();
    let sequence = store.load(&mut |change| index.apply(&change)).unwrap();
    let number = index.len() as u64;
    assert_eq!(sequence, number * CHANGES, "no job is half there");
    let read = move |session: &mut dyn Session| {
        assert_eq!(session.count(Kind::Group, SOURCES[0]), Ok(number));
        for number in number.saturating_sub(20)..number {
            let mut members = vec![id(number), id(number.saturating_sub(1))];
            members.sort_unstable();
            members.dedup();
            let kept = session.members(id(GROUPS + number), None, 9).unwrap();
            assert!(kept.iter().map(|member| member.id).eq(members), "{number}");
            let address = format!("u{number}@example.net");
            assert_eq!(session.owner(&address), Ok(None));
            assert!(session.former_owner(&address).unwrap().is_some());
            let owner = session.owner(&format!("user{number}@example.org")).unwrap();
            assert_eq!(owner.map(|owner| owner.account), Some(id(number)));
        }
        (Effect::Nothing, ())
    };
    run(&store, read).expect("the assertions above hold");
    drop(store);
    let connection = rusqlite::Connection::open(path).unwrap();
    let checked: String = connection
        .pragma_query_value(None, "integrity_check", |row| row.get(0))
        .unwrap();
    assert_eq!(checked, "ok");
    let mut strays = connection.prepare("PRAGMA foreign_key_check").unwrap();
    assert!(!strays.exists(()).unwrap());
    number
}

#[test]
fn what_was_told_is_there_and_nothing_is_half_there_whenever_the_process_ends() {
    let began = Instant::now();
    let directory = tempfile::tempdir().unwrap();
    let mut numbers = Numbers(0x5eed_0001);
    let (mut known, mut rounds, mut writes) = (0, 0, 0);
    while rounds < ROUNDS && began.elapsed() < LONG_ENOUGH {
        // A new one each ten rounds: a process may end before there is a database.
        let path = directory.path().join(format!("{}.db", rounds / 10));
        if rounds % 10 == 0 {
            known = 0;
        }
        let wanted = numbers.below(12);
        let most = 1 << numbers.below(20);
        let moments = numbers.below(most);
        let told = end_after(&path, wanted, moments, known);
        let there = check(&path);
        assert!(there >= told, "told {told}, there are {there}");
        writes += there - known;
        known = there;
        rounds += 1;
    }
    println!("{rounds} rounds, {writes} writes");
    assert!(rounds > 0 && writes > 0);
}
