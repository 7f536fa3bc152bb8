//! Getting what is for us alone: by a secret, over connections that are kept, in an answer of bounded length.

use std::time::Duration;

use tokio::runtime::Handle;

use crate::http::{Fault, Gate, HttpClient, HttpError, Outgoing};
use crate::settings::HttpSettings;
use crate::statistics::EndpointKind;

/// Gets documents of one server's.
pub struct Fetcher {
    pub(crate) client: HttpClient,
    max_len: usize,
}

/// What is asked for, and what is shown there.
#[derive(Clone, Copy)]
pub struct Document<'d> {
    /// The URL; redirects are followed within its origin only.
    pub url: &'d str,
    /// The bearer token.
    pub bearer: &'d str,
    /// The media types that are taken.
    pub accept: &'static str,
    /// `If-None-Match`.
    pub if_none_match: Option<&'d str>,
}

/// What answers.
pub struct Fetched {
    /// The status.
    pub status: u16,
    /// `ETag`.
    pub etag: Option<String>,
    /// `Retry-After`, in seconds or until a date.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Vec<u8>,
}

impl Fetcher {
    /// Gets answers of at most `max_len` bytes; `name` is what the log calls the server.
    ///
    /// # Errors
    /// [`HttpError`]: nothing could ever be asked.
    pub fn new(
        name: &str,
        settings: &HttpSettings,
        max_len: usize,
        runtime: Handle,
    ) -> Result<Self, HttpError> {
        let gate = Gate::new(name, settings.concurrency);
        let client = HttpClient::new(name, settings, runtime, &gate, (None, None))?;
        Ok(Self { client, max_len })
    }

    /// Asks once. Why there is no answer is told in the log as well.
    ///
    /// # Errors
    /// [`Fault`]: nothing answers, or too much.
    pub async fn get(&self, document: Document<'_>) -> Result<Fetched, Fault> {
        let outgoing = |url: &str| Outgoing {
            authorization: Some(format!("Bearer {}", document.bearer)),
            accept: document.accept,
            headers: document
                .if_none_match
                .map(|tag| ("if-none-match", tag.to_owned()))
                .into_iter()
                .collect(),
            max_len: self.max_len,
            ..Outgoing::get(EndpointKind::Metadata, url)
        };
        let incoming = self
            .client
            .ask_within_origin(outgoing, document.url)
            .await?;
        Ok(Fetched {
            status: incoming.status,
            etag: incoming.etag().map(str::to_owned),
            retry_after: incoming.pause(),
            body: incoming.body,
        })
    }
}
