//! One connection of an auth client.

use core::fmt::{self, Write};

use heapless::Vec;

use super::ProtocolError;
use super::answer::{Failure, Greeting, NotSent, write_challenge, write_failure, write_ok};
use super::line::Line;
use super::login::{Login, Refusal, Ticket};
use super::pending::{LoginTable, Pending};
use crate::sasl::Mechanism;

/// One connection of an auth client. `T` says how many of its logins may be under way: [`FixedTable`](super::FixedTable) on a device.
///
/// It holds no line: what a login needs is kept field by field, and the response is decoded into a
/// buffer that the caller lends while it arrives.
///
/// ```
/// use gatepost_core::dovecot::{
///     Connection, Event, Failure, FixedTable, Greeting, MAX_RESPONSE, NotSent,
/// };
/// use gatepost_core::sasl::Mechanism;
///
/// let mechanisms = &Mechanism::BEARER;
/// let greeting = Greeting { mechanisms, relayed: &[], pid: 7, connection: 1, cookie: [0; 16] };
/// let mut out = String::new();
/// let mut connection = Connection::<FixedTable<16>>::greet(&greeting, &mut out)?;
/// let mut buffer = [0; MAX_RESPONSE]; // A server lends one of a pool, on Event::BufferWanted.
///
/// let read = "VERSION\t1\t0\nCPID\t9\nAUTH\t1\tXOAUTH2\tservice=smtp\tresp=dXNlcj1iAQ==\n";
/// let mut input = read.as_bytes();
/// loop {
///     let (used, event) = connection.receive(input, &mut buffer, &mut out);
///     input = &input[used..];
///     match event {
///         Event::Incomplete => break, // Write `out`, read more.
///         Event::Response(login) if &buffer[..login.length] == b"user=a\x01" => {
///             connection.accept(login.ticket, "a", &[], &mut out)?;
///         }
///         Event::Response(login) => {
///             let failure = Failure { user: Some("b"), code: None, reason: "Invalid token" };
///             connection.challenge(login.ticket, b"{\"status\":\"401\"}", failure, &mut out)?;
///         }
///         Event::Close(_) => break, // Log why, write `out`, close.
///         _ => {} // Log what matters.
///     }
/// }
/// assert!(out.ends_with("DONE\nCONT\t1\teyJzdGF0dXMiOiI0MDEifQ==\n"));
/// # Ok::<(), NotSent>(())
/// ```
pub struct Connection<T> {
    pub(super) stage: Stage,
    pub(super) client_minor: u32,
    pub(super) client_pid: u32,
    pub(super) offered: Vec<Mechanism, { Mechanism::ALL.len() }, u8>,
    pub(super) pending: Pending<T>,
    pub(super) line: Line,
}

/// What a call of [`Connection::receive`] ended with.
///
/// Every event but [`Incomplete`](Self::Incomplete) and [`Close`](Self::Close) asks for another call
/// with the input that was not used.
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub enum Event {
    /// All input is used: read more.
    Incomplete,
    /// A response begins: call again with a buffer, and keep lending that one while
    /// [`Connection::is_reading_response`].
    BufferWanted,
    /// Every place in the table is taken by a login that is being judged: give a verdict first.
    Busy,
    /// A response has come whole: judge it, and answer with its ticket. The buffer goes with it.
    Response(Login),
    /// `AUTH` came without initial response, which was asked for.
    ResponseRequested {
        /// The login's id.
        id: u32,
    },
    /// The client replied to the challenge of a failed login, and was answered with the failure.
    /// Whatever it replied was skipped: a second attempt is a new `AUTH`.
    Replied {
        /// The login's id.
        id: u32,
    },
    /// The client gave up a login: drop the judging of it if there is any.
    Cancelled {
        /// The login's id, which may be unknown or over.
        id: u32,
    },
    /// A login failed, and was answered, before anybody could judge it.
    Refused(Refusal),
    /// Write what there is and close the connection; no verdict will be sent on it any more.
    Close(ProtocolError),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    VersionExpected,
    CpidExpected,
    Ready,
    Closed(ProtocolError),
}

impl<T: LoginTable> Connection<T> {
    /// Begins a connection by writing the whole greeting, for which Exim waits before it speaks.
    ///
    /// # Errors
    /// If `out` has no room.
    pub fn greet(greeting: &Greeting<'_>, out: &mut impl Write) -> Result<Self, fmt::Error> {
        greeting.write(out)?;
        Ok(Self {
            stage: Stage::VersionExpected,
            client_minor: 0,
            client_pid: 0,
            offered: greeting.mechanisms.iter().copied().collect(),
            pending: Pending::default(),
            line: Line::default(),
        })
    }

    /// Takes bytes from the client, up to the first event. Returns how many, and the event.
    ///
    /// `response` is the buffer that is lent for a response, or empty. It must be the same from call
    /// to call while [`is_reading_response`](Self::is_reading_response).
    /// One call writes one line to `out` at most.
    pub fn receive(
        &mut self,
        input: &[u8],
        response: &mut [u8],
        out: &mut impl Write,
    ) -> (usize, Event) {
        let mut used: usize = 0;
        loop {
            let rest = input.get(used..).unwrap_or_default();
            let (more, event) = self.step(rest, response, out);
            used = used.saturating_add(more);
            if let Some(event) = event {
                return (used, event);
            }
        }
    }

    /// Answers that the login is `user`'s, with further `fields` for the mail server.
    ///
    /// # Errors
    /// [`NotSent`]: if the login is over, or `out` has no room.
    pub fn accept(
        &mut self,
        ticket: Ticket,
        user: &str,
        fields: &[(&str, Option<&str>)],
        out: &mut impl Write,
    ) -> Result<(), NotSent> {
        let id = self.pending.redeem(ticket).ok_or(NotSent::NotPending)?;
        let written = write_ok(id, user, fields, out);
        self.sent(written)
    }

    /// Answers with a challenge that says why the login failed (RFC 7628 section 3.2.2), raw. The
    /// client's reply, whatever it is, brings it `failure`.
    ///
    /// # Errors
    /// [`NotSent`]: if the login is over, or `out` has no room.
    pub fn challenge(
        &mut self,
        ticket: Ticket,
        challenge: &[u8],
        failure: Failure<'_>,
        out: &mut impl Write,
    ) -> Result<(), NotSent> {
        let id = self.pending.redeem(ticket).ok_or(NotSent::NotPending)?;
        self.pending.await_reply(id, &failure);
        let written = write_challenge(id, challenge, out);
        self.sent(written)
    }

    /// Answers that the login failed, without a challenge.
    ///
    /// # Errors
    /// [`NotSent`]: if the login is over, or `out` has no room.
    pub fn fail(
        &mut self,
        ticket: Ticket,
        failure: Failure<'_>,
        out: &mut impl Write,
    ) -> Result<(), NotSent> {
        let id = self.pending.redeem(ticket).ok_or(NotSent::NotPending)?;
        let written = write_failure(id, &failure, out);
        self.sent(written)
    }

    /// Leaves a login to another server, whose answer is relayed: gives whether it was not over.
    pub fn hand_over(&mut self, ticket: Ticket) -> bool {
        self.pending.redeem(ticket).is_some()
    }

    /// Whether the client has said its version and process id. Until then, a deadline is due.
    #[must_use]
    pub fn is_handshaken(&self) -> bool {
        self.stage == Stage::Ready
    }

    /// Whether a line has begun and not ended. While the client is expected to go on, that is unless
    /// the last event was [`Event::BufferWanted`] or [`Event::Busy`], a deadline is due.
    #[must_use]
    pub fn has_unfinished_line(&self) -> bool {
        self.line.length > 0
    }

    /// Whether the lent buffer holds the beginning of a response, and must be lent again.
    #[must_use]
    pub fn is_reading_response(&self) -> bool {
        self.line.response.is_some()
    }

    /// How many logins are being judged: what a server that shuts down waits for.
    #[must_use]
    pub fn judging(&self) -> usize {
        self.pending.judging()
    }

    /// Whether the login that `ticket` stands for is still being judged, so that a verdict will be sent.
    #[must_use]
    pub fn is_judging(&self, ticket: &Ticket) -> bool {
        self.pending.is_judging(ticket)
    }

    /// Whether every place is taken by a login that is being judged: one more is [`Event::Busy`].
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.pending.is_exhausted()
    }

    /// How many logins are not over, those included that wait for their client.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.pending.len()
    }

    /// The client's process id (`CPID`), by which the master protocol names its connection.
    #[must_use]
    pub fn client_pid(&self) -> Option<u32> {
        (self.client_pid != 0).then_some(self.client_pid)
    }

    fn sent(&mut self, written: fmt::Result) -> Result<(), NotSent> {
        written.map_err(|error| {
            let _ = self.close(error.into());
            error.into()
        })
    }

    pub(super) fn close(&mut self, error: ProtocolError) -> Event {
        self.stage = Stage::Closed(error);
        self.pending = Pending::default();
        self.line = Line::default();
        Event::Close(error)
    }
}

impl<T: LoginTable> fmt::Debug for Connection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("stage", &self.stage)
            .field("client_minor", &self.client_minor)
            .field("client_pid", &self.client_pid)
            .field("outstanding", &self.outstanding())
            .field("judging", &self.judging())
            .finish_non_exhaustive()
    }
}
