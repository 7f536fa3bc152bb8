//! SASL mechanisms that carry a bearer token, OAUTHBEARER (RFC 7628) and XOAUTH2, and those that carry a
//! password for which a token is asked: PLAIN (RFC 4616) and LOGIN.
//!
//! Grammar only: nothing here decides whether a token is good.

mod error;
mod failure;
mod gs2;
mod loose;
mod oauthbearer;
mod plain;
mod xoauth2;

pub use error::Error;
pub use failure::{Discovery, FailureReply, Status};
pub use plain::UserPassword;

use crate::{app_password::AppPassword, wire::ascii};

/// A SASL mechanism that Gatepost judges.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mechanism {
    /// RFC 7628 section 3.
    OAuthBearer,
    /// Google's precursor of OAUTHBEARER, which most clients speak.
    XOAuth2,
    /// RFC 4616: a password, for which a provider grants a token.
    Plain,
    /// PLAIN in two steps, never standardised; whoever speaks the protocol around SASL puts the two
    /// together, so that what is parsed is a message of PLAIN.
    Login,
}

impl Mechanism {
    /// Every mechanism, in the order in which they are offered.
    pub const ALL: [Self; 4] = [Self::OAuthBearer, Self::XOAuth2, Self::Plain, Self::Login];
    /// Those that carry a bearer token.
    pub const BEARER: [Self; 2] = [Self::OAuthBearer, Self::XOAuth2];

    /// Whether it carries a password.
    #[must_use]
    pub const fn is_password(self) -> bool {
        matches!(self, Self::Plain | Self::Login)
    }

    /// The mechanism registered as `name`, in any case (RFC 4422 section 3.1 registers upper case).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    /// The registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }
}

/// How much grace a client response gets.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Compat {
    /// RFC 7628 to the letter, and XOAUTH2 as every known client sends it.
    #[default]
    Strict,
    /// The loose forms that Dovecot 2.3 takes: parts in any order, missing terminators, repeated keys of
    /// which the last counts, unknown parts ignored.
    Dovecot,
}

/// A client's initial response.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ClientResponse<'m> {
    /// Who the client asks to act as; absent where the token alone shall say so.
    pub authzid: Option<SaslName<'m>>,
    /// What it presents.
    pub credential: Credential<'m>,
}

/// What a client presents.
#[derive(Clone, Copy, Debug)]
pub enum Credential<'m> {
    /// A token.
    Bearer(BearerToken<'m>),
    /// A name and a password.
    Password(UserPassword<'m>),
}

impl<'m> ClientResponse<'m> {
    /// Parses `message`, already base64-decoded.
    ///
    /// # Errors
    /// One [`Error`] per rule of RFC 7628 section 3.1; the first broken rule wins.
    pub fn parse(mechanism: Mechanism, compat: Compat, message: &'m [u8]) -> Result<Self, Error> {
        let response = match (compat, mechanism) {
            (Compat::Strict, Mechanism::OAuthBearer) => oauthbearer::parse(message),
            (Compat::Strict, Mechanism::XOAuth2) => xoauth2::parse(message),
            (Compat::Dovecot, Mechanism::OAuthBearer) => loose::oauthbearer(message),
            (Compat::Dovecot, Mechanism::XOAuth2) => loose::xoauth2(message),
            (_, Mechanism::Plain | Mechanism::Login) => plain::parse(message),
        }?;
        // A name is logged, and repeated to the mail server. Escapes stand for nothing that a password holds.
        match response.authzid {
            Some(name) if AppPassword::is_like(name.raw) => Err(Error::PasswordAsName),
            _ => Ok(response),
        }
    }

    fn bearer(authzid: Option<SaslName<'m>>, token: BearerToken<'m>) -> Self {
        let credential = Credential::Bearer(token);
        Self {
            authzid,
            credential,
        }
    }

    /// The token, where it presents one.
    #[must_use]
    pub const fn token(&self) -> Option<BearerToken<'m>> {
        match self.credential {
            Credential::Bearer(token) => Some(token),
            Credential::Password(_) => None,
        }
    }
}

/// A name as SASL carries it, its escapes decoded on the fly.
#[derive(Clone, Copy)]
pub struct SaslName<'m> {
    raw: &'m str,
    /// Whether `=2C` and `=3D` stand for a comma and an equals sign (RFC 5801 section 4).
    escaped: bool,
}

impl<'m> SaslName<'m> {
    /// The name as it is written, where it holds no escapes.
    pub(crate) fn as_str(self) -> Option<&'m str> {
        let is_plain = !self.escaped || !self.raw.contains('=');
        is_plain.then_some(self.raw)
    }

    /// The characters of the name.
    pub fn chars(self) -> impl Iterator<Item = char> + Clone + 'm {
        let mut rest = self.raw;
        let escaped = self.escaped;
        core::iter::from_fn(move || {
            let mut chars = rest.chars();
            let c = chars.next()?;
            // Only an equals sign begins an escape.
            if c == '=' && escaped {
                for (escape, plain) in gs2::ESCAPES {
                    if let Some(after) = rest.strip_prefix(escape) {
                        rest = after;
                        return Some(plain);
                    }
                }
            }
            rest = chars.as_str();
            Some(c)
        })
    }

    /// Whether what follows the last `@` is `domain`, without case (RFC 5321 section 2.4).
    pub(crate) fn is_of_domain(self, domain: &str) -> bool {
        let mut rest = None;
        let mut chars = self.chars();
        while let Some(c) = chars.next() {
            if c == '@' {
                rest = Some(chars.clone());
            }
        }
        let lower = |c: char| c.to_ascii_lowercase();
        rest.is_some_and(|rest| rest.map(lower).eq(domain.chars().map(lower)))
    }

    /// A name that carries no escapes: XOAUTH2 has none.
    fn plain(name: &'m [u8]) -> Result<Self, Error> {
        let raw = core::str::from_utf8(name).map_err(|_| Error::BadName)?;
        // A loop, for a search is made for longer text.
        if raw.is_empty() || raw.bytes().any(|byte| byte == 0) {
            return Err(Error::BadName);
        }
        Ok(Self {
            raw,
            escaped: false,
        })
    }
}

impl core::fmt::Debug for SaslName<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?}", self.raw)
    }
}

/// A bearer token, not yet looked at (RFC 6750 section 2.1). Never printed.
#[derive(Clone, Copy)]
pub struct BearerToken<'m>(&'m [u8]);

impl<'m> BearerToken<'m> {
    /// Longest token taken, in bytes: 8 KiB, more than any provider's, and what fits a SASL message.
    pub const MAX_LEN: usize = 8192;

    /// Takes `token` where it has the alphabet of RFC 6750.
    ///
    /// # Errors
    /// [`Error::MissingToken`] where it is empty, [`Error::TokenTooLong`], or [`Error::BadToken`].
    pub fn new(token: &'m [u8]) -> Result<Self, Error> {
        if token.is_empty() {
            return Err(Error::MissingToken);
        }
        if token.len() > Self::MAX_LEN {
            return Err(Error::TokenTooLong);
        }
        if is_b64token(token) {
            Ok(Self(token))
        } else {
            Err(Error::BadToken)
        }
    }

    /// The token itself: nothing may print it.
    #[must_use]
    pub fn expose(self) -> &'m str {
        // Its alphabet is ASCII.
        core::str::from_utf8(self.0).unwrap_or_default()
    }

    /// As [`expose`](Self::expose), in bytes.
    pub(crate) const fn bytes(self) -> &'m [u8] {
        self.0
    }

    // credentials = "Bearer" 1*SP b64token; a client that has no token yet sends none (RFC 7628 section 4.3)
    #[inline(never)]
    fn from_credentials(credentials: &'m [u8]) -> Result<Self, Error> {
        if credentials.iter().all(|byte| *byte == b' ') {
            return Err(Error::MissingToken);
        }
        let (scheme, rest) = credentials.split_at_checked(6).ok_or(Error::NotBearer)?;
        if !scheme.eq_ignore_ascii_case(b"Bearer") || rest.first().is_some_and(|byte| *byte != b' ')
        {
            return Err(Error::NotBearer);
        }
        let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
        Self::new(rest.get(spaces..).unwrap_or_default())
    }
}

impl core::fmt::Debug for BearerToken<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("BearerToken(..)")
    }
}

// b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
fn is_b64token(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = token
        .get(..token.len().saturating_sub(padding))
        .unwrap_or_default();
    let (chunks, _) = body.as_chunks();
    match body.last_chunk() {
        // The last may overlap the one before.
        Some(last) => chunks.iter().chain([last]).all(is_b64token_chunk),
        None => !body.is_empty() && body.iter().all(|byte| is_b64token_byte(*byte)),
    }
}

// Without an early end, the compiler looks at many bytes at a time; processors without vectors read a table.
fn is_b64token_chunk(chunk: &[u8; 32]) -> bool {
    if cfg!(not(target_pointer_width = "64")) {
        return is_b64token_by_table(chunk);
    }
    let is_plain = chunk.iter().fold(true, |all, byte| all & is_plain(*byte));
    is_plain || chunk.iter().all(|byte| is_b64token_byte(*byte))
}

fn is_b64token_by_table(chunk: &[u8; 32]) -> bool {
    let foreign = |byte: u8| FOREIGN.get(usize::from(byte)).copied().unwrap_or(1);
    let (eights, _) = chunk.as_chunks();
    let seen = eights.iter().fold(0, |seen, [a, b, c, d, e, f, g, h]| {
        let lower = foreign(*a) | foreign(*b) | foreign(*c) | foreign(*d);
        seen | lower | foreign(*e) | foreign(*f) | foreign(*g) | foreign(*h)
    });
    seen == 0
}

/// 1 for each byte that no token holds.
static FOREIGN: [u8; 256] = {
    let mut foreign = [1; 256];
    let mut rest = foreign.as_mut_slice();
    let mut byte: u8 = 0;
    while let Some((is_foreign, behind)) = rest.split_first_mut() {
        if is_b64token_byte(byte) {
            *is_foreign = 0;
        }
        byte = byte.wrapping_add(1);
        rest = behind;
    }
    foreign
};

const fn is_b64token_byte(byte: u8) -> bool {
    is_plain(byte) || matches!(byte, b'~' | b'+')
}

/// Whether `byte` is of the alphabet, and none of those that only opaque tokens have.
const fn is_plain(byte: u8) -> bool {
    // "-", ".", "/" and the digits follow each other.
    let is_digit_or_mark = ascii::is_in(byte, b'-', 13);
    is_digit_or_mark || ascii::is_in(byte | 0x20, b'a', 26) || byte == b'_'
}

/// The byte that separates the parts of both messages.
const KVSEP: u8 = 1;

#[cfg(test)]
mod tests;
