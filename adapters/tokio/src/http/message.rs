//! One request to a provider, and one answer.

use std::time::Duration;

use gatepost_core::UnixTime;
use gatepost_core::introspection::{Answer, Method};
use gatepost_core::provider::{http_date, max_age, retry_after};
use reqwest::header;
use reqwest::{Response, Url};

use crate::providers::now;
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
    /// Longest answer that is taken, in bytes.
    pub(crate) max_len: usize,
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
            max_len: Answer::MAX_LEN,
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
    etag: String,
    /// When it wants to be asked again, in its own words.
    retry_after: String,
    /// When the provider says that it answered.
    pub(crate) date: Option<UnixTime>,
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
    pub(crate) fn pause(&self) -> Option<Duration> {
        retry_after(&self.retry_after, self.date.or_else(|| Some(now())))
    }

    /// What tells this state of the resource from others (RFC 9110 section 8.8.3).
    pub(crate) fn etag(&self) -> Option<&str> {
        (!self.etag.is_empty()).then_some(&*self.etag)
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
        let controls = headers.get_all(header::CACHE_CONTROL).iter();
        let mut controls = controls.filter_map(|value| value.to_str().ok());
        let content_type = text(header::CONTENT_TYPE).split(';').next();
        Self {
            status: response.status().as_u16(),
            content_type: content_type.unwrap_or_default().trim().to_owned(),
            www_authenticate: text(header::WWW_AUTHENTICATE).to_owned(),
            location: text(header::LOCATION).to_owned(),
            etag: text(header::ETAG).to_owned(),
            retry_after: text(header::RETRY_AFTER).to_owned(),
            date: http_date(text(header::DATE)),
            max_age: controls.find_map(max_age),
            body,
        }
    }
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
