//! Where a provider's metadata are, and whether they are its own.

use gatepost_core::provider::{Metadata, MetadataError, write_oauth_url, write_oidc_url};

use super::Inner;
use crate::http::Incoming;
use crate::statistics::EndpointKind;
use crate::trouble::{Reason, Trouble};

impl Inner {
    /// Where the metadata are: where the operator says, or where their standards do.
    fn metadata_urls(&self, issuer: &str) -> Vec<String> {
        if let Some(url) = &self.metadata_url {
            return vec![url.clone()];
        }
        let mut urls = [String::new(), String::new()];
        // A string always has room.
        let _ = write_oidc_url(issuer, &mut urls[0]);
        let _ = write_oauth_url(issuer, &mut urls[1]);
        urls.into()
    }

    pub(super) fn read_metadata(
        &self,
        issuer: &str,
        body: &[u8],
    ) -> Result<Metadata, MetadataError> {
        let url = self.metadata_url.as_deref().unwrap_or(issuer);
        Metadata::parse_from(url, issuer, body)
    }

    /// The metadata as they were answered, and what they say.
    pub(super) async fn fetch_metadata(&self) -> Option<(String, Metadata)> {
        let issuer = self.issuer.as_deref()?;
        for url in self.metadata_urls(issuer) {
            let Ok(incoming) = self.http.get(EndpointKind::Metadata, &url).await else {
                // It is not reached at all.
                return None;
            };
            if incoming.status != 200 {
                self.report("metadata", &url, &incoming);
                continue;
            }
            match self.read_metadata(issuer, &incoming.body) {
                Ok(metadata) => {
                    return Some((String::from_utf8(incoming.body).ok()?, metadata));
                }
                Err(error) => self.complain(&url, error, &incoming),
            }
        }
        None
    }

    /// Tells the operator why metadata are not taken.
    fn complain(&self, url: &str, error: MetadataError, incoming: &Incoming) {
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
