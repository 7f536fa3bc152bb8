//! A store in memory and one of SQLite, asked the same.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use gatepost_accounts::id::Id;
use gatepost_accounts::index::Index;
use gatepost_accounts::memory::Memory;
use gatepost_accounts::model::{Account, Change, Group, Life, Resource, Source, SourceId};
use gatepost_accounts::name::Address;
use gatepost_accounts::routes::Routes;
use gatepost_accounts::scim::{self, Answer, Context, Effect, Request};
use gatepost_accounts::store::{Record, Transaction, Unavailable};
use gatepost_accounts::time::Timestamp;
use gatepost_store::{Feed, Load, Role, Settings, Sqlite, Store, Trouble, run};
use tempfile::TempDir;

/// The sources that there are.
pub(crate) const SOURCES: [SourceId; 2] = [SourceId(1), SourceId(2)];

/// Numbers that look random, and are the same each time (xorshift64).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    pub(crate) fn one_of<'v, T>(&mut self, values: &'v [T]) -> &'v T {
        &values[self.below(values.len())]
    }
}

/// What a feed has heard, and the index that it keeps.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    changes: Vec<Change>,
    reloads: usize,
    index: Index,
    troubles: Vec<Trouble>,
}

impl Heard {
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap()
    }

    /// Everything since the first time that the store was opened.
    pub(crate) fn changes(&self) -> Vec<Change> {
        self.lock().changes.clone()
    }

    pub(crate) fn reloads(&self) -> usize {
        self.lock().reloads
    }

    pub(crate) fn troubles(&self) -> Vec<Trouble> {
        self.lock().troubles.clone()
    }

    pub(crate) fn index(&self) -> Index {
        self.lock().index.clone()
    }
}

impl Feed for Heard {
    fn reload(&mut self, load: &Load<'_>) -> Result<(), Trouble> {
        let mut index = Index::default();
        load(&mut |change| index.apply(&change))?;
        let mut heard = self.lock();
        heard.reloads += 1;
        heard.index = index;
        Ok(())
    }

    fn changes(&mut self, changes: &[Change]) {
        let mut heard = self.lock();
        for change in changes {
            heard.index.apply(change);
        }
        heard.changes.extend_from_slice(changes);
    }

    fn trouble(&mut self, trouble: Trouble) {
        self.lock().troubles.push(trouble);
    }
}

/// A database in a directory of its own.
pub(crate) struct Kept {
    pub(crate) directory: TempDir,
    pub(crate) store: Option<Sqlite>,
    pub(crate) heard: Heard,
}

impl Kept {
    /// One with [`SOURCES`].
    pub(crate) fn new() -> Self {
        let kept = Self::with(Settings::default());
        kept.add_sources();
        kept
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let heard = Heard::default();
        let path = directory.path().join("accounts.db");
        let store = Sqlite::open(&path, settings, heard.clone()).unwrap();
        Self {
            directory,
            store: Some(store),
            heard,
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("accounts.db")
    }

    pub(crate) fn add_sources(&self) {
        let added = run(self.store(), |session| {
            let ids = ["one", "two"].map(|name| session.add_source(name, now()).unwrap());
            (Effect::Commit, ids)
        });
        assert_eq!(added, Ok(SOURCES));
    }

    pub(crate) fn store(&self) -> &Sqlite {
        self.store.as_ref().expect("it is open")
    }

    /// Another process that writes to the same file.
    pub(crate) fn command(&self) -> Sqlite {
        let settings = Settings {
            role: Role::Command,
            ..Settings::default()
        };
        Sqlite::open(&self.path(), settings, ()).unwrap()
    }

    /// Closes the store, and opens it again.
    pub(crate) fn reopen(&mut self) {
        self.store = None;
        let settings = Settings::default();
        // A child that another test begins has the lock until it runs its program.
        let mut opened = Sqlite::open(&self.path(), settings, self.heard.clone());
        while matches!(opened, Err(Trouble::InUse)) {
            opened = Sqlite::open(&self.path(), settings, self.heard.clone());
        }
        self.store = Some(opened.unwrap());
    }

    pub(crate) fn loaded(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        self.store()
            .load(&mut |change| changes.push(change))
            .unwrap();
        changes
    }
}

/// Something that does work in a transaction.
pub(crate) trait Keeps {
    fn work<V: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut dyn Transaction) -> (Effect, V) + Send + 'static,
    ) -> Result<V, Unavailable>;
}

impl Keeps for Memory {
    fn work<V: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut dyn Transaction) -> (Effect, V) + Send + 'static,
    ) -> Result<V, Unavailable> {
        let before = self.clone();
        let (effect, value) = work(self);
        if effect != Effect::Commit {
            *self = before;
        }
        Ok(value)
    }
}

impl Keeps for Kept {
    fn work<V: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut dyn Transaction) -> (Effect, V) + Send + 'static,
    ) -> Result<V, Unavailable> {
        run(self.store(), |session| work(session))
    }
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(1_796_000_000_000)
}

pub(crate) fn id(number: u64) -> Id {
    let spread = u128::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    Id::from_bytes(spread.to_be_bytes())
}

pub(crate) fn life() -> Life {
    Life {
        created: now(),
        modified: now(),
        version: 0,
        position: 0,
        deleted: None,
    }
}

pub(crate) fn user(number: u64, source: SourceId) -> Record {
    let name = format!("User{number}@example.org");
    let other = Address::parse(&format!("u{number}@example.net")).unwrap();
    let account = Account {
        id: id(number),
        source,
        external_id: Some(format!("ext-{number}")),
        subject: Some(format!("sub-{number}")),
        mailbox: Address::parse(&name).ok(),
        user_name: name.clone(),
        display_name: Some(format!("User {number}")),
        aliases: vec![other.clone()],
        active: true,
        quota: Some(1 << 30),
        forwarding: vec![other.clone()],
        life: life(),
    };
    Record {
        resource: Resource::Account(account),
        document: format!("{{\"userName\":\"{name}\"}}"),
        emails: vec![name.to_lowercase(), other.to_string()],
    }
}

pub(crate) fn group(number: u64, source: SourceId) -> Record {
    let name = format!("Group {number}");
    Record {
        document: format!("{{\"displayName\":\"{name}\"}}"),
        resource: Resource::Group(Group {
            id: id(number),
            source,
            external_id: None,
            display_name: name,
            life: life(),
        }),
        emails: Vec::new(),
    }
}

pub(crate) fn deleted(mut record: Record) -> Record {
    record.resource.life_mut().deleted = Some(now());
    record
}

/// A request of SCIM, whose bodies and ids come from outside.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) source: SourceId,
    pub(crate) method: &'static str,
    pub(crate) url: String,
    pub(crate) body: String,
    pub(crate) fresh: Id,
    pub(crate) now: Timestamp,
}

impl Sent {
    pub(crate) fn answer(&self, store: &mut dyn Transaction) -> Answer {
        let (path, query) = self.url.split_once('?').unwrap_or((&self.url, ""));
        let source = Source {
            id: self.source,
            name: "idp".to_owned(),
            domains: ["example.org", "example.net"].into_iter().collect(),
        };
        let request = Request {
            method: self.method,
            path,
            query,
            body: self.body.as_bytes(),
            ..Request::default()
        };
        let context = Context {
            source: &source,
            base_url: "https://mail.example.org/scim/idp",
            routes: &Routes::new(),
            now: self.now,
            fresh: self.fresh,
        };
        scim::answer(request, context, store)
    }
}
