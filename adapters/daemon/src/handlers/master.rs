//! Dovecot's master protocol: mail processes ask for logins and users.

use std::sync::Arc;
use std::time::Duration;

use gatepost_mail::line::Lines;
use gatepost_mail::master::{Master as Protocol, Sources};
use gatepost_mail::users::Directory;
use tokio::time::Instant;

use crate::accounts::Everybody;
use crate::connection::peer::{Closed, Handler, Io, Output, Relayed, Status};
use crate::connection::upstream::{Socket, Upstream};

/// How long Dovecot may take to answer: its own clients wait for 30 seconds, and its databases have their
/// time limits below that.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection of a mail process.
pub(crate) struct Master {
    protocol: Protocol,
    upstream: Arc<Upstream>,
    lines: Lines,
}

impl Master {
    /// Greets a mail process.
    pub(crate) fn greet(upstream: &Arc<Upstream>) -> (Self, Output) {
        let mut master = Self {
            protocol: Protocol::greet(std::process::id()),
            upstream: Arc::clone(upstream),
            lines: Lines::default(),
        };
        let mut output = Output::default();
        master.tell(&mut output);
        (master, output)
    }

    fn tell(&mut self, output: &mut Output) {
        output.bytes().append(&mut self.protocol.client);
    }

    fn take_lines(&mut self, io: &mut Io<()>) -> Result<(), Closed> {
        self.list_on(io);
        while self.protocol.has_room() && !self.protocol.is_listing() {
            let Some(line) = self.lines.next_line().map_err(Closed::protocol)? else {
                break;
            };
            io.line_ended();
            let users = self.upstream.users();
            let has_upstream = self.upstream.has_master();
            let everybody = self.upstream.accounts().map(Everybody::of);
            let directory = everybody.as_ref().map(|held| held as &dyn Directory);
            let taken = self.upstream.with_waiting(|waiting| {
                let sources = Sources {
                    waiting,
                    users: users.as_deref(),
                    has_upstream,
                    now: Instant::now().into_std(),
                };
                self.protocol.client_line_with(&line, sources, directory)
            });
            self.tell(&mut io.output);
            taken.map_err(Closed::protocol)?;
        }
        Ok(())
    }

    /// Tells more of a list, as long as the client takes it.
    fn list_on(&mut self, io: &mut Io<()>) {
        if !self.protocol.is_listing() {
            return;
        }
        if let Some(held) = self.upstream.accounts() {
            let users = self.upstream.users();
            let has_upstream = self.upstream.has_master();
            let everybody = Everybody::of(held);
            self.protocol
                .go_on(users.as_deref(), has_upstream, &everybody);
        }
        self.tell(&mut io.output);
    }
}

impl Handler for Master {
    type Done = ();

    const PROTOCOL: &'static str = "master";
    const LAST_ANSWERS: Duration = PATIENCE;

    fn receive(&mut self, input: &[u8], io: &mut Io<()>) -> Result<usize, Closed> {
        self.lines.push(input);
        self.take_lines(io)?;
        Ok(input.len())
    }

    fn resume(&mut self, io: &mut Io<()>) -> Result<(), Closed> {
        self.take_lines(io)
    }

    fn upstream(&self) -> Option<&Arc<Upstream>> {
        Some(&self.upstream)
    }

    fn status(&self) -> Status {
        Status {
            is_handshaken: self.protocol.is_handshaken(),
            is_line_begun: self.lines.is_unfinished(),
            is_begun: self.protocol.pending() > 0 || self.protocol.is_listing(),
        }
    }

    fn has_room(&self) -> bool {
        self.protocol.has_room()
    }

    fn relayed(&mut self) -> Option<&mut dyn Relayed<()>> {
        Some(self)
    }
}

impl Relayed<()> for Master {
    fn wanted(&self) -> Option<Socket> {
        self.protocol.needs_upstream().then_some(Socket::Master)
    }

    fn connected(&mut self, _: u32) {
        self.protocol.upstream_connected();
    }

    fn lost(&mut self, io: &mut Io<()>) {
        self.protocol.upstream_lost();
        self.tell(&mut io.output);
    }

    fn line(&mut self, line: &[u8], io: &mut Io<()>) -> bool {
        self.protocol.upstream_line(line);
        self.tell(&mut io.output);
        true
    }

    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.protocol.upstream
    }

    fn is_awaited(&self) -> bool {
        self.protocol.pending() > 0
    }

    fn patience(&self) -> Option<Duration> {
        Some(PATIENCE)
    }
}
