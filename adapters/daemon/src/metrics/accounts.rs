//! Figures of accounts.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::figure::gauge;
use crate::accounts::{Health, Kept};

/// How accounts are at one moment, if there are any to be.
#[derive(Debug)]
pub(super) struct Accounts {
    number: Option<[(&'static str, u64); 2]>,
    can_write: u64,
    kept: Vec<Kept>,
}

impl Accounts {
    pub(super) fn new(health: &Health) -> Self {
        Self {
            number: health.number.map(|number| {
                let disabled = number.all.saturating_sub(number.active);
                [
                    ("enabled", number.active as u64),
                    ("disabled", disabled as u64),
                ]
            }),
            can_write: u64::from(health.away.is_none()),
            kept: health.kept.clone(),
        }
    }
}

impl Collector for Accounts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let to = &mut encoder;
        let number = self.number.iter().flatten();
        let number = number.map(|(state, number)| ([("state", *state)], *number));
        let help = "Accounts that are known, by whether they may log in.";
        gauge(to, "gatepost_accounts", help, number)?;
        let help = "Whether the database of accounts can be written.";
        gauge(
            to,
            "gatepost_accounts_writable",
            help,
            [([], self.can_write)],
        )?;
        let kept = self.kept.iter();
        let kept = kept.map(|kept| ([("source", &*kept.source)], kept.accounts as u64));
        let help = "Accounts that have an address by domains that are not configured any more.";
        gauge(to, "gatepost_accounts_in_kept_domains", help, kept)
    }
}
