//! What has been said of a provider's metadata and keys: nothing is said again while it stays as it is.

use std::sync::{Mutex, PoisonError};

use gatepost_core::introspection::Mode;
use gatepost_core::provider::{LeftOut, Metadata, MetadataMember};

use crate::keys::{Problem, Warning};
use crate::settings::ProviderSettings;

/// What was said of the look before.
pub(super) struct Told {
    said: Mutex<Vec<String>>,
    /// The members of its metadata that are used.
    used: Vec<MetadataMember>,
}

impl Told {
    pub(super) fn new(settings: &ProviderSettings) -> Self {
        let mut used = Vec::new();
        if let Some(online) = &settings.online {
            if settings.keys.is_empty() && online.key_set_url.is_none() {
                used.push(MetadataMember::JwksUri);
            }
            if online.about.is_some() && online.introspection_url.is_none() {
                used.push(match online.introspection_mode {
                    Mode::Auth => MetadataMember::UserinfoEndpoint,
                    Mode::Get | Mode::Post => MetadataMember::IntrospectionEndpoint,
                });
            }
        }
        Self {
            said: Mutex::default(),
            used,
        }
    }

    /// Logs what cannot be used of metadata and keys, as far as that is news.
    pub(super) fn tell(&self, provider: &str, metadata: &Metadata, warnings: &[Warning]) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = Vec::new();
        for left_out in &metadata.left_out {
            let fault = left_out.to_string();
            if !said.contains(&fault) {
                self.tell_left_out(provider, *left_out, &fault);
            }
            now.push(fault);
        }
        for warning in warnings {
            let text = warning.to_string();
            if said.contains(&text) {
                // It was said of the look before.
            } else if warning.problem == Problem::Repeated {
                tracing::info!(provider, warning = text, "key repeated");
            } else {
                tracing::warn!(provider, warning = text, "key left out");
            }
            now.push(text);
        }
        *said = now;
    }

    fn tell_left_out(&self, provider: &str, left_out: LeftOut, fault: &str) {
        if self.used.contains(&left_out.member) {
            let advice = advice(left_out.member);
            tracing::warn!(provider, fault, advice, "endpoint left out");
        } else {
            tracing::info!(provider, fault, "endpoint left out, which is not used");
        }
    }
}

/// What to write in place of a member that cannot be used.
const fn advice(member: MetadataMember) -> &'static str {
    match member {
        MetadataMember::JwksUri => "write key_set_url, or have the provider correct its metadata",
        _ => "write introspection_url, or have the provider correct its metadata",
    }
}
