//! Looks at a provider's keys because of tokens: for a key that is not known, or a signature that failed.
//!
//! Anybody can make up such tokens. So each network may cause one look in a while, and all together some: a flood
//! from one network leaves the others their looks, and the provider is not asked more often than it takes to follow
//! a rotation.

use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::time::Instant;

use crate::network::Network;

/// Time between two looks that one network causes.
const NETWORK_PAUSE: Duration = Duration::from_secs(30);

/// Looks that may follow each other, whoever causes them.
const IN_HAND: u32 = 6;

/// Time after which there is one more in hand.
const REFILL: Duration = Duration::from_secs(10);

/// Time from one look to the next at least; who comes meanwhile waits for that one.
const MIN_PAUSE: Duration = Duration::from_secs(1);

/// Networks that are remembered.
const NETWORKS: usize = 4096;

/// What is left of looks of one kind.
pub(super) struct Looks {
    spent: u32,
    refilled_at: Instant,
    last_at: Option<Instant>,
    networks: Cache<Network, Instant>,
}

impl Default for Looks {
    fn default() -> Self {
        Self {
            spent: 0,
            refilled_at: Instant::now(),
            last_at: None,
            networks: Cache::new(NETWORKS),
        }
    }
}

impl Looks {
    /// Takes one for `network`, and gives the time when it is due; `None` where there is none left. A network that
    /// is trusted has its own always.
    pub(super) fn take(&mut self, network: Network, is_trusted: bool) -> Option<Instant> {
        let now = Instant::now();
        let last = self.networks.get(&network);
        if last.is_some_and(|last| now < last + NETWORK_PAUSE) {
            return None;
        }
        self.refill(now);
        if self.spent >= IN_HAND && !is_trusted {
            return None;
        }
        self.spent = self.spent.saturating_add(1).min(IN_HAND);
        self.networks.insert(network, now);
        let due = self.last_at.map_or(now, |last| now.max(last + MIN_PAUSE));
        self.last_at = Some(due);
        Some(due)
    }

    fn refill(&mut self, now: Instant) {
        while self.spent > 0 && now >= self.refilled_at + REFILL {
            self.refilled_at += REFILL;
            self.spent -= 1;
        }
        if self.spent == 0 {
            self.refilled_at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn network(number: u64) -> Network {
        Network::of_connection(number)
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_has_one_look_in_a_while() {
        let mut looks = Looks::default();
        assert_eq!(looks.take(network(1), false), Some(Instant::now()));
        for _ in 0..29 {
            advance(Duration::from_secs(1)).await;
            assert_eq!(looks.take(network(1), true), None);
        }
        assert_eq!(looks.take(network(2), false), Some(Instant::now()));
        advance(Duration::from_secs(1)).await;
        assert!(looks.take(network(1), false).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn many_networks_have_few_together_but_the_trusted_have_theirs() {
        let mut looks = Looks::default();
        let due: Vec<_> = (0..100)
            .filter_map(|number| looks.take(network(number), false))
            .collect();
        let pauses: Vec<_> = due.windows(2).map(|two| two[1] - two[0]).collect();
        assert_eq!(pauses, [MIN_PAUSE; 5]);
        assert!(looks.take(network(200), true).is_some());
        assert!(looks.take(network(201), false).is_none());
        advance(REFILL).await;
        assert!(looks.take(network(202), false).is_some());
        assert!(looks.take(network(203), false).is_none());
        advance(REFILL * 100).await;
        let again = (300..400).filter(|number| looks.take(network(*number), false).is_some());
        assert_eq!(again.count(), 6);
    }
}
