//! Asking a provider over HTTP: bounded in time, length and number, and never more than once too often.
//!
//! All of it happens on one runtime, whichever thread waits for the answer, so that logins share its
//! connections and a slow handshake stops nobody's verifying.

mod fault;
mod gate;
mod limited;
mod message;
mod probe;
mod resolve;
mod tls;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use gatepost_core::introspection::Method;
use gatepost_core::provider::RequestOutcome;
use reqwest::header;
use reqwest::{Client, Url, redirect};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};

use crate::network::Network;
use crate::settings::HttpSettings;
use crate::statistics::{EndpointKind, EndpointStatistics, RequestResult};
use crate::trouble::{Reason, Trouble};
use fault::describe;
pub use fault::{Fault, TlsFault};
pub(crate) use gate::Gate;
pub(crate) use limited::Limited;
use message::redirected;
pub(crate) use message::{Incoming, Outgoing};
use resolve::SystemResolver;
pub use tls::HttpError;

/// How long a connection is kept that nobody uses: less than common servers and load balancers do.
const IDLE: Duration = Duration::from_secs(50);

/// Redirects that are followed within one origin, where nothing secret is sent.
const MAX_REDIRECTS: usize = 3;

/// Connections to one provider.
#[derive(Clone)]
pub(crate) struct HttpClient(Arc<Inner>);

struct Inner {
    provider: String,
    client: Client,
    settings: HttpSettings,
    /// Where everything happens.
    runtime: Handle,
    gate: Arc<Gate>,
    /// Something public of the provider's.
    public_url: Option<String>,
    /// Whether it is being tried whether the provider is back.
    is_probing: AtomicBool,
}

impl HttpClient {
    /// Connections to `provider`, of which `public_url` is something that anybody may ask for, and `endpoint` what
    /// logins ask, as far as the settings say.
    pub(crate) fn new(
        provider: &str,
        settings: &HttpSettings,
        runtime: Handle,
        gate: &Arc<Gate>,
        (public_url, endpoint): (Option<&str>, Option<&str>),
    ) -> Result<Self, HttpError> {
        let client = Client::builder()
            .user_agent(concat!("gatepost/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(settings.concurrency)
            .tcp_nodelay(true)
            .connect_timeout(settings.timeout * 7 / 8)
            .dns_resolver(Arc::new(SystemResolver))
            .tls_backend_preconfigured(tls::config(settings)?)
            .build()
            .map_err(|error| HttpError::Setup(describe(&error)))?;
        let http = Self(Arc::new(Inner {
            provider: provider.to_owned(),
            client,
            settings: settings.clone(),
            runtime,
            gate: Arc::clone(gate),
            public_url: public_url.map(str::to_owned),
            is_probing: AtomicBool::new(false),
        }));
        if http.0.gate.probe_in().is_some() {
            http.0.probe(endpoint.unwrap_or_default());
        }
        Ok(http)
    }

    /// What logins share at the provider.
    pub(crate) fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// What the operator calls the provider.
    pub(crate) fn provider(&self) -> &str {
        &self.0.provider
    }

    /// Asks for a login of `network` when its turn has come.
    pub(crate) async fn send(
        &self,
        network: Network,
        outgoing: Outgoing,
    ) -> Result<Incoming, Fault> {
        let mut slot = self.0.gate.enter(network).await?;
        let inner = Arc::clone(&self.0);
        let task = self.0.runtime.spawn(async move {
            let outcome = inner.send(&outgoing).await;
            if slot.report(network, reported(outgoing.kind, &outcome)) {
                inner.probe(&outgoing.endpoint);
            }
            outcome
        });
        task.await.unwrap_or(Err(Fault::NotAsked))
    }

    /// Asks for something public, whether the provider is left alone by logins or not.
    async fn send_publicly(&self, outgoing: Outgoing) -> Result<Incoming, Fault> {
        let inner = Arc::clone(&self.0);
        let task = self.0.runtime.spawn(async move {
            let outcome = inner.send(&outgoing).await;
            if outcome.as_ref().is_ok_and(|incoming| incoming.status < 500) {
                inner.gate.has_answered();
            }
            outcome
        });
        task.await.unwrap_or(Err(Fault::NotAsked))
    }

    /// Asks once, whatever comes of it.
    pub(crate) async fn ask(&self, outgoing: Outgoing) -> Result<Incoming, Fault> {
        self.0.send(&outgoing).await
    }

    /// What has been asked.
    pub(crate) fn requests(&self) -> Vec<EndpointStatistics> {
        self.0.gate.requests.snapshot()
    }

    /// Tells the operator what is wrong with an answer, once in a while. Why there is none has been told.
    pub(crate) fn report(&self, trouble: &Trouble) {
        if matches!(trouble.reason, Reason::NotReached(_)) {
            return;
        }
        if let Some(left_out) = self.0.gate.troubles.permits(trouble.kind()) {
            tracing::warn!(
                provider = self.0.provider,
                endpoint = trouble.endpoint,
                url = trouble.url,
                status = trouble.status,
                content_type = trouble.content_type,
                retry_after = trouble.retry_after.map(|pause| pause.as_secs()),
                fault = trouble.reason.to_string(),
                advice = trouble.advice(),
                left_out = (left_out > 0).then_some(left_out),
                "answer not usable"
            );
        }
    }

    /// Asks for what `outgoing` names alone, and follows redirects within its origin: what it shows is for nobody else.
    pub(crate) async fn ask_within_origin(
        &self,
        make: impl Fn(&str) -> Outgoing,
        url: &str,
    ) -> Result<Incoming, Fault> {
        let mut url = url.to_owned();
        for _ in 0..MAX_REDIRECTS {
            let incoming = self.ask(make(&url)).await?;
            match redirected(&url, &incoming) {
                Some(next) => url = next,
                None => return Ok(incoming),
            }
        }
        self.ask(make(&url)).await
    }

    /// Gets something public, and follows redirects within its origin.
    pub(crate) async fn get(&self, kind: EndpointKind, url: &str) -> Result<Incoming, Fault> {
        let mut url = url.to_owned();
        for _ in 0..MAX_REDIRECTS {
            let incoming = self.send_publicly(Outgoing::get(kind, &url)).await?;
            match redirected(&url, &incoming) {
                Some(next) => url = next,
                None => return Ok(incoming),
            }
        }
        self.send_publicly(Outgoing::get(kind, &url)).await
    }
}

impl Inner {
    /// Asks once, within the time that a question may take from here; a connection that breaks before any of the
    /// answer came is tried once more.
    async fn send(&self, outgoing: &Outgoing) -> Result<Incoming, Fault> {
        let asked_at = Instant::now();
        let outcome = timeout(self.settings.timeout, self.send_twice(outgoing)).await;
        let outcome = outcome.unwrap_or_else(|_| {
            self.complain(Fault::TimedOut, "timeout_milliseconds have passed");
            Err(Fault::TimedOut)
        });
        let requests = &self.gate.requests;
        requests.count(outgoing.kind, result_of(&outcome), asked_at.elapsed());
        outcome
    }

    async fn send_twice(&self, outgoing: &Outgoing) -> Result<Incoming, Fault> {
        match self.send_once(outgoing).await {
            Err(Fault::Refused | Fault::Unreachable | Fault::NotResolved | Fault::Broken) => {
                self.send_once(outgoing).await
            }
            outcome => outcome,
        }
    }

    async fn send_once(&self, outgoing: &Outgoing) -> Result<Incoming, Fault> {
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
            if body.len() + chunk.len() > outgoing.max_len {
                let bytes = outgoing.max_len;
                tracing::warn!(
                    provider = self.provider,
                    bytes,
                    "answer longer than is taken"
                );
                return Err(Fault::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Incoming::new(&response, body))
    }

    /// Tokens and keys do not travel in clear, but within this host.
    fn checked(&self, url: &str) -> Result<Url, Fault> {
        let refused = |reason: &str| {
            tracing::error!(provider = self.provider, reason, "not asked");
            Err(Fault::NotAsked)
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

    fn failure(&self, error: &reqwest::Error) -> Fault {
        let fault = Fault::of(error);
        self.complain(fault, &describe(error));
        fault
    }

    /// Tells the operator why it is not reached, once in a while.
    fn complain(&self, fault: Fault, error: &str) {
        if let Some(left_out) = self.gate.complaints.permits(fault) {
            tracing::warn!(
                provider = self.provider,
                fault = fault.to_string(),
                advice = fault.advice(),
                error,
                left_out = (left_out > 0).then_some(left_out),
                "provider not reached"
            );
        }
    }
}

/// What the outcome of a login's question tells of the provider.
fn reported(kind: EndpointKind, outcome: &Result<Incoming, Fault>) -> RequestOutcome {
    match outcome {
        Ok(incoming) => {
            let is_of_one_user = kind == EndpointKind::Token;
            RequestOutcome::of_answer(incoming.status, incoming.pause(), is_of_one_user)
        }
        Err(fault) => RequestOutcome::of_failure((*fault).into()),
    }
}

fn result_of(outcome: &Result<Incoming, Fault>) -> RequestResult {
    match outcome {
        Ok(incoming) => match incoming.status {
            ..300 => RequestResult::Success,
            300..400 => RequestResult::Redirect,
            400..500 => RequestResult::ClientError,
            _ => RequestResult::ServerError,
        },
        Err(Fault::TimedOut | Fault::NotConnected) => RequestResult::TimedOut,
        Err(_) => RequestResult::Failed,
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
