//! Typed key material: what a JWK or a `SubjectPublicKeyInfo` says, sizes checked, nothing prepared.

use sha2::{Digest as _, Sha256};

use super::{Algorithm, AlgorithmSet, Unsupported};

/// The numbers of a key, borrowed from whatever they were read from.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum KeyMaterial<'a> {
    /// A shared secret for HMAC.
    Hmac(HmacSecret<'a>),
    /// An RSA public key.
    Rsa(RsaPublicKey<'a>),
    /// A point on a NIST curve.
    Ec(EcPublicKey<'a>),
    /// An Ed25519 public key.
    Ed25519(Ed25519PublicKey<'a>),
}

impl KeyMaterial<'_> {
    /// The algorithms that the type and the size of this key allow.
    #[must_use]
    pub fn algorithms(&self) -> AlgorithmSet {
        match self {
            Self::Hmac(secret) => secret.algorithms(),
            Self::Rsa(_) => RsaPublicKey::ALGORITHMS,
            Self::Ec(key) => AlgorithmSet::of(&[key.curve().algorithm()]),
            Self::Ed25519(_) => AlgorithmSet::of(&[Algorithm::EdDsa]),
        }
    }

    /// SHA-256 of the key's type and numbers: equal ones are one key, however they were written.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let (kind, numbers) = match self {
            Self::Hmac(secret) => (0, secret.expose()),
            Self::Rsa(key) => {
                hash.update(key.exponent().to_be_bytes());
                (1, key.modulus())
            }
            // The length tells the curve.
            Self::Ec(key) => (2, key.sec1()),
            Self::Ed25519(key) => (3, key.bytes().as_slice()),
        };
        hash.update(numbers);
        hash.update([kind]);
        hash.finalize().into()
    }
}

/// A shared secret for HMAC, long enough for HS256 at least.
#[derive(Clone, Copy)]
pub struct HmacSecret<'a>(&'a [u8]);

impl<'a> HmacSecret<'a> {
    /// Longest secret taken, in bytes: twice the block of SHA-512, beyond which HMAC hashes it down.
    pub const MAX_LEN: usize = 256;

    /// Takes `secret` as it is.
    ///
    /// # Errors
    /// [`Unsupported::SecretLength`] below 32 bytes, the output of SHA-256 (RFC 7518 section 3.2), or
    /// above [`MAX_LEN`](Self::MAX_LEN).
    pub fn new(secret: &'a [u8]) -> Result<Self, Unsupported> {
        if (32..=Self::MAX_LEN).contains(&secret.len()) {
            Ok(Self(secret))
        } else {
            Err(Unsupported::SecretLength)
        }
    }

    /// The secret's bytes.
    #[must_use]
    pub fn expose(self) -> &'a [u8] {
        self.0
    }

    /// The algorithms whose hash is no longer than the secret (RFC 7518 section 3.2).
    pub(super) fn algorithms(self) -> AlgorithmSet {
        match self.0.len() {
            64.. => AlgorithmSet::of(&[Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512]),
            48.. => AlgorithmSet::of(&[Algorithm::Hs256, Algorithm::Hs384]),
            _ => AlgorithmSet::of(&[Algorithm::Hs256]),
        }
    }
}

impl core::fmt::Debug for HmacSecret<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("HmacSecret(..)")
    }
}

/// An RSA public key of 2048 to 4096 bits.
#[derive(Clone, Copy, Debug)]
pub struct RsaPublicKey<'a> {
    modulus: &'a [u8],
    exponent: u32,
}

impl<'a> RsaPublicKey<'a> {
    /// Smallest modulus, in bits (RFC 7518 section 3.3).
    pub const MIN_BITS: u32 = 2048;
    /// Largest modulus, in bits: what fixed-size arithmetic is laid out for; providers use 2048 to 4096.
    pub const MAX_BITS: u32 = 4096;
    /// What any RSA key may serve: both paddings, every hash (RFC 7518 sections 3.3 and 3.5).
    pub(super) const ALGORITHMS: AlgorithmSet = AlgorithmSet::of(&[
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
    ]);

    /// Takes modulus and exponent as big-endian integers; leading zeros are dropped.
    ///
    /// # Errors
    /// [`Unsupported::ModulusSize`], [`Unsupported::Modulus`] or [`Unsupported::Exponent`].
    pub fn new(modulus: &'a [u8], exponent: &[u8]) -> Result<Self, Unsupported> {
        let modulus = strip_zeros(modulus);
        let bits = bit_length(modulus);
        if !(Self::MIN_BITS..=Self::MAX_BITS).contains(&bits) {
            return Err(Unsupported::ModulusSize);
        }
        if modulus.last().is_none_or(|low| low & 1 == 0) {
            return Err(Unsupported::Modulus);
        }
        if is_roca(modulus) {
            return Err(Unsupported::Modulus);
        }
        let exponent = strip_zeros(exponent);
        if exponent.len() > 4 {
            return Err(Unsupported::Exponent);
        }
        let exponent = exponent
            .iter()
            .fold(0, |sum: u32, byte| sum << 8 | u32::from(*byte));
        if exponent < 3 || exponent & 1 == 0 {
            return Err(Unsupported::Exponent);
        }
        Ok(Self { modulus, exponent })
    }

    /// The modulus, big-endian, without leading zeros: 256 to 512 bytes.
    #[must_use]
    pub fn modulus(&self) -> &'a [u8] {
        self.modulus
    }

    /// The length of the modulus, in bits.
    #[must_use]
    pub fn bits(&self) -> u32 {
        bit_length(self.modulus)
    }

    /// The public exponent: odd, at least 3.
    #[must_use]
    pub fn exponent(&self) -> u32 {
        self.exponent
    }
}

/// A NIST curve (FIPS 186-5), each with the one JWS algorithm that RFC 7518 section 3.4 binds to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each variant is the curve's name")]
pub enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// The algorithm bound to the curve.
    #[must_use]
    pub const fn algorithm(self) -> Algorithm {
        match self {
            Self::P256 => Algorithm::Es256,
            Self::P384 => Algorithm::Es384,
            Self::P521 => Algorithm::Es512,
        }
    }

    /// Length of one coordinate, in bytes.
    #[must_use]
    pub const fn field_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

/// A point on a NIST curve.
#[derive(Clone, Copy, Debug)]
pub struct EcPublicKey<'a> {
    curve: Curve,
    sec1: &'a [u8],
}

impl<'a> EcPublicKey<'a> {
    /// Longest point, in bytes: one tag and two coordinates of P-521.
    pub const MAX_LEN: usize = 133;

    /// Takes a point in the uncompressed form of SEC 1 section 2.3.3: `04 || x || y`.
    ///
    /// Whether it lies on the curve is found when it is prepared.
    ///
    /// # Errors
    /// [`Unsupported::Point`] for any other form or length.
    pub fn new(curve: Curve, sec1: &'a [u8]) -> Result<Self, Unsupported> {
        let expected = match curve {
            Curve::P256 => 65,
            Curve::P384 => 97,
            Curve::P521 => Self::MAX_LEN,
        };
        if sec1.len() != expected || sec1.first() != Some(&4) {
            return Err(Unsupported::Point);
        }
        Ok(Self { curve, sec1 })
    }

    /// The curve.
    #[must_use]
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// `04 || x || y`, each coordinate [`Curve::field_len`] bytes.
    #[must_use]
    pub fn sec1(&self) -> &'a [u8] {
        self.sec1
    }
}

/// An Ed25519 public key (RFC 8032 section 5.1.5).
#[derive(Clone, Copy, Debug)]
pub struct Ed25519PublicKey<'a>(&'a [u8; 32]);

impl<'a> Ed25519PublicKey<'a> {
    /// Takes the 32 bytes of the encoded point.
    #[must_use]
    pub fn new(bytes: &'a [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The encoded point.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8; 32] {
        self.0
    }

    /// Whether y is below the field's prime, 2^255 - 19, as RFC 8032 section 5.1.3 demands.
    #[must_use]
    pub fn is_canonical(&self) -> bool {
        let [low, middle @ .., high] = self.0;
        *low < 0xed || middle.iter().any(|byte| *byte != 0xff) || high & 0x7f != 0x7f
    }
}

fn strip_zeros(mut bytes: &[u8]) -> &[u8] {
    while let [0, rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// Whether a modulus bears the mark of keys that can be factored (CVE-2017-15361, "ROCA"): modulo each
/// of these primes it is a power of 65537. Of other moduli about one in 2^27 is.
fn is_roca(modulus: &[u8]) -> bool {
    const PRIMES: [u32; 17] = [
        11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
    ];
    PRIMES
        .iter()
        .all(|prime| is_power_of_65537(modulus, *prime) == Some(true))
}

/// Whether `number` is a power of 65537 modulo `prime`, which is below 2^8; `None` for a prime of 0.
fn is_power_of_65537(number: &[u8], prime: u32) -> Option<bool> {
    let residue = number.iter().try_fold(0_u32, |residue, byte| {
        (residue << 8 | u32::from(*byte)).checked_rem(prime)
    })?;
    let mut power = 1;
    for _ in 1..prime {
        if power == residue {
            return Some(true);
        }
        power = 65537_u32.saturating_mul(power).checked_rem(prime)?;
    }
    Some(false)
}

fn bit_length(stripped: &[u8]) -> u32 {
    let bytes = u32::try_from(stripped.len()).unwrap_or(u32::MAX);
    let unused = stripped.first().map_or(0, |first| first.leading_zeros());
    bytes.saturating_mul(8).saturating_sub(unused)
}
