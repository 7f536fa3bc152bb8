//! Users with their passwords that were tried lately, each as a keyed hash.

use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use gatepost_core::Rejection;
use quick_cache::sync::Cache;
use tokio::time::Instant;

use super::Source;

/// Pairs that are remembered, of good ones and of wrong ones each; one takes about a hundred bytes.
const PAIRS: usize = 16_384;

/// How long a good pair is tried without waiting.
const GOOD: Duration = Duration::from_hours(1);

/// How long a wrong pair is answered from memory: its user may give the provider that very password meanwhile.
const WRONG: Duration = Duration::from_mins(1);

/// Longest pause that a provider gets for one user: who locks a user out by guesses does not do so for hours.
const MAX_PAUSE: Duration = Duration::from_mins(5);

/// HMAC-SHA256 of a user's name and a password, with a key that these [`Pairs`] alone have ever had.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
struct Pair([u8; 32]);

/// What came of pairs.
///
/// A good one is remembered with where it came from: whoever guesses from elsewhere waits with the right password as
/// with any other, and learns nothing.
pub(crate) struct Pairs {
    key: Option<hmac::Key>,
    good: Cache<(Source, Pair), Instant>,
    wrong: Cache<Pair, (Rejection, Instant)>,
    /// Until when users are not asked about, by their names.
    paused: Cache<Pair, Instant>,
}

/// What is known of a pair.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Tried {
    /// Nothing.
    Never,
    /// It was good lately.
    Good,
    /// It was refused a moment ago.
    Refused(Rejection),
}

impl Default for Pairs {
    fn default() -> Self {
        // Without random numbers nothing is remembered.
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        Self {
            key: key.ok(),
            good: Cache::new(PAIRS),
            wrong: Cache::new(PAIRS),
            paused: Cache::new(PAIRS),
        }
    }
}

impl Pairs {
    /// What came lately of the user and the password that a message of PLAIN holds, and that comes from `source`.
    pub(crate) fn tried(&self, message: &[u8], source: Option<Source>) -> Tried {
        let Some(pair) = self.pair(message) else {
            return Tried::Never;
        };
        let now = Instant::now();
        if let Some((why, _)) = self.wrong.get(&pair).filter(|(_, until)| now < *until) {
            return Tried::Refused(why);
        }
        let until = source.and_then(|source| self.good.get(&(source, pair)));
        until
            .filter(|until| now < *until)
            .map_or(Tried::Never, |_| Tried::Good)
    }

    /// Remembers that they were good.
    pub(crate) fn remember_good(&self, message: &[u8], source: Option<Source>) {
        let Some(pair) = self.pair(message) else {
            return;
        };
        self.wrong.remove(&pair);
        // A user of a trusted network is not told from whoever guesses there.
        if let Some(source @ Source::Network(_)) = source {
            self.good.insert((source, pair), Instant::now() + GOOD);
        }
    }

    /// Remembers that they were refused.
    pub(crate) fn remember_wrong(&self, message: &[u8], why: Rejection) {
        if let Some(pair) = self.pair(message) {
            self.wrong.insert(pair, (why, Instant::now() + WRONG));
        }
    }

    /// Asks nobody about `user` for a while, as the provider wants it.
    pub(crate) fn pause(&self, user: &str, pause: Duration) {
        if let Some(user) = self.pair(user.to_lowercase().as_bytes()) {
            self.paused
                .insert(user, Instant::now() + pause.min(MAX_PAUSE));
        }
    }

    /// Whether nobody is asked about `user` at the moment.
    pub(crate) fn is_paused(&self, user: &str) -> bool {
        let user = self.pair(user.to_lowercase().as_bytes());
        let until = user.and_then(|user| self.paused.get(&user));
        until.is_some_and(|until| Instant::now() < until)
    }

    fn pair(&self, message: &[u8]) -> Option<Pair> {
        let tag = hmac::sign(self.key.as_ref()?, message);
        tag.as_ref().try_into().ok().map(Pair)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn network(address: &str) -> Source {
        let address = address.parse().unwrap();
        Source::Network(gatepost_tokio::Network::of(address))
    }

    #[tokio::test(start_paused = true)]
    async fn a_pair_is_remembered_for_a_while() {
        let pairs = Pairs::default();
        let (one, other) = (b"\0a\0b", b"\0a\0c");
        let here = Some(network("192.0.2.1"));
        assert!(pairs.pair(one).is_some() && pairs.pair(one) != pairs.pair(other));
        assert!(Pairs::default().pair(one) != pairs.pair(one), "keys differ");
        pairs.remember_good(one, here);
        pairs.remember_wrong(other, Rejection::PasswordRefused);
        assert_eq!(pairs.tried(one, here), Tried::Good);
        let refused = Tried::Refused(Rejection::PasswordRefused);
        assert_eq!(pairs.tried(other, here), refused);
        advance(WRONG).await;
        let tried = (pairs.tried(one, here), pairs.tried(other, here));
        assert_eq!(tried, (Tried::Good, Tried::Never));
        advance(GOOD).await;
        assert_eq!(pairs.tried(one, here), Tried::Never);
    }

    #[tokio::test(start_paused = true)]
    async fn a_good_pair_is_known_where_it_came_from_alone() {
        let pairs = Pairs::default();
        let pair = b"\0a\0b";
        let (here, user) = (Some(network("192.0.2.1")), Some(Source::User(1)));
        pairs.remember_good(pair, here);
        pairs.remember_good(pair, user);
        assert_eq!(pairs.tried(pair, here), Tried::Good);
        for elsewhere in [Some(network("192.0.2.2")), user, None] {
            assert_eq!(pairs.tried(pair, elsewhere), Tried::Never);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_is_left_alone_as_long_as_the_provider_wants_and_not_for_hours() {
        let pairs = Pairs::default();
        for (asked, kept) in [(30, 30), (86_400, 300)] {
            pairs.pause("Alice@example.com", Duration::from_secs(asked));
            advance(Duration::from_secs(kept - 1)).await;
            assert!(pairs.is_paused("alice@example.com"));
            assert!(!pairs.is_paused("bob@example.com"));
            advance(Duration::from_secs(1)).await;
            assert!(!pairs.is_paused("alice@example.com"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pair_is_what_it_was_last() {
        let pairs = Pairs::default();
        let (pair, here) = (b"\0a\0b", Some(network("192.0.2.1")));
        let why = Rejection::PasswordRefused;
        pairs.remember_good(pair, here);
        pairs.remember_wrong(pair, why);
        assert_eq!(pairs.tried(pair, here), Tried::Refused(why));
        pairs.remember_good(pair, here);
        assert_eq!(pairs.tried(pair, here), Tried::Good);
    }
}
