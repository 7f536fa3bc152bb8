//! A directory of keys in Dovecot's layout: `<azp>/<ALG>/<kid>`.
//!
//! The client that a key signs for and the one algorithm that it serves are part of its path. Files under
//! `HS*` hold a secret in base64, the others a public key in PEM or a single JWK.

use std::fs;
use std::path::{Path, PathBuf};

use gatepost_core::{
    crypto::{Algorithm, AlgorithmSet},
    jose::{self, KeyBuffer, KeyError},
};

use super::file::{load_jwk, load_pem, read};
use super::{KeyFileError, LoadedKey, Prepare, Problem, Warning};

/// Most entries taken of one directory and its subdirectories: keys are kept in memory, and searched.
pub(super) const MAX_ENTRIES: usize = 1024;

/// Endings of files that editors and package managers leave behind.
const LEFTOVERS: [&str; 12] = [
    "~",
    ".bak",
    ".dpkg-dist",
    ".dpkg-new",
    ".dpkg-old",
    ".dpkg-tmp",
    ".old",
    ".orig",
    ".rpmnew",
    ".rpmsave",
    ".swp",
    ".tmp",
];

/// Loads every key under `root`.
pub(super) fn load(
    preparer: &impl Prepare,
    root: &Path,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<LoadedKey>, KeyFileError> {
    let mut walk = Walk {
        root,
        entries: 0,
        warnings,
    };
    let mut keys = Vec::new();
    for (owner, path) in walk.directories(root)? {
        for (algorithm, path) in walk.directories(&path)? {
            let Some(algorithm) = Algorithm::from_name(&algorithm) else {
                walk.warn(&path, None, Problem::UnknownAlgorithmDirectory);
                continue;
            };
            for (kid, path) in walk.entries(&path)? {
                match load_key(preparer, &path, algorithm) {
                    Ok(key) => keys.push(LoadedKey {
                        kid: Some(kid),
                        owner: Some(owner.clone()),
                        ..key
                    }),
                    Err(problem) => walk.warn(&path, Some(kid), problem),
                }
            }
        }
    }
    Ok(keys)
}

fn load_key(
    preparer: &impl Prepare,
    path: &Path,
    algorithm: Algorithm,
) -> Result<LoadedKey, Problem> {
    let content = read(path).map_err(|error| Problem::Unreadable(error.to_string()))?;
    let content = content.trim_ascii();
    let algorithms = AlgorithmSet::of(&[algorithm]);
    let key = if algorithm.name().starts_with("HS") {
        load_secret(preparer, content, algorithms)
    } else if content.starts_with(b"{") {
        load_jwk(preparer, content, algorithms)
    } else {
        load_pem(preparer, content, algorithms)
    };
    key.map_err(Problem::Unusable)
}

fn load_secret(
    preparer: &impl Prepare,
    text: &[u8],
    algorithms: AlgorithmSet,
) -> Result<LoadedKey, KeyError> {
    let mut buffer = KeyBuffer::new();
    preparer.prepare(&jose::secret_base64(text, &mut buffer)?, algorithms)
}

/// A walk over a directory of bounded size.
struct Walk<'w> {
    root: &'w Path,
    entries: usize,
    warnings: &'w mut Vec<Warning>,
}

impl Walk<'_> {
    /// The subdirectories of `path`, their names unescaped; anything else is warned of.
    fn directories(&mut self, path: &Path) -> Result<Vec<(String, PathBuf)>, KeyFileError> {
        let mut directories = self.entries(path)?;
        directories.retain(|(_, path)| {
            let is_directory = path.is_dir();
            if !is_directory {
                self.warn(path, None, Problem::NotInLayout);
            }
            is_directory
        });
        Ok(directories)
    }

    /// What is in `path`, in order, but for leftovers; names unescaped.
    fn entries(&mut self, path: &Path) -> Result<Vec<(String, PathBuf)>, KeyFileError> {
        let failed = |source| KeyFileError::Read {
            path: path.into(),
            source,
        };
        let mut found = Vec::new();
        for entry in fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                let path = self.root.into();
                return Err(KeyFileError::TooManyEntries { path });
            }
            let name = entry.file_name();
            match name.to_str().filter(|name| !is_leftover(name)) {
                Some(name) => found.push((unescape(name), entry.path())),
                None => self.warn(&entry.path(), None, Problem::Skipped),
            }
        }
        found.sort();
        Ok(found)
    }

    fn warn(&mut self, path: &Path, kid: Option<String>, problem: Problem) {
        self.warnings.push(Warning::of(path, kid, problem));
    }
}

/// Whether a name is hidden, temporary or a backup; a dot of an identifier is written as `...`.
fn is_leftover(name: &str) -> bool {
    name.starts_with('.') && !name.starts_with("...")
        || name.starts_with('#')
        || LEFTOVERS.iter().any(|ending| name.ends_with(ending))
}

/// Undoes Dovecot's escapes: `/`, `%` and a leading dot cannot stand in its paths.
fn unescape(name: &str) -> String {
    let name = match name.strip_prefix("...") {
        Some(rest) => format!(".{rest}"),
        None => name.to_owned(),
    };
    name.replace("%2f", "/")
        .replace("%2e", ".")
        .replace("%25", "%")
}
