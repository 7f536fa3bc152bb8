//! Keys from files: what an operator names is a JWK Set, a JWK, a PEM file, or a directory of keys.
//!
//! Whatever cannot be used is left out with a warning that says why; a source of which nothing can be
//! used is an error.

mod directory;
mod file;
mod problem;
mod written;

pub use problem::{KeyFileError, Problem, Warning};

use std::path::Path;
use std::sync::Arc;

use gatepost_core::{
    crypto::{Algorithm, AlgorithmSet, Backend, VerifyingKey},
    jose::KeyError,
};

use crate::settings::ProviderSettings;
pub(crate) use written::Written;

/// A key that has been prepared, and what its file says of it.
#[derive(Clone)]
pub(crate) struct LoadedKey {
    pub(crate) key: Arc<dyn VerifyingKey>,
    pub(crate) kid: Option<String>,
    pub(crate) owner: Option<String>,
    /// The key as text, where it may be told.
    pub(crate) written: Option<Written>,
}

/// Algorithms whose keys anybody may see.
const PUBLIC: AlgorithmSet = AlgorithmSet::of(&[
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::Es512,
    Algorithm::EdDsa,
]);

/// Prepares the keys of a JWK Set that `url` has answered with; `None` where it is no such set.
///
/// A secret that is published is none: whoever reads it could sign with it.
pub(crate) fn of_answer<B>(
    backend: &B,
    algorithms: AlgorithmSet,
    url: &str,
    body: &[u8],
    warnings: &mut Vec<Warning>,
) -> Option<Vec<LoadedKey>>
where
    B: Backend,
    B::Key: 'static,
{
    let preparer = Preparer {
        backend,
        algorithms: algorithms.intersection(PUBLIC),
        writes_secrets: false,
    };
    file::load_body(&preparer, Path::new(url), body, warnings)
}

/// Loads all keys of one provider.
pub(crate) fn load<B>(
    backend: &B,
    settings: &ProviderSettings,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<LoadedKey>, KeyFileError>
where
    B: Backend,
    B::Key: 'static,
{
    let preparer = Preparer {
        backend,
        algorithms: settings.algorithms,
        writes_secrets: settings.tells_secrets,
    };
    let mut loaded: Vec<LoadedKey> = Vec::new();
    for path in &settings.keys {
        let mut reasons = Vec::new();
        let keys = load_source(&preparer, path, &mut reasons)?;
        if keys.is_empty() {
            let path = path.clone();
            return Err(KeyFileError::NothingUsable { path, reasons });
        }
        warnings.append(&mut reasons);
        for key in keys {
            if loaded.iter().any(|other| other.is_mistaken_for(&key)) {
                warnings.push(Warning::of(path, key.kid.clone(), Problem::AmbiguousKid));
            }
            loaded.push(key);
        }
    }
    Ok(loaded)
}

fn load_source<P: Prepare>(
    preparer: &P,
    path: &Path,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<LoadedKey>, KeyFileError> {
    if path.is_dir() {
        directory::load(preparer, path, warnings)
    } else {
        file::load(preparer, path, warnings)
    }
}

impl LoadedKey {
    /// Whether a token could mean either; the core then refuses it.
    fn is_mistaken_for(&self, other: &Self) -> bool {
        let both = self.key.algorithms().intersection(other.key.algorithms());
        self.kid.is_some() && self.kid == other.kid && self.owner == other.owner && !both.is_empty()
    }
}

/// Prepares keys of whatever type; it hides the backend's own. They have no name yet.
trait Prepare {
    fn prepare(
        &self,
        material: &gatepost_core::crypto::KeyMaterial<'_>,
        algorithms: AlgorithmSet,
    ) -> Result<LoadedKey, KeyError>;
}

struct Preparer<'b, B> {
    backend: &'b B,
    /// What the provider's keys may serve at all.
    algorithms: AlgorithmSet,
    writes_secrets: bool,
}

impl<B> Prepare for Preparer<'_, B>
where
    B: Backend,
    B::Key: 'static,
{
    fn prepare(
        &self,
        material: &gatepost_core::crypto::KeyMaterial<'_>,
        algorithms: AlgorithmSet,
    ) -> Result<LoadedKey, KeyError> {
        let algorithms = algorithms.intersection(self.algorithms);
        let key = self.backend.prepare(material, algorithms)?;
        Ok(LoadedKey {
            key: Arc::new(key),
            kid: None,
            owner: None,
            written: Written::new(material, self.writes_secrets),
        })
    }
}

#[cfg(test)]
mod tests;
