//! What a daemon needs before it can serve, found out in one place: `serve` goes on from here, `doctor` reports it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatepost_mail::http::Responder;
use tokio::time::timeout;

use crate::accounts::{self, Accounts};
use crate::config::{self, Address, Config, ConfigError, Listener, Provider, UsersError};
use crate::connection::listener::{self, BindError};
use crate::judging::generation::{self, Generation, GenerationError};
use crate::judging::users::{self, Followed};
use crate::process::account::{Account, AccountError};

/// Why a daemon does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Load(#[from] GenerationError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Users(#[from] UsersError),
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error("{0}")]
    Http(String),
    #[error(transparent)]
    Accounts(#[from] accounts::SettingsError),
    #[error("{0}; gatepost cannot run here")]
    Io(#[from] io::Error),
}

/// What there is to serve with; complete where there is no fault.
#[derive(Default)]
pub(crate) struct Preparation {
    /// Who the daemon is to become.
    pub(crate) account: Option<Account>,
    pub(crate) generation: Option<Arc<Generation>>,
    pub(crate) users: Option<Followed>,
    pub(crate) http: Option<Responder>,
    pub(crate) accounts: Option<Arc<Accounts>>,
    /// What keeps the database of accounts from being opened: a daemon starts all the same, and goes on trying.
    pub(crate) database: Option<accounts::SettingsError>,
    /// Whether every provider has been looked for.
    pub(crate) has_looked: bool,
    /// Where the last good keys are kept.
    pub(crate) kept: Kept,
    /// Everything that keeps it from starting.
    pub(crate) faults: Vec<StartError>,
}

impl Preparation {
    /// What `result` holds; its error is one more fault.
    fn take<T>(&mut self, result: Result<T, impl Into<StartError>>) -> Option<T> {
        result.map_err(|error| self.faults.push(error.into())).ok()
    }
}

/// Prepares for what the file at `path` says, which is `config`; providers may take `patience` to be found.
/// No socket is taken from anybody: binding is only tried.
pub(crate) async fn prepare(path: &Path, config: &Config, patience: Duration) -> Preparation {
    let mut ready = Preparation::default();
    if let Some(name) = config.user.as_deref() {
        ready.account = ready.take(Account::find(name)).flatten();
    }
    let lowered = ready.account.as_ref().map(Account::lower).transpose();
    if ready.take(lowered).is_some() {
        prepare_as_account(path, config, patience, &mut ready).await;
    }
    let raised = ready.account.as_ref().map(Account::raise).transpose();
    ready.take(raised);
    try_listeners(config, &mut ready, listener::rehearse);
    ready
}

/// Tries each listener, and whether two of them are in each other's way.
fn try_listeners(
    config: &Config,
    ready: &mut Preparation,
    attempt: impl Fn(&Listener) -> Result<(), BindError>,
) {
    let listeners = listeners(config);
    ready.take(listener::check_paths(&listeners));
    for listener in &listeners {
        ready.take(attempt(listener));
    }
}

/// Reads everything that is read with the rights that a reload will have.
async fn prepare_as_account(
    path: &Path,
    config: &Config,
    patience: Duration,
    ready: &mut Preparation,
) {
    if ready.account.is_some() {
        ready.take(Config::read(path));
    }
    let generation = Generation::load(config, None);
    ready.generation = ready.take(generation).map(Arc::new);
    read_others(config, ready);
    let accounts = config
        .accounts
        .as_ref()
        .filter(|_| ready.accounts.is_some());
    ready.database = accounts.and_then(|accounts| accounts::check_database(accounts).err());
    ready.kept = kept(config);
    if let Some(generation) = &ready.generation {
        // What is found is kept on disk as well: now, and not with the rights of root.
        let found = timeout(patience, generation.providers.looked_for()).await;
        ready.has_looked = found.is_ok();
    }
}

/// Reads what is named outside of `[[provider]]`.
fn read_others(config: &Config, ready: &mut Preparation) {
    let users = config.users.clone().map(users::load).transpose();
    ready.users = ready.take(users).flatten();
    let http = config.http.as_ref().map(http).transpose();
    ready.http = ready.take(http).flatten();
    let accounts = config.accounts.as_ref();
    let accounts = accounts.map(|accounts| Accounts::new(accounts, config));
    let accounts = accounts.transpose();
    ready.accounts = ready.take(accounts).flatten();
}

/// As [`prepare`], of the file at `path`, which says `config`, as far as it is known without network, without its
/// sockets, and by others than root.
pub(crate) fn rehearse(path: &Path, config: &Config) -> Preparation {
    let mut ready = Preparation::default();
    if let Some(name) = config.user.as_deref() {
        match Account::find(name) {
            // Whoever checks need not be who starts it.
            Err(AccountError::NotRoot(_)) => {}
            found => ready.account = ready.take(found).flatten(),
        }
    }
    let lowered = ready.account.as_ref().map(Account::lower).transpose();
    if ready.take(lowered).is_some() {
        if ready.account.is_some() {
            ready.take(Config::read(path));
        }
        rehearse_providers(config, &mut ready);
        read_others(config, &mut ready);
        if ready.accounts.is_some() {
            let database = config.accounts.as_ref().map(accounts::check_database);
            ready.take(database.transpose());
        }
        ready.kept = kept(config);
    }
    let raised = ready.account.as_ref().map(Account::raise).transpose();
    ready.take(raised);
    try_listeners(config, &mut ready, listener::look_up);
    ready
}

/// Loads each provider by itself, so that each tells its fault, and then all together.
fn rehearse_providers(config: &Config, ready: &mut Preparation) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Some(runtime) = ready.take(runtime) else {
        return;
    };
    // Nobody is asked anything: nothing drives this runtime.
    let inside = runtime.enter();
    let faults = ready.faults.len();
    for provider in &config.providers {
        let mut alone = config.clone();
        alone.providers = vec![provider.clone()];
        alone.dict = None;
        ready.take(Generation::load(&alone, None));
    }
    if ready.faults.len() == faults {
        ready.take(Generation::load(config, None));
    }
    drop(inside);
    runtime.shutdown_background();
}

fn http(settings: &config::Http) -> Result<Responder, StartError> {
    let mut nonce = [0; 16];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| io::Error::other("no random numbers"))?;
    let caller = settings.caller().map_err(StartError::Http)?;
    let (shape, attributes) = (settings.shape(), settings.attributes());
    Ok(Responder::new(shape, attributes, caller, nonce))
}

/// Everything that is listened at, but what systemd opens.
pub(crate) fn listeners(config: &Config) -> Vec<Listener> {
    let mut all = config.every_listener();
    all.retain(|listener| !matches!(listener.address, Address::Systemd(_)));
    all
}

/// What becomes of the last good keys of providers that are found over the network.
#[derive(Default)]
pub(crate) enum Kept {
    /// All keys are in files.
    #[default]
    NotNeeded,
    Nowhere,
    In(PathBuf),
    /// The directory cannot be written.
    Unusable(PathBuf, io::Error),
}

/// Tries the directory for the last good keys.
fn kept(config: &Config) -> Kept {
    if !config.providers.iter().any(Provider::finds_keys) {
        return Kept::NotNeeded;
    }
    let Some(directory) = generation::state_directory(config) else {
        return Kept::Nowhere;
    };
    match tempfile::tempfile_in(&directory) {
        Ok(_) => Kept::In(directory),
        Err(error) => Kept::Unusable(directory, error),
    }
}
