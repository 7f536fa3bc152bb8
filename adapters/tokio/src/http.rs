//! Asking a provider over HTTP: bounded in time, length and number, and never more than once too often.
//!
//! All of it happens on one runtime, whichever thread waits for the answer, so that logins share its
//! connections and a slow handshake stops nobody's verifying.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use gatepost_core::introspection::{Answer, FetchFailure, Method};
use gatepost_core::provider::{Breaker, Change};
use reqwest::header::{self, HeaderMap};
use reqwest::{Certificate, Client, Identity, Response, Url, redirect};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::settings::HttpSettings;

/// How long a connection is kept that nobody uses: less than common servers and load balancers do.
const IDLE: Duration = Duration::from_secs(50);

/// Requests that may wait for each one that may be under way.
const WAITING: usize = 8;

/// Redirects that are followed within one origin, where nothing secret is sent.
const MAX_REDIRECTS: usize = 3;

/// Longest file of certificates, in bytes: the bundle of a system has 250 KB.
const MAX_PEM: u64 = 1 << 20;

/// One request.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) authorization: Option<String>,
    pub(crate) accept: &'static str,
    pub(crate) form: Option<String>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Outgoing {
    /// A request for something public.
    pub(crate) fn get(url: &str) -> Self {
        Self {
            method: Method::Get,
            url: url.to_owned(),
            authorization: None,
            accept: "application/json",
            form: None,
            headers: Vec::new(),
        }
    }
}

/// One answer.
#[derive(Clone)]
pub(crate) struct Incoming {
    pub(crate) status: u16,
    content_type: String,
    www_authenticate: String,
    location: String,
    /// When the provider says that it answered.
    pub(crate) date: Option<SystemTime>,
    /// `max-age` of `Cache-Control`, in seconds; nought for `no-cache` and `no-store`.
    pub(crate) max_age: Option<u32>,
    pub(crate) body: Vec<u8>,
}

impl Incoming {
    pub(crate) fn answer(&self) -> Answer<'_> {
        Answer {
            status: self.status,
            content_type: &self.content_type,
            www_authenticate: &self.www_authenticate,
            body: &self.body,
        }
    }

    fn new(response: &Response, body: Vec<u8>) -> Self {
        let headers = response.headers();
        let text = |name| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default()
        };
        let content_type = text(header::CONTENT_TYPE).split(';').next();
        Self {
            status: response.status().as_u16(),
            content_type: content_type.unwrap_or_default().trim().to_owned(),
            www_authenticate: text(header::WWW_AUTHENTICATE).to_owned(),
            location: text(header::LOCATION).to_owned(),
            date: httpdate::parse_http_date(text(header::DATE)).ok(),
            max_age: max_age(headers),
            body,
        }
    }
}

/// RFC 9111 section 5.2.2; the first `max-age` counts.
fn max_age(headers: &HeaderMap) -> Option<u32> {
    let values = headers.get_all(header::CACHE_CONTROL).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let mut directives = values.flat_map(|value| value.split(',')).map(str::trim);
    directives.find_map(|directive| {
        if directive.eq_ignore_ascii_case("no-store") || directive.eq_ignore_ascii_case("no-cache")
        {
            return Some(0);
        }
        let (name, value) = directive.split_once('=')?;
        let seconds = value.trim_matches('"').parse().ok();
        seconds.filter(|_| name.eq_ignore_ascii_case("max-age"))
    })
}

/// Connections to one provider.
#[derive(Clone)]
pub(crate) struct HttpClient(Arc<Inner>);

struct Inner {
    provider: String,
    client: Client,
    settings: HttpSettings,
    /// Where everything happens.
    runtime: Handle,
    under_way: Semaphore,
    waiting: Semaphore,
    breaker: Mutex<Breaker>,
    started: Instant,
}

impl HttpClient {
    pub(crate) fn new(
        provider: &str,
        settings: &HttpSettings,
        runtime: Handle,
    ) -> Result<Self, HttpError> {
        let mut builder = Client::builder()
            .user_agent(concat!("gatepost/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(settings.concurrency)
            .tcp_nodelay(true);
        if let Some(path) = &settings.ca_file {
            let certificates = Certificate::from_pem_bundle(&read_pem(path)?);
            let certificates = certificates.map_err(|error| HttpError::pem(path, &error))?;
            if certificates.is_empty() {
                return Err(HttpError::NoCertificate { path: path.clone() });
            }
            builder = builder.tls_certs_only(certificates);
        }
        if let Some((chain, key)) = &settings.client_certificate {
            let mut pem = read_pem(chain)?;
            pem.push(b'\n');
            pem.extend(read_pem(key)?);
            let identity = Identity::from_pem(&pem);
            builder = builder.identity(identity.map_err(|error| HttpError::pem(chain, &error))?);
        }
        let client = builder
            .build()
            .map_err(|error| HttpError::Setup(describe(&error)))?;
        Ok(Self(Arc::new(Inner {
            provider: provider.to_owned(),
            client,
            settings: settings.clone(),
            runtime,
            under_way: Semaphore::new(settings.concurrency),
            waiting: Semaphore::new(settings.concurrency.saturating_mul(WAITING + 1)),
            breaker: Mutex::default(),
            started: Instant::now(),
        })))
    }

    /// What the operator calls the provider.
    pub(crate) fn provider(&self) -> &str {
        &self.0.provider
    }

    /// Asks once; a connection that breaks before any of the answer came is tried once more.
    pub(crate) async fn send(&self, outgoing: Outgoing) -> Result<Incoming, FetchFailure> {
        let inner = Arc::clone(&self.0);
        let task = self
            .0
            .runtime
            .spawn(async move { inner.send(&outgoing).await });
        task.await.unwrap_or(Err(FetchFailure::NotAsked))
    }

    /// Gets something public, and follows redirects within its origin.
    pub(crate) async fn get(&self, url: &str) -> Result<Incoming, FetchFailure> {
        let mut url = url.to_owned();
        for _ in 0..MAX_REDIRECTS {
            let incoming = self.send(Outgoing::get(&url)).await?;
            match redirected(&url, &incoming) {
                Some(next) => url = next,
                None => return Ok(incoming),
            }
        }
        self.send(Outgoing::get(&url)).await
    }
}

/// Where a redirect leads, if it stays within the origin (RFC 6454 section 4).
fn redirected(from: &str, incoming: &Incoming) -> Option<String> {
    if !matches!(incoming.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let from = Url::parse(from).ok()?;
    let to = from.join(&incoming.location).ok()?;
    (from.origin() == to.origin()).then(|| to.into())
}

impl Inner {
    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, outgoing: &Outgoing) -> Result<Incoming, FetchFailure> {
        let Ok(_waiting) = self.waiting.try_acquire() else {
            tracing::warn!(
                provider = self.provider,
                "not asked: too many questions wait"
            );
            return Err(FetchFailure::NotAsked);
        };
        if !self.breaker().permits(self.started.elapsed()) {
            return Err(FetchFailure::NotAsked);
        }
        let outcome = timeout(self.settings.timeout, self.send_in_turn(outgoing)).await;
        let outcome = outcome.unwrap_or(Err(FetchFailure::Timeout));
        let is_good = outcome.as_ref().is_ok_and(|incoming| incoming.status < 500);
        let change = if is_good {
            self.breaker().succeeded()
        } else {
            self.breaker().failed(self.started.elapsed())
        };
        match change {
            Some(Change::Opened(pause)) => tracing::warn!(
                provider = self.provider,
                seconds = pause.as_secs(),
                "provider left alone: it keeps failing"
            ),
            Some(Change::Closed) => tracing::info!(provider = self.provider, "provider is back"),
            None => {}
        }
        outcome
    }

    async fn send_in_turn(&self, outgoing: &Outgoing) -> Result<Incoming, FetchFailure> {
        // Never closed, so that there is always a turn to wait for.
        let _turn = self.under_way.acquire().await;
        match self.send_once(outgoing).await {
            Err(FetchFailure::Connection) => self.send_once(outgoing).await,
            outcome => outcome,
        }
    }

    async fn send_once(&self, outgoing: &Outgoing) -> Result<Incoming, FetchFailure> {
        let url = self.checked(&outgoing.url)?;
        let mut request = match outgoing.method {
            Method::Get => self.client.get(url),
            Method::Post => self.client.post(url),
        };
        request = request.header(header::ACCEPT, outgoing.accept);
        if let Some(authorization) = &outgoing.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        for (name, value) in &outgoing.headers {
            request = request.header(*name, value);
        }
        if let Some(form) = &outgoing.form {
            request = request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.clone());
        }
        let mut response = request.send().await.map_err(|error| self.failure(&error))?;
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.failure(&error))?
        {
            if body.len() + chunk.len() > Answer::MAX_LEN {
                tracing::warn!(provider = self.provider, "answer longer than 64 KiB");
                return Err(FetchFailure::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Incoming::new(&response, body))
    }

    /// Tokens and keys do not travel in clear, but within this host.
    fn checked(&self, url: &str) -> Result<Url, FetchFailure> {
        let refused = |reason: &str| {
            tracing::error!(provider = self.provider, reason, "not asked");
            Err(FetchFailure::NotAsked)
        };
        let Ok(url) = Url::parse(url) else {
            return refused("its URL is none: correct it");
        };
        match url.scheme() {
            "https" => Ok(url),
            "http" if self.settings.allow_http || is_loopback(&url) => Ok(url),
            "http" => refused("plain http to another host: use https, or write allow_http = true"),
            _ => refused("neither https nor http: correct its URL"),
        }
    }

    fn failure(&self, error: &reqwest::Error) -> FetchFailure {
        tracing::warn!(
            provider = self.provider,
            error = describe(error),
            "provider not reached"
        );
        if error.is_timeout() {
            FetchFailure::Timeout
        } else if is_tls(error) {
            FetchFailure::Tls
        } else {
            FetchFailure::Connection
        }
    }
}

/// Whether `url` leads to this very host.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => {
            let host = host.trim_matches(['[', ']']);
            host.parse()
                .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
        }
        None => false,
    }
}

/// What went wrong, from the outermost cause to the innermost, without the URL: it may hold a token.
fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    let mut cause = match error.downcast_ref::<reqwest::Error>() {
        Some(outer) => std::error::Error::source(outer),
        None => Some(error),
    };
    while let Some(error) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        cause = error.source();
    }
    if text.is_empty() {
        "no answer".to_owned()
    } else {
        text
    }
}

fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.is::<rustls::Error>() {
            return true;
        }
        // hyper wraps what rustls reports into an I/O error.
        let inner = error.downcast_ref::<std::io::Error>();
        let inner = inner.and_then(std::io::Error::get_ref);
        if let Some(inner) = inner
            && inner.is::<rustls::Error>()
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Why a provider could never be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// A file of certificates or keys cannot be read.
    #[error("{}: {source}; let gatepost read it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is longer than any file of certificates.
    #[error("{}: longer than a megabyte; name a file of certificates in PEM", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// It holds no certificate.
    #[error("{}: no certificate in it; name a file of certificates in PEM", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// It is not what it should be.
    #[error("{}: {reason}; it has to be PEM", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The rest, such as no certificates of the system at all.
    #[error("{0}")]
    Setup(String),
}

impl HttpError {
    fn pem(path: &Path, error: &reqwest::Error) -> Self {
        Self::Pem {
            path: path.to_owned(),
            reason: describe(error),
        }
    }
}

fn read_pem(path: &Path) -> Result<Vec<u8>, HttpError> {
    let unreadable = |source| HttpError::Unreadable {
        path: path.to_owned(),
        source,
    };
    if fs::metadata(path).map_err(unreadable)?.len() > MAX_PEM {
        return Err(HttpError::TooLong {
            path: path.to_owned(),
        });
    }
    fs::read(path).map_err(unreadable)
}
