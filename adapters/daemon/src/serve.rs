//! `gatepost serve`: the life of the daemon.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::{Config, Listener, ListenerProtocol};
use crate::connection::Service;
use crate::door::Door;
use crate::generation::Generation;
use crate::listener::{self, BindError, Bound};
use crate::log;
use crate::metrics::Metrics;
use crate::penalty::Penalties;
use crate::prepare::{Kept, StartError, prepare};
use crate::upstream::Upstream;
use crate::users::Followed;
use crate::web;
use crate::worker::{Protocol, Workers};

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
struct Error(Vec<StartError>);

impl<E: Into<StartError>> From<E> for Error {
    fn from(error: E) -> Self {
        Self(vec![error.into()])
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

/// Serves until a signal ends it.
pub(crate) fn run(options: &Options) -> ExitCode {
    let served = Config::read(&options.config)
        .map_err(Error::from)
        .and_then(|config| {
            log::start(&config.log);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(serve(options, config))
        });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            for fault in &error.0 {
                eprintln!("gatepost: {fault}");
            }
            error.exit_code()
        }
    }
}

async fn serve(options: &Options, config: Config) -> Result<(), Error> {
    // A provider that is away delays the start by this at most.
    let prepared = prepare(&options.config, &config, FIRST_LOOK).await;
    let (generation, account) = match prepared.generation {
        Some(generation) if prepared.faults.is_empty() => (generation, prepared.account),
        _ => return Err(Error(prepared.faults)),
    };
    announce(options, &config, &generation);
    if let Kept::Unusable(path, error) = prepared.kept {
        let (path, error) = (path.display().to_string(), error.to_string());
        tracing::warn!(path, error, "state_directory cannot be written");
    }
    let entrances = entrances(&config)?;
    let watchers = match &config.metrics {
        Some(address) => listener::bind_http(address)?,
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
    let mut reload = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (generations, generation) = watch::channel(generation);
    let (stop, stopping) = watch::channel(false);
    let service = Arc::new(Service {
        upstream,
        http: prepared.http,
        ..service(&config, generation, stopping)
    });
    let workers = Arc::new(Workers::start(&service)?);
    let _watched = watch_at(watchers, &service)?;
    let mut doors: Vec<_> = entrances
        .into_iter()
        .map(|entrance| entrance.open(&workers))
        .collect();
    notify(&[NotifyState::Ready]);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "ready");

    let mut current = config;
    loop {
        tokio::select! {
            _ = reload.recv() => reread(options, &mut current, &generations).await,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    notify(&[NotifyState::Stopping]);
    tracing::info!("stopping");
    for door in &mut doors {
        door.close().await;
    }
    stop.send_replace(true);
    let patience = current.limits.drain_seconds.duration();
    let empty = async {
        for door in &doors {
            door.wait_until_empty().await;
        }
    };
    if timeout(patience, empty).await.is_err() {
        tracing::warn!("connections left that did not end in time");
    }
    tracing::info!("stopped");
    Ok(())
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
    let answer = move |request| service.metrics.answer(&request, &service.generation);
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

/// Names what an operator should know about the configuration that is in force.
fn announce(options: &Options, config: &Config, generation: &Generation) {
    for path in config.exposed_secrets(&options.config) {
        let path = path.display().to_string();
        tracing::warn!(path, "holds a secret and can be read by others");
    }
    for word in config.looser_words() {
        tracing::warn!(word, "looser than the default");
    }
    let trust = generation.providers.trust();
    for (policy, keys) in trust.policies().iter().zip(trust.keys()) {
        let keys = keys.len();
        tracing::info!(
            provider = policy.provider,
            issuer = policy.issuer,
            keys,
            "provider"
        );
    }
}

/// Replaces what logins are judged by, or keeps it where the new configuration is no good.
async fn reread(
    options: &Options,
    current: &mut Config,
    generations: &watch::Sender<Arc<Generation>>,
) {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, now]);
    }
    let previous = Arc::clone(&generations.borrow());
    match Config::read(&options.config)
        .map_err(Error::from)
        .and_then(|config| Ok((Generation::load(&config, Some(&previous))?, config)))
    {
        Ok((generation, config)) => {
            // The old one judges until the new one knows its providers.
            let _ = timeout(FIRST_LOOK, generation.providers.looked_for()).await;
            announce(options, &config, &generation);
            for part in current.parts_for_a_restart(&config) {
                tracing::warn!(part, "changed, which takes effect after a restart only");
            }
            generations.send_replace(Arc::new(generation));
            *current = config;
            tracing::info!("reloaded");
        }
        Err(error) => {
            let faults: Vec<String> = error.0.iter().map(ToString::to_string).collect();
            tracing::error!(
                error = faults.join("\n"),
                "not reloaded: the old configuration stays"
            );
        }
    }
    notify(&[NotifyState::Ready]);
}

/// Tells systemd, where it asked to be told.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(error = error.to_string(), "systemd not notified");
    }
}
