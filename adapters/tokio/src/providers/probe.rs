//! Asking a provider for something public, for whoever looks for a fault.

use super::{Providers, now, public_url};
use crate::http::Fault;
use crate::statistics::EndpointKind;
use crate::trouble::{Reason, Trouble};

/// How asking a provider went.
#[derive(Clone, Debug)]
pub struct Probe {
    /// What was asked for.
    pub url: String,
    /// The status of the answer, or why there is none.
    pub status: Result<u16, Fault>,
    /// What is wrong with the answer, where a document was asked for.
    pub trouble: Option<Trouble>,
    /// How far its clock is ahead of ours, in seconds, where it says what time it is.
    pub clock_ahead: Option<i64>,
}

impl Providers {
    /// Asks a provider for something public, and tells how it went: for whoever looks for a fault.
    ///
    /// `None` where there is nothing to ask over the network.
    pub async fn probe(&self, provider: usize) -> Option<Probe> {
        let trust = self.trust();
        let settings = trust.providers().get(provider)?;
        let online = settings.online.as_ref()?;
        let mut url = String::new();
        let mut document = None;
        let mut kind = EndpointKind::KeySet;
        if settings.issuer.is_some() && online.discovery {
            document = Some("metadata");
            kind = EndpointKind::Metadata;
            url = public_url(settings, online)?;
        } else {
            let urls = [
                &online.key_set_url,
                &online.introspection_url,
                &online.tokeninfo_url,
            ];
            url.clone_from(urls.into_iter().flatten().next()?);
            document = online.key_set_url.as_ref().map(|_| "JWK Set").or(document);
        }
        let answer = self.http(provider)?.get(kind, &url).await;
        let clock = answer.as_ref().ok().and_then(|incoming| incoming.date);
        let clock = clock.map(|theirs| theirs.seconds() - now().seconds());
        let trouble = document.and_then(|document| {
            let trouble = Trouble::of(document, &url, Ok(answer.as_ref().ok()?), false);
            let is_read = trouble.status == Some(200) && trouble.reason == Reason::Unusable;
            (!is_read).then_some(trouble)
        });
        Some(Probe {
            // Without a query: it is printed.
            url: url.split('?').next().unwrap_or_default().to_owned(),
            trouble,
            status: answer.map(|incoming| incoming.status),
            clock_ahead: clock,
        })
    }
}
