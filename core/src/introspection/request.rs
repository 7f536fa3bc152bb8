//! One request about a token.

use core::fmt::{self, Write};

use base64::{display::Base64Display, engine::general_purpose::STANDARD};

use super::{Client, ClientPlace, Endpoints, Mode};
use crate::{
    sasl::{BearerToken, UserPassword},
    wire::percent::Encoded,
};

/// One request to a provider. It writes its parts out, for most of them hold the token or a secret.
///
/// A part is written the same way each time, so that two requests whose parts are equal ask the same.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    pub(crate) provider: usize,
    pub(crate) question: Question,
    pub(crate) endpoints: &'r Endpoints<'r>,
    pub(crate) url: &'r str,
    pub(crate) subject: Subject<'r>,
}

/// What is asked about.
#[derive(Clone, Copy)]
pub(crate) enum Subject<'r> {
    Token(BearerToken<'r>),
    Password(UserPassword<'r>),
}

/// What is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Question {
    /// The endpoint that a token is appended to.
    Tokeninfo,
    /// Introspection or userinfo.
    Introspection(Mode),
    /// The token endpoint.
    Grant,
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each variant is the method's name")]
pub enum Method {
    Get,
    Post,
}

impl Request<'_> {
    /// Whom to ask: the provider's place among those of the [`LoginSettings`](crate::exchange::LoginSettings).
    #[must_use]
    pub fn provider(&self) -> usize {
        self.provider
    }

    /// Which of the provider's endpoints it is for, as an operator calls it.
    #[must_use]
    pub fn endpoint(&self) -> &'static str {
        match self.question {
            Question::Tokeninfo => "tokeninfo",
            Question::Introspection(Mode::Auth) => "userinfo",
            Question::Introspection(Mode::Get | Mode::Post) => "introspection",
            Question::Grant => "token",
        }
    }

    /// The endpoint's URL as it is configured or found, to which [`write_url`](Self::write_url) may append a token.
    #[must_use]
    pub fn endpoint_url(&self) -> &str {
        self.url
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> Method {
        match self.question {
            Question::Introspection(Mode::Post) | Question::Grant => Method::Post,
            _ => Method::Get,
        }
    }

    /// The media type that is wanted, for `Accept`.
    #[must_use]
    pub fn accept(&self) -> &'static str {
        match self.question {
            Question::Introspection(Mode::Post | Mode::Get) if self.endpoints.signed_answers => {
                "application/token-introspection+jwt"
            }
            _ => "application/json",
        }
    }

    /// Writes the absolute URL; it holds the token where the provider leaves no choice.
    ///
    /// # Errors
    /// Where `out` has no room.
    pub fn write_url(&self, out: &mut impl Write) -> fmt::Result {
        out.write_str(self.url)?;
        match (self.question, self.subject) {
            (Question::Tokeninfo, Subject::Token(token)) => {
                write!(out, "{}", Encoded(token.expose()))
            }
            (Question::Introspection(Mode::Get), Subject::Token(token)) => {
                write!(out, "{}", Encoded(token.expose()))?;
                self.write_client_parameters(out)
            }
            _ => Ok(()),
        }
    }

    /// Writes the value of `Authorization`; nothing where none is due.
    ///
    /// # Errors
    /// Where `out` has no room.
    pub fn write_authorization(&self, out: &mut impl Write) -> fmt::Result {
        if let Subject::Token(token) = self.subject
            && self.is_bearer()
        {
            return write!(out, "Bearer {}", token.expose());
        }
        match (self.question, self.endpoints.client) {
            (Question::Introspection(_) | Question::Grant, Some(client))
                if client.place == ClientPlace::Basic =>
            {
                client.write_basic(out)
            }
            _ => Ok(()),
        }
    }

    /// Writes the body, of type `application/x-www-form-urlencoded`; nothing for GET.
    ///
    /// # Errors
    /// Where `out` has no room.
    pub fn write_form(&self, out: &mut impl Write) -> fmt::Result {
        if self.method() == Method::Get {
            return Ok(());
        }
        match self.subject {
            Subject::Token(token) => write!(out, "token={}", Encoded(token.expose()))?,
            Subject::Password(password) => self.write_grant(password, out)?,
        }
        self.write_client_parameters(out)
    }

    /// RFC 6749 section 4.3.2.
    fn write_grant(&self, password: UserPassword<'_>, out: &mut impl Write) -> fmt::Result {
        let (user, secret) = (Encoded(password.user()), Encoded(password.expose()));
        write!(out, "grant_type=password&username={user}&password={secret}")?;
        match self.endpoints.grant.and_then(|grant| grant.scope) {
            Some(scope) => write!(out, "&scope={}", Encoded(scope)),
            None => Ok(()),
        }
    }

    /// Dovecot shows the token to tokeninfo in both places where its mode is `auth`.
    fn is_bearer(&self) -> bool {
        match self.question {
            Question::Introspection(mode) => mode == Mode::Auth,
            Question::Tokeninfo => self.endpoints.mode == Mode::Auth,
            Question::Grant => false,
        }
    }

    fn write_client_parameters(&self, out: &mut impl Write) -> fmt::Result {
        match self.endpoints.client {
            Some(client) if client.place == ClientPlace::Parameters => {
                let (id, secret) = (Encoded(client.id), Encoded(client.secret));
                write!(out, "&client_id={id}&client_secret={secret}")
            }
            _ => Ok(()),
        }
    }
}

impl Client<'_> {
    /// `Basic` with both parts percent-encoded first (RFC 6749 section 2.3.1).
    fn write_basic(&self, out: &mut impl Write) -> fmt::Result {
        // base64 in pieces of three bytes needs no buffer for the whole.
        let mut pieces = Pieces {
            out,
            held: heapless::Vec::new(),
        };
        pieces.out.write_str("Basic ")?;
        write!(pieces, "{}:{}", Encoded(self.id), Encoded(self.secret))?;
        pieces.finish()
    }
}

/// Encodes what is written into it as base64.
struct Pieces<'w, W> {
    out: &'w mut W,
    held: heapless::Vec<u8, 3, u8>,
}

impl<W: Write> Pieces<'_, W> {
    fn finish(&mut self) -> fmt::Result {
        write!(self.out, "{}", Base64Display::new(&self.held, &STANDARD))?;
        self.held.clear();
        Ok(())
    }
}

impl<W: Write> Write for Pieces<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.held.is_full() {
                self.finish()?;
            }
            self.held.push(byte).map_err(|_| fmt::Error)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("question", &self.question)
            .finish_non_exhaustive()
    }
}
