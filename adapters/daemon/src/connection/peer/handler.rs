//! What a protocol is to the one that drives it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::Work;
use crate::connection::upstream::{Socket, Upstream};

/// Room for answers that a connection keeps while it has none, in bytes.
const KEPT_ROOM: usize = 512;

/// A protocol, without I/O.
pub(crate) trait Handler {
    /// What comes of work that does not end at once.
    type Done: 'static;

    /// What is spoken, for the log.
    const PROTOCOL: &'static str;

    /// How long a stopping daemon waits for the rest of what a client has begun: those that left send none.
    const STOP_PATIENCE: Duration = Duration::ZERO;

    /// How long the connection may be idle; `None` for ever.
    const IDLE: Option<Duration> = None;

    /// How long what waits for Dovecot may take once the client has left.
    const LAST_ANSWERS: Duration = Duration::from_secs(4);

    /// Takes what the client has sent, and returns how many bytes: all, where there is room for what follows.
    fn receive(&mut self, input: &[u8], io: &mut Io<Self::Done>) -> Result<usize, Closed>;

    /// Goes on with what it has taken already, as far as there is room for what follows now.
    fn resume(&mut self, _io: &mut Io<Self::Done>) -> Result<(), Closed> {
        Ok(())
    }

    /// Takes what has come of work.
    fn done(&mut self, _done: Self::Done, _io: &mut Io<Self::Done>) {}

    /// Where it stands.
    fn status(&self) -> Status;

    /// Whether more of what the client sends may be taken.
    fn has_room(&self) -> bool {
        true
    }

    /// The client will send no more from here on: nothing may be asked of it.
    fn drain(&mut self) {}

    /// The Dovecot that it relays to or asks, if any.
    fn upstream(&self) -> Option<&Arc<Upstream>> {
        None
    }

    /// What it has to do with that.
    fn relayed(&mut self) -> Option<&mut dyn Relayed<Self::Done>> {
        None
    }
}

/// The side of a handler that has to do with Dovecot.
pub(crate) trait Relayed<D> {
    /// Which connection has to be made, if any.
    fn wanted(&self) -> Option<Socket>;
    /// It is made; `client_pid` names it to Dovecot.
    fn connected(&mut self, client_pid: u32);
    /// There is none, or no more: what waits for it fails for now.
    fn lost(&mut self, io: &mut Io<D>);
    /// Takes a line of Dovecot's; false where that Dovecot cannot be used.
    fn line(&mut self, line: &[u8], io: &mut Io<D>) -> bool;
    /// What is to be written to it, once there is a connection.
    fn output(&mut self) -> &mut Vec<u8>;
    /// Whether somebody waits for it.
    fn is_awaited(&self) -> bool;
    /// How long it may be silent while somebody waits; `None` as long as it likes.
    fn patience(&self) -> Option<Duration>;
}

/// Where a handler stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status {
    /// Whether the client has said who it is, where it has to.
    pub(crate) is_handshaken: bool,
    /// Whether a line has begun and not ended, and the client is expected to go on.
    pub(crate) is_line_begun: bool,
    /// Whether the client has begun something that is not over: a stopping daemon lets it finish that.
    pub(crate) is_begun: bool,
}

/// What a handler works with.
pub(crate) struct Io<D> {
    /// What the client is told.
    pub(crate) output: Output,
    /// What takes longer.
    pub(crate) work: Work<D>,
    /// Whether the client has ended a line since this was last looked at.
    pub(super) has_line_ended: bool,
}

impl<D> Io<D> {
    /// The client has ended a line: the next one has its own time.
    pub(crate) fn line_ended(&mut self) {
        self.has_line_ended = true;
    }
}

/// What waits to be written. Not to be printed.
#[derive(Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    /// How many of them are written.
    written: usize,
}

impl Output {
    /// What has been added and not written.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// The whole of it, to be added to.
    pub(crate) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Leaves out the last field of the last line.
    pub(crate) fn cut_last_field(&mut self) {
        let line = self.bytes.pop_if(|byte| *byte == b'\n');
        if let (Some(end), Some(at)) = (line, self.bytes.iter().rposition(|byte| *byte == b'\t')) {
            self.bytes.truncate(at);
            self.bytes.push(end);
        }
    }

    pub(super) fn wrote(&mut self, length: usize) -> Result<(), Closed> {
        if length == 0 {
            return Err(io::Error::from(io::ErrorKind::WriteZero).into());
        }
        self.written = self.written.saturating_add(length);
        if self.is_empty() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_ROOM);
            self.written = 0;
        }
        Ok(())
    }
}

impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes.extend_from_slice(text.as_bytes());
        Ok(())
    }
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
    #[error("protocol_error: {0}")]
    Protocol(String),
    #[error("io_error: {0}")]
    Io(#[from] io::Error),
    #[error("internal_error")]
    Internal,
}

impl Closed {
    /// The client broke its protocol.
    pub(crate) fn protocol(error: impl fmt::Display) -> Self {
        Self::Protocol(error.to_string())
    }
}
