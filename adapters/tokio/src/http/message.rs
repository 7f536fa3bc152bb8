//! One request to a provider, and one answer.

use std::time::{Duration, SystemTime};

use gatepost_core::introspection::{Answer, Method};
use reqwest::header::{self, HeaderMap};
use reqwest::{Response, Url};

use crate::statistics::EndpointKind;

/// One request.
pub(crate) struct Outgoing {
    pub(crate) kind: EndpointKind,
    /// The endpoint's own URL, where a token may be appended to it in `url`.
    pub(crate) endpoint: String,
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) authorization: Option<String>,
    pub(crate) accept: &'static str,
    pub(crate) form: Option<String>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Outgoing {
    /// A request for something public.
    pub(crate) fn get(kind: EndpointKind, url: &str) -> Self {
        Self {
            kind,
            endpoint: url.to_owned(),
            method: Method::Get,
            url: url.to_owned(),
            authorization: None,
            accept: "application/json",
            form: None,
            headers: Vec::new(),
        }
    }
}

/// One answer.
#[derive(Clone)]
pub(crate) struct Incoming {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    www_authenticate: String,
    location: String,
    /// When it wants to be asked again, in its own words.
    pub(crate) retry_after: String,
    /// When the provider says that it answered.
    pub(crate) date: Option<SystemTime>,
    /// `max-age` of `Cache-Control`, in seconds; nought for `no-cache` and `no-store`.
    pub(crate) max_age: Option<u32>,
    pub(crate) body: Vec<u8>,
}

impl Incoming {
    pub(crate) fn answer(&self) -> Answer<'_> {
        Answer {
            status: self.status,
            content_type: &self.content_type,
            www_authenticate: &self.www_authenticate,
            body: &self.body,
        }
    }

    /// How long it wants not to be asked (RFC 9110 section 10.2.3), in seconds or until a date.
    pub(super) fn pause(&self) -> Option<Duration> {
        let text = self.retry_after.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let until = httpdate::parse_http_date(text).ok()?;
        Some(until.duration_since(SystemTime::now()).unwrap_or_default())
    }

    /// Whether it says that it is a signed answer.
    pub(crate) fn is_signed(&self) -> bool {
        let is = |media_type| self.content_type.eq_ignore_ascii_case(media_type);
        is("application/token-introspection+jwt") || is("application/jwt")
    }

    pub(super) fn new(response: &Response, body: Vec<u8>) -> Self {
        let headers = response.headers();
        let text = |name| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default()
        };
        let content_type = text(header::CONTENT_TYPE).split(';').next();
        Self {
            status: response.status().as_u16(),
            content_type: content_type.unwrap_or_default().trim().to_owned(),
            www_authenticate: text(header::WWW_AUTHENTICATE).to_owned(),
            location: text(header::LOCATION).to_owned(),
            retry_after: text(header::RETRY_AFTER).to_owned(),
            date: httpdate::parse_http_date(text(header::DATE)).ok(),
            max_age: max_age(headers),
            body,
        }
    }
}

/// RFC 9111 section 5.2.2; the first `max-age` counts.
fn max_age(headers: &HeaderMap) -> Option<u32> {
    let values = headers.get_all(header::CACHE_CONTROL).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let mut directives = values.flat_map(|value| value.split(',')).map(str::trim);
    directives.find_map(|directive| {
        if directive.eq_ignore_ascii_case("no-store") || directive.eq_ignore_ascii_case("no-cache")
        {
            return Some(0);
        }
        let (name, value) = directive.split_once('=')?;
        let seconds = value.trim_matches('"').parse().ok();
        seconds.filter(|_| name.eq_ignore_ascii_case("max-age"))
    })
}

/// Where a redirect leads, if it stays within the origin (RFC 6454 section 4).
pub(super) fn redirected(from: &str, incoming: &Incoming) -> Option<String> {
    if !matches!(incoming.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let from = Url::parse(from).ok()?;
    let to = from.join(&incoming.location).ok()?;
    (from.origin() == to.origin()).then(|| to.into())
}
