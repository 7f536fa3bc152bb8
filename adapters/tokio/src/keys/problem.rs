//! What can be wrong with keys in files, and what an operator can do about it.

use std::fmt;
use std::path::{Path, PathBuf};

use gatepost_core::{
    crypto::Unsupported,
    jose::{Header, JwkSet, KeyError},
};

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
    #[error("the key is left out: {}", advice(*.0))]
    Unusable(KeyError),
    /// Another key of the set has its `kid`.
    #[error(
        "the key is left out: its kid occurs twice in the set; ask the provider for distinct ones"
    )]
    DuplicateKid,
    /// Another file of the provider has a key with its `kid`.
    #[error(
        "another file of the provider has a key with this kid: tokens that name it are refused; remove one"
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
fn advice(error: KeyError) -> String {
    let text = match error {
        KeyError::Malformed => "it is not the JSON of a JWK; fetch it from the provider again",
        KeyError::DuplicateMember => "a member occurs twice; fetch it from the provider again",
        KeyError::TooManyKeys => {
            return format!(
                "the set holds more than {} keys, of which the rest is not read; split it",
                JwkSet::MAX_KEYS
            );
        }
        KeyError::UnsupportedType => {
            "its type or curve is not supported; RSA, P-256, P-384, P-521, Ed25519 and oct are"
        }
        KeyError::UnsupportedAlgorithm => {
            "its alg is not supported; HS, RS, PS and ES 256 to 512 and EdDSA are"
        }
        KeyError::NotForSignatures => {
            "its use or key_ops is not for verifying signatures; nothing to do if it is for encryption"
        }
        KeyError::KeyId => {
            return format!(
                "its kid is no string of 1 to {} bytes; ask the provider for another",
                Header::MAX_KID
            );
        }
        KeyError::Member => {
            "a number is missing, not base64url, or of the wrong length; fetch it from the provider again"
        }
        KeyError::Material(unsupported) => numbers(unsupported),
        KeyError::PublicKeyInfo => {
            "it is not one PEM block -----BEGIN PUBLIC KEY-----; take the public key out of a certificate \
             with `openssl x509 -pubkey -noout`"
        }
        KeyError::Secret => "the secret is not base64; write it with `base64 -w0`",
        _ => "it cannot be used",
    };
    text.to_owned()
}

fn numbers(error: Unsupported) -> &'static str {
    match error {
        Unsupported::NoAlgorithm => {
            "it serves none of the algorithms allowed here; add one to algorithms, or leave the key out"
        }
        Unsupported::SecretLength => {
            "the secret is shorter than the algorithm's hash or over 256 bytes; make one of 32 to 64 \
             random bytes"
        }
        Unsupported::ModulusSize => {
            "RSA keys need 2048 to 4096 bits; have the provider make a new one"
        }
        Unsupported::Modulus | Unsupported::Exponent => {
            "its modulus or exponent is no RSA key's; fetch it from the provider again"
        }
        Unsupported::Point => "its point is not on the curve; fetch it from the provider again",
        _ => "its numbers cannot be used",
    }
}
