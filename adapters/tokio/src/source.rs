//! Where one provider's keys and endpoints come from: its metadata, its JWK Set, and the disk meanwhile.

mod asks;
mod disk;
mod looks;
mod metadata;
mod shared;
mod told;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatepost_core::{
    UnixTime,
    crypto::{AlgorithmSet, Backend},
    provider::{self, Document, Freshness, Look, LookFailure, LookReason, Metadata, Step},
};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::http::{HttpClient, Incoming};
use crate::keys;
use crate::providers::now;
use crate::settings::ProviderSettings;
use crate::statistics::EndpointKind;
use crate::trouble::Trouble;
pub(crate) use asks::Asker;
use asks::Asks;
use disk::Disk;
pub(crate) use disk::Kept;
pub(crate) use shared::Shared;
use told::Told;

/// How long a login waits for them: a provider that answers slowly is told apart from one that does not by
/// the next login.
const LOGIN_PATIENCE: Duration = Duration::from_secs(5);

/// One provider's source.
#[derive(Clone)]
pub(crate) struct Source(Arc<Inner>);

struct Inner {
    http: HttpClient,
    name: String,
    issuer: Option<String>,
    metadata_url: Option<String>,
    key_set_url: Option<String>,
    discovers: bool,
    /// Whether its keys come from here, not from files.
    finds_keys: bool,
    algorithms: AlgorithmSet,
    disk: Option<Disk>,
    kept: Mutex<Option<Arc<Kept>>>,
    told: Told,
    asks: Asks,
    has_looked: watch::Sender<bool>,
}

impl Source {
    pub(crate) fn new(
        http: &HttpClient,
        settings: &ProviderSettings,
        state: Option<&Path>,
        kept: Option<Arc<Kept>>,
    ) -> Self {
        let online = settings.online.as_ref();
        let key_set_url = online.and_then(|online| online.key_set_url.clone());
        let metadata_url = online.and_then(|online| online.metadata_url.clone());
        let identity = settings.issuer.clone().or_else(|| key_set_url.clone());
        let disk = state.zip(identity).map(|(state, identity)| {
            // Two providers may share an issuer and differ in where its keys are.
            let place = key_set_url.as_deref().or(metadata_url.as_deref());
            Disk::new(state, &settings.name, identity, place.unwrap_or_default())
        });
        Self(Arc::new(Inner {
            http: http.clone(),
            name: settings.name.clone(),
            issuer: settings.issuer.clone(),
            metadata_url,
            key_set_url,
            discovers: online.is_some_and(|online| online.discovery),
            finds_keys: settings.keys.is_empty(),
            algorithms: settings.algorithms,
            disk,
            kept: Mutex::new(kept),
            told: Told::new(settings),
            asks: Asks::default(),
            has_looked: watch::Sender::new(false),
        }))
    }

    /// What was known last.
    pub(crate) fn kept(&self) -> Option<Arc<Kept>> {
        self.0.kept().clone()
    }

    /// Publishes what the generation before has known.
    pub(crate) fn recover<B>(&self, index: usize, backend: &B, shared: &Shared)
    where
        B: Backend,
        B::Key: 'static,
    {
        if let Some(kept) = self.kept() {
            self.0.recover(index, backend, shared, kept);
        }
    }

    /// Publishes what lies on disk, where nothing better is known.
    async fn recover_from_disk<B>(&self, index: usize, backend: &B, shared: &Shared)
    where
        B: Backend,
        B::Key: 'static,
    {
        if let (Some(disk), None) = (&self.0.disk, self.kept())
            && let Some(kept) = disk.read().await
        {
            self.0.recover(index, backend, shared, Arc::new(kept));
        }
    }

    /// Waits until the provider has been looked for once.
    pub(crate) async fn looked_for(&self) {
        // Fails only with the last sender, which lives here.
        let _ = self
            .0
            .has_looked
            .subscribe()
            .wait_for(|looked| *looked)
            .await;
    }

    /// When the keys were fetched.
    pub(crate) fn fetched_at(&self) -> Option<UnixTime> {
        Some(self.kept()?.fetched_at())
    }

    /// Looks that were taken because somebody asked.
    pub(crate) fn looks(&self) -> u64 {
        self.0.asks.looks()
    }

    /// Waits for a look because of a key that is not known, as far as `asker` may cause one.
    pub(crate) async fn refresh(&self, reason: LookReason, asker: Asker) -> Freshness {
        match self.0.asks.join(reason, asker) {
            Err(freshness) => freshness,
            Ok(freshness) => match timeout(LOGIN_PATIENCE, freshness).await {
                Ok(Ok(freshness)) => freshness,
                _ => Freshness::Unavailable,
            },
        }
    }

    /// Looks whenever it is time to.
    pub(crate) async fn keep_current<B>(self, index: usize, backend: B, shared: Arc<Shared>)
    where
        B: Backend + Send + Sync + 'static,
        B::Key: 'static,
    {
        let inner = &*self.0;
        self.recover_from_disk(index, &backend, &shared).await;
        if let Some(kept) = self.kept() {
            inner.asks.recover(kept.fetched_at());
        }
        loop {
            inner.asks.due().await;
            let waited = inner.asks.begin();
            let mut look = Look::new(inner.source());
            let found = inner.look(&mut look, index, &backend, &shared).await;
            let ended = inner.asks.end(look.step(), waited);
            if ended.is_over && self.kept().is_some() {
                inner.forget(index, &shared);
            }
            if let (Some(disk), Some(kept)) = (&inner.disk, found)
                && inner.finds_keys
            {
                disk.write(kept).await;
            }
            inner.has_looked.send_replace(true);
        }
    }
}

impl Inner {
    fn kept(&self) -> std::sync::MutexGuard<'_, Option<Arc<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn source(&self) -> provider::Source<'_> {
        provider::Source {
            issuer: self.issuer.as_deref(),
            metadata_url: self.metadata_url.as_deref(),
            key_set_url: self.key_set_url.as_deref(),
            discovers: self.discovers,
            finds_keys: self.finds_keys,
        }
    }

    /// Publishes what was known before, where it is not too old.
    fn recover<B>(&self, index: usize, backend: &B, shared: &Shared, kept: Arc<Kept>)
    where
        B: Backend,
        B::Key: 'static,
    {
        if !self.asks.is_over(kept.fetched_at())
            && self.take(index, backend, shared, &kept).is_some()
        {
            *self.kept() = Some(kept);
        }
    }

    /// Takes `look` to its end; gives what is to be kept, where everything was found.
    async fn look<B>(
        &self,
        look: &mut Look<'_>,
        index: usize,
        backend: &B,
        shared: &Shared,
    ) -> Option<Arc<Kept>>
    where
        B: Backend,
        B::Key: 'static,
    {
        let (mut metadata, mut parsed) = (None, None);
        while let Step::Get(document, url) = look.step() {
            let url = url.to_owned();
            let Some(incoming) = self.get(look, document, &url).await else {
                continue;
            };
            match document {
                Document::Metadata => match look.metadata(&incoming.body) {
                    Ok(found) => {
                        parsed = Some(found);
                        metadata = Some(incoming.body);
                    }
                    Err(error) => self.complain(&url, error, &incoming),
                },
                Document::KeySet => {
                    let kept = Kept::new(now(), metadata.take(), Some((url, incoming.body)));
                    return self.publish(look, index, backend, shared, (kept, incoming.max_age));
                }
            }
        }
        match look.step() {
            Step::Found(max_age) => {
                let kept = Kept::new(now(), metadata, None);
                self.publish(look, index, backend, shared, (kept, max_age))
            }
            step => {
                self.tell_failure(step, parsed.as_ref());
                None
            }
        }
    }

    /// Gets a document; tells `look` where there is none.
    async fn get(&self, look: &mut Look<'_>, document: Document, url: &str) -> Option<Incoming> {
        let (kind, name) = match document {
            Document::Metadata => (EndpointKind::Metadata, "metadata"),
            Document::KeySet => (EndpointKind::KeySet, "JWK Set"),
        };
        let Ok(incoming) = self.http.get(kind, url).await else {
            look.not_reached();
            return None;
        };
        // What is kept is text.
        if incoming.status == 200 && str::from_utf8(&incoming.body).is_ok() {
            return Some(incoming);
        }
        self.report(name, url, &incoming);
        look.not_found();
        None
    }

    /// Publishes what was found, and tells `look` whether it is any good.
    fn publish<B>(
        &self,
        look: &mut Look<'_>,
        index: usize,
        backend: &B,
        shared: &Shared,
        (kept, max_age): (Kept, Option<u32>),
    ) -> Option<Arc<Kept>>
    where
        B: Backend,
        B::Key: 'static,
    {
        let number = self.take(index, backend, shared, &kept);
        if kept.key_set().is_some() || number.is_none() {
            look.key_set(number.unwrap_or(0), max_age);
        }
        let keys = number?;
        tracing::info!(provider = self.name, keys, max_age, "provider found");
        let kept = Arc::new(kept);
        *self.kept() = Some(Arc::clone(&kept));
        Some(kept)
    }

    /// Tells the operator why a look has found nothing, as far as that was not said of a document.
    fn tell_failure(&self, step: Step<'_>, metadata: Option<&Metadata>) {
        let advice = match step {
            Step::Failed(LookFailure::NoKeySetUrl) => {
                "its metadata name no jwks_uri that can be used: write key_set_url or keys"
            }
            Step::Failed(LookFailure::UrlTooLong) => {
                "its issuer is too long for a URL: write metadata_url or key_set_url"
            }
            _ => return,
        };
        if let Some(metadata) = metadata {
            self.told.tell(&self.name, metadata, &[]);
        }
        tracing::warn!(provider = self.name, advice, "no keys found");
    }

    /// Publishes what `kept` holds, and gives the number of keys; `None` where it is no good.
    fn take<B>(&self, index: usize, backend: &B, shared: &Shared, kept: &Kept) -> Option<usize>
    where
        B: Backend,
        B::Key: 'static,
    {
        let metadata = match (kept.metadata(), self.issuer.as_deref()) {
            (Some(body), Some(issuer)) => {
                let url = self.metadata_url.as_deref().unwrap_or(issuer);
                Metadata::parse_from(url, issuer, body.as_bytes()).ok()?
            }
            _ => Metadata::default(),
        };
        let mut found_keys = None;
        if let Some((url, body)) = kept.key_set() {
            let mut warnings = Vec::new();
            let body = body.as_bytes();
            let found = keys::of_answer(backend, self.algorithms, url, body, &mut warnings);
            self.told.tell(&self.name, &metadata, &warnings);
            let Some(found) = found.filter(|found| !found.is_empty()) else {
                tracing::warn!(
                    provider = self.name,
                    url,
                    "no keys found: not a JWK Set, or none usable"
                );
                return None;
            };
            let hits = shared.signature_hits(index);
            found_keys = Some(shared.signatures.remembered(found, &hits));
        } else {
            self.told.tell(&self.name, &metadata, &[]);
        }
        let number = found_keys.as_ref().map_or(0, Vec::len);
        shared.replace(index, |found| {
            found.metadata = metadata;
            if let Some(keys) = found_keys {
                found.keys = keys;
            }
        });
        Some(number)
    }

    /// Keys that have not been seen for so long are used no more.
    fn forget(&self, index: usize, shared: &Shared) {
        tracing::error!(
            provider = self.name,
            "keys dropped: the provider has not been reached for a week"
        );
        *self.kept() = None;
        if self.finds_keys {
            shared.replace(index, |found| found.keys.clear());
        }
    }

    /// Tells the operator what is wrong with a document.
    fn report(&self, endpoint: &'static str, url: &str, incoming: &Incoming) {
        let trouble = Trouble::of(endpoint, url, Ok(incoming), false);
        self.http.report(&trouble);
    }
}
