//! A connection over which mail processes ask for logins and users.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use gatepost_mail::line::{LineTooLong, Lines};
use gatepost_mail::master::{Master, MasterError, Sources};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::connection::{Service, has_stopped};
use crate::upstream::{Upstream, UpstreamConnection};

/// How long Dovecot may take to answer: its own clients wait for 30 seconds, and its databases have their
/// time limits below that.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a connection was closed by us.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error("protocol error: {0}")]
    Protocol(#[from] MasterError),
    #[error("protocol error: {0}")]
    Line(#[from] LineTooLong),
    #[error("handshake_timeout")]
    Handshake,
    #[error("line_timeout")]
    LineTimeout,
    #[error("output_timeout")]
    OutputTimeout,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Serves one connection until either side has had enough.
pub(crate) async fn serve(
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
    (service, upstream): (&Arc<Service>, &Arc<Upstream>),
    number: u32,
) {
    let mut session = Session {
        master: Master::greet(std::process::id()),
        service,
        upstream,
        reader,
        writer,
        connection: UpstreamConnection::default(),
        asked_at: None,
        read: Vec::new(),
        lines: Lines::default(),
        is_at_end: false,
        accepted_at: Instant::now(),
        line_since: None,
        stalled_since: None,
    };
    if let Err(closed) = session.run(service.stopping.clone()).await {
        let reason = closed.to_string();
        if let Closed::Io(_) = closed {
            tracing::debug!(connection = number, reason, "master connection lost");
        } else {
            tracing::warn!(connection = number, reason, "master connection closed");
        }
    }
}

struct Session<'s, R, W> {
    master: Master,
    service: &'s Service,
    upstream: &'s Upstream,
    reader: R,
    writer: W,
    connection: UpstreamConnection,
    /// Since when Dovecot owes an answer.
    asked_at: Option<Instant>,
    read: Vec<u8>,
    lines: Lines,
    is_at_end: bool,
    accepted_at: Instant,
    line_since: Option<Instant>,
    stalled_since: Option<Instant>,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Session<'_, R, W> {
    async fn run(&mut self, mut stopping: watch::Receiver<bool>) -> Result<(), Closed> {
        let mut is_stopping = false;
        loop {
            self.take_lines()?;
            self.connect().await;
            self.note_stalls();
            let is_idle = self.master.pending() == 0 && self.master.client.is_empty();
            if is_idle && (self.is_at_end || is_stopping) {
                return Ok(());
            }
            let wants_input = !self.is_at_end && !is_stopping && self.master.has_room();
            let wakes_at = self.deadlines().into_iter().flatten().min();
            let (client, upstream) = (&self.master.client, &self.master.upstream);
            let (incoming, outgoing) = self.connection.split();
            tokio::select! {
                biased;
                written = self.writer.write(client), if !client.is_empty() => {
                    let length = written?;
                    if length == 0 {
                        return Err(io::Error::from(io::ErrorKind::WriteZero).into());
                    }
                    self.master.client.drain(..length);
                    self.stalled_since = None;
                }
                written = outgoing.write(upstream) => match written {
                    Ok(length) if length > 0 => drop(self.master.upstream.drain(..length)),
                    _ => self.lose(),
                },
                read = incoming.wait() => match read {
                    Ok(()) => self.asked_at = None,
                    Err(_) => self.lose(),
                },
                read = self.reader.read_buf(&mut self.read), if wants_input => {
                    self.is_at_end = read? == 0;
                    self.lines.push(&self.read);
                    self.read.clear();
                }
                () = has_stopped(&mut stopping), if !is_stopping => is_stopping = true,
                () = wait_until(wakes_at) => self.check_deadlines()?,
            }
        }
    }

    fn take_lines(&mut self) -> Result<(), Closed> {
        loop {
            match self.connection.next_line() {
                Ok(None) => break,
                Ok(Some(line)) => {
                    self.connection.succeeded();
                    self.master.upstream_line(&line);
                }
                Err(_) => self.lose(),
            }
        }
        while self.master.has_room() {
            let Some(line) = self.lines.next_line()? else {
                break;
            };
            self.line_since = None;
            self.take_line(&line)?;
        }
        Ok(())
    }

    fn take_line(&mut self, line: &[u8]) -> Result<(), MasterError> {
        let users = self.upstream.users();
        let has_upstream = self.upstream.has_master();
        self.upstream.with_waiting(|waiting| {
            let sources = Sources {
                waiting,
                users: users.as_deref(),
                has_upstream,
                now: Instant::now().into_std(),
            };
            self.master.client_line(line, sources)
        })
    }

    async fn connect(&mut self) {
        if !self.master.needs_upstream() {
            return;
        }
        match self.upstream.connect_master(&mut self.connection).await {
            Ok(()) => self.master.upstream_connected(),
            Err(_) if self.connection.is_pausing() => self.master.upstream_lost(),
            Err(error) => {
                let error = error.to_string();
                tracing::warn!(error, "Dovecot does not answer: users cannot be looked up");
                self.lose();
            }
        }
    }

    fn lose(&mut self) {
        if self.master.pending() == 0 {
            // Nobody has missed it: the next request may find a Dovecot that was merely started again.
            self.connection.close_for_now();
        } else {
            self.connection.close();
        }
        self.master.upstream_lost();
    }

    fn note_stalls(&mut self) {
        let keep = |since: &mut Option<Instant>, waits: bool| {
            *since = since.filter(|_| waits).or_else(|| waits.then(Instant::now));
        };
        let is_unfinished = self.lines.is_unfinished() && self.master.has_room();
        keep(&mut self.line_since, is_unfinished);
        keep(&mut self.stalled_since, !self.master.client.is_empty());
        keep(&mut self.asked_at, self.master.pending() > 0);
    }

    /// When the client has to have said its version, ended its line, and taken what it was told, and when
    /// Dovecot has to have answered.
    fn deadlines(&self) -> [Option<Instant>; 4] {
        let handshake =
            (!self.master.is_handshaken()).then(|| self.accepted_at + self.service.handshake);
        let until = |since: Option<Instant>| since.map(|since| since + self.service.line);
        let answer = self.asked_at.map(|since| since + PATIENCE);
        [
            handshake,
            until(self.line_since),
            until(self.stalled_since),
            answer,
        ]
    }

    fn check_deadlines(&mut self) -> Result<(), Closed> {
        let now = Instant::now();
        let is_over = |deadline: Option<Instant>| deadline.is_some_and(|at| now >= at);
        match self.deadlines().map(is_over) {
            [true, ..] => Err(Closed::Handshake),
            [_, true, ..] => Err(Closed::LineTimeout),
            [_, _, true, _] => Err(Closed::OutputTimeout),
            [.., true] => {
                tracing::warn!("Dovecot does not answer in time: users cannot be looked up");
                self.lose();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
