//! What a provider that is read is asked with, as the daemon asks it and as `doctor` does.

use std::time::Duration;

use gatepost_accounts::pull::Fetch;
use gatepost_accounts::pull::limits;
use gatepost_tokio::{Credentials, Document, Fault, Fetched, Fetcher, HttpError};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::config::PulledSource;

/// What is asked for.
const ACCEPT: &str = "application/scim+json, application/json";

/// How long before its end a token is shown no more: it has to be good for as long as a request is on its way.
const MARGIN: Duration = Duration::from_secs(30);

/// A provider that is read.
pub(crate) struct Provider {
    settings: PulledSource,
    fetcher: Fetcher,
    /// The token that was granted last, and until when it is shown, unless it is refused.
    granted: Option<(String, Option<Instant>)>,
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
            granted: None,
        })
    }

    /// Gets a page. Where a token that was granted before is refused, another one is asked for, once.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub(crate) async fn get(&mut self, fetch: &Fetch) -> Result<Fetched, Unanswered> {
        // Read anew each time: whoever replaces it need not restart anything.
        let secret = self.settings.secret();
        let secret = secret.map_err(|fault| Unanswered::Fault(fault, "correct the file"))?;
        let settings = self.settings.clone();
        let Some(credentials) = settings.credentials(&secret) else {
            return self.ask(fetch, &secret).await;
        };
        if let Some(token) = self.kept() {
            let fetched = self.ask(fetch, &token).await?;
            if fetched.status != 401 {
                return Ok(fetched);
            }
        }
        let token = self.grant(credentials).await?;
        let fetched = self.ask(fetch, &token).await?;
        if fetched.status == 401 {
            self.granted = None;
        }
        Ok(fetched)
    }

    /// The token that was granted before, if it is good for long enough.
    fn kept(&self) -> Option<String> {
        let (token, until) = self.granted.as_ref()?;
        let is_good = until.is_none_or(|until| Instant::now() < until);
        is_good.then(|| token.clone())
    }

    async fn grant(&mut self, credentials: Credentials<'_>) -> Result<String, Unanswered> {
        self.granted = None;
        let granted = self.fetcher.grant(credentials).await;
        let granted =
            granted.map_err(|fault| Unanswered::Fault(fault.to_string(), fault.advice()))?;
        let until = granted.lifetime.map(|lifetime| {
            // A day at most.
            Instant::now() + lifetime.saturating_sub(MARGIN)
        });
        self.granted = Some((granted.token.clone(), until));
        Ok(granted.token)
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
