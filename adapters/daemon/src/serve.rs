//! `gatepost serve`: the life of the daemon.

mod announce;
mod open_files;
mod reload;
mod systemd;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{self, Handle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::{Config, Listener, ListenerProtocol};
use crate::connection::Service;
use crate::door::Door;
use crate::generation::Generation;
use crate::listener::{self, BindError, Bound};
use crate::log;
use crate::metrics::{self, Metrics, Question};
use crate::penalty::Penalties;
use crate::prepare::{Kept, Preparation, StartError, prepare};
use crate::upstream::Upstream;
use crate::users::Followed;
use crate::vital;
use crate::web;
use crate::worker::{Protocol, Workers};
use announce::{announce, status};
use reload::Reload;

/// How long a start waits for providers to be found, so that its first logins find them known.
const FIRST_LOOK: Duration = Duration::from_secs(3);

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
    if let Kept::Unusable(path, error) = prepared.kept {
        let (path, error) = (path.display().to_string(), error.to_string());
        tracing::warn!(path, error, "state_directory cannot be written");
    }
    let entrances = entrances(&config)?;
    let watchers = match &config.metrics {
        Some(metrics) => listener::bind_http(&metrics.listener())?,
        None => Vec::new(),
    };
    if let Some(account) = account {
        account.become_it()?;
    }
    let mut followed = JoinSet::new();
    let upstream = upstream(&config, prepared.users, &mut followed)?;
    if let Some(upstream) = &upstream {
        let _ = timeout(FIRST_LOOK, upstream.tried()).await;
    }
    let (generations, generation) = watch::channel(generation);
    let (stop, stopping) = watch::channel(false);
    let service = Arc::new(Service {
        upstream,
        http: prepared.http,
        ..service(&config, generation, stopping)
    });
    let workers = Arc::new(Workers::start(&service)?);
    let _watched = watch_at(watchers, &service)?;
    let doors: Vec<_> = entrances
        .into_iter()
        .map(|entrance| entrance.open(&workers))
        .collect();
    metrics::loaded();
    systemd::ready(&status(&config));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "ready");

    let patience = config.limits.drain_seconds.duration();
    let reloading = Reload {
        path: options.config.clone(),
        current: config,
        generations,
        online,
        hanging: None,
    };
    followed.spawn(reloading.follow(reload));
    // Its sender lives as long as the signals are waited for.
    let _ = end.await;
    systemd::stopping();
    tracing::info!("stopping");
    drain(doors, &stop, patience).await;
    tracing::info!("stopped");
    Ok(())
}

/// Lets nobody in any more, and logins that have begun end.
async fn drain(mut doors: Vec<Door>, stop: &watch::Sender<bool>, patience: Duration) {
    for door in &mut doors {
        door.close().await;
    }
    stop.send_replace(true);
    let empty = async {
        for door in &doors {
            door.wait_until_empty().await;
        }
    };
    if timeout(patience, empty).await.is_err() {
        tracing::warn!("connections left that did not end in time");
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

/// The sockets of one protocol.
struct Entrance {
    protocol: Protocol,
    connections: u32,
    bound: Vec<Bound>,
}

impl Entrance {
    fn bind<'l>(
        protocol: Protocol,
        connections: u32,
        listeners: impl Iterator<Item = &'l Listener>,
    ) -> Result<Self, BindError> {
        let mut bound = Vec::new();
        for listener in listeners {
            bound.extend(listener::bind(listener)?);
        }
        Ok(Self {
            protocol,
            connections,
            bound,
        })
    }

    fn open(self, workers: &Arc<Workers>) -> Door {
        let mut door = Door::new(self.connections, self.protocol, workers);
        for listener in self.bound {
            let protocol = self.protocol.name();
            tracing::info!(address = listener.address(), protocol, "listening");
            door.open(listener);
        }
        door
    }
}

fn entrances(config: &Config) -> Result<Vec<Entrance>, BindError> {
    let connections = config.limits.connections.get();
    let mut entrances = Vec::new();
    for protocol in ListenerProtocol::ALL {
        let listeners = config.listeners.iter();
        let listeners = listeners.filter(|listener| listener.protocol == protocol);
        entrances.push(Entrance::bind(protocol.into(), connections, listeners)?);
    }
    if let Some(http) = &config.http {
        let connections = http.connections.get();
        let bound = Entrance::bind(Protocol::Http, connections, http.listeners().iter());
        entrances.push(bound?);
    }
    if let Some(dict) = &config.dict {
        let connections = dict.connections.get();
        entrances.push(Entrance::bind(
            Protocol::Dict,
            connections,
            [dict.listener()].iter(),
        )?);
    }
    Ok(entrances)
}

/// Knows what stands behind us, and keeps current in `followed` what is known of it.
fn upstream(
    config: &Config,
    users: Option<Followed>,
    followed: &mut JoinSet<()>,
) -> io::Result<Option<Arc<Upstream>>> {
    if config.upstream.is_none() && config.users.is_none() {
        return Ok(None);
    }
    let users = match users {
        None => watch::channel(None).1,
        Some(current) => {
            followed.spawn(current.follow);
            current.users
        }
    };
    let mut random = [0; 4];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("no random numbers"))?;
    let dovecot = config.upstream.clone();
    let upstream = Upstream::new(
        &dovecot.unwrap_or_default(),
        users,
        u32::from_ne_bytes(random),
    );
    let follow = Arc::clone(&upstream);
    followed.spawn(async move { follow.follow().await });
    Ok(Some(upstream))
}

/// Serves metrics and health until it is dropped.
fn watch_at(listeners: Vec<TcpListener>, service: &Arc<Service>) -> io::Result<JoinSet<()>> {
    let service = Arc::clone(service);
    let answer = move |request: web::Request| {
        let question = Question {
            method: &request.method,
            path: &request.path,
            accept: request.accept.as_deref(),
        };
        web::Reply::from(service.metrics.answer(question, &service.generation))
    };
    let mut tasks = JoinSet::new();
    for listener in listeners {
        let address = listener.local_addr()?.to_string();
        tracing::info!(address, "metrics and health");
        tasks.spawn(web::serve(listener, answer.clone()));
    }
    Ok(tasks)
}

fn service(
    config: &Config,
    generation: watch::Receiver<Arc<Generation>>,
    stopping: watch::Receiver<bool>,
) -> Service {
    let limits = &config.limits;
    Service {
        http: None,
        generation,
        stopping,
        metrics: Metrics::new(),
        handshake: limits.handshake_seconds.duration(),
        line: limits.line_seconds.duration(),
        upstream: None,
        penalties: Penalties::new(limits.penalty_seconds.duration()),
    }
}
