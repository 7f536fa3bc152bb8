//! One connection of the HTTP listener: requests in, each judged, answers out. What they mean is in
//! `gatepost-mail`, HTTP's grammar in hyper.

mod patience;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::dovecot::Origin;
use gatepost_mail::http::{Accepted, Question, Reply, Request, Responder};
use gatepost_tokio::{Network, Outcome, ProviderSettings, Verdict, judge_token};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::Response;
use hyper::StatusCode;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::connection::{Service, has_stopped, now};
use crate::generation::Generation;
use patience::{Begun, Patient};

/// How long a connection may be idle: Dovecot keeps its own for 60 s, and should be the one to close them.
const IDLE: Duration = Duration::from_secs(75);

/// Head of a request after which no more is read, in bytes: a token of 9,216 bytes, which is what a SASL
/// message may carry, each of them percent-encoded.
const MAX_HEAD: usize = 32 << 10;

/// Longest body: the same token in a form.
const MAX_BODY: usize = 32 << 10;

/// Most headers of a request; Dovecot sends ten.
const MAX_HEADERS: usize = 64;

/// What the log and the metrics call the mechanism: RFC 6750's scheme.
const MECHANISM: &str = "BEARER";

/// Serves one connection until either side has had enough.
pub(crate) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    service: &Arc<Service>,
    number: u32,
) {
    let begun = Begun::default();
    let stream = TokioIo::new(Patient::new(stream, begun.clone(), service.line));
    let answer = service_fn(|request| respond(request, service, number, &begun));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(stream, answer);
    let mut connection = pin!(connection);
    let mut stopping = service.stopping.clone();
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = has_stopped(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        // An idle connection that ends in time is no event; hyper's errors quote nothing of a request.
        tracing::debug!(
            connection = number,
            error = error.to_string(),
            "connection lost"
        );
    }
}

async fn respond(
    request: hyper::Request<Incoming>,
    service: &Service,
    number: u32,
    begun: &Begun,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY).collect().await;
    begun.is_over();
    let body = match body {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            tell_refusal(service, number, "body_too_long");
            return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE));
        }
        // It did not come to its end; nobody is left to read this.
        Err(_) => return Ok(plain(StatusCode::BAD_REQUEST)),
    };
    let Some(http) = &service.http else {
        return Ok(plain(StatusCode::NOT_FOUND));
    };
    let headers = head.headers.iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
    let headers: Vec<_> = headers.collect();
    let request = Request {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        headers: &headers,
        body: &body,
    };
    let reply = match http.read(&request) {
        Ok(question) => judge(question, http, service, number).await,
        Err(refusal) => {
            tell_refusal(service, number, refusal.reason.code());
            refusal.reply
        }
    };
    Ok(response(reply))
}

/// Whoever asked wrongly has to change something; none of its target or its body is told, for both may hold
/// a token.
fn tell_refusal(service: &Service, number: u32, reason: &'static str) {
    service.metrics.refusal(reason);
    tracing::warn!(connection = number, reason, "request refused");
}

async fn judge(question: Question, http: &Responder, service: &Service, number: u32) -> Reply {
    let started = Instant::now();
    let mut line = Line::begin(question.origin);
    let generation = Arc::clone(&service.generation.borrow());
    let (providers, rules) = (&generation.providers, generation.rules());
    let network = Network::of_login(&line.origin, number.into());
    let token = (&*question.token, Some(&line.origin));
    let verdict = judge_token(providers, rules, token, network, now).await;
    let took = started.elapsed();
    service.metrics.login(MECHANISM, &verdict, took);
    line.end(&verdict, took);
    match &verdict.outcome {
        Outcome::Accepted(identity) => {
            let accepted = Accepted {
                user: identity.user(),
                expires_at: identity.expires_at(),
                scopes: &scopes(&generation, &verdict),
                fields: &verdict.fields.as_pairs(),
            };
            http.accept(question.endpoint, &accepted)
        }
        Outcome::Refused { rejection, .. } => http.refuse(question.endpoint, *rejection),
    }
}

/// The scopes that the provider's policy asks for: a good token holds every one.
fn scopes(generation: &Generation, verdict: &Verdict) -> Vec<String> {
    let trust = generation.providers.trust();
    let is_judge = |settings: &&ProviderSettings| Some(&settings.name) == verdict.provider.as_ref();
    let judge = trust.providers().iter().find(is_judge);
    judge
        .map(|settings| settings.scopes.clone())
        .unwrap_or_default()
}

/// The one line of a question in the log, even where its asker is gone before the verdict.
struct Line {
    origin: Origin,
    is_written: bool,
}

impl Line {
    fn begin(mut origin: Origin) -> Self {
        if origin.service.is_empty() {
            origin.service = "http".try_into().unwrap_or_default();
        }
        Self {
            origin,
            is_written: false,
        }
    }

    fn end(&mut self, verdict: &Verdict, took: Duration) {
        self.is_written = true;
        crate::log::login(MECHANISM, &self.origin, verdict, took, Ok(()));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.is_written {
            crate::log::abandoned(MECHANISM, &self.origin);
        }
    }
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(reply.body));
    let status = StatusCode::from_u16(reply.status);
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in reply.headers {
        let name = HeaderName::from_static(name);
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
