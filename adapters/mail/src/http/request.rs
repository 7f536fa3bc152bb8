//! What a request asks, or why that cannot be answered.

use std::borrow::Cow;
use std::net::SocketAddr;

use gatepost_core::dovecot::{self, Origin};

use super::answer::Reply;
use super::{Endpoint, Responder};

/// A request, its body read.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    /// The method.
    pub method: &'r str,
    /// The path of its target.
    pub path: &'r str,
    /// The query of its target, without the question mark.
    pub query: &'r str,
    /// Its headers, their names in lower case.
    pub headers: &'r [(&'r str, &'r [u8])],
    /// The body.
    pub body: &'r [u8],
}

/// A question that is to be judged.
pub struct Question {
    /// Where it was asked.
    pub endpoint: Endpoint,
    /// The token: whatever a client has sent, for its mail server passes on anything.
    pub token: Vec<u8>,
    /// Where the login comes from, as far as Dovecot's `X-Dovecot-Auth-` headers say.
    pub origin: Origin,
}

/// Why a question is not judged, and what its asker is told.
#[derive(Debug)]
pub struct Refusal {
    /// Why.
    pub reason: RefusalReason,
    /// The answer.
    pub reply: Reply,
}

/// Why a question is not judged. None of these is the token's fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RefusalReason {
    /// The path is no endpoint's.
    NoSuchEndpoint,
    /// The endpoint knows no such method.
    MethodNotAllowed,
    /// The body of a `POST` is no form.
    NotAForm,
    /// There is no token where the endpoint expects it.
    NoToken,
    /// A parameter or a header that may occur once occurs again: taking either would be a guess.
    Repeated,
    /// The asker has not shown who it is, or is not who may ask.
    UnknownCaller,
}

impl RefusalReason {
    /// A stable name for logs and filters.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoSuchEndpoint => "no_such_endpoint",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::NotAForm => "not_a_form",
            Self::NoToken => "no_token",
            Self::Repeated => "repeated_parameter",
            Self::UnknownCaller => "unknown_caller",
        }
    }
}

impl Responder {
    /// Reads what `request` asks.
    ///
    /// # Errors
    /// [`Refusal`], with the answer.
    pub fn read(&self, request: &Request<'_>) -> Result<Question, Refusal> {
        self.question(request)
            .map_err(|(reason, endpoint)| self.refusal(reason, endpoint))
    }

    fn question(
        &self,
        request: &Request<'_>,
    ) -> Result<Question, (RefusalReason, Option<Endpoint>)> {
        let endpoint = Endpoint::at(request.path).filter(|endpoint| self.is_open(*endpoint));
        let endpoint = endpoint.ok_or((RefusalReason::NoSuchEndpoint, None))?;
        let token = self.token(request, endpoint);
        Ok(Question {
            endpoint,
            token: token.map_err(|reason| (reason, Some(endpoint)))?,
            origin: origin(request),
        })
    }

    fn is_open(&self, endpoint: Endpoint) -> bool {
        self.caller.is_none() || endpoint != Endpoint::Userinfo
    }

    fn token(&self, request: &Request<'_>, endpoint: Endpoint) -> Result<Vec<u8>, RefusalReason> {
        if !endpoint.allows(request.method) {
            return Err(RefusalReason::MethodNotAllowed);
        }
        let authorization = Authorization::read(request)?;
        let mut parameters = Parameters::default();
        if endpoint != Endpoint::Userinfo {
            parameters = Parameters::read(request)?;
        }
        self.check_caller(authorization, &parameters)?;
        let token = match (parameters.token, authorization) {
            (Some(token), _) => token.into_owned().into_bytes(),
            (None, Some(Authorization::Bearer(token))) => token.to_vec(),
            (None, _) => return Err(RefusalReason::NoToken),
        };
        if token.is_empty() {
            return Err(RefusalReason::NoToken);
        }
        Ok(token)
    }

    fn check_caller(
        &self,
        authorization: Option<Authorization<'_>>,
        parameters: &Parameters<'_>,
    ) -> Result<(), RefusalReason> {
        let Some(caller) = &self.caller else {
            return Ok(());
        };
        let is_known = match (authorization, &parameters.client) {
            (Some(Authorization::Basic(credentials)), _) => caller.is_basic(credentials),
            (_, (Some(id), Some(secret))) => caller.is_client(id, secret),
            _ => false,
        };
        if is_known {
            Ok(())
        } else {
            Err(RefusalReason::UnknownCaller)
        }
    }
}

impl Request<'_> {
    fn header(&self, wanted: &str) -> Result<Option<&[u8]>, RefusalReason> {
        let mut found = self.headers.iter().filter(|(name, _)| *name == wanted);
        let first = found.next().map(|(_, value)| *value);
        if found.next().is_some() {
            return Err(RefusalReason::Repeated);
        }
        Ok(first)
    }
}

/// RFC 9110 section 11.6.2, for the schemes that matter.
#[derive(Clone, Copy)]
enum Authorization<'r> {
    Bearer(&'r [u8]),
    Basic(&'r [u8]),
}

impl<'r> Authorization<'r> {
    fn read(request: &'r Request<'_>) -> Result<Option<Self>, RefusalReason> {
        let Some(value) = request.header("authorization")? else {
            return Ok(None);
        };
        let space = value.iter().position(|byte| *byte == b' ');
        let (scheme, rest) = value.split_at(space.unwrap_or(value.len()));
        let rest = rest.trim_ascii();
        Ok(match scheme.to_ascii_lowercase().as_slice() {
            b"bearer" => Some(Self::Bearer(rest)),
            b"basic" => Some(Self::Basic(rest)),
            _ => None,
        })
    }
}

/// The parameters that matter, of a form or a query.
#[derive(Default)]
struct Parameters<'r> {
    token: Option<Cow<'r, str>>,
    client: (Option<Cow<'r, str>>, Option<Cow<'r, str>>),
}

impl<'r> Parameters<'r> {
    fn read(request: &Request<'r>) -> Result<Self, RefusalReason> {
        let encoded = match request.method {
            "POST" if !is_form(request)? => return Err(RefusalReason::NotAForm),
            "POST" => request.body,
            _ => request.query.as_bytes(),
        };
        let mut parameters = Self::default();
        for (name, value) in form_urlencoded::parse(encoded) {
            let place = match &*name {
                "token" | "access_token" => &mut parameters.token,
                "client_id" => &mut parameters.client.0,
                "client_secret" => &mut parameters.client.1,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(RefusalReason::Repeated);
            }
        }
        Ok(parameters)
    }
}

fn is_form(request: &Request<'_>) -> Result<bool, RefusalReason> {
    let media_type = request.header("content-type")?.unwrap_or_default();
    let media_type = media_type
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default();
    let form = b"application/x-www-form-urlencoded";
    Ok(media_type.trim_ascii().eq_ignore_ascii_case(form))
}

/// What Dovecot says with `send_auth_headers`; what does not parse counts as not said.
fn origin(request: &Request<'_>) -> Origin {
    let text = |name| {
        let value = request.header(name).ok().flatten();
        value.and_then(|value| std::str::from_utf8(value).ok())
    };
    let end = |name| {
        let end = text(name).and_then(|text| text.parse::<SocketAddr>().ok());
        dovecot::Endpoint {
            address: end.map(|end| end.ip()),
            port: end.map(|end| end.port()),
        }
    };
    // 2.4's name, and 2.3's.
    let service = text("x-dovecot-auth-protocol").or_else(|| text("x-dovecot-auth-service"));
    let service = service.and_then(|service| service.try_into().ok());
    let mut origin = Origin::default();
    origin.service = service.unwrap_or_default();
    origin.remote = end("x-dovecot-auth-remote");
    origin.local = end("x-dovecot-auth-local");
    origin
}

impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Any other part may hold a token.
        f.debug_struct("Request")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Question")
            .field("endpoint", &self.endpoint)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}
