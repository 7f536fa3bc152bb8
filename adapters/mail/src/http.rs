//! The HTTP listener: what Dovecot's oauth2 database asks about a token, and how it is answered.
//!
//! Meaning only: a [`Request`] and a [`Reply`] are values, HTTP's grammar is somebody else's. Userinfo
//! (`OpenID` Connect Core section 5.3), introspection (RFC 7662) and tokeninfo are served, because those are
//! what the database can be pointed at:
//!
//! | request | the token is |
//! |---|---|
//! | `GET` or `POST /userinfo` | in `Authorization: Bearer` |
//! | `POST /introspect` | `token` in a form |
//! | `GET /introspect?token=` | `token` in the query |
//! | `GET /tokeninfo?access_token=` | `access_token` or `token` in the query |
//!
//! The last three take it from `Authorization: Bearer` too, where there is none in its place.
//!
//! # Two shapes
//! Dovecot does not read answers as their RFCs mean them: a refusal with an `error`, or without a user, is
//! a temporary failure to it, and a 401 that names the right user is a success. [`Shape::Dovecot`] therefore
//! answers a bad token with 401 and the name of somebody whom nobody is: of the domain
//! [`Identity::NOBODYS_DOMAIN`], which no token can name, and drawn anew for each process, so that no client
//! can claim it either. [`Shape::Rfc`] answers as the RFCs say.
//!
//! A provider's fault is 503 in both, never a bad token.

mod answer;
mod caller;
mod request;

pub use answer::{Accepted, Reply};
pub use caller::Caller;
pub use request::{Question, Refusal, RefusalReason, Request};

use std::fmt::Write as _;

use gatepost_core::Identity;

/// How answers look.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Shape {
    /// So that Dovecot 2.3 and 2.4 take a bad token for a bad token.
    #[default]
    Dovecot,
    /// As RFC 6750 and RFC 7662 say.
    Rfc,
}

/// What is asked, by its path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// `/userinfo`
    Userinfo,
    /// `/introspect`
    Introspection,
    /// `/tokeninfo`
    Tokeninfo,
}

/// The HTTP listener: how requests are read and answered.
pub struct Responder {
    shape: Shape,
    attributes: Vec<String>,
    caller: Option<Caller>,
    /// Whom answers about bad tokens name.
    nobody: String,
}

impl Responder {
    /// Answers in `shape`, the user's name under each of `attributes`.
    ///
    /// `nonce` is random: what no client can guess. With a `caller`, nobody else may ask, and userinfo is
    /// closed: its `Authorization` carries the token, so that it cannot say who asks.
    #[must_use]
    pub fn new(
        shape: Shape,
        attributes: Vec<String>,
        caller: Option<Caller>,
        nonce: [u8; 16],
    ) -> Self {
        let mut nobody = "nobody-".to_owned();
        for byte in nonce {
            // A string always has room.
            let _ = write!(nobody, "{byte:02x}");
        }
        nobody += "@";
        nobody += Identity::NOBODYS_DOMAIN;
        Self {
            shape,
            attributes,
            caller,
            nobody,
        }
    }
}

impl std::fmt::Debug for Responder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Whoever knew whom bad tokens name could claim to be that.
        f.debug_struct("Responder")
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

impl Endpoint {
    /// The endpoint at `path`; a slash behind it does no harm.
    fn at(path: &str) -> Option<Self> {
        match path.strip_suffix('/').unwrap_or(path) {
            "/userinfo" => Some(Self::Userinfo),
            "/introspect" => Some(Self::Introspection),
            "/tokeninfo" => Some(Self::Tokeninfo),
            _ => None,
        }
    }

    /// Whether a request with `method` can be one to this endpoint.
    fn allows(self, method: &str) -> bool {
        method == "GET" || method == "POST" && self != Self::Tokeninfo
    }

    const fn allowed(self) -> &'static str {
        match self {
            Self::Userinfo | Self::Introspection => "GET, POST",
            Self::Tokeninfo => "GET",
        }
    }

    /// Its name, for the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Userinfo => "userinfo",
            Self::Introspection => "introspection",
            Self::Tokeninfo => "tokeninfo",
        }
    }
}

#[cfg(test)]
mod tests;
