//! Which networks have caused a look at a provider's keys lately.
//!
//! Anybody can make up tokens that give reason for one. So each network may cause one look in a while, and all
//! together what the core's budget allows: a flood from one network leaves the others their looks.

use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::time::Instant;

use crate::network::Network;

/// Time between two looks that one network causes.
const NETWORK_PAUSE: Duration = Duration::from_secs(30);

/// Networks that are remembered.
const NETWORKS: usize = 4096;

/// When networks have caused a look of one kind.
pub(super) struct Causes(Cache<Network, Instant>);

impl Default for Causes {
    fn default() -> Self {
        Self(Cache::new(NETWORKS))
    }
}

impl Causes {
    /// Whether `network` has had its look already.
    pub(super) fn is_spent(&self, network: Network) -> bool {
        let last = self.0.get(&network);
        last.is_some_and(|last| Instant::now() < last + NETWORK_PAUSE)
    }

    /// `network` has caused one.
    pub(super) fn spend(&self, network: Network) {
        self.0.insert(network, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_network_has_one_look_in_a_while() {
        let causes = Causes::default();
        let (one, other) = (Network::of_connection(1), Network::of_connection(2));
        assert!(!causes.is_spent(one));
        causes.spend(one);
        for _ in 0..29 {
            advance(Duration::from_secs(1)).await;
            assert!(causes.is_spent(one) && !causes.is_spent(other));
        }
        advance(Duration::from_secs(1)).await;
        assert!(!causes.is_spent(one));
    }
}
