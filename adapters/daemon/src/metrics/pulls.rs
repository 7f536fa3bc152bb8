//! Figures of providers that are read for their accounts.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::figure::{counter, gauge};
use crate::accounts::Pulled;

/// How all pulls are at one moment.
#[derive(Debug)]
pub(super) struct Pulls(pub(super) Vec<Pulled>);

impl Collector for Pulls {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let to = &mut encoder;
        if self.0.is_empty() {
            return Ok(());
        }
        let last = self.0.iter().filter_map(|one| {
            let seconds = one.last?.millis() / 1_000;
            Some(([("source", &*one.source)], seconds))
        });
        let help = "When a provider was read last for its accounts, in seconds since 1970.";
        gauge(
            to,
            "gatepost_pull_last_success_timestamp_seconds",
            help,
            last,
        )?;
        let results = self.0.iter().flat_map(|one| {
            let both = [("success", one.successes), ("failure", one.failures)];
            both.map(|(result, count)| ([("source", &*one.source), ("result", result)], count))
        });
        let help = "Readings of a provider's accounts, by what became of them.";
        counter(to, "gatepost_pulls", help, results)
    }
}
