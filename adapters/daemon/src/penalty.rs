//! Whoever guesses has to wait: addresses that have sent forged tokens or wrong passwords lately.
//!
//! Only the answer to a guess is delayed. A good login never is, nor one whose token was good once:
//! neither of them tells an attacker from a user whose client has slept through an expiry.

use std::net::IpAddr;
use std::time::Duration;

use gatepost_core::Rejection;
use quick_cache::sync::Cache;
use tokio::time::Instant;

use crate::metrics;

/// Addresses that are remembered; of more, those that have been quiet longest are forgotten.
const ADDRESSES: usize = 16_384;

/// After so long without a guess an address is as good as any other.
const MEMORY: Duration = Duration::from_mins(5);

/// What is known of guesses.
pub(crate) struct Penalties {
    known: Cache<IpAddr, Guesses>,
    longest: Duration,
}

#[derive(Clone, Copy)]
struct Guesses {
    count: u32,
    last: Instant,
}

impl Penalties {
    /// Nobody waits longer than `longest`.
    pub(crate) fn new(longest: Duration) -> Self {
        Self {
            known: Cache::new(ADDRESSES),
            longest,
        }
    }

    /// How long a login from `remote` that was refused as `why` waits for its answer: nothing at the first
    /// guess, then 1, 2, 4.. seconds.
    pub(crate) fn delay(&self, remote: Option<IpAddr>, why: Rejection) -> Duration {
        let Some(address) = remote.filter(|_| why.is_guess()).and_then(network) else {
            return Duration::ZERO;
        };
        let now = Instant::now();
        let recent = self.known.get(&address);
        let recent = recent.filter(|guesses| now < guesses.last + MEMORY);
        let before = recent.map_or(0, |guesses| guesses.count);
        let count = before.saturating_add(1);
        self.known.insert(address, Guesses { count, last: now });
        let Some(exponent) = before.checked_sub(1) else {
            return Duration::ZERO;
        };
        metrics::limit_hit(metrics::Limit::Penalty);
        let seconds = 1_u64.checked_shl(exponent).unwrap_or(u64::MAX);
        Duration::from_secs(seconds).min(self.longest)
    }
}

/// Whom an address belongs to: one customer has a /64 at least (RFC 6177). This host's own address stands
/// for everybody who uses its webmail.
fn network(address: IpAddr) -> Option<IpAddr> {
    let address = address.to_canonical();
    if address.is_loopback() {
        return None;
    }
    Some(match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
    })
}

#[cfg(test)]
mod tests {
    use gatepost_core::Violation;
    use tokio::time::advance;

    use super::*;

    const LONGEST: Duration = Duration::from_secs(15);

    fn guess(penalties: &Penalties, address: &str) -> u64 {
        let address = Some(address.parse().unwrap());
        let delay = penalties.delay(address, Rejection::BadSignature);
        delay.as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn each_guess_costs_more_than_the_last_until_it_is_forgotten() {
        let penalties = Penalties::new(LONGEST);
        let delays = [(); 7].map(|()| guess(&penalties, "192.0.2.1"));
        assert_eq!(delays, [0, 1, 2, 4, 8, 15, 15]);
        assert_eq!(guess(&penalties, "192.0.2.2"), 0, "another address");
        for _ in 0..100 {
            guess(&penalties, "192.0.2.1");
        }
        assert_eq!(guess(&penalties, "::ffff:192.0.2.1"), 15);
        advance(MEMORY).await;
        assert_eq!(guess(&penalties, "192.0.2.1"), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_customer_is_a_whole_network_and_this_host_is_nobody() {
        let penalties = Penalties::new(LONGEST);
        assert_eq!(guess(&penalties, "2001:db8::1"), 0);
        assert_eq!(guess(&penalties, "2001:db8::2:0:0:1"), 1);
        assert_eq!(guess(&penalties, "2001:db8:0:1::1"), 0);
        for _ in 0..3 {
            assert_eq!(guess(&penalties, "127.0.0.1"), 0);
            assert_eq!(guess(&penalties, "::1"), 0);
        }
        assert_eq!(
            penalties.delay(None, Rejection::BadSignature),
            Duration::ZERO
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_expired_token_is_no_guess() {
        let penalties = Penalties::new(LONGEST);
        let address = Some("192.0.2.1".parse().unwrap());
        let time = gatepost_core::UnixTime::from_seconds(1);
        let expired = Violation::Expired {
            now: time,
            expires_at: time,
        };
        for why in [
            Rejection::Claims(expired),
            Rejection::TokenRefused,
            Rejection::UnknownKey,
            Rejection::ProviderUnavailable,
        ] {
            for _ in 0..3 {
                assert_eq!(penalties.delay(address, why), Duration::ZERO);
            }
        }
        assert_eq!(guess(&penalties, "192.0.2.1"), 0);
    }
}
