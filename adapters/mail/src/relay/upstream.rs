//! The side of a [`Relay`] where the upstream Dovecot is.

use super::Need;
use super::{Relay, ends_here, fail};
use crate::line::{fields, id, write_line};
use crate::upstream::{Greeting, GreetingError, Offer, handshake};
use crate::waiting::{By, Login};

/// What is said of a login that Dovecot cannot judge now.
const UNAVAILABLE: &str = "reason=Temporary failure: passwords cannot be checked now";

/// What is said of a login that it does not judge any more.
const NOT_OFFERED: &str = "reason=Mechanism not offered any more: reload the mail server";

/// The connection to Dovecot.
pub(super) enum Upstream {
    Absent,
    /// A connection is needed, to which the lines will be sent.
    Wanted(Need, Vec<Held>),
    Greeting(u32, Greeting, Vec<Held>),
    Ready(u32, Greeting),
}

/// A line that waits for the connection, and the mechanism if it begins a login.
pub(super) struct Held {
    pub(super) id: u32,
    pub(super) mechanism: Vec<u8>,
    pub(super) line: Vec<u8>,
}

impl Relay {
    pub(super) fn send_upstream(&mut self, id: u32, line: &[u8]) {
        self.send(Held {
            id,
            mechanism: Vec::new(),
            line: line.to_vec(),
        });
    }

    pub(super) fn send(&mut self, line: Held) {
        match &mut self.upstream {
            Upstream::Absent => {}
            Upstream::Wanted(_, held) | Upstream::Greeting(_, _, held) => held.push(line),
            Upstream::Ready(..) => write_line(&mut self.outputs.upstream, [&line.line[..]]),
        }
    }

    /// Answers that Dovecot has this mechanism no more.
    pub(super) fn refuse(&mut self, id: u32) {
        let relayed = self.relayed.remove(&id);
        let is_login = relayed.is_some_and(|relayed| relayed.is_login);
        let reason = (!is_login).then_some(NOT_OFFERED);
        fail(&mut self.outputs.client, id, None, reason);
    }

    /// The connection that was needed is made; `client_pid` names it to Dovecot, and no other connection.
    pub fn upstream_connected(&mut self, client_pid: u32) {
        self.outputs.upstream = handshake(self.client_minor, client_pid);
        self.upstream = match std::mem::replace(&mut self.upstream, Upstream::Absent) {
            Upstream::Wanted(_, held) => Upstream::Greeting(client_pid, Greeting::default(), held),
            other => other,
        };
    }

    /// There is no connection, or no more: the logins that are there fail for now.
    pub fn upstream_lost(&mut self) {
        self.upstream = Upstream::Absent;
        self.outputs.upstream.clear();
        for (id, relayed) in std::mem::take(&mut self.relayed) {
            let reason = (!relayed.is_login).then_some(UNAVAILABLE);
            fail(&mut self.outputs.client, id, Some("code=temp_fail"), reason);
        }
    }

    /// What Dovecot has said that it offers on this connection, once it has.
    #[must_use]
    pub fn upstream_offers(&self) -> Option<&[Offer]> {
        match &self.upstream {
            Upstream::Ready(_, greeting) => Some(greeting.offers()),
            _ => None,
        }
    }

    /// Takes a line of Dovecot's. A login that a mail process will ask for is given out.
    ///
    /// # Errors
    /// [`GreetingError`]: close that connection, and say that it is lost.
    pub fn upstream_line(&mut self, line: &[u8]) -> Result<Option<Login>, GreetingError> {
        if let Upstream::Greeting(_, greeting, _) = &mut self.upstream {
            greeting.take(line)?;
            if greeting.is_over() {
                self.send_held();
            }
            return Ok(None);
        }
        let mut words = fields(line);
        let (command, login) = (words.next(), id(words.next()));
        let Some(id) = login.filter(|id| self.relayed.contains_key(id)) else {
            // Of a login that was cancelled, or nothing that an auth client has to know.
            return Ok(None);
        };
        let login = match command {
            Some(b"CONT") => None,
            Some(b"OK") => self.relayed_login(id, words),
            Some(b"FAIL") => {
                self.relayed.remove(&id);
                None
            }
            _ => return Ok(None),
        };
        write_line(&mut self.outputs.client, [line]);
        Ok(login)
    }

    fn relayed_login<'f>(
        &mut self,
        id: u32,
        mut fields: impl Iterator<Item = &'f [u8]>,
    ) -> Option<Login> {
        let relayed = self.relayed.remove(&id)?;
        let Upstream::Ready(client_pid, greeting) = &self.upstream else {
            return None;
        };
        if !relayed.is_login || fields.any(ends_here) {
            return None;
        }
        let by = By::Dovecot {
            client_pid: *client_pid,
            cookie: greeting.cookie().to_vec(),
        };
        Some(self.login(id, by))
    }

    /// Dovecot has greeted: what waited for it is sent, as far as it still offers that.
    fn send_held(&mut self) {
        let (pid, greeting, held) = match std::mem::replace(&mut self.upstream, Upstream::Absent) {
            Upstream::Greeting(pid, greeting, held) => (pid, greeting, held),
            other => {
                self.upstream = other;
                return;
            }
        };
        for Held {
            id,
            mechanism,
            line,
        } in held
        {
            let mut offers = greeting.offers().iter();
            if mechanism.is_empty() || offers.any(|offer| offer.is(&mechanism)) {
                write_line(&mut self.outputs.upstream, [&line[..]]);
            } else {
                self.refuse(id);
            }
        }
        self.upstream = Upstream::Ready(pid, greeting);
    }
}
