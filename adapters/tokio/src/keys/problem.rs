//! What can be wrong with keys in files, and what an operator can do about it.

use std::fmt;
use std::path::{Path, PathBuf};

use gatepost_core::{crypto::Unsupported, jose::KeyError};

use super::{directory::MAX_ENTRIES, file::MAX_FILE};

/// A key or a file that is left out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning {
    /// The file.
    pub path: PathBuf,
    /// The key's place in its JWK Set, from 0.
    pub index: Option<usize>,
    /// The key's identifier, where it has one that can be read.
    pub kid: Option<String>,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a key or a file.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The key cannot be used.
    #[error("the key is left out. {}", Advice(*.0))]
    Unusable(KeyError),
    /// Another key of the set has its `kid` and serves the same algorithm.
    #[error(
        "the key is left out: the set has another one with this kid and algorithm, so that either would be \
         a guess; ask the provider for distinct ones"
    )]
    DuplicateKid,
    /// The same key with the same `kid` was read before.
    #[error("the key is there already, with the same kid: it is taken once; nothing to do")]
    Repeated,
    /// Another file of the provider has a key with its `kid` that serves the same algorithm.
    #[error(
        "another file of the provider has a key with this kid and algorithm: tokens that name it are refused; \
         remove one"
    )]
    AmbiguousKid,
    /// A hidden, temporary or backup file, or one whose name is not UTF-8.
    #[error("skipped: a hidden, temporary or backup file; remove it, or rename it if it is a key")]
    Skipped,
    /// A file where the layout has a directory.
    #[error("skipped: keys lie two directories deeper, as <azp>/<ALG>/<kid>; move it")]
    NotInLayout,
    /// A directory that is not named after an algorithm.
    #[error("skipped: this directory has to be named after an algorithm, such as ES256 or RS256")]
    UnknownAlgorithmDirectory,
    /// A file of a directory that cannot be read.
    #[error("the key is left out: {0}")]
    Unreadable(String),
}

/// Why a source of keys cannot be used at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("{path}: {source}; make it readable for the user that gatepost runs as", path = .path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A device, a socket or a FIFO.
    #[error("{}: this is no regular file; give a file or a directory", .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Longer than any file of keys.
    #[error("{}: longer than {MAX_FILE} bytes; give a JWK Set, a JWK or a PEM file", .path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// More entries than are read.
    #[error("{}: more than {MAX_ENTRIES} entries; remove keys that are no longer in use", .path.display())]
    TooManyEntries {
        /// The directory.
        path: PathBuf,
    },
    /// A private key, which is not ours to hold.
    #[error(
        "{}: this is a private key; keep it at the issuer and give the public one, which \
         `openssl pkey -in FILE -pubout` prints",
        .path.display()
    )]
    PrivateKey {
        /// The file.
        path: PathBuf,
    },
    /// Neither JSON nor PEM.
    #[error(
        "{}: neither a JWK Set, nor a JWK, nor PEM that begins with -----BEGIN PUBLIC KEY-----; a shared \
         secret goes into a JWK with \"kty\":\"oct\", or into a directory <azp>/HS256/<kid>",
        .path.display()
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// It was read, and no key of it can be used.
    #[error("{}: no key of it can be used{}", .path.display(), Reasons(.reasons))]
    NothingUsable {
        /// The file or directory.
        path: PathBuf,
        /// Why each is left out.
        reasons: Vec<Warning>,
    },
}

impl Warning {
    pub(super) fn of(path: &Path, kid: Option<String>, problem: Problem) -> Self {
        Self {
            path: path.into(),
            index: None,
            kid,
            problem,
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match (self.index, &self.kid) {
            (Some(index), Some(kid)) => write!(f, "key {index} (kid {kid:?}): ")?,
            (Some(index), None) => write!(f, "key {index}: ")?,
            (None, Some(kid)) => write!(f, "kid {kid:?}: ")?,
            (None, None) => {}
        }
        self.problem.fmt(f)
    }
}

/// The first few reasons, so that a message stays readable.
struct Reasons<'r>(&'r [Warning]);

impl fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        if self.0.is_empty() {
            return f.write_str(": it holds none");
        }
        for (index, reason) in self.0.iter().take(SHOWN).enumerate() {
            let separator = if index == 0 { ": " } else { "; " };
            write!(f, "{separator}{reason}")?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// What is wrong with a key, and what to do about it.
struct Advice(KeyError);

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.0, what_to_do(self.0))
    }
}

const fn what_to_do(error: KeyError) -> &'static str {
    match error {
        KeyError::TooManyKeys => "the others are not read; remove keys that are no longer in use",
        KeyError::UnsupportedType(_) => {
            "RSA, P-256, P-384, P-521, Ed25519 and oct are; nothing to do unless it signs the users' tokens"
        }
        KeyError::UnsupportedAlgorithm(_) => {
            "HS, RS, PS and ES 256 to 512 and EdDSA are; nothing to do unless it signs the users' tokens"
        }
        KeyError::NotForSignatures => "nothing to do if it is for encryption",
        KeyError::Material(Unsupported::NoAlgorithm) => {
            "add its algorithm to algorithms, or leave the key out"
        }
        KeyError::Material(Unsupported::SecretLength) => "make one of 32 to 64 random bytes",
        KeyError::Material(Unsupported::ModulusSize) => "have the provider make a new key",
        KeyError::PublicKeyInfo => {
            "take the public key out of a certificate with `openssl x509 -pubkey -noout`"
        }
        KeyError::SharedSecret => {
            "have the provider withdraw it: anyone who reads a published secret can sign with it"
        }
        KeyError::Secret => "write it with `base64 -w0`",
        _ => "tokens that it has signed are refused until whoever publishes it corrects that",
    }
}
