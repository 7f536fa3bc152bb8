//! `SIGHUP`: another configuration, or the old one where it is no good.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::signal::unix::Signal;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::announce::{announce, status};
use super::{Error, FIRST_LOOK, systemd};
use crate::config::Config;
use crate::judging::generation::Generation;
use crate::metrics;
use crate::process::attempts::Attempts;

/// How long files may take to be read: those of a file system that hangs take for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was read.
pub(super) struct Read {
    config: Config,
    generation: Generation,
    exposed: Vec<PathBuf>,
}

/// What a running daemon is judged by, and how it is replaced.
pub(super) struct Reload {
    path: PathBuf,
    current: Config,
    generations: watch::Sender<Arc<Generation>>,
    /// Where providers are asked.
    online: Handle,
    attempts: Attempts,
    /// Has the users read anew, where they are in a file.
    users: Option<Arc<Notify>>,
}

impl Reload {
    /// Reads the file at `path` again, of which `current` is in force.
    pub(super) fn new(
        path: &Path,
        current: Config,
        (generations, online): (watch::Sender<Arc<Generation>>, Handle),
        users: Option<Arc<Notify>>,
    ) -> Self {
        Self {
            path: path.into(),
            current,
            generations,
            online,
            attempts: Attempts::default(),
            users,
        }
    }

    /// Reads everything again at each signal.
    pub(super) async fn follow(mut self, mut signals: Signal) {
        while signals.recv().await.is_some() {
            systemd::reloading();
            if let Some(users) = &self.users {
                users.notify_one();
            }
            let reloaded = self.reload().await;
            metrics::reloaded(reloaded.is_ok());
            match reloaded {
                Ok(()) => {
                    tracing::info!("reloaded");
                    systemd::ready(&status(&self.current));
                }
                Err(faults) => {
                    let status = format!("not reloaded: {faults}");
                    tracing::error!(error = faults, "not reloaded: the old configuration stays");
                    systemd::ready(&status);
                }
            }
        }
    }

    /// Replaces what logins are judged by, or says what is wrong with the new configuration.
    async fn reload(&mut self) -> Result<(), String> {
        let read = self.read().await?;
        // The old one judges until the new one knows its providers.
        let _ = timeout(FIRST_LOOK, read.generation.providers.looked_for()).await;
        announce(&read.config, &read.exposed, &read.generation);
        for part in self.current.parts_for_a_restart(&read.config) {
            tracing::warn!(part, "changed, which takes effect after a restart only");
        }
        self.generations.send_replace(Arc::new(read.generation));
        self.current = read.config;
        Ok(())
    }

    async fn read(&self) -> Result<Read, String> {
        let path = self.path.clone();
        let previous = Arc::clone(&self.generations.borrow());
        let reading = move || read(&path, &previous);
        let Some(reading) = self.attempts.begin(&self.online, reading) else {
            return Err("too many files of configurations hang: restart gatepost".to_owned());
        };
        // What comes later is nobody's wish any more: the next signal reads anew.
        let Ok(done) = timeout(PATIENCE, reading).await else {
            return Err(
                "a file of the configuration cannot be read: its file system does not answer"
                    .to_owned(),
            );
        };
        let read = done.map_err(|error| error.to_string())?;
        read.map_err(|error| error.to_string())
    }
}

fn read(path: &Path, previous: &Generation) -> Result<Read, Error> {
    let config = Config::read(path)?;
    let generation = Generation::load(&config, Some(previous))?;
    let exposed = config.exposed_secrets(path);
    Ok(Read {
        config,
        generation,
        exposed,
    })
}
