//! Providers and what is found of them over the network, kept current.

mod probe;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use gatepost_core::{
    UnixTime,
    crypto::Backend,
    exchange::NewerKeysQuery,
    provider::{Freshness, write_oidc_url},
};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

pub use probe::Probe;

use crate::answers::Answers;
use crate::http::{Gate, HttpClient};
use crate::keys::Warning;
use crate::network::Network;
use crate::remembered::Signatures;
use crate::settings::{OnlineSettings, ProviderSettings};
use crate::source::{Asker, Kept, Source};
use crate::statistics::{Hits, Statistics};
use crate::trust::{LoadError, Owned, Trust};

/// Where [`Providers`] work.
#[derive(Clone, Debug)]
pub struct Place {
    /// The runtime on which everything happens that touches the network.
    pub runtime: Handle,
    /// The directory where the last good key sets are kept, if anywhere.
    pub state: Option<PathBuf>,
    /// Answers to logins' questions that are kept, in bytes, all providers together: each that is asked has the same
    /// share.
    pub answer_cache: u64,
}

/// One generation of providers. Their keys and endpoints are found and kept current as long as it lives.
pub struct Providers {
    trust: watch::Receiver<Arc<Trust>>,
    online: Vec<Option<Online>>,
    signatures: Signatures,
    /// Of each provider.
    signature_hits: Vec<Arc<Hits>>,
}

/// A provider that is asked over the network.
struct Online {
    http: HttpClient,
    gate: Arc<Gate>,
    answers: Arc<Answers>,
    source: Option<Source>,
    tasks: Vec<AbortHandle>,
}

impl Online {
    /// Connections to a provider whose logins have `share` bytes for answers.
    fn connect(
        settings: &ProviderSettings,
        asked: &OnlineSettings,
        share: u64,
        place: &Place,
        previous: Option<&Providers>,
    ) -> Result<Self, LoadError> {
        let lasting = previous.and_then(|previous| previous.lasting(settings));
        let (gate, answers) = lasting.unwrap_or_else(|| {
            let gate = Gate::new(&settings.name, asked.http.concurrency);
            (gate, Arc::new(Answers::new(share)))
        });
        answers.resize(share);
        let (url, runtime) = (public_url(settings, asked), place.runtime.clone());
        let urls = (url.as_deref(), asked_url(asked));
        let http = HttpClient::new(&settings.name, &asked.http, runtime, &gate, urls);
        let http = http.map_err(|error| LoadError::Http {
            provider: settings.name.clone(),
            error,
        })?;
        let forgotten = Arc::clone(&answers);
        let forgetting = place
            .runtime
            .spawn(async move { forgotten.forget_old().await });
        Ok(Self {
            http,
            gate,
            answers,
            source: None,
            tasks: vec![forgetting.abort_handle()],
        })
    }
}

impl Drop for Online {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Providers {
    /// Providers whose keys are known, and that nobody asks anything.
    #[must_use]
    pub fn fixed(trust: Trust) -> Self {
        let online = trust.providers().iter().map(|_| None).collect();
        let (_, trust) = watch::channel(Arc::new(trust));
        Self {
            trust,
            online,
            signatures: Signatures::new(),
            signature_hits: Vec::new(),
        }
    }

    /// Reads keys from files, and begins to find the others.
    ///
    /// A provider that cannot be reached is no error. What `previous` knew of the same issuers is known
    /// from the start, else what was kept on disk. Of a provider whose settings are the same its answers, its
    /// figures, and whether it is left alone stay as they are; signatures that have verified are known of any key.
    ///
    /// # Errors
    /// [`LoadError`]: settings that no token could meet, or files that cannot be used.
    pub fn start<B>(
        backend: &B,
        settings: Vec<ProviderSettings>,
        place: &Place,
        previous: Option<&Self>,
    ) -> Result<(Self, Vec<Warning>), LoadError>
    where
        B: Backend + Clone + Send + Sync + 'static,
        B::Key: 'static,
    {
        let (mut owned, warnings) = Owned::load(backend, settings)?;
        let settings = Arc::clone(&owned.providers);
        let signatures = previous.map(|previous| previous.signatures.clone());
        let signatures = signatures.unwrap_or_else(Signatures::new);
        let mut signature_hits = Vec::new();
        for (settings, found) in settings.iter().zip(&mut owned.found) {
            let hits = previous.and_then(|previous| previous.signature_hits(&settings.name));
            let hits = hits.unwrap_or_default();
            found.keys = signatures.remembered(std::mem::take(&mut found.keys), &hits);
            signature_hits.push(hits);
        }
        let asked = settings.iter().filter(|settings| asks_for_logins(settings));
        let asked = u64::try_from(asked.count()).unwrap_or(u64::MAX);
        let share = place.answer_cache / asked.max(1);
        let mut sources = Vec::new();
        let mut online = Vec::new();
        for (index, settings) in settings.iter().enumerate() {
            let Some(asked) = &settings.online else {
                online.push(None);
                continue;
            };
            let mut connected = Online::connect(settings, asked, share, place, previous)?;
            if needs_finding(settings, asked) {
                let kept = previous.and_then(|previous| previous.kept(settings));
                let found = Source::new(&connected.http, settings, place.state.as_deref(), kept);
                sources.push((index, found.clone()));
                connected.source = Some(found);
            }
            online.push(Some(connected));
        }
        let (publish, trust) = watch::channel(Arc::new(Trust::build(owned.clone())));
        let shared = Arc::new(crate::source::Shared::new(
            owned,
            publish,
            signatures.clone(),
            signature_hits.clone(),
        ));
        for (index, source) in sources {
            source.recover(index, backend, &shared);
            let task = source.keep_current(index, backend.clone(), Arc::clone(&shared));
            let task = place.runtime.spawn(task);
            if let Some(Some(online)) = online.get_mut(index) {
                online.tasks.push(task.abort_handle());
            }
        }
        let providers = Self {
            trust,
            online,
            signatures,
            signature_hits,
        };
        Ok((providers, warnings))
    }

    /// What logins are judged by at this moment.
    #[must_use]
    pub fn trust(&self) -> Arc<Trust> {
        Arc::clone(&self.trust.borrow())
    }

    /// Each provider's name, how many keys it has, and whether it can be asked.
    #[must_use]
    pub fn state(&self) -> Vec<(String, usize, bool)> {
        let trust = self.trust();
        let providers = trust.asked().iter().zip(trust.keys());
        let state = providers.map(|(asked, keys)| {
            let endpoints = asked.endpoints.as_ref();
            let can_ask = endpoints.is_some_and(|endpoints| {
                let has_url = endpoints.introspection.is_some() || endpoints.tokeninfo.is_some();
                endpoints.about.is_some() && has_url
            });
            (asked.policy.provider.to_owned(), keys.len(), can_ask)
        });
        state.collect()
    }

    /// Figures of each provider, in the order of the settings.
    #[must_use]
    pub fn statistics(&self) -> Vec<Statistics> {
        let trust = self.trust();
        let providers = trust.providers().iter().zip(trust.keys());
        let figures = providers.enumerate().map(|(index, (settings, keys))| {
            let mut figures = Statistics {
                provider: settings.name.clone(),
                keys: keys.len(),
                ..Statistics::default()
            };
            if let Some(hits) = self.signature_hits.get(index) {
                figures.signatures = hits.snapshot();
            }
            if let Some(source) = self.source(index) {
                figures.keys_fetched_at = source.fetched_at();
                figures.looks_for_newer_keys = source.looks();
            }
            if let Some(http) = self.http(index) {
                let gate = http.gate();
                figures.answers = self.answers(index).map(Answers::hits).unwrap_or_default();
                let kept = self.answers(index).map(Answers::kept).unwrap_or_default();
                (figures.answers_kept, figures.answers_kept_bytes) = kept;
                figures.endpoints = http.requests();
                (figures.waiting, figures.under_way) = gate.load();
                figures.busy = gate.busy();
                (figures.is_left_alone, figures.left_alone) = gate.left_alone();
            }
            figures
        });
        figures.collect()
    }

    /// Waits until each provider has been looked for once, with whatever success.
    pub async fn looked_for(&self) {
        for source in self
            .online
            .iter()
            .flatten()
            .filter_map(|o| o.source.as_ref())
        {
            source.looked_for().await;
        }
    }

    /// Looks again at a provider's keys where one was asked for that is not known: as for a login, once in a
    /// while however often that happens.
    pub async fn look_again(&self, provider: &str) {
        let trust = self.trust();
        let mut all = trust.providers().iter();
        if let Some(index) = all.position(|settings| settings.name == provider) {
            // The token is not known here, and may be as new as can be.
            let query = NewerKeysQuery::for_unknown_key(index, Some(now()));
            self.refresh(query, Network::of_connection(u64::MAX)).await;
        }
    }

    /// Looks for newer keys.
    pub(crate) async fn refresh(&self, query: NewerKeysQuery, network: Network) -> Freshness {
        let online = self.online.get(query.provider).and_then(Option::as_ref);
        let Some((online, source)) = online.and_then(|one| Some((one, one.source.as_ref()?)))
        else {
            return Freshness::Current;
        };
        let asker = Asker {
            network,
            is_trusted: online.gate.is_trusted(network),
        };
        source.refresh(query.reason, asker).await
    }

    /// A login of `network` was good, says `provider`.
    pub(crate) fn trust_network(&self, provider: usize, network: Network) {
        if let Some(Some(online)) = self.online.get(provider) {
            online.gate.trust(network);
        }
    }

    fn source(&self, provider: usize) -> Option<&Source> {
        self.online.get(provider)?.as_ref()?.source.as_ref()
    }

    pub(crate) fn http(&self, provider: usize) -> Option<&HttpClient> {
        Some(&self.online.get(provider)?.as_ref()?.http)
    }

    pub(crate) fn answers(&self, provider: usize) -> Option<&Answers> {
        Some(&self.online.get(provider)?.as_ref()?.answers)
    }

    fn signature_hits(&self, provider: &str) -> Option<Arc<Hits>> {
        let trust = self.trust();
        let mut providers = trust.providers().iter();
        let index = providers.position(|ours| ours.name == provider)?;
        self.signature_hits.get(index).map(Arc::clone)
    }

    /// What is shared by the logins of a provider with these very settings.
    fn lasting(&self, settings: &ProviderSettings) -> Option<(Arc<Gate>, Arc<Answers>)> {
        let trust = self.trust();
        let mut providers = trust.providers().iter();
        let index = providers.position(|ours| {
            (&ours.name, &ours.issuer, &ours.online)
                == (&settings.name, &settings.issuer, &settings.online)
        })?;
        let online = self.online.get(index)?.as_ref()?;
        Some((Arc::clone(&online.gate), Arc::clone(&online.answers)))
    }

    /// What is known of the provider with the same issuer and sources.
    fn kept(&self, settings: &ProviderSettings) -> Option<Arc<Kept>> {
        let trust = self.trust();
        let mut providers = trust.providers().iter();
        let index = providers.position(|ours| is_same_source(ours, settings))?;
        self.online.get(index)?.as_ref()?.source.as_ref()?.kept()
    }
}

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Providers").field(&self.trust()).finish()
    }
}

/// Whether keys or endpoints are to be found over the network.
fn needs_finding(settings: &ProviderSettings, online: &OnlineSettings) -> bool {
    let finds_metadata = online.discovery && settings.issuer.is_some();
    finds_metadata || online.key_set_url.is_some()
}

/// Whether logins ask it anything.
fn asks_for_logins(settings: &ProviderSettings) -> bool {
    let online = settings.online.as_ref();
    online.is_some_and(|online| online.about.is_some() || online.grant.is_some())
}

/// Something that anybody may ask the provider for: its metadata, or its JWK Set.
fn public_url(settings: &ProviderSettings, online: &OnlineSettings) -> Option<String> {
    let issuer = settings.issuer.as_ref().filter(|_| online.discovery);
    let Some(issuer) = issuer else {
        return online.key_set_url.clone();
    };
    online.metadata_url.clone().or_else(|| {
        let mut url = String::new();
        write_oidc_url(issuer, &mut url).ok()?;
        Some(url)
    })
}

/// What logins ask, as far as the settings say.
fn asked_url(online: &OnlineSettings) -> Option<&str> {
    let urls = [&online.introspection_url, &online.tokeninfo_url];
    let url = urls.into_iter().flatten().next().map(String::as_str);
    url.or_else(|| online.grant.as_ref().map(|grant| &*grant.url))
}

fn is_same_source(one: &ProviderSettings, other: &ProviderSettings) -> bool {
    let url = |settings: &ProviderSettings| {
        let online = settings.online.as_ref();
        online.map(|online| {
            let (metadata_url, key_set_url) = (&online.metadata_url, &online.key_set_url);
            (online.discovery, metadata_url.clone(), key_set_url.clone())
        })
    };
    one.issuer == other.issuer && url(one) == url(other)
}

/// The time of the system's clock.
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    // A clock before 1970 is not set: every token is from the future then.
    let seconds = since.map_or(0, |since| since.as_secs());
    UnixTime::from_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}
