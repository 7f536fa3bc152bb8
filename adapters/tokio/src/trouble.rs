//! What is wrong with a provider's answer that cannot be used: for the operator, and never with a token in it.
//!
//! An answer may repeat the question, and with it a token or a password, in any of its parts. So nothing of it is told
//! but words that are known beforehand and numbers: no type in here can hold anything else of it.

mod words;

use std::collections::HashSet;
use std::fmt;
use std::mem::Discriminant;
use std::time::Duration;

use gatepost_core::{Claim, Rejection};
use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::http::{Fault, Incoming};
use words::{ERRORS, MEDIA_TYPES, MEMBERS, known};

/// Longest pause that is told: what is longer is as good as no answer at all.
const MAX_PAUSE: Duration = Duration::from_hours(24);

/// An error code that an answer names, if it is one that may be told.
pub(crate) fn known_error(code: &str) -> Option<&'static str> {
    known(&ERRORS, code)
}

/// An answer that cannot be used, or none.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Trouble {
    /// Which of the provider's endpoints was asked.
    pub endpoint: &'static str,
    /// Its URL without the query, which may hold a token.
    pub url: String,
    /// The answer's status; `None` where there was none.
    pub status: Option<u16>,
    /// The answer's media type, without parameters, where it is a known one.
    pub content_type: Option<&'static str>,
    /// How long the provider wants not to be asked (RFC 9110 section 10.2.3), a day at most.
    pub retry_after: Option<Duration>,
    /// What is wrong.
    pub reason: Reason,
}

/// What is wrong with an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// There is none.
    NotReached(Fault),
    /// Nothing secret is sent where a redirect leads.
    Redirect,
    /// 404 or 410.
    NoSuchEndpoint,
    /// 405.
    WrongMethod,
    /// 415.
    WrongMediaType,
    /// 429.
    TooOften,
    /// 5xx.
    Failing,
    /// Our credentials are refused.
    ClientRefused,
    /// Another refusal that says nothing of the token; with its error code, if that is a known one.
    Refused(Option<&'static str>),
    /// The media type is not JSON's.
    NotJson,
    /// JSON never begins with one (RFC 8259 section 8.1).
    ByteOrderMark,
    /// The body is not JSON.
    MalformedJson,
    /// The body is JSON, but no object.
    NoObject,
    /// A member occurs twice; with its name, if that is a known one.
    RepeatedMember(Option<&'static str>),
    /// A member has another type than the standard gives it.
    MalformedMember(Claim),
    /// An introspection answer without `active` (RFC 7662 section 2.2).
    NoActive,
    /// An introspection answer whose `active` is no boolean.
    BadActive,
    /// The rest: it contradicts itself or another one, is nested too deeply or is too large.
    Unusable,
}

/// What makes two troubles the same line in the log.
pub(crate) type Kind = (&'static str, Option<u16>, Discriminant<Reason>);

impl Trouble {
    /// What is wrong with the answer of `endpoint`, which core cannot use.
    pub(crate) fn of(
        endpoint: &'static str,
        url: &str,
        answer: Result<&Incoming, Fault>,
        is_introspection: bool,
    ) -> Self {
        let url = url.split(['?', '#']).next().unwrap_or_default().to_owned();
        let incoming = match answer {
            Ok(incoming) => incoming,
            Err(fault) => {
                return Self {
                    endpoint,
                    url,
                    status: None,
                    content_type: None,
                    retry_after: None,
                    reason: Reason::NotReached(fault),
                };
            }
        };
        Self {
            endpoint,
            url,
            status: Some(incoming.status),
            content_type: known(&MEDIA_TYPES, &incoming.content_type.to_ascii_lowercase()),
            retry_after: incoming.pause().map(|pause| pause.min(MAX_PAUSE)),
            reason: Reason::of(incoming, is_introspection),
        }
    }

    /// The same, as far as core knows better than the body tells.
    pub(crate) fn with(self, rejection: Rejection) -> Self {
        let Rejection::MalformedMember(member) = rejection else {
            return self;
        };
        Self {
            reason: Reason::MalformedMember(member),
            ..self
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        let reason = std::mem::discriminant(&self.reason);
        (self.endpoint, self.status, reason)
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        self.reason.advice()
    }
}

impl Reason {
    /// What is wrong with an answer, by its status first.
    fn of(incoming: &Incoming, is_introspection: bool) -> Self {
        match incoming.status {
            200..=299 => Self::of_body(incoming, is_introspection),
            300..=399 => Self::Redirect,
            404 | 410 => Self::NoSuchEndpoint,
            405 => Self::WrongMethod,
            415 => Self::WrongMediaType,
            429 => Self::TooOften,
            500.. => Self::Failing,
            status => {
                let body = serde_json::from_slice(&incoming.body).unwrap_or_default();
                match Self::of_error(&body) {
                    Self::Refused(None) if status == 401 => Self::ClientRefused,
                    reason => reason,
                }
            }
        }
    }

    /// What the error code of a refusal says, if it is one that is known.
    fn of_error(body: &serde_json::Value) -> Self {
        match body["error"].as_str() {
            Some("invalid_client" | "unauthorized_client") => Self::ClientRefused,
            Some("slow_down" | "ratelimited" | "rate_limited") => Self::TooOften,
            Some("server_error" | "internal_error" | "fatal_error") => Self::Failing,
            code => Self::Refused(code.and_then(|code| known(&ERRORS, code))),
        }
    }

    fn of_body(incoming: &Incoming, is_introspection: bool) -> Self {
        let content_type = incoming.content_type.to_ascii_lowercase();
        let is_json = content_type.is_empty()
            || content_type.ends_with("/json")
            || content_type.ends_with("+json");
        let is_signed = content_type.ends_with("jwt");
        if !is_json && !is_signed {
            return Self::NotJson;
        }
        if incoming.body.starts_with(b"\xef\xbb\xbf") {
            return Self::ByteOrderMark;
        }
        if is_signed {
            return Self::Unusable;
        }
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(&incoming.body) else {
            return Self::MalformedJson;
        };
        if !value.is_object() {
            return Self::NoObject;
        }
        if let Some(name) = repeated_member(&incoming.body) {
            return Self::RepeatedMember(known(&MEMBERS, &name));
        }
        // Some answer 200 whatever comes of the question.
        if !value["error"].is_null() && value["active"].is_null() {
            return Self::of_error(&value);
        }
        match value.get("active") {
            None | Some(serde_json::Value::Null) if is_introspection => Self::NoActive,
            Some(active) if is_introspection && !active.is_boolean() => Self::BadActive,
            _ => Self::Unusable,
        }
    }

    const fn advice(&self) -> &'static str {
        match self {
            Self::NotReached(fault) => fault.advice(),
            Self::Redirect => "write the URL that it leads to",
            Self::NoSuchEndpoint => "correct its URL",
            Self::WrongMethod => {
                "correct its URL, or introspection_mode: \"post\" asks by POST, \"get\" and \"auth\" by GET"
            }
            Self::WrongMediaType => "correct its URL, or introspection_mode",
            Self::TooOften => {
                "let it allow more, or raise cache_seconds, or verify tokens here by its keys"
            }
            Self::Failing => "look into its log",
            Self::ClientRefused => "correct client_id and client_secret, or client_place",
            Self::Refused(_) => "correct its URL, introspection_mode, or client_place",
            Self::NotJson => {
                "correct its URL: a login page or a proxy answers; if it is the right one, let it answer JSON"
            }
            Self::ByteOrderMark
            | Self::MalformedJson
            | Self::NoObject
            | Self::RepeatedMember(_) => {
                "have the provider mended: it has to answer one JSON object"
            }
            Self::MalformedMember(Claim::User) => {
                "name a member that holds text in username_claims"
            }
            Self::MalformedMember(Claim::Active) => {
                "name a member that holds text, a number or a boolean in active_attribute"
            }
            Self::MalformedMember(_) => {
                "correct the provider's mapping of it: it has another type than the standard gives it"
            }
            Self::NoActive | Self::BadActive => {
                "correct its URL; where it is a userinfo endpoint, write introspection_mode = \"auth\""
            }
            Self::Unusable => {
                "have the provider mended: its answer contradicts itself, or is too deep"
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotReached(fault) => return fault.fmt(f),
            Self::RepeatedMember(Some(name)) => {
                return write!(f, "its member {name:?} occurs twice");
            }
            Self::RepeatedMember(None) => "one of its members occurs twice",
            Self::MalformedMember(member) => {
                return match member.name() {
                    "" => f.write_str("its member that the configuration names is malformed"),
                    name => write!(f, "its member {name:?} is malformed"),
                };
            }
            Self::Refused(Some(code)) => return write!(f, "it refuses the question ({code})"),
            Self::Redirect => "it redirects, where nothing secret is sent",
            Self::NoSuchEndpoint => "there is no such endpoint",
            Self::WrongMethod => "it takes another method",
            Self::WrongMediaType => "it takes another content type",
            Self::TooOften => "it is asked too often",
            Self::Failing => "it fails",
            Self::ClientRefused => "it refuses our credentials (invalid_client)",
            Self::Refused(None) => "it refuses the question",
            Self::NotJson => "its content type is not JSON's",
            Self::ByteOrderMark => "its body begins with a byte order mark",
            Self::MalformedJson => "its body is not JSON",
            Self::NoObject => "its body is no JSON object",
            Self::NoActive => "its member \"active\" is missing",
            Self::BadActive => "its member \"active\" is neither true nor false",
            Self::Unusable => "its answer cannot be used",
        })
    }
}

/// One line: `introspection at https://id.example.com/introspect: status 404, text/html: there is no such endpoint`
impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: ", self.endpoint, self.url)?;
        if let Some(status) = self.status {
            write!(f, "status {status}, ")?;
        }
        if let Some(content_type) = &self.content_type {
            write!(f, "{content_type}, ")?;
        }
        if let Some(retry_after) = self.retry_after {
            write!(f, "Retry-After {}, ", retry_after.as_secs())?;
        }
        self.reason.fmt(f)
    }
}

/// The first name that an object has twice.
fn repeated_member(body: &[u8]) -> Option<String> {
    struct Names<'n>(&'n mut Option<String>);

    impl<'de> Visitor<'de> for Names<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
            let mut names = HashSet::new();
            while let Some(name) = members.next_key::<String>()? {
                if !names.insert(name.clone()) {
                    *self.0 = Some(name);
                    return Err(A::Error::custom("repeated"));
                }
                members.next_value::<IgnoredAny>()?;
            }
            Ok(())
        }
    }

    let mut repeated = None;
    let mut reader = serde_json::Deserializer::from_slice(body);
    // Whatever else is wrong has been told before.
    let _ = reader.deserialize_map(Names(&mut repeated));
    repeated
}
