//! What the operator is told about metadata that are not taken.

use gatepost_core::provider::MetadataError;

use super::Inner;
use crate::http::Incoming;
use crate::trouble::{Reason, Trouble};

impl Inner {
    /// Tells the operator why metadata are not taken.
    pub(super) fn complain(&self, url: &str, error: MetadataError, incoming: &Incoming) {
        let trouble = Trouble::of("metadata", url, Ok(incoming), false);
        if trouble.reason != Reason::Unusable {
            self.http.report(&trouble);
            return;
        }
        let claimed = serde_json::from_slice::<serde_json::Value>(&incoming.body).ok();
        let claimed = claimed.and_then(|metadata| Some(metadata.get("issuer")?.to_string()));
        let advice = match error {
            MetadataError::WrongIssuer => {
                "they name another issuer: write that one, if it is the one you mean"
            }
            _ => "they are not the metadata of a provider: look at what that URL answers",
        };
        tracing::error!(
            provider = self.name,
            url,
            issuer = self.issuer,
            claimed = claimed.map(|claimed| claimed.chars().take(256).collect::<String>()),
            advice,
            "metadata refused"
        );
    }
}
