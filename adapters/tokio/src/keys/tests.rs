use std::fs;
use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_aws_lc::AwsLc;
use gatepost_core::crypto::{Algorithm, AlgorithmSet};
use gatepost_tests::mint::{ALGORITHMS, Issuer};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::ProviderSettings;

/// Files named by their paths below a directory of their own.
fn files(files: &[(&str, &str)]) -> TempDir {
    let root = TempDir::new().unwrap();
    for (path, content) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    root
}

fn load(paths: &[&Path]) -> Result<(Vec<LoadedKey>, Vec<Warning>), KeyFileError> {
    let mut settings = ProviderSettings::new("p", None);
    settings.keys = paths.iter().map(|path| path.to_path_buf()).collect();
    let mut warnings = Vec::new();
    super::load(&AwsLc, &settings, &mut warnings).map(|keys| (keys, warnings))
}

#[track_caller]
fn load_file(content: &str) -> (Vec<LoadedKey>, Vec<Warning>) {
    let root = files(&[("keys", content)]);
    load(&[&root.path().join("keys")]).unwrap()
}

/// The message of the error that `content` is.
#[track_caller]
fn refuse_file(content: &str) -> String {
    let root = files(&[("keys", content)]);
    let error = load(&[&root.path().join("keys")]).err().unwrap();
    error.to_string()
}

#[track_caller]
fn holds(text: &str, part: &str) {
    assert!(text.contains(part), "{text:?} lacks {part:?}");
}

#[test]
fn a_jwk_set_gives_all_of_its_keys() {
    let (keys, warnings) = load_file(&Issuer::new().jwk_set().to_string());
    let kids: Vec<_> = keys.iter().map(|key| key.kid.as_deref().unwrap()).collect();
    assert_eq!(kids, ALGORITHMS);
    assert_eq!(warnings, []);
}

#[test]
fn a_single_jwk_and_a_pem_file_give_one_key_each() {
    let issuer = Issuer::new();
    let (keys, _) = load_file(&issuer.jwk("ES256").to_string());
    assert_eq!(keys[0].kid.as_deref(), Some("ES256"));
    let (keys, _) = load_file(&format!("\n{}\n", issuer.spki_pem("RS256")));
    assert_eq!(keys[0].kid, None);
    assert!(keys[0].key.algorithms().contains(Algorithm::Ps512));
}

#[test]
fn keys_that_share_a_kid_are_both_left_out() {
    let issuer = Issuer::new();
    let mut other = issuer.jwk("RS256");
    other["kid"] = json!("ES256");
    let set = json!({"keys": [issuer.jwk("ES256"), other, issuer.jwk("EdDSA")]});
    let (keys, warnings) = load_file(&set.to_string());
    assert_eq!(keys.len(), 1);
    let left_out: Vec<_> = warnings.iter().map(|w| (w.index, &w.problem)).collect();
    let duplicate = &Problem::DuplicateKid;
    assert_eq!(left_out, [(Some(0), duplicate), (Some(1), duplicate)]);
}

#[test]
fn an_unusable_key_is_named_with_its_reason() {
    let unknown = json!({"kty": "future", "kid": "f1"});
    let set = json!({"keys": [unknown, Issuer::new().jwk("ES256")]});
    let (keys, warnings) = load_file(&set.to_string());
    assert_eq!(keys.len(), 1);
    holds(
        &warnings[0].to_string(),
        "key 0 (kid \"f1\"): the key is left out: its type",
    );
}

#[test]
fn a_file_of_which_nothing_can_be_used_is_an_error() {
    for (content, part) in [
        ("{\"keys\":[]}", "it holds none"),
        (
            "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"secp256k1\"}]}",
            "type or curve",
        ),
        ("{}", "not the JSON of a JWK"),
        (
            "{\"kty\":\"oct\",\"k\":\"c2hvcnQ\"}",
            "the secret is shorter",
        ),
        (
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
            "-pubout",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
            "openssl x509",
        ),
        ("", "neither a JWK Set"),
        ("secret", "neither a JWK Set"),
    ] {
        holds(&refuse_file(content), part);
    }
}

#[test]
fn a_file_is_bounded() {
    let long = " ".repeat(file::MAX_FILE + 1);
    holds(&refuse_file(&long), "longer than 65536 bytes");
}

#[test]
fn what_is_no_file_is_refused_without_waiting_for_it() {
    let error = load(&[Path::new("/dev/zero")]).err().unwrap();
    holds(&error.to_string(), "no regular file");
    let error = load(&[Path::new("/nonexistent")]).err().unwrap();
    holds(&error.to_string(), "/nonexistent");
}

#[test]
fn dovecots_layout_binds_client_algorithm_and_kid() {
    let issuer = Issuer::new();
    let root = files(&[
        ("default/HS256/k1", &STANDARD.encode(issuer.secret("HS256"))),
        (
            "http:%2f%2fapp%25/RS256/...hidden%2fkid",
            &issuer.spki_pem("RS256"),
        ),
        ("mail/ES256/k1", &issuer.jwk("ES256").to_string()),
    ]);
    let (keys, warnings) = load(&[root.path()]).unwrap();
    assert_eq!(warnings, []);
    let found: Vec<_> = keys
        .iter()
        .map(|key| (key.owner.as_deref().unwrap(), key.kid.as_deref().unwrap()))
        .collect();
    let expected = [
        ("default", "k1"),
        ("http://app%", ".hidden/kid"),
        ("mail", "k1"),
    ];
    assert_eq!(found, expected);
    let only = [Algorithm::Hs256, Algorithm::Rs256, Algorithm::Es256];
    for (key, algorithm) in keys.iter().zip(only) {
        assert_eq!(key.key.algorithms(), AlgorithmSet::of(&[algorithm]));
    }
}

#[test]
fn a_public_key_is_no_secret_and_a_key_of_another_type_serves_no_algorithm() {
    let issuer = Issuer::new();
    let root = files(&[
        ("default/HS256/confused", &issuer.spki_pem("RS256")),
        ("default/ES256/confused", &issuer.spki_pem("ES384")),
        ("default/ES384/good", &issuer.spki_pem("ES384")),
    ]);
    let (keys, warnings) = load(&[root.path()]).unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(warnings.len(), 2);
    holds(&warnings[0].to_string(), "serves none of the algorithms");
    holds(&warnings[1].to_string(), "not base64");
}

#[test]
fn leftovers_in_a_directory_are_skipped_with_a_warning() {
    let pem = Issuer::new().spki_pem("ES256");
    let root = files(&[
        ("default/ES256/good", &pem),
        ("default/ES256/good~", &pem),
        ("default/ES256/.good.swp", &pem),
        ("default/ES256/good.tmp", &pem),
        ("default/ES257/k", &pem),
        ("default/readme", "keys"),
    ]);
    let (keys, warnings) = load(&[root.path()]).unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(warnings.len(), 5);
}

#[test]
fn a_directory_is_bounded() {
    let root = TempDir::new().unwrap();
    for index in 0..=directory::MAX_ENTRIES {
        fs::write(root.path().join(index.to_string()), "").unwrap();
    }
    let error = load(&[root.path()]).err().unwrap();
    holds(&error.to_string(), "more than 1024 entries");
}

#[test]
fn an_empty_directory_is_an_error() {
    let root = TempDir::new().unwrap();
    holds(
        &load(&[root.path()]).err().unwrap().to_string(),
        "holds none",
    );
}

#[test]
fn one_kid_in_two_files_of_a_provider_is_warned_of() {
    let set = Issuer::new().jwk("ES256").to_string();
    let root = files(&[("a", &set), ("b", &set)]);
    let (keys, warnings) = load(&[&root.path().join("a"), &root.path().join("b")]).unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!(warnings[0].problem, Problem::AmbiguousKid);
}

#[test]
fn keys_serve_only_what_the_provider_is_allowed() {
    let root = files(&[("keys", &Issuer::new().jwk_set().to_string())]);
    let mut settings = ProviderSettings::new("p", None);
    settings.keys = vec![root.path().join("keys")];
    settings.algorithms = AlgorithmSet::of(&[Algorithm::Es256]);
    let mut warnings = Vec::new();
    let keys = super::load(&AwsLc, &settings, &mut warnings).unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(warnings.len(), ALGORITHMS.len() - 1);
}
