//! One connection of a mail server, from its greeting to its end.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gatepost_core::UnixTime;
use gatepost_core::dovecot::{
    Connection, Event, Greeting, Login, NotSent, Origin, ProtocolError, Ticket,
};
use gatepost_core::sasl::Mechanism;
use gatepost_mail::http::Responder;
use gatepost_tokio::{Attempt, Network, Outcome, Verdict, judge};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep_until, timeout};

use crate::generation::Generation;
use crate::metrics::Metrics;
use crate::penalty::Penalties;
use crate::upstream::Upstream;

mod buffer;
mod reader;

use buffer::Buffer;
pub(crate) use reader::Reader;

/// Logins of one connection that are not over: Postfix has one at a time, Dovecot's login processes a few.
const PENDING: usize = 16;

/// Logins of one connection whose answers may wait because they look like guesses: the other places are for
/// everybody else who logs in over it.
const DELAYED: usize = PENDING / 2;

/// Bytes read at once; lines may be longer, for they are taken piece by piece.
const INPUT: usize = 4096;

/// As many where a client has filled those: several logins come with one read.
const BUSY_INPUT: usize = 16_384;

/// Room for answers that a connection keeps while it has none.
const OUTPUT: usize = 512;

/// Answers that may wait to be written before nothing more is read, in bytes. Those of the logins that are
/// being judged already may be added.
const HIGH_WATER: usize = 16_384;

/// What all connections share.
pub(crate) struct Service {
    pub(crate) generation: watch::Receiver<Arc<Generation>>,
    pub(crate) metrics: Metrics,
    /// Turns true when the daemon stops.
    pub(crate) stopping: watch::Receiver<bool>,
    pub(crate) handshake: Duration,
    pub(crate) line: Duration,
    pub(crate) penalties: Penalties,
    /// Where there is a Dovecot behind, or users to tell of.
    pub(crate) upstream: Option<Arc<Upstream>>,
    /// How Dovecot's oauth2 database is answered, where it is.
    pub(crate) http: Option<Responder>,
}

/// Why a connection was closed by us.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Closed {
    #[error("handshake_timeout")]
    Handshake,
    #[error("line_timeout")]
    Line,
    #[error("output_timeout")]
    Output,
    #[error("protocol_error")]
    Protocol(ProtocolError),
    #[error("io_error")]
    Io(#[from] io::Error),
    #[error("internal_error")]
    Internal,
}

/// How long a stopping daemon waits for the rest of a line or a reply: clients that left send neither.
const REPLY_PATIENCE: Duration = Duration::from_secs(2);

/// Serves one connection until either side has had enough.
pub(crate) async fn serve(
    mut reader: impl Reader,
    mut writer: impl AsyncWrite + Unpin,
    service: &Arc<Service>,
    number: u32,
    cookie: [u8; 16],
) {
    let Some(mut session) = Session::new(Arc::clone(service), number, cookie) else {
        return;
    };
    match session.run(&mut reader, &mut writer).await {
        Ok(()) => tracing::debug!(connection = number, "connection ended"),
        Err(Closed::Io(error)) => {
            tracing::debug!(
                connection = number,
                error = error.to_string(),
                "connection lost"
            );
        }
        Err(Closed::Protocol(error)) => {
            tracing::warn!(connection = number, error = ?error, "connection closed: protocol error");
        }
        Err(closed) => {
            tracing::warn!(
                connection = number,
                reason = closed.to_string(),
                "connection closed"
            );
        }
    }
    session.finish(&mut writer).await;
}

/// The state of a connection.
struct Session {
    service: Arc<Service>,
    number: u64,
    protocol: Connection<PENDING>,
    input: Vec<u8>,
    /// How much of `input` is used.
    used: usize,
    output: String,
    /// How much of `output` is written.
    written: usize,
    /// The buffer that is lent for the response that is arriving.
    lent: Option<Buffer>,
    judging: JoinSet<Judged>,
    delayed: Rc<Semaphore>,
    is_busy: bool,
    is_at_end: bool,
    accepted_at: Instant,
    /// Since when a line is unfinished, and the client expected to go on.
    line_since: Option<Instant>,
    /// Since when none of the output has been taken.
    stalled_since: Instant,
    ending: Ending,
}

/// How far a connection is on its way to its end.
#[derive(Clone, Copy)]
enum Ending {
    /// It serves.
    No,
    /// The daemon stops: lines may still be finished and challenges replied to, until then.
    AwaitingReplies(Instant),
    /// The client was told to send no more. A challenge could not be replied to.
    Draining,
}

/// A login that has been judged.
struct Judged {
    ticket: Ticket,
    mechanism: Mechanism,
    origin: Origin,
    verdict: Verdict,
    took: Duration,
}

impl Session {
    fn new(service: Arc<Service>, number: u32, cookie: [u8; 16]) -> Option<Self> {
        let greeting = Greeting {
            mechanisms: service.generation.borrow().mechanisms(),
            pid: std::process::id(),
            connection: number,
            cookie,
        };
        let mut output = String::new();
        // A string always has room.
        let protocol = Connection::greet(&greeting, &mut output).ok()?;
        let now = Instant::now();
        Some(Self {
            service,
            number: number.into(),
            protocol,
            input: Vec::with_capacity(INPUT),
            used: 0,
            output,
            written: 0,
            lent: None,
            judging: JoinSet::new(),
            delayed: Rc::new(Semaphore::new(DELAYED)),
            is_busy: false,
            is_at_end: false,
            accepted_at: now,
            line_since: None,
            stalled_since: now,
            ending: Ending::No,
        })
    }

    async fn run(
        &mut self,
        reader: &mut impl Reader,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), Closed> {
        let mut stopping = self.service.stopping.clone();
        loop {
            self.take_input().await?;
            if self.is_at_end && self.is_idle() {
                return Ok(());
            }
            if let Some(ending) = self.next_ending() {
                reader.refuse_more();
                self.ending = ending;
            }
            let patience = self.patience();
            let (deadline, closed) = self.deadline();
            let wants_input = self.wants_input();
            let output = self
                .output
                .as_bytes()
                .get(self.written..)
                .unwrap_or_default();
            // In this order: verdicts that are there, so that they are written together, then whatever has
            // come, and only then the end.
            tokio::select! {
                biased;
                Some(judged) = self.judging.join_next(), if !self.judging.is_empty() => {
                    self.answer(judged.map_err(|_| Closed::Internal)?);
                }
                written = writer.write(output), if !output.is_empty() => self.wrote(written?)?,
                read = reader.read_buf(&mut self.input), if wants_input => {
                    self.is_at_end = read? == 0;
                }
                () = wait_until(deadline) => return Err(closed),
                () = wait_until(patience) => {}
                () = has_stopped(&mut stopping), if matches!(self.ending, Ending::No) => {
                    self.ending = Ending::AwaitingReplies(Instant::now() + REPLY_PATIENCE);
                }
            }
        }
    }

    /// Lets logins that are being judged end, so that each has its line in the log.
    async fn finish(&mut self, writer: &mut (impl AsyncWrite + Unpin)) {
        while let Some(judged) = self.judging.join_next().await {
            if let Ok(judged) = judged {
                self.answer(judged);
            }
        }
        let rest = self
            .output
            .as_bytes()
            .get(self.written..)
            .unwrap_or_default();
        // What fits into the socket's buffer is sent; nobody waits for a client that does not read.
        if let Ok(Err(error)) = timeout(Duration::ZERO, writer.write_all(rest)).await {
            tracing::debug!(error = error.to_string(), "last answers lost");
        }
        let _ = timeout(Duration::ZERO, writer.shutdown()).await;
    }

    /// Whether it is time to let the client send no more: what it has begun is whole, or will never be.
    fn next_ending(&self) -> Option<Ending> {
        let Ending::AwaitingReplies(until) = self.ending else {
            return None;
        };
        let is_begun = self.protocol.outstanding() > 0 || self.protocol.has_unfinished_line();
        (!is_begun || Instant::now() >= until).then_some(Ending::Draining)
    }

    /// When there will be no more waiting for replies.
    fn patience(&self) -> Option<Instant> {
        match self.ending {
            Ending::AwaitingReplies(until) => Some(until),
            Ending::No | Ending::Draining => None,
        }
    }

    /// Nothing begun that a client could miss.
    fn is_idle(&self) -> bool {
        self.judging.is_empty()
            && self.output.is_empty()
            && (self.is_at_end || !self.protocol.has_unfinished_line())
            && (self.is_at_end || self.used == self.input.len())
    }

    fn may_proceed(&self) -> bool {
        !self.is_busy
            && self.judging.len() < PENDING
            && self.output.len().saturating_sub(self.written) < HIGH_WATER
    }

    fn wants_input(&self) -> bool {
        !self.is_at_end && self.input.is_empty() && self.may_proceed()
    }

    /// Takes what has been read, as far as it may proceed.
    async fn take_input(&mut self) -> Result<(), Closed> {
        while self.used < self.input.len() && self.may_proceed() {
            let rest = self.input.get(self.used..).unwrap_or_default();
            let lent = self.lent.as_mut().map(Buffer::as_mut);
            let lent = lent.unwrap_or_default();
            let was_empty = self.output.is_empty();
            let (used, event) = self.protocol.receive(rest, lent, &mut self.output);
            self.used = self.used.saturating_add(used);
            if was_empty && !self.output.is_empty() {
                self.stalled_since = Instant::now();
            }
            self.event(event).await?;
        }
        if self.is_taken() && self.make_room() {
            // More is waiting, and remembered signatures let nobody else have a turn.
            yield_now().await;
        }
        let waits = self.protocol.has_unfinished_line() && self.may_proceed();
        self.line_since = self
            .line_since
            .filter(|_| waits)
            .or_else(|| waits.then(Instant::now));
        Ok(())
    }

    /// Whether something has been read, and all of it is taken.
    fn is_taken(&self) -> bool {
        !self.input.is_empty() && self.used == self.input.len()
    }

    /// Makes room for as much as may come at once; says whether there was too little.
    fn make_room(&mut self) -> bool {
        let was_full = self.used == self.input.capacity();
        let room = if self.used >= INPUT {
            BUSY_INPUT
        } else {
            INPUT
        };
        self.input.clear();
        self.input.shrink_to(room);
        self.input.reserve_exact(room);
        self.used = 0;
        was_full
    }

    async fn event(&mut self, event: Event) -> Result<(), Closed> {
        match event {
            Event::Incomplete => return Ok(()),
            Event::BufferWanted => {
                self.lent = Some(Buffer::lend());
                return Ok(());
            }
            Event::Busy => {
                self.is_busy = true;
                return Ok(());
            }
            Event::Response(login) => self.judge(login).await,
            Event::Refused(refusal) => {
                let reason = crate::log::refusal_code(refusal.reason);
                self.service.metrics.refusal(reason);
                crate::log::refusal(&refusal);
            }
            Event::Close(error) => return Err(Closed::Protocol(error)),
            _ => {}
        }
        // A line has ended.
        self.line_since = None;
        self.lent = None;
        Ok(())
    }

    /// Judges a login here and now; one that has to wait does so in a task of its own.
    async fn judge(&mut self, login: Login) {
        let Login {
            ticket,
            mechanism,
            origin,
            length,
        } = login;
        let buffer = self.lent.take().unwrap_or_else(Buffer::lend).finish(length);
        let (service, delayed) = (Arc::clone(&self.service), Rc::clone(&self.delayed));
        let number = self.number;
        let started = Instant::now();
        // Made where it stays: a login's state is some kilobytes.
        let mut judging = Box::pin(async move {
            let generation = Arc::clone(&service.generation.borrow());
            let attempt = Attempt {
                mechanism,
                message: buffer.response(),
                origin: Some(&origin),
                network: Network::of_login(&origin, number),
            };
            let (providers, rules) = (&generation.providers, generation.rules());
            let verdict = judge(providers, rules, attempt, now).await;
            let took = started.elapsed();
            service.let_guess_wait(&delayed, &origin, &verdict).await;
            Judged {
                ticket,
                mechanism,
                origin,
                verdict,
                took,
            }
        });
        tokio::select! {
            biased;
            judged = &mut judging => self.answer(judged),
            // It lets others have their turn after a verification; what takes longer than that waits.
            () = yield_now() => drop(self.judging.spawn_local(judging)),
        }
    }

    fn answer(&mut self, judged: Judged) {
        if self.output.is_empty() {
            self.stalled_since = Instant::now();
        }
        self.is_busy = false;
        let sent = self.send(judged.ticket, &judged.verdict);
        let Judged {
            mechanism,
            origin,
            verdict,
            took,
            ..
        } = judged;
        let mechanism = mechanism.name();
        self.service.metrics.login(mechanism, &verdict, took);
        crate::log::login(mechanism, &origin, &verdict, took, sent);
    }

    fn send(&mut self, ticket: Ticket, verdict: &Verdict) -> Result<(), NotSent> {
        let out = &mut self.output;
        match &verdict.outcome {
            Outcome::Accepted(identity) => {
                let fields = verdict.fields.as_pairs();
                self.protocol.accept(ticket, identity.user(), &fields, out)
            }
            Outcome::Refused {
                rejection,
                challenge,
            } => {
                let failure = rejection.failure(verdict.claimed.as_deref());
                match (challenge, self.ending) {
                    (None, _) | (_, Ending::Draining) => self.protocol.fail(ticket, failure, out),
                    (Some(json), _) => self.protocol.challenge(ticket, json, failure, out),
                }
            }
        }
    }

    fn wrote(&mut self, length: usize) -> Result<(), Closed> {
        if length == 0 {
            return Err(io::Error::from(io::ErrorKind::WriteZero).into());
        }
        self.written = self.written.saturating_add(length);
        self.stalled_since = Instant::now();
        if self.written >= self.output.len() {
            self.output.clear();
            self.output.shrink_to(OUTPUT);
            self.written = 0;
        }
        Ok(())
    }

    /// When the client is taken for gone, and why. An established, idle connection has no deadline.
    fn deadline(&self) -> (Option<Instant>, Closed) {
        if !self.protocol.is_handshaken() {
            let deadline = self.accepted_at + self.service.handshake;
            return (Some(deadline), Closed::Handshake);
        }
        if !self.output.is_empty() {
            let deadline = self.stalled_since + self.service.line;
            return (Some(deadline), Closed::Output);
        }
        let deadline = self.line_since.map(|since| since + self.service.line);
        (deadline, Closed::Line)
    }
}

impl Service {
    /// Keeps the answer to a guess back, unless too many wait on this connection or the daemon stops.
    async fn let_guess_wait(&self, delayed: &Semaphore, origin: &Origin, verdict: &Verdict) {
        let Outcome::Refused { rejection, .. } = &verdict.outcome else {
            return;
        };
        let remote = origin.remote.address.filter(|_| !origin.no_penalty);
        let delay = self.penalties.delay(remote, *rejection);
        if delay.is_zero() {
            return;
        }
        let Ok(_place) = delayed.try_acquire() else {
            return;
        };
        let mut stopping = self.stopping.clone();
        let _ = timeout(delay, has_stopped(&mut stopping)).await;
    }
}

/// Waits until the daemon stops, or its main thread is gone.
pub(crate) async fn has_stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    // A clock before 1970 is not set: every token is from the future then.
    let seconds = since.map_or(0, |since| since.as_secs());
    UnixTime::from_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
