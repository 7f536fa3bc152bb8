//! A connection's own connection to Dovecot, which comes and goes.

use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use gatepost_mail::line::Lines;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, sleep};

use super::input;
use crate::connection::upstream::{Backoff, Socket, Upstream};

/// How long a connection is tried to be made where Dovecot's queue of them is full, and how often.
const CONNECTING: Duration = Duration::from_secs(1);
const CONNECT_PAUSE: Duration = Duration::from_millis(20);

/// What has changed.
pub(super) enum Change {
    /// The connection is made, and Dovecot knows it by this number.
    Connected(u32),
    /// Something has been read.
    Read,
    /// Something has been written.
    Wrote,
    /// The connection is lost, or could not be made.
    Lost(io::Error),
}

/// A connection to Dovecot.
pub(crate) struct UpstreamConnection {
    upstream: Arc<Upstream>,
    state: State,
    lines: Lines,
    backoff: Backoff,
    /// Not before then it is tried again.
    closed_until: Option<Instant>,
}

enum State {
    Closed,
    Connecting(Pin<Box<dyn Future<Output = io::Result<UnixStream>>>>),
    Open(OwnedReadHalf, OwnedWriteHalf),
}

impl UpstreamConnection {
    pub(super) fn new(upstream: Arc<Upstream>) -> Self {
        Self {
            upstream,
            state: State::Closed,
            lines: Lines::default(),
            backoff: Backoff::default(),
            closed_until: None,
        }
    }

    /// Begins to connect, unless that is under way.
    ///
    /// # Errors
    /// Where there is no such socket, or it is too early to try again.
    pub(super) fn open(&mut self, socket: Socket) -> io::Result<()> {
        if !matches!(self.state, State::Closed) {
            return Ok(());
        }
        let path = self.upstream.path(socket).ok_or(io::ErrorKind::NotFound)?;
        if self.is_pausing() {
            return Err(io::Error::other("it was tried a moment ago"));
        }
        self.state = State::Connecting(Box::pin(connect(path.clone())));
        Ok(())
    }

    fn is_pausing(&self) -> bool {
        self.closed_until
            .is_some_and(|until| Instant::now() < until)
    }

    /// Dovecot has said something useful: if it goes now, it may be tried at once.
    pub(super) fn succeeded(&mut self) {
        self.backoff.succeeded();
    }

    /// Forgets the connection. Where somebody has missed it, a moment passes before the next one; else the next
    /// who asks may find a Dovecot that was merely started again.
    pub(super) fn close(&mut self, is_missed: bool) {
        self.state = State::Closed;
        self.lines = Lines::default();
        if is_missed && !self.is_pausing() {
            self.closed_until = Some(Instant::now() + self.backoff.pause());
        }
    }

    /// The next line that has come.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.lines.next_line().map_err(io::Error::other)
    }

    /// Waits for the next change: it writes some of `output`, reads, or goes on connecting. Closed, for ever.
    pub(super) async fn next(&mut self, output: &mut Vec<u8>) -> Change {
        match self.go_on(output).await {
            Ok(change) => change,
            Err(error) => Change::Lost(error),
        }
    }

    async fn go_on(&mut self, output: &mut Vec<u8>) -> io::Result<Change> {
        let (reader, writer) = match &mut self.state {
            State::Closed => return pending().await,
            State::Connecting(connecting) => {
                let (reader, writer) = connecting.await?.into_split();
                self.state = State::Open(reader, writer);
                return Ok(Change::Connected(self.upstream.next_pid()));
            }
            State::Open(reader, writer) => (reader, writer),
        };
        let lines = &mut self.lines;
        tokio::select! {
            biased;
            written = writer.write(output), if !output.is_empty() => {
                match written? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    length => output.drain(..length),
                };
                Ok(Change::Wrote)
            }
            read = input::read(reader, |come| lines.push(come)) => match read? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                _ => Ok(Change::Read),
            },
        }
    }
}

/// Connects; a queue that is full for the moment is tried again for a second.
async fn connect(path: PathBuf) -> io::Result<UnixStream> {
    let until = Instant::now() + CONNECTING;
    loop {
        match UnixStream::connect(&path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < until => {
                sleep(CONNECT_PAUSE).await;
            }
            connected => return connected,
        }
    }
}
