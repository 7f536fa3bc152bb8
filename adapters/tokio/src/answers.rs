//! What providers have answered: one question for any number of logins that ask it at the same time, and
//! none where the same was answered a moment ago.
//!
//! What is kept is the answer, never a verdict: each login judges it anew, so that its dates, audience and
//! user count every time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::introspection::Answer;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::http::{Fault, HttpClient, Incoming, Outgoing};
use crate::network::Network;
use crate::statistics::{Hits, HitsAndMisses};

/// Room for one provider's answers at least, in bytes.
const MIN_CAPACITY: u64 = 256 << 10;

/// What an answer takes on average, in bytes, its own entry included: real ones have about 1,000.
const AVERAGE: u64 = 1536;

/// Longest answer that is kept, in bytes; real ones stay below.
const MAX_KEPT: usize = 8 << 10;

/// How often those that are too old are forgotten: thousands take less time than a login.
const FORGETTING: Duration = Duration::from_secs(10);

/// SHA-256 of everything that is asked, the token included.
pub(crate) type Key = [u8; 32];

/// The answers of one provider.
pub(crate) struct Answers {
    /// Those about good logins, which nothing displaces but other good ones.
    good: Cache<Key, Arc<Known>, ByLength>,
    /// All others, and those whose verdict is to come.
    known: Cache<Key, Arc<Known>, ByLength>,
    hits: Hits,
}

/// What is known about one question.
pub(crate) struct Known {
    answer: Result<Incoming, Fault>,
    asked_at: Instant,
    answered_at: Instant,
    until: Instant,
    /// Whether its verdict is known.
    is_settled: bool,
}

impl Known {
    pub(crate) fn answer(&self) -> Result<&Incoming, Fault> {
        self.answer.as_ref().map_err(|why| *why)
    }

    fn new(answer: Result<Incoming, Fault>, asked_at: Instant, life: Duration) -> Self {
        let answered_at = Instant::now();
        // Of a failure only those hear who have waited for it.
        let life = if answer.is_ok() { life } else { Duration::ZERO };
        Self {
            answer,
            asked_at,
            answered_at,
            until: answered_at + life,
            is_settled: false,
        }
    }

    /// Nothing: nobody was asked.
    pub(crate) fn failed(why: Fault) -> Self {
        Self::new(Err(why), Instant::now(), Duration::ZERO)
    }
}

/// What a provider answered about the token of one login: for whoever explains the verdict.
#[derive(Clone)]
pub struct Answered(Arc<Known>);

impl Answered {
    pub(crate) fn new(known: &Arc<Known>) -> Self {
        Self(Arc::clone(known))
    }

    /// Whether the provider may have heard the question.
    pub(crate) fn was_heard(&self) -> bool {
        self.0
            .answer()
            .map_or_else(Fault::may_have_arrived, |_| true)
    }

    /// The answer; `None` where none came.
    #[must_use]
    pub fn answer(&self) -> Option<Answer<'_>> {
        self.0.answer.as_ref().ok().map(Incoming::answer)
    }
}

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It may hold a token, and claims.
        f.write_str("Answered(..)")
    }
}

#[derive(Clone)]
struct ByLength;

impl Weighter<Key, Arc<Known>> for ByLength {
    fn weight(&self, _: &Key, known: &Arc<Known>) -> u64 {
        let body = known.answer.as_ref().map_or(0, |answer| answer.body.len());
        // An entry is never free: its key, its dates and the table's own.
        256 + u64::try_from(body).unwrap_or(u64::MAX)
    }
}

impl Answers {
    /// Keeps as many as fit into so many bytes.
    pub(crate) fn new(bytes: u64) -> Self {
        let (good, others) = split(bytes);
        let cache = |bytes| {
            let expected = usize::try_from(bytes / AVERAGE).unwrap_or(usize::MAX);
            Cache::with_weighter(expected, bytes, ByLength)
        };
        Self {
            good: cache(good),
            known: cache(others),
            hits: Hits::default(),
        }
    }

    /// Keeps as many as fit into so many bytes from now on.
    pub(crate) fn resize(&self, bytes: u64) {
        let (good, others) = split(bytes);
        self.good.set_capacity(good);
        self.known.set_capacity(others);
    }

    pub(crate) fn hits(&self) -> HitsAndMisses {
        self.hits.snapshot()
    }

    /// Forgets those that are too old, again and again, so that what a peak has left behind is given back.
    pub(crate) async fn forget_old(&self) {
        loop {
            tokio::time::sleep(FORGETTING).await;
            let now = Instant::now();
            self.good.retain(|_, known| now < known.until);
            self.known.retain(|_, known| now < known.until);
        }
    }

    /// How many are kept, and what they take in bytes.
    pub(crate) fn kept(&self) -> (usize, u64) {
        let number = self.good.len() + self.known.len();
        (number, self.good.weight() + self.known.weight())
    }

    /// The answer to `outgoing`; `settling` is how long one is kept until its verdict is known.
    pub(crate) async fn get(
        &self,
        http: &HttpClient,
        network: Network,
        outgoing: Outgoing,
        settling: Duration,
    ) -> (Key, Arc<Known>) {
        let key = digest(http.provider(), &outgoing);
        let mut outgoing = Some(outgoing);
        let came_at = Instant::now();
        if let Some(known) = self.good.get(&key) {
            if came_at < known.until {
                self.hits.hit();
                return (key, known);
            }
            self.good.remove_if(&key, |known| known.until <= came_at);
        }
        loop {
            let guard = match self.known.get_value_or_guard_async(&key).await {
                // Another network's share is not this one's.
                Ok(known) if known.answer().err() == Some(Fault::Busy) && outgoing.is_some() => {
                    self.known.remove_if(&key, |known| known.answer.is_err());
                    continue;
                }
                Ok(known) if known.answered_at >= came_at || Instant::now() < known.until => {
                    self.hits.hit();
                    return (key, known);
                }
                Ok(_) => {
                    self.known
                        .remove_if(&key, |known| known.until <= Instant::now());
                    continue;
                }
                Err(guard) => guard,
            };
            self.hits.miss();
            let asked_at = Instant::now();
            let answer = match outgoing.take() {
                Some(outgoing) => http.send(network, outgoing).await,
                None => Err(Fault::NotAsked),
            };
            let known = Arc::new(Known::new(answer, asked_at, settling));
            // Whoever waits gets it all the same, where it is too long to be kept.
            let _ = guard.insert(Arc::clone(&known));
            if known
                .answer()
                .is_ok_and(|answer| answer.body.len() > MAX_KEPT)
            {
                self.known.remove(&key);
            }
            return (key, known);
        }
    }

    /// Keeps an answer that has just come for `life` from when it was asked for; that of a good login among its
    /// like.
    pub(crate) fn settle(&self, key: Key, known: &Arc<Known>, life: Duration, is_good: bool) {
        let Ok(answer) = known.answer() else { return };
        if known.is_settled {
            // Another login's verdict on the same answer changes nothing.
            return;
        }
        if life.is_zero() || answer.body.len() > MAX_KEPT {
            self.known.remove(&key);
            return;
        }
        let settled = Known {
            answer: Ok(answer.clone()),
            asked_at: known.asked_at,
            answered_at: known.answered_at,
            until: known.asked_at + life,
            is_settled: true,
        };
        if is_good {
            self.good.insert(key, Arc::new(settled));
            self.known.remove(&key);
        } else {
            self.known.insert(key, Arc::new(settled));
        }
    }
}

/// Shares of good answers and of the others, which live for seconds.
fn split(bytes: u64) -> (u64, u64) {
    let bytes = bytes.max(MIN_CAPACITY);
    (bytes / 8 * 7, bytes / 8)
}

fn digest(provider: &str, outgoing: &Outgoing) -> Key {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        // The length first: no two lists of parts are one text.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    add(provider);
    add(&outgoing.url);
    add(outgoing.authorization.as_deref().unwrap_or_default());
    add(outgoing.accept);
    add(outgoing.form.as_deref().unwrap_or_default());
    for (name, value) in &outgoing.headers {
        add(name);
        add(value);
    }
    hash.finalize().into()
}
