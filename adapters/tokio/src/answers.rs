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

/// Answers that are kept, in bytes, however many providers there are.
const CAPACITY: u64 = 4 << 20;

/// Answers that are expected; more are kept while they fit.
const EXPECTED: usize = 1024;

/// Longest answer that is kept, in bytes; real ones stay below.
const MAX_KEPT: usize = 8 << 10;

/// SHA-256 of everything that is asked, the token included.
pub(crate) type Key = [u8; 32];

/// The answers of all providers.
pub(crate) struct Answers {
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
    pub(crate) fn new() -> Self {
        Self {
            known: Cache::with_weighter(EXPECTED, CAPACITY, ByLength),
            hits: Hits::default(),
        }
    }

    pub(crate) fn hits(&self) -> HitsAndMisses {
        self.hits.snapshot()
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

    /// Keeps an answer that has just come for `life` from when it was asked for.
    pub(crate) fn settle(&self, key: Key, known: &Arc<Known>, life: Duration) {
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
        self.known.insert(key, Arc::new(settled));
    }
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
