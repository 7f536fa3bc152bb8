//! Dovecot's auth protocol: logins in, each judged, verdicts out.

mod login;
mod response;
mod typed;

use std::sync::Arc;
use std::time::Duration;

use gatepost_core::dovecot::{Connection, Event, Greeting, Login, NotSent, Refusal, Ticket};
use gatepost_core::sasl::Mechanism;
use gatepost_mail::logins::ManyLogins;
use gatepost_tokio::{Outcome, Verdict};

use crate::connection::client::{Client, Remote};
use crate::connection::peer::{Closed, Handler, Io, Output, Status};
use crate::connection::service::Service;
pub(crate) use login::Judged;
use response::Response;
pub(crate) use typed::Typed;

/// One connection of an auth client.
pub(crate) struct Auth {
    service: Arc<Service>,
    protocol: Connection<ManyLogins>,
    number: u32,
    remote: Remote,
    /// The buffer that is lent for the response that is arriving.
    lent: Option<Response>,
    /// Whether a challenge could not be replied to any more.
    is_draining: bool,
}

/// What somebody has to know before a client hears of its login, or may change about that.
pub(crate) trait Observer {
    /// The login is this user's.
    fn accepted(&mut self, id: u32, user: &str, fields: &[(&str, Option<&str>)]);
    /// It has failed; whether the client may be told in words why.
    fn may_tell_reason(&mut self, id: u32) -> bool;

    /// Takes over a login that is another server's to judge; gives whether it did. `message` is its response.
    fn take_over(&mut self, login: &Login, message: &[u8]) -> bool;
}

/// Nobody has to.
impl Observer for () {
    fn accepted(&mut self, _: u32, _: &str, _: &[(&str, Option<&str>)]) {}

    fn may_tell_reason(&mut self, _: u32) -> bool {
        true
    }

    fn take_over(&mut self, _: &Login, _: &[u8]) -> bool {
        false
    }
}

impl Auth {
    /// Greets a client, which hears of these `mechanisms` and of what is `relayed`.
    pub(crate) fn greet<'l>(
        service: &Arc<Service>,
        mechanisms: &[Mechanism],
        relayed: impl Iterator<Item = &'l str>,
        client: Client,
    ) -> (Self, Output) {
        let relayed: Vec<&str> = relayed.collect();
        let greeting = Greeting {
            mechanisms,
            relayed: &relayed,
            pid: std::process::id(),
            connection: client.number,
            cookie: client.cookie,
        };
        let mut output = Output::default();
        let greeted = Connection::greet(&greeting, &mut output);
        let auth = Self {
            service: Arc::clone(service),
            protocol: greeted.unwrap_or_else(|_| unreachable!("an output has always room")),
            number: client.number,
            remote: client.remote,
            lent: None,
            is_draining: false,
        };
        (auth, output)
    }

    /// Takes what the client has sent, until it is used or every place is taken.
    pub(crate) fn take(
        &mut self,
        input: &[u8],
        io: &mut Io<Box<Judged>>,
        observer: &mut impl Observer,
    ) -> Result<usize, Closed> {
        let mut used = 0;
        loop {
            let rest = input.get(used..).unwrap_or_default();
            let lent = self
                .lent
                .as_mut()
                .map(|lent| lent.with_room_for(rest.len()));
            let lent = lent.unwrap_or_default();
            let (more, event) = self.protocol.receive(rest, lent, &mut io.output);
            used += more;
            if !matches!(event, Event::Incomplete | Event::BufferWanted | Event::Busy) {
                io.line_ended();
            }
            match event {
                Event::BufferWanted => self.lent = Some(Response::default()),
                // Where every place is taken, verdicts come first.
                Event::Incomplete | Event::Busy => return Ok(used),
                Event::Close(error) => return Err(Closed::protocol(format_args!("{error:?}"))),
                Event::Response(mut login) => {
                    self.remote.settle(&mut login.origin);
                    let response = self.lent.take().unwrap_or_default().finish(login.length);
                    if observer.take_over(&login, response.bytes()) {
                        self.protocol.hand_over(login.ticket);
                        continue;
                    }
                    let service = Arc::clone(&self.service);
                    let judging = login::judge(service, self.number, login, response);
                    if let Some(judged) = io.work.start(judging) {
                        self.answer(judged, io, observer);
                    }
                }
                Event::Refused(mut refusal) => {
                    if let Some(origin) = &mut refusal.origin {
                        self.remote.settle(origin);
                    }
                    self.lent = None;
                    self.note(&refusal, io, observer);
                }
                _ => self.lent = None,
            }
        }
    }

    /// Notes a login that the protocol has refused, and answered.
    fn note(&self, refusal: &Refusal, io: &mut Io<Box<Judged>>, observer: &mut impl Observer) {
        if !observer.may_tell_reason(refusal.id) {
            io.output.cut_last_field();
        }
        let reason = refusal.reason.code();
        self.service.metrics.refusal(reason);
        crate::log::refusal(refusal);
    }

    /// Gives a verdict, and writes its line.
    pub(crate) fn answer(
        &mut self,
        judged: Box<Judged>,
        io: &mut Io<Box<Judged>>,
        observer: &mut impl Observer,
    ) {
        let Judged {
            ticket,
            mut line,
            verdict,
        } = *judged;
        let sent = self.send(ticket, &verdict, &mut io.output, observer);
        line.end(&self.service.metrics, &verdict, sent);
    }

    fn send(
        &mut self,
        ticket: Ticket,
        verdict: &Verdict,
        output: &mut Output,
        observer: &mut impl Observer,
    ) -> Result<(), NotSent> {
        let id = ticket.id();
        match &verdict.outcome {
            Outcome::Accepted(identity) => {
                let fields = verdict.fields.as_pairs();
                if self.protocol.is_judging(&ticket) {
                    observer.accepted(id, identity.user(), &fields);
                }
                self.protocol
                    .accept(ticket, identity.user(), &fields, output)
            }
            Outcome::Refused {
                rejection,
                challenge,
            } => {
                let mut failure = rejection.failure(verdict.claimed.as_deref());
                if self.protocol.is_judging(&ticket) && !observer.may_tell_reason(id) {
                    failure.reason = "";
                }
                match challenge {
                    Some(json) if !self.is_draining => {
                        self.protocol.challenge(ticket, json, failure, output)
                    }
                    _ => self.protocol.fail(ticket, failure, output),
                }
            }
        }
    }

    /// As [`Handler::status`].
    pub(crate) fn status(&self) -> Status {
        let has_line = self.protocol.has_unfinished_line();
        Status {
            is_handshaken: self.protocol.is_handshaken(),
            is_line_begun: has_line,
            is_begun: has_line || self.protocol.outstanding() > 0,
        }
    }

    /// Whether there is a place for another login.
    pub(crate) fn has_place(&self) -> bool {
        !self.protocol.is_exhausted()
    }

    /// As [`Handler::drain`].
    pub(crate) fn drain(&mut self) {
        self.is_draining = true;
    }
}

impl Handler for Auth {
    type Done = Box<Judged>;

    const PROTOCOL: &'static str = "auth";
    const STOP_PATIENCE: Duration = Duration::from_secs(2);

    fn receive(&mut self, input: &[u8], io: &mut Io<Box<Judged>>) -> Result<usize, Closed> {
        self.take(input, io, &mut ())
    }

    fn done(&mut self, judged: Box<Judged>, io: &mut Io<Box<Judged>>) {
        self.answer(judged, io, &mut ());
    }

    fn status(&self) -> Status {
        self.status()
    }

    fn has_room(&self) -> bool {
        self.has_place()
    }

    fn drain(&mut self) {
        self.drain();
    }
}
