//! SQLite, with a thread of its own.

mod connection;
mod database;
mod feed;
mod file;
mod look;
mod migration;
mod passwords;
mod row;
mod session;
mod sources;
mod statement;
mod worker;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use gatepost_accounts::model::Change;
use gatepost_accounts::store::Unavailable;

use crate::job::Job;
use crate::store::{Feed, State, Store, Untold};
use crate::trouble::Trouble;
use database::Database;
pub use file::look_beside;
use file::{Identity, Lock};
pub use look::{Counts, accounts_derived_otherwise, count, look};
use worker::{Status, Worker};

/// Who opens a database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// The one process that serves from it.
    Server,
    /// A command beside it: what it writes, the server notices within a second.
    Command,
    /// A command that may be the first: it makes a database that is not there, but not beside a server that has lost it.
    FirstCommand,
}

/// How a database is used.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// By whom.
    pub role: Role,
    /// How many jobs may wait; 1 at least. One more is refused.
    pub queue: usize,
    /// Most bytes of the database, its log not counted.
    pub max_bytes: u64,
    /// How long a database that is away is left alone before it is opened again.
    pub retry: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            role: Role::Server,
            queue: 256,
            // A hundred times what 100,000 accounts take.
            max_bytes: 16 << 30,
            retry: Duration::from_secs(1),
        }
    }
}

/// A store in a file of SQLite's. When it is dropped, it waits until all jobs are done.
///
/// What is committed is on disk before anybody is told so, each time (`synchronous=FULL`, write-ahead log).
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    jobs: Option<SyncSender<Box<dyn Job>>>,
    status: Arc<Status>,
    thread: Option<JoinHandle<()>>,
}

impl Sqlite {
    /// Opens the database at `path`, of which nobody else may read anything; one that is not there is made, unless it is
    /// opened by a [`Role::Command`]. `feed` has heard of everything that is in it when this returns, and hears of every
    /// change from then on.
    ///
    /// # Errors
    /// [`Trouble`]: it cannot be used, and what to do about it.
    pub fn open(
        path: &Path,
        settings: Settings,
        mut feed: impl Feed + 'static,
    ) -> Result<Self, Trouble> {
        file::look_beside(path)?;
        let lock = match settings.role {
            Role::Server => Some(Lock::take(path)?),
            Role::FirstCommand if !path.exists() => Some(Lock::take(path).map_err(lost)?),
            Role::FirstCommand | Role::Command => None,
        };
        if lock.is_some() {
            file::create(path)?;
        }
        let lock = lock.filter(|_| settings.role == Role::Server);
        file::make_private(path)?;
        let identity = Identity::of(path)?;
        let database = Database::open(path, &settings)?;
        let told = database.tell_all(&mut feed)?;
        let (sender, jobs) = mpsc::sync_channel(settings.queue.max(1));
        let status = Arc::new(Status::new());
        let mut worker = Worker {
            path: path.to_owned(),
            settings,
            jobs,
            feed: Box::new(feed),
            identity,
            told,
            database: Some(database),
            status: Arc::clone(&status),
            lost: None,
            _lock: lock,
        };
        worker.begin();
        let thread = thread::Builder::new().name("gatepost-store".to_owned());
        let thread = thread.spawn(move || worker.run())?;
        Ok(Self {
            path: path.to_owned(),
            jobs: Some(sender),
            status,
            thread: Some(thread),
        })
    }
}

/// A database that is not there, but in use, is one that a server has lost: it must not find another in its place.
fn lost(trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::InUse => Trouble::Missing,
        trouble => trouble,
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        drop(self.jobs.take());
        // Whoever is dropped by a job or a feed cannot wait for its own thread.
        let thread = self.thread.take();
        let thread = thread.filter(|thread| thread.thread().id() != thread::current().id());
        // A thread that panicked has told so itself.
        let _ = thread.map(JoinHandle::join);
    }
}

impl Store for Sqlite {
    fn submit(&self, job: Box<dyn Job>) {
        let Some(jobs) = &self.jobs else {
            return job.done(Err(Unavailable));
        };
        if let Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) = jobs.try_send(job) {
            job.done(Err(Unavailable));
        }
    }

    fn load(&self, each: &mut dyn FnMut(Change)) -> Result<u64, Trouble> {
        feed::load(&connection::to_read(&self.path)?, each)
    }

    fn after(&self, sequence: u64, each: &mut dyn FnMut(Change)) -> Result<u64, Untold> {
        feed::after(&connection::to_read(&self.path)?, sequence, each)
    }

    fn state(&self) -> State {
        self.status.get()
    }
}
