//! Figures of providers.

use std::fmt;

use gatepost_tokio::{EndpointStatistics, HitsAndMisses, Latency, RequestResult, Statistics};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::figure::{Labels, counter, gauge};

/// What all providers have counted at one moment.
#[derive(Debug)]
pub(super) struct Providers(pub(super) Vec<Statistics>);

impl Collector for Providers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let to = &mut encoder;
        self.encode_requests(to)?;
        self.encode_queue(to)?;
        self.encode_keys(to)?;
        self.encode_caches(to)
    }
}

impl Providers {
    /// What `figure` is of each provider.
    fn each<'s, V>(
        &'s self,
        figure: impl Fn(&'s Statistics) -> V,
    ) -> impl Iterator<Item = (Labels<'s, 1>, V)> {
        let all = self.0.iter();
        all.map(move |one| ([("provider", &*one.provider)], figure(one)))
    }

    fn endpoints(&self) -> impl Iterator<Item = (&str, &EndpointStatistics)> {
        let all = self.0.iter();
        all.flat_map(|one| {
            let endpoints = one.endpoints.iter();
            endpoints.map(|endpoint| (&*one.provider, endpoint))
        })
    }

    fn encode_requests(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let requests = self.endpoints().flat_map(|(provider, endpoint)| {
            let results = RequestResult::ALL.iter().zip(endpoint.results);
            results.map(move |(result, count)| {
                let labels = [
                    ("provider", provider),
                    ("endpoint", endpoint.kind.name()),
                    ("result", result.name()),
                ];
                (labels, count)
            })
        });
        let help = "Requests to providers, by what came of them.";
        counter(to, "gatepost_provider_requests", help, requests)?;
        let name = "gatepost_provider_request_duration_seconds";
        let help = "Time from a request's sending to the end of its answer.";
        let mut family = to.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (provider, endpoint) in self.endpoints() {
            let latency = endpoint.latency;
            let bounds = Latency::BOUNDS.into_iter().chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(latency.counts).collect();
            let (sum, count) = (latency.sum.as_secs_f64(), latency.counts.iter().sum());
            let labels = [("provider", provider), ("endpoint", endpoint.kind.name())];
            let mut histogram = family.encode_family(&labels)?;
            histogram.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }

    fn encode_queue(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Questions of logins that wait to be sent to a provider.";
        let waiting = self.each(|one| one.waiting);
        gauge(to, "gatepost_provider_questions_waiting", help, waiting)?;
        let help = "Questions of logins that a provider has not answered yet.";
        let under_way = self.each(|one| one.under_way);
        gauge(to, "gatepost_provider_questions_in_flight", help, under_way)?;
        let help = "Logins that were refused because too many waited for a provider.";
        let busy = self.each(|one| one.busy);
        counter(to, "gatepost_provider_busy", help, busy)?;
        let help =
            "Whether a provider is left alone because it fails or asked for it (1) or not (0).";
        let open = self.each(|one| u64::from(one.is_left_alone));
        gauge(to, "gatepost_provider_breaker_open", help, open)?;
        let help = "How often a provider began to be left alone.";
        let opened = self.each(|one| one.left_alone);
        counter(to, "gatepost_provider_breaker_opened", help, opened)
    }

    fn encode_keys(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Keys that verify a provider's tokens.";
        gauge(to, "gatepost_keys", help, self.each(|one| one.keys))?;
        let fetched = self.0.iter().filter_map(|one| {
            let at = one.keys_fetched_at?.seconds();
            Some(([("provider", &*one.provider)], at))
        });
        let help = "When a provider's keys were fetched, in seconds since 1970.";
        gauge(to, "gatepost_keys_fetched_timestamp_seconds", help, fetched)?;
        let help = "Looks at a provider's keys because of a token that none of them verifies.";
        let looks = self.each(|one| one.looks_for_newer_keys);
        counter(to, "gatepost_key_refreshes", help, looks)
    }

    fn encode_caches(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let lookups = self.0.iter().flat_map(|one| {
            let caches = [("answers", one.answers), ("signatures", one.signatures)];
            caches
                .into_iter()
                .flat_map(|(cache, HitsAndMisses { hits, misses, .. })| {
                    [("hit", hits), ("miss", misses)].map(|(result, count)| {
                        let labels = [
                            ("provider", &*one.provider),
                            ("cache", cache),
                            ("result", result),
                        ];
                        (labels, count)
                    })
                })
        });
        let help = "Looks for an answer or a signature that is known already.";
        counter(to, "gatepost_cache_lookups", help, lookups)?;
        let help = "Answers of a provider that are kept.";
        let kept = self.each(|one| one.answers_kept);
        gauge(to, "gatepost_answers_kept", help, kept)?;
        let help = "Memory that they take.";
        let bytes = self.each(|one| one.answers_kept_bytes);
        gauge(to, "gatepost_answers_kept_bytes", help, bytes)
    }
}
