//! The examples of the standards: RFC 7515 appendix A, RFC 8037 appendix A.4, and the cookbook of RFC 7520
//! with its later additions.
//!
//! What must verify does so on both backends, and no longer with one bit changed. What is no compact JWS
//! of ours (JSON serialisations, detached and unencoded payloads) is refused.

use std::path::Path;

use gatepost_core::exchange::MAX_PAYLOAD;
use gatepost_core::jose::{Error, UnverifiedJwt, VerifyError};
use gatepost_core::sasl::BearerToken;
use gatepost_tests::corpora::{self, json_files, read_json, trial};
use gatepost_tests::judge::BACKENDS;
use libtest_mimic::Trial;
use serde_json::{Value, json};

fn main() {
    let mut trials = vec![
        trial("RFC 7515 A.1 HS256", || {
            verifies(&hmac_key(), &jwt_of(HS256_HEADER, HS256_SIGNATURE));
        }),
        trial("RFC 7515 A.2 RS256", || {
            verifies(&rsa_key(), &jwt_of(RS256_HEADER, RS256_SIGNATURE));
        }),
        trial("RFC 7515 A.3 ES256", || {
            verifies(&p256_key(), &jwt_of(ES256_HEADER, ES256_SIGNATURE));
        }),
        trial("RFC 7515 A.4 ES512", || verifies(&p521_key(), ES512_TOKEN)),
        trial("RFC 7515 A.5 none", none_is_refused),
        trial("RFC 7515 A.6 and A.7 JSON", json_is_refused),
        trial(
            "RFC 7515 keys do not stand in for each other",
            keys_are_not_mixed_up,
        ),
        trial("RFC 8037 A.4 Ed25519", || {
            verifies(&ed25519_key(), ED25519_TOKEN);
        }),
    ];
    let files = json_files("rfc7520");
    let left_out = if files.is_empty() {
        vec!["rfc7520/*.json".to_owned()]
    } else {
        vec![]
    };
    trials.extend(files.into_iter().map(|path| cookbook(&path)));
    corpora::run(trials, &left_out);
}

/// The claims of RFC 7515 appendices A.1 to A.3, A.5 and A.6.
const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

// RFC 7515 appendix A.1.
const HS256_HEADER: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9";
const HS256_SIGNATURE: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn hmac_key() -> Value {
    json!({"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"})
}

// RFC 7515 appendix A.2.
const RS256_HEADER: &str = "eyJhbGciOiJSUzI1NiJ9";
const RS256_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

fn rsa_key() -> Value {
    json!({
        "kty": "RSA",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        "e": "AQAB",
    })
}

// RFC 7515 appendix A.3.
const ES256_HEADER: &str = "eyJhbGciOiJFUzI1NiJ9";
const ES256_SIGNATURE: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

fn p256_key() -> Value {
    json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    })
}

// RFC 7515 appendix A.4.
const ES512_TOKEN: &str = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";

fn p521_key() -> Value {
    json!({
        "kty": "EC",
        "crv": "P-521",
        "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
    })
}

// RFC 8037 appendices A.2 and A.4.
const ED25519_TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

fn ed25519_key() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

fn jwt_of(header: &str, signature: &str) -> String {
    format!("{header}.{CLAIMS}.{signature}")
}

/// `token` verifies with `jwk`; with one bit of its signature or its payload changed it does not.
fn verifies(jwk: &Value, token: &str) {
    for backend in BACKENDS {
        let key = backend.prepare(jwk).expect("a usable key");
        let verify = |token: &str| {
            let jwt = UnverifiedJwt::parse(token).expect("a compact JWS");
            jwt.verify(&*key.key, &mut [0; MAX_PAYLOAD]).map(|_| ())
        };
        assert_eq!(verify(token), Ok(()), "{}", backend.name);
        let dot = token.rfind('.').expect("a dot");
        for at in [dot - 4, dot + 8] {
            let changed = with_another_character(token, at);
            assert_eq!(
                verify(&changed),
                Err(VerifyError::Signature),
                "{}",
                backend.name
            );
        }
    }
}

fn with_another_character(token: &str, at: usize) -> String {
    let other = if &token[at..=at] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &token[..at], &token[at + 1..])
}

fn none_is_refused() {
    let token = format!("eyJhbGciOiJub25lIn0.{CLAIMS}.");
    assert_eq!(
        UnverifiedJwt::parse(&token).err(),
        Some(Error::UnsupportedAlgorithm)
    );
}

/// RFC 7515 appendices A.6.4 and A.7.
fn json_is_refused() {
    let kid = json!({"kid": "2010-12-29"});
    let flattened = json!({
        "payload": CLAIMS, "protected": ES256_HEADER, "header": kid, "signature": ES256_SIGNATURE,
    });
    let general = json!({
        "payload": CLAIMS,
        "signatures": [
            {"protected": RS256_HEADER, "header": kid, "signature": RS256_SIGNATURE},
            {"protected": ES256_HEADER, "header": kid, "signature": ES256_SIGNATURE},
        ],
    });
    is_no_token(&flattened);
    is_no_token(&general);
}

fn is_no_token(serialised: &Value) {
    let text = serialised.to_string();
    assert!(BearerToken::new(text.as_bytes()).is_err(), "{text}");
    assert!(UnverifiedJwt::parse(&text).is_err(), "{text}");
}

fn keys_are_not_mixed_up() {
    let pairs = [
        (hmac_key(), jwt_of(HS256_HEADER, HS256_SIGNATURE)),
        (rsa_key(), jwt_of(RS256_HEADER, RS256_SIGNATURE)),
        (p256_key(), jwt_of(ES256_HEADER, ES256_SIGNATURE)),
        (p521_key(), ES512_TOKEN.to_owned()),
        (ed25519_key(), ED25519_TOKEN.to_owned()),
    ];
    for backend in BACKENDS {
        for (i, (jwk, _)) in pairs.iter().enumerate() {
            let key = backend.prepare(jwk).expect("a usable key");
            for (j, (_, token)) in pairs.iter().enumerate() {
                let jwt = UnverifiedJwt::parse(token).expect("a compact JWS");
                let is_verified = jwt.verify(&*key.key, &mut [0; MAX_PAYLOAD]).is_ok();
                assert_eq!(is_verified, i == j, "key {i}, token {j}, {}", backend.name);
            }
        }
    }
}

/// One file of the cookbook; one that is new has to be sorted in here first.
fn cookbook(path: &Path) -> Trial {
    let value = read_json(path);
    let name = path
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let check: fn(&Value) = match name.as_str() {
        "jwk-3_1.ec_public_key.json"
        | "jwk-3_2.ec_private_key.json"
        | "jwk-3_3.rsa_public_key.json"
        | "jwk-3_4.rsa_private_key.json"
        | "jwk-3_5.symmetric_key_mac_computation.json" => is_a_key,
        "jws-4_1.rsa_v15_signature.json"
        | "jws-4_2.rsa-pss_signature.json"
        | "jws-4_3.ecdsa_signature.json"
        | "jws-4_4.hmac-sha2_integrity_protection.json"
        | "curve25519-jws.json" => is_a_token,
        "jws-4_5.signature_with_detached_content.json" => is_detached,
        // A header beside the protected one exists in JSON only.
        "jws-4_6.protecting_specific_header_fields.json"
        | "jws-4_7.protecting_content_only.json"
        | "jws-4_8.multiple_signatures.json" => exists_in_json_only,
        "rfc7797-4.2.hmac-sha2_b64_false.json" | "rfc7797-hmac-sha2_b64_false.json" => is_unencoded,
        _ => is_new,
    };
    trial(format!("rfc7520/{name}"), move || check(&value))
}

fn is_new(_: &Value) {
    panic!("a new file: sort it in with what is to come of it");
}

fn is_a_key(jwk: &Value) {
    for backend in BACKENDS {
        let key = backend.prepare(jwk).expect("a usable key");
        assert_eq!(key.kid.as_deref(), jwk["kid"].as_str(), "{}", backend.name);
    }
}

fn is_a_token(example: &Value) {
    verifies(
        &example["input"]["key"],
        text(&example["output"]["compact"]),
    );
    no_json_is_a_token(example);
}

/// An empty payload is a payload: the signature does not hold for it.
fn is_detached(example: &Value) {
    let token = text(&example["output"]["compact"]);
    let jwt = UnverifiedJwt::parse(token).expect("three parts");
    for backend in BACKENDS {
        let key = backend
            .prepare(&example["input"]["key"])
            .expect("a usable key");
        let mut scratch = [0; MAX_PAYLOAD];
        let verified = jwt.verify(&*key.key, &mut scratch);
        assert_eq!(
            verified.err(),
            Some(VerifyError::Signature),
            "{}",
            backend.name
        );
    }
    no_json_is_a_token(example);
}

fn exists_in_json_only(example: &Value) {
    assert!(example["output"]["compact"].is_null());
    no_json_is_a_token(example);
    let signatures = example["output"]["json"]["signatures"].as_array();
    for part in signatures
        .into_iter()
        .flatten()
        .filter(|part| part["protected"].is_null())
    {
        let payload = text(&example["output"]["json"]["payload"]);
        let compact = format!(".{payload}.{}", text(&part["signature"]));
        assert_eq!(UnverifiedJwt::parse(&compact).err(), Some(Error::Header));
    }
}

fn is_unencoded(example: &Value) {
    let parts = &example["output"]["json_flat"];
    let (protected, signature) = (text(&parts["protected"]), text(&parts["signature"]));
    let detached = format!("{protected}..{signature}");
    let compact = example["output"]["compact"].as_str();
    for token in compact.into_iter().chain([&*detached]) {
        let error = UnverifiedJwt::parse(token).expect_err("no such extension");
        assert!(
            matches!(error, Error::UnencodedPayload | Error::CriticalExtension),
            "{error:?}"
        );
    }
    no_json_is_a_token(example);
}

fn no_json_is_a_token(example: &Value) {
    for form in ["json", "json_flat"] {
        if !example["output"][form].is_null() {
            is_no_token(&example["output"][form]);
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}
