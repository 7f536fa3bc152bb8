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
    exchange::NewerKeysQuery,
    provider::{KeySetLife, Metadata},
};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

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

/// How long a look for what is due is put off at most: the clock may be set meanwhile.
const MAX_SLEEP: Duration = Duration::from_mins(1);

/// What looking again for a key has come to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Freshness {
    /// All keys are known that could have signed the token.
    Current,
    /// The provider may have newer ones, which cannot be fetched now.
    Unavailable,
}

impl Freshness {
    fn of(life: &KeySetLife, issued_at: Option<UnixTime>) -> Self {
        if life.covers(now(), issued_at) {
            Self::Current
        } else {
            Self::Unavailable
        }
    }
}

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
    life: Mutex<KeySetLife>,
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
            life: Mutex::default(),
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
    pub(crate) async fn refresh(&self, query: NewerKeysQuery, asker: Asker) -> Freshness {
        let is_due = self.0.life().due_in(now()) == 0;
        match self.0.asks.join(query, asker, is_due) {
            None => Freshness::of(&self.0.life(), query.issued_at),
            Some(freshness) => match timeout(LOGIN_PATIENCE, freshness).await {
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
            *inner.life() = KeySetLife::recovered(kept.fetched_at());
        }
        loop {
            let due = Duration::from_secs(inner.life().due_in(now()).into()).min(MAX_SLEEP);
            let is_wanted = tokio::select! {
                () = inner.asks.wanted() => true,
                () = sleep(due) => false,
            };
            if !is_wanted && inner.life().due_in(now()) > 0 {
                continue;
            }
            let waiting = inner.asks.begin();
            let found = inner.look(index, &backend, &shared).await;
            match &found {
                Some((max_age, _)) => inner.life().fetched(now(), *max_age),
                None => inner.life().failed(now()),
            }
            let freshness = match found {
                Some(_) => Freshness::Current,
                None => Freshness::Unavailable,
            };
            for reply in waiting {
                // It may be gone.
                let _ = reply.send(freshness);
            }
            for (reply, issued_at) in inner.asks.end() {
                // It came while the answer was on its way: a newer key may not have been in it.
                let _ = reply.send(match freshness {
                    Freshness::Current => Freshness::of(&inner.life(), issued_at),
                    Freshness::Unavailable => freshness,
                });
            }
            let is_over = inner.life().is_over(now());
            if is_over && self.kept().is_some() {
                inner.forget(index, &shared);
            }
            if let (Some(disk), Some((_, kept))) = (&inner.disk, found)
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

    fn life(&self) -> std::sync::MutexGuard<'_, KeySetLife> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes what was known before, where it is not too old.
    fn recover<B>(&self, index: usize, backend: &B, shared: &Shared, kept: Arc<Kept>)
    where
        B: Backend,
        B::Key: 'static,
    {
        let life = KeySetLife::recovered(kept.fetched_at());
        if !life.is_over(now()) && self.take(index, backend, shared, &kept).is_some() {
            *self.kept() = Some(kept);
        }
    }

    /// Fetches metadata and keys; gives how long they say to be good, and what is to be kept, or `None` where they
    /// cannot be fetched.
    async fn look<B>(
        &self,
        index: usize,
        backend: &B,
        shared: &Shared,
    ) -> Option<(Option<u32>, Arc<Kept>)>
    where
        B: Backend,
        B::Key: 'static,
    {
        let metadata = if self.discovers {
            Some(self.fetch_metadata().await?)
        } else {
            None
        };
        let parsed = metadata.as_ref().map(|(_, parsed)| parsed);
        let discovered = parsed.and_then(|parsed| parsed.key_set.as_deref());
        let url = self.key_set_url.as_deref().or(discovered);
        let mut max_age = None;
        let mut key_set = None;
        if self.finds_keys {
            let Some(url) = url else {
                if let Some(metadata) = parsed {
                    self.told.tell(&self.name, metadata, &[]);
                }
                let advice =
                    "its metadata name no jwks_uri that can be used: write key_set_url or keys";
                tracing::warn!(provider = self.name, advice, "no keys found");
                return None;
            };
            let incoming = self.fetch(url).await?;
            max_age = incoming.max_age;
            key_set = Some((url.to_owned(), incoming.body));
        }
        let kept = Arc::new(Kept::new(
            now(),
            metadata.map(|(body, _)| body),
            key_set.and_then(|(url, body)| Some((url, String::from_utf8(body).ok()?))),
        ));
        let number = self.take(index, backend, shared, &kept)?;
        tracing::info!(
            provider = self.name,
            keys = number,
            max_age,
            "provider found"
        );
        *self.kept() = Some(Arc::clone(&kept));
        Some((max_age, kept))
    }

    /// Publishes what `kept` holds, and gives the number of keys; `None` where it is no good.
    fn take<B>(&self, index: usize, backend: &B, shared: &Shared, kept: &Kept) -> Option<usize>
    where
        B: Backend,
        B::Key: 'static,
    {
        let metadata = match (kept.metadata(), self.issuer.as_deref()) {
            (Some(body), Some(issuer)) => self.read_metadata(issuer, body.as_bytes()).ok()?,
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

    async fn fetch(&self, url: &str) -> Option<Incoming> {
        let incoming = self.http.get(EndpointKind::KeySet, url).await.ok()?;
        if incoming.status == 200 {
            return Some(incoming);
        }
        self.report("JWK Set", url, &incoming);
        None
    }
}
