//! The core as a library: keys from JWK Sets.

use gatepost_core::{
    crypto::{Backend as _, RustCrypto},
    jose::{JwkSet, KeyBuffer, UnverifiedJwt},
};

/// RFC 7515 appendix A.1: a JWK Set with the secret, as a provider should never publish it, and a token.
const SECRET: &[u8] = br#"{"keys":[{"kty":"oct","kid":"hs","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}]}"#;
const SIGNED_WITH_SECRET: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

// K9: whoever reads a published secret could sign with it.
#[test]
fn a_secret_in_a_jwk_set_verifies_nothing_unless_asked_for() {
    let jwt = UnverifiedJwt::parse(SIGNED_WITH_SECRET).unwrap();
    for jwk in JwkSet::parse(SECRET).unwrap() {
        let jwk = jwk.unwrap();
        let mut buffer = KeyBuffer::new();
        let Ok(material) = jwk.material(&mut buffer) else {
            continue;
        };
        let key = RustCrypto.prepare(&material, jwk.algorithms()).unwrap();
        let payload = jwt.verify(&key, &mut [0; 256]).map(|_| ());
        assert!(payload.is_err(), "a token signed with a published secret");
    }
}
