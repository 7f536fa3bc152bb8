//! Logins on their whole way: from a login process over Gatepost or the upstream Dovecot to the mail process that
//! asks for them.

use std::collections::VecDeque;
use std::time::Instant;

use gatepost_core::dovecot::{Connection, Event, Failure, Greeting, MAX_RESPONSE, NotSent, Ticket};
use gatepost_core::sasl::Mechanism;
use gatepost_mail::logins::ManyLogins;
use gatepost_mail::master::{Master, Sources};
use gatepost_mail::relay::{Relay, Route};
use gatepost_mail::users::Users;
use gatepost_mail::waiting::{Login, Waiting};

use super::mail::{assert_whole, lines, offers, users};

const COOKIE: [u8; 16] = [1; 16];

/// Rows of which the first byte says whose they are: `c` a line of the login process, `u` one of Dovecot's to it;
/// `m` a request of a mail process, `d` a line of Dovecot's to that. `a`, `f` and `r` are our own verdict on the
/// login that waits longest: accepted, failed, or refused with a challenge. `+` and `-` stand for a connection to
/// Dovecot for logins that is made and lost, `[` and `]` for one for mail processes.
///
/// # Panics
/// Where a login is given to a mail process that its client was not told to be good, or twice; where a token goes to
/// Dovecot, or something else than a whole line is written.
pub fn relayed_logins(data: &[u8]) {
    let known = users(b"alice@example.test:x:7:7::/h::\nbob@example.test:x\n");
    for users in [None, Some(&known)] {
        let mut path = Path::new(users);
        for row in data.split(|byte| *byte == b'\n') {
            let Some((who, line)) = row.split_first() else {
                continue;
            };
            if !path.take(*who, line) {
                break;
            }
            path.check();
        }
        path.check();
    }
}

/// Everything between a login process, a mail process and Dovecot.
struct Path<'u> {
    relay: Relay,
    connection: Connection<ManyLogins>,
    buffer: Vec<u8>,
    held: VecDeque<(Ticket, Vec<u8>)>,
    waiting: Waiting,
    master: Master,
    users: Option<&'u Users>,
    /// What the login process has been told by our own server.
    told: String,
    /// Logins that a mail process was given, or Dovecot asked about for one.
    given: usize,
}

impl<'u> Path<'u> {
    fn new(users: Option<&'u Users>) -> Self {
        let greeting = Greeting {
            mechanisms: &Mechanism::BEARER,
            relayed: &[],
            pid: 1,
            connection: 1,
            cookie: COOKIE,
        };
        let connection = Connection::greet(&greeting, &mut String::new());
        Self {
            relay: Relay::new(&Mechanism::BEARER, COOKIE, offers()),
            connection: connection.expect("room in a string"),
            buffer: vec![0; MAX_RESPONSE],
            held: VecDeque::new(),
            waiting: Waiting::default(),
            master: Master::greet(1),
            users,
            told: String::new(),
            given: 0,
        }
    }

    /// Takes a row; false where a connection would be closed.
    fn take(&mut self, who: u8, line: &[u8]) -> bool {
        match who {
            b'c' => match self.relay.client_line(line) {
                Ok(Route::Own) => return self.own(&[line, b"\n"].concat()),
                Ok(Route::Upstream) => {}
                Err(_) => return false,
            },
            b'u' => match self.relay.upstream_line(line) {
                Ok(login) => keep(&mut self.waiting, login),
                Err(_) => self.relay.upstream_lost(),
            },
            b'm' if line.starts_with(b"VERSION") || line.starts_with(b"REQUEST") => {
                return self.request(line);
            }
            b'd' => self.master.upstream_line(line),
            b'a' | b'f' | b'r' => self.verdict(who),
            b'+' if self.relay.needs_upstream().is_some() => self.relay.upstream_connected(7),
            b'-' => self.relay.upstream_lost(),
            b'[' if self.master.needs_upstream() => self.master.upstream_connected(),
            b']' => self.master.upstream_lost(),
            _ => {}
        }
        true
    }

    /// What our own server makes of a line of the login process.
    fn own(&mut self, line: &[u8]) -> bool {
        let mut rest = line;
        loop {
            let lent = &mut self.buffer;
            let (used, event) = self.connection.receive(rest, lent, &mut self.told);
            rest = &rest[used..];
            match event {
                Event::Incomplete => return true,
                Event::Close(_) => return false,
                Event::Response(login) => {
                    let response = self.buffer[..login.length].to_vec();
                    self.held.push_back((login.ticket, response));
                }
                Event::Refused(refusal) => {
                    let _ = self.relay.may_tell_reason(refusal.id);
                }
                _ => {}
            }
        }
    }

    fn verdict(&mut self, way: u8) {
        let Some((ticket, response)) = self.held.pop_front() else {
            return;
        };
        let (id, user) = (ticket.id(), "alice@example.test");
        let is_due = self.connection.is_judging(&ticket);
        let failure = Failure {
            user: Some(user),
            code: None,
            reason: "",
        };
        let out = &mut self.told;
        let sent = match way {
            b'a' => {
                let uid = String::from_utf8_lossy(&response);
                let fields = [("userdb_uid", Some(&*uid)), ("userdb_a\tb", None)];
                if is_due {
                    let login = self.relay.accepted(id, user, &fields);
                    keep(&mut self.waiting, login);
                }
                self.connection.accept(ticket, user, &fields, out)
            }
            b'r' => self.connection.challenge(ticket, b"{}", failure, out),
            _ => self.connection.fail(ticket, failure, out),
        };
        if way != b'a' && is_due {
            let _ = self.relay.may_tell_reason(id);
        }
        assert_eq!(sent, is_due.then_some(()).ok_or(NotSent::NotPending));
    }

    /// What a mail process asks; false where its connection would be closed.
    fn request(&mut self, line: &[u8]) -> bool {
        if !self.master.has_room() {
            return true;
        }
        let before = [self.master.client.len(), self.master.upstream.len()];
        let sources = Sources {
            waiting: &mut self.waiting,
            users: self.users,
            has_upstream: true,
            now: Instant::now(),
        };
        let taken = self.master.client_line(line, sources);
        let said = [&self.master.client, &self.master.upstream];
        let said = said.into_iter().zip(before).flat_map(|(said, before)| {
            let new = said.get(before..).unwrap_or_default();
            lines(new)
        });
        let given = |line: &&[u8]| line.starts_with(b"USER\t") || line.starts_with(b"REQUEST\t");
        self.given += said.filter(given).count();
        taken.is_ok()
    }

    fn check(&self) {
        let outputs = &self.relay.outputs;
        for output in [
            &outputs.client,
            &outputs.upstream,
            &self.master.client,
            &self.master.upstream,
        ] {
            assert_whole(output);
        }
        let told = lines(self.told.as_bytes()).chain(lines(&outputs.client));
        let good = told.filter(|line| line.starts_with(b"OK\t")).count();
        assert!(self.given <= good, "{} of {good} good logins", self.given);
        assert!(self.master.pending() <= 64);
    }
}

fn keep(waiting: &mut Waiting, login: Option<Login>) {
    if let Some(login) = login {
        waiting.keep(login, Instant::now());
    }
}
