//! What the store costs on this disk: printed, not judged.
//!
//! `cargo bench -p gatepost-store`; `GATEPOST_STORE_DIR` names the directory to write in, for a temporary one may be no
//! disk.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a bench that panics has failed"
)]

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use gatepost_accounts::id::Id;
use gatepost_accounts::index::Index;
use gatepost_accounts::model::{Account, Change, Life, Resource, Source, SourceId};
use gatepost_accounts::name::Address;
use gatepost_accounts::routes::Routes;
use gatepost_accounts::scim::{self, Answer, Context, Effect, Request};
use gatepost_accounts::store::{Record, Transaction};
use gatepost_accounts::time::Timestamp;
use gatepost_store::{Feed, Load, Settings, Sqlite, Store, Trouble, job, run};
use serde_json::json;

const ACCOUNTS: u64 = 100_000;
const SOURCE: SourceId = SourceId(1);

/// How often members come and go, for others may use the machine.
const ROUNDS: u64 = 8;

/// Requests of a source that has several connections.
const IN_FLIGHT: usize = 32;

fn id(number: u64) -> Id {
    let spread = u128::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    Id::from_bytes(spread.to_be_bytes())
}

/// What a provider sends, with three addresses.
fn body(number: u64) -> String {
    let user_name = format!("firstname.lastname{number:06}@example.com");
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": user_name,
        "externalId": id(number ^ 0xffff_ffff).to_string(),
        "active": true,
        "displayName": format!("Firstname Lastname {number}"),
        "name": {"givenName": "Firstname", "familyName": format!("Lastname {number}")},
        "emails": [
            {"value": user_name, "type": "work", "primary": true},
            {"value": format!("f.lastname{number:06}@example.com"), "type": "other"},
            {"value": format!("user{number:06}@example.com"), "type": "other"},
        ],
    })
    .to_string()
}

fn record(number: u64) -> Record {
    let address = |text: String| Address::parse(&text).unwrap();
    let user_name = format!("firstname.lastname{number:06}@example.com");
    let aliases =
        ["f.lastname", "user"].map(|name| address(format!("{name}{number:06}@example.com")));
    let now = Timestamp::from_millis(0);
    let account = Account {
        id: id(number),
        source: SOURCE,
        external_id: Some(id(number ^ 0xffff_ffff).to_string()),
        subject: None,
        mailbox: Some(address(user_name.clone())),
        display_name: Some(format!("Firstname Lastname {number}")),
        aliases: aliases.to_vec(),
        active: true,
        quota: Some(1 << 30),
        forwarding: Vec::new(),
        life: Life {
            created: now,
            modified: now,
            version: 0,
            position: 0,
            deleted: None,
        },
        user_name: user_name.clone(),
    };
    let emails = aliases
        .iter()
        .map(Address::to_string)
        .chain([user_name])
        .collect();
    Record {
        resource: Resource::Account(account),
        document: body(number),
        emails,
    }
}

fn answer(
    store: &mut dyn Transaction,
    fresh: u64,
    method: &str,
    path: &str,
    body: &str,
) -> (Effect, Answer) {
    let source = Source {
        id: SOURCE,
        name: "idp".to_owned(),
        domains: ["example.com"].into_iter().collect(),
    };
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let request = Request {
        method,
        path,
        query,
        body: body.as_bytes(),
        ..Request::default()
    };
    let context = Context {
        source: &source,
        base_url: "https://mail.example.com/scim/idp",
        routes: &Routes::new(),
        now: Timestamp::from_millis(0),
        fresh: id(fresh),
    };
    let answer = scim::answer(request, context, store);
    (answer.effect, answer)
}

fn open(path: &Path) -> Sqlite {
    Sqlite::open(path, Settings::default(), ()).unwrap()
}

fn send(store: &dyn Store, fresh: u64, method: &'static str, path: &str, body: String) -> u16 {
    let path = path.to_owned();
    let answer = run(store, move |session| {
        answer(session, fresh, method, &path, &body)
    });
    answer.unwrap().response.status
}

#[track_caller]
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let value = work();
    let took = began.elapsed();
    println!("{what}: {:.1} ms", took.as_secs_f64() * 1e3);
    (value, took)
}

fn rate(number: u64, took: Duration) {
    println!(
        "    {:.0} a second",
        f64::from(u32::try_from(number).unwrap()) / took.as_secs_f64()
    );
}

fn first_sync(path: &Path) {
    let store = open(path);
    run(&store, |session| {
        (
            Effect::Commit,
            session
                .add_source("idp", Timestamp::from_millis(0))
                .unwrap(),
        )
    })
    .unwrap();
    let number = 500;
    let ((), took) = timed("500 users created, one by one", || {
        for at in 0..number {
            assert_eq!(send(&store, at, "POST", "/Users", body(at)), 201);
        }
    });
    rate(number, took);
    let (from, to) = (number, 10_500);
    let ((), took) = timed("10,000 users created, 32 requests in flight", || {
        let (sender, receiver) = mpsc::channel();
        let mut waiting = 0;
        for at in from..to {
            let (sender, body) = (sender.clone(), body(at));
            store.submit(job(
                move |session| answer(session, at, "POST", "/Users", &body),
                move |answer| sender.send(answer.unwrap().response.status).unwrap(),
            ));
            waiting += 1;
            if waiting == IN_FLIGHT {
                assert_eq!(receiver.recv(), Ok(201));
                waiting -= 1;
            }
        }
        for _ in 0..waiting {
            assert_eq!(receiver.recv(), Ok(201));
        }
    });
    rate(to - from, took);
}

fn fill(path: &Path) {
    let store = open(path);
    run(&store, |session| {
        (
            Effect::Commit,
            session
                .add_source("idp", Timestamp::from_millis(0))
                .unwrap(),
        )
    })
    .unwrap();
    for from in (0..ACCOUNTS + 1_000).step_by(1_000) {
        let inserted = run(&store, move |session| {
            for number in from..from + 1_000 {
                session.insert(&record(number)).unwrap();
            }
            (Effect::Commit, ())
        });
        inserted.unwrap();
    }
    assert_eq!(
        send(
            &store,
            u64::MAX - 1,
            "POST",
            "/Groups",
            r#"{"displayName":"all"}"#.to_owned()
        ),
        201
    );
    run(&store, |session| {
        let all: Vec<_> = (0..ACCOUNTS).map(id).collect();
        session.edit_members(id(u64::MAX - 1), &all, &[]).unwrap();
        (Effect::Commit, ())
    })
    .unwrap();
}

fn members(op: &str, numbers: std::ops::Range<u64>) -> String {
    let members: Vec<_> = numbers
        .map(|number| json!({"$ref": null, "value": id(number).to_string()}))
        .collect();
    json!({"Operations": [{"op": op, "path": "members", "value": members}]}).to_string()
}

/// Keeps an index, as a daemon does.
struct Indexing(Arc<Mutex<Index>>);

impl Feed for Indexing {
    fn reload(&mut self, load: &Load<'_>) -> Result<(), Trouble> {
        let mut index = Index::new(Routes::new());
        load(&mut |change| index.apply(&change))?;
        *self.0.lock().unwrap() = index;
        Ok(())
    }

    fn changes(&mut self, changes: &[Change]) {
        let mut index = self.0.lock().unwrap();
        for change in changes {
            index.apply(change);
        }
    }
}

/// Opens a database and fills an index; what the system has of the file in memory is dropped before, if `dd` can.
fn ready(path: &Path, is_cold: bool) -> (Sqlite, usize) {
    if is_cold {
        let mut of = std::ffi::OsString::from("of=");
        of.push(path);
        let dropped = Command::new("dd")
            .arg(of)
            .args([
                "oflag=nocache",
                "conv=notrunc,fdatasync",
                "count=0",
                "status=none",
            ])
            .status();
        println!("dd: {dropped:?}");
    }
    let index = Arc::new(Mutex::new(Index::default()));
    let feed = Indexing(Arc::clone(&index));
    let what = if is_cold {
        "ready, the file on disk alone"
    } else {
        "ready, the file in the system's memory"
    };
    let (store, _) = timed(what, || {
        Sqlite::open(path, Settings::default(), feed).unwrap()
    });
    let number = index.lock().unwrap().len();
    (store, number)
}

fn large(path: &Path) {
    drop(ready(path, true));
    let (store, number) = ready(path, false);
    assert_eq!(number as u64, ACCOUNTS + 1_000);
    let url = format!("/Groups/{}", id(u64::MAX - 1));
    let edit = |what: &str, op: &str, range: std::ops::Range<u64>| {
        let body = members(op, range);
        let (status, took) = timed(what, || send(&store, 0, "PATCH", &url, body));
        assert_eq!(status, 204);
        took
    };
    let news = ACCOUNTS..ACCOUNTS + 1_000;
    edit(
        "PATCH that adds 1,000 members to 100,000, nothing in SQLite's cache",
        "Add",
        news.clone(),
    );
    edit("the same again", "Add", news);
    let mut took: Vec<_> = (0..ROUNDS)
        .flat_map(|round| {
            let those = round * 1_000..(round + 1) * 1_000;
            let removed = edit("PATCH that removes 1,000 members", "Remove", those.clone());
            [removed, edit("PATCH that adds 1,000 members", "Add", those)]
        })
        .collect();
    took.sort_unstable();
    let half = took.get(took.len() / 2);
    println!(
        "    {:?} at least, half of them within {half:?}",
        took.first()
    );
    for (what, path) in [
        (
            "a user by name",
            "/Users?filter=userName%20eq%20%22firstname.lastname050000@example.com%22",
        ),
        (
            "a user by e-mail address",
            "/Users?filter=emails.value%20eq%20%22user050000@example.com%22",
        ),
        ("the first page of 100", "/Users?count=100"),
        (
            "a page of 100 in the middle",
            "/Users?startIndex=50000&count=100",
        ),
        ("the group", &url),
    ] {
        let (status, _) = timed(what, || send(&store, 0, "GET", path, String::new()));
        assert_eq!(status, 200);
    }
}

fn main() {
    let directory = env::var_os("GATEPOST_STORE_DIR").map(PathBuf::from);
    let directory = directory
        .map_or_else(tempfile::tempdir, tempfile::tempdir_in)
        .unwrap();
    first_sync(&directory.path().join("first.db"));
    let path = directory.path().join("large.db");
    timed("filled", || fill(&path));
    let bytes = std::fs::metadata(&path).unwrap().len();
    println!("{} MB on disk", bytes / 1_000_000);
    large(&path);
}
