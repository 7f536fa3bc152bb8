//! An auth client's connection where there is a Dovecot behind: lines go to our own server of the protocol,
//! which runs beside, or to Dovecot.

mod pipe;

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gatepost_mail::line::{LineTooLong, Lines};
use gatepost_mail::relay::{Relay, RelayError};
use gatepost_mail::waiting::Login;
use pipe::Pipe;
use tokio::io::{
    AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf, duplex,
    split,
};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::connection::{self, Reader, Service};
use crate::upstream::{GREETING, Upstream, UpstreamConnection};

/// What may lie between the two of us, in bytes.
const PIPE: usize = 32 << 10;

/// Bytes read at once.
const INPUT: usize = 4096;

/// How long logins at Dovecot's may take once the client or the daemon has ended: Dovecot lets failed ones
/// wait for two seconds.
const LAST_ANSWERS: Duration = Duration::from_secs(4);

/// Answers that may wait for the client before no more are taken, in bytes.
const HIGH_WATER: usize = 64 << 10;

/// Why a connection was closed by us.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error("protocol error: {0}")]
    Protocol(#[from] RelayError),
    #[error("protocol error: {0}")]
    Line(#[from] LineTooLong),
    #[error("line_timeout")]
    LineTimeout,
    #[error("output_timeout")]
    OutputTimeout,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Serves one connection until either side has had enough.
pub(crate) async fn serve(
    reader: impl Reader,
    writer: impl AsyncWrite + Unpin,
    (service, upstream): (&Arc<Service>, &Arc<Upstream>),
    number: u32,
    cookie: [u8; 16],
) {
    let (ours, theirs) = duplex(PIPE);
    let refusal = Rc::new(Notify::new());
    let refused = Rc::clone(&refusal);
    let own = async move {
        let (half, writer) = split(theirs);
        let reader = Pipe::new(half, refused);
        connection::serve(reader, writer, service, number, cookie).await;
    };
    let relay = async move {
        let mut session = Session::new((reader, writer), ours, upstream, service.line);
        if let Err(closed) = session.run(&refusal).await {
            let reason = closed.to_string();
            if let Closed::Io(_) = closed {
                tracing::debug!(connection = number, reason, "connection lost");
            } else {
                tracing::warn!(connection = number, reason, "connection closed");
            }
        }
    };
    tokio::join!(own, relay);
}

struct Session<'s, R, W> {
    relay: Relay,
    upstream: &'s Upstream,
    patience: Duration,
    reader: R,
    writer: W,
    own_reader: ReadHalf<DuplexStream>,
    /// Gone when the client has said everything.
    own_writer: Option<WriteHalf<DuplexStream>>,
    connection: UpstreamConnection,
    /// Until when Dovecot has to have greeted.
    greeting_until: Option<Instant>,
    read: Vec<u8>,
    own_read: Vec<u8>,
    client_lines: Lines,
    own_lines: Lines,
    is_client_at_end: bool,
    is_own_at_end: bool,
    /// The client is to be told to send no more, once nothing of it is at Dovecot's, or then.
    refuse_at: Option<Instant>,
    is_refused: bool,
    line_since: Option<Instant>,
    /// Since when none of what the client is told has been taken.
    stalled_since: Option<Instant>,
    /// When our own server was done.
    ended_at: Option<Instant>,
}

impl<'s, R: Reader, W: AsyncWrite + Unpin> Session<'s, R, W> {
    fn new(
        (reader, writer): (R, W),
        own: DuplexStream,
        upstream: &'s Upstream,
        patience: Duration,
    ) -> Self {
        let (own_reader, own_writer) = split(own);
        Self {
            relay: Relay::new(upstream.offers()),
            upstream,
            patience,
            reader,
            writer,
            own_reader,
            own_writer: Some(own_writer),
            connection: UpstreamConnection::default(),
            greeting_until: None,
            read: Vec::new(),
            own_read: Vec::new(),
            client_lines: Lines::default(),
            own_lines: Lines::default(),
            is_client_at_end: false,
            is_own_at_end: false,
            refuse_at: None,
            is_refused: false,
            line_since: None,
            stalled_since: None,
            ended_at: None,
        }
    }

    async fn run(&mut self, refusal: &Notify) -> Result<(), Closed> {
        loop {
            self.take_lines()?;
            self.end_input().await;
            self.connect().await;
            self.note_stall();
            self.refuse_when_due();
            if self.is_over() {
                let _ = self.writer.shutdown().await;
                return Ok(());
            }
            let wakes_at = self.wakes_at();
            let wants_answers = self.relay.outputs.client.len() < HIGH_WATER;
            let wants_input = self.wants_input();
            let outputs = &self.relay.outputs;
            let (incoming, outgoing) = self.connection.split();
            tokio::select! {
                biased;
                written = self.writer.write(&outputs.client), if !outputs.client.is_empty() => {
                    self.stalled_since = None;
                    used(&mut self.relay.outputs.client, written?)?;
                }
                written = write_own(&mut self.own_writer, &outputs.own) => {
                    self.wrote_own(written);
                }
                written = outgoing.write(&outputs.upstream) => self.wrote_upstream(written),
                read = self.own_reader.read_buf(&mut self.own_read), if wants_answers && !self.is_own_at_end => {
                    self.read_own(read);
                }
                read = incoming.wait(), if wants_answers => {
                    if read.is_err() {
                        self.lose();
                    }
                }
                read = self.reader.read_buf(&mut self.read), if wants_input => {
                    self.read_client(read?);
                }
                () = refusal.notified(), if self.refuse_at.is_none() => {
                    self.refuse_at = Some(Instant::now() + LAST_ANSWERS);
                }
                () = wait_until(wakes_at) => self.check_deadlines()?,
            }
        }
    }

    fn wants_input(&self) -> bool {
        !self.is_client_at_end && !self.is_own_at_end && self.relay.has_room()
    }

    /// Takes what has come of all sides, as far as there is room for what follows from it.
    fn take_lines(&mut self) -> Result<(), Closed> {
        while let Ok(Some(line)) = self.own_lines.next_line() {
            let login = self.relay.own_line(&line);
            self.keep(login);
        }
        loop {
            match self.connection.next_line() {
                Ok(None) => break,
                Ok(Some(line)) => self.take_upstream(&line),
                Err(_) => self.lose(),
            }
        }
        while self.relay.has_room() {
            let Some(line) = self.client_lines.next_line()? else {
                break;
            };
            self.line_since = None;
            self.relay.client_line(&line)?;
        }
        let waits = self.client_lines.is_unfinished() && self.relay.has_room();
        self.line_since = self.line_since.filter(|_| waits);
        self.line_since = self.line_since.or_else(|| waits.then(Instant::now));
        Ok(())
    }

    /// Lets our own server know that the client has said everything.
    async fn end_input(&mut self) {
        let is_all = self.is_client_at_end && self.relay.has_room();
        if is_all
            && self.relay.outputs.own.is_empty()
            && let Some(mut writer) = self.own_writer.take()
        {
            // Between the two of us it waits for nothing and cannot fail.
            let _ = writer.shutdown().await;
        }
    }

    fn note_stall(&mut self) {
        let is_told = !self.relay.outputs.client.is_empty();
        self.stalled_since = self.stalled_since.filter(|_| is_told);
        self.stalled_since = self.stalled_since.or_else(|| is_told.then(Instant::now));
    }

    fn take_upstream(&mut self, line: &[u8]) {
        match self.relay.upstream_line(line) {
            Ok(login) => self.keep(login),
            Err(error) => {
                tracing::warn!(error = error.to_string(), "Dovecot cannot be used");
                return self.lose();
            }
        }
        if self.greeting_until.is_some() && self.relay.upstream_offers().is_some() {
            self.greeting_until = None;
            self.connection.succeeded();
        }
    }

    /// Keeps a login for the mail process that will ask for it, before the client hears of it.
    fn keep(&self, login: Option<Login>) {
        if let Some(login) = login {
            let now = Instant::now().into_std();
            self.upstream
                .with_waiting(|waiting| waiting.keep(login, now));
        }
    }

    async fn connect(&mut self) {
        let Some(need) = self.relay.needs_upstream() else {
            return;
        };
        match self.upstream.connect(need, &mut self.connection).await {
            Ok(client_pid) => {
                self.relay.upstream_connected(client_pid);
                self.greeting_until = Some(Instant::now() + GREETING);
            }
            Err(_) if self.connection.is_pausing() => self.relay.upstream_lost(),
            Err(error) => {
                tracing::debug!(error = error.to_string(), "Dovecot does not answer");
                self.lose();
            }
        }
    }

    /// There is no connection to Dovecot any more: what is there fails for now.
    fn lose(&mut self) {
        if self.relay.relayed() == 0 {
            // Nobody has missed it: the next login may find a Dovecot that was merely started again.
            self.connection.close_for_now();
        } else {
            self.connection.close();
        }
        self.greeting_until = None;
        self.relay.upstream_lost();
    }

    fn read_client(&mut self, length: usize) {
        self.is_client_at_end = length == 0;
        self.client_lines.push(&self.read);
        self.read.clear();
        self.read.reserve(INPUT);
    }

    fn read_own(&mut self, read: io::Result<usize>) {
        if !read.is_ok_and(|length| length > 0) {
            self.is_own_at_end = true;
            self.ended_at = Some(Instant::now());
        }
        self.own_lines.push(&self.own_read);
        self.own_read.clear();
    }

    fn wrote_own(&mut self, written: io::Result<usize>) {
        // Where our own server is gone there is an end to read as well.
        let length = written.unwrap_or(self.relay.outputs.own.len());
        let _ = used(&mut self.relay.outputs.own, length);
    }

    fn wrote_upstream(&mut self, written: io::Result<usize>) {
        let written = written.and_then(|length| used(&mut self.relay.outputs.upstream, length));
        if written.is_err() {
            self.lose();
        }
    }

    /// A stopping daemon lets the client send no more once its line is whole and Dovecot has answered, or both
    /// have had their time.
    fn refuse_when_due(&mut self) {
        let is_begun = self.relay.relayed() > 0 || self.client_lines.is_unfinished();
        let is_due = |at: Instant| !is_begun || Instant::now() >= at;
        if !self.is_refused && self.refuse_at.is_some_and(is_due) {
            self.is_refused = true;
            self.reader.refuse_more();
        }
    }

    /// Our own server is done, and so is Dovecot or its time.
    fn is_over(&self) -> bool {
        let is_late = |ended: Instant| Instant::now() >= ended + LAST_ANSWERS;
        let is_done = self.relay.relayed() == 0 || self.ended_at.is_some_and(is_late);
        self.is_own_at_end && is_done && self.relay.outputs.client.is_empty()
    }

    /// When something is due though nothing moves.
    fn wakes_at(&self) -> Option<Instant> {
        let refuse_at = self.refuse_at.filter(|_| !self.is_refused);
        let ends_at = self.ended_at.map(|ended| ended + LAST_ANSWERS);
        let (line, stalled) = self.client_deadlines();
        let all = [refuse_at, ends_at, line, stalled, self.greeting_until];
        all.into_iter().flatten().min()
    }

    /// When the client has to have ended its line, and to have taken what it was told.
    fn client_deadlines(&self) -> (Option<Instant>, Option<Instant>) {
        let until = |since: Option<Instant>| since.map(|since| since + self.patience);
        (until(self.line_since), until(self.stalled_since))
    }

    fn check_deadlines(&mut self) -> Result<(), Closed> {
        let is_over = |deadline: Option<Instant>| deadline.is_some_and(|at| Instant::now() >= at);
        let (line, stalled) = self.client_deadlines();
        if is_over(line) {
            return Err(Closed::LineTimeout);
        }
        if is_over(stalled) {
            return Err(Closed::OutputTimeout);
        }
        if is_over(self.greeting_until) {
            tracing::warn!("Dovecot does not greet");
            self.lose();
        }
        Ok(())
    }
}

async fn write_own(half: &mut Option<WriteHalf<DuplexStream>>, bytes: &[u8]) -> io::Result<usize> {
    match half {
        Some(half) if !bytes.is_empty() => half.write(bytes).await,
        _ => std::future::pending().await,
    }
}

/// Takes from `bytes` what was written.
fn used(bytes: &mut Vec<u8>, length: usize) -> io::Result<()> {
    if length == 0 {
        return Err(io::ErrorKind::WriteZero.into());
    }
    bytes.drain(..length.min(bytes.len()));
    Ok(())
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
