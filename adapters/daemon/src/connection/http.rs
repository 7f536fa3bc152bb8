//! HTTP: Dovecot's questions about tokens, and those of whoever watches. What Dovecot's mean is in
//! `gatepost-mail`, HTTP's grammar in hyper.

mod connection;
mod content;
mod scim;
mod shares;
#[cfg(test)]
mod tests;
mod timed;

use std::sync::Arc;

use gatepost_mail::http::{self as mail, Accepted, Question, Responder};
use gatepost_tokio::{Network, Outcome, ProviderSettings, Verdict, judge_token_with};
use hyper::header::ACCEPT;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

pub(crate) use connection::{Reply, Request, serve};
pub(crate) use scim::{Scim, answer_sources};

use crate::accounts::Logins;
use crate::connection::client::Client;
use crate::connection::service::{Service, now};
use crate::connection::slot::Slot;
use crate::judging::generation::Generation;
use crate::log::LoginLine;
use crate::metrics;

/// What the log and the metrics call the mechanism: RFC 6750's scheme.
const MECHANISM: &str = "BEARER";

/// Answers Dovecot over one connection.
pub(crate) async fn answer_questions(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    responder: &Responder,
    service: &Arc<Service>,
    (client, slot): (Client, &Slot),
) {
    let number = client.number;
    let answer = async |request: Request| {
        let headers = request.head.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
        let headers: Vec<_> = headers.collect();
        let read = responder.read(&mail::Request {
            method: request.head.method.as_str(),
            path: request.head.uri.path(),
            query: request.head.uri.query().unwrap_or_default(),
            headers: &headers,
            body: &request.body,
        });
        let reply = match read {
            Ok(question) => judge(question, responder, service, client).await,
            Err(refusal) => {
                tell_refusal(service, number, refusal.reason.code());
                refusal.reply
            }
        };
        Reply {
            status: reply.status,
            content_type: "application/json",
            headers: reply
                .headers
                .into_iter()
                .map(|(name, value)| (name, value.into()))
                .collect(),
            body: reply.body.into(),
        }
    };
    let stopping = service.stopping.clone();
    let served = serve(stream, service.line, stopping, slot, answer).await;
    note_end(served, number);
}

/// Answers whoever watches over one connection, which is worth no more than another one after each answer.
pub(crate) async fn answer_watchers(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    service: &Arc<Service>,
    (number, slot): (u32, &Slot),
) {
    let answer = async |request: Request| {
        let question = metrics::Question {
            method: request.head.method.as_str(),
            path: request.head.uri.path(),
            accept: request.header(ACCEPT),
        };
        let (metrics, accounts) = (&service.metrics, service.accounts.as_deref());
        let answer = metrics.answer(question, &service.generation, accounts);
        slot.rests();
        Reply::from(answer)
    };
    let stopping = service.stopping.clone();
    let served = serve(stream, service.line, stopping, slot, answer).await;
    note_end(served, number);
}

/// An idle connection that ends in time is no event.
fn note_end(served: Result<(), String>, number: u32) {
    if let Err(error) = served {
        tracing::debug!(connection = number, error, "connection lost");
    }
}

/// Whoever asked wrongly has to change something; none of its target or its body is told, for both may hold
/// a token.
fn tell_refusal(service: &Service, number: u32, reason: &'static str) {
    service.metrics.refusal(reason);
    tracing::warn!(connection = number, reason, "request refused");
}

async fn judge(
    mut question: Question,
    responder: &Responder,
    service: &Service,
    client: Client,
) -> mail::Reply {
    let started = Instant::now();
    client.remote.settle(&mut question.origin);
    if question.origin.service.is_empty() {
        question.origin.service = "http".try_into().unwrap_or_default();
    }
    let mut line = LoginLine::begin(MECHANISM, question.origin);
    let generation = Arc::clone(&service.generation.borrow());
    let (providers, rules) = (&generation.providers, generation.rules());
    let network = Network::of_login(&line.origin, client.number.into());
    let token = (&*question.token, Some(&line.origin));
    let accounts = service.accounts.as_ref().map(Logins::of);
    let accounts = accounts.as_ref();
    let verdict = judge_token_with(providers, rules, token, network, accounts, now).await;
    line.took = Some(started.elapsed());
    line.end(&service.metrics, &verdict, Ok(()));
    match &verdict.outcome {
        Outcome::Accepted(identity) => {
            let accepted = Accepted {
                user: identity.user(),
                expires_at: identity.expires_at(),
                scopes: &scopes(&generation, &verdict),
                fields: &verdict.fields.as_pairs(),
            };
            responder.accept(question.endpoint, &accepted)
        }
        Outcome::Refused { rejection, .. } => responder.refuse(question.endpoint, *rejection),
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
