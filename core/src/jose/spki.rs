//! Public keys outside JSON: `SubjectPublicKeyInfo` in DER or PEM, and secrets in base64.

use super::{KeyBuffer, KeyError, ShortName};
use crate::crypto::{Curve, EcPublicKey, Ed25519PublicKey, HmacSecret, KeyMaterial, RsaPublicKey};
use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use pkcs1::RsaPublicKeyRef;
use spki::{
    ObjectIdentifier, SubjectPublicKeyInfoRef,
    der::{Decode, asn1::BitStringRef},
};

// RFC 3279 section 2.3.1, RFC 5480 section 2.1.1, RFC 8410 section 3.
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const SECP521R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Reads a `SubjectPublicKeyInfo` in PEM (RFC 7468 section 13), decoding it into `buffer`.
///
/// # Errors
/// [`KeyError::PublicKeyInfo`] for another label or broken armour; else as [`public_key_der`].
pub fn pem<'b>(text: &[u8], buffer: &'b mut [u8]) -> Result<KeyMaterial<'b>, KeyError> {
    let (label, der) = pem_rfc7468::decode(text, buffer).map_err(|_| KeyError::PublicKeyInfo)?;
    if label != "PUBLIC KEY" {
        return Err(KeyError::PublicKeyInfo);
    }
    public_key_der(der)
}

/// Reads a `SubjectPublicKeyInfo` in DER (RFC 5280 section 4.1.2.7).
///
/// # Errors
/// [`KeyError::PublicKeyInfo`] for anything else, [`KeyError::UnsupportedType`] for a key that is not RSA,
/// P-256, P-384, P-521 or Ed25519, [`KeyError::Material`] for numbers that may not be used.
pub fn public_key_der(der: &[u8]) -> Result<KeyMaterial<'_>, KeyError> {
    let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeyError::PublicKeyInfo)?;
    let key = key_bytes(&info.subject_public_key)?;
    match info.algorithm.oid {
        RSA_ENCRYPTION => {
            let numbers = RsaPublicKeyRef::from_der(key).map_err(|_| KeyError::PublicKeyInfo)?;
            let (modulus, exponent) = (
                numbers.modulus.as_bytes(),
                numbers.public_exponent.as_bytes(),
            );
            Ok(KeyMaterial::Rsa(RsaPublicKey::new(modulus, exponent)?))
        }
        EC_PUBLIC_KEY => {
            let curve = info
                .algorithm
                .parameters_oid()
                .map_err(|_| KeyError::PublicKeyInfo)?;
            Ok(KeyMaterial::Ec(EcPublicKey::new(named_curve(curve)?, key)?))
        }
        ED25519 => {
            let key = key.try_into().map_err(|_| KeyError::PublicKeyInfo)?;
            Ok(KeyMaterial::Ed25519(Ed25519PublicKey::new(key)))
        }
        _ => Err(KeyError::UnsupportedType(ShortName::NONE)),
    }
}

/// Reads an HMAC secret in base64 (RFC 4648 section 4, padding optional), white space around it ignored.
///
/// # Errors
/// [`KeyError::Secret`] where it is not base64 throughout; [`KeyError::Material`] where it is too short.
pub fn secret_base64<'b>(
    text: &[u8],
    buffer: &'b mut KeyBuffer,
) -> Result<KeyMaterial<'b>, KeyError> {
    let padding = DecodePaddingMode::Indifferent;
    let engine = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(padding),
    );
    let main = buffer.main();
    let len = engine
        .decode_slice(text.trim_ascii(), main)
        .map_err(|_| KeyError::Secret)?;
    Ok(KeyMaterial::Hmac(HmacSecret::new(
        main.get(..len).ok_or(KeyError::Secret)?,
    )?))
}

fn key_bytes<'d>(bits: &BitStringRef<'d>) -> Result<&'d [u8], KeyError> {
    match bits.unused_bits() {
        0 => Ok(bits.raw_bytes()),
        _ => Err(KeyError::PublicKeyInfo),
    }
}

fn named_curve(curve: ObjectIdentifier) -> Result<Curve, KeyError> {
    match curve {
        SECP256R1 => Ok(Curve::P256),
        SECP384R1 => Ok(Curve::P384),
        SECP521R1 => Ok(Curve::P521),
        _ => Err(KeyError::UnsupportedType(ShortName::NONE)),
    }
}
