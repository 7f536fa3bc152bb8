//! Keys that somebody else verifies with, looked up as Dovecot does.

use std::fs;
use std::path::PathBuf;

use gatepost_aws_lc::AwsLc;
use gatepost_core::crypto::Algorithm;
use gatepost_tests::mint::Issuer;
use gatepost_tokio::{ProviderSettings, Trust, WantedKey};
use serde_json::json;
use tempfile::TempDir;

const ES256: Algorithm = Algorithm::Es256;

fn settings(name: &str, keys: PathBuf) -> ProviderSettings {
    let mut settings = ProviderSettings::new(name, Some(vec!["mail".to_owned()]));
    settings.issuer = Some(format!("https://{name}.example.com"));
    settings.keys = vec![keys];
    settings
}

fn load(providers: Vec<ProviderSettings>) -> Trust {
    let (trust, warnings) = Trust::load(&AwsLc, providers).unwrap();
    assert_eq!(warnings, []);
    trust
}

fn one(root: &TempDir, name: &str, content: &str) -> PathBuf {
    let path = root.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

/// The key of provider `p`.
fn key<'t>(trust: &'t Trust, azp: &str, algorithm: Algorithm, kid: &str) -> Option<&'t str> {
    let wanted = WantedKey {
        azp,
        algorithm,
        kid,
    };
    trust.written_key("p", &wanted)
}

#[test]
fn a_key_is_found_by_its_identifier_for_any_client_and_its_own_algorithms() {
    let (root, issuer) = (TempDir::new().unwrap(), Issuer::new());
    let set = one(&root, "set.json", &issuer.jwk_set().to_string());
    let trust = load(vec![settings("p", set)]);
    let pem = issuer.spki_pem("ES256");
    for azp in ["default", "webmail", "../"] {
        assert_eq!(key(&trust, azp, ES256, "ES256"), Some(&*pem));
    }
    assert_eq!(key(&trust, "default", Algorithm::Rs256, "ES256"), None);
    assert_eq!(key(&trust, "default", Algorithm::Es384, "ES256"), None);
    assert_eq!(key(&trust, "default", ES256, "es256"), None);
    assert_eq!(key(&trust, "default", ES256, "unknown"), None);
    assert_eq!(
        trust.written_key(
            "q",
            &WantedKey {
                azp: "a",
                algorithm: ES256,
                kid: "ES256"
            }
        ),
        None
    );
}

#[test]
fn without_an_identifier_the_only_key_is_meant_and_of_several_none() {
    let (root, issuer) = (TempDir::new().unwrap(), Issuer::new());
    let set = one(&root, "set.json", &issuer.jwk_set().to_string());
    let trust = load(vec![settings("p", set)]);
    assert!(key(&trust, "default", ES256, "default").is_some());
    let mut two = settings("p", one(&root, "one.pem", &issuer.spki_pem("ES256")));
    two.keys
        .push(one(&root, "two.pem", &Issuer::new().spki_pem("ES256")));
    let trust = load(vec![two]);
    assert_eq!(key(&trust, "default", ES256, "default"), None);
    assert_eq!(key(&trust, "default", ES256, "k1"), None);
}

#[test]
fn a_key_without_identifier_serves_tokens_with_one() {
    let (root, issuer) = (TempDir::new().unwrap(), Issuer::new());
    let trust = load(vec![settings(
        "p",
        one(&root, "k.pem", &issuer.spki_pem("ES256")),
    )]);
    assert_eq!(
        key(&trust, "default", ES256, "k1"),
        Some(&*issuer.spki_pem("ES256"))
    );
}

#[test]
fn a_client_gets_its_own_keys_and_those_of_all() {
    let (root, issuer) = (TempDir::new().unwrap(), Issuer::new());
    one(&root, "keys/webmail/ES256/k1", &issuer.spki_pem("ES256"));
    let trust = load(vec![settings("p", root.path().join("keys"))]);
    assert!(key(&trust, "webmail", ES256, "k1").is_some());
    assert_eq!(key(&trust, "default", ES256, "k1"), None);
    assert_eq!(key(&trust, "phone", ES256, "k1"), None);
}

#[test]
fn a_client_that_the_policy_does_not_take_gets_no_key() {
    let (root, issuer) = (TempDir::new().unwrap(), Issuer::new());
    let set = one(&root, "set.json", &issuer.jwk_set().to_string());
    let mut strict = settings("p", set);
    strict.authorized_parties = vec!["webmail".to_owned()];
    let trust = load(vec![strict]);
    assert!(key(&trust, "webmail", ES256, "ES256").is_some());
    for other in ["phone", "default", ""] {
        assert_eq!(key(&trust, other, ES256, "ES256"), None);
    }
}

#[test]
fn one_provider_s_keys_are_not_another_s() {
    let (root, issuer, other) = (TempDir::new().unwrap(), Issuer::new(), Issuer::new());
    let ours = one(
        &root,
        "ours.json",
        &json!({"keys": [issuer.jwk("ES256")]}).to_string(),
    );
    let theirs = one(
        &root,
        "theirs.json",
        &json!({"keys": [other.jwk("ES384")]}).to_string(),
    );
    let trust = load(vec![settings("p", ours), settings("q", theirs)]);
    assert!(key(&trust, "default", ES256, "ES256").is_some());
    assert_eq!(key(&trust, "default", Algorithm::Es384, "ES384"), None);
}

#[test]
fn a_secret_is_told_with_a_word_alone() {
    let (root, issuer) = (TempDir::new().unwrap(), Issuer::new());
    let set = one(&root, "set.json", &issuer.jwk_set().to_string());
    let quiet = settings("p", set);
    let mut telling = quiet.clone();
    telling.tells_secrets = true;
    let trust = load(vec![quiet]);
    assert_eq!(key(&trust, "default", Algorithm::Hs256, "HS256"), None);
    let trust = load(vec![telling]);
    assert!(key(&trust, "default", Algorithm::Hs256, "HS256").is_some());
}
