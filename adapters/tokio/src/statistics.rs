//! What is counted of each provider, for whoever watches.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gatepost_core::UnixTime;

/// Figures of one provider at one moment. Counts only grow; a reload that leaves the provider's settings as they
/// are does not begin them anew.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Statistics {
    /// What the operator calls the provider.
    pub provider: String,
    /// Its endpoints that are used, one entry each of [`EndpointKind::ALL`].
    pub endpoints: Vec<EndpointStatistics>,
    /// Questions of logins that wait to be sent.
    pub waiting: usize,
    /// Questions of logins that have been sent, and are not answered.
    pub under_way: usize,
    /// Logins refused because too many waited.
    pub busy: u64,
    /// Whether the provider is left alone at the moment, because it fails or asked for it.
    pub is_left_alone: bool,
    /// How often that has begun.
    pub left_alone: u64,
    /// Keys that verify its tokens.
    pub keys: usize,
    /// When its JWK Set was fetched, where it has been.
    pub keys_fetched_at: Option<UnixTime>,
    /// Looks at its keys because a token named one that is not known, or a signature failed.
    pub looks_for_newer_keys: u64,
    /// Questions that a kept answer, or another login's question, has answered.
    pub answers: HitsAndMisses,
    /// Answers that are kept.
    pub answers_kept: usize,
    /// What they take, in bytes.
    pub answers_kept_bytes: u64,
    /// Signatures that had been verified before.
    pub signatures: HitsAndMisses,
}

/// Requests to one endpoint.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct EndpointStatistics {
    /// Which.
    pub kind: EndpointKind,
    /// Requests by what came of them, in the order of [`RequestResult::ALL`].
    pub results: [u64; RequestResult::ALL.len()],
    /// How long they took from being sent.
    pub latency: Latency,
}

/// How many requests took how long.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Latency {
    /// Requests that took as long as the bound of the same place in [`Latency::BOUNDS`], and longer than the bound
    /// before; the last are those above all bounds.
    pub counts: [u64; Self::BOUNDS.len() + 1],
    /// All together.
    pub sum: Duration,
}

impl Latency {
    /// Upper bounds, in seconds.
    pub const BOUNDS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
}

/// How often something was in a cache, and how often it was not.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct HitsAndMisses {
    /// It was there.
    pub hits: u64,
    /// It was not.
    pub misses: u64,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum EndpointKind {
    /// The issuer's metadata.
    Metadata,
    /// The JWK Set.
    KeySet,
    /// Introspection (RFC 7662).
    Introspection,
    /// Userinfo (`OpenID` Connect Core section 5.3).
    Userinfo,
    /// The endpoint that a token is appended to.
    Tokeninfo,
    /// The token endpoint, for passwords.
    Token,
}

impl EndpointKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Metadata,
        Self::KeySet,
        Self::Introspection,
        Self::Userinfo,
        Self::Tokeninfo,
        Self::Token,
    ];

    /// A word for it, for a label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::KeySet => "jwks",
            Self::Introspection => "introspection",
            Self::Userinfo => "userinfo",
            Self::Tokeninfo => "tokeninfo",
            Self::Token => "token",
        }
    }

    /// The endpoint that the core calls so; it names no other.
    pub(crate) fn named(name: &str) -> Self {
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.name() == name)
            .unwrap_or(Self::Introspection)
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum RequestResult {
    /// A status below 300.
    Success,
    /// 3xx.
    Redirect,
    /// 4xx.
    ClientError,
    /// 5xx, or a status that there is not.
    ServerError,
    /// No answer in time.
    TimedOut,
    /// No connection, one that broke, or an answer longer than any that is taken.
    Failed,
}

impl RequestResult {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Success,
        Self::Redirect,
        Self::ClientError,
        Self::ServerError,
        Self::TimedOut,
        Self::Failed,
    ];

    /// A word for it, for a label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "2xx",
            Self::Redirect => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
            Self::TimedOut => "timeout",
            Self::Failed => "no_answer",
        }
    }
}

/// Requests to all endpoints of a provider, counted.
#[derive(Default)]
pub(crate) struct Requests([RequestsTo; EndpointKind::ALL.len()]);

#[derive(Default)]
struct RequestsTo {
    results: [AtomicU64; RequestResult::ALL.len()],
    latency: [AtomicU64; Latency::BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

impl Requests {
    pub(crate) fn count(&self, kind: EndpointKind, result: RequestResult, took: Duration) {
        let counters = &self.0[kind as usize];
        counters.results[result as usize].fetch_add(1, Ordering::Relaxed);
        let seconds = took.as_secs_f64();
        let bucket = Latency::BOUNDS.iter().take_while(|bound| seconds > **bound);
        counters.latency[bucket.count()].fetch_add(1, Ordering::Relaxed);
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        counters
            .microseconds
            .fetch_add(microseconds, Ordering::Relaxed);
    }

    /// The endpoints of which there is something to tell.
    pub(crate) fn snapshot(&self) -> Vec<EndpointStatistics> {
        let all = EndpointKind::ALL.into_iter().zip(&self.0);
        let all = all.map(|(kind, counters)| EndpointStatistics {
            kind,
            results: loaded(&counters.results),
            latency: Latency {
                counts: loaded(&counters.latency),
                sum: Duration::from_micros(counters.microseconds.load(Ordering::Relaxed)),
            },
        });
        all.filter(|endpoint| endpoint.results.iter().any(|count| *count > 0))
            .collect()
    }
}

fn loaded<const N: usize>(counters: &[AtomicU64; N]) -> [u64; N] {
    std::array::from_fn(|index| counters[index].load(Ordering::Relaxed))
}

/// What [`HitsAndMisses`] are read from.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Hits {
    pub(crate) fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> HitsAndMisses {
        HitsAndMisses {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_endpoint_result_and_time() {
        let requests = Requests::default();
        let (kind, result) = (EndpointKind::Introspection, RequestResult::ServerError);
        for milliseconds in [4, 5, 6, 2_501] {
            requests.count(kind, result, Duration::from_millis(milliseconds));
        }
        let snapshot = requests.snapshot();
        let [one] = &*snapshot else {
            panic!("{snapshot:?}")
        };
        assert_eq!((one.kind, one.results), (kind, [0, 0, 0, 4, 0, 0]));
        assert_eq!(one.latency.counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(one.latency.sum, Duration::from_millis(2_516));
    }

    #[test]
    fn endpoints_have_the_names_that_the_core_gives_them() {
        for name in ["introspection", "userinfo", "tokeninfo", "token"] {
            assert_eq!(EndpointKind::named(name).name(), name);
        }
    }
}
