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
    jose::{Jwk, KeyBuffer, KeyError},
};
use sha2::{Digest as _, Sha256};

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
    pub(crate) material: Option<Material>,
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
    /// Whether a token could mean either; the core then refuses it.
    fn is_mistaken_for(&self, other: &Self) -> bool {
        let may_be_meant_both = self.kid.is_some()
            && self.kid == other.kid
            && self.owner == other.owner
            && (self.issuer == other.issuer || self.issuer.is_none() || other.issuer.is_none());
        may_be_meant_both && !self.is_same_key(other) && !self.shared(other).is_empty()
    }

    /// Whether the other one is this one once more, and serves nothing beyond what this one does.
    fn covers(&self, other: &Self) -> bool {
        self.kid == other.kid
            && self.owner == other.owner
            && self.issuer == other.issuer
            && self.is_same_key(other)
            && self.shared(other) == other.key.algorithms()
    }

    fn is_same_key(&self, other: &Self) -> bool {
        self.material.is_some() && self.material == other.material
    }

    fn shared(&self, other: &Self) -> AlgorithmSet {
        let ours = self.key.algorithms();
        ours.intersection(other.key.algorithms())
    }
}

/// A digest of a key's type and numbers: equal ones are one key, however they are written.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Material([u8; 32]);

impl Material {
    /// `None` for a type that is not known here: no key of it equals another.
    fn new(material: &KeyMaterial<'_>) -> Option<Self> {
        let mut hash = Sha256::new();
        let (kind, numbers) = match material {
            KeyMaterial::Hmac(secret) => (0, secret.expose()),
            KeyMaterial::Rsa(key) => {
                hash.update(key.exponent().to_be_bytes());
                (1, key.modulus())
            }
            // The length tells the curve.
            KeyMaterial::Ec(key) => (2, key.sec1()),
            KeyMaterial::Ed25519(key) => (3, &key.bytes()[..]),
            _ => return None,
        };
        hash.update(numbers);
        hash.update([kind]);
        Some(Self(hash.finalize().into()))
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
            material: Material::new(material),
            written: Written::new(material, self.writes_secrets),
        })
    }
}

#[cfg(test)]
mod tests;
