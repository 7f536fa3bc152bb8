//! One connection of Dovecot's local validation: look-ups in, keys out, all from memory.

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use gatepost_mail::dict::{Answer, Connection, Error, Event, KeyName};
use gatepost_tokio::WantedKey;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::connection::{Service, has_stopped};

/// How long a connection may be idle: longer than the 60 s that Dovecot is told to keep its own.
const IDLE: Duration = Duration::from_secs(75);

/// Bytes read at once.
const INPUT: usize = 4096;

/// Answers that may wait to be written before no more look-ups are taken, in bytes.
const HIGH_WATER: usize = 16_384;

/// Longest name of a key or of a client that the log holds, in bytes; no key has a longer one.
const MAX_LOGGED: usize = 256;

/// Why a connection was closed by us.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error("line_timeout")]
    Line,
    #[error("output_timeout")]
    Output,
    #[error("protocol_error")]
    Protocol(Error),
    #[error("io_error")]
    Io(#[from] io::Error),
}

/// Serves one connection until either side has had enough.
pub(crate) async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    service: &Arc<Service>,
    number: u32,
) {
    let mut session = Session {
        service,
        protocol: Connection::new(),
        output: Vec::new(),
        line_since: None,
        looking: JoinSet::new(),
    };
    match session.run(&mut stream).await {
        Ok(()) => tracing::debug!(connection = number, "connection ended"),
        Err(Closed::Io(error)) => {
            let error = error.to_string();
            tracing::debug!(connection = number, error, "connection lost");
        }
        Err(Closed::Protocol(error)) => {
            let error = error.to_string();
            tracing::warn!(
                connection = number,
                error,
                "connection closed: protocol error"
            );
        }
        Err(closed) => {
            let reason = closed.to_string();
            tracing::warn!(connection = number, reason, "connection closed");
        }
    }
}

/// The state of a connection.
struct Session<'s> {
    service: &'s Arc<Service>,
    protocol: Connection,
    output: Vec<u8>,
    /// Since when a line is unfinished.
    line_since: Option<Instant>,
    /// A look for newer keys: one at a time, however often an unknown one is asked for.
    looking: JoinSet<()>,
}

impl Session<'_> {
    async fn run(
        &mut self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ) -> Result<(), Closed> {
        let mut stopping = self.service.stopping.clone();
        let mut input = [0; INPUT];
        loop {
            let line_end = self.line_since.map(|since| since + self.service.line);
            let deadline = line_end.unwrap_or_else(|| Instant::now() + IDLE);
            let read = tokio::select! {
                read = timeout_at(deadline, stream.read(&mut input)) => read,
                () = has_stopped(&mut stopping) => return Ok(()),
            };
            match read {
                Ok(Ok(0)) => return Ok(()),
                Ok(read) => {
                    let come = input.get(..read?).unwrap_or_default();
                    self.take(come, stream).await?;
                }
                Err(_) if line_end.is_some() => return Err(Closed::Line),
                Err(_) => return Ok(()),
            }
        }
    }

    /// Takes what has been read, and answers every line of it.
    async fn take(
        &mut self,
        mut input: &[u8],
        stream: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), Closed> {
        while !input.is_empty() {
            let (used, event) = self.protocol.receive(input);
            input = input.get(used..).unwrap_or_default();
            let is_line = event != Event::Incomplete;
            self.event(event)?;
            self.line_since = self.line_since.filter(|_| !is_line);
            if self.output.len() >= HIGH_WATER {
                self.write(stream).await?;
            }
        }
        if self.protocol.is_unfinished() {
            self.line_since.get_or_insert_with(Instant::now);
        }
        self.write(stream).await
    }

    fn event(&mut self, event: Event) -> Result<(), Closed> {
        match event {
            Event::Incomplete | Event::Silent => {}
            Event::Lookup(name) => self.look_up(&name),
            Event::Answered(answer) => answer.write(&mut self.output),
            Event::Close(error) => return Err(Closed::Protocol(error)),
        }
        Ok(())
    }

    fn look_up(&mut self, name: &KeyName) {
        let generation = Arc::clone(&self.service.generation.borrow());
        let Some(provider) = generation.told_provider() else {
            return Answer::NotFound.write(&mut self.output);
        };
        let wanted = WantedKey {
            azp: &name.azp,
            algorithm: name.algorithm,
            kid: &name.kid,
        };
        let trust = generation.providers.trust();
        let key = trust.written_key(provider, &wanted);
        let answer = key.map_or(Answer::NotFound, Answer::Found);
        answer.write(&mut self.output);
        self.service.metrics.lookup(key.is_some());
        tracing::info!(
            provider,
            azp = shortened(&name.azp),
            algorithm = name.algorithm.name(),
            kid = shortened(&name.kid),
            found = key.is_some(),
            "key looked up"
        );
        if key.is_none() {
            self.look_again(&generation, provider);
        }
    }

    /// Dovecot does not wait, and does not remember that there was no key: the next login will find it.
    fn look_again(&mut self, generation: &Arc<crate::generation::Generation>, provider: &str) {
        while self.looking.try_join_next().is_some() {}
        if self.looking.is_empty() {
            let (generation, provider) = (Arc::clone(generation), provider.to_owned());
            self.looking.spawn_local(async move {
                generation.providers.look_again(&provider).await;
            });
        }
    }

    async fn write(&mut self, stream: &mut (impl AsyncWrite + Unpin)) -> Result<(), Closed> {
        let written = timeout(self.service.line, stream.write_all(&self.output)).await;
        self.output.clear();
        written.map_err(|_| Closed::Output)?.map_err(Closed::from)
    }
}

fn shortened(name: &str) -> &str {
    name.get(..name.floor_char_boundary(MAX_LOGGED))
        .unwrap_or_default()
}
