//! The database that the thread writes to: group commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use gatepost_accounts::model::{Change, Event};
use gatepost_accounts::scim::Effect;
use gatepost_accounts::store::Unavailable;
use rusqlite::Connection;

use super::Settings;
use super::connection;
use super::feed::{self, Sequence};
use super::file::try_writing_beside;
use super::row::number;
use super::session::Open;
use super::statement;
use crate::job::Job;
use crate::store::Feed;
use crate::trouble::Trouble;

/// Most jobs of one commit.
const MAX_JOBS: usize = 256;

/// A commit that has as many changes as this takes no further jobs.
const MAX_CHANGES: usize = 10_000;

/// How long a transaction takes more jobs: other processes wait for it two seconds at most.
const MAX_TIME: Duration = Duration::from_millis(100);

/// How many pages of the log are copied into the database though there are jobs: 32 MiB.
const CHECKPOINT: usize = 8_192;

/// Pages that a change of a resource alone in its commit writes, and one of a member among many: about, as measured.
const PAGES: [usize; 2] = [16, 2];

/// Changes that are told at once when another process made them.
const CHUNK: usize = 1_000;

/// Most bytes of changes of members that are kept: 4 million members that came or went. Half of them are forgotten
/// then.
const MAX_LOGGED: u64 = 64 << 20;

/// Jobs that were done, each with what it is told.
pub(super) type Done = Vec<(Box<dyn Job>, Result<(), Unavailable>)>;

/// What a commit kept.
pub(super) struct Kept {
    /// What it changed of accounts and groups.
    pub(super) changes: Vec<Change>,
    /// Whether it wrote anything, of sources too.
    pub(super) is_written: bool,
    /// What failed of a job that was undone alone.
    pub(super) refused: Option<Trouble>,
}

/// A database that is open.
pub(super) struct Database {
    connection: Connection,
    /// Bytes of changes of members that are kept.
    logged: u64,
    /// About how many pages are in the log alone.
    waiting: usize,
}

impl Database {
    /// Opens the database at `path`, which has to be there.
    ///
    /// # Errors
    /// [`Trouble`]: it cannot be used.
    pub(super) fn open(path: &Path, settings: &Settings) -> Result<Self, Trouble> {
        let connection = connection::to_write(path, settings)?;
        let logged = connection.query_row(statement::LOGGED_BYTES, (), |row| {
            super::row::unsigned(row, 0)
        })?;
        Ok(Self {
            connection,
            logged,
            waiting: 0,
        })
    }

    /// Writes, also beside the file at `path`, to see whether that can be done.
    ///
    /// # Errors
    /// [`Trouble`]: it cannot.
    pub(super) fn try_writing(&self, path: &Path) -> Result<(), Trouble> {
        try_writing_beside(path)?;
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let sequence = Sequence::read(&self.connection)?.last;
        self.execute(statement::SET_SEQUENCE, sequence)?;
        Ok(self.connection.execute_batch("COMMIT")?)
    }

    fn execute(&self, statement: &str, parameter: u64) -> Result<(), Trouble> {
        let mut statement = self.connection.prepare_cached(statement)?;
        statement.execute([number(parameter)])?;
        Ok(())
    }

    /// Tells everything that there is; gives the number of the last change.
    ///
    /// # Errors
    /// [`Trouble`]: it cannot be read.
    pub(super) fn tell_all(&self, feed: &mut dyn Feed) -> Result<u64, Trouble> {
        let transaction = self.connection.unchecked_transaction()?;
        let sequence = Sequence::read(&transaction)?.last;
        feed.reload(&|each| feed::all(&transaction, each))?;
        drop(transaction);
        // All of it has gone through SQLite's memory, and is in the feed's now.
        self.connection
            .pragma_query(None, "shrink_memory", |_| Ok(()))?;
        Ok(sequence)
    }

    /// As [`catch_up`](Self::catch_up), outside of a transaction.
    ///
    /// # Errors
    /// [`Trouble`]: it cannot be read.
    pub(super) fn look(&self, told: u64, feed: &mut dyn Feed) -> Result<u64, Trouble> {
        let _transaction = self.connection.unchecked_transaction()?;
        self.catch_up(told, feed)
    }

    /// Tells what other processes changed after `told`; gives the number of the last change.
    ///
    /// # Errors
    /// [`Trouble`]: it cannot be read.
    pub(super) fn catch_up(&self, told: u64, feed: &mut dyn Feed) -> Result<u64, Trouble> {
        let Sequence { last, forgotten } = Sequence::read(&self.connection)?;
        if last == told {
            return Ok(last);
        }
        if told > last || told < forgotten {
            feed.reload(&|each| feed::all(&self.connection, each))?;
            return Ok(last);
        }
        let mut chunk = Vec::new();
        feed::changed(&self.connection, told, &mut |change| {
            chunk.push(change);
            if chunk.len() >= CHUNK {
                feed.changes(&chunk);
                chunk.clear();
            }
        })?;
        if !chunk.is_empty() {
            feed.changes(&chunk);
        }
        Ok(last)
    }

    /// Does `first` and the jobs of `more` in one transaction. What it gives is on disk.
    ///
    /// # Errors
    /// [`Trouble`]: nothing of it is kept, whatever `done` says, and the transaction may be open still.
    pub(super) fn commit(
        &mut self,
        first: Box<dyn Job>,
        mut more: impl FnMut() -> Option<Box<dyn Job>>,
        done: &mut Done,
        told: impl FnOnce(&Self) -> Result<u64, Trouble>,
    ) -> Result<Kept, Trouble> {
        let (mut next, begun_at) = (Some(first), Instant::now());
        let begun = self.begin(told);
        let mut sequence = match begun {
            Ok(sequence) => sequence,
            Err(trouble) => {
                done.extend(next.map(|job| (job, Err(Unavailable))));
                return Err(trouble);
            }
        };
        let (mut changes, mut logged, mut is_written) = (Vec::new(), 0, false);
        let mut refused = None;
        while let Some(mut job) = next {
            let attempt = self.attempt(&mut *job, sequence);
            let result = attempt.as_ref().map_or(Err(Unavailable), |one| one.result);
            done.push((job, result));
            let attempt = attempt?;
            is_written |= attempt.is_kept;
            refused = refused.or(attempt.refused);
            if attempt.is_kept {
                sequence = attempt.sequence;
                logged += attempt.logged;
                changes.extend(attempt.changes);
            }
            let has_room = done.len() < MAX_JOBS
                && changes.len() < MAX_CHANGES
                && begun_at.elapsed() < MAX_TIME;
            next = has_room.then(&mut more).flatten();
        }
        if !is_written {
            self.connection.execute_batch("ROLLBACK")?;
            return Ok(Kept {
                changes,
                is_written,
                refused,
            });
        }
        self.execute(statement::SET_SEQUENCE, sequence)?;
        let logged = self.forget(self.logged.saturating_add(logged))?;
        self.connection.execute_batch("COMMIT")?;
        self.logged = logged;
        self.waiting = self.waiting.saturating_add(changes.iter().map(pages).sum());
        Ok(Kept {
            changes,
            is_written,
            refused,
        })
    }

    /// Undoes a transaction that failed.
    ///
    /// # Errors
    /// [`Trouble`]: that failed as well.
    pub(super) fn roll_back(&self) -> Result<(), Trouble> {
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        Ok(())
    }

    /// Copies the log into the database, where there is little to do or much to copy: so a commit does not have to.
    ///
    /// # Errors
    /// [`Trouble`]: that failed. What was committed is in the log.
    pub(super) fn tidy(&mut self, is_idle: bool) -> Result<(), Trouble> {
        let worth = if is_idle { 1 } else { CHECKPOINT };
        if self.waiting >= worth {
            self.waiting = 0;
            // Gives a row of whether somebody who reads was in the way; the next one goes on then.
            let checkpoint = "PRAGMA wal_checkpoint(PASSIVE)";
            self.connection.query_row(checkpoint, (), |_| Ok(()))?;
        }
        Ok(())
    }

    /// Begins a transaction; gives the number of the last change, which `told` has told.
    fn begin(&self, told: impl FnOnce(&Self) -> Result<u64, Trouble>) -> Result<u64, Trouble> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        told(self)
    }

    fn attempt(&self, job: &mut dyn Job, sequence: u64) -> Result<Attempt, Trouble> {
        self.connection.execute_batch("SAVEPOINT job")?;
        let mut open = Open::new(&self.connection, sequence);
        // A job that panics is undone; those that share its commit are not.
        let effect = catch_unwind(AssertUnwindSafe(|| job.run(&mut open)));
        if let Some(trouble) = open.trouble.filter(|one| !one.is_of_one_statement()) {
            return Err(trouble);
        }
        let is_good = effect.is_ok() && open.trouble.is_none();
        let is_kept = is_good && matches!(effect, Ok(Effect::Commit));
        let end = if is_kept {
            "RELEASE job"
        } else {
            "ROLLBACK TO job; RELEASE job"
        };
        self.connection.execute_batch(end)?;
        Ok(Attempt {
            result: is_good.then_some(()).ok_or(Unavailable),
            is_kept,
            refused: open.trouble,
            sequence: open.sequence,
            logged: open.logged,
            changes: open.changes,
        })
    }

    /// Forgets the oldest changes of members where there are too many; gives how many bytes are left.
    fn forget(&self, logged: u64) -> Result<u64, Trouble> {
        if logged <= MAX_LOGGED {
            return Ok(logged);
        }
        let mut left = logged;
        let mut last = None;
        let mut oldest = self.connection.prepare_cached(statement::OLDEST_LOGGED)?;
        let mut rows = oldest.query(())?;
        while left > MAX_LOGGED / 2 {
            let Some(row) = rows.next()? else { break };
            last = Some(super::row::unsigned(row, 0)?);
            left = left.saturating_sub(super::row::unsigned(row, 1)?);
        }
        drop(rows);
        if let Some(last) = last {
            self.execute(statement::FORGET, last)?;
            self.execute(statement::SET_FORGOTTEN, last)?;
        }
        Ok(left)
    }
}

/// About how many pages of the log a change takes.
fn pages(change: &Change) -> usize {
    let [resource, member] = PAGES;
    match &change.event {
        Event::Members { added, removed, .. } => {
            let members = added.len().saturating_add(removed.len());
            members.saturating_mul(member)
        }
        Event::Put(_) | Event::Password(_) => resource,
    }
}

/// What came of a job, before it is committed.
struct Attempt {
    result: Result<(), Unavailable>,
    is_kept: bool,
    refused: Option<Trouble>,
    sequence: u64,
    logged: u64,
    changes: Vec<Change>,
}
