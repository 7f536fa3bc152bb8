//! Where one provider's keys and endpoints come from: its metadata, its JWK Set, and the disk meanwhile.

mod disk;
mod metadata;
mod told;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatepost_core::{
    UnixTime,
    crypto::{AlgorithmSet, Backend},
    exchange::NewerKeysQuery,
    provider::{KeySetLife, Metadata},
};
use tokio::sync::{Mutex as TokenMutex, Notify, Semaphore, mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};

use crate::http::{HttpClient, Incoming};
use crate::keys;
use crate::providers::now;
use crate::remembered::Signatures;
use crate::settings::ProviderSettings;
use crate::statistics::{EndpointKind, Hits};
use crate::trouble::Trouble;
use crate::trust::{Found, Owned, Trust};
use disk::Disk;
pub(crate) use disk::Kept;
use told::Told;

/// Logins that wait for one provider's keys; one more is told at once that they cannot be fetched.
const WAITING: usize = 64;

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

/// What all sources of one generation publish together.
pub(crate) struct Shared {
    owned: Mutex<Owned>,
    publish: watch::Sender<Arc<Trust>>,
    signatures: Signatures,
    signature_hits: Vec<Arc<Hits>>,
}

impl Shared {
    pub(crate) fn new(
        owned: Owned,
        publish: watch::Sender<Arc<Trust>>,
        signatures: Signatures,
        signature_hits: Vec<Arc<Hits>>,
    ) -> Self {
        Self {
            owned: Mutex::new(owned),
            publish,
            signatures,
            signature_hits,
        }
    }

    /// Replaces what is known of one provider, and nothing of any other.
    fn replace(&self, index: usize, change: impl FnOnce(&mut Found)) {
        let mut owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = owned.found.get_mut(index) {
            change(found);
            found.generation = found.generation.saturating_add(1);
            self.publish
                .send_replace(Arc::new(Trust::build(owned.clone())));
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
    asks: mpsc::Sender<Ask>,
    /// Taken by the task that answers.
    asked: TokenMutex<mpsc::Receiver<Ask>>,
    waiting: Semaphore,
    life: Mutex<KeySetLife>,
    /// Whether somebody is looking: whoever asks meanwhile waits for that very look.
    is_looking: AtomicBool,
    first_look: Notify,
    has_looked: watch::Sender<bool>,
}

/// A login that waits for a key.
struct Ask {
    query: NewerKeysQuery,
    reply: oneshot::Sender<Freshness>,
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
            Disk::new(state, identity, place.unwrap_or_default())
        });
        let (asks, asked) = mpsc::channel(WAITING);
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
            asks,
            asked: TokenMutex::new(asked),
            waiting: Semaphore::new(WAITING),
            life: Mutex::default(),
            is_looking: AtomicBool::new(false),
            first_look: Notify::new(),
            has_looked: watch::Sender::new(false),
        }))
    }

    /// What was known last.
    pub(crate) fn kept(&self) -> Option<Arc<Kept>> {
        self.0.kept().clone()
    }

    /// Publishes what is known from before.
    pub(crate) fn recover<B>(&self, index: usize, backend: &B, shared: &Shared)
    where
        B: Backend,
        B::Key: 'static,
    {
        let inner = &*self.0;
        let kept = self.kept();
        let kept = kept.or_else(|| Some(Arc::new(inner.disk.as_ref()?.read(&inner.name)?)));
        let Some(kept) = kept else { return };
        let life = KeySetLife::recovered(kept.fetched_at());
        if life.is_over(now()) {
            return;
        }
        if inner.take(index, backend, shared, &kept).is_some() {
            *inner.kept() = Some(kept);
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

    /// What a look would come to where none is due: it was done a moment ago.
    pub(crate) fn freshness(&self, query: NewerKeysQuery) -> Option<Freshness> {
        let life = self.0.life();
        let may_ask = if query.is_key_known {
            life.may_doubt_known_key(now())
        } else {
            life.may_ask_for_unknown_key(now())
        };
        let is_due = life.due_in(now()) == 0 || may_ask;
        if is_due || self.0.is_looking.load(Ordering::SeqCst) {
            return None;
        }
        Some(Freshness::of(&life, query.issued_at))
    }

    /// Asks for a look because of a key that is not known.
    pub(crate) async fn refresh(&self, query: NewerKeysQuery) -> Freshness {
        let Ok(_place) = self.0.waiting.try_acquire() else {
            return Freshness::Unavailable;
        };
        let (reply, freshness) = oneshot::channel();
        if self.0.asks.try_send(Ask { query, reply }).is_err() {
            return Freshness::Unavailable;
        }
        match timeout(LOGIN_PATIENCE, freshness).await {
            Ok(Ok(freshness)) => freshness,
            _ => Freshness::Unavailable,
        }
    }

    /// Looks whenever it is time to.
    pub(crate) async fn keep_current<B>(self, index: usize, backend: B, shared: Arc<Shared>)
    where
        B: Backend + Send + Sync + 'static,
        B::Key: 'static,
    {
        let inner = &*self.0;
        let mut asked = inner.asked.lock().await;
        if let Some(kept) = self.kept() {
            *inner.life() = KeySetLife::recovered(kept.fetched_at());
        }
        loop {
            let due = Duration::from_secs(inner.life().due_in(now()).into()).min(MAX_SLEEP);
            let ask = tokio::select! {
                ask = asked.recv() => ask,
                () = sleep(due) => None,
            };
            if inner.begins_to_look(ask.as_ref().map(|ask| ask.query)) {
                let found = inner.look(index, &backend, &shared).await;
                inner.end_looking(|life| match found {
                    Some(max_age) => life.fetched(now(), max_age),
                    None => life.failed(now()),
                });
                inner.has_looked.send_replace(true);
                inner.first_look.notify_waiters();
                let is_over = inner.life().is_over(now());
                if is_over && self.kept().is_some() {
                    inner.forget(index, &shared);
                }
                // Whoever asked meanwhile has waited for this very look.
                let mut waiting = ask;
                while let Some(ask) = waiting {
                    let _ = ask.reply.send(match found {
                        Some(_) => Freshness::Current,
                        None => Freshness::Unavailable,
                    });
                    waiting = asked.try_recv().ok();
                }
            } else if let Some(ask) = ask {
                let freshness = Freshness::of(&inner.life(), ask.query.issued_at);
                let _ = ask.reply.send(freshness);
            }
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

    /// Whether it is time to look, or somebody asks and that is not too soon.
    fn begins_to_look(&self, asked: Option<NewerKeysQuery>) -> bool {
        let mut life = self.life();
        let is_due = life.due_in(now()) == 0;
        let looks = is_due
            || asked.is_some_and(|query| {
                if query.is_key_known {
                    life.doubt_known_key(now())
                } else {
                    life.ask_for_unknown_key(now())
                }
            });
        self.is_looking.store(looks, Ordering::SeqCst);
        looks
    }

    fn end_looking(&self, note: impl FnOnce(&mut KeySetLife)) {
        let mut life = self.life();
        note(&mut life);
        self.is_looking.store(false, Ordering::SeqCst);
    }

    /// Fetches metadata and keys; gives how long they say to be good, or `None` where they cannot be fetched.
    async fn look<B>(&self, index: usize, backend: &B, shared: &Shared) -> Option<Option<u32>>
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
        if let Some(disk) = &self.disk
            && self.finds_keys
        {
            disk.write(&kept, &self.name);
        }
        *self.kept() = Some(kept);
        Some(max_age)
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
            let hits = shared
                .signature_hits
                .get(index)
                .cloned()
                .unwrap_or_default();
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
