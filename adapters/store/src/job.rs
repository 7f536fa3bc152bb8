//! Jobs: what is done in one transaction, and who is told what came of it.

use std::sync::mpsc;

use gatepost_accounts::scim::Effect;
use gatepost_accounts::store::Unavailable;

use crate::source::Session;
use crate::store::Store;

/// Work in one transaction of a store.
pub trait Job: Send {
    /// Does the work; it is kept or undone as the [`Effect`] says. If any question or write failed, it is undone in
    /// any case. It is called once, on the store's thread, and waits for nobody.
    fn run(&mut self, session: &mut dyn Session) -> Effect;

    /// Tells what came of it, once: that it is on disk if it was to be kept, or that the store was not available. It
    /// is called on the store's thread, or on that of [`Store::submit`] where the job is refused at once; it waits for
    /// nobody, and does not panic.
    fn done(self: Box<Self>, result: Result<(), Unavailable>);
}

/// A job of two closures: `work` gives a value, and `done` gets it once the work is kept.
///
/// `done` is called exactly once, whatever happens: it may send into any channel, of threads or of tasks.
pub fn job<V, W, D>(work: W, done: D) -> Box<dyn Job>
where
    V: Send + 'static,
    W: FnOnce(&mut dyn Session) -> (Effect, V) + Send + 'static,
    D: FnOnce(Result<V, Unavailable>) + Send + 'static,
{
    Box::new(Closures {
        work: Some(work),
        value: None,
        done: Some(done),
    })
}

/// Does a job and waits for it: for threads that have nothing else to do.
///
/// # Errors
/// [`Unavailable`]: the store cannot be asked, or does not keep what was written.
pub fn run<V, W>(store: &dyn Store, work: W) -> Result<V, Unavailable>
where
    V: Send + 'static,
    W: FnOnce(&mut dyn Session) -> (Effect, V) + Send + 'static,
{
    let (sender, receiver) = mpsc::sync_channel(1);
    store.submit(job(work, move |result| {
        // Nobody waits any more if this fails.
        let _ = sender.send(result);
    }));
    receiver.recv().unwrap_or(Err(Unavailable))
}

struct Closures<V, W, D>
where
    D: FnOnce(Result<V, Unavailable>),
{
    work: Option<W>,
    value: Option<V>,
    done: Option<D>,
}

impl<V, W, D> Job for Closures<V, W, D>
where
    V: Send,
    W: FnOnce(&mut dyn Session) -> (Effect, V) + Send,
    D: FnOnce(Result<V, Unavailable>) + Send,
{
    fn run(&mut self, session: &mut dyn Session) -> Effect {
        let Some(work) = self.work.take() else {
            return Effect::Nothing;
        };
        let (effect, value) = work(session);
        self.value = Some(value);
        effect
    }

    fn done(mut self: Box<Self>, result: Result<(), Unavailable>) {
        let value = self.value.take();
        if let Some(done) = self.done.take() {
            done(result.and(value.ok_or(Unavailable)));
        }
    }
}

impl<V, W, D> Drop for Closures<V, W, D>
where
    D: FnOnce(Result<V, Unavailable>),
{
    /// A job that a thread left behind was not done.
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done(Err(Unavailable));
        }
    }
}
