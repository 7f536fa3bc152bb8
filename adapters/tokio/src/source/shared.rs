//! What the sources of all providers publish together.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::remembered::Signatures;
use crate::statistics::Hits;
use crate::trust::{Found, Owned, Trust};

/// What all sources of one generation publish together.
pub(crate) struct Shared {
    owned: Mutex<Owned>,
    publish: watch::Sender<Arc<Trust>>,
    pub(super) signatures: Signatures,
    signature_hits: Vec<Arc<Hits>>,
}

impl Shared {
    pub(crate) fn new(
        owned: Owned,
        publish: watch::Sender<Arc<Trust>>,
        signatures: Signatures,
        signature_hits: Vec<Arc<Hits>>,
    ) -> Self {
        Self {
            owned: Mutex::new(owned),
            publish,
            signatures,
            signature_hits,
        }
    }

    pub(super) fn signature_hits(&self, index: usize) -> Arc<Hits> {
        self.signature_hits.get(index).cloned().unwrap_or_default()
    }

    /// Replaces what is known of one provider, and nothing of any other.
    pub(super) fn replace(&self, index: usize, change: impl FnOnce(&mut Found)) {
        let mut owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = owned.found.get_mut(index) {
            change(found);
            found.generation = found.generation.saturating_add(1);
            self.publish
                .send_replace(Arc::new(Trust::build(owned.clone())));
        }
    }
}
