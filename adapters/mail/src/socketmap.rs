//! Postfix's socketmap protocol, the server's side: a map's name and a key in a netstring, and what the map
//! says in another (`socketmap_table(5)`).
//!
//! ```text
//! 25:mailbox alice@example.com,      one look-up; the next is taken once it is answered
//! 20:OK alice@example.com,  |  9:NOTFOUND ,  |  TEMP <why>  |  PERM <why>
//! ```
//!
//! Two maps ask for a user: `mailbox`, for `virtual_mailbox_maps`, says whether there is one of that name;
//! `sender_login`, for `smtpd_sender_login_maps`, whose address it is, which is its own user's. Where Gatepost knows no
//! users, Dovecot's master socket is asked.
//!
//! Where there are [`Addresses`], they are asked first, and there are two maps more: `alias`, for
//! `virtual_alias_maps`, and `domain`, for `virtual_mailbox_domains`.
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
pub use request::Map;
use request::{MAX_NETSTRING, MAX_PAYLOAD, Request, payload};

/// What Postfix is told while Dovecot cannot be asked.
const UNAVAILABLE: Reply<'_> = Reply::Temporary("users cannot be looked up now");

/// What is told of maps that are not there.
const MAPS: &str = "there are the maps mailbox and sender_login";

/// The same where there are [`Addresses`].
const ALL_MAPS: &str = "there are the maps mailbox, alias, sender_login and domain";

/// Who knows addresses that are more than a user's name.
pub trait Addresses {
    /// What `map` has for `key`: an address, whose extension may begin with one of `delimiters`, or a domain.
    fn look_up(&self, map: Map, key: &str, delimiters: &Delimiters) -> Known;
}

/// What is known of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Known {
    /// The map has this there.
    Value(String),
    /// Whose it is is known, and the map has nothing there.
    Nothing,
    /// It is nobody's.
    Nobody {
        /// Where mail for nobody goes, in the map of aliases.
        catch_all: Option<String>,
    },
    /// It cannot be told now.
    Unavailable,
}

/// What requests are answered from.
#[derive(Clone, Copy)]
pub struct Sources<'s> {
    /// Who is asked first.
    pub addresses: Option<&'s dyn Addresses>,
    /// The users that Gatepost knows by itself.
    pub users: Option<&'s Users>,
    /// Whether there is a Dovecot that can be asked, where it knows none.
    pub has_upstream: bool,
    /// What extensions begin with.
    pub delimiters: &'s Delimiters,
}

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
    /// What to answer if there is none.
    catch_all: Option<String>,
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
        let sources = Sources {
            addresses: None,
            users,
            has_upstream: true,
            delimiters,
        };
        self.receive_from(bytes, &sources)
    }

    /// As [`receive`](Self::receive), from whatever is there.
    ///
    /// # Errors
    /// [`Error`]: close the connection.
    pub fn receive_from(&mut self, bytes: &[u8], sources: &Sources<'_>) -> Result<usize, Error> {
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
            Request::UnknownMap if sources.addresses.is_some() => {
                self.reply(Reply::Permanent(ALL_MAPS));
            }
            Request::Lookup {
                map: Map::Alias | Map::Domain,
                ..
            } if sources.addresses.is_none() => self.reply(Reply::Permanent(MAPS)),
            Request::UnknownMap => self.reply(Reply::Permanent(MAPS)),
            Request::Lookup { key: None, .. } => self.reply(Reply::NotFound),
            Request::Lookup {
                map,
                key: Some(key),
            } => self.look_up(map, key, sources),
        }
        Ok(length.saturating_sub(before))
    }

    fn look_up(&mut self, map: Map, key: &str, sources: &Sources<'_>) {
        let Sources {
            addresses,
            users,
            delimiters,
            ..
        } = *sources;
        let known = addresses.map(|addresses| addresses.look_up(map, key, delimiters));
        let catch_all = match known {
            Some(Known::Value(value)) => return self.reply(Reply::Found(&value)),
            Some(Known::Nothing) => return self.reply(Reply::NotFound),
            Some(Known::Unavailable) => return self.look_up_meanwhile(map, key, sources),
            Some(Known::Nobody { catch_all }) => catch_all,
            None => None,
        };
        if map == Map::Domain {
            let is_known = users.is_some_and(|users| users.has_domain(key));
            let key = key.to_ascii_lowercase();
            return self.reply(
                is_known
                    .then_some(&*key)
                    .map_or(Reply::NotFound, Reply::Found),
            );
        }
        if map == Map::Alias && catch_all.is_none() {
            return self.reply(Reply::NotFound);
        }
        if users.is_none() && sources.has_upstream {
            // Dovecot delivers to whoever is left without the extension, as its LMTP does.
            let base = delimiters.without_extension(key);
            let whole = base.is_some().then(|| key.to_owned());
            return self.ask(map, base.as_deref().unwrap_or(key), (whole, catch_all));
        }
        let user = users.and_then(|users| users.find_address(key, delimiters));
        let value = match (&user, map) {
            // A user has no alias, and keeps its mail from the catch-all.
            (Some(_), Map::Alias) => None,
            (Some(user), _) => Some(&*user.name),
            (None, _) => catch_all.as_deref(),
        };
        self.reply(value.map_or(Reply::NotFound, Reply::Found));
    }

    /// Answers while the first who is asked cannot tell: a user of a file is one whatever they would say.
    fn look_up_meanwhile(&mut self, map: Map, key: &str, sources: &Sources<'_>) {
        let users = sources
            .users
            .filter(|_| matches!(map, Map::Mailbox | Map::SenderLogin));
        let user = users.and_then(|users| users.find_address(key, sources.delimiters));
        let name = user.as_ref().map(|user| &*user.name);
        self.reply(name.map_or(UNAVAILABLE, Reply::Found));
    }

    /// Asks for `key`, and if there is no such user for another name; if there is none of that, the last is the answer.
    fn ask(
        &mut self,
        map: Map,
        key: &str,
        (otherwise, catch_all): (Option<String>, Option<String>),
    ) {
        let service = match map {
            Map::SenderLogin => "smtp",
            Map::Mailbox | Map::Alias | Map::Domain => "lmtp",
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
            catch_all,
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
            Some(Found::User(_)) if asked.map == Map::Alias => self.reply(Reply::NotFound),
            Some(Found::User(name)) => self.reply(Reply::Found(&name)),
            Some(Found::Nobody) => match (asked.otherwise, asked.catch_all) {
                (Some(whole), catch_all) => self.ask(asked.map, &whole, (None, catch_all)),
                (None, Some(catch_all)) => self.reply(Reply::Found(&catch_all)),
                (None, None) => self.reply(Reply::NotFound),
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
