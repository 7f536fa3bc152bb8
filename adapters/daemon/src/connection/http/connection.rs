//! One connection of HTTP: hyper has the grammar, and this the bounds of whatever a request may be.

use std::borrow::Cow;
use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::content::Content;
use super::timed::{Begun, Timed};
use crate::connection::peer::{Stage, has_stopped};
use crate::connection::slot::Slot;
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
    pub(crate) headers: Vec<(&'static str, Cow<'static, str>)>,
    pub(crate) body: Content,
}

/// What answers requests.
pub(crate) trait Answerer {
    /// What is known of a request before its body is read.
    type Admitted;

    /// Whether whoever is admitted has shown who they are: strangers are not to close their connection.
    const KNOWS: bool;

    /// Looks at the head of a request: how many bytes its body may have, or the answer without it.
    async fn admit(&self, head: &Parts) -> Result<(usize, Self::Admitted), Reply>;

    /// Answers a request that was admitted.
    async fn answer(&self, request: Request, admitted: Self::Admitted) -> Reply;

    /// The answer of that status to a request whose body did not come as it should.
    fn refusal(&self, status: u16) -> Reply;
}

/// Answers everybody.
struct Everybody<A>(A);

impl<A: AsyncFn(Request) -> Reply> Answerer for Everybody<A> {
    type Admitted = ();

    const KNOWS: bool = false;

    async fn admit(&self, _: &Parts) -> Result<(usize, ()), Reply> {
        Ok((MAX_BODY, ()))
    }

    async fn answer(&self, request: Request, (): ()) -> Reply {
        (self.0)(request).await
    }

    fn refusal(&self, status: u16) -> Reply {
        Reply::empty(status)
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        let allow = answer.allow.map(|methods| ("allow", methods.into()));
        Self {
            status: answer.status,
            content_type: answer.content_type,
            headers: allow.into_iter().collect(),
            body: answer.body.into(),
        }
    }
}

impl Reply {
    pub(crate) fn of(status: u16, content_type: &'static str, body: impl Into<String>) -> Self {
        Self {
            status,
            content_type,
            headers: Vec::new(),
            body: Content::from(body.into()),
        }
    }

    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::of(status, "application/json", body.to_string())
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self::of(status, "text/plain", "")
    }

    fn into_response(self) -> Response<Content> {
        let mut response = Response::new(self.body);
        let status = StatusCode::from_u16(self.status);
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if !self.content_type.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        for (name, value) in self.headers {
            // What is no header's value is none of ours.
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// Serves until either side has had enough, or the daemon stops. `patience` is how long a request may take to
/// arrive, and an answer to be taken; until it has asked something, `slot` may be given to another connection.
///
/// # Errors
/// In words for the log: they quote nothing of a request.
pub(crate) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    patience: Duration,
    stopping: watch::Receiver<Stage>,
    slot: &Slot,
    answer: impl AsyncFn(Request) -> Reply,
) -> Result<(), String> {
    serve_admitted(stream, patience, stopping, slot, &Everybody(answer)).await
}

/// As [`serve`], where the head of a request says whether its body is read.
///
/// # Errors
/// As [`serve`].
pub(crate) async fn serve_admitted(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    patience: Duration,
    mut stopping: watch::Receiver<Stage>,
    slot: &Slot,
    answerer: &impl Answerer,
) -> Result<(), String> {
    let begun = Begun::default();
    let stream = TokioIo::new(Timed::new(stream, begun.clone(), patience));
    let respond = service_fn(|request| respond(request, answerer, (&begun, slot), patience));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(stream, respond);
    let mut connection = pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = slot.is_given_away() => return Ok(()),
        () = has_stopped(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    served.map_err(|error| error.to_string())
}

async fn respond(
    request: hyper::Request<Incoming>,
    answerer: &impl Answerer,
    known: (&Begun, &Slot),
    patience: Duration,
) -> Result<Response<Content>, Infallible> {
    let reply = reply(request, answerer, known, patience).await;
    // The next request may be there already: others have their turn first.
    yield_now().await;
    Ok(reply.into_response())
}

async fn reply<A: Answerer>(
    request: hyper::Request<Incoming>,
    answerer: &A,
    (begun, slot): (&Begun, &Slot),
    patience: Duration,
) -> Reply {
    let (head, body) = request.into_parts();
    let (most, admitted) = match answerer.admit(&head).await {
        Ok(admitted) => admitted,
        Err(reply) => {
            begun.is_over();
            return reply;
        }
    };
    if A::KNOWS {
        slot.asks();
    }
    // Beside the stream's own limit, which whatever is written ends: an answer to the request before, or
    // "100 Continue".
    let body = timeout(patience, Limited::new(body, most).collect()).await;
    begun.is_over();
    let Ok(body) = body else {
        let mut late = answerer.refusal(408);
        late.headers.push(("connection", "close".into()));
        return late;
    };
    match body {
        Ok(body) => {
            slot.asks();
            let body = body.to_bytes();
            answerer.answer(Request { head, body }, admitted).await
        }
        Err(error) if error.is::<LengthLimitError>() => {
            tracing::warn!(reason = "body_too_long", "request refused");
            answerer.refusal(413)
        }
        // It did not come to its end; nobody is left to read this.
        Err(_) => answerer.refusal(400),
    }
}
