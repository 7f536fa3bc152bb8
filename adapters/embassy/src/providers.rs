//! What is known of the providers: their keys, where they are asked, and when they are looked at again.
//!
//! Everything here belongs to the executor that judges; what has to be fetched goes out as an errand.

use core::cell::{Cell, OnceCell, RefCell, RefMut};

use embassy_futures::select::{Either, select};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::channel::Channel;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Instant, Timer, with_timeout};
use gatepost_core::{
    UnixTime, exchange,
    exchange::{NewerKeysQuery, TrustedKey},
    introspection::{Endpoints, FetchFailure, Request},
    provider::{
        Asker, Breaker, Change, KeySetLife, LeftOut as LeftOutOfMetadata, Metadata, MetadataError,
        RequestOutcome, Url, write_oauth_url, write_oidc_url,
    },
};
use heapless::Vec;

use crate::clock::Clock;
use crate::errands::{Errand, Errands, Incoming};
use crate::http::{Writer, write_get, write_request};
use crate::keys::{KeyRing, KeyType, LeftOut};
use crate::settings::{OnlineSettings, ProviderSettings};

/// How long a look for what is due is put off at most, in seconds: the clock may be set meanwhile.
const MAX_SLEEP: u32 = 60;

/// How long a login waits for newer keys: two requests that time out.
const PATIENCE: Duration = Duration::from_secs(6);

/// Logins that may wait for newer keys at once; one more is told that there are none.
const ASKING: usize = 8;

/// The providers of an image: up to `KEYS` keys, whose numbers take up to `ARENA` bytes.
pub struct Providers<const N: usize, const KEYS: usize, const ARENA: usize> {
    all: [Provider; N],
    ring: RefCell<KeyRing<KEYS, ARENA>>,
    /// Room for the payload of the one token that is being verified, then for what is said about it.
    scratch: RefCell<&'static mut [u8]>,
    asks: Channel<CriticalSectionRawMutex, Ask, ASKING>,
    /// How they are asked; `None` where that is never done.
    errands: Option<&'static Errands>,
    pub(crate) clock: &'static Clock,
}

struct Provider {
    settings: &'static ProviderSettings,
    /// Where its metadata said first that it is asked about tokens.
    endpoint: OnceCell<Url>,
    /// What could not be used of the metadata that were read last.
    left_out: RefCell<Vec<LeftOutOfMetadata, 4>>,
    life: RefCell<KeySetLife>,
    breaker: RefCell<Breaker>,
    /// When it was looked at last, and with what success.
    looked_at: Cell<Option<(Instant, Freshness)>>,
    /// Counts how often its keys have been replaced.
    generation: Cell<u32>,
}

/// A login that waits for a key.
struct Ask {
    query: NewerKeysQuery,
    since: Instant,
    reply: &'static Seat,
}

/// What looking again for a key has come to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Freshness {
    /// All keys are known that could have signed the token.
    Current,
    /// The provider may have newer ones, which cannot be fetched now.
    Unavailable,
}

/// Where one who judges hears about newer keys.
pub struct Seat(Signal<CriticalSectionRawMutex, Freshness>);

impl Seat {
    /// For one who judges.
    #[must_use]
    pub const fn new() -> Self {
        Self(Signal::new())
    }
}

impl Default for Seat {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for Seat {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Seat")
    }
}

impl<const N: usize, const KEYS: usize, const ARENA: usize> Providers<N, KEYS, ARENA> {
    /// Takes the keys that are part of the image, for tokens whose payloads fit `scratch`, as do the replies to
    /// clients: 1,024 bytes.
    #[must_use]
    pub fn new(
        settings: &'static [ProviderSettings; N],
        types: &'static [KeyType],
        scratch: &'static mut [u8],
        errands: Option<&'static Errands>,
        clock: &'static Clock,
    ) -> Self {
        let mut ring = KeyRing::new(types);
        for (index, settings) in (0..).zip(settings) {
            for key in settings.keys {
                if let Err(why) = ring.bake(index, settings.algorithms, key) {
                    complain(settings, why);
                }
            }
        }
        Self {
            all: core::array::from_fn(|index| Provider::new(&settings[index])),
            ring: RefCell::new(ring),
            scratch: RefCell::new(scratch),
            asks: Channel::new(),
            errands,
            clock,
        }
    }

    /// Every provider, with where it can be asked, as far as that is known.
    pub(crate) fn asked(&'static self) -> Vec<exchange::Provider<'static>, N> {
        self.all.iter().map(Provider::asked).collect()
    }

    /// Lends all keys, and room for a payload.
    pub(crate) fn with_keys<R>(
        &self,
        with: impl FnOnce(&[&[TrustedKey<'_>]], &mut [u8]) -> R,
    ) -> R {
        let mut scratch = self.scratch.borrow_mut();
        let ring = self.ring.borrow();
        ring.lend::<N, R>(|keys| with(keys, &mut scratch))
    }

    /// The room for a payload.
    pub(crate) fn scratch(&self) -> RefMut<'_, &'static mut [u8]> {
        self.scratch.borrow_mut()
    }

    /// Asks a provider about a token.
    pub(crate) async fn ask(
        &'static self,
        request: &Request<'_>,
    ) -> Result<Incoming, FetchFailure> {
        let provider = self.all.get(request.provider());
        let provider = provider.ok_or(FetchFailure::NotAsked)?;
        self.send(provider, |out, online| {
            // The token may follow, which is no part of where the request goes.
            let mut start = Start(heapless::String::new());
            let _ = request.write_url(&mut start);
            let url = online.check(&start.0)?;
            write_request(out, &url, request).map_err(too_large)?;
            Errand::new(&url, online, out).ok_or(FetchFailure::NotAsked)
        })
        .await
    }

    /// Waits until newer keys have been looked for, because of one that is not known.
    pub(crate) async fn refresh(
        &'static self,
        query: NewerKeysQuery,
        seat: &'static Seat,
    ) -> Freshness {
        seat.0.reset();
        let ask = Ask {
            query,
            since: Instant::now(),
            reply: seat,
        };
        if self.asks.try_send(ask).is_err() {
            return Freshness::Unavailable;
        }
        let freshness = with_timeout(PATIENCE, seat.0.wait()).await;
        freshness.unwrap_or(Freshness::Unavailable)
    }

    /// Whether a provider's keys are looked for.
    pub(crate) fn finds_keys(&self, provider: usize) -> bool {
        let provider = self.all.get(provider);
        provider.is_some_and(|provider| provider.settings.finds_keys())
    }

    /// How often a provider's keys have been replaced.
    pub(crate) fn generation(&self, provider: usize) -> u32 {
        let provider = self.all.get(provider);
        provider.map_or(0, |provider| provider.generation.get())
    }

    /// Looks at the providers whenever it is time to.
    pub async fn keep_current(&'static self) -> ! {
        loop {
            let ask = select(self.asks.receive(), Timer::after(self.due_in())).await;
            match ask {
                Either::First(ask) => {
                    let freshness = self.look_for(&ask).await;
                    ask.reply.0.signal(freshness);
                }
                Either::Second(()) => self.look_at_due().await,
            }
        }
    }

    fn due_in(&self) -> Duration {
        let now = self.now();
        let due = self.all.iter().filter(|provider| provider.is_looked_at());
        let due = due.map(|provider| provider.life.borrow().due_in(now));
        Duration::from_secs(due.min().unwrap_or(MAX_SLEEP).min(MAX_SLEEP).into())
    }

    async fn look_at_due(&'static self) {
        for (index, provider) in self.all.iter().enumerate() {
            let is_due = provider.life.borrow().due_in(self.now()) == 0;
            if is_due && provider.is_looked_at() {
                self.look(index, provider).await;
            }
        }
    }

    /// Looks for a key that is not known, unless that was done a moment ago.
    async fn look_for(&'static self, ask: &Ask) -> Freshness {
        let Some(provider) = self.all.get(ask.query.provider) else {
            return Freshness::Current;
        };
        // Whoever asked while it was being looked at has waited for that very look.
        if let Some((at, freshness)) = provider.looked_at.get()
            && at >= ask.since
        {
            return freshness;
        }
        if provider.begins_to_look(self.now(), ask.query) {
            return self.look(ask.query.provider, provider).await;
        }
        if provider
            .life
            .borrow()
            .covers(self.now(), ask.query.issued_at)
        {
            Freshness::Current
        } else {
            Freshness::Unavailable
        }
    }

    async fn look(&'static self, index: usize, provider: &'static Provider) -> Freshness {
        let found = self.fetch(index, provider).await;
        let mut life = provider.life.borrow_mut();
        let freshness = if let Some(max_age) = found {
            life.fetched(self.now(), max_age);
            Freshness::Current
        } else {
            life.failed(self.now());
            Freshness::Unavailable
        };
        if life.is_over(self.now()) && provider.settings.finds_keys() {
            self.forget(index);
        }
        provider.looked_at.set(Some((Instant::now(), freshness)));
        freshness
    }

    /// Fetches metadata and keys; gives how long they say to be good, or `None` where they cannot be fetched.
    async fn fetch(
        &'static self,
        index: usize,
        provider: &'static Provider,
    ) -> Option<Option<u32>> {
        let online = provider.settings.online.as_ref()?;
        let mut key_set: Option<Url> = online.key_set_url.and_then(|url| url.try_into().ok());
        if online.discovery {
            let discovered = self.fetch_metadata(provider, online).await?;
            key_set = key_set.or(discovered);
        }
        if !provider.settings.finds_keys() {
            return Some(None);
        }
        let Some(url) = key_set else {
            log::warn!(
                "no keys found: write key_set_url or keys; provider={}",
                provider.name()
            );
            return None;
        };
        let incoming = self.get(provider, &url).await?;
        let number = self.take(index, provider, incoming.body());
        let max_age = incoming.max_age();
        match number {
            0 => log::warn!(
                "no keys found: no JWK Set, or none usable; provider={}",
                provider.name()
            ),
            _ => log::info!("provider found; provider={} keys={number}", provider.name()),
        }
        (number > 0).then_some(max_age)
    }

    #[inline(never)]
    fn take(&self, index: usize, provider: &Provider, key_set: &[u8]) -> usize {
        let Ok(place) = u8::try_from(index) else {
            return 0;
        };
        let settings = provider.settings;
        let served = settings.algorithms;
        let mut ring = self.ring.borrow_mut();
        let number = ring.replace(place, served, key_set, |why| {
            complain(settings, why);
        });
        let replaced = provider.generation.get().saturating_add(1);
        provider.generation.set(replaced);
        number
    }

    /// Keys that have not been seen for so long are used no more.
    fn forget(&self, index: usize) {
        if let Ok(place) = u8::try_from(index) {
            self.ring.borrow_mut().remove(place);
        }
    }

    /// Looks at the metadata; gives where the keys are.
    async fn fetch_metadata(
        &'static self,
        provider: &'static Provider,
        online: &OnlineSettings,
    ) -> Option<Option<Url>> {
        let issuer = provider.settings.policy.issuer?;
        for write_url in [write_oidc_url, write_oauth_url] {
            let mut url = Url::new();
            write_url(issuer, &mut url).ok()?;
            let Some(incoming) = self.get(provider, &url).await else {
                continue;
            };
            match provider.read_metadata(issuer, online, incoming.body()) {
                Ok(key_set) => return Some(key_set),
                Err(error) => log::warn!("metadata refused: {error}; url={url}"),
            }
        }
        None
    }

    /// Gets something public.
    async fn get(&'static self, provider: &'static Provider, url: &str) -> Option<Incoming> {
        let sent = self.send(provider, |out, online| {
            let url = online.check(url)?;
            write_get(out, &url).map_err(too_large)?;
            Errand::new(&url, online, out).ok_or(FetchFailure::NotAsked)
        });
        let incoming = sent.await.ok()?;
        if incoming.status() == 200 {
            return Some(incoming);
        }
        let status = incoming.status();
        log::warn!(
            "not found; provider={} status={status} url={url}",
            provider.name()
        );
        None
    }

    /// Sends a request, unless the provider is left alone.
    async fn send(
        &'static self,
        provider: &'static Provider,
        write: impl FnOnce(&mut Writer<'_>, &OnlineSettings) -> Result<Errand, FetchFailure>,
    ) -> Result<Incoming, FetchFailure> {
        let online = provider.settings.online.as_ref();
        let online = online.ok_or(FetchFailure::NotAsked)?;
        let errands = self.errands.ok_or(FetchFailure::NotAsked)?;
        if !provider
            .breaker
            .borrow_mut()
            .permits(uptime(), Asker::Trusted)
        {
            return Err(FetchFailure::NotAsked);
        }
        let outcome = errands.ask(|out| write(out, online)).await;
        provider.settle(&outcome);
        outcome
    }

    /// The time, or as long as it is not known some time that goes on.
    fn now(&self) -> UnixTime {
        let uptime = Instant::now().as_secs();
        let now = self.clock.now();
        now.unwrap_or(UnixTime::from_seconds(
            i64::try_from(uptime).unwrap_or(i64::MAX),
        ))
    }
}

impl<const N: usize, const KEYS: usize, const ARENA: usize> core::fmt::Debug
    for Providers<N, KEYS, ARENA>
{
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Providers")
            .field(&self.ring.borrow())
            .finish()
    }
}

impl Provider {
    fn new(settings: &'static ProviderSettings) -> Self {
        Self {
            settings,
            endpoint: OnceCell::new(),
            left_out: RefCell::default(),
            life: RefCell::default(),
            breaker: RefCell::default(),
            looked_at: Cell::new(None),
            generation: Cell::new(0),
        }
    }

    fn name(&self) -> &'static str {
        self.settings.policy.provider
    }

    /// Whether a token that no known key verifies is reason to look again now.
    fn begins_to_look(&self, now: UnixTime, query: NewerKeysQuery) -> bool {
        let mut life = self.life.borrow_mut();
        if query.is_key_known {
            life.doubt_known_key(now)
        } else {
            life.ask_for_unknown_key(now)
        }
    }

    /// Whether there is something to find: its keys, or where it is asked.
    fn is_looked_at(&self) -> bool {
        let discovers = |online: OnlineSettings| online.discovery && self.endpoint.get().is_none();
        self.settings.finds_keys() || self.settings.online.is_some_and(discovers)
    }

    fn asked(&'static self) -> exchange::Provider<'static> {
        let online = self.settings.online.as_ref();
        let discovered = self.endpoint.get().map(|url| &**url);
        exchange::Provider {
            policy: &self.settings.policy,
            endpoints: online.map(|online| Endpoints {
                introspection: online.endpoints.introspection.or(discovered),
                ..online.endpoints
            }),
        }
    }

    #[inline(never)]
    fn read_metadata(
        &self,
        issuer: &str,
        online: &OnlineSettings,
        body: &[u8],
    ) -> Result<Option<Url>, MetadataError> {
        let metadata = Metadata::parse(issuer, body)?;
        self.tell_left_out(&metadata);
        let endpoint = if online.asks_userinfo() {
            metadata.userinfo
        } else {
            metadata.introspection
        };
        if let Some(endpoint) = endpoint {
            // The first that was found stays: logins may be under way to it.
            let _ = self.endpoint.set(endpoint);
        }
        Ok(metadata.key_set)
    }

    /// Logs what cannot be used of the metadata, once for each change.
    fn tell_left_out(&self, metadata: &Metadata) {
        let told = self.left_out.replace(metadata.left_out.clone());
        for left_out in &metadata.left_out {
            if !told.contains(left_out) {
                log::warn!(
                    "left out of the metadata: {left_out}; provider={}",
                    self.name()
                );
            }
        }
    }

    fn settle(&self, outcome: &Result<Incoming, FetchFailure>) {
        let mut breaker = self.breaker.borrow_mut();
        let outcome = match outcome {
            Ok(incoming) if incoming.status() < 500 => RequestOutcome::Answered,
            Ok(_) | Err(FetchFailure::TooLarge) => RequestOutcome::ServerError,
            // It was not asked: others took too long.
            Err(FetchFailure::NotAsked) => RequestOutcome::Abandoned,
            Err(_) => RequestOutcome::NoAnswer,
        };
        match breaker.report(uptime(), outcome) {
            Some(Change::Opened(pause)) => {
                let seconds = pause.as_secs();
                log::warn!(
                    "provider left alone: it keeps failing; provider={} seconds={seconds}",
                    self.name()
                );
            }
            Some(Change::Closed) => log::info!("provider is back; provider={}", self.name()),
            None => {}
        }
    }
}

/// Keeps the beginning of a URL, which says where it leads.
struct Start(heapless::String<640>);

impl core::fmt::Write for Start {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        text.chars()
            .try_for_each(|c| self.0.push(c).map_err(|_| core::fmt::Error))
    }
}

fn too_large(_: core::fmt::Error) -> FetchFailure {
    FetchFailure::TooLarge
}

fn complain(settings: &ProviderSettings, why: LeftOut) {
    log::warn!("key left out: {why}; provider={}", settings.policy.provider);
}

fn uptime() -> core::time::Duration {
    core::time::Duration::from_micros(Instant::now().as_micros())
}
