//! The thread that writes.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gatepost_accounts::store::Unavailable;
use gatepost_accounts::time::Timestamp;

use super::database::{Database, Done};
use super::file::{Identity, Lock, look_beside};
use super::{Role, Settings};
use crate::job::Job;
use crate::store::{Feed, State};
use crate::trouble::Trouble;

/// How often it looks for what other processes have changed, and for a database that is back, while there are no jobs.
const IDLE: Duration = Duration::from_millis(500);

/// What others are told of the database.
#[derive(Debug)]
pub(super) struct Status(Mutex<State>);

impl Status {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State::Available))
    }

    pub(super) fn get(&self) -> State {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: State) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// It is away, since now or since it first was. Gives whether that, or why, is new.
    fn lose(&self, why: Trouble) -> bool {
        let before = self.get();
        let since = match before {
            State::Away { since, .. } => since,
            State::Available => now(),
        };
        let after = State::Away { since, why };
        self.set(after);
        before != after
    }
}

fn now() -> Timestamp {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = passed.unwrap_or_default().as_millis();
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// Does jobs, one commit after the other.
pub(super) struct Worker {
    pub(super) path: PathBuf,
    pub(super) settings: Settings,
    pub(super) jobs: Receiver<Box<dyn Job>>,
    pub(super) feed: Box<dyn Feed>,
    pub(super) database: Option<Database>,
    /// The file that was opened first.
    pub(super) identity: Identity,
    /// The last change that was told.
    pub(super) told: u64,
    pub(super) status: Arc<Status>,
    /// When it was lost last.
    pub(super) lost: Option<(Instant, Trouble)>,
    pub(super) _lock: Option<Lock>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.status.lose(Trouble::Stopped);
    }
}

impl Worker {
    /// Looks whether it can be written to, before anybody asks for it; who is known is served whether or not.
    pub(super) fn begin(&mut self) {
        let database = self.database.as_ref();
        let database = database.filter(|_| self.settings.role == Role::Server);
        if let Some(Err(trouble)) = database.map(|database| database.try_writing(&self.path)) {
            self.lose(trouble);
        }
    }

    /// Does jobs until nobody can hand over any.
    pub(super) fn run(mut self) {
        loop {
            match self.jobs.recv_timeout(IDLE) {
                Ok(job) => self.batch(job),
                Err(RecvTimeoutError::Timeout) => self.idle(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Does all jobs that wait, and tells them what came of it.
    fn batch(&mut self, first: Box<dyn Job>) {
        let mut done = Done::new();
        let outcome = match self.connected() {
            Ok(database) => self.commit(database, first, &mut done),
            Err(trouble) => {
                done.push((first, Err(Unavailable)));
                Err(trouble)
            }
        };
        if let Err(trouble) = outcome {
            self.lose(trouble);
        }
        for (job, result) in done {
            job.done(outcome.map_err(|_| Unavailable).and(result));
        }
        self.tidy(false);
    }

    fn commit(
        &mut self,
        mut database: Database,
        first: Box<dyn Job>,
        done: &mut Done,
    ) -> Result<(), Trouble> {
        let (feed, told) = (&mut *self.feed, &mut self.told);
        let jobs = &self.jobs;
        let kept = database.commit(
            first,
            || jobs.try_recv().ok(),
            done,
            |database| {
                *told = database.catch_up(*told, feed)?;
                Ok(*told)
            },
        );
        let kept = match kept {
            Ok(kept) => kept,
            Err(trouble) => {
                let is_good = trouble.is_passing() && database.roll_back().is_ok();
                self.database = is_good.then_some(database);
                return Err(trouble);
            }
        };
        self.database = Some(database);
        if kept.is_written {
            self.find();
        }
        if let Some(last) = kept.changes.last() {
            self.told = last.sequence;
            self.feed.changes(&kept.changes);
        }
        if let Some(trouble) = kept.refused {
            self.feed.trouble(trouble);
        }
        Ok(())
    }

    /// What has to be done, and nobody waits for.
    fn tidy(&mut self, is_idle: bool) {
        let Some(database) = &mut self.database else {
            return;
        };
        let mut tidied = database.tidy(is_idle);
        if let Some((when, _)) = self.lost
            && when.elapsed() >= self.settings.retry
        {
            self.lost = None;
            tidied = tidied.and_then(|()| database.try_writing(&self.path));
            if tidied.is_ok() {
                self.find();
            }
        }
        if let Err(trouble) = tidied {
            let is_good = trouble.is_passing();
            self.database = self.database.take().filter(|_| is_good);
            self.lose(trouble);
        }
    }

    fn idle(&mut self) {
        let looked = self.connected().and_then(|database| {
            self.told = database.look(self.told, &mut *self.feed)?;
            self.database = Some(database);
            Ok(())
        });
        if let Err(trouble) = looked {
            self.lose(trouble);
        }
        self.tidy(true);
    }

    /// It can be written to.
    fn find(&mut self) {
        self.status.set(State::Available);
        self.lost = None;
    }

    fn lose(&mut self, trouble: Trouble) {
        if self.status.lose(trouble) {
            self.feed.trouble(trouble);
        }
        if self.lost.is_none() {
            self.lost = Some((Instant::now(), trouble));
        }
    }

    /// The database, opened again if it was lost.
    fn connected(&mut self) -> Result<Database, Trouble> {
        if let Some(database) = self.database.take() {
            self.check_file()?;
            return Ok(database);
        }
        if let Some((when, trouble)) = self.lost {
            if when.elapsed() < self.settings.retry {
                return Err(trouble);
            }
            self.lost = None;
        }
        self.check_file()?;
        look_beside(&self.path)?;
        let database = Database::open(&self.path, &self.settings)?;
        database.try_writing(&self.path)?;
        self.told = database.look(self.told, &mut *self.feed)?;
        self.find();
        Ok(database)
    }

    /// Refuses another file of the same name: the log beside it is that of the first, and must not get into it.
    fn check_file(&self) -> Result<(), Trouble> {
        if Identity::of(&self.path)? == self.identity {
            Ok(())
        } else {
            Err(Trouble::Moved)
        }
    }
}
