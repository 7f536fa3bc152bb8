//! What is said of a configuration that comes into force.

use std::path::PathBuf;

use crate::config::{Config, Provider};
use crate::judging::generation::Generation;

/// Names what an operator should know about the configuration that is in force.
pub(super) fn announce(config: &Config, exposed: &[PathBuf], generation: &Generation) {
    for path in exposed {
        let path = path.display().to_string();
        tracing::warn!(path, "holds a secret and can be read by others");
    }
    for word in config.looser_words() {
        tracing::warn!(word, "looser than the default");
    }
    let trust = generation.providers.trust();
    for (policy, keys) in trust.policies().iter().zip(trust.keys()) {
        let keys = keys.len();
        tracing::info!(
            provider = policy.provider,
            issuer = policy.issuer,
            keys,
            "provider"
        );
    }
}

/// What `systemctl status` shows.
pub(super) fn status(config: &Config) -> String {
    let names: Vec<String> = config.providers.iter().map(Provider::name).collect();
    format!("serving {}", names.join(", "))
}
