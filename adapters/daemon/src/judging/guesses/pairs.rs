//! Users with their passwords that were tried lately, each as a keyed hash.

use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use gatepost_core::Rejection;
use quick_cache::sync::Cache;
use tokio::time::Instant;

/// Pairs that are remembered; each takes about a hundred bytes.
const PAIRS: usize = 16_384;

/// How long a good pair is tried without waiting.
const GOOD: Duration = Duration::from_hours(1);

/// How long a wrong pair is answered from memory: its user may give the provider that very password meanwhile.
const WRONG: Duration = Duration::from_mins(1);

/// HMAC-SHA256 of a user's name and a password, with a key that these [`Pairs`] alone have ever had.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
struct Pair([u8; 32]);

/// What came of pairs.
pub(crate) struct Pairs {
    key: Option<hmac::Key>,
    known: Cache<Pair, Known>,
}

#[derive(Clone, Copy)]
struct Known {
    /// `None` where it was good.
    refused: Option<Rejection>,
    until: Instant,
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
            known: Cache::new(PAIRS),
        }
    }
}

impl Pairs {
    /// What came lately of the user and the password that a message of PLAIN holds.
    pub(crate) fn tried(&self, message: &[u8]) -> Tried {
        let known = self.pair(message).and_then(|pair| self.known.get(&pair));
        match known.filter(|known| Instant::now() < known.until) {
            None => Tried::Never,
            Some(Known { refused: None, .. }) => Tried::Good,
            Some(Known {
                refused: Some(why), ..
            }) => Tried::Refused(why),
        }
    }

    /// Remembers what has come of them.
    pub(crate) fn remember(&self, message: &[u8], refused: Option<Rejection>) {
        let Some(pair) = self.pair(message) else {
            return;
        };
        let life = if refused.is_none() { GOOD } else { WRONG };
        let until = Instant::now() + life;
        self.known.insert(pair, Known { refused, until });
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

    #[tokio::test(start_paused = true)]
    async fn a_pair_is_remembered_for_a_while() {
        let pairs = Pairs::default();
        let (one, other) = (b"\0a\0b", b"\0a\0c");
        assert!(pairs.pair(one).is_some() && pairs.pair(one) != pairs.pair(other));
        assert!(Pairs::default().pair(one) != pairs.pair(one), "keys differ");
        pairs.remember(one, None);
        pairs.remember(other, Some(Rejection::PasswordRefused));
        assert_eq!(pairs.tried(one), Tried::Good);
        let refused = Tried::Refused(Rejection::PasswordRefused);
        assert_eq!(pairs.tried(other), refused);
        advance(WRONG).await;
        let tried = (pairs.tried(one), pairs.tried(other));
        assert_eq!(tried, (Tried::Good, Tried::Never));
        advance(GOOD).await;
        assert_eq!(pairs.tried(one), Tried::Never);
    }
}
