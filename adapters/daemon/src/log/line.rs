//! The one line of a login, even where its client is gone before the verdict.

use std::time::Duration;

use gatepost_core::dovecot::{NotSent, Origin};
use gatepost_tokio::Verdict;

use crate::metrics::Metrics;

/// A login that has to have its line.
pub(crate) struct LoginLine {
    mechanism: &'static str,
    pub(crate) origin: Origin,
    /// How long the judging took.
    pub(crate) took: Option<Duration>,
    is_written: bool,
}

impl LoginLine {
    pub(crate) fn begin(mechanism: &'static str, origin: Origin) -> Self {
        Self {
            mechanism,
            origin,
            took: None,
            is_written: false,
        }
    }

    /// The verdict was given; `sent` says whether anybody was left to hear it.
    pub(crate) fn end(&mut self, metrics: &Metrics, verdict: &Verdict, sent: Result<(), NotSent>) {
        self.is_written = true;
        let took = self.took.unwrap_or_default();
        metrics.login(self.mechanism, verdict, took);
        super::login(self.mechanism, &self.origin, verdict, took, sent);
    }
}

impl Drop for LoginLine {
    fn drop(&mut self) {
        if !self.is_written {
            super::abandoned(self.mechanism, &self.origin);
        }
    }
}
