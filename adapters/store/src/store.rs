//! The trait of all stores.

use gatepost_accounts::model::Change;
use gatepost_accounts::time::Timestamp;

use crate::job::Job;
use crate::trouble::Trouble;

/// Keeps accounts, groups and sources.
///
/// Its methods may block on a disk or a network, all but [`submit`](Self::submit) and [`state`](Self::state), which
/// return at once.
pub trait Store: Send + Sync {
    /// Hands over a job. If too many wait already, it is [done](Job::done) at once, as not available.
    fn submit(&self, job: Box<dyn Job>);

    /// Tells everything that there is now, deleted resources left aside, in an order in which an index can take it.
    /// Gives the number of the last change in it.
    ///
    /// # Errors
    /// [`Trouble`]: the store cannot be read; what was told before is a part.
    fn load(&self, each: &mut dyn FnMut(Change)) -> Result<u64, Trouble>;

    /// Tells what changed after the change `sequence`: resources as they are now, and deleted ones that they are, each
    /// once; then changes of members. An index that had everything up to `sequence` has everything afterwards. Gives
    /// the number of the last change.
    ///
    /// # Errors
    /// [`Untold`]: the store cannot be read, or has forgotten what changed so long ago.
    fn after(&self, sequence: u64, each: &mut dyn FnMut(Change)) -> Result<u64, Untold>;

    /// Whether it can be asked.
    fn state(&self) -> State;
}

/// Hears of everything that there is, and then of every change: what keeps an index current.
///
/// It is called on the thread that opens the store, and then on the store's: whoever waits for a job waits for it as
/// well.
pub trait Feed: Send {
    /// Forgets everything, and takes everything that there is now from `load`; changes after that are told. This comes
    /// first, and again if it cannot be told what another process changed: it is more than is remembered, or an earlier
    /// state is back. What was known before serves until then.
    ///
    /// # Errors
    /// [`Trouble`]: that of `load`. It comes again later.
    fn reload(&mut self, load: &Load<'_>) -> Result<(), Trouble>;

    /// Takes changes that are kept, in order, before whoever made them is told so.
    fn changes(&mut self, changes: &[Change]);

    /// Takes what an operator should know: that the store went away, or that a job asked for what the database refuses.
    fn trouble(&mut self, _trouble: Trouble) {}
}

/// Tells everything that there is, as [`Store::load`] does, of one state of the store.
pub type Load<'l> = dyn Fn(&mut dyn FnMut(Change)) -> Result<u64, Trouble> + 'l;

/// Hears of nothing: for a process that only writes.
impl Feed for () {
    fn reload(&mut self, _load: &Load<'_>) -> Result<(), Trouble> {
        Ok(())
    }

    fn changes(&mut self, _changes: &[Change]) {}
}

/// Whether a store can be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// It can, as far as it is known.
    Available,
    /// It cannot: jobs are refused until it can again, which it tries by itself.
    Away {
        /// Since when.
        since: Timestamp,
        /// Why.
        why: Trouble,
    },
}

/// Why it is not told what changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Untold {
    /// The store cannot be read.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// What changed after that number is not known, or there was no such number: everything has to be loaded.
    #[error("the changes since then are not kept any more; everything has to be loaded")]
    Forgotten,
}
