//! Looks at providers: their metadata and keys are fetched when that is due, or when a login asks.

use embassy_time::{Duration, with_timeout};
use gatepost_core::{
    jose::{Jwk, JwkSetReader, KeyError},
    provider::{Document, Freshness, Look, MetadataReader, Step},
};

use super::provider::{Provider, complain};
use super::{Ask, Providers};
use crate::errands::{Incoming, Part};
use crate::http::write_get;
use crate::keys::{LeftOut, WantedKey};

/// How long nothing is looked at at most.
const MAX_SLEEP: Duration = Duration::from_secs(3_600);

/// What a document says.
enum Got {
    Metadata(Incoming),
    /// How many keys of a set can be used, and for how many seconds it is good.
    Keys(usize, Option<u32>),
    /// Others have to go before there is room for all that are wanted.
    Again,
}

/// Why there is no document.
enum NotGot {
    /// The provider has not answered.
    NotReached,
    /// It has answered otherwise.
    NotFound,
}

impl<const N: usize, const KEYS: usize, const ARENA: usize> Providers<N, KEYS, ARENA> {
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
            let is_its = ask.provider == index;
            ask.is_early |= is_its;
        }
        let mut look = Look::new(provider.source());
        let mut is_second = false;
        loop {
            let got = match look.step() {
                Step::Get(Document::Metadata, url) => self.get_metadata(provider, url).await,
                Step::Get(Document::KeySet, url) => {
                    self.get_keys((index, is_second), provider, url).await
                }
                last => return self.end(index, provider, last),
            };
            match got {
                Ok(Got::Metadata(incoming)) => provider.learn(&mut look, incoming.body()),
                Ok(Got::Keys(usable, max_age)) => look.key_set(usable, max_age),
                Ok(Got::Again) => is_second = true,
                Err(NotGot::NotReached) => look.not_reached(),
                Err(NotGot::NotFound) => look.not_found(),
            }
        }
    }

    async fn get_metadata(
        &'static self,
        provider: &'static Provider,
        url: &str,
    ) -> Result<Got, NotGot> {
        let mut reader = MetadataReader::new();
        let mut take = |part: &mut Part<'_>| reader.read(part.buffer, part.length);
        let incoming = self.get(provider, url, &mut take).await?;
        Ok(Got::Metadata(incoming))
    }

    /// Reads a JWK Set key by key.
    async fn get_keys(
        &'static self,
        (index, is_second): (usize, bool),
        provider: &'static Provider,
        url: &str,
    ) -> Result<Got, NotGot> {
        // As many as there are places for: the settings say so.
        let place = u8::try_from(index).unwrap_or(u8::MAX);
        self.ring.borrow_mut().begin(place, is_second);
        for ask in &mut *self.asks.borrow_mut() {
            ask.is_left_out &= ask.provider != index;
        }
        let (mut reader, mut usable) = (JwkSetReader::new(), 0_usize);
        let mut take = |part: &mut Part<'_>| {
            reader.read(part.buffer, part.length, |jwk| {
                let is_usable = self.take(place, provider, jwk);
                usable = usable.saturating_add(is_usable.into());
            })
        };
        let got = self.get(provider, url, &mut take).await;
        let is_whole = got.is_ok() && reader.finish().is_ok() && usable > 0;
        let mut ring = self.ring.borrow_mut();
        let number = ring.end(place, is_whole);
        let is_partial = ring.is_partial() || !is_whole && provider.is_partial.get();
        provider.is_partial.set(is_partial);
        let max_age = got?.head().max_age;
        if is_whole {
            let replaced = provider.generation.get().saturating_add(1);
            provider.generation.set(replaced);
            log::info!("provider found; provider={} keys={number}", provider.name());
            let misses = |ask: &Ask| ask.provider == index && ask.is_left_out;
            let may_find = ring.has_room_now() || self.asks.borrow().iter().any(misses);
            if may_find && !is_second {
                return Ok(Got::Again);
            }
            if is_partial {
                log::warn!(
                    "no room for all keys: raise limits.keys or limits.key_bytes; provider={} keys={usable}",
                    provider.name()
                );
            }
            return Ok(Got::Keys(usable, max_age));
        }
        Ok(Got::Keys(0, max_age))
    }

    /// Takes one key of a set; tells whether it could be used.
    #[inline(never)]
    fn take(&self, place: u8, provider: &Provider, jwk: Result<Jwk<'_>, KeyError>) -> bool {
        let settings = provider.settings;
        let index = usize::from(place);
        let jwk = match jwk {
            Ok(jwk) => jwk,
            Err(why) => {
                complain(settings, LeftOut::Key(why));
                return false;
            }
        };
        let mut asks = self.asks.borrow_mut();
        let is_wanted = |kid: &str, algorithms| {
            let mut own = asks.iter().filter(|ask| ask.provider == index);
            own.any(|ask| ask.wanted.is_some_and(|wanted| wanted.is(kid, algorithms)))
        };
        let mut ring = self.ring.borrow_mut();
        match ring.take(place, settings.algorithms, &jwk, &is_wanted) {
            Ok(()) => true,
            Err(LeftOut::NoRoom) => {
                let kid = jwk.kid().unwrap_or_default();
                let is_it = |wanted: WantedKey| wanted.may_be(kid, jwk.algorithms());
                for ask in asks.iter_mut().filter(|ask| ask.provider == index) {
                    ask.is_left_out |= ask.wanted.is_some_and(is_it);
                }
                true
            }
            Err(why) => {
                complain(settings, why);
                false
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
                Freshness::Current if ask.is_left_out => Freshness::Unavailable,
                Freshness::Current if !ask.is_early => {
                    provider.freshness(&finder, moment, ask.issued_at)
                }
                freshness => freshness,
            });
            false
        });
    }

    /// Keys that have not been seen for so long are used no more.
    fn forget(&self, index: usize) {
        if let Ok(place) = u8::try_from(index) {
            self.ring.borrow_mut().remove(place);
        }
    }

    /// Gets something public, which `take` reads: it tells how much of it stays.
    async fn get(
        &'static self,
        provider: &'static Provider,
        url: &str,
        take: &mut dyn FnMut(&mut Part<'_>) -> usize,
    ) -> Result<Incoming, NotGot> {
        // What comes with another status is nothing to read.
        let mut take = |part: &mut Part<'_>| match part.head.status {
            200 => Some(take(part)),
            _ => Some(0),
        };
        let sent = self.send(provider, url, &write_get, &mut take);
        let incoming = sent.await.map_err(|_| NotGot::NotReached)?;
        let status = incoming.head().status;
        if status == 200 {
            return Ok(incoming);
        }
        log::warn!(
            "not found; provider={} status={status} url={url}",
            provider.name()
        );
        Err(NotGot::NotFound)
    }
}
