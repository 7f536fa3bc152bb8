//! The auth protocol where there is a Dovecot to relay to: what it alone can judge goes there, the rest is
//! [`Auth`]'s.

use std::sync::Arc;
use std::time::Duration;

use gatepost_core::dovecot::{Login as Begun, Origin};
use gatepost_core::sasl::Mechanism;
use gatepost_mail::line::Lines;
use gatepost_mail::relay::{Relay, Route, proves_password};
use gatepost_mail::waiting::Login;
use tokio::time::Instant;

use super::auth::{Auth, Judged, Observer, Typed};
use crate::connection::client::{Client, Remote};
use crate::connection::peer::{Closed, Handler, Io, Output, Relayed, Status};
use crate::connection::service::Service;
use crate::connection::upstream::{GREETING, Socket, Upstream};

/// One connection of an auth client, with Dovecot upstream.
pub(crate) struct RelayedAuth {
    auth: Auth,
    relaying: Relaying,
    lines: Lines,
    remote: Remote,
}

/// What is relayed, and what is kept for the mail processes.
struct Relaying {
    service: Arc<Service>,
    relay: Relay,
    upstream: Arc<Upstream>,
}

impl RelayedAuth {
    /// Greets a client, which hears of what Dovecot is known to offer as well.
    pub(crate) fn greet(
        service: &Arc<Service>,
        upstream: &Arc<Upstream>,
        mechanisms: &'static [Mechanism],
        client: Client,
    ) -> (Self, Output) {
        let mut offers = upstream.offers();
        if service.takes_app_passwords_only() {
            offers.retain(|offer| !proves_password(&offer.name()));
        }
        let relay = Relay::new(mechanisms, client.cookie, offers);
        let (auth, output) = Auth::greet(service, mechanisms, relay.offered(), client);
        let handler = Self {
            auth,
            relaying: Relaying {
                service: Arc::clone(service),
                relay,
                upstream: Arc::clone(upstream),
            },
            lines: Lines::default(),
            remote: client.remote,
        };
        (handler, output)
    }

    /// Takes the lines that have come whole, as far as there is room.
    fn take_lines(&mut self, io: &mut Io<Box<Judged>>) -> Result<(), Closed> {
        while self.has_room() {
            let Some(line) = self.lines.next_line().map_err(Closed::protocol)? else {
                break;
            };
            io.line_ended();
            let line = self.remote.settle_line(line);
            if self.relaying.bars(&line) {
                self.relaying.tell(&mut io.output);
                continue;
            }
            let route = self.relaying.relay.client_line(&line);
            if route.map_err(Closed::protocol)? == Route::Own {
                let line = [&line[..], b"\n"].concat();
                self.auth.take(&line, io, &mut self.relaying)?;
            }
            self.relaying.tell(&mut io.output);
        }
        Ok(())
    }
}

impl Handler for RelayedAuth {
    type Done = Box<Judged>;

    const PROTOCOL: &'static str = "auth";
    /// Dovecot lets failed logins wait for two seconds.
    const STOP_PATIENCE: Duration = Duration::from_secs(4);

    fn receive(&mut self, input: &[u8], io: &mut Io<Box<Judged>>) -> Result<usize, Closed> {
        self.lines.push(input);
        self.take_lines(io)?;
        Ok(input.len())
    }

    fn resume(&mut self, io: &mut Io<Box<Judged>>) -> Result<(), Closed> {
        self.take_lines(io)
    }

    fn done(&mut self, judged: Box<Judged>, io: &mut Io<Box<Judged>>) {
        self.auth.answer(judged, io, &mut self.relaying);
    }

    fn upstream(&self) -> Option<&Arc<Upstream>> {
        Some(&self.relaying.upstream)
    }

    fn status(&self) -> Status {
        let own = self.auth.status();
        let is_line_begun = self.lines.is_unfinished();
        Status {
            is_handshaken: own.is_handshaken,
            is_line_begun,
            is_begun: own.is_begun || is_line_begun || self.relaying.relay.relayed() > 0,
        }
    }

    fn has_room(&self) -> bool {
        self.auth.has_place() && self.relaying.relay.has_room()
    }

    fn drain(&mut self) {
        self.auth.drain();
    }

    fn relayed(&mut self) -> Option<&mut dyn Relayed<Box<Judged>>> {
        Some(&mut self.relaying)
    }
}

impl Relaying {
    /// Tells the client what the relay has for it.
    fn tell(&mut self, output: &mut Output) {
        output.bytes().append(&mut self.relay.outputs.client);
    }

    /// Refuses a login whose password only Dovecot can judge, where it is not taken.
    fn bars(&mut self, line: &[u8]) -> bool {
        let Some(login) = self.relay.proven_password(line) else {
            return false;
        };
        let mut origin = Origin::default();
        // No service with a longer name is any that is known here.
        origin.service = login.service.as_str().try_into().unwrap_or_default();
        origin.remote.address = login.address;
        let Some(rejection) = self.service.bars_password(&origin, None, false) else {
            return false;
        };
        self.relay.refuse_password(&login, rejection.reason());
        self.service.metrics.refusal(rejection.code());
        crate::log::barred(&login.mechanism, &origin, rejection);
        true
    }

    /// Keeps a login for the mail process that will ask for it, before the client hears of it.
    fn keep(&self, login: Option<Login>) {
        if let Some(login) = login {
            let now = Instant::now().into_std();
            self.upstream
                .with_waiting(|waiting| waiting.keep(login, now));
        }
    }
}

impl Observer for Relaying {
    fn accepted(&mut self, id: u32, user: &str, fields: &[(&str, Option<&str>)]) {
        let login = self.relay.accepted(id, user, fields);
        self.keep(login);
    }

    fn may_tell_reason(&mut self, id: u32) -> bool {
        self.relay.may_tell_reason(id)
    }

    /// A password that is neither an application password nor a provider's to judge goes to Dovecot, if it is taken at
    /// all.
    fn take_over(&mut self, login: &Begun, message: &[u8]) -> bool {
        let is_another_s = self.upstream.has_logins() && !self.service.grants_for_passwords();
        if !login.mechanism.is_password() || !is_another_s {
            return false;
        }
        let Some(typed) = Typed::read(message) else {
            return false;
        };
        let barred = || {
            let user = typed.user();
            self.service.bars_password(&login.origin, user, false)
        };
        if typed.is_ours() || barred().is_some() {
            return false;
        }
        self.relay.hand_over(login.ticket.id(), message)
    }
}

impl Relayed<Box<Judged>> for Relaying {
    fn wanted(&self) -> Option<Socket> {
        self.relay.needs_upstream().map(Socket::Logins)
    }

    fn connected(&mut self, client_pid: u32) {
        self.relay.upstream_connected(client_pid);
    }

    fn lost(&mut self, io: &mut Io<Box<Judged>>) {
        self.relay.upstream_lost();
        self.tell(&mut io.output);
    }

    fn line(&mut self, line: &[u8], io: &mut Io<Box<Judged>>) -> bool {
        match self.relay.upstream_line(line) {
            Ok(login) => {
                self.keep(login);
                self.tell(&mut io.output);
                true
            }
            Err(error) => {
                tracing::warn!(error = error.to_string(), "Dovecot cannot be used");
                false
            }
        }
    }

    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.relay.outputs.upstream
    }

    fn is_awaited(&self) -> bool {
        self.relay.relayed() > 0
    }

    /// It has to greet; a login may take its time.
    fn patience(&self) -> Option<Duration> {
        self.relay.upstream_offers().is_none().then_some(GREETING)
    }
}
