//! The file of a database: who may read it, and which are refused.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gatepost_accounts::index::Index;
use gatepost_accounts::model::{Kind, SourceId};
use gatepost_accounts::scim::Effect;
use gatepost_accounts::store::Key;
use gatepost_store::{SecretHash, Settings, Sqlite, Store, Trouble, run};

use crate::both::{Kept, id, now, user};

/// A database of version 1, as it was written when that was the last: never to be changed.
const VERSION_1: &str = include_str!("version_1.sql");

fn open(path: &Path) -> Result<Sqlite, Trouble> {
    Sqlite::open(path, Settings::default(), ())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn nobody_else_may_read_it() {
    let mut kept = Kept::new();
    run(kept.store(), |session| {
        (
            Effect::Commit,
            session.insert(&user(1, SourceId(1))).unwrap(),
        )
    })
    .unwrap();
    for name in [
        "accounts.db",
        "accounts.db-wal",
        "accounts.db-shm",
        "accounts.db.lock",
    ] {
        assert_eq!(mode(&kept.directory.path().join(name)), 0o600, "{name}");
    }
    kept.store = None;
    fs::set_permissions(kept.path(), Permissions::from_mode(0o644)).unwrap();
    kept.reopen();
    assert_eq!(mode(&kept.path()), 0o600);
}

#[test]
fn a_second_server_is_refused_until_the_first_ends() {
    let mut kept = Kept::new();
    let refused = open(&kept.path()).unwrap_err();
    assert_eq!(refused, Trouble::InUse);
    let sentence =
        "is in use by another gatepost: stop that one first, or give each a database of its own";
    assert_eq!(refused.to_string(), sentence);
    drop(kept.command());
    assert_eq!(open(&kept.path()).unwrap_err(), Trouble::InUse);
    kept.store = None;
    open(&kept.path()).unwrap();
}

#[test]
fn a_later_version_is_refused_and_left_as_it_is() {
    let mut kept = Kept::new();
    kept.store = None;
    let connection = rusqlite::Connection::open(kept.path()).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let before = fs::read(kept.path()).unwrap();
    let refused = open(&kept.path()).unwrap_err();
    assert_eq!(
        refused,
        Trouble::Newer {
            found: 99,
            known: 4
        }
    );
    assert_eq!(
        refused.to_string(),
        "has version 99, and this gatepost knows versions up to 4: run the gatepost that wrote it, or a later one"
    );
    assert_eq!(fs::read(kept.path()).unwrap(), before);
}

#[test]
fn what_is_no_database_of_ours_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    fs::write(
        &path,
        "This is no database, but a text of a few bytes.\n".repeat(100),
    )
    .unwrap();
    let refused = open(&path).unwrap_err();
    assert_eq!(refused, Trouble::Damaged);
    assert!(refused.to_string().contains("put the last backup"));

    let path = directory.path().join("other.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE mine (a INTEGER)")
        .unwrap();
    drop(other);
    assert_eq!(open(&path).unwrap_err(), Trouble::NotOurs);
    assert_eq!(open(directory.path()).unwrap_err(), Trouble::NotOurs);
    assert_eq!(
        open(&directory.path().join("none/a.db")).unwrap_err(),
        Trouble::Missing
    );
}

#[test]
fn damage_is_noticed_where_it_is_read() {
    let mut kept = Kept::new();
    run(kept.store(), |session| {
        for number in 0..500 {
            session.insert(&user(number, SourceId(1))).unwrap();
        }
        (Effect::Commit, ())
    })
    .unwrap();
    kept.store = None;
    let mut bytes = fs::read(kept.path()).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0xaa);
    fs::write(kept.path(), bytes).unwrap();
    let store = open(&kept.path());
    let loaded = store.and_then(|store| store.load(&mut |_| ()));
    assert_eq!(loaded, Err(Trouble::Damaged));
}

#[test]
fn a_database_of_version_1_is_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("accounts.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch(VERSION_1).unwrap();
    drop(connection);
    let store = open(&path).unwrap();
    let mut index = Index::default();
    assert_eq!(store.load(&mut |change| index.apply(&change)), Ok(7));
    let alice = index.by_address("a.liddell@example.org").unwrap();
    assert_eq!(alice.mailbox(), Some("alice@example.org"));
    assert_eq!(alice.external_id(), Some("1f"));
    assert_eq!(alice.quota(), Some(1 << 30));
    assert_eq!(
        alice.forwarding().collect::<Vec<_>>(),
        ["alice@elsewhere.example"]
    );
    assert_eq!(index.groups_of(alice.id()), ["Tea party"]);
    assert!(index.by_address("bob@example.org").is_none());
    let read = run(&store, |session| {
        let found = session.find(
            Kind::Account,
            SourceId(1),
            Key::Email("alice@elsewhere.example"),
            9,
        );
        let name = found.unwrap()[0].resource.name().to_owned();
        let former = session.former_owner("bob@example.org").unwrap().unwrap();
        let returned = session
            .returned(Kind::Account, SourceId(1), "2f")
            .unwrap()
            .unwrap();
        assert_eq!(former.account, returned.resource.id());
        let secret = session.secret(&SecretHash::of("abc")).unwrap().unwrap();
        (Effect::Nothing, (name, secret.label))
    });
    assert_eq!(read, Ok(("Alice".to_owned(), "first".to_owned())));
    let written = run(&store, |session| {
        let source = session.add_source("second", now()).unwrap();
        (
            Effect::Commit,
            session.insert(&user(1, source)).unwrap().version,
        )
    });
    assert_eq!(written, Ok(8));
    assert!(id(1).to_string().len() == 36);
}
