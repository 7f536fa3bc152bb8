//! The accounts in memory, kept current by the store.

use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use gatepost_accounts::index::Index;
use gatepost_accounts::model::{Change, Source, SourceId};
use gatepost_accounts::routes::Routes;
use gatepost_mail::users::Common;
use gatepost_store::{Feed, Load, Trouble};
use tokio::sync::watch;

/// What is known of the accounts.
pub(crate) struct Held {
    known: RwLock<Known>,
    /// What every account has as a user of Dovecot's.
    common: Common,
    /// Told of each change.
    changed: watch::Sender<()>,
}

/// How many accounts there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    /// All of them.
    pub(crate) all: usize,
    /// Those that may log in.
    pub(crate) active: usize,
}

#[derive(Default)]
struct Known {
    index: Index,
    /// There once the sources that it names have their numbers.
    routes: Option<Routes>,
    /// Providers that are read, and have not been once: others may come that are not known.
    unread: Vec<Source>,
}

impl Held {
    /// Nobody is known yet.
    pub(super) fn new(common: Common) -> Arc<Self> {
        Arc::new(Self {
            known: RwLock::default(),
            common,
            changed: watch::Sender::new(()),
        })
    }

    pub(super) fn common(&self) -> &Common {
        &self.common
    }

    /// Looks at the accounts; `None` where nobody is known yet, which is not that there is nobody: they are not loaded,
    /// or no source has ever pushed any, as in a new database in the place of one that was lost.
    pub(super) fn read<T>(&self, look: impl FnOnce(&Index, &Routes) -> T) -> Option<T> {
        let known = self.known();
        let routes = known.routes.as_ref()?;
        let is_anything_known = known.index.sequence() > 0;
        is_anything_known.then(|| look(&known.index, routes))
    }

    /// Looks at the accounts, though nobody may be known of them; `None` where they are not loaded.
    pub(super) fn loaded<T>(&self, look: impl FnOnce(&Index) -> T) -> Option<T> {
        let known = self.known();
        let is_loaded = known.routes.is_some();
        is_loaded.then(|| look(&known.index))
    }

    /// Whether nobody has ever been known.
    pub(super) fn is_new(&self) -> bool {
        self.known().index.sequence() == 0
    }

    /// How many accounts there are, and how many of them may log in; `None` where they are not loaded.
    pub(super) fn number(&self) -> Option<Number> {
        self.loaded(|index| Number {
            all: index.len(),
            active: index.active(),
        })
    }

    /// How many accounts there are; `None` where they are not loaded.
    pub(super) fn count(&self) -> Option<usize> {
        let known = self.known();
        known.routes.as_ref().map(|_| known.index.len())
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        // Nothing in there is ever half done.
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything is loaded: from now on it is answered, by these routes. Of the sources `unread` not everybody is known
    /// yet.
    pub(super) fn begin(&self, routes: Routes, unread: Vec<Source>) {
        self.change(|known| {
            known.index.set_routes(routes.clone());
            known.routes = Some(routes);
            known.unread = unread;
        });
    }

    /// Everybody of a source is known.
    pub(super) fn has_read(&self, source: SourceId) {
        self.change(|known| known.unread.retain(|unread| unread.id != source));
    }

    /// Whether some source is not known yet of which `is_meant`. Ask before it is looked who there is.
    pub(super) fn awaits(&self, is_meant: impl FnMut(&Source) -> bool) -> bool {
        self.known().unread.iter().any(is_meant)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut known);
        drop(known);
        self.changed.send_replace(());
        changed
    }

    /// What tells of each change from now on.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// What keeps it current; `database` is for the log.
    pub(super) fn feed(self: Arc<Self>, database: &Path) -> impl Feed + 'static {
        Keeper {
            held: self,
            database: database.into(),
        }
    }
}

struct Keeper {
    held: Arc<Held>,
    database: PathBuf,
}

impl Feed for Keeper {
    fn reload(&mut self, load: &Load<'_>) -> Result<(), Trouble> {
        let routes = self.held.known().routes.clone();
        let mut index = Index::new(routes.unwrap_or_default());
        load(&mut |change| index.apply(&change))?;
        let old = self
            .held
            .change(|known| mem::replace(&mut known.index, index));
        // Nobody waits while the old one is given up.
        drop(old);
        Ok(())
    }

    fn changes(&mut self, changes: &[Change]) {
        self.held.change(|known| {
            for change in changes {
                known.index.apply(change);
            }
        });
    }

    fn trouble(&mut self, trouble: Trouble) {
        let (path, error) = (self.database.display().to_string(), trouble.to_string());
        tracing::error!(
            path,
            error,
            "database of accounts: what is known from before is answered"
        );
    }
}
