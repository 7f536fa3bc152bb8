//! A throw-away issuer: fresh keys for every algorithm, and tokens signed with them.
//!
//! Built on aws-lc-rs alone, so that what the core verifies was not signed by its own arithmetic.
//! Every key's `kid` is the name of its algorithm; the `RS*` and `PS*` entries share one RSA key.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use pkcs1::RsaPublicKeyRef;
use serde_json::{Value, json};

/// The algorithms that an [`Issuer`] signs with, which are also its keys' `kid`s.
pub const ALGORITHMS: [&str; 13] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
    "ES384", "ES512", "EdDSA",
];

/// Signs tokens with keys that nobody else has seen.
///
/// Names of algorithms that are not in [`ALGORITHMS`] panic, as does a signer that fails: this is
/// for tests and demonstrations only.
pub struct Issuer {
    hs256: [u8; 64],
    hs384: [u8; 64],
    hs512: [u8; 64],
    rsa_size: KeySize,
    /// Drawn when it is asked for: that takes longer than all others together.
    rsa: OnceLock<RsaKeyPair>,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    p521: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
}

impl Issuer {
    /// Generates one key for every algorithm, with RSA of 2048 bits.
    ///
    /// # Panics
    /// When the generator of random numbers fails.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "a default that draws new keys would surprise"
    )]
    pub fn new() -> Self {
        Self::with_rsa_size(KeySize::Rsa2048)
    }

    /// Generates one key for every algorithm, with RSA of `size` once that is asked for; 4096 bits take seconds.
    ///
    /// # Panics
    /// When the generator of random numbers fails.
    #[must_use]
    pub fn with_rsa_size(size: KeySize) -> Self {
        let ec = |algorithm| EcdsaKeyPair::generate(algorithm).expect("EC key");
        Self {
            hs256: random_bytes(),
            hs384: random_bytes(),
            hs512: random_bytes(),
            rsa_size: size,
            rsa: OnceLock::new(),
            p256: ec(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
            p384: ec(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
            p521: ec(&signature::ECDSA_P521_SHA512_FIXED_SIGNING),
            ed25519: Ed25519KeyPair::generate().expect("Ed25519 key"),
        }
    }

    /// A compact JWS of `claims` with the header `{"alg", "kid", "typ": "at+jwt"}` (RFC 9068).
    #[must_use]
    pub fn sign(&self, alg: &str, claims: &Value) -> String {
        let header = json!({"alg": alg, "kid": alg, "typ": "at+jwt"});
        self.sign_with_header(alg, &header, claims.to_string().as_bytes())
    }

    /// A compact JWS of any `payload` under any `header`, signed with `alg` whatever the header says.
    #[must_use]
    pub fn sign_with_header(&self, alg: &str, header: &Value, payload: &[u8]) -> String {
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        let signing_input = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload));
        let signature = self.signature(alg, signing_input.as_bytes());
        format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The bare signature over `message`, in the form of RFC 7518 section 3.
    ///
    /// # Panics
    /// On an algorithm that is not in [`ALGORITHMS`].
    #[must_use]
    pub fn signature(&self, alg: &str, message: &[u8]) -> Vec<u8> {
        match alg {
            "HS256" => self.hmac(hmac::HMAC_SHA256, alg, message),
            "HS384" => self.hmac(hmac::HMAC_SHA384, alg, message),
            "HS512" => self.hmac(hmac::HMAC_SHA512, alg, message),
            "RS256" => self.rsa(&signature::RSA_PKCS1_SHA256, message),
            "RS384" => self.rsa(&signature::RSA_PKCS1_SHA384, message),
            "RS512" => self.rsa(&signature::RSA_PKCS1_SHA512, message),
            "PS256" => self.rsa(&signature::RSA_PSS_SHA256, message),
            "PS384" => self.rsa(&signature::RSA_PSS_SHA384, message),
            "PS512" => self.rsa(&signature::RSA_PSS_SHA512, message),
            "EdDSA" => self.ed25519.sign(message).as_ref().to_vec(),
            _ => {
                let signature = self.ec(alg).sign(&SystemRandom::new(), message);
                signature.expect("ECDSA signs").as_ref().to_vec()
            }
        }
    }

    /// The public keys and the shared secrets, as a JWK Set in the order of [`ALGORITHMS`].
    #[must_use]
    pub fn jwk_set(&self) -> Value {
        json!({"keys": ALGORITHMS.map(|alg| self.jwk(alg))})
    }

    /// The JWK (RFC 7517) of one algorithm, with `kid`, `alg` and `use`.
    #[must_use]
    pub fn jwk(&self, alg: &str) -> Value {
        let mut jwk = self.jwk_parameters(alg);
        jwk["kid"] = json!(alg);
        jwk["alg"] = json!(alg);
        jwk["use"] = json!("sig");
        jwk
    }

    /// The public key of `alg` as the PEM text of a `SubjectPublicKeyInfo` (RFC 7468 section 13).
    ///
    /// # Panics
    /// On HMAC, which has no public key, and on an algorithm that is not in [`ALGORITHMS`].
    #[must_use]
    pub fn spki_pem(&self, alg: &str) -> String {
        let body = STANDARD.encode(self.spki_der(alg));
        let lines: Vec<&str> = (0..body.len())
            .step_by(64)
            .map(|start| &body[start..body.len().min(start + 64)])
            .collect();
        let lines = lines.join("\n");
        format!("-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n")
    }

    /// The public key of `alg` as the DER of a `SubjectPublicKeyInfo`.
    ///
    /// # Panics
    /// As [`spki_pem`](Self::spki_pem).
    #[must_use]
    pub fn spki_der(&self, alg: &str) -> Vec<u8> {
        let der: Result<PublicKeyX509Der<'_>, _> = match alg {
            "EdDSA" => self.ed25519.public_key().as_der(),
            _ if is_rsa(alg) => self.rsa_pair().public_key().as_der(),
            _ => self.ec(alg).public_key().as_der(),
        };
        der.expect("a public key has a DER form").as_ref().to_vec()
    }

    /// The shared secret of an HMAC algorithm, 64 bytes.
    ///
    /// # Panics
    /// On any other algorithm.
    #[must_use]
    pub fn secret(&self, alg: &str) -> &[u8] {
        match alg {
            "HS256" => &self.hs256,
            "HS384" => &self.hs384,
            "HS512" => &self.hs512,
            _ => panic!("{alg} has no shared secret"),
        }
    }

    fn jwk_parameters(&self, alg: &str) -> Value {
        match alg {
            "HS256" | "HS384" | "HS512" => {
                json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(self.secret(alg))})
            }
            "EdDSA" => {
                let x = URL_SAFE_NO_PAD.encode(self.ed25519.public_key());
                json!({"kty": "OKP", "crv": "Ed25519", "x": x})
            }
            _ if is_rsa(alg) => {
                let key = RsaPublicKeyRef::try_from(self.rsa_pair().public_key().as_ref());
                let key = key.expect("aws-lc-rs writes PKCS #1");
                let n = URL_SAFE_NO_PAD.encode(key.modulus.as_bytes());
                let e = URL_SAFE_NO_PAD.encode(key.public_exponent.as_bytes());
                json!({"kty": "RSA", "n": n, "e": e})
            }
            _ => ec_parameters(self.ec(alg).public_key().as_ref()),
        }
    }

    fn hmac(&self, algorithm: hmac::Algorithm, alg: &str, message: &[u8]) -> Vec<u8> {
        let key = hmac::Key::new(algorithm, self.secret(alg));
        hmac::sign(&key, message).as_ref().to_vec()
    }

    fn rsa(&self, encoding: &'static dyn signature::RsaEncoding, message: &[u8]) -> Vec<u8> {
        let pair = self.rsa_pair();
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), message, &mut signature)
            .expect("RSA signs");
        signature
    }

    fn rsa_pair(&self) -> &RsaKeyPair {
        let draw = || RsaKeyPair::generate(self.rsa_size).expect("RSA key");
        self.rsa.get_or_init(draw)
    }

    fn ec(&self, alg: &str) -> &EcdsaKeyPair {
        match alg {
            "ES256" => &self.p256,
            "ES384" => &self.p384,
            "ES512" => &self.p521,
            _ => panic!("{alg} has no public key here"),
        }
    }
}

fn random_bytes() -> [u8; 64] {
    let mut bytes = [0; 64];
    rand::fill(&mut bytes).expect("random bytes");
    bytes
}

fn is_rsa(alg: &str) -> bool {
    alg.starts_with("RS") || alg.starts_with("PS")
}

/// The members of an EC JWK (RFC 7518 section 6.2.1) for the point `04 || x || y`.
fn ec_parameters(sec1: &[u8]) -> Value {
    let (x, y) = sec1[1..].split_at(sec1.len() / 2);
    let crv = match x.len() {
        32 => "P-256",
        48 => "P-384",
        _ => "P-521",
    };
    let [x, y] = [x, y].map(|coordinate| URL_SAFE_NO_PAD.encode(coordinate));
    json!({"kty": "EC", "crv": crv, "x": x, "y": y})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_with_every_algorithm() {
        let issuer = Issuer::new();
        for alg in ALGORITHMS {
            let token = issuer.sign(alg, &json!({"sub": "user"}));
            assert_eq!(token.split('.').count(), 3, "{alg}");
        }
    }

    #[test]
    fn publishes_every_key_once() {
        let set = Issuer::new().jwk_set();
        let kids = set["keys"].as_array().into_iter().flatten();
        assert!(kids.map(|jwk| jwk["kid"].as_str().unwrap()).eq(ALGORITHMS));
    }

    #[test]
    fn writes_public_keys_as_pem() {
        let issuer = Issuer::new();
        for alg in &ALGORITHMS[3..] {
            let pem = issuer.spki_pem(alg);
            let (_, rest) = pem.split_once("-----BEGIN PUBLIC KEY-----\n").unwrap();
            let (body, _) = rest.split_once("\n-----END PUBLIC KEY-----\n").unwrap();
            let der = STANDARD.decode(body.replace('\n', "")).unwrap();
            assert_eq!(der, issuer.spki_der(alg), "{alg}");
        }
    }
}
