//! What a provider that is read is asked with, as the daemon asks it and as `doctor` does.

use gatepost_accounts::pull::Fetch;
use gatepost_accounts::pull::limits;
use gatepost_tokio::{Document, Fault, Fetched, Fetcher, HttpError};
use tokio::runtime::Handle;

use crate::config::PulledSource;

/// What is asked for.
const ACCEPT: &str = "application/scim+json, application/json";

/// A provider that is read.
pub(crate) struct Provider {
    settings: PulledSource,
    fetcher: Fetcher,
}

/// Why there is no answer.
pub(crate) enum Unanswered {
    /// It is longer than a page may be.
    TooLong,
    /// What is wrong, and what to do.
    Fault(String, &'static str),
}

impl Provider {
    /// The provider that the settings name, of which nothing is asked yet.
    ///
    /// # Errors
    /// [`HttpError`]: nothing could ever be asked.
    pub(crate) fn new(settings: &PulledSource) -> Result<Self, HttpError> {
        let (name, http) = (&*settings.source, settings.http());
        Ok(Self {
            fetcher: Fetcher::new(name, &http, limits::PAGE_BYTES, Handle::current())?,
            settings: settings.clone(),
        })
    }

    /// Gets a page.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub(crate) async fn get(&mut self, fetch: &Fetch) -> Result<Fetched, Unanswered> {
        // Read anew each time: whoever replaces it need not restart anything.
        let secret = self.settings.secret();
        let secret = secret.map_err(|fault| Unanswered::Fault(fault, "correct the file"))?;
        self.ask(fetch, &secret).await
    }

    async fn ask(&self, fetch: &Fetch, bearer: &str) -> Result<Fetched, Unanswered> {
        let url = format!("{}{}", self.settings.url(), fetch.path_and_query());
        let document = Document {
            url: &url,
            bearer,
            accept: ACCEPT,
            if_none_match: fetch.if_none_match.as_deref(),
        };
        self.fetcher
            .get(document)
            .await
            .map_err(|fault| match fault {
                Fault::TooLarge => Unanswered::TooLong,
                fault => Unanswered::Fault(fault.to_string(), fault.advice()),
            })
    }
}
