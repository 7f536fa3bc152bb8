//! Postfix's socketmap: recipients and senders are looked up, one after the other.

use std::sync::Arc;
use std::time::Duration;

use gatepost_mail::master::{Found, Lookup};
use gatepost_mail::socketmap::{Map, Reply, Request, Requests};

use crate::peer::{Closed, Handler, Io, Output, Relayed, Status};
use crate::upstream::{Socket, Upstream};

/// How long Dovecot may take to look up a user. Postfix waits for 100 seconds (`ipc_timeout` and the like).
const PATIENCE: Duration = Duration::from_secs(30);

/// What Postfix is told meanwhile.
const UNAVAILABLE: Reply<'_> = Reply::Temporary("users cannot be looked up now");

/// One connection of Postfix.
pub(crate) struct Socketmap {
    upstream: Arc<Upstream>,
    requests: Requests,
    /// What Dovecot has been asked and has not answered.
    asked: Option<Asked>,
    lookups: u32,
    question: Vec<u8>,
    is_connected: bool,
}

struct Asked {
    lookup: Lookup,
    map: Map,
    /// Whom to ask for next, if there is no such user.
    otherwise: Option<String>,
    /// Whether it was asked over a connection that was there before: Dovecot may have gone since.
    may_be_tried_again: bool,
}

impl Socketmap {
    pub(crate) fn new(upstream: &Arc<Upstream>) -> (Self, Output) {
        let socketmap = Self {
            upstream: Arc::clone(upstream),
            requests: Requests::default(),
            asked: None,
            lookups: 0,
            question: Vec::new(),
            is_connected: false,
        };
        (socketmap, Output::default())
    }

    /// Answers the requests that have come whole, until one has to wait for Dovecot.
    fn answer_requests(&mut self, io: &mut Io<()>) -> Result<(), Closed> {
        while self.asked.is_none() {
            let Some(request) = self.requests.next_request().map_err(Closed::protocol)? else {
                break;
            };
            io.line_ended();
            let reply = match &request {
                Request::UnknownMap => {
                    Reply::Permanent("there are the maps mailbox and sender_login")
                }
                Request::NoName => Reply::NotFound,
                Request::Lookup { map, key } => match self.upstream.users() {
                    None => {
                        // Dovecot delivers to whoever is left without the extension, as its LMTP does.
                        let base = self.upstream.delimiters().without_extension(key);
                        let whole = base.is_some().then(|| key.clone());
                        self.ask(*map, base.as_ref().unwrap_or(key), whole);
                        break;
                    }
                    Some(users) => {
                        let user = users.find_address(key, self.upstream.delimiters());
                        let name = user.as_ref().map(|user| &*user.name);
                        name.map_or(Reply::NotFound, Reply::Found)
                            .write(io.output.bytes());
                        continue;
                    }
                },
            };
            reply.write(io.output.bytes());
        }
        Ok(())
    }

    /// Asks for `key`, and for `otherwise` if there is no such user.
    fn ask(&mut self, map: Map, key: &str, otherwise: Option<String>) {
        let service = match map {
            Map::Mailbox => "lmtp",
            Map::SenderLogin => "smtp",
        };
        self.lookups = self.lookups.wrapping_add(1).max(1);
        let lookup = Lookup::new(self.lookups, key, service);
        if self.is_connected {
            lookup.write(&mut self.question);
        }
        self.asked = Some(Asked {
            lookup,
            map,
            otherwise,
            may_be_tried_again: self.is_connected,
        });
    }

    fn reply(&mut self, found: &Found, io: &mut Io<()>) {
        let asked = self.asked.take();
        if let (Found::Nobody, Some(asked)) = (found, asked)
            && let Some(whole) = asked.otherwise
        {
            return self.ask(asked.map, &whole, None);
        }
        let reply = match found {
            Found::User(name) => Reply::Found(name),
            Found::Nobody => Reply::NotFound,
            Found::Failed => {
                tracing::warn!("user not looked up: Dovecot cannot");
                UNAVAILABLE
            }
        };
        reply.write(io.output.bytes());
    }
}

impl Handler for Socketmap {
    type Done = ();

    const PROTOCOL: &'static str = "socketmap";

    fn receive(&mut self, input: &[u8], io: &mut Io<()>) -> Result<usize, Closed> {
        self.requests.push(input);
        self.answer_requests(io)?;
        Ok(input.len())
    }

    fn upstream(&self) -> Option<&Arc<Upstream>> {
        Some(&self.upstream)
    }

    fn resume(&mut self, io: &mut Io<()>) -> Result<(), Closed> {
        self.answer_requests(io)
    }

    fn status(&self) -> Status {
        Status {
            is_handshaken: true,
            is_line_begun: self.requests.is_unfinished(),
            is_begun: self.asked.is_some(),
        }
    }

    fn has_room(&self) -> bool {
        self.asked.is_none()
    }

    fn relayed(&mut self) -> Option<&mut dyn Relayed<()>> {
        Some(self)
    }
}

impl Relayed<()> for Socketmap {
    fn wanted(&self) -> Option<Socket> {
        (self.asked.is_some() && !self.is_connected).then_some(Socket::Master)
    }

    fn connected(&mut self, _: u32) {
        self.is_connected = true;
        self.question = Lookup::VERSION.to_vec();
        if let Some(asked) = &self.asked {
            asked.lookup.write(&mut self.question);
        }
    }

    fn lost(&mut self, io: &mut Io<()>) {
        self.is_connected = false;
        self.question.clear();
        match &mut self.asked {
            Some(asked) if asked.may_be_tried_again => asked.may_be_tried_again = false,
            Some(_) => {
                self.asked = None;
                UNAVAILABLE.write(io.output.bytes());
            }
            None => {}
        }
    }

    fn line(&mut self, line: &[u8], io: &mut Io<()>) -> bool {
        let found = self
            .asked
            .as_ref()
            .and_then(|asked| asked.lookup.read(line));
        if let Some(found) = found {
            self.reply(&found, io);
        }
        true
    }

    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.question
    }

    fn is_awaited(&self) -> bool {
        self.asked.is_some()
    }

    fn patience(&self) -> Option<Duration> {
        Some(PATIENCE)
    }
}
