//! Postfix's socketmap protocol, the server's side: a map's name and a key in a netstring, and what the map
//! says in another (`socketmap_table(5)`).
//!
//! ```text
//! 25:mailbox alice@example.com,      one look-up; the next is taken once it is answered
//! 20:OK alice@example.com,  |  9:NOTFOUND ,  |  TEMP <why>  |  PERM <why>
//! ```
//!
//! There are two maps, both of which ask for a user: `mailbox`, for `virtual_mailbox_maps`, says whether there
//! is one of that name; `sender_login`, for `smtpd_sender_login_maps`, whose address it is, which is its own
//! user's. Where Gatepost knows no users, Dovecot's master socket is asked.
//!
//! Postfix asks about whole addresses only, not about parts of them as of other tables: what follows a recipient
//! delimiter is taken off here.

mod delimiters;
mod request;
#[cfg(test)]
mod tests;

use crate::master::{Found, Lookup};
use crate::users::Users;
pub use delimiters::{Delimiters, DelimitersError};
use request::{MAX_NETSTRING, MAX_PAYLOAD, Map, Request, payload};

/// What Postfix is told while Dovecot cannot be asked.
const UNAVAILABLE: Reply<'_> = Reply::Temporary("users cannot be looked up now");

/// One connection of Postfix.
#[derive(Default)]
pub struct Connection {
    /// What is to be written to Postfix.
    pub client: Vec<u8>,
    /// What is to be written to Dovecot's master socket, once there is a connection.
    pub upstream: Vec<u8>,
    /// What has come of a request that is not whole.
    request: Vec<u8>,
    /// What Dovecot has been asked and has not answered.
    asked: Option<Asked>,
    lookups: u32,
    is_connected: bool,
}

/// What a client did that leaves nothing but closing its connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What came is no netstring: `length:bytes,`.
    #[error("a request that is no netstring")]
    NoNetstring,
    /// The request is longer than any address.
    #[error("a request of more than {MAX_PAYLOAD} bytes")]
    TooLong,
}

/// Dovecot could not look a user up.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("Dovecot cannot look up users now")]
pub struct LookupFailed;

struct Asked {
    lookup: Lookup,
    map: Map,
    /// Whom to ask for next, if there is no such user.
    otherwise: Option<String>,
    /// Whether it was asked over a connection that was there before: Dovecot may have gone since.
    may_be_tried_again: bool,
}

impl Connection {
    /// A connection on which nothing has come.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a request has begun and not ended.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        !self.request.is_empty()
    }

    /// Whether Dovecot has to answer before anything more is taken.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    /// Takes `bytes` up to the end of one request, and gives how many. It is answered by `users`, where Gatepost knows
    /// them; else Dovecot is asked.
    ///
    /// # Errors
    /// [`Error`]: close the connection.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        users: Option<&Users>,
        delimiters: &Delimiters,
    ) -> Result<usize, Error> {
        if self.is_asking() {
            return Ok(0);
        }
        let mut request = std::mem::take(&mut self.request);
        let before = request.len();
        let room = MAX_NETSTRING.saturating_sub(before);
        request.extend(bytes.iter().take(room));
        let Some((length, payload)) = payload(&request)? else {
            self.request = request;
            return Ok(bytes.len().min(room));
        };
        match Request::parse(payload) {
            Request::UnknownMap => {
                self.reply(Reply::Permanent(
                    "there are the maps mailbox and sender_login",
                ));
            }
            Request::NoName => self.reply(Reply::NotFound),
            Request::Lookup { map, key } => self.look_up(map, key, users, delimiters),
        }
        Ok(length.saturating_sub(before))
    }

    fn look_up(&mut self, map: Map, key: &str, users: Option<&Users>, delimiters: &Delimiters) {
        let Some(users) = users else {
            // Dovecot delivers to whoever is left without the extension, as its LMTP does.
            let base = delimiters.without_extension(key);
            let whole = base.is_some().then(|| key.to_owned());
            return self.ask(map, base.as_deref().unwrap_or(key), whole);
        };
        let user = users.find_address(key, delimiters);
        let name = user.as_ref().map(|user| &*user.name);
        self.reply(name.map_or(Reply::NotFound, Reply::Found));
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
            lookup.write(&mut self.upstream);
        }
        self.asked = Some(Asked {
            lookup,
            map,
            otherwise,
            may_be_tried_again: self.is_connected,
        });
    }

    fn reply(&mut self, reply: Reply<'_>) {
        reply.write(&mut self.client);
    }

    /// Whether a connection to Dovecot has to be made. Answer with
    /// [`upstream_connected`](Self::upstream_connected) or [`upstream_lost`](Self::upstream_lost).
    #[must_use]
    pub fn needs_upstream(&self) -> bool {
        self.is_asking() && !self.is_connected
    }

    /// The connection is made: what waits is sent.
    pub fn upstream_connected(&mut self) {
        self.is_connected = true;
        self.upstream = Lookup::VERSION.to_vec();
        if let Some(asked) = &self.asked {
            asked.lookup.write(&mut self.upstream);
        }
    }

    /// There is no connection, or no more: what was asked over one that is older is asked again.
    pub fn upstream_lost(&mut self) {
        self.is_connected = false;
        self.upstream.clear();
        match &mut self.asked {
            Some(asked) if asked.may_be_tried_again => asked.may_be_tried_again = false,
            Some(_) => {
                self.asked = None;
                self.reply(UNAVAILABLE);
            }
            None => {}
        }
    }

    /// Takes a line of Dovecot's.
    ///
    /// # Errors
    /// [`LookupFailed`], for the log: Postfix is told to come again.
    pub fn upstream_line(&mut self, line: &[u8]) -> Result<(), LookupFailed> {
        let Some(asked) = self.asked.take() else {
            return Ok(());
        };
        match asked.lookup.read(line) {
            None => self.asked = Some(asked),
            Some(Found::User(name)) => self.reply(Reply::Found(&name)),
            Some(Found::Nobody) => match asked.otherwise {
                Some(whole) => self.ask(asked.map, &whole, None),
                None => self.reply(Reply::NotFound),
            },
            Some(Found::Failed) => {
                self.reply(UNAVAILABLE);
                return Err(LookupFailed);
            }
        }
        Ok(())
    }
}

/// What is answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reply<'r> {
    /// What the map has there.
    Found(&'r str),
    /// The map has nothing there.
    NotFound,
    /// It cannot be told now: Postfix lets the mail come again.
    Temporary(&'static str),
    /// It can never be told.
    Permanent(&'static str),
}

impl Reply<'_> {
    /// Adds the answer.
    fn write(self, out: &mut Vec<u8>) {
        let (word, text) = match self {
            Reply::Found(value) => ("OK", value),
            Reply::NotFound => ("NOTFOUND", ""),
            Reply::Temporary(why) => ("TEMP", why),
            Reply::Permanent(why) => ("PERM", why),
        };
        let length = word.len() + 1 + text.len();
        out.extend_from_slice(format!("{length}:{word} {text},").as_bytes());
    }
}
