//! Dovecot's master protocol, by which mail processes ask for logins and for users: the server's side, and
//! what is asked of the upstream Dovecot.
//!
//! `REQUEST` names a login by the connection over which it was made, and is answered once. One of our own is
//! answered with its user's fields: those of the [`Users`] that Gatepost has, else those that Dovecot says.
//! One of Dovecot's is passed on under Dovecot's names for it. `USER` and `LIST` are Gatepost's to answer
//! where it has users, `PASS` and the rest always Dovecot's. A [`Directory`] is asked first, and who is not in it is
//! asked for there. Each client has a connection of its own to
//! Dovecot, made when something is asked there first, so that request ids are the same on both.

mod list;
mod lookup;

use std::collections::BTreeMap;
use std::time::Instant;

use crate::line::{escape, fields, id, key, unescape, write_line};
use crate::users::{Directory, User, Users};
use crate::waiting::{By, Claim, Judged, Waiting};
use list::{Listing, Others};
pub use lookup::{Found, Lookup};

/// Requests of one client that are not answered: Dovecot's own client sends one after the other.
const MAX_PENDING: usize = 64;

/// Bytes that may wait to be sent before nothing more is read.
const HIGH_WATER: usize = 64 << 10;

/// What Dovecot's answers begin with; the last is that to `CACHE-FLUSH`.
const ANSWERS: [&[u8]; 7] = [
    b"USER",
    b"PASS",
    b"LIST",
    b"DONE",
    b"NOTFOUND",
    b"FAIL",
    b"OK",
];

/// What a client did that leaves nothing but closing its connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MasterError {
    /// The first line is not `VERSION`, or the version is another one.
    #[error("it does not speak version 1 of Dovecot's master protocol")]
    NoVersion,
    /// `CPID`: an auth client, which has the wrong socket.
    #[error("an auth client came to a listener for masters: give it one with protocol = \"auth\"")]
    AuthClient,
    /// Another command than `REQUEST`, `USER`, `PASS`, `LIST` and `CACHE-FLUSH`.
    #[error("an unknown command")]
    UnknownCommand,
    /// An id that is no number, or 0.
    #[error("a request without a usable id")]
    InvalidId,
    /// The id of a request that is not answered yet.
    #[error("the id of a request that is not answered is used again")]
    DuplicateId,
}

/// What answers are made from.
pub struct Sources<'s> {
    /// The logins that wait to be asked for.
    pub waiting: &'s mut Waiting,
    /// Our own users, if Dovecot's are not to be asked for.
    pub users: Option<&'s Users>,
    /// Whether there is a Dovecot behind that can be asked.
    pub has_upstream: bool,
    /// The present.
    pub now: Instant,
}

/// One client's connection. Never printed: it holds cookies.
pub struct Master {
    /// What is to be written to the client.
    pub client: Vec<u8>,
    /// What is to be written to the upstream Dovecot, once there is a connection.
    pub upstream: Vec<u8>,
    client_version: Option<Vec<u8>>,
    pending: BTreeMap<u32, Asked>,
    listing: Option<Listing>,
    is_connected: bool,
}

/// What is known of a user that is asked for.
enum Told {
    User(User),
    Nobody,
    /// It cannot be told now.
    Unavailable,
    /// Only Dovecot can tell.
    AskDovecot,
}

impl Others<'_> {
    fn find(&self, name: &str) -> Told {
        let first = self.directory.map(|directory| directory.find(name));
        if let Some(Ok(Some(user))) = first {
            return Told::User(user);
        }
        let user = self.users.and_then(|users| users.find(name));
        match (user, first) {
            (Some(user), _) => Told::User(user),
            (None, Some(Err(_))) => Told::Unavailable,
            (None, Some(_)) if self.users.is_some() || !self.has_upstream => Told::Nobody,
            (None, None) if self.users.is_some() => Told::Nobody,
            (None, _) => Told::AskDovecot,
        }
    }
}

/// What was asked of Dovecot.
enum Asked {
    /// What the client asked, whose answer is passed on as it is.
    Same,
    /// All users: the end of their list says whether it is whole.
    List,
    /// The user of a login of our own.
    UserOf(Judged),
}

impl Master {
    /// Begins a connection by saying who we are; `pid` is what the greeting of auth clients says as well.
    #[must_use]
    pub fn greet(pid: u32) -> Self {
        Self {
            client: format!("VERSION\t1\t1\nSPID\t{pid}\n").into_bytes(),
            upstream: Vec::new(),
            client_version: None,
            pending: BTreeMap::new(),
            listing: None,
            is_connected: false,
        }
    }

    /// Whether the client has said its version. Until then, a deadline is due.
    #[must_use]
    pub fn is_handshaken(&self) -> bool {
        self.client_version.is_some()
    }

    /// Whether more of the client's lines may be taken now.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.client.len() < HIGH_WATER
            && self.upstream.len() < HIGH_WATER
            && self.pending.len() < MAX_PENDING
    }

    /// How many requests wait for Dovecot.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Whether a connection to Dovecot has to be made. Answer with
    /// [`upstream_connected`](Self::upstream_connected) or [`upstream_lost`](Self::upstream_lost).
    #[must_use]
    pub fn needs_upstream(&self) -> bool {
        !self.is_connected && !self.pending.is_empty()
    }

    /// The connection is made: what waits is sent behind the client's own version.
    pub fn upstream_connected(&mut self) {
        let waiting = std::mem::take(&mut self.upstream);
        let version = self.client_version.as_deref().unwrap_or(b"VERSION\t1\t1");
        write_line(&mut self.upstream, [version]);
        self.upstream.extend(waiting);
        self.is_connected = true;
    }

    /// There is no connection, or no more: what was asked there fails, which is temporary by nature.
    pub fn upstream_lost(&mut self) {
        self.is_connected = false;
        self.upstream.clear();
        for (id, asked) in std::mem::take(&mut self.pending) {
            match asked {
                Asked::List => self.answer(b"DONE", id, &[b"fail".to_vec()]),
                Asked::Same | Asked::UserOf(_) => self.answer(b"FAIL", id, &[]),
            }
        }
    }

    /// Takes a line of the client's.
    ///
    /// # Errors
    /// [`MasterError`]: close the connection.
    pub fn client_line(&mut self, line: &[u8], sources: Sources<'_>) -> Result<(), MasterError> {
        self.client_line_with(line, sources, None)
    }

    /// As [`client_line`](Self::client_line), where a directory is asked first.
    ///
    /// # Errors
    /// [`MasterError`]: close the connection.
    pub fn client_line_with(
        &mut self,
        line: &[u8],
        mut sources: Sources<'_>,
        directory: Option<&dyn Directory>,
    ) -> Result<(), MasterError> {
        let words: Vec<&[u8]> = fields(line).collect();
        let command = words.first().copied().unwrap_or_default();
        if self.client_version.is_none() {
            let is_ours = words.starts_with(&[b"VERSION", b"1"]);
            self.client_version = is_ours.then(|| line.to_vec());
            return is_ours.then_some(()).ok_or(MasterError::NoVersion);
        }
        match command {
            b"REQUEST" | b"USER" | b"PASS" | b"LIST" | b"CACHE-FLUSH" => {}
            b"CPID" => return Err(MasterError::AuthClient),
            _ => return Err(MasterError::UnknownCommand),
        }
        let id = id(words.get(1).copied()).ok_or(MasterError::InvalidId)?;
        let is_listed = self
            .listing
            .as_ref()
            .is_some_and(|listing| listing.id == id);
        if is_listed || self.pending.contains_key(&id) {
            return Err(MasterError::DuplicateId);
        }
        let rest = words.get(2..).unwrap_or_default();
        let others = Others {
            directory,
            users: sources.users,
            has_upstream: sources.has_upstream,
        };
        match command {
            b"REQUEST" => self.request(id, rest, (&mut sources, others)),
            b"USER" => self.user(id, (rest, line), others),
            b"LIST" => self.list(id, (rest, line), others),
            b"PASS" if !sources.has_upstream => self.answer(b"NOTFOUND", id, &[]),
            _ => self.ask(id, Asked::Same, line, sources.has_upstream),
        }
        Ok(())
    }

    /// Asks Dovecot, or has the request fail where there is none.
    fn ask(&mut self, id: u32, asked: Asked, line: &[u8], has_upstream: bool) {
        self.pending.insert(id, asked);
        if has_upstream {
            write_line(&mut self.upstream, [line]);
        } else {
            self.upstream_lost();
        }
    }

    /// Answers what names a login: process id of the login process, id of its login, cookie, parameters.
    fn request(
        &mut self,
        id: u32,
        words: &[&[u8]],
        (sources, others): (&mut Sources<'_>, Others<'_>),
    ) {
        let Some((claim, parameters)) = claim(words) else {
            return self.answer(b"FAIL", id, &[]);
        };
        match sources.waiting.take(&claim, sources.now) {
            None => self.answer(b"FAIL", id, &[]),
            Some(By::Dovecot { client_pid, cookie }) => {
                let numbers = [id, client_pid, claim.id].map(|number| number.to_string());
                let [id_there, pid, login] = numbers.each_ref().map(String::as_bytes);
                let names = [b"REQUEST", id_there, pid, login, &cookie];
                let parameters = parameters.iter().filter(|field| !is_of_process(field));
                let parameters: Vec<&[u8]> = parameters.copied().collect();
                let line = [&names, &*parameters].concat().join(&b'\t');
                self.ask(id, Asked::Same, &line, sources.has_upstream);
            }
            Some(By::Gatepost(judged)) => self.own(id, judged, others),
        }
    }

    /// Answers with the user of a login of our own, or asks who it is.
    fn own(&mut self, id: u32, judged: Judged, others: Others<'_>) {
        let name = unescape(&judged.user).unwrap_or_default();
        match others.find(&name) {
            Told::User(user) => self.answer(b"USER", id, &with_login(user_fields(&user), &judged)),
            Told::Nobody => self.answer(b"NOTFOUND", id, &[]),
            Told::Unavailable => self.answer(b"FAIL", id, &[]),
            Told::AskDovecot => {
                let lookup = id.to_string();
                let head = [b"USER", lookup.as_bytes(), &judged.user];
                let origin = judged.origin.iter().map(Vec::as_slice);
                let line: Vec<&[u8]> = head.into_iter().chain(origin).collect();
                let line = line.join(&b'\t');
                self.ask(id, Asked::UserOf(judged), &line, others.has_upstream);
            }
        }
    }

    fn user(&mut self, id: u32, (words, line): (&[&[u8]], &[u8]), others: Others<'_>) {
        let name = words.first().and_then(|name| unescape(name));
        match others.find(&name.unwrap_or_default()) {
            Told::User(user) => self.answer(b"USER", id, &user_fields(&user)),
            Told::Nobody => self.answer(b"NOTFOUND", id, &[]),
            Told::Unavailable => self.answer(b"FAIL", id, &[]),
            Told::AskDovecot => self.ask(id, Asked::Same, line, others.has_upstream),
        }
    }

    fn answer(&mut self, word: &[u8], id: u32, rest: &[Vec<u8>]) {
        let id = id.to_string();
        let head = [word, id.as_bytes()].into_iter();
        write_line(&mut self.client, head.chain(rest.iter().map(Vec::as_slice)));
    }

    /// Takes a line of Dovecot's.
    pub fn upstream_line(&mut self, line: &[u8]) {
        let mut words = fields(line);
        let word = words.next().unwrap_or_default();
        let Some(id) = id(words.next()).filter(|id| self.pending.contains_key(id)) else {
            return;
        };
        // A greeting has numbers too.
        if !ANSWERS.contains(&word) {
            return;
        }
        if word == b"LIST" {
            return write_line(&mut self.client, [line]);
        }
        match self.pending.remove(&id) {
            Some(Asked::UserOf(judged)) if word == b"USER" => {
                let said = words.map(<[u8]>::to_vec).collect();
                self.answer(b"USER", id, &with_login(said, &judged));
            }
            _ => write_line(&mut self.client, [line]),
        }
    }
}

/// The login that a request names, and what else the request says.
fn claim<'w>(words: &'w [&'w [u8]]) -> Option<(Claim, &'w [&'w [u8]])> {
    let [pid, login, cookie, parameters @ ..] = words else {
        return None;
    };
    let claim = Claim {
        client_pid: id(Some(pid))?,
        id: id(Some(login))?,
        cookie: cookie.to_vec(),
    };
    Some((claim, parameters))
}

/// Dovecot compares the process id that a request names with who has connected, which is us, and makes a token
/// for that process: neither can be passed on.
fn is_of_process(field: &[u8]) -> bool {
    matches!(key(field), b"session_pid" | b"request_auth_token")
}

/// Name and fields of a user, as they are written.
fn user_fields(user: &User) -> Vec<Vec<u8>> {
    let pairs = user.fields.iter();
    let pairs = pairs.map(|(name, value)| [name.as_bytes(), b"=", &escape(value)].concat());
    std::iter::once(escape(&user.name)).chain(pairs).collect()
}

/// Adds what the login itself says of the user, which counts more, and how it was made.
fn with_login(mut said: Vec<Vec<u8>>, judged: &Judged) -> Vec<Vec<u8>> {
    said.retain(|field| judged.userdb.iter().all(|own| key(own) != key(field)));
    said.extend(judged.userdb.iter().cloned());
    said.push([b"auth_mech=", &judged.mechanism[..]].concat());
    said
}

#[cfg(test)]
mod tests;
