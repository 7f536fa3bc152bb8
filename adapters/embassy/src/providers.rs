//! What is known of the providers: their keys, where they are asked, and when they are looked at again.
//!
//! Everything here belongs to the executor that judges; what has to be fetched goes out as an errand.

mod provider;

use core::cell::{RefCell, RefMut};

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, with_timeout};
use gatepost_core::{
    UnixTime,
    crypto::KeyType,
    exchange,
    exchange::{NewerKeysQuery, TrustedKey},
    introspection::{FetchFailure, Request},
    provider::{Asker, Document, Freshness, Look, Moment, Permit, Step, Turn},
};
use heapless::Vec;

use crate::clock::Clock;
use crate::errands::{Errand, Errands, Incoming};
use crate::http::{Writer, write_get, write_request};
use crate::keys::KeyRing;
use crate::settings::{OnlineSettings, ProviderSettings};
use provider::{Provider, complain, uptime};

/// How long nothing is looked at at most.
const MAX_SLEEP: Duration = Duration::from_secs(3_600);

/// How long a login waits for newer keys: two requests that time out.
const PATIENCE: Duration = Duration::from_secs(6);

/// Logins that may wait for newer keys at once; one more is told what is known without them.
const ASKING: usize = 8;

/// The providers of an image: up to `KEYS` keys, whose numbers take up to `ARENA` bytes.
pub struct Providers<const N: usize, const KEYS: usize, const ARENA: usize> {
    all: [Provider; N],
    ring: RefCell<KeyRing<KEYS, ARENA>>,
    /// Room for the payload of the one token that is being verified, then for what is said about it.
    scratch: RefCell<&'static mut [u8]>,
    asks: RefCell<Vec<Ask, ASKING>>,
    /// A look is due because somebody asks.
    is_wanted: Signal<CriticalSectionRawMutex, ()>,
    /// How they are asked; `None` where that is never done.
    errands: Option<&'static Errands>,
    pub(crate) clock: &'static Clock,
}

/// A login that waits for a look.
struct Ask {
    provider: usize,
    issued_at: Option<UnixTime>,
    /// Whether it came before the look began that goes on.
    is_early: bool,
    /// Whether it waits for the look after the one that goes on.
    is_for_next: bool,
    reply: &'static Seat,
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
            asks: RefCell::default(),
            is_wanted: Signal::new(),
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
            write_request(out, &url, request).map_err(no_room)?;
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
        if let Err(freshness) = self.join(query, seat) {
            return freshness;
        }
        let freshness = with_timeout(PATIENCE, seat.0.wait()).await;
        let mut asks = self.asks.borrow_mut();
        asks.retain(|ask| !core::ptr::eq(ask.reply, seat));
        freshness.unwrap_or(Freshness::Unavailable)
    }

    /// Joins those who wait for a look, or tells what there is to be told without one.
    fn join(&self, query: NewerKeysQuery, reply: &'static Seat) -> Result<(), Freshness> {
        let provider = self.all.get(query.provider);
        let provider = provider.ok_or(Freshness::Current)?;
        let moment = self.moment();
        let mut finder = provider.finder.borrow_mut();
        let is_for_next = match finder.ask(moment, query.reason, Permit::Stranger) {
            Turn::Settled(freshness) => return Err(freshness),
            Turn::Waits { is_for_next, .. } => is_for_next,
        };
        // Even where it finds no place the look may be its own.
        self.is_wanted.signal(());
        let ask = Ask {
            provider: query.provider,
            issued_at: query.reason.issued_at,
            is_early: false,
            is_for_next,
            reply,
        };
        let mut asks = self.asks.borrow_mut();
        asks.push(ask)
            .map_err(|_| finder.freshness(moment, query.reason.issued_at))
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
            // Either way what is due is looked at: who asks may have made it due earlier.
            let _ = with_timeout(self.due_in(), self.is_wanted.wait()).await;
            for (index, provider) in self.all.iter().enumerate() {
                if provider.due_in() == Some(core::time::Duration::ZERO) {
                    self.look(index, provider).await;
                }
            }
        }
    }

    fn due_in(&self) -> Duration {
        let due = self.all.iter().filter_map(Provider::due_in).min();
        let due = due.and_then(|due| u64::try_from(due.as_micros()).ok());
        due.map_or(MAX_SLEEP, |due| Duration::from_micros(due).min(MAX_SLEEP))
    }

    async fn look(&'static self, index: usize, provider: &'static Provider) {
        provider.finder.borrow_mut().begin();
        for ask in &mut *self.asks.borrow_mut() {
            ask.is_early |= ask.provider == index;
        }
        let mut look = Look::new(provider.source());
        loop {
            match look.step() {
                Step::Get(document, url) => match self.get(provider, url).await {
                    Ok(incoming) => self.read(index, provider, &mut look, (document, &incoming)),
                    Err(NotGot::NotReached) => look.not_reached(),
                    Err(NotGot::NotFound) => look.not_found(),
                },
                last => return self.end(index, provider, last),
            }
        }
    }

    /// Takes what a document says.
    #[inline(never)]
    fn read(
        &self,
        index: usize,
        provider: &Provider,
        look: &mut Look<'_>,
        (document, incoming): (Document, &Incoming),
    ) {
        match document {
            Document::Metadata => match look.metadata(incoming.body()) {
                Ok(metadata) => provider.learn(metadata),
                Err(why) => provider.tell_refused(why),
            },
            Document::KeySet => {
                let usable = self.take(index, provider, incoming.body());
                look.key_set(usable, incoming.max_age());
            }
        }
    }

    /// A look has ended: answers those who waited for it.
    fn end(&self, index: usize, provider: &Provider, last: Step<'_>) {
        if let Step::Failed(why) = last {
            provider.tell_failure(why);
        }
        let moment = self.moment();
        let mut finder = provider.finder.borrow_mut();
        let ended = finder.end(moment.uptime, last);
        if ended.is_over && provider.settings.finds_keys() {
            self.forget(index);
        }
        self.asks.borrow_mut().retain_mut(|ask| {
            if ask.provider != index {
                return true;
            }
            if ask.is_for_next && !ask.is_early {
                ask.is_for_next = false;
                return true;
            }
            ask.reply.0.signal(match ended.freshness {
                Freshness::Current if !ask.is_early => finder.freshness(moment, ask.issued_at),
                freshness => freshness,
            });
            false
        });
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
        if number > 0 {
            let replaced = provider.generation.get().saturating_add(1);
            provider.generation.set(replaced);
            log::info!("provider found; provider={} keys={number}", provider.name());
        }
        number
    }

    /// Keys that have not been seen for so long are used no more.
    fn forget(&self, index: usize) {
        if let Ok(place) = u8::try_from(index) {
            self.ring.borrow_mut().remove(place);
        }
    }

    /// Gets something public.
    async fn get(
        &'static self,
        provider: &'static Provider,
        url: &str,
    ) -> Result<Incoming, NotGot> {
        let sent = self.send(provider, |out, online| {
            let url = online.check(url)?;
            write_get(out, &url).map_err(no_room)?;
            Errand::new(&url, online, out).ok_or(FetchFailure::NotAsked)
        });
        let incoming = sent.await.map_err(|_| NotGot::NotReached)?;
        if incoming.status() == 200 {
            return Ok(incoming);
        }
        let status = incoming.status();
        log::warn!(
            "not found; provider={} status={status} url={url}",
            provider.name()
        );
        Err(NotGot::NotFound)
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

    fn moment(&self) -> Moment {
        Moment {
            uptime: uptime(),
            time: self.clock.now(),
        }
    }
}

/// Why there is no document.
enum NotGot {
    /// The provider has not answered.
    NotReached,
    /// It has answered otherwise.
    NotFound,
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

/// Keeps the beginning of a URL, which says where it leads.
struct Start(heapless::String<640>);

impl core::fmt::Write for Start {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        text.chars()
            .try_for_each(|c| self.0.push(c).map_err(|_| core::fmt::Error))
    }
}

/// A request that has no room is not sent, which is not the provider's fault.
fn no_room(_: core::fmt::Error) -> FetchFailure {
    FetchFailure::NotAsked
}
