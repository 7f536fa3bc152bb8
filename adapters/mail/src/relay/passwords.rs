//! Passwords that Gatepost looks at before Dovecot judges them.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepost_core::app_password::AppPassword;

use super::{Relay, fail};
use crate::line::{fields, id, key, unescape, value};

/// What a looked-at password goes on as, whether its client used LOGIN or not.
const PLAIN: &[u8] = b"PLAIN";

/// Most bytes of a login's fields that are kept until it is known whose it is to judge.
const MAX_KEPT: usize = 2_048;

/// Mechanisms by which no password is proven: of certificates, tickets, and nothing at all.
const WITHOUT_PASSWORD: [&str; 4] = ["EXTERNAL", "GSSAPI", "GSS-SPNEGO", "ANONYMOUS"];

/// Whether a client proves a password by this mechanism, or may.
#[must_use]
pub fn proves_password(mechanism: &str) -> bool {
    let mut others = WITHOUT_PASSWORD.iter();
    !others.any(|other| other.eq_ignore_ascii_case(mechanism))
}

/// A login that would go to Dovecot, where a password that nobody else sees is proven.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProvenPassword {
    /// Its id.
    pub id: u32,
    /// Its mechanism.
    pub mechanism: String,
    /// What the mail server calls the service.
    pub service: String,
    /// The client's address, if it is told.
    pub address: Option<IpAddr>,
    is_login: bool,
}

/// The fields of a login, as they are kept.
pub(super) fn kept(options: &[&[u8]]) -> Option<Vec<u8>> {
    let kept = options.join(&b'\t');
    (kept.len() <= MAX_KEPT).then_some(kept)
}

/// What is said where one of our passwords stands in the place of a name.
const AS_NAME: &str = "An application password stands where the user name belongs";

/// Whether a response of whatever mechanism says in clear what nobody but us may see: as a name, it does so in SCRAM,
/// CRAM-MD5 and DIGEST-MD5.
pub(super) fn shows_ours(response: &[u8]) -> bool {
    let Ok(bytes) = STANDARD.decode(response) else {
        return false;
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut parts = text.split([',', '=', '"', '\0', '\x01']);
    parts.any(|part| {
        let name = part.rsplit_once(' ').map(|(name, _)| name);
        AppPassword::is_like(part) || name.is_some_and(AppPassword::is_like)
    })
}

impl Relay {
    /// Ends a login at Dovecot's that would show it one of our passwords.
    pub(super) fn keep_to_ourselves(&mut self, id: u32) {
        let Some(relayed) = self.relayed.remove(&id) else {
            return;
        };
        self.send_upstream(id, &[b"CANCEL\t", id.to_string().as_bytes()].concat());
        self.refuse_ours(id, relayed.is_login);
    }

    /// Answers that a password stands in the place of a name.
    pub(super) fn refuse_ours(&mut self, id: u32, is_login: bool) {
        let reason = (!is_login).then(|| format!("reason={AS_NAME}"));
        fail(&mut self.outputs.client, id, None, reason.as_deref());
    }

    /// Hands a login of our own to Dovecot, with the response that it came to, as PLAIN has it. Gives whether it did: not
    /// where Dovecot does not offer PLAIN.
    pub fn hand_over(&mut self, id: u32, response: &[u8]) -> bool {
        let is_known = !self.offers.is_empty();
        if is_known && !self.offers.iter().any(|offer| offer.is(PLAIN)) {
            return false;
        }
        let own = self.own_logins.get(&id);
        let Some(options) = own.and_then(|own| own.options.as_ref()) else {
            return false;
        };
        let names = fields(options).map(key);
        if !names
            .into_iter()
            .any(|name| name == b"service" || name == b"protocol")
        {
            return false;
        }
        let response = STANDARD.encode(response);
        let id_field = id.to_string();
        let words = [b"AUTH", id_field.as_bytes(), PLAIN, options];
        let line = [&words.join(&b'\t')[..], b"\tresp=", response.as_bytes()].concat();
        let is_login = is_login(fields(options));
        self.relay(id, PLAIN, line, is_login);
        true
    }

    /// What a line of the client's begins, if that is a login at Dovecot's by a password that only Dovecot can judge.
    #[must_use]
    pub fn proven_password(&self, line: &[u8]) -> Option<ProvenPassword> {
        let mut words = fields(line);
        if words.next() != Some(b"AUTH") || self.client_pid == 0 {
            return None;
        }
        let (id, mechanism) = (id(words.next())?, words.next()?);
        let name = std::str::from_utf8(mechanism).ok()?;
        if !self.is_relayed(mechanism) || !proves_password(name) {
            return None;
        }
        let options: Vec<_> = words
            .take_while(|word| !word.starts_with(b"resp="))
            .collect();
        let of = |key| options.iter().rev().find_map(|option| value(option, key));
        let text = |value: Option<&[u8]>| value.and_then(unescape);
        Some(ProvenPassword {
            id,
            mechanism: name.to_owned(),
            service: text(of("service").or_else(|| of("protocol"))).unwrap_or_default(),
            address: text(of("rip")).and_then(|address| address.parse().ok()),
            is_login: is_login(options.into_iter()),
        })
    }

    /// Answers that such a login failed, and why.
    pub fn refuse_password(&mut self, login: &ProvenPassword, reason: &str) {
        self.own_logins.remove(&login.id);
        let reason = (!login.is_login).then(|| format!("reason={reason}"));
        fail(&mut self.outputs.client, login.id, None, reason.as_deref());
    }
}

fn is_login<'f>(mut options: impl Iterator<Item = &'f [u8]>) -> bool {
    !options.any(|option| option == b"nologin")
}

#[cfg(test)]
mod tests;
