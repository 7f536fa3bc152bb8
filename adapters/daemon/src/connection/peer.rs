//! One connection, whatever is spoken over it: its bytes, its deadlines, and its connection to Dovecot where it
//! has one. What the bytes mean is up to a [`Handler`], which does no I/O.
//!
//! ```text
//! client ──> receive ──> Work ──> done ──> output ──> client
//!               └──> upstream_output ──> Dovecot ──> upstream_line ─┘
//! ```

mod handler;
mod input;
mod stopping;
#[cfg(test)]
mod tests;
mod upstream;
mod work;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout};

use crate::connection::service::Service;
pub(crate) use handler::{Closed, Handler, Io, Output, Relayed, Status};
pub(crate) use input::Reader;
use stopping::Stop;
pub(crate) use stopping::{Stage, has_stopped};
use upstream::{Change, UpstreamConnection};
pub(crate) use work::Work;

/// Answers that may wait to be written before nothing more is read, in bytes. Those of what has been asked
/// already may be added.
const HIGH_WATER: usize = 64 << 10;

/// Serves one connection until either side has had enough.
pub(crate) fn serve<H: Handler, R: Reader, W: AsyncWrite + Unpin>(
    reader: R,
    writer: W,
    handler: (H, Output),
    service: &Arc<Service>,
    number: u32,
) -> impl Future<Output = ()> + use<H, R, W> {
    // Made before there is a future, which would keep what it is made of beside it.
    let mut peer = Box::new(Peer::new(reader, writer, handler, service));
    async move {
        match peer.run().await {
            Ok(()) => tracing::debug!(
                protocol = H::PROTOCOL,
                connection = number,
                "connection ended"
            ),
            Err(closed) => crate::log::closed(H::PROTOCOL, number, &closed),
        }
        peer.finish().await;
    }
}

struct Peer<H: Handler, R, W> {
    handler: H,
    io: Io<H::Done>,
    reader: R,
    writer: W,
    service: Arc<Service>,
    /// What has been read and not taken.
    input: Vec<u8>,
    upstream: Option<UpstreamConnection>,
    /// When the client has said everything.
    ended_at: Option<Instant>,
    stop: Stop,
    accepted_at: Instant,
    /// Since when a line is unfinished, the output stalls, nothing has come, and Dovecot owes an answer.
    line_since: Option<Instant>,
    stalled_since: Option<Instant>,
    idle_since: Instant,
    asked_since: Option<Instant>,
}

impl<H: Handler, R: Reader, W: AsyncWrite + Unpin> Peer<H, R, W> {
    fn new(reader: R, writer: W, (handler, output): (H, Output), service: &Arc<Service>) -> Self {
        let now = Instant::now();
        let upstream = handler.upstream().map(Arc::clone);
        let upstream = upstream.map(UpstreamConnection::new);
        Self {
            handler,
            io: Io {
                output,
                work: Work::default(),
                has_line_ended: false,
            },
            reader,
            writer,
            service: Arc::clone(service),
            input: Vec::new(),
            upstream,
            ended_at: None,
            stop: Stop::new(service.stopping.clone()),
            accepted_at: now,
            line_since: None,
            stalled_since: None,
            idle_since: now,
            asked_since: None,
        }
    }

    async fn run(&mut self) -> Result<(), Closed> {
        loop {
            self.take_input()?;
            self.exchange_upstream();
            self.note_times();
            let status = self.handler.status();
            self.end_when_due(status);
            if self.is_over() {
                return Ok(());
            }
            let deadline = self.deadline(status);
            let wants_input = self.wants_input();
            let output = self.io.output.rest();
            // In this order: what is done, so that it is written together, then what is due, however fast the client
            // sends, and only then what has come.
            tokio::select! {
                biased;
                done = self.io.work.next(), if !self.io.work.is_empty() => {
                    let done = done.map_err(|_| Closed::Internal)?;
                    self.handler.done(done, &mut self.io);
                }
                written = self.writer.write(output), if !output.is_empty() => {
                    self.stalled_since = None;
                    self.io.output.wrote(written?)?;
                }
                change = next_change(&mut self.upstream, &mut self.handler) => self.upstream_changed(change),
                () = wait_until(deadline) => self.check_deadlines(status)?,
                stage = self.stop.changed() => self.stop.note(stage, H::STOP_PATIENCE),
                read = input::read(&mut self.reader, |come| self.input.extend_from_slice(come)), if wants_input => {
                    self.was_read(read?).await?;
                }
            }
        }
    }

    /// Takes what has been read. Where more is waiting, others have their turn first: what is remembered is judged
    /// without a pause.
    async fn was_read(&mut self, length: usize) -> Result<(), Closed> {
        self.idle_since = Instant::now();
        if length == 0 {
            self.ended_at = Some(self.idle_since);
        } else if length == input::INPUT {
            self.take_input()?;
            yield_now().await;
        }
        Ok(())
    }

    /// Lets work that has begun end, so that each login has its line in the log, and writes what fits.
    async fn finish(&mut self) {
        while !self.io.work.is_empty() && !self.stop.is_now() {
            tokio::select! {
                done = self.io.work.next() => {
                    if let Ok(done) = done {
                        self.handler.done(done, &mut self.io);
                    }
                }
                stage = self.stop.changed() => self.stop.note(stage, Duration::ZERO),
            }
        }
        self.io.work.give_up().await;
        // Nobody waits for a client that does not read.
        let rest = self.io.output.rest();
        if let Ok(Err(error)) = timeout(Duration::ZERO, self.writer.write_all(rest)).await {
            tracing::debug!(error = error.to_string(), "last answers lost");
        }
        let _ = timeout(Duration::ZERO, self.writer.shutdown()).await;
    }

    fn may_proceed(&self) -> bool {
        self.handler.has_room() && self.io.output.rest().len() < HIGH_WATER
    }

    fn wants_input(&self) -> bool {
        self.ended_at.is_none() && self.input.is_empty() && self.may_proceed()
    }

    /// Gives what has been read to the handler, as far as there is room for what follows.
    fn take_input(&mut self) -> Result<(), Closed> {
        if self.may_proceed() {
            self.handler.resume(&mut self.io)?;
        }
        let mut used = 0;
        while used < self.input.len() && self.may_proceed() {
            let rest = self.input.get(used..).unwrap_or_default();
            let more = self.handler.receive(rest, &mut self.io)?;
            if more == 0 {
                break;
            }
            used = used.saturating_add(more);
        }
        if std::mem::take(&mut self.io.has_line_ended) {
            self.line_since = None;
        }
        if used == self.input.len() {
            self.input = Vec::new();
        } else {
            self.input.drain(..used);
        }
        Ok(())
    }

    fn note_times(&mut self) {
        let note = |since: &mut Option<Instant>, waits: bool| {
            *since = since.filter(|_| waits).or_else(|| waits.then(Instant::now));
        };
        let is_line_begun = self.handler.status().is_line_begun && self.may_proceed();
        note(&mut self.line_since, is_line_begun);
        note(&mut self.stalled_since, !self.io.output.is_empty());
        let is_awaited = self.handler.relayed().is_some_and(|side| side.is_awaited());
        note(&mut self.asked_since, is_awaited);
    }

    /// Whether the client has left, and nothing more can be done for it.
    fn is_over(&mut self) -> bool {
        if self.stop.is_now() {
            return true;
        }
        let Some(ended_at) = self.ended_at else {
            return false;
        };
        let is_late = Instant::now() >= ended_at + H::LAST_ANSWERS;
        let is_awaited = self.asked_since.is_some() && !is_late;
        let is_answered = self.io.work.is_empty() && self.io.output.is_empty();
        is_answered && self.input.is_empty() && !is_awaited
    }

    /// A stopping daemon lets the client send no more once what it has begun is whole, or will never be.
    fn end_when_due(&mut self, status: Status) {
        if self.stop.is_due(status.is_begun) {
            self.reader.refuse_more();
            self.handler.drain();
        }
    }

    /// When something is due though nothing moves.
    fn deadline(&mut self, status: Status) -> Option<Instant> {
        let limits = (self.service.handshake, self.service.line);
        let handshake = (!status.is_handshaken).then(|| self.accepted_at + limits.0);
        let until = |since: Option<Instant>| since.map(|since| since + limits.1);
        let idle = H::IDLE.map(|idle| self.idle_since + idle);
        let idle = idle.filter(|_| self.ended_at.is_none());
        let (line, output) = (until(self.line_since), until(self.stalled_since));
        let last = self.ended_at.map(|ended| ended + H::LAST_ANSWERS);
        let last = last.filter(|_| self.asked_since.is_some());
        let all = [
            handshake,
            line,
            output,
            idle,
            last,
            self.answer_due(),
            self.stop.until(),
        ];
        all.into_iter().flatten().min()
    }

    /// When Dovecot has to have said something.
    fn answer_due(&mut self) -> Option<Instant> {
        let patience = self.handler.relayed()?.patience()?;
        self.asked_since.map(|since| since + patience)
    }

    fn check_deadlines(&mut self, status: Status) -> Result<(), Closed> {
        let now = Instant::now();
        let (handshake, line) = (self.service.handshake, self.service.line);
        let is_over =
            |since: Option<Instant>, limit| since.is_some_and(|since| now >= since + limit);
        if !status.is_handshaken && now >= self.accepted_at + handshake {
            return Err(Closed::Handshake);
        }
        if is_over(self.line_since, line) {
            return Err(Closed::Line);
        }
        if is_over(self.stalled_since, line) {
            return Err(Closed::Output);
        }
        if self.answer_due().is_some_and(|due| now >= due) {
            tracing::warn!(protocol = H::PROTOCOL, "Dovecot does not answer in time");
            self.lose_upstream();
        }
        if self.ended_at.is_none() && H::IDLE.is_some_and(|idle| now >= self.idle_since + idle) {
            self.ended_at = Some(now);
        }
        if self.asked_since.is_some()
            && self
                .ended_at
                .is_some_and(|ended| now >= ended + H::LAST_ANSWERS)
        {
            // The client has left, and Dovecot has had its time.
            self.lose_upstream();
        }
        Ok(())
    }

    /// Makes the connection to Dovecot that is needed, and hands over the lines that have come of it.
    fn exchange_upstream(&mut self) {
        let Some(connection) = &mut self.upstream else {
            return;
        };
        while let Some(side) = self.handler.relayed() {
            match connection.next_line() {
                Ok(None) => break,
                Ok(Some(line)) if side.line(&line, &mut self.io) => connection.succeeded(),
                Ok(Some(_)) | Err(_) => return self.lose_upstream(),
            }
        }
        let Some(socket) = self.handler.relayed().and_then(|side| side.wanted()) else {
            return;
        };
        if let Err(error) = connection.open(socket) {
            tracing::debug!(error = error.to_string(), "Dovecot is not asked");
            self.lose_upstream();
        }
    }

    fn upstream_changed(&mut self, change: Change) {
        match change {
            Change::Connected(client_pid) => {
                if let Some(side) = self.handler.relayed() {
                    side.connected(client_pid);
                }
            }
            Change::Read => self.asked_since = None,
            Change::Wrote => {}
            Change::Lost(error) => {
                tracing::debug!(error = error.to_string(), "Dovecot does not answer");
                self.lose_upstream();
            }
        }
    }

    /// There is no connection to Dovecot any more: what is there fails for now.
    fn lose_upstream(&mut self) {
        let (Some(connection), Some(side)) = (&mut self.upstream, self.handler.relayed()) else {
            return;
        };
        connection.close(side.is_awaited());
        self.asked_since = None;
        side.lost(&mut self.io);
    }
}

/// What comes of the connection to Dovecot next; never, without one.
async fn next_change<H: Handler>(
    upstream: &mut Option<UpstreamConnection>,
    handler: &mut H,
) -> Change {
    match (upstream, handler.relayed()) {
        (Some(connection), Some(side)) => connection.next(side.output()).await,
        _ => pending().await,
    }
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}
