//! Prepares keys with aws-lc-rs, for hosts.
//!
//! The same material and the same signatures are accepted as by the core's own
//! [`RustCrypto`](gatepost_core::crypto::RustCrypto): where aws-lc is looser, this crate adds the check.

use aws_lc_rs::signature::{
    self, ParsedPublicKey, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use aws_lc_rs::{error::KeyRejected, hmac};
use gatepost_core::crypto::{
    Algorithm, AlgorithmSet, Backend, EcPublicKey, Ed25519Key, Ed25519PublicKey, HmacSecret,
    InvalidSignature, KeyMaterial, RsaPublicKey, Unsupported, VerifyingKey,
    starts_with_small_order,
};

/// Prepares keys of every type with aws-lc-rs.
#[derive(Clone, Copy, Debug, Default)]
pub struct AwsLc;

impl Backend for AwsLc {
    type Key = Key;

    fn prepare(
        &self,
        material: &KeyMaterial<'_>,
        algorithms: AlgorithmSet,
    ) -> Result<Key, Unsupported> {
        let usable = material.algorithms().intersection(algorithms);
        let verifiers = usable
            .iter()
            .map(|algorithm| Ok((algorithm, Verifier::new(material, algorithm)?)))
            .collect::<Result<Vec<_>, _>>()?;
        if verifiers.is_empty() {
            return Err(Unsupported::NoAlgorithm);
        }
        Ok(Key(verifiers))
    }
}

/// A prepared key: aws-lc-rs binds each to one algorithm, so there is one for each in the set.
pub struct Key(Vec<(Algorithm, Verifier)>);

impl VerifyingKey for Key {
    fn algorithms(&self) -> AlgorithmSet {
        self.0
            .iter()
            .fold(AlgorithmSet::EMPTY, |set, (algorithm, _)| {
                set.union(AlgorithmSet::of(&[*algorithm]))
            })
    }

    fn verify(
        &self,
        algorithm: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let mut verifiers = self.0.iter();
        let (_, verifier) = verifiers
            .find(|(served, _)| *served == algorithm)
            .ok_or(InvalidSignature)?;
        verifier.verify(signing_input, signature)
    }
}

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Key({:?}, ..)", self.algorithms())
    }
}

/// A key prepared for one algorithm.
enum Verifier {
    Hmac(Box<hmac::Key>),
    Ed25519(ParsedPublicKey),
    Other(ParsedPublicKey),
}

impl Verifier {
    /// `algorithm` is one of those that `material` allows.
    fn new(material: &KeyMaterial<'_>, algorithm: Algorithm) -> Result<Self, Unsupported> {
        match material {
            KeyMaterial::Hmac(secret) => Self::hmac(*secret, algorithm),
            KeyMaterial::Rsa(key) => Self::rsa(key, algorithm),
            KeyMaterial::Ec(key) => Self::ec(key, algorithm),
            KeyMaterial::Ed25519(key) => Self::ed25519(*key),
            _ => Err(Unsupported::NoAlgorithm),
        }
    }

    fn hmac(secret: HmacSecret<'_>, algorithm: Algorithm) -> Result<Self, Unsupported> {
        let hash = match algorithm {
            Algorithm::Hs256 => hmac::HMAC_SHA256,
            Algorithm::Hs384 => hmac::HMAC_SHA384,
            Algorithm::Hs512 => hmac::HMAC_SHA512,
            _ => return Err(Unsupported::NoAlgorithm),
        };
        let prepared = hmac::Key::new(hash, secret.expose());
        Ok(Self::Hmac(Box::new(prepared)))
    }

    fn rsa(key: &RsaPublicKey<'_>, algorithm: Algorithm) -> Result<Self, Unsupported> {
        let parameters = match algorithm {
            Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
            Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
            Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
            _ => return Err(Unsupported::NoAlgorithm),
        };
        let exponent = key.exponent().to_be_bytes();
        let components = RsaPublicKeyComponents {
            n: key.modulus(),
            // A leading zero would not be a number in DER.
            e: &exponent[key.exponent().leading_zeros() as usize / 8..],
        };
        let prepared = components.to_parsed_public_key(parameters);
        prepared.map(Self::Other).map_err(|_| Unsupported::Modulus)
    }

    fn ec(key: &EcPublicKey<'_>, algorithm: Algorithm) -> Result<Self, Unsupported> {
        let parameters = match algorithm {
            Algorithm::Es256 => &signature::ECDSA_P256_SHA256_FIXED,
            Algorithm::Es384 => &signature::ECDSA_P384_SHA384_FIXED,
            Algorithm::Es512 => &signature::ECDSA_P521_SHA512_FIXED,
            _ => return Err(Unsupported::NoAlgorithm),
        };
        let prepared = parse(parameters, key.sec1());
        prepared.map(Self::Other).map_err(|_| Unsupported::Point)
    }

    fn ed25519(key: Ed25519PublicKey<'_>) -> Result<Self, Unsupported> {
        // aws-lc takes any 32 bytes here and finds out at each signature, small order never.
        Ed25519Key::new(&key)?;
        let prepared = parse(&signature::ED25519, key.bytes());
        prepared.map(Self::Ed25519).map_err(|_| Unsupported::Point)
    }

    fn verify(&self, signing_input: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let verified = match self {
            Self::Hmac(key) => hmac::verify(key, signing_input, signature),
            Self::Ed25519(_) if starts_with_small_order(signature) => return Err(InvalidSignature),
            Self::Ed25519(key) | Self::Other(key) => key.verify_sig(signing_input, signature),
        };
        verified.map_err(|_| InvalidSignature)
    }
}

fn parse(
    algorithm: &'static dyn VerificationAlgorithm,
    bytes: &[u8],
) -> Result<ParsedPublicKey, KeyRejected> {
    UnparsedPublicKey::new(algorithm, bytes).parse()
}
