//! The accounts in memory, kept current by the store.

use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use gatepost_accounts::index::Index;
use gatepost_accounts::model::Change;
use gatepost_accounts::routes::Routes;
use gatepost_mail::users::Common;
use gatepost_store::{Feed, Load, Trouble};

/// What is known of the accounts.
pub(crate) struct Held {
    known: RwLock<Known>,
    /// What every account has as a user of Dovecot's.
    common: Common,
}

#[derive(Default)]
struct Known {
    index: Index,
    /// There once the sources that it names have their numbers.
    routes: Option<Routes>,
}

impl Held {
    /// Nobody is known yet.
    pub(super) fn new(common: Common) -> Arc<Self> {
        Arc::new(Self {
            known: RwLock::default(),
            common,
        })
    }

    pub(super) fn common(&self) -> &Common {
        &self.common
    }

    /// Looks at the accounts; `None` where nobody is known yet, which is not that there is nobody.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Index, &Routes) -> T) -> Option<T> {
        // Nothing in there is ever half done.
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let routes = known.routes.as_ref()?;
        Some(look(&known.index, routes))
    }

    /// Whether the accounts are known.
    pub(crate) fn is_loaded(&self) -> bool {
        self.read(|_, _| ()).is_some()
    }

    /// Everything is loaded: from now on it is answered, by these routes.
    pub(super) fn begin(&self, routes: Routes) {
        self.change(|known| {
            known.index.set_routes(routes.clone());
            known.routes = Some(routes);
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut known)
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
        let routes = self.held.read(|_, routes| routes.clone());
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
