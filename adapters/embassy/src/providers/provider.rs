//! What is known of one provider.

use core::cell::{Cell, OnceCell, RefCell};

use embassy_time::Instant;
use gatepost_core::{
    UnixTime, exchange,
    introspection::{Endpoints, FetchFailure},
    provider::{
        Admission, Breaker, Change, Finder, Freshness, LeftOut, Look, LookFailure, Metadata,
        Moment, RequestOutcome, Source, Url,
    },
};
use heapless::Vec;

use crate::errands::Incoming;
use crate::keys;
use crate::settings::{OnlineSettings, ProviderSettings};

/// One provider.
pub(super) struct Provider {
    pub(super) settings: &'static ProviderSettings,
    /// Where its metadata said first that it is asked about tokens.
    endpoint: OnceCell<Url>,
    /// What could not be used of the metadata that were read last.
    left_out: RefCell<Vec<LeftOut, 4>>,
    pub(super) finder: RefCell<Finder>,
    pub(super) breaker: RefCell<Breaker>,
    /// Counts how often its keys have been replaced.
    pub(super) generation: Cell<u32>,
    /// Whether it has keys that are not here, for lack of room.
    pub(super) is_partial: Cell<bool>,
}

impl Provider {
    pub(super) fn new(settings: &'static ProviderSettings) -> Self {
        Self {
            settings,
            endpoint: OnceCell::new(),
            left_out: RefCell::default(),
            finder: RefCell::default(),
            breaker: RefCell::default(),
            generation: Cell::new(0),
            is_partial: Cell::new(false),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.settings.policy.provider
    }

    /// How long there is nothing to look at; `None` where there never is.
    pub(super) fn due_in(&self) -> Option<core::time::Duration> {
        let due_in = self.finder.borrow().due_in(uptime());
        self.is_looked_at().then_some(due_in)
    }

    pub(super) fn source(&self) -> Source<'static> {
        let online = self.settings.online;
        Source {
            issuer: self.settings.policy.issuer,
            metadata_url: None,
            key_set_url: online.and_then(|online| online.key_set_url),
            discovers: online.is_some_and(|online| online.discovery),
            finds_keys: self.settings.finds_keys(),
        }
    }

    /// Whether there is something to find: its keys, or where it is asked.
    fn is_looked_at(&self) -> bool {
        let discovers = |online: OnlineSettings| online.discovery && self.endpoint.get().is_none();
        self.settings.finds_keys() || self.settings.online.is_some_and(discovers)
    }

    pub(super) fn asked(&'static self) -> exchange::Provider<'static> {
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

    /// Takes what its metadata say.
    #[inline(never)] // They are large: a caller that waits has no room for them.
    pub(super) fn learn(&self, look: &mut Look<'_>, body: &[u8]) {
        let metadata = match look.metadata(body) {
            Ok(metadata) => metadata,
            Err(why) => {
                return log::warn!("metadata refused: {why}; provider={}", self.name());
            }
        };
        self.tell_left_out(&metadata);
        let asks_userinfo = self.settings.online.is_some_and(|o| o.asks_userinfo());
        let endpoint = if asks_userinfo {
            metadata.userinfo
        } else {
            metadata.introspection
        };
        if let Some(endpoint) = endpoint {
            // The first that was found stays: logins may be under way to it.
            let _ = self.endpoint.set(endpoint);
        }
    }

    /// Whether all keys are known that could have signed a token that was issued at `issued_at`.
    pub(super) fn freshness(
        &self,
        finder: &Finder,
        moment: Moment,
        issued_at: Option<UnixTime>,
    ) -> Freshness {
        if self.is_partial.get() {
            return Freshness::Unavailable;
        }
        finder.freshness(moment, issued_at)
    }

    /// Logs why a look has found nothing, as far as that was not said of a document.
    pub(super) fn tell_failure(&self, why: LookFailure) {
        let advice = match why {
            LookFailure::NoKeySetUrl => "its metadata name no jwks_uri: write key_set_url or keys",
            LookFailure::UrlTooLong => "its issuer is too long for a URL: write key_set_url",
            LookFailure::NoKeys => "no JWK Set, or none of its keys usable",
            _ => return,
        };
        log::warn!("no keys found: {advice}; provider={}", self.name());
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

    pub(super) fn settle(&self, admission: Admission, outcome: &Result<Incoming, FetchFailure>) {
        let mut breaker = self.breaker.borrow_mut();
        let outcome = match outcome {
            Ok(incoming) => {
                let head = incoming.head();
                RequestOutcome::of_answer(head.status, head.pause(), false)
            }
            Err(failure) => RequestOutcome::of_failure(*failure),
        };
        match breaker.report(uptime(), admission, outcome) {
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

/// Logs what cannot be used of its keys.
pub(super) fn complain(settings: &ProviderSettings, why: keys::LeftOut) {
    log::warn!("key left out: {why}; provider={}", settings.policy.provider);
}

pub(super) fn uptime() -> core::time::Duration {
    core::time::Duration::from_micros(Instant::now().as_micros())
}
