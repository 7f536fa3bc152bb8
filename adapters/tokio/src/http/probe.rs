//! Trying whether a provider that is left alone is back, with a question that is nobody's login.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::Url;
use tokio::time::sleep;

use super::{Inner, Outgoing, reported};
use crate::statistics::EndpointKind;

/// How long a try is put off at least: a login may be trying meanwhile.
const MIN_SLEEP: Duration = Duration::from_millis(500);

impl Inner {
    /// Tries from now on, until the provider is back or these connections are given up. `endpoint` is what was asked
    /// last.
    pub(super) fn probe(self: &Arc<Self>, endpoint: &str) {
        let Some(url) = self.probed_url(endpoint) else {
            return;
        };
        if self.is_probing.swap(true, Ordering::SeqCst) {
            return;
        }
        let weak = Arc::downgrade(self);
        self.runtime.spawn(async move {
            loop {
                let pause = weak.upgrade().and_then(|inner| inner.gate.probe_in());
                let Some(pause) = pause else { break };
                sleep(pause.max(MIN_SLEEP)).await;
                let Some(inner) = weak.upgrade() else { break };
                if inner.gate.probe_in().is_none() {
                    continue;
                }
                if let Some(admission) = inner.gate.admit_probe() {
                    let outcome = inner
                        .send(&Outgoing::get(EndpointKind::Metadata, &url))
                        .await;
                    let outcome = reported(EndpointKind::Metadata, &outcome);
                    inner.gate.report(None, admission, outcome);
                }
            }
            if let Some(inner) = weak.upgrade() {
                inner.is_probing.store(false, Ordering::SeqCst);
            }
        });
    }

    /// Something public that the same server answers; else the endpoint itself, without a token: it says that it
    /// wants one.
    fn probed_url(&self, endpoint: &str) -> Option<String> {
        let public = self.public_url.as_deref();
        let Ok(asked) = Url::parse(endpoint) else {
            return public.map(str::to_owned);
        };
        let public = public.and_then(|public| Url::parse(public).ok());
        let public = public.filter(|public| public.origin() == asked.origin());
        Some(public.unwrap_or(asked).into())
    }
}
