//! What is counted, for Prometheus, and whether all is well. No label holds anything that a client has sent.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use gatepost_tokio::{Outcome, Verdict};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeMetric as _, text::encode,
};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::{family::Family, histogram::Histogram};
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::sync::watch;

use crate::generation::Generation;
use crate::log;
use crate::web::{Reply, Request};

/// Upper ends of what a login may take, in seconds: a remembered signature, a signature, a provider.
const BUCKETS: [f64; 10] = [
    0.000_02, 0.000_1, 0.000_5, 0.002, 0.01, 0.05, 0.25, 1.0, 3.0, 10.0,
];

/// Counters of the daemon.
pub(crate) struct Metrics {
    registry: Registry,
    logins: Family<Login, Counter>,
    refused: Family<Refused, Counter>,
    lookups: Family<Lookup, Counter>,
    seconds: Histogram,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Login {
    mechanism: &'static str,
    provider: String,
    /// `accept`, or the reason code.
    verdict: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Refused {
    reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Lookup {
    /// `true` or `false`.
    found: &'static str,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("gatepost");
        let logins = Family::default();
        let refused = Family::default();
        let lookups = Family::default();
        let seconds = Histogram::new(BUCKETS);
        registry.register("logins", "Logins that were judged", logins.clone());
        let help = "Logins that the protocol refused before anybody could judge them";
        registry.register("refused", help, refused.clone());
        let help = "Keys that Dovecot's local validation asked for";
        registry.register("dict_lookups", help, lookups.clone());
        let help = "Time from a login's response to its verdict";
        registry.register("login_seconds", help, seconds.clone());
        registry.register_collector(Box::new(Log));
        Self {
            registry,
            logins,
            refused,
            lookups,
            seconds,
        }
    }

    /// Counts a login over `mechanism`, as the log names it.
    pub(crate) fn login(&self, mechanism: &'static str, verdict: &Verdict, took: Duration) {
        let labels = Login {
            mechanism,
            // One of those that are configured, or none.
            provider: verdict.provider.clone().unwrap_or_default(),
            verdict: match &verdict.outcome {
                Outcome::Accepted(_) => "accept",
                Outcome::Refused { rejection, .. } => rejection.code(),
            },
        };
        self.logins.get_or_create(&labels).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// Counts a key that was asked for.
    pub(crate) fn lookup(&self, is_found: bool) {
        let found = if is_found { "true" } else { "false" };
        self.lookups.get_or_create(&Lookup { found }).inc();
    }

    pub(crate) fn refusal(&self, reason: &'static str) {
        self.refused.get_or_create(&Refused { reason }).inc();
    }

    /// Answers whoever watches: `/metrics`, and `/health` with 503 while a provider has neither keys nor
    /// anybody to ask.
    pub(crate) fn answer(
        &self,
        request: &Request,
        generation: &watch::Receiver<Arc<Generation>>,
    ) -> Reply {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/metrics") => {
                let generation = Arc::clone(&generation.borrow());
                let mut text = String::new();
                // A string always has room.
                let _ = encode(&mut text, &self.registry);
                add_providers(&mut text, &generation);
                let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                Reply::of(200, media_type, text)
            }
            ("GET", "/health") => health(&generation.borrow()),
            _ => Reply::of(404, "text/plain", "GET /metrics or /health\n"),
        }
    }
}

/// What the log counts.
#[derive(Debug)]
struct Log;

impl Collector for Log {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counter = ConstCounter::new(log::dropped());
        let help = "Lines of the log that were dropped because nobody read them";
        let metric =
            encoder.encode_descriptor("log_lines_dropped", help, None, counter.metric_type())?;
        counter.encode(metric)
    }
}

/// How many keys each provider has at this moment, before the end of the text.
fn add_providers(text: &mut String, generation: &Generation) {
    let end = "# EOF\n";
    text.truncate(text.len() - if text.ends_with(end) { end.len() } else { 0 });
    *text +=
        "# HELP gatepost_keys Keys that verify a provider's tokens.\n# TYPE gatepost_keys gauge\n";
    for (provider, keys, _) in generation.providers.state() {
        let provider = provider.replace('\\', "\\\\").replace('"', "\\\"");
        // As above.
        let _ = writeln!(text, "gatepost_keys{{provider=\"{provider}\"}} {keys}");
    }
    *text += end;
}

fn health(generation: &Generation) -> Reply {
    let state = generation.providers.state();
    let is_well = state.iter().all(|(_, keys, can_ask)| *keys > 0 || *can_ask);
    let providers = state
        .iter()
        .map(|(name, keys, can_ask)| json!({"name": name, "keys": keys, "can_be_asked": can_ask}));
    let providers: Vec<_> = providers.collect();
    let status = if is_well { "ok" } else { "degraded" };
    let body = json!({"status": status, "providers": providers});
    Reply::json(if is_well { 200 } else { 503 }, &body)
}
