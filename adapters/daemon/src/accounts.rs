//! Accounts that are known before anybody logs in: a database that sources write to, and an index of it in memory that
//! mail servers are answered from. Nobody who asks waits for the database.

mod checks;
mod derived;
mod domains;
mod files;
mod fresh;
pub(crate) mod gate;
mod held;
mod login;
mod maps;
mod passwords;
mod pull;
mod routes;
mod users;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use gatepost_accounts::login::Join;
use gatepost_accounts::model::{Source, SourceId};
use gatepost_accounts::routes::Routes;
use gatepost_accounts::scim::Effect;
use gatepost_accounts::store::Unavailable;
use gatepost_accounts::time::Timestamp;
use gatepost_mail::socketmap::Delimiters;
use gatepost_store::{Job, Session, Settings, SourceError, Sqlite, State, Store, Trouble, run};
use gatepost_tokio::ClientRules;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::config::{AccountSettings, Config};
use crate::connection::tls::Tls;
use crate::process::vital;
pub(crate) use checks::{SettingsError, check_database};
pub(crate) use derived::forget_others;
pub(crate) use domains::{Foreseen, Kept, foresee, settle};
use files::Files;
pub(crate) use fresh::{fresh, now};
pub(crate) use held::{Held, Number};
pub(crate) use login::Logins;
use passwords::AppPasswords;
pub(crate) use pull::{Provider as PulledProvider, Pulled, Unanswered};
pub(crate) use routes::routes;
pub(crate) use users::Everybody;

/// How long a database that cannot be opened is left alone.
const RETRY: Duration = Duration::from_secs(1);

/// The accounts, and where they are kept.
pub(crate) struct Accounts {
    settings: AccountSettings,
    /// What extensions of addresses begin with.
    delimiters: Delimiters,
    /// The provider whose tokens open the accounts of a source that names none.
    only_provider: Option<String>,
    held: Arc<Held>,
    /// What those who push are shown, if they speak TLS.
    tls: Option<Arc<Tls>>,
    /// There once the database has been opened, until the daemon ends.
    store: Mutex<Option<Arc<Sqlite>>>,
    /// There once the numbers of the sources are known.
    served: OnceLock<Served>,
    opening: watch::Sender<Opening>,
    pulls: pull::Pulls,
    app_passwords: AppPasswords,
}

/// What is served, once the database has been opened.
pub(crate) struct Served {
    /// The sources, in the order of the configuration.
    pub(crate) sources: Vec<Source>,
    /// The URL of each one's endpoint, if it pushes accounts.
    pub(crate) urls: Vec<Option<String>>,
    /// Whose tokens open each one's endpoint, beside its secrets.
    pub(crate) clients: Vec<Option<ClientRules>>,
    pub(crate) routes: Routes,
    /// Domains that sources have though they are not configured any more.
    kept: Vec<Kept>,
}

/// Whether the database has been opened.
#[derive(Clone, Copy, Debug)]
enum Opening {
    /// It has not been tried yet.
    Untried,
    /// It could not be opened since then; it is tried again.
    Failed {
        since: Timestamp,
        why: OpenError,
    },
    Done,
}

/// Why a database is not served from.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
enum OpenError {
    #[error(transparent)]
    Trouble(#[from] Trouble),
    #[error("does not keep what its sources are called: {0}")]
    Source(#[from] SourceError),
}

/// What whoever watches is told.
pub(crate) struct Health {
    /// Whether anybody is known: what the database last said, however long ago.
    pub(crate) is_loaded: bool,
    /// How many are known, if any are.
    pub(crate) number: Option<Number>,
    /// Why nothing can be written now, if so.
    pub(crate) away: Option<String>,
    /// Since when.
    pub(crate) since: Option<String>,
    /// Domains that sources have though they are not configured any more.
    pub(crate) kept: Vec<Kept>,
    /// How the providers are that are read.
    pub(crate) pulls: Vec<Pulled>,
}

impl Accounts {
    /// The accounts that `settings` of `config` name, of which nothing is opened yet.
    ///
    /// # Errors
    /// [`SettingsError`]: the settings need something that is not there.
    pub(crate) fn new(
        settings: &AccountSettings,
        config: &Config,
    ) -> Result<Arc<Self>, SettingsError> {
        checks::check(settings)?;
        let tls = settings.certificate();
        let tls = tls.map(|(certificate, key)| Tls::load(certificate, key));
        Ok(Arc::new(Self {
            settings: settings.clone(),
            tls: tls.transpose()?.map(Arc::new),
            delimiters: config.recipient_delimiter.get(),
            only_provider: config.only_provider(),
            held: Held::new(settings.common()?),
            store: Mutex::default(),
            served: OnceLock::new(),
            opening: watch::Sender::new(Opening::Untried),
            pulls: pull::Pulls::default(),
            app_passwords: AppPasswords::load(settings)?,
        }))
    }

    /// Begins to open the database, and to pull accounts, on threads of their own.
    pub(crate) fn start(self: &Arc<Self>) -> io::Result<()> {
        let accounts = Arc::clone(self);
        vital::spawn("accounts".to_owned(), move || accounts.open_at_last())?;
        pull::start(self)
    }

    /// Waits until the database has been opened.
    async fn opened(&self) {
        let mut opening = self.opening.subscribe();
        // Never closed: we hold the sender.
        let _ = opening
            .wait_for(|opening| matches!(opening, Opening::Done))
            .await;
    }

    /// Keeps docker-mailserver's files current, if it has any.
    pub(crate) fn files(&self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let files = self.settings.docker_mailserver().map(|directory| Files {
            held: self.held(),
            directory: directory.to_owned(),
        });
        files.map(Files::follow)
    }

    /// Waits until it has been tried to open the database.
    pub(crate) async fn tried(&self) {
        let mut opening = self.opening.subscribe();
        // Never closed: we hold the sender.
        let _ = opening
            .wait_for(|opening| !matches!(opening, Opening::Untried))
            .await;
    }

    /// Opens the database, however often it has to be tried.
    fn open_at_last(&self) {
        let mut last = None;
        loop {
            let Err(why) = self.open() else {
                self.opening.send_replace(Opening::Done);
                let accounts = self.held.count();
                tracing::info!(accounts, "accounts loaded");
                return;
            };
            // Said once, however long it stays so.
            if last != Some(why) {
                let (path, error) = (self.settings.database().display(), why.to_string());
                tracing::error!(
                    path = path.to_string(),
                    error,
                    "accounts not loaded: mail for them waits"
                );
            }
            let since = match *self.opening.borrow() {
                Opening::Failed { since, .. } => since,
                _ => now(),
            };
            self.opening.send_replace(Opening::Failed { since, why });
            last = Some(why);
            std::thread::sleep(RETRY);
        }
    }

    fn open(&self) -> Result<(), OpenError> {
        let feed = Arc::clone(&self.held).feed(self.settings.database());
        let store = Sqlite::open(self.settings.database(), Settings::default(), feed)?;
        let names = self.settings.sources.iter();
        let names: Vec<String> = names.map(|source| source.name.to_string()).collect();
        let known = run(&store, move |session| {
            let has_all = names
                .iter()
                .all(|name| matches!(session.source(name), Ok(Some(_))));
            // Where there is nothing to write, a full disk keeps nobody from being served.
            let effect = if has_all {
                Effect::Nothing
            } else {
                Effect::Commit
            };
            (effect, know(session, &names))
        });
        let known = known.map_err(SourceError::from).flatten()?;
        let (sources, kept) =
            derived::settled(&store, &self.settings.sources, known).map_err(SourceError::from)?;
        let routes = routes(&self.settings, &self.delimiters, &sources);
        // Before anybody is answered: while a domain moves, its addresses are nobody's.
        derived::catch_up(&store, &sources, &routes).map_err(SourceError::from)?;
        if self.held.is_new() {
            tell_new(self.settings.database());
        }
        let unread = self.unread(&store, &sources).map_err(SourceError::from)?;
        self.held.begin(routes.clone(), unread);
        routes::tell_taken_lists(&self.held, &sources, &routes);
        let urls = self.settings.sources.iter();
        let urls = urls.map(|source| source.public_url().map(str::to_owned));
        let clients = self.settings.sources.iter();
        let clients = clients.map(|source| source.client(self.only_provider.as_deref()));
        // Set once: this returns after the first success.
        let _ = self.served.set(Served {
            urls: urls.collect(),
            clients: clients.collect(),
            sources,
            routes,
            kept,
        });
        *self.lock() = Some(Arc::new(store));
        Ok(())
    }

    /// The sources that are read, and have not been once as a whole.
    fn unread(&self, store: &Sqlite, sources: &[Source]) -> Result<Vec<Source>, Unavailable> {
        let known = run(store, |session| (Effect::Nothing, session.sources()))??;
        let is_read = |source: &Source| {
            let mut known = known.iter();
            known.any(|known| known.id == source.id && known.is_read)
        };
        let pulls = &self.settings.pulls;
        let is_pulled = |source: &Source| pulls.iter().any(|pull| *pull.source == *source.name);
        let unread = sources
            .iter()
            .filter(|source| is_pulled(source) && !is_read(source));
        Ok(unread.cloned().collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<Sqlite>>> {
        // Nothing in there is ever half done.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many connections there may be of those who push.
    pub(crate) fn connections(&self) -> usize {
        self.settings
            .connections
            .get()
            .try_into()
            .unwrap_or(usize::MAX)
    }

    /// How many sources are configured.
    pub(crate) fn sources(&self) -> usize {
        self.settings.sources.len()
    }

    /// The accounts in memory.
    pub(crate) fn held(&self) -> Arc<Held> {
        Arc::clone(&self.held)
    }

    /// What those who push are shown, if they speak TLS.
    pub(crate) fn tls(&self) -> Option<Arc<Tls>> {
        self.tls.clone()
    }

    /// What is served, once that is known.
    pub(crate) fn served(&self) -> Option<&Served> {
        self.served.get()
    }

    /// The sources whose accounts a provider's tokens open, with their places, and how.
    fn joined(&self, provider: &str) -> impl Iterator<Item = (usize, (&Source, Join))> {
        let sources = self.served.get().map(|served| &*served.sources);
        let sources = sources.unwrap_or_default().iter().enumerate();
        let all = sources.zip(&self.settings.sources);
        all.filter_map(move |((place, source), settings)| {
            let named = settings.provider().or(self.only_provider.as_deref());
            (named == Some(provider)).then_some((place, (source, settings.join())))
        })
    }

    /// Hands over a job; where there is no database, it is done at once, as not available.
    pub(crate) fn submit(&self, job: Box<dyn Job>) {
        let store = self.lock().clone();
        match store {
            Some(store) => store.submit(job),
            None => job.done(Err(Unavailable)),
        }
    }

    /// How they are.
    pub(crate) fn health(&self) -> Health {
        let opening = *self.opening.borrow();
        let state = self.lock().as_ref().map(|store| store.state());
        let away = match (state, opening) {
            (Some(State::Available), _) => None,
            (Some(State::Away { since, why }), _) => Some((since.to_string(), why.to_string())),
            (None, Opening::Failed { since, why }) => Some((since.to_string(), why.to_string())),
            (None, _) => Some((now().to_string(), "is not open yet".to_owned())),
        };
        let (since, away) = away.unzip();
        Health {
            is_loaded: self.held.count().is_some(),
            number: self.held.number(),
            away: away.map(|why| format!("the database {why}")),
            since,
            kept: self
                .served()
                .map_or_else(Vec::new, |served| served.kept.clone()),
            pulls: self.pulls.get(),
        }
    }

    /// Waits until what has been handed over is done, `patience` at most.
    pub(crate) async fn close(&self, patience: Duration) {
        self.write_uses();
        let store = self.lock().take();
        let closed = spawn_blocking(move || drop(store));
        if timeout(patience, closed).await.is_err() {
            tracing::warn!("the database of accounts did not close in time");
        }
    }
}

/// Tells that nobody has ever been known to a database.
pub(crate) fn tell_new(database: &Path) {
    tracing::warn!(
        path = database.display().to_string(),
        "new database of accounts: if one was lost, have mail wait until everybody is known again"
    );
}

/// The numbers of the sources of these names; those that are not there are added.
pub(crate) fn know(
    session: &mut dyn Session,
    names: &[String],
) -> Result<Vec<SourceId>, SourceError> {
    let names = names.iter();
    let known = names.map(|name| match session.source(name)? {
        Some(known) => Ok(known.id),
        None => session.add_source(name, now()),
    });
    known.collect()
}
