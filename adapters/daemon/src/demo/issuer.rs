//! A throw-away issuer with one key, which nobody has ever seen before.

use std::{
    io,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

pub(super) struct Issuer {
    name: String,
    kid: String,
    key: EcdsaKeyPair,
}

impl Issuer {
    /// An issuer called `name`, with a fresh key.
    pub(super) fn new(name: &str, kid: &str) -> io::Result<Self> {
        let key =
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(io::Error::other)?;
        Ok(Self {
            name: name.to_owned(),
            kid: kid.to_owned(),
            key,
        })
    }

    /// The public key as a JWK Set (RFC 7517 section 5).
    pub(super) fn jwk_set(&self) -> String {
        let point = self.key.public_key().as_ref();
        // 04 || x || y (SEC 1 section 2.3.3).
        let coordinate = |range| URL_SAFE_NO_PAD.encode(point.get(range).unwrap_or_default());
        json!({"keys": [{
            "kty": "EC", "crv": "P-256", "kid": self.kid, "alg": "ES256", "use": "sig",
            "x": coordinate(1..33), "y": coordinate(33..65),
        }]})
        .to_string()
    }

    /// An access token (RFC 9068) that expires in `seconds`.
    pub(super) fn token(&self, user: &str, audience: &str, seconds: i64) -> String {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        let header = json!({"alg": "ES256", "kid": self.kid, "typ": "at+jwt"});
        let claims = json!({
            "iss": self.name, "sub": "1", "aud": audience, "email": user,
            "iat": now.min(now + seconds) - 300, "exp": now + seconds,
        });
        let encode = |part: serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signing_input = format!("{}.{}", encode(header), encode(claims));
        let signature = self
            .key
            .sign(&SystemRandom::new(), signing_input.as_bytes());
        // Signing fails only where the system has no random numbers; the login then fails, and shows it.
        let signature = signature
            .map(|signature| URL_SAFE_NO_PAD.encode(signature))
            .unwrap_or_default();
        format!("{signing_input}.{signature}")
    }
}
