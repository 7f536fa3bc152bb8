//! A key as text, for somebody else who verifies with it: PEM, or base64 where it is a secret.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_core::crypto::{Curve, EcPublicKey, KeyMaterial, RsaPublicKey};
use pem_rfc7468::LineEnding;
use pkcs1::RsaPublicKeyRef;
use spki::der::asn1::{AnyRef, BitStringRef, Null, UintRef};
use spki::der::{self, Encode as _};
use spki::{AlgorithmIdentifierRef, ObjectIdentifier, SubjectPublicKeyInfoRef};

// RFC 3279 section 2.3.1, RFC 5480 section 2.1.1.
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const SECP521R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// A key as text. Never printed: it may be a secret.
#[derive(Clone)]
pub(crate) struct Written(Arc<str>);

impl Written {
    /// Writes a key as Dovecot reads it; `None` for a type that Dovecot does not know, and for a secret
    /// unless `with_secrets`.
    pub(super) fn new(material: &KeyMaterial<'_>, with_secrets: bool) -> Option<Self> {
        let text = match material {
            KeyMaterial::Hmac(secret) if with_secrets => STANDARD.encode(secret.expose()),
            KeyMaterial::Rsa(key) => pem(&rsa(key).ok()?)?,
            KeyMaterial::Ec(key) => pem(&ec(key).ok()?)?,
            _ => return None,
        };
        Some(Self(text.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Written(..)")
    }
}

fn rsa(key: &RsaPublicKey<'_>) -> der::Result<Vec<u8>> {
    let exponent = key.exponent().to_be_bytes();
    let numbers = RsaPublicKeyRef {
        modulus: UintRef::new(key.modulus())?,
        public_exponent: UintRef::new(&exponent)?,
    };
    info(RSA_ENCRYPTION, AnyRef::from(Null), &numbers.to_der()?)
}

fn ec(key: &EcPublicKey<'_>) -> der::Result<Vec<u8>> {
    let curve = match key.curve() {
        Curve::P256 => &SECP256R1,
        Curve::P384 => &SECP384R1,
        Curve::P521 => &SECP521R1,
    };
    info(EC_PUBLIC_KEY, AnyRef::from(curve), key.sec1())
}

/// A `SubjectPublicKeyInfo` (RFC 5280 section 4.1.2.7) in DER.
fn info(oid: ObjectIdentifier, parameters: AnyRef<'_>, key: &[u8]) -> der::Result<Vec<u8>> {
    let algorithm = AlgorithmIdentifierRef {
        oid,
        parameters: Some(parameters),
    };
    let subject_public_key = BitStringRef::from_bytes(key)?;
    let info = SubjectPublicKeyInfoRef {
        algorithm,
        subject_public_key,
    };
    info.to_der()
}

fn pem(der: &[u8]) -> Option<String> {
    pem_rfc7468::encode_string("PUBLIC KEY", LineEnding::LF, der).ok()
}

#[cfg(test)]
mod tests {
    use gatepost_core::jose::{self, Jwk, KeyBuffer};
    use gatepost_tests::mint::{ALGORITHMS, Issuer};

    use super::*;

    fn written(issuer: &Issuer, alg: &str, with_secrets: bool) -> Option<Written> {
        let jwk = issuer.jwk(alg).to_string();
        let jwk = Jwk::parse(jwk.as_bytes()).unwrap();
        let mut buffer = KeyBuffer::new();
        Written::new(&jwk.material_or_secret(&mut buffer).unwrap(), with_secrets)
    }

    #[test]
    fn a_public_key_is_written_as_others_write_it() {
        let issuer = Issuer::new();
        for alg in ALGORITHMS {
            if alg.starts_with("HS") || alg == "EdDSA" {
                continue;
            }
            let text = written(&issuer, alg, false).unwrap();
            let mut der = [0; 1024];
            assert!(
                jose::pem(text.as_str().as_bytes(), &mut der).is_ok(),
                "{alg}"
            );
            let (_, der) = pem_rfc7468::decode(text.as_str().as_bytes(), &mut der).unwrap();
            assert_eq!(der, issuer.spki_der(alg), "{alg}");
        }
    }

    #[test]
    fn a_secret_is_written_with_a_word_alone_and_never_printed() {
        let issuer = Issuer::new();
        assert!(written(&issuer, "HS256", false).is_none());
        let text = written(&issuer, "HS256", true).unwrap();
        assert_eq!(text.as_str(), STANDARD.encode(issuer.secret("HS256")));
        assert_eq!(format!("{text:?}"), "Written(..)");
    }

    #[test]
    fn dovecot_knows_no_ed25519() {
        assert!(written(&Issuer::new(), "EdDSA", true).is_none());
    }
}
