//! What one login asks providers.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::{
    Rejection,
    dovecot::{Endpoint, Origin},
    introspection::{Answer, Request},
};

use super::Outcome;
use crate::answers::{Answered, Key, Known};
use crate::http::{Fault, Incoming, Outgoing};
use crate::network::Network;
use crate::providers::Providers;
use crate::settings::OnlineSettings;
use crate::statistics::EndpointKind;
use crate::trouble::Trouble;
use crate::trust::Trust;

/// The questions of one login, of which there are two at most.
pub(super) struct Asked<'a> {
    pub(super) providers: &'a Providers,
    pub(super) trust: &'a Trust,
    pub(super) origin: Option<&'a Origin>,
    pub(super) network: Network,
    answered: Vec<(usize, Key, Arc<Known>)>,
    /// The endpoint that was asked last, and its URL.
    last: Option<(&'static str, String)>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(
        providers: &'a Providers,
        trust: &'a Trust,
        origin: Option<&'a Origin>,
        network: Network,
    ) -> Self {
        Self {
            providers,
            trust,
            origin,
            network,
            answered: Vec::new(),
            last: None,
        }
    }

    pub(super) fn is_any(&self) -> bool {
        !self.answered.is_empty()
    }

    pub(super) fn answers(&self) -> Vec<Answered> {
        let answered = self.answered.iter();
        answered.map(|(_, _, known)| Answered::new(known)).collect()
    }

    /// What came of the last question.
    pub(super) fn last_answer(&self) -> Option<&Incoming> {
        let (_, _, known) = self.answered.last()?;
        known.answer().ok()
    }

    /// Asks, unless the same has just been answered.
    pub(super) async fn ask(&mut self, request: &Request<'_>) -> Arc<Known> {
        let index = request.provider();
        let http = self.providers.http(index);
        let (Some(http), Some(online)) = (http, self.settings(index)) else {
            return Arc::new(Known::failed(Fault::NotAsked));
        };
        let outgoing = self.write(request, online);
        let settling = online.cache.min(online.negative_cache);
        let Some(answers) = self.providers.answers(index) else {
            return Arc::new(Known::failed(Fault::NotAsked));
        };
        let (key, known) = answers.get(http, self.network, outgoing, settling).await;
        self.answered.push((index, key, Arc::clone(&known)));
        self.last = Some((request.endpoint(), request.endpoint_url().to_owned()));
        known
    }

    /// What is wrong with the last answer, where `outcome` is that it cannot be used; the operator is told.
    pub(super) fn trouble(&self, outcome: &Outcome) -> Option<Trouble> {
        let Outcome::Refused {
            rejection:
                rejection @ (Rejection::ProviderUnavailable
                | Rejection::UnusableAnswer
                | Rejection::MalformedMember(_)
                | Rejection::ClientRefused),
            ..
        } = outcome
        else {
            return None;
        };
        let (endpoint, url) = self.last.as_ref()?;
        let (index, _, known) = self.answered.last()?;
        let is_introspection = *endpoint == "introspection";
        let trouble = Trouble::of(endpoint, url, known.answer(), is_introspection);
        let trouble = trouble.with(*rejection);
        self.providers.http(*index)?.report(&trouble);
        Some(trouble)
    }

    /// Keeps the answers for as long as what came of them allows; the network of a good login at `provider` is trusted.
    pub(super) fn settle(&self, outcome: &Outcome, provider: Option<usize>) {
        if let (Outcome::Accepted(_), Some(provider)) = (outcome, provider) {
            self.providers.trust_network(provider, self.network);
        }
        for (index, key, known) in &self.answered {
            let Some(online) = self.settings(*index) else {
                continue;
            };
            let life = match outcome {
                Outcome::Accepted(_) => online.cache,
                Outcome::Refused { rejection, .. } if rejection.status().is_some() => {
                    online.negative_cache
                }
                Outcome::Refused { .. } => Duration::ZERO,
            };
            if let Some(answers) = self.providers.answers(*index) {
                let is_good = matches!(outcome, Outcome::Accepted(_));
                answers.settle(*key, known, life, is_good);
            }
        }
    }

    fn settings(&self, index: usize) -> Option<&'a OnlineSettings> {
        self.trust.providers().get(index)?.online.as_ref()
    }

    fn write(&self, request: &Request<'_>, online: &OnlineSettings) -> Outgoing {
        let text = |write: &dyn Fn(&mut String) -> std::fmt::Result| {
            let mut text = String::new();
            // A string always has room.
            let _ = write(&mut text);
            text
        };
        let filled = |text: String| (!text.is_empty()).then_some(text);
        Outgoing {
            kind: EndpointKind::named(request.endpoint()),
            endpoint: request.endpoint_url().to_owned(),
            method: request.method(),
            url: text(&|out| request.write_url(out)),
            authorization: filled(text(&|out| request.write_authorization(out))),
            accept: request.accept(),
            form: filled(text(&|out| request.write_form(out))),
            headers: match self.origin {
                Some(origin) if online.auth_headers => headers(origin),
                _ => Vec::new(),
            },
            max_len: Answer::MAX_LEN,
        }
    }
}

/// What Dovecot tells a provider about where a login comes from.
fn headers(origin: &Origin) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    let service = origin.service.as_str();
    // It becomes part of a request, so nothing that could end a line of it.
    if !service.is_empty() && service.bytes().all(|byte| byte.is_ascii_graphic()) {
        headers.push(("X-Dovecot-Auth-Protocol", service.to_owned()));
    }
    for (name, end) in [
        ("X-Dovecot-Auth-Local", origin.local),
        ("X-Dovecot-Auth-Remote", origin.remote),
    ] {
        headers.extend(address(end).map(|address| (name, address)));
    }
    headers
}

fn address(end: Endpoint) -> Option<String> {
    let mut text = end.address?.to_string();
    if let Some(port) = end.port {
        // A string always has room.
        let _ = write!(text, ":{port}");
    }
    Some(text)
}
