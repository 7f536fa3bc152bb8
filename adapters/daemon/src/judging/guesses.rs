//! Whoever guesses has to wait: those who have sent forged tokens or wrong passwords lately.
//!
//! A token cannot be guessed, so that it is judged at once, and only the answer to a bad one waits. A password can:
//! it waits before it is tried, unless the same was good lately from the same network. Each guess is counted when it is
//! made, so that many at once wait as long as one after the other, and stays one until the provider says that it was none:
//! of one that fails nobody knows what it has looked at. Good tokens, and passwords that were good before, wait
//! for nobody's guesses: neither an expired token nor a revoked one is a guess.

mod pairs;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatepost_core::dovecot::Origin;
use gatepost_tokio::Network;
use ipnet::IpNet;
use quick_cache::sync::Cache;
use tokio::time::Instant;

use crate::metrics;
pub(crate) use pairs::{Pairs, Tried};

/// Sources of guesses that are remembered; of more, those that have been quiet longest are forgotten.
const SOURCES: usize = 16_384;

/// After so long without a guess one is as good as any other.
const MEMORY: Duration = Duration::from_mins(5);

/// Guesses of a /48 that wait for nothing: where it is several customers', each may mistype once.
const FREE_OF_SITE: u32 = 16;

/// Guesses of one source that may wait at once; one more is refused for now.
const WAITING: u32 = 256;

/// What is known of guesses.
pub(crate) struct Guesses {
    counts: Cache<Source, Arc<Mutex<Count>>>,
    longest: Duration,
    trusted: Vec<IpNet>,
    users: RandomState,
}

/// Whose guesses are counted together.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Source {
    /// One customer's network.
    Network(Network),
    /// The /48 around it: one customer's, or several's.
    Site(Network),
    /// One user of a host through which many log in.
    User(u64),
}

#[derive(Default)]
struct Count {
    guesses: u32,
    waiting: u32,
    last: Option<Instant>,
}

/// What becomes of a guess.
#[must_use]
pub(crate) enum Penalty {
    /// It waits so long.
    Wait(Duration, Waiting),
    /// It is refused for now: too many others of the same source wait.
    TooMany,
}

/// A guess that waits, until it is dropped: in its network, and in its site.
pub(crate) struct Waiting {
    _places: [Option<Place>; 2],
}

/// A place among the guesses of one source that wait.
struct Place(Arc<Mutex<Count>>);

impl Drop for Place {
    fn drop(&mut self) {
        let mut count = lock(&self.0);
        count.waiting = count.waiting.saturating_sub(1);
    }
}

/// As many guesses of a source wait as may.
struct Full;

impl Source {
    /// What it is a part of: guesses of a /48 are bounded however many of its networks they come from.
    fn site(self) -> Option<Self> {
        match self {
            Self::Network(network) => network.around().map(Self::Site),
            Self::Site(_) | Self::User(_) => None,
        }
    }
}

impl Guesses {
    /// Nobody waits longer than `longest`. In `trusted` networks, which are webmail hosts and proxies, each user is
    /// counted by itself. This very host is nobody, unless it is among them.
    pub(crate) fn new(longest: Duration, trusted: Vec<IpNet>) -> Self {
        Self {
            counts: Cache::new(SOURCES),
            longest,
            trusted,
            users: RandomState::new(),
        }
    }

    /// Whose guess it would be; `None` where nothing is to be held against anybody: the mail server says so, it tells
    /// no address, or it is this host, through which everybody may log in.
    pub(crate) fn source(&self, origin: &Origin, user: Option<&str>) -> Option<Source> {
        if origin.no_penalty {
            return None;
        }
        let address = origin.remote.address?.to_canonical();
        if self
            .trusted
            .iter()
            .any(|network| network.contains(&address))
        {
            return user.map(|user| Source::User(self.users.hash_one(user)));
        }
        (!address.is_loopback()).then(|| Source::Network(Network::of(address)))
    }

    /// Counts a guess. The first of a network waits for nothing, then come 1, 2, 4.. seconds; so does the whole site
    /// after its first few.
    pub(crate) fn count(&self, source: Source) -> Penalty {
        let site = match source.site() {
            Some(site) => self.count_at(site, FREE_OF_SITE),
            None => Ok((Duration::ZERO, None)),
        };
        let counted = site.and_then(|(of_site, waiting)| {
            let (own, our) = self.count_at(source, 1)?;
            Ok((
                own.max(of_site),
                Waiting {
                    _places: [our, waiting],
                },
            ))
        });
        match counted {
            Ok((Duration::ZERO, waiting)) => Penalty::Wait(Duration::ZERO, waiting),
            Ok((delay, waiting)) => {
                metrics::limit_hit(metrics::Limit::Penalty);
                Penalty::Wait(delay, waiting)
            }
            Err(Full) => {
                metrics::limit_hit(metrics::Limit::Penalty);
                Penalty::TooMany
            }
        }
    }

    /// Counts a guess of one source, of which so many wait for nothing.
    fn count_at(&self, source: Source, free: u32) -> Result<(Duration, Option<Place>), Full> {
        // Made once however many come at the same time.
        let made = self
            .counts
            .get_or_insert_with(&source, || Ok::<_, ()>(Arc::default()));
        let shared = made.unwrap_or_default();
        let mut count = lock(&shared);
        let now = Instant::now();
        if count.last.is_none_or(|last| now >= last + MEMORY) {
            count.guesses = 0;
        }
        count.last = Some(now);
        let before = count.guesses;
        count.guesses = before.saturating_add(1);
        if count.waiting >= WAITING {
            return Err(Full);
        }
        count.waiting += 1;
        drop(count);
        Ok((self.delay(before, free), Some(Place(shared))))
    }

    /// It was no guess after all.
    pub(crate) fn forgive(&self, source: Source) {
        for source in [Some(source), source.site()].into_iter().flatten() {
            if let Some(count) = self.counts.get(&source) {
                let mut count = lock(&count);
                count.guesses = count.guesses.saturating_sub(1);
            }
        }
    }

    /// How long a guess waits that so many came before, of which the first few are free.
    fn delay(&self, before: u32, free: u32) -> Duration {
        let Some(exponent) = before.checked_sub(free) else {
            return Duration::ZERO;
        };
        let seconds = 1_u64.checked_shl(exponent).unwrap_or(u64::MAX);
        Duration::from_secs(seconds).min(self.longest)
    }
}

fn lock(count: &Mutex<Count>) -> MutexGuard<'_, Count> {
    // Nothing in there is ever half done.
    count.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn guesses() -> Guesses {
        Guesses::new(
            Duration::from_secs(15),
            vec![
                "10.1.0.0/16".parse().unwrap(),
                "2001:db8:f::/48".parse().unwrap(),
            ],
        )
    }

    fn origin(address: &str) -> Origin {
        let mut origin = Origin::default();
        origin.remote.address = Some(address.parse().unwrap());
        origin
    }

    impl Guesses {
        /// How long a guess of `user` from `address` waits, in seconds; the others of it wait no more.
        fn guess(&self, address: &str, user: &str) -> u64 {
            let source = self.source(&origin(address), Some(user)).unwrap();
            match self.count(source) {
                Penalty::Wait(delay, _) => delay.as_secs(),
                Penalty::TooMany => panic!("too many"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_guess_costs_more_than_the_last_until_it_is_forgotten() {
        let guesses = guesses();
        let delays = [(); 7].map(|()| guesses.guess("192.0.2.1", "a"));
        assert_eq!(delays, [0, 1, 2, 4, 8, 15, 15]);
        assert_eq!(guesses.guess("192.0.2.2", "a"), 0, "another address");
        for _ in 0..100 {
            guesses.guess("192.0.2.1", "b");
        }
        assert_eq!(guesses.guess("::ffff:192.0.2.1", "a"), 15);
        advance(MEMORY).await;
        assert_eq!(guesses.guess("192.0.2.1", "a"), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_customer_is_a_whole_network() {
        let guesses = guesses();
        assert_eq!(guesses.guess("2001:db8::1", "a"), 0);
        assert_eq!(guesses.guess("2001:db8::2:0:0:1", "a"), 1);
        assert_eq!(guesses.guess("2001:db8:0:1::1", "a"), 0);
    }

    /// A site has 65,536 networks (RFC 6177), each of which has its first guess.
    #[tokio::test(start_paused = true)]
    async fn a_48_waits_however_many_64_it_guesses_from() {
        let guesses = guesses();
        let from = |subnet: u32| format!("2001:db8:1:{subnet:x}::1");
        let delays: Vec<u64> = (0..24)
            .map(|subnet| guesses.guess(&from(subnet), "a"))
            .collect();
        assert_eq!(
            delays[..16],
            [0; 16],
            "several customers of one may mistype"
        );
        assert_eq!(delays[16..], [1, 2, 4, 8, 15, 15, 15, 15]);
        assert_eq!(guesses.guess("2001:db8:2::1", "a"), 0, "another site");
        let mut waiting = Vec::new();
        for subnet in 100..5000 {
            let source = guesses.source(&origin(&from(subnet)), None).unwrap();
            match guesses.count(source) {
                Penalty::Wait(_, one) => waiting.push(one),
                Penalty::TooMany => break,
            }
        }
        assert_eq!(waiting.len(), WAITING as usize);
        waiting.pop();
        let source = guesses.source(&origin(&from(7)), None).unwrap();
        assert!(matches!(guesses.count(source), Penalty::Wait(..)));
    }

    #[tokio::test(start_paused = true)]
    async fn behind_a_trusted_host_each_user_is_counted_by_itself() {
        let guesses = guesses();
        for host in ["10.1.2.3", "::ffff:10.1.2.4", "2001:db8:f::1"] {
            for user in 0..100 {
                assert_eq!(guesses.guess(host, &format!("{user}@{host}")), 0, "{host}");
            }
            assert_eq!(guesses.guess(host, &format!("7@{host}")), 1);
            assert!(guesses.source(&origin(host), None).is_none());
        }
        for nobody in ["127.0.0.1", "::1"] {
            assert!(guesses.source(&origin(nobody), Some("a")).is_none());
        }
        assert!(guesses.source(&Origin::default(), Some("a")).is_none());
        let mut trusted = origin("192.0.2.1");
        trusted.no_penalty = true;
        assert!(guesses.source(&trusted, Some("a")).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn many_guesses_at_once_wait_as_long_as_one_after_the_other() {
        let guesses = guesses();
        let source = guesses.source(&origin("192.0.2.1"), None).unwrap();
        let mut waiting = Vec::new();
        let mut at_once = 0;
        while let Penalty::Wait(delay, one) = guesses.count(source) {
            at_once += u32::from(delay.is_zero());
            waiting.push(one);
        }
        assert_eq!((at_once, waiting.len()), (1, WAITING as usize));
        waiting.pop();
        assert!(matches!(guesses.count(source), Penalty::Wait(..)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_no_guess_is_not_counted() {
        let guesses = guesses();
        for _ in 0..10 {
            assert_eq!(guesses.guess("192.0.2.1", "a"), 0);
            let source = guesses.source(&origin("192.0.2.1"), None).unwrap();
            guesses.forgive(source);
        }
    }
}
