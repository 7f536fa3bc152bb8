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
    crypto::{AlgorithmSet, Backend, KeyMaterial, VerifyingKey},
    exchange::TrustedKey,
    jose::{Jwk, KeyBuffer, KeyError},
};

use crate::settings::ProviderSettings;
pub(crate) use written::Written;

/// A key that has been prepared, and what its file says of it.
#[derive(Clone)]
pub(crate) struct LoadedKey {
    pub(crate) key: Arc<dyn VerifyingKey>,
    pub(crate) kid: Option<String>,
    pub(crate) owner: Option<String>,
    /// The only issuer whose tokens it signs, where the key says so itself.
    pub(crate) issuer: Option<String>,
    /// The key as text, where it may be told.
    pub(crate) written: Option<Written>,
    /// Of its type and numbers: equal ones are one key, however they are written.
    pub(crate) fingerprint: [u8; 32],
}

/// Prepares the keys of a JWK Set that `url` has answered with; `None` where it is no such set.
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
        algorithms,
        takes_secrets: false,
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
        takes_secrets: true,
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
            let warning = |key: &LoadedKey, problem| Warning::of(path, key.kid.clone(), problem);
            if loaded.iter().any(|other| other.covers(&key)) {
                warnings.push(warning(&key, Problem::Repeated));
                continue;
            }
            loaded.retain(|other| {
                let is_covered = key.covers(other);
                if is_covered {
                    warnings.push(warning(other, Problem::Repeated));
                }
                !is_covered
            });
            if loaded.iter().any(|other| other.is_mistaken_for(&key)) {
                warnings.push(warning(&key, Problem::AmbiguousKid));
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
    /// The key as an exchange takes it.
    pub(crate) fn trusted(&self) -> TrustedKey<'_> {
        let mut trusted = TrustedKey::new(&*self.key, self.kid.as_deref());
        trusted.owner = self.owner.as_deref();
        trusted.issuer = self.issuer.as_deref();
        trusted
    }

    /// Whether a token could mean either; the core then refuses it.
    fn is_mistaken_for(&self, other: &Self) -> bool {
        self.fingerprint != other.fingerprint && self.trusted().is_mistaken_for(&other.trusted())
    }

    /// Whether the other one is this one once more, and serves nothing beyond what this one does.
    fn covers(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint && self.trusted().covers(&other.trusted())
    }
}

/// Prepares keys of whatever type; it hides the backend's own. They have no name yet.
trait Prepare {
    /// Reads the numbers of `jwk`; a secret only where it comes from the operator's own file.
    fn material<'b>(
        &self,
        jwk: &Jwk<'_>,
        buffer: &'b mut KeyBuffer,
    ) -> Result<KeyMaterial<'b>, KeyError>;

    fn prepare(
        &self,
        material: &KeyMaterial<'_>,
        algorithms: AlgorithmSet,
    ) -> Result<LoadedKey, KeyError>;
}

struct Preparer<'b, B> {
    backend: &'b B,
    /// What the provider's keys may serve at all.
    algorithms: AlgorithmSet,
    /// Whether a JWK may be a shared secret.
    takes_secrets: bool,
    writes_secrets: bool,
}

impl<B> Prepare for Preparer<'_, B>
where
    B: Backend,
    B::Key: 'static,
{
    fn material<'b>(
        &self,
        jwk: &Jwk<'_>,
        buffer: &'b mut KeyBuffer,
    ) -> Result<KeyMaterial<'b>, KeyError> {
        if self.takes_secrets {
            jwk.material_or_secret(buffer)
        } else {
            jwk.material(buffer)
        }
    }

    fn prepare(
        &self,
        material: &KeyMaterial<'_>,
        algorithms: AlgorithmSet,
    ) -> Result<LoadedKey, KeyError> {
        let algorithms = algorithms.intersection(self.algorithms);
        let key = self.backend.prepare(material, algorithms)?;
        Ok(LoadedKey {
            key: Arc::new(key),
            kid: None,
            owner: None,
            issuer: None,
            fingerprint: material.fingerprint(),
            written: Written::new(material, self.writes_secrets),
        })
    }
}

#[cfg(test)]
mod tests;
