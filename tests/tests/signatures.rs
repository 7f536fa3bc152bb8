//! Both backends against what others made: the Wycheproof vectors, and signatures of the `rsa` crate.
//!
//! Every check runs once a backend, over the same cases, with the same expectations: a difference
//! between the two fails here.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepost_aws_lc::AwsLc;
use gatepost_core::crypto::{
    Algorithm, AlgorithmSet, Backend, Curve, EcPublicKey, Ed25519PublicKey, HmacSecret,
    InvalidSignature, KeyMaterial, RsaPublicKey, RustCrypto, UnpreparedRsaKey, Unsupported,
    VerifyingKey,
};
use gatepost_tests::mint::{ALGORITHMS, Issuer};
use gatepost_tests::vectors::{Case, wycheproof};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rsa::sha2::{Digest, Sha256, Sha384, Sha512};
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
use rsa::traits::PublicKeyParts as _;
use rsa::{BoxedUint, RsaPrivateKey, hazmat, pkcs1v15, pss};

/// Makes each check a test of each backend.
macro_rules! on_both_backends {
    ($($check:ident),+ $(,)?) => {
        mod rustcrypto { $(#[test] fn $check() { super::$check(&super::RustCrypto); })+ }
        mod aws_lc { $(#[test] fn $check() { super::$check(&super::AwsLc); })+ }
    };
}

on_both_backends!(
    wycheproof_ecdsa,
    wycheproof_ed25519,
    wycheproof_hmac,
    wycheproof_rsa_pkcs1,
    wycheproof_rsa_pss,
    minted_tokens_verify,
    algorithms_outside_the_set_are_refused,
    short_secrets_serve_no_long_hash,
    weak_ed25519_points_are_no_keys,
    points_off_the_curve_are_no_keys,
    rsa_of_odd_sizes_and_exponents,
    rsa_encodings_that_only_look_right,
);

#[track_caller]
fn agrees(backend: &impl Backend, cases: &[Case]) {
    for case in cases {
        assert_eq!(case.outcome(backend), case.expected, "{}", case.name);
    }
}

fn wycheproof_ecdsa<B: Backend>(backend: &B) {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512] {
        agrees(backend, &wycheproof::ecdsa(algorithm));
    }
}

fn wycheproof_ed25519<B: Backend>(backend: &B) {
    agrees(backend, &wycheproof::ed25519());
}

fn wycheproof_hmac<B: Backend>(backend: &B) {
    agrees(backend, &wycheproof::hmac());
}

fn wycheproof_rsa_pkcs1<B: Backend>(backend: &B) {
    agrees(backend, &wycheproof::rsa_pkcs1());
}

fn wycheproof_rsa_pss<B: Backend>(backend: &B) {
    agrees(backend, &wycheproof::rsa_pss());
}

fn minted_tokens_verify<B: Backend>(backend: &B) {
    let issuer = Issuer::new();
    for name in ALGORITHMS {
        let algorithm = Algorithm::from_name(name).unwrap();
        let key = minted_key(backend, &issuer, algorithm, AlgorithmSet::ALL);
        let signature = issuer.signature(name, b"header.payload");
        assert!(key.algorithms().contains(algorithm), "{name}");
        check_every_flip(&key, algorithm, b"header.payload", &signature);
    }
}

fn algorithms_outside_the_set_are_refused<B: Backend>(backend: &B) {
    let issuer = Issuer::new();
    for served in Algorithm::ALL {
        let key = minted_key(backend, &issuer, served, AlgorithmSet::of(&[served]));
        assert_eq!(key.algorithms(), AlgorithmSet::of(&[served]));
        for other in Algorithm::ALL.into_iter().filter(|other| *other != served) {
            let signature = issuer.signature(other.name(), b"header.payload");
            let verdict = key.verify(other, b"header.payload", &signature);
            assert_eq!(
                verdict,
                Err(InvalidSignature),
                "{served:?} asked for {other:?}"
            );
            let verdict = key.verify(served, b"header.payload", &signature);
            assert_eq!(verdict, Err(InvalidSignature), "{served:?} given {other:?}");
        }
        let types_own = minted_key(backend, &issuer, served, AlgorithmSet::ALL).algorithms();
        let foreign = Algorithm::ALL
            .into_iter()
            .filter(|other| !types_own.contains(*other));
        for other in foreign {
            let refused = with_material(&issuer, served, |material| {
                backend
                    .prepare(material, AlgorithmSet::of(&[other]))
                    .map(|_| ())
            });
            assert_eq!(
                refused,
                Err(Unsupported::NoAlgorithm),
                "{served:?} as {other:?}"
            );
        }
    }
}

fn short_secrets_serve_no_long_hash<B: Backend>(backend: &B) {
    let secret = [7; 64];
    for (length, expected) in [
        (32, &[Algorithm::Hs256][..]),
        (47, &[Algorithm::Hs256]),
        (48, &[Algorithm::Hs256, Algorithm::Hs384]),
        (63, &[Algorithm::Hs256, Algorithm::Hs384]),
        (64, &[Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512]),
    ] {
        let material = KeyMaterial::Hmac(HmacSecret::new(&secret[..length]).unwrap());
        let key = backend.prepare(&material, AlgorithmSet::ALL).unwrap();
        assert_eq!(
            key.algorithms(),
            AlgorithmSet::of(expected),
            "{length} bytes"
        );
    }
}

fn weak_ed25519_points_are_no_keys<B: Backend>(backend: &B) {
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut above_the_prime = [0xff; 32];
    above_the_prime[31] = 0x7f;
    let mut off_the_curve = [0; 32];
    off_the_curve[0] = 2;
    for bytes in [identity, [0; 32], above_the_prime, off_the_curve] {
        let material = KeyMaterial::Ed25519(Ed25519PublicKey::new(&bytes));
        let refused = backend.prepare(&material, AlgorithmSet::ALL).map(|_| ());
        assert_eq!(refused, Err(Unsupported::Point), "{bytes:02x?}");
    }
}

fn points_off_the_curve_are_no_keys<B: Backend>(backend: &B) {
    for curve in [Curve::P256, Curve::P384, Curve::P521] {
        let mut sec1 = vec![0; 1 + 2 * curve.field_len()];
        sec1[0] = 4;
        for last in [0, 1] {
            *sec1.last_mut().unwrap() = last;
            let material = KeyMaterial::Ec(EcPublicKey::new(curve, &sec1).unwrap());
            let refused = backend.prepare(&material, AlgorithmSet::ALL).map(|_| ());
            assert_eq!(refused, Err(Unsupported::Point), "{curve:?}");
        }
    }
}

/// Sizes around each width of the fixed integers and each remainder modulo 8 that PSS treats apart,
/// with exponents of 2, 5, 17 and 32 bits.
const RSA_SHAPES: [(usize, u32); 8] = [
    (2048, 65537),
    (2048, 4_294_967_291),
    (2049, 17),
    (2050, 3),
    (2055, 65537),
    (3071, 3),
    (3073, 65537),
    (4096, 17),
];

/// One key of each shape, for both backends: generating them takes longer than all that is done with them.
static RSA_KEYS: LazyLock<Vec<RsaPrivateKey>> = LazyLock::new(|| {
    let mut rng = StdRng::seed_from_u64(3447);
    let key =
        |(bits, exponent)| RsaPrivateKey::new_with_exp(&mut rng, bits, BoxedUint::from(exponent));
    RSA_SHAPES
        .map(key)
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap()
});

fn rsa_of_odd_sizes_and_exponents<B: Backend>(backend: &B) {
    let mut rng = StdRng::seed_from_u64(8017);
    for ((bits, _), private) in RSA_SHAPES.iter().zip(&*RSA_KEYS) {
        let (n, e) = (private.n_bytes(), private.e_bytes());
        let public = RsaPublicKey::new(&n, &e).unwrap();
        assert_eq!(public.bits() as usize, *bits);
        let key = rsa_key(backend, &n, &e);
        let unprepared = UnpreparedRsaKey::new(public, AlgorithmSet::ALL).unwrap();
        for (algorithm, signature) in sign_with_every_rsa_algorithm(private, &mut rng, b"message") {
            assert_eq!(
                unprepared.verify(algorithm, b"message", &signature),
                Ok(()),
                "{bits}"
            );
            check_every_flip(&key, algorithm, b"message", &signature);
            check_length_and_range(&key, algorithm, b"message", &signature, &n);
        }
    }
}

fn sign_with_every_rsa_algorithm(
    private: &RsaPrivateKey,
    rng: &mut StdRng,
    message: &[u8],
) -> [(Algorithm, Vec<u8>); 6] {
    macro_rules! sign {
        ($padding:ident, $hash:ty) => {
            $padding::SigningKey::<$hash>::new(private.clone())
                .sign_with_rng(rng, message)
                .to_vec()
        };
    }
    [
        (Algorithm::Rs256, sign!(pkcs1v15, Sha256)),
        (Algorithm::Rs384, sign!(pkcs1v15, Sha384)),
        (Algorithm::Rs512, sign!(pkcs1v15, Sha512)),
        (Algorithm::Ps256, sign!(pss, Sha256)),
        (Algorithm::Ps384, sign!(pss, Sha384)),
        (Algorithm::Ps512, sign!(pss, Sha512)),
    ]
}

/// Signs encodings that a lax parser would take: the private operation is right, the padding is not.
fn rsa_encodings_that_only_look_right<B: Backend>(backend: &B) {
    let mut rng = StdRng::seed_from_u64(8725);
    let private = RsaPrivateKey::new_with_exp(&mut rng, 2048, BoxedUint::from(3_u32)).unwrap();
    let key = rsa_key(backend, &private.n_bytes(), &private.e_bytes());
    let info = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";
    let without_null = b"\x30\x2f\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x04\x20";
    let hash = Sha256::digest(b"message");
    let pkcs1 = |kind: u8, filler: u8, info: &[u8], garbage: usize| {
        let padding = 256 - 3 - info.len() - hash.len() - garbage;
        let filler = vec![filler; padding];
        [
            &[0, kind],
            &filler[..],
            &[0],
            info,
            &hash[..],
            &vec![0xa5; garbage],
        ]
        .concat()
    };
    let cases = [
        ("as it should be", pkcs1(1, 0xff, info, 0), true),
        ("garbage after the hash", pkcs1(1, 0xff, info, 100), false),
        ("block type 2", pkcs1(2, 0xff, info, 0), false),
        ("block type 0", pkcs1(0, 0, info, 0), false),
        ("filler of 0xfe", pkcs1(1, 0xfe, info, 0), false),
        (
            "no NULL in the algorithm",
            pkcs1(1, 0xff, without_null, 0),
            false,
        ),
        ("no algorithm at all", pkcs1(1, 0xff, b"", 0), false),
    ];
    for (name, encoded, expected) in cases {
        let signature = private_operation(&private, &encoded);
        let verified = key.verify(Algorithm::Rs256, b"message", &signature).is_ok();
        assert_eq!(verified, expected, "{name}");
        let verdict = key.verify(Algorithm::Ps256, b"message", &signature);
        assert_eq!(verdict, Err(InvalidSignature), "{name}");
    }
    for salt_length in [0, 20, 31, 32, 33, 64, 222] {
        let signer = pss::SigningKey::<Sha256>::new_with_salt_len(private.clone(), salt_length);
        let signature = signer.sign_with_rng(&mut rng, b"message").to_vec();
        let verified = key.verify(Algorithm::Ps256, b"message", &signature).is_ok();
        assert_eq!(verified, salt_length == 32, "a salt of {salt_length} bytes");
    }
}

fn private_operation(private: &RsaPrivateKey, encoded: &[u8]) -> Vec<u8> {
    let number = BoxedUint::from_be_slice(encoded, private.n().bits_precision()).unwrap();
    let signature = hazmat::rsa_decrypt_and_check(private, None::<&mut StdRng>, &number).unwrap();
    let bytes = signature.to_be_bytes();
    bytes[bytes.len() - private.size()..].to_vec()
}

/// Holds as it is, and with one bit changed anywhere no longer does.
#[track_caller]
fn check_every_flip(
    key: &impl VerifyingKey,
    algorithm: Algorithm,
    message: &[u8],
    signature: &[u8],
) {
    assert_eq!(
        key.verify(algorithm, message, signature),
        Ok(()),
        "{algorithm:?}"
    );
    let mut rng = StdRng::seed_from_u64(1);
    let edges = [
        0,
        7,
        signature.len() * 4 - 1,
        signature.len() * 4,
        signature.len() * 8 - 1,
    ];
    let anywhere = (0..16).map(|_| rng.random_range(0..signature.len() * 8));
    for bit in edges.into_iter().chain(anywhere) {
        let mut altered = signature.to_vec();
        altered[bit / 8] ^= 1 << (bit % 8);
        let verdict = key.verify(algorithm, message, &altered);
        assert_eq!(
            verdict,
            Err(InvalidSignature),
            "{algorithm:?}: bit {bit} of the signature"
        );
    }
    for bit in [0, message.len() * 4, message.len() * 8 - 1] {
        let mut altered = message.to_vec();
        altered[bit / 8] ^= 1 << (bit % 8);
        let verdict = key.verify(algorithm, &altered, signature);
        assert_eq!(
            verdict,
            Err(InvalidSignature),
            "{algorithm:?}: bit {bit} of the message"
        );
    }
    for other in [&[][..], &signature[1..], &signature[..signature.len() - 1]] {
        assert_eq!(key.verify(algorithm, message, other), Err(InvalidSignature));
    }
    for longer in [[signature, &[0]].concat(), [&[0], signature].concat()] {
        assert_eq!(
            key.verify(algorithm, message, &longer),
            Err(InvalidSignature)
        );
    }
}

/// The same residue as a larger number, and the numbers at the ends of the range, do not hold.
#[track_caller]
fn check_length_and_range(
    key: &impl VerifyingKey,
    algorithm: Algorithm,
    message: &[u8],
    signature: &[u8],
    modulus: &[u8],
) {
    let mut sum = modulus.to_vec();
    let mut carry = 0;
    for (byte, other) in sum.iter_mut().zip(signature).rev() {
        let total = u16::from(*byte) + u16::from(*other) + carry;
        *byte = total.to_le_bytes()[0];
        carry = total >> 8;
    }
    let longer = [&[u8::try_from(carry).unwrap()], &sum[..]].concat();
    let mut one = vec![0; modulus.len()];
    *one.last_mut().unwrap() = 1;
    let mut below_modulus = modulus.to_vec();
    *below_modulus.last_mut().unwrap() -= 1;
    let zero = vec![0; modulus.len()];
    let largest = vec![0xff; modulus.len()];
    for forged in [
        sum,
        longer,
        zero,
        one,
        below_modulus,
        modulus.to_vec(),
        largest,
    ] {
        let verdict = key.verify(algorithm, message, &forged);
        assert_eq!(verdict, Err(InvalidSignature), "{algorithm:?}");
    }
}

fn rsa_key<B: Backend>(backend: &B, n: &[u8], e: &[u8]) -> B::Key {
    let key = RsaPublicKey::new(n, e).unwrap();
    backend
        .prepare(&KeyMaterial::Rsa(key), AlgorithmSet::ALL)
        .unwrap()
}

fn minted_key<B: Backend>(
    backend: &B,
    issuer: &Issuer,
    algorithm: Algorithm,
    algorithms: AlgorithmSet,
) -> B::Key {
    with_material(issuer, algorithm, |material| {
        backend.prepare(material, algorithms).unwrap()
    })
}

/// Lends what `issuer` publishes for `algorithm`.
fn with_material<T>(
    issuer: &Issuer,
    algorithm: Algorithm,
    use_it: impl FnOnce(&KeyMaterial<'_>) -> T,
) -> T {
    let jwk = issuer.jwk(algorithm.name());
    let number = |name: &str| {
        let text = jwk[name].as_str().unwrap();
        URL_SAFE_NO_PAD.decode(text).unwrap()
    };
    let curve = match algorithm {
        Algorithm::Es256 => Curve::P256,
        Algorithm::Es384 => Curve::P384,
        Algorithm::Es512 => Curve::P521,
        Algorithm::EdDsa => {
            let x = number("x");
            let key = Ed25519PublicKey::new(x.first_chunk().unwrap());
            return use_it(&KeyMaterial::Ed25519(key));
        }
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => {
            let secret = HmacSecret::new(issuer.secret(algorithm.name())).unwrap();
            return use_it(&KeyMaterial::Hmac(secret));
        }
        _ => {
            let (n, e) = (number("n"), number("e"));
            return use_it(&KeyMaterial::Rsa(RsaPublicKey::new(&n, &e).unwrap()));
        }
    };
    let sec1 = [vec![4], number("x"), number("y")].concat();
    use_it(&KeyMaterial::Ec(EcPublicKey::new(curve, &sec1).unwrap()))
}
