//! Answers small HTTP requests, each from memory: metrics, health, and the provider of the demonstration.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::metrics::Answer;

/// Connections at once; more wait to be accepted.
pub(crate) const CONNECTIONS: usize = 64;

/// How long the head of a request may take, and how long a connection may be idle.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest body of a request that is read, in bytes: a form with a token.
const MAX_BODY: usize = 32 << 10;

/// What matters of a request.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) accept: Option<String>,
    pub(crate) body: String,
}

/// An answer.
pub(crate) struct Reply {
    status: u16,
    content_type: &'static str,
    allow: Option<&'static str>,
    body: String,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self {
            status: answer.status,
            content_type: answer.content_type,
            allow: answer.allow,
            body: answer.body,
        }
    }
}

impl Reply {
    pub(crate) fn of(status: u16, content_type: &'static str, body: impl Into<String>) -> Self {
        Self {
            status,
            content_type,
            allow: None,
            body: body.into(),
        }
    }

    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::of(status, "application/json", body.to_string())
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::from(self.body));
        let status = StatusCode::from_u16(self.status);
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let content_type = HeaderValue::from_static(self.content_type);
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        if let Some(allow) = self.allow {
            let allow = HeaderValue::from_static(allow);
            response.headers_mut().insert(ALLOW, allow);
        }
        response
    }
}

/// Serves until it is dropped, and its connections with it.
pub(crate) async fn serve(
    listener: TcpListener,
    answer: impl Fn(Request) -> Reply + Send + Sync + 'static,
) {
    let answer = Arc::new(answer);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // Never closed, so that there is always a place to wait for.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        while connections.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(error = error.to_string(), "HTTP connection not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let answer = Arc::clone(&answer);
        connections.spawn(async move {
            let service = service_fn(|request| respond(request, &*answer));
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(stream), service);
            // A client that leaves is none of our business.
            let _ = served.await;
            drop(place);
        });
    }
}

async fn respond(
    request: hyper::Request<Incoming>,
    answer: &impl Fn(Request) -> Reply,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = tokio::time::timeout(PATIENCE, Limited::new(body, MAX_BODY).collect()).await;
    let Ok(Ok(body)) = body else {
        let refused = Reply::of(413, "text/plain", "the body is too long or too slow\n");
        return Ok(refused.into_response());
    };
    let header = |name: HeaderName| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
    let request = Request {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        authorization: header(AUTHORIZATION),
        accept: header(ACCEPT),
        body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
    };
    Ok(answer(request).into_response())
}
