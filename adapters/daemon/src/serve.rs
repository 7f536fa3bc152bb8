//! `gatepost serve`: the life of the daemon.

mod announce;
mod endpoints;
mod open_files;
mod reload;
mod systemd;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{self, Handle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::accounts::{Accounts, Held};
use crate::config::Config;
use crate::connection::acceptor::Acceptor;
use crate::connection::http::Scim;
use crate::connection::peer::Stage;
use crate::connection::service::Service;
use crate::connection::upstream::Upstream;
use crate::connection::worker::Workers;
use crate::judging::generation::Generation;
use crate::judging::guesses::Guesses;
use crate::judging::users::Followed;
use crate::log;
use crate::metrics::{self, Metrics};
use crate::process::prepare::{Kept, Preparation, StartError, prepare};
use crate::process::{memory, vital};
use announce::{announce, status};
use endpoints::{Answerers, endpoints};
use reload::Reload;

/// How long a start waits for providers to be found, so that its first logins find them known.
const FIRST_LOOK: Duration = Duration::from_secs(3);

/// How long connections that are given up may take to say so in the log.
const LAST_LINES: Duration = Duration::from_millis(500);

/// Connections of those who watch, at once.
const WATCHERS: u32 = 64;

/// Options of `gatepost serve`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Why it does not serve: everything that is known of it.
#[derive(Debug)]
struct Error(Vec<StartError>);

impl<E: Into<StartError>> From<E> for Error {
    fn from(error: E) -> Self {
        Self(vec![error.into()])
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&faults.join("\n"))
    }
}

impl Error {
    /// 2 for what the configuration has to change, 1 for the rest.
    fn exit_code(&self) -> ExitCode {
        match &*self.0 {
            [StartError::Io(_)] => ExitCode::from(1),
            _ => ExitCode::from(2),
        }
    }
}

/// The signals, which are handled before anything else is done.
struct Signals {
    reload: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn handle() -> io::Result<Self> {
        Ok(Self {
            reload: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

/// Serves until a signal ends it.
pub(crate) fn run(options: &Options) -> ExitCode {
    vital::log_panics();
    vital::be_strict();
    let served = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::from)
        .and_then(|runtime| {
            let served = runtime.block_on(live(options));
            // Nobody waits for a file system that hangs.
            runtime.shutdown_background();
            served
        });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            for fault in &error.0 {
                log::fault(fault);
            }
            error.exit_code()
        }
    }
}

/// Serves until a signal ends it, which may come at any moment.
async fn live(options: &Options) -> Result<(), Error> {
    let Signals {
        reload,
        mut terminate,
        mut interrupt,
    } = Signals::handle()?;
    let (ended, end) = oneshot::channel();
    let wait = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // Fails where nothing is served any more.
        let _ = ended.send(());
    };
    let waiting = tokio::spawn(wait);
    let served = serve(options, reload, end).await;
    waiting.abort();
    served
}

/// What there is once the configuration has been read.
struct Begun {
    config: Config,
    exposed: Vec<PathBuf>,
    prepared: Preparation,
}

async fn begin(path: PathBuf) -> Result<Begun, Error> {
    let config = Config::read(&path)?;
    log::start(&config.log);
    open_files::raise(&config);
    // A provider that is away delays the start by this at most.
    let prepared = prepare(&path, &config, FIRST_LOOK).await;
    let exposed = config.exposed_secrets(&path);
    Ok(Begun {
        config,
        exposed,
        prepared,
    })
}

async fn serve(
    options: &Options,
    reload: Signal,
    mut end: oneshot::Receiver<()>,
) -> Result<(), Error> {
    let online = online()?;
    let begun = online.spawn(begin(options.config.clone()));
    let Begun {
        config,
        exposed,
        prepared,
    } = tokio::select! {
        begun = begun => begun.map_err(io::Error::other)??,
        _ = &mut end => return Ok(()),
    };
    let (generation, account) = match prepared.generation {
        Some(generation) if prepared.faults.is_empty() => (generation, prepared.account),
        _ => return Err(Error(prepared.faults)),
    };
    announce(&config, &exposed, &generation);
    tell_kept(prepared.kept);
    memory::keep_trimmed()?;
    let held = prepared.accounts.as_ref().map(|accounts| accounts.held());
    let again = prepared.users.as_ref().map(Followed::again);
    let (upstream, follow) = upstream(&config, prepared.users, held)?.unzip();
    let accounts = prepared.accounts;
    let answerers = Answerers {
        scim: accounts.as_ref().map(|accounts| scim(&config, accounts)),
        ..Answerers::of(upstream.as_ref(), prepared.http)
    };
    let endpoints = endpoints(&config, answerers)?;
    if let Some(account) = account {
        account.become_it()?;
    }
    start_accounts(accounts.as_ref())?;
    let mut followed = JoinSet::new();
    follow_users(upstream, follow, &mut followed).await;
    follow_accounts(accounts.as_ref(), &mut followed).await;
    let (generations, generation) = watch::channel(generation);
    let (stop, stopping) = watch::channel(Stage::Serving);
    let service = Arc::new(service(&config, generation, stopping, accounts.clone()));
    let workers = Arc::new(Workers::start(&service)?);
    let acceptors = endpoints
        .into_iter()
        .map(|endpoint| endpoint.open(&workers))
        .collect();
    metrics::loaded();
    systemd::ready(&status(&config));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "ready");

    let patience = config.limits.drain_seconds.duration();
    let reloading = Reload::new(&options.config, config, (generations, online), again);
    followed.spawn(reloading.follow(reload));
    // Its sender lives as long as the signals are waited for.
    let _ = end.await;
    systemd::stopping();
    tracing::info!("stopping");
    drain(acceptors, &stop, patience).await;
    close_accounts(accounts, patience).await;
    tracing::info!("stopped");
    Ok(())
}

fn tell_kept(kept: Kept) {
    if let Kept::Unusable(path, error) = kept {
        let (path, error) = (path.display().to_string(), error.to_string());
        tracing::warn!(path, error, "state_directory cannot be written");
    }
}

/// Keeps users and what Dovecot offers current; waits until Dovecot has been tried, for a while.
async fn follow_users(
    upstream: Option<Arc<Upstream>>,
    follow: Option<impl Future<Output = ()> + Send + 'static>,
    followed: &mut JoinSet<()>,
) {
    if let (Some(upstream), Some(users)) = (upstream, follow) {
        followed.spawn(users);
        let follow = Arc::clone(&upstream);
        followed.spawn(async move { follow.follow().await });
        let _ = timeout(FIRST_LOOK, upstream.tried()).await;
    }
}

/// Begins to open the database of accounts, with the rights that the daemon keeps: the file is made now.
fn start_accounts(accounts: Option<&Arc<Accounts>>) -> io::Result<()> {
    accounts.map_or(Ok(()), Accounts::start)
}

async fn close_accounts(accounts: Option<Arc<Accounts>>, patience: Duration) {
    if let Some(accounts) = accounts {
        accounts.close(patience).await;
    }
}

/// Keeps what belongs to accounts current; waits until it has been tried to open their database, for a while.
async fn follow_accounts(accounts: Option<&Arc<Accounts>>, followed: &mut JoinSet<()>) {
    let Some(accounts) = accounts else {
        return;
    };
    if let Some(tls) = accounts.tls() {
        followed.spawn(tls.follow());
    }
    followed.spawn(Arc::clone(accounts).follow_uses());
    if let Some(files) = accounts.files() {
        followed.spawn(files);
    }
    let _ = timeout(FIRST_LOOK, accounts.tried()).await;
}

/// Lets nobody in any more, and logins that have begun end.
async fn drain(mut acceptors: Vec<Acceptor>, stop: &watch::Sender<Stage>, patience: Duration) {
    for acceptor in &mut acceptors {
        acceptor.close().await;
    }
    stop.send_replace(Stage::Stopping);
    if timeout(patience, all_ended(&acceptors)).await.is_err() {
        tracing::warn!("connections left that did not end in time");
        stop.send_replace(Stage::Now);
        // Each login that is given up has its line all the same.
        let _ = timeout(LAST_LINES, all_ended(&acceptors)).await;
    }
}

/// A runtime where providers are asked, which nothing else delays.
fn online() -> io::Result<Handle> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let handle = runtime.handle().clone();
    let work = move || runtime.block_on(std::future::pending());
    vital::spawn_strict("providers".to_owned(), work)?;
    Ok(handle)
}

async fn all_ended(acceptors: &[Acceptor]) {
    for acceptor in acceptors {
        acceptor.wait_until_empty().await;
    }
}

/// The Dovecot that is relayed to, or the users that are told of, and what keeps these current.
fn upstream(
    config: &Config,
    users: Option<Followed>,
    accounts: Option<Arc<Held>>,
) -> io::Result<Option<(Arc<Upstream>, impl Future<Output = ()> + Send + 'static)>> {
    if config.upstream.is_none() && config.users.is_none() && accounts.is_none() {
        return Ok(None);
    }
    let (users, follow) = users
        .map(|followed| (followed.users, followed.follow))
        .unzip();
    let mut random = [0; 4];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("no random numbers"))?;
    let upstream = Upstream::new(
        &config.upstream.clone().unwrap_or_default(),
        users.unwrap_or_else(|| watch::channel(None).1),
        accounts,
        config.recipient_delimiter.get(),
        u32::from_ne_bytes(random),
    );
    let follow = async move {
        if let Some(follow) = follow {
            follow.await;
        }
    };
    Ok(Some((upstream, follow)))
}

fn service(
    config: &Config,
    generation: watch::Receiver<Arc<Generation>>,
    stopping: watch::Receiver<Stage>,
    accounts: Option<Arc<Accounts>>,
) -> Service {
    let limits = &config.limits;
    Service {
        generation,
        stopping,
        metrics: Metrics::new(),
        handshake: limits.handshake_seconds.duration(),
        line: limits.line_seconds.duration(),
        guesses: guesses(config),
        accounts,
    }
}

fn guesses(config: &Config) -> Guesses {
    let limits = &config.limits;
    Guesses::new(limits.penalty_seconds.duration(), limits.trusted_networks())
}

/// What answers sources of accounts; their guesses are nobody's logins.
fn scim(config: &Config, accounts: &Arc<Accounts>) -> Arc<Scim> {
    Arc::new(Scim::new(accounts, guesses(config)))
}
