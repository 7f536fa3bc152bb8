//! What is known of the providers: their keys, where they are asked, and when they are looked at again.
//!
//! Everything here belongs to the executor that judges; what has to be fetched goes out as an errand.

mod looking;
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
    provider::{Asker, Freshness, Moment, Permit, Turn},
};
use heapless::Vec;

use crate::clock::{self, Clock};
use crate::errands::{Errands, Incoming, Take, whole};
use crate::http::{Writer, write_request};
use crate::keys::{KeyRing, WantedKey};
use crate::settings::ProviderSettings;
use crate::url::Url;
use provider::{Provider, complain, uptime};

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
    wanted: Option<WantedKey>,
    issued_at: Option<UnixTime>,
    /// Whether the provider has the key that it wants, and there is no room for it.
    is_left_out: bool,
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
        let write = |out: &mut Writer<'_>, url: &Url<'_>| write_request(out, url, request);
        let url = request.endpoint_url();
        self.send(provider, url, &write, &mut whole).await
    }

    /// Waits until newer keys have been looked for, because of one that is not known: the one that is `wanted` finds
    /// room.
    pub(crate) async fn refresh(
        &'static self,
        query: NewerKeysQuery,
        wanted: Option<WantedKey>,
        seat: &'static Seat,
    ) -> Freshness {
        seat.0.reset();
        if let Err(freshness) = self.join(query, wanted, seat) {
            return freshness;
        }
        let freshness = with_timeout(PATIENCE, seat.0.wait()).await;
        let mut asks = self.asks.borrow_mut();
        asks.retain(|ask| !core::ptr::eq(ask.reply, seat));
        freshness.unwrap_or(Freshness::Unavailable)
    }

    /// Joins those who wait for a look, or tells what there is to be told without one.
    fn join(
        &self,
        query: NewerKeysQuery,
        wanted: Option<WantedKey>,
        reply: &'static Seat,
    ) -> Result<(), Freshness> {
        let provider = self.all.get(query.provider);
        let provider = provider.ok_or(Freshness::Current)?;
        let moment = self.moment();
        let mut finder = provider.finder.borrow_mut();
        let is_for_next = match finder.ask(moment, query.reason, Permit::Stranger) {
            Turn::Settled(_) => {
                return Err(provider.freshness(&finder, moment, query.reason.issued_at));
            }
            Turn::Waits { is_for_next, .. } => is_for_next,
        };
        // Even where it finds no place the look may be its own.
        self.is_wanted.signal(());
        let ask = Ask {
            provider: query.provider,
            wanted,
            issued_at: query.reason.issued_at,
            is_left_out: false,
            is_early: false,
            is_for_next,
            reply,
        };
        let mut asks = self.asks.borrow_mut();
        asks.push(ask)
            .map_err(|_| provider.freshness(&finder, moment, query.reason.issued_at))
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

    /// Whether a provider has keys that are not here, for lack of room.
    pub(crate) fn is_partial(&self, provider: usize) -> bool {
        let provider = self.all.get(provider);
        provider.is_some_and(|provider| provider.is_partial.get())
    }

    /// Sends a request, unless the provider is left alone.
    async fn send(
        &'static self,
        provider: &'static Provider,
        url: &str,
        write: &dyn Fn(&mut Writer<'_>, &Url<'_>) -> core::fmt::Result,
        take: Take<'_>,
    ) -> Result<Incoming, FetchFailure> {
        let online = provider.settings.online.as_ref();
        let online = online.ok_or(FetchFailure::NotAsked)?;
        let errands = self.errands.ok_or(FetchFailure::NotAsked)?;
        let url = online.check(url)?;
        let admission = provider
            .breaker
            .borrow_mut()
            .admit(uptime(), Asker::Trusted)
            .ok_or(FetchFailure::NotAsked)?;
        let asked = clock::uptime();
        let outcome = errands
            .ask((&url, online), &|out| write(out, &url), take)
            .await;
        provider.settle(admission, &outcome);
        if let Ok(incoming) = &outcome
            && url.is_secure
            && let Some(time) = incoming.head().time()
        {
            let is_it = |one: &Provider| core::ptr::eq(one, provider);
            let place = self.all.iter().position(is_it).unwrap_or(0);
            self.clock
                .hear_provider(place, time, asked, clock::uptime());
        }
        outcome
    }

    fn moment(&self) -> Moment {
        Moment {
            uptime: uptime(),
            time: self.clock.now(),
        }
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

#[cfg(test)]
mod tests;
