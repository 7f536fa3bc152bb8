//! What is counted, for Prometheus, and whether all is well. No label holds anything that a client has sent.

mod accounts;
mod answers;
mod events;
mod figure;
mod process;
mod providers;
mod pulls;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gatepost_tokio::{Outcome, Verdict};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, prometheus_text, text};
use prometheus_client::metrics::{counter::Counter, family::Family, histogram::Histogram};
use prometheus_client::registry::Registry;
use tokio::sync::watch;

pub(crate) use answers::{Answer, Question};
pub(crate) use events::{Connected, Limit, limit_hit, loaded, reloaded};

use crate::accounts::{Accounts, Health};
use crate::judging::generation::Generation;
use crate::log;
use answers::Format;
use figure::{counter, gauge};
use process::Process;
use providers::Providers;
use pulls::Pulls;

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
    duration: Histogram,
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
        let duration = Histogram::new(BUCKETS);
        registry.register("logins", "Logins that were judged", logins.clone());
        let help = "Logins that the protocol refused before anybody could judge them";
        registry.register("refused", help, refused.clone());
        let help = "Keys that Dovecot's local validation asked for";
        registry.register("dict_lookups", help, lookups.clone());
        let help = "Time from a login's response to its verdict";
        registry.register("login_duration_seconds", help, duration.clone());
        Self {
            registry,
            logins,
            refused,
            lookups,
            duration,
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
        self.duration.observe(took.as_secs_f64());
    }

    /// Counts a key that was asked for.
    pub(crate) fn lookup(&self, is_found: bool) {
        let found = if is_found { "true" } else { "false" };
        self.lookups.get_or_create(&Lookup { found }).inc();
    }

    pub(crate) fn refusal(&self, reason: &'static str) {
        self.refused.get_or_create(&Refused { reason }).inc();
    }

    /// Answers whoever watches.
    pub(crate) fn answer(
        &self,
        question: Question<'_>,
        generation: &watch::Receiver<Arc<Generation>>,
        accounts: Option<&Accounts>,
    ) -> Answer {
        let generation = Arc::clone(&generation.borrow());
        let health = accounts.map(Accounts::health);
        answers::answer(question, &generation, health.as_ref(), |format| {
            self.figures(&generation, health.as_ref(), format)
        })
    }

    fn figures(&self, generation: &Generation, health: Option<&Health>, format: Format) -> String {
        // What is read where it is comes with its whole name.
        let mut read = Registry::default();
        read.register_collector(Box::new(Daemon));
        let statistics = generation.providers.statistics();
        read.register_collector(Box::new(Providers(statistics)));
        if let Some(health) = health {
            read.register_collector(Box::new(accounts::Accounts::new(health)));
            read.register_collector(Box::new(Pulls(health.pulls.clone())));
        }
        read.register_collector(Box::new(Process));
        let mut figures = String::new();
        // A string always has room.
        let _ = match format {
            Format::Text => prometheus_text::encode(&mut figures, &self.registry)
                .and_then(|()| prometheus_text::encode(&mut figures, &read)),
            Format::Open => text::encode_registry(&mut figures, &self.registry)
                .and_then(|()| text::encode_registry(&mut figures, &read))
                .and_then(|()| text::encode_eof(&mut figures)),
        };
        figures
    }
}

/// What is counted where it happens.
#[derive(Debug)]
struct Daemon;

impl Collector for Daemon {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let to = &mut encoder;
        let help = "Which Gatepost this is.";
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        gauge(to, "gatepost_build_info", help, [(version, 1_u64)])?;
        let help = "Lines of the log that were dropped because nobody read them.";
        let dropped = [([], log::dropped())];
        counter(to, "gatepost_log_lines_dropped", help, dropped)?;
        let connections = events::connections();
        let open = connections.iter();
        let open = open.map(|(protocol, counts)| ([("protocol", *protocol)], counts.open));
        let help = "Connections that are open.";
        gauge(to, "gatepost_connections", help, open)?;
        let opened = connections.iter();
        let opened = opened.map(|(protocol, counts)| ([("protocol", *protocol)], counts.opened));
        let help = "Connections that were opened.";
        counter(to, "gatepost_connections_opened", help, opened)?;
        let help = "How often a limit kept somebody out, or waiting.";
        let limits = events::limits().map(|(limit, count)| ([("limit", limit)], count));
        counter(to, "gatepost_limits_hit", help, limits)?;
        let help = "Readings of the configuration after the start, by what became of them.";
        let reloads = events::reloads().map(|(result, count)| ([("result", result)], count));
        counter(to, "gatepost_reloads", help, reloads)?;
        let help = "When the configuration that is in force was read, in seconds since 1970.";
        let last = [([], events::last_success())];
        gauge(
            to,
            "gatepost_last_reload_success_timestamp_seconds",
            help,
            last,
        )
    }
}
