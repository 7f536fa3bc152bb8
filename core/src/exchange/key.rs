//! Keys that a driver hands over, and what they are looked for by.

use crate::{
    crypto::{Algorithm, AlgorithmSet, VerifyingKey},
    jose::UnverifiedJwt,
    provider::LookReason,
    time::UnixTime,
};

/// A prepared key of a provider.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct TrustedKey<'k> {
    /// The prepared key.
    pub key: &'k dyn VerifyingKey,
    /// Its identifier, where it has one.
    pub kid: Option<&'k str>,
    /// The one client (`azp`) that it signs for, in Dovecot's layout of keys.
    pub owner: Option<&'k str>,
    /// The one issuer that it signs for, where the key says so: Entra writes that into its JWK Sets, with
    /// `{tenantid}` for any tenant.
    pub issuer: Option<&'k str>,
}

impl<'k> TrustedKey<'k> {
    /// A key that signs for every client of its provider.
    #[must_use]
    pub const fn new(key: &'k dyn VerifyingKey, kid: Option<&'k str>) -> Self {
        Self {
            key,
            kid,
            owner: None,
            issuer: None,
        }
    }

    /// Whether a token could mean either of two different keys: whichever verified would be a guess, and an
    /// exchange refuses such a token (RFC 7517 section 4.5).
    #[must_use]
    pub fn is_mistaken_for(&self, other: &TrustedKey<'_>) -> bool {
        let may_share_issuer =
            self.issuer.is_none() || other.issuer.is_none() || self.issuer == other.issuer;
        let is_of_one_name = self.kid.is_some() && self.kid == other.kid;
        is_of_one_name
            && self.owner == other.owner
            && may_share_issuer
            && !self.shared(other).is_empty()
    }

    /// Whether `other`, where it has the same numbers, is this key once more, and serves nothing beyond what
    /// this one does.
    #[must_use]
    pub fn covers(&self, other: &TrustedKey<'_>) -> bool {
        self.kid == other.kid
            && self.owner == other.owner
            && self.issuer == other.issuer
            && self.shared(other) == other.key.algorithms()
    }

    fn shared(&self, other: &TrustedKey<'_>) -> AlgorithmSet {
        let ours = self.key.algorithms();
        ours.intersection(other.key.algorithms())
    }
}

impl core::fmt::Debug for TrustedKey<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TrustedKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// Which key a token asks for: what its header says, and nobody has vouched for.
#[derive(Clone, Copy, Debug)]
pub struct KeyQuery<'o> {
    pub(super) jwt: &'o UnverifiedJwt<'o>,
}

impl<'o> KeyQuery<'o> {
    /// The algorithm that the key must serve.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.jwt.header().algorithm()
    }

    /// The key's identifier, where the token has one.
    #[must_use]
    pub fn kid(&self) -> Option<&'o str> {
        self.jwt.header().kid()
    }
}

/// A look at a provider's keys that the known ones give reason for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NewerKeysQuery {
    /// The provider, by its place in [`LoginSettings::providers`](super::LoginSettings::providers).
    pub provider: usize,
    /// Why.
    pub reason: LookReason,
}

impl NewerKeysQuery {
    /// A look for a key that is not known; `issued_at` is when the token that names it was issued.
    #[must_use]
    pub const fn for_unknown_key(provider: usize, issued_at: Option<UnixTime>) -> Self {
        Self {
            provider,
            reason: LookReason {
                issued_at,
                is_key_known: false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::InvalidSignature;

    /// A key that serves these algorithms.
    struct Serves(AlgorithmSet);

    impl VerifyingKey for Serves {
        fn algorithms(&self) -> AlgorithmSet {
            self.0
        }

        fn verify(&self, _: Algorithm, _: &[u8], _: &[u8]) -> Result<(), InvalidSignature> {
            Err(InvalidSignature)
        }
    }

    const ES256: Serves = Serves(AlgorithmSet::of(&[Algorithm::Es256]));
    const ES384: Serves = Serves(AlgorithmSet::of(&[Algorithm::Es384]));
    const BOTH: Serves = Serves(AlgorithmSet::of(&[Algorithm::Es256, Algorithm::Es384]));

    fn key(key: &'static Serves, names: [Option<&'static str>; 3]) -> TrustedKey<'static> {
        let [kid, owner, issuer] = names;
        TrustedKey {
            owner,
            issuer,
            ..TrustedKey::new(key, kid)
        }
    }

    const K: Option<&str> = Some("k");

    #[test]
    fn keys_are_mistaken_for_each_other_where_one_token_could_mean_both() {
        let plain = key(&ES256, [K, None, None]);
        for (other, expected) in [
            (key(&BOTH, [K, None, None]), true),
            (key(&ES384, [K, None, None]), false),
            (key(&ES256, [Some("l"), None, None]), false),
            (key(&ES256, [None, None, None]), false),
            (key(&ES256, [K, Some("web"), None]), false),
            (key(&ES256, [K, None, Some("a")]), true),
        ] {
            assert_eq!(plain.is_mistaken_for(&other), expected, "{other:?}");
            assert_eq!(other.is_mistaken_for(&plain), expected, "{other:?}");
        }
        // Without `kid` none is meant, so that each is tried.
        let nameless = key(&ES256, [None, None, None]);
        assert!(!nameless.is_mistaken_for(&nameless));
        let of_issuer = |issuer| key(&ES256, [K, None, Some(issuer)]);
        assert!(of_issuer("a").is_mistaken_for(&of_issuer("a")));
        assert!(!of_issuer("a").is_mistaken_for(&of_issuer("b")));
    }

    #[test]
    fn a_key_covers_what_is_the_same_and_serves_no_more() {
        let plain = key(&BOTH, [K, None, None]);
        for (other, expected) in [
            (key(&BOTH, [K, None, None]), true),
            (key(&ES256, [K, None, None]), true),
            (key(&ES256, [None, None, None]), false),
            (key(&ES256, [K, Some("web"), None]), false),
            (key(&ES256, [K, None, Some("a")]), false),
        ] {
            assert_eq!(plain.covers(&other), expected, "{other:?}");
        }
        assert!(!key(&ES256, [K, None, None]).covers(&plain));
    }
}
