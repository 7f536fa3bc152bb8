//! How a verdict is told, in either shape.

use gatepost_core::sasl::Status;
use gatepost_core::{Rejection, UnixTime};
use serde_json::{Map, Value, json};

use super::{Endpoint, Refusal, RefusalReason, Responder, Shape};

/// How long the asker of a provider that is away should leave it alone, in seconds.
const RETRY_AFTER: &str = "5";

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Headers beside those that say that it is JSON, and how long.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The body: one JSON object.
    pub body: String,
}

/// What is told of a good token.
#[derive(Clone, Copy, Debug)]
pub struct Accepted<'a> {
    /// Whose it is.
    pub user: &'a str,
    /// Until when it is good, where that is known.
    pub expires_at: Option<UnixTime>,
    /// Scopes that it has been found to hold.
    pub scopes: &'a [String],
    /// Further members of the answer, none of which replaces another one.
    pub fields: &'a [(&'a str, Option<&'a str>)],
}

impl Reply {
    fn of(status: u16, body: &Value) -> Self {
        let headers = vec![("cache-control", "no-store")];
        let body = body.to_string();
        Self {
            status,
            headers,
            body,
        }
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// An error of RFC 6749 section 5.2, to somebody who has asked wrongly.
    fn error(status: u16, error: &str, description: &str) -> Self {
        let body = json!({"error": error, "error_description": description});
        Self::of(status, &body)
    }
}

impl Responder {
    /// The answer about a good token.
    #[must_use]
    pub fn accept(&self, endpoint: Endpoint, accepted: &Accepted<'_>) -> Reply {
        let mut members = Map::new();
        for (name, value) in accepted.fields {
            members.insert((*name).to_owned(), value.unwrap_or_default().into());
        }
        // RFC 7662 section 2.2. Dovecot's defaults look for `active` at every endpoint.
        if self.shape == Shape::Dovecot || endpoint != Endpoint::Userinfo {
            members.insert("active".to_owned(), true.into());
            members.insert("token_type".to_owned(), "Bearer".into());
            if let Some(expires_at) = accepted.expires_at {
                members.insert("exp".to_owned(), expires_at.seconds().into());
            }
            if !accepted.scopes.is_empty() {
                members.insert("scope".to_owned(), accepted.scopes.join(" ").into());
            }
        }
        self.name(&mut members, accepted.user);
        Reply::of(200, &Value::Object(members))
    }

    /// The answer about a token that was refused, or could not be judged.
    #[must_use]
    pub fn refuse(&self, endpoint: Endpoint, rejection: Rejection) -> Reply {
        let Some(status) = rejection.status() else {
            let reply = Reply::error(503, "temporarily_unavailable", rejection.reason());
            return reply.with("retry-after", RETRY_AFTER);
        };
        match (self.shape, endpoint) {
            (Shape::Dovecot, _) => self.refuse_for_dovecot(status),
            (Shape::Rfc, Endpoint::Introspection) => Reply::of(200, &json!({"active": false})),
            (Shape::Rfc, _) => {
                let reply = Reply::error(code(status), status.name(), rejection.reason());
                reply.with("www-authenticate", challenge(status))
            }
        }
    }

    /// Without `error`, and with a name that is nobody's: anything else is a temporary failure to Dovecot.
    fn refuse_for_dovecot(&self, status: Status) -> Reply {
        let mut members = Map::new();
        members.insert("active".to_owned(), false.into());
        self.name(&mut members, &self.nobody);
        let reply = Reply::of(code(status), &Value::Object(members));
        reply.with("www-authenticate", challenge(status))
    }

    fn name(&self, members: &mut Map<String, Value>, user: &str) {
        for attribute in &self.attributes {
            members.insert(attribute.clone(), user.into());
        }
    }

    /// What somebody is told who has asked wrongly: Dovecot takes it for a temporary failure, and rightly.
    pub(super) fn refusal(&self, reason: RefusalReason, endpoint: Option<Endpoint>) -> Refusal {
        let request = |status, hint| Reply::error(status, "invalid_request", hint);
        let reply = match reason {
            RefusalReason::NoSuchEndpoint if self.caller.is_some() => {
                request(404, "ask /introspect or /tokeninfo")
            }
            RefusalReason::NoSuchEndpoint => {
                request(404, "ask /userinfo, /introspect or /tokeninfo")
            }
            RefusalReason::MethodNotAllowed => {
                let allowed = endpoint.map_or("GET, POST", Endpoint::allowed);
                request(405, "use another method").with("allow", allowed)
            }
            RefusalReason::NotAForm => request(400, "send application/x-www-form-urlencoded"),
            RefusalReason::NoToken => {
                let hint = "send the token as Authorization: Bearer, or as the parameter token";
                // RFC 6750 section 3.1: nothing was presented, so that nothing is wrong with it.
                let status = if endpoint == Some(Endpoint::Userinfo) {
                    401
                } else {
                    400
                };
                request(status, hint).with("www-authenticate", "Bearer")
            }
            RefusalReason::Repeated => request(400, "send each parameter and header once"),
            RefusalReason::UnknownCaller => {
                let hint =
                    "send the client_id and client_secret of [http], as Basic or as parameters";
                let reply = Reply::error(401, "invalid_client", hint);
                reply.with("www-authenticate", "Basic realm=\"gatepost\"")
            }
        };
        Refusal { reason, reply }
    }
}

/// RFC 6750 section 3.1.
const fn code(status: Status) -> u16 {
    match status {
        Status::InvalidRequest => 400,
        Status::InvalidToken => 401,
        Status::InsufficientScope => 403,
    }
}

const fn challenge(status: Status) -> &'static str {
    match status {
        Status::InvalidRequest => "Bearer error=\"invalid_request\"",
        Status::InvalidToken => "Bearer error=\"invalid_token\"",
        Status::InsufficientScope => "Bearer error=\"insufficient_scope\"",
    }
}
