//! The keys of a provider, read from its JWK Set and prepared once.

use core::fmt;

use crate::{
    crypto::{Backend, RustCrypto, VerifyingKey},
    exchange::TrustedKey,
    jose::{Header, Jwk, JwkSet, KeyBuffer, KeyError},
};

/// The prepared keys of one provider: up to `N`, each verifying with the backend `B`.
///
/// Real providers publish 1 to 20. On the core's own backend a key takes some 2 KiB. To follow a rotation,
/// build a new set and replace the old one.
///
/// ```
/// # const JWK_SET: &[u8] = br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1",
/// #     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
/// use gatepost_core::KeySet;
///
/// let mut keys = KeySet::<8>::new();
/// keys.add_jwk_set(JWK_SET, |report| eprintln!("{report}"))?;
/// assert_eq!(keys.len(), 1);
/// # Ok::<_, gatepost_core::jose::KeyError>(())
/// ```
pub struct KeySet<const N: usize, B: Backend = RustCrypto> {
    backend: B,
    takes_secrets: bool,
    keys: heapless::Vec<PreparedKey<B::Key>, N>,
}

impl<const N: usize> KeySet<N> {
    /// An empty set whose keys the core prepares itself.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_backend(RustCrypto)
    }
}

impl<const N: usize, B: Backend> KeySet<N, B> {
    /// An empty set whose keys `backend` prepares, such as `gatepost_aws_lc::AwsLc` on a host.
    #[must_use]
    pub const fn with_backend(backend: B) -> Self {
        Self {
            backend,
            takes_secrets: false,
            keys: heapless::Vec::new(),
        }
    }

    /// Takes shared secrets (`oct`) as well, for a set that never was public: anyone who reads a published
    /// secret can sign with it.
    #[must_use]
    pub fn taking_secrets(mut self) -> Self {
        self.takes_secrets = true;
        self
    }

    /// Prepares the keys of `json`, a JWK Set (RFC 7517 section 5), and adds them.
    ///
    /// `report` is called for every key that is left out, and for every one whose tokens are refused because
    /// another key has its `kid`. Neither spoils the other keys.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] or [`KeyError::DuplicateMember`] where `json` is no JWK Set; nothing is added.
    pub fn add_jwk_set(
        &mut self,
        json: &[u8],
        mut report: impl FnMut(KeyReport<'_>),
    ) -> Result<(), KeyError> {
        let mut set = JwkSet::parse(json)?;
        let mut position = 0_usize;
        while let Some(jwk) = set.next_or_unusable() {
            let (kid, outcome) = match &jwk {
                Ok(jwk) => (jwk.kid(), self.add(jwk)),
                Err(unusable) => (unusable.kid(), Err(unusable.error.into())),
            };
            if let Err(problem) = outcome {
                report(KeyReport {
                    position,
                    kid,
                    problem,
                });
            }
            position = position.saturating_add(1);
        }
        Ok(())
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys as an [`Exchange`](crate::Exchange) takes them.
    #[must_use]
    pub fn trusted(&self) -> heapless::Vec<TrustedKey<'_>, N> {
        self.keys.iter().map(PreparedKey::trusted).collect()
    }

    fn add(&mut self, jwk: &Jwk<'_>) -> Result<(), KeyProblem> {
        let mut buffer = KeyBuffer::new();
        let material = if self.takes_secrets {
            jwk.material_or_secret(&mut buffer)?
        } else {
            jwk.material(&mut buffer)?
        };
        let prepared = self.backend.prepare(&material, jwk.algorithms());
        let key = PreparedKey {
            key: prepared.map_err(KeyError::from)?,
            kid: jwk.kid().and_then(|kid| kid.try_into().ok()),
            issuer: jwk.issuer().and_then(|issuer| issuer.try_into().ok()),
            fingerprint: material.fingerprint(),
        };
        if self.keys.iter().any(|other| other.covers(&key)) {
            return Err(KeyProblem::Repeated);
        }
        let before = self.keys.len();
        self.keys.retain(|other| !key.covers(other));
        let is_repeated = self.keys.len() < before;
        let is_mistaken = |other: &PreparedKey<_>| other.trusted().is_mistaken_for(&key.trusted());
        let is_ambiguous = self.keys.iter().any(is_mistaken);
        self.keys.push(key).map_err(|_| KeyProblem::NoRoom)?;
        if is_ambiguous {
            Err(KeyProblem::Ambiguous)
        } else if is_repeated {
            Err(KeyProblem::Repeated)
        } else {
            Ok(())
        }
    }
}

impl<const N: usize> Default for KeySet<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize, B: Backend> fmt::Debug for KeySet<N, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.keys.iter().map(PreparedKey::trusted))
            .finish()
    }
}

/// A key that was prepared, and what its JWK says of it.
struct PreparedKey<K> {
    key: K,
    kid: Option<heapless::String<{ Header::MAX_KID }>>,
    issuer: Option<heapless::String<{ Jwk::MAX_ISSUER }>>,
    fingerprint: [u8; 32],
}

impl<K: VerifyingKey> PreparedKey<K> {
    fn trusted(&self) -> TrustedKey<'_> {
        let mut trusted = TrustedKey::new(&self.key, self.kid.as_deref());
        trusted.issuer = self.issuer.as_deref();
        trusted
    }

    fn covers(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint && self.trusted().covers(&other.trusted())
    }
}

/// A key of a JWK Set that cannot be used as it was meant.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct KeyReport<'r> {
    /// The key's place in the set, from 0.
    pub position: usize,
    /// Its `kid`, where it has one that can be read.
    pub kid: Option<&'r str>,
    /// What is wrong.
    pub problem: KeyProblem,
}

impl fmt::Display for KeyReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key {}", self.position)?;
        if let Some(kid) = self.kid {
            write!(f, " (kid {kid:?})")?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// What is wrong with a key of a JWK Set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum KeyProblem {
    /// It is left out: it cannot be used, or is a secret that was not asked for.
    Unusable(KeyError),
    /// It is left out: the same key is there already, under the same `kid`.
    Repeated,
    /// Another key has its `kid` and serves its algorithm: tokens that name it are refused
    /// ([`Rejection::AmbiguousKey`](crate::Rejection::AmbiguousKey)).
    Ambiguous,
    /// It is left out: the [`KeySet`] is full.
    NoRoom,
}

impl From<KeyError> for KeyProblem {
    fn from(error: KeyError) -> Self {
        Self::Unusable(error)
    }
}

impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable(error) => error.fmt(f),
            Self::Repeated => f.write_str("The same key is in the set already"),
            Self::Ambiguous => {
                f.write_str("Another key has this kid, so tokens that name it are refused")
            }
            Self::NoRoom => f.write_str("There is no room for another key"),
        }
    }
}

impl core::error::Error for KeyProblem {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Unusable(error) => Some(error),
            _ => None,
        }
    }
}
