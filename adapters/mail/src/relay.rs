//! One auth client between two servers: Gatepost itself, which judges tokens, and the upstream Dovecot, which
//! judges everything else.
//!
//! # The map
//! | | towards the client | towards the upstream Dovecot |
//! |---|---|---|
//! | connection | one | one of its own, made when the first login needs it |
//! | `VERSION` | Gatepost's | the client's own, word for word: minor versions change what fields mean |
//! | `MECH` | Gatepost's, then Dovecot's that Gatepost has none of | never `XOAUTH2` or `OAUTHBEARER` |
//! | `SPID` | Gatepost's process | of no use here |
//! | `CPID` | what the client says | a number of Gatepost's own for the connection |
//! | `COOKIE` | Gatepost's, one a connection | Dovecot's, kept for the master protocol |
//! | login ids | the client's | the same: no other client shares the connection |
//! | fields | as they came | as they came, known or not |
//!
//! An `AUTH` goes where its mechanism is at home; `CONT` and `CANCEL` follow it by its id. A password that Gatepost
//! offered to look at, and that is Dovecot's to judge, goes on as PLAIN. Where Dovecot goes
//! away, its logins fail with `code=temp_fail`, the next one asks for a new connection, and tokens are judged
//! all the while.

mod passwords;
mod upstream;

use std::collections::BTreeMap;

use gatepost_core::dovecot::LoginTable as _;
use gatepost_core::sasl::Mechanism;
use upstream::{Held, Upstream};

use crate::line::{escape, fields, id, key, number, value, write_line};
use crate::logins::ManyLogins;
use crate::upstream::Offer;
use crate::waiting::{By, Claim, Judged, Login};
pub use passwords::{ProvenPassword, proves_password};

/// Logins of one client that may be at Dovecot's. Its login processes have one connection for all of their
/// clients (`client_limit`, 1,000 by default), and each failed login stays for some seconds. Of more, the
/// oldest is cancelled: Postfix leaves logins behind.
const MAX_RELAYED: usize = 1024;

/// Logins of our own of which is kept what a request will ask for: as many as a connection may have.
const MAX_OWN: usize = ManyLogins::CAPACITY;

/// Bytes that may wait to be sent to either side before nothing more is read.
const HIGH_WATER: usize = 64 << 10;

/// Names of AUTH fields that a lookup of the user may be given, for settings that depend on them.
const ORIGIN: [&[u8]; 10] = [
    b"service",
    b"protocol",
    b"lip",
    b"rip",
    b"lport",
    b"rport",
    b"real_lip",
    b"real_rip",
    b"local_name",
    b"session",
];

/// What a client did that leaves nothing but closing its connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// `AUTH` with the id of a login that is not over: one answer could be taken for the other's.
    #[error("the id of a login that is not over is used again")]
    DuplicateId,
    /// `AUTH` with neither `service=` nor `protocol=`: Dovecot would close the connection.
    #[error("AUTH without service= or protocol=")]
    MissingService,
}

/// What kind of connection to Dovecot a client needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Need {
    /// One over which logins are only judged (`nologin`): Postfix's and Exim's.
    Judging,
    /// One whose logins are asked for over the master protocol: that of Dovecot's login processes.
    Login,
}

/// Who has the word on a line of the client's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Route {
    /// Gatepost's own server of the auth protocol.
    Own,
    /// The upstream Dovecot: all that has to be done is done.
    Upstream,
}

/// What the daemon has to write. Not to be printed: it holds passwords.
#[derive(Default)]
pub struct Outputs {
    /// To the mail server, beside what Gatepost's own server says.
    pub client: Vec<u8>,
    /// To the upstream Dovecot.
    pub upstream: Vec<u8>,
}

/// One client's connection.
pub struct Relay {
    /// What is to be written.
    pub outputs: Outputs,
    offers: Vec<Offer>,
    own: &'static [Mechanism],
    own_cookie: Vec<u8>,
    client_minor: u32,
    client_pid: u32,
    own_logins: BTreeMap<u32, OwnLogin>,
    relayed: BTreeMap<u32, Relayed>,
    /// Counts the logins that were relayed, which tells their age.
    count: u64,
    upstream: Upstream,
}

/// A login of our own.
#[derive(Default)]
struct OwnLogin {
    /// What a request for it will ask for, if there will be one.
    judged: Option<Judged>,
    /// Its fields, where it may turn out to be Dovecot's to judge.
    options: Option<Vec<u8>>,
}

/// A login at Dovecot's.
struct Relayed {
    number: u64,
    is_login: bool,
}

impl Relay {
    /// Begins with what Gatepost itself serves, the cookie that it gives, and what the upstream Dovecot is known
    /// to offer.
    #[must_use]
    pub fn new(own: &'static [Mechanism], cookie: [u8; 16], offers: Vec<Offer>) -> Self {
        Self {
            outputs: Outputs::default(),
            offers,
            own,
            own_cookie: format!("{:032x}", u128::from_be_bytes(cookie)).into_bytes(),
            client_minor: 0,
            client_pid: 0,
            own_logins: BTreeMap::new(),
            relayed: BTreeMap::new(),
            count: 0,
            upstream: Upstream::Absent,
        }
    }

    /// The `MECH` lines of what is relayed, for the greeting.
    pub fn offered(&self) -> impl Iterator<Item = &str> {
        let offers = self.offers.iter();
        let relayed = offers.filter(|offer| self.is_relayed(offer.name_bytes()));
        relayed.filter_map(|offer| std::str::from_utf8(offer.line()).ok())
    }

    /// Whether more of the client's lines may be taken now.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let Outputs { client, upstream } = &self.outputs;
        let waiting = [client.len(), upstream.len(), self.held()];
        waiting.into_iter().all(|length| length < HIGH_WATER)
    }

    fn held(&self) -> usize {
        match &self.upstream {
            Upstream::Wanted(_, held) | Upstream::Greeting(_, _, held) => {
                held.iter().map(|held| held.line.len()).sum()
            }
            Upstream::Absent | Upstream::Ready(..) => 0,
        }
    }

    /// How many logins are at Dovecot's.
    #[must_use]
    pub fn relayed(&self) -> usize {
        self.relayed.len()
    }

    /// Whether a connection to Dovecot has to be made, and which. Answer with
    /// [`upstream_connected`](Self::upstream_connected) or [`upstream_lost`](Self::upstream_lost).
    #[must_use]
    pub fn needs_upstream(&self) -> Option<Need> {
        match &self.upstream {
            Upstream::Wanted(need, _) => Some(*need),
            _ => None,
        }
    }

    /// Takes a line of the client's, and says who has the word on it.
    ///
    /// # Errors
    /// [`RelayError`]: close the connection.
    pub fn client_line(&mut self, line: &[u8]) -> Result<Route, RelayError> {
        let mut words = fields(line);
        match (words.next(), words.next()) {
            (Some(b"AUTH"), login) if self.client_pid != 0 => {
                if let (Some(id), Some(mechanism)) = (id(login), words.next()) {
                    return self.auth(id, mechanism, line);
                }
            }
            (Some(b"CONT"), login) => {
                if let Some(id) = id(login).filter(|id| self.relayed.contains_key(id)) {
                    if words.next().is_some_and(passwords::shows_ours) {
                        self.keep_to_ourselves(id);
                    } else {
                        self.send_upstream(id, line);
                    }
                    return Ok(Route::Upstream);
                }
            }
            (Some(b"CANCEL"), login) => {
                if let Some(id) = id(login).filter(|id| self.relayed.contains_key(id)) {
                    self.cancel(id, line);
                    return Ok(Route::Upstream);
                }
                id(login).and_then(|id| self.own_logins.remove(&id));
            }
            (Some(b"VERSION"), _) => self.client_minor = number(words.next()).unwrap_or(0),
            (Some(b"CPID"), pid) => self.client_pid = id(pid).unwrap_or(0),
            _ => {}
        }
        Ok(Route::Own)
    }

    fn auth(&mut self, id: u32, mechanism: &[u8], line: &[u8]) -> Result<Route, RelayError> {
        if self.relayed.contains_key(&id) {
            return Err(RelayError::DuplicateId);
        }
        let is_option = |field: &&[u8]| !field.starts_with(b"resp=");
        let options: Vec<&[u8]> = fields(line).skip(3).take_while(is_option).collect();
        let is_login = !options.contains(&&b"nologin"[..]);
        if !self.is_relayed(mechanism) {
            self.note(id, mechanism, &options, is_login);
            return Ok(Route::Own);
        }
        let mut names = options.iter().map(|option| key(option));
        if !names.any(|name| name == b"service" || name == b"protocol") {
            return Err(RelayError::MissingService);
        }
        let response = fields(line).find_map(|field| value(field, "resp"));
        if response.is_some_and(passwords::shows_ours) {
            self.refuse_ours(id, is_login);
        } else {
            self.relay(id, mechanism, line.to_vec(), is_login);
        }
        Ok(Route::Upstream)
    }

    /// Sends the line that begins a login to Dovecot.
    fn relay(&mut self, id: u32, mechanism: &[u8], line: Vec<u8>, is_login: bool) {
        self.own_logins.remove(&id);
        self.make_place();
        self.count += 1;
        let number = self.count;
        self.relayed.insert(id, Relayed { number, is_login });
        if matches!(self.upstream, Upstream::Absent) {
            let need = if is_login { Need::Login } else { Need::Judging };
            self.upstream = Upstream::Wanted(need, Vec::new());
        }
        if let Upstream::Ready(_, greeting) = &self.upstream
            && !greeting.offers().iter().any(|offer| offer.is(mechanism))
        {
            return self.refuse(id);
        }
        self.send(Held {
            id,
            mechanism: mechanism.to_vec(),
            line,
        });
    }

    /// Whether Dovecot is asked: about what it offers, unless that is ours.
    fn is_relayed(&self, mechanism: &[u8]) -> bool {
        let mut own = self.own.iter().map(|own| own.name().as_bytes());
        let is_own = own.any(|own| own.eq_ignore_ascii_case(mechanism));
        !is_own && self.offers.iter().any(|offer| offer.is(mechanism)) && !is_bearer(mechanism)
    }

    /// Notes what a request for this login of our own will ask for, and what Dovecot has to know if it is not.
    fn note(&mut self, id: u32, mechanism: &[u8], options: &[&[u8]], is_login: bool) {
        self.own_logins.remove(&id);
        let mut own = self.own.iter();
        let is_it = |own: &&Mechanism| own.name().as_bytes().eq_ignore_ascii_case(mechanism);
        let is_password = own.find(is_it).is_some_and(|own| own.is_password());
        if !is_login && !is_password {
            return;
        }
        if self.own_logins.len() == MAX_OWN {
            // Ids rise, so that the lowest is the oldest.
            self.own_logins.pop_first();
        }
        let is_wanted = |option: &&&[u8]| ORIGIN.contains(&key(option));
        let origin = options.iter().filter(is_wanted);
        let judged = Judged {
            mechanism: mechanism.to_ascii_uppercase(),
            origin: origin.map(|option| option.to_vec()).collect(),
            ..Judged::default()
        };
        let own = OwnLogin {
            judged: is_login.then_some(judged),
            options: is_password.then(|| passwords::kept(options)).flatten(),
        };
        self.own_logins.insert(id, own);
    }

    /// Makes a place for one more login at Dovecot's.
    fn make_place(&mut self) {
        if self.relayed.len() < MAX_RELAYED {
            return;
        }
        let oldest = self.relayed.iter().min_by_key(|(_, login)| login.number);
        if let Some((&id, _)) = oldest {
            let line = [&b"CANCEL\t"[..], id.to_string().as_bytes()].concat();
            self.send_upstream(id, &line);
            self.relayed.remove(&id);
        }
    }

    fn cancel(&mut self, id: u32, line: &[u8]) {
        self.relayed.remove(&id);
        self.send_upstream(id, line);
        // Dovecot's own word on it is dropped: not every version has one.
        if self.client_minor >= 4 {
            let id = id.to_string();
            write_line(&mut self.outputs.client, [b"CANCELLED", id.as_bytes()]);
        }
    }

    /// A login of our own is `user`'s, with these fields: given out where a mail process will ask for it, so that
    /// it can be kept before the client hears of it.
    #[must_use = "a login that is not kept is lost"]
    pub fn accepted(
        &mut self,
        id: u32,
        user: &str,
        fields: &[(&str, Option<&str>)],
    ) -> Option<Login> {
        let mut judged = self.own_logins.remove(&id)?.judged?;
        if fields.iter().any(|(name, _)| ends_here(name.as_bytes())) {
            return None;
        }
        judged.user = escape(user);
        for (name, value) in fields {
            if let Some(name) = name.strip_prefix("userdb_") {
                let value = value.map(|value| [b"=", &*escape(value)].concat());
                let field = [escape(name), value.unwrap_or_default()].concat();
                judged.userdb.push(field);
            }
        }
        Some(self.login(id, By::Gatepost(judged)))
    }

    /// A login of our own has failed. Says whether the client may be told the reason: Dovecot's login processes
    /// would show it to the user as an alert, each time that a token has expired. They get the code alone, as
    /// from Dovecot.
    #[must_use]
    pub fn may_tell_reason(&mut self, id: u32) -> bool {
        let own = self.own_logins.remove(&id);
        own.is_none_or(|own| own.judged.is_none())
    }

    fn login(&self, id: u32, by: By) -> Login {
        let claim = Claim {
            client_pid: self.client_pid,
            id,
            cookie: self.own_cookie.clone(),
        };
        Login { claim, by }
    }
}

/// Tokens are judged here alone, whoever else would.
fn is_bearer(mechanism: &[u8]) -> bool {
    mechanism.eq_ignore_ascii_case(b"XOAUTH2") || mechanism.eq_ignore_ascii_case(b"OAUTHBEARER")
}

/// Whether the field of an OK says that no mail process of this host will ask for the login.
fn ends_here(field: &[u8]) -> bool {
    matches!(key(field), b"nologin" | b"proxy" | b"proxy_maybe")
}

/// Answers that a login failed; who shows the reason to its user as an alert is not given it.
fn fail(out: &mut Vec<u8>, id: u32, code: Option<&str>, reason: Option<&str>) {
    let id = id.to_string();
    let words = [Some("FAIL"), Some(&*id), code, reason];
    write_line(out, words.into_iter().flatten().map(str::as_bytes));
}

#[cfg(test)]
mod tests;
