//! The examples of the standards: RFC 7515 appendix A, RFC 8037 appendix A.4, and the cookbook of RFC 7520
//! with its later additions.
//!
//! What must verify does so on both backends, step by step and through a library's `verify`, and no longer
//! with one bit changed. What is no compact JWS
//! of ours (JSON serialisations, detached and unencoded payloads) is refused.

use std::path::Path;

use gatepost_core::exchange::MAX_PAYLOAD;
use gatepost_core::jose::{Error, UnverifiedJwt, VerifyError};
use gatepost_core::sasl::BearerToken;
use gatepost_tests::corpora::{self, read_json, trial};
use gatepost_tests::judge::{BACKENDS, Backend};
use gatepost_tests::vectors::rfc::{
    self, CLAIMS, ES256_HEADER, ES256_SIGNATURE, Example, RS256_HEADER, RS256_SIGNATURE, Shows,
    altered,
};
use libtest_mimic::Trial;
use serde_json::{Value, json};

fn main() {
    let mut trials: Vec<Trial> = rfc::examples().into_iter().map(example).collect();
    trials.extend([
        trial("RFC 7515 A.5 none", none_is_refused),
        trial("RFC 7515 A.6 and A.7 JSON", json_is_refused),
        trial(
            "RFC 7515 keys do not stand in for each other",
            keys_are_not_mixed_up,
        ),
    ]);
    let files = rfc::cookbook();
    let left_out = if files.is_empty() {
        vec!["rfc7520/*.json".to_owned()]
    } else {
        vec![]
    };
    trials.extend(
        files
            .into_iter()
            .map(|(path, shows)| cookbook(&path, shows)),
    );
    corpora::run(trials, &left_out);
}

fn example(example: Example) -> Trial {
    trial(example.name.clone(), move || {
        verifies(&example.jwk, &example.token);
    })
}

/// `token` verifies with `jwk`; with one bit of its signature or its payload changed it does not.
fn verifies(jwk: &Value, token: &str) {
    for backend in BACKENDS {
        let key = backend.prepare(jwk).expect("a usable key");
        let verify = |token: &str| {
            let jwt = UnverifiedJwt::parse(token).expect("a compact JWS");
            let outcome = jwt.verify(&*key.key, &mut [0; MAX_PAYLOAD]).map(|_| ());
            let is_library_agreed = backend.verifies(jwk, token) == outcome.is_ok();
            assert!(is_library_agreed, "{}: {outcome:?}", backend.name);
            outcome
        };
        assert_eq!(verify(token), Ok(()), "{}", backend.name);
        for changed in altered(token) {
            assert_eq!(
                verify(&changed),
                Err(VerifyError::Signature),
                "{}",
                backend.name
            );
        }
    }
}

fn none_is_refused() {
    let token = format!("eyJhbGciOiJub25lIn0.{CLAIMS}.");
    assert_eq!(
        UnverifiedJwt::parse(&token).err(),
        Some(Error::UnsupportedAlgorithm)
    );
    for Example { jwk, .. } in rfc::examples() {
        let is_taken = |backend: &Backend| backend.verifies(&jwk, &token);
        assert!(!BACKENDS.iter().any(is_taken), "{jwk}");
    }
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
    let keys = rfc::examples().map(|example| example.jwk);
    let is_taken = |jwk: &Value| BACKENDS.iter().any(|backend| backend.verifies(jwk, &text));
    assert!(!keys.iter().any(is_taken), "{text}");
}

fn keys_are_not_mixed_up() {
    let examples = rfc::examples();
    for backend in BACKENDS {
        for (i, Example { jwk, .. }) in examples.iter().enumerate() {
            let key = backend.prepare(jwk).expect("a usable key");
            for (j, Example { token, .. }) in examples.iter().enumerate() {
                let jwt = UnverifiedJwt::parse(token).expect("a compact JWS");
                let is_verified = jwt.verify(&*key.key, &mut [0; MAX_PAYLOAD]).is_ok();
                for is_verified in [is_verified, backend.verifies(jwk, token)] {
                    assert_eq!(is_verified, i == j, "key {i}, token {j}, {}", backend.name);
                }
            }
        }
    }
}

/// One file of the cookbook.
fn cookbook(path: &Path, shows: Shows) -> Trial {
    let value = read_json(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let check: fn(&Value) = match shows {
        Shows::Key => is_a_key,
        Shows::Token => is_a_token,
        Shows::Detached => is_detached,
        Shows::JsonOnly => exists_in_json_only,
        Shows::Unencoded => is_unencoded,
        Shows::New => is_new,
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
        assert!(!backend.verifies(&example["input"]["key"], token));
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
        let is_taken = |backend: &Backend| backend.verifies(&example["input"]["key"], token);
        assert!(!BACKENDS.iter().any(is_taken), "{token}");
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
