//! One connection of HTTP: hyper has the grammar, and this the bounds of whatever a request may be.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;

use super::timed::{Begun, Timed};
use crate::connection::peer::{Stage, has_stopped};
use crate::metrics::Answer;

/// How long a connection may be idle: Dovecot keeps its own for 60 s, and should be the one to close them.
pub(super) const IDLE: Duration = Duration::from_secs(75);

/// Head of a request after which no more is read, in bytes: a token of 9,216 bytes, which is what a SASL
/// message may carry, each of them percent-encoded.
pub(super) const MAX_HEAD: usize = 32 << 10;

/// Longest body: the same token in a form.
const MAX_BODY: usize = 32 << 10;

/// Most headers of a request; Dovecot sends ten.
const MAX_HEADERS: usize = 64;

/// A request, all of it.
pub(crate) struct Request {
    pub(crate) head: Parts,
    pub(crate) body: Bytes,
}

impl Request {
    /// The value of a header, where it is text.
    pub(crate) fn header(&self, name: HeaderName) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    /// Further headers.
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: String,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        let allow = answer.allow.map(|methods| ("allow", methods));
        Self {
            status: answer.status,
            content_type: answer.content_type,
            headers: allow.into_iter().collect(),
            body: answer.body,
        }
    }
}

impl Reply {
    pub(crate) fn of(status: u16, content_type: &'static str, body: impl Into<String>) -> Self {
        Self {
            status,
            content_type,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::of(status, "application/json", body.to_string())
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self::of(status, "text/plain", "")
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::from(self.body));
        let status = StatusCode::from_u16(self.status);
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        for (name, value) in self.headers {
            let name = HeaderName::from_static(name);
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// Serves until either side has had enough, or the daemon stops. `patience` is how long a request may take to
/// arrive, and an answer to be taken.
///
/// # Errors
/// In words for the log: they quote nothing of a request.
pub(crate) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    patience: Duration,
    mut stopping: watch::Receiver<Stage>,
    answer: impl AsyncFn(Request) -> Reply,
) -> Result<(), String> {
    let begun = Begun::default();
    let stream = TokioIo::new(Timed::new(stream, begun.clone(), patience));
    let respond = service_fn(|request| respond(request, &answer, &begun, patience));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(stream, respond);
    let mut connection = pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = has_stopped(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    served.map_err(|error| error.to_string())
}

async fn respond(
    request: hyper::Request<Incoming>,
    answer: &impl AsyncFn(Request) -> Reply,
    begun: &Begun,
    patience: Duration,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    // Beside the stream's own limit, which whatever is written ends: an answer to the request before, or
    // "100 Continue".
    let body = timeout(patience, Limited::new(body, MAX_BODY).collect()).await;
    begun.is_over();
    let Ok(body) = body else {
        let mut late = Reply::empty(408);
        late.headers.push(("connection", "close"));
        return Ok(late.into_response());
    };
    let reply = match body {
        Ok(body) => {
            let body = body.to_bytes();
            answer(Request { head, body }).await
        }
        Err(error) if error.is::<LengthLimitError>() => {
            tracing::warn!(reason = "body_too_long", "request refused");
            Reply::empty(413)
        }
        // It did not come to its end; nobody is left to read this.
        Err(_) => Reply::empty(400),
    };
    Ok(reply.into_response())
}
