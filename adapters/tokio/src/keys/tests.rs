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

/// The kids and algorithms of the keys of a set, and which entries are left out.
#[track_caller]
fn check_set(keys: &[serde_json::Value], kept: &[(&str, &[&str])], left_out: &[usize]) {
    let (loaded, warnings) = load_file(&json!({"keys": keys}).to_string());
    let found: Vec<_> = loaded
        .iter()
        .map(|key| {
            let algorithms: Vec<_> = key.key.algorithms().iter().map(Algorithm::name).collect();
            (key.kid.as_deref().unwrap_or_default(), algorithms)
        })
        .collect();
    let expected: Vec<_> = kept
        .iter()
        .map(|(kid, algs)| (*kid, algs.to_vec()))
        .collect();
    assert_eq!(found, expected);
    let named: Vec<_> = warnings
        .iter()
        .filter_map(|warning| warning.index)
        .collect();
    assert_eq!(named, left_out, "{warnings:?}");
}

const ANY_RSA: &[&str] = &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];

fn named(mut jwk: serde_json::Value, kid: &str) -> serde_json::Value {
    jwk["kid"] = json!(kid);
    jwk
}

fn without_alg(mut jwk: serde_json::Value) -> serde_json::Value {
    jwk.as_object_mut().unwrap().remove("alg");
    jwk
}

// K3: `kid` and `alg` together choose.
#[test]
fn keys_that_share_a_kid_are_told_apart_by_their_algorithms() {
    let issuer = Issuer::new();
    let key = |alg: &str| named(issuer.jwk(alg), "k");
    let all = ["RS256", "PS256", "ES256", "ES384", "EdDSA"];
    let kept: Vec<(&str, &[&str])> = all
        .iter()
        .map(|alg| ("k", std::slice::from_ref(alg)))
        .collect();
    check_set(&all.map(key), &kept, &[]);
    // By type or curve, where no algorithm is written.
    check_set(
        &["RS256", "ES256", "ES384"].map(|alg| without_alg(key(alg))),
        &[("k", ANY_RSA), ("k", &["ES256"]), ("k", &["ES384"])],
        &[],
    );
}

#[test]
fn equal_keys_are_one() {
    let issuer = Issuer::new();
    let key = |alg: &str| named(issuer.jwk(alg), "k");
    check_set(
        &[
            key("RS256"),
            key("ES256"),
            key("RS256"),
            key("ES256"),
            key("RS256"),
        ],
        &[("k", &["RS256"]), ("k", &["ES256"])],
        &[2, 3, 4],
    );
    // One of which says less about itself than the other.
    let any = without_alg(key("RS256"));
    check_set(&[key("RS256"), any.clone()], &[("k", ANY_RSA)], &[0]);
    check_set(&[any, key("RS256")], &[("k", ANY_RSA)], &[1]);
    // However its numbers are written.
    let mut other = key("RS256");
    let n = other["n"]
        .as_str()
        .unwrap()
        .replace('-', "+")
        .replace('_', "/");
    other["n"] = json!(format!("{n}=="));
    check_set(&[key("RS256"), other], &[("k", &["RS256"])], &[1]);
    // Without an identifier as well.
    let nameless = |alg| {
        let mut jwk = issuer.jwk(alg);
        jwk["kid"] = json!(null);
        jwk
    };
    check_set(
        &[nameless("ES256"), nameless("ES256")],
        &[("", &["ES256"])],
        &[1],
    );
}

#[test]
fn different_keys_of_one_kid_and_algorithm_are_left_out_and_no_others() {
    let (one, other) = (Issuer::new(), Issuer::new());
    let key = |issuer: &Issuer, alg: &str| named(issuer.jwk(alg), "k");
    check_set(
        &[
            key(&one, "ES256"),
            key(&other, "ES256"),
            key(&one, "RS256"),
            one.jwk("ES384"),
        ],
        &[("k", &["RS256"]), ("ES384", &["ES384"])],
        &[0, 1],
    );
    // A key without `alg` serves what the other does as well.
    check_set(
        &[
            without_alg(key(&one, "RS256")),
            key(&other, "PS384"),
            key(&one, "ES256"),
        ],
        &[("k", &["ES256"])],
        &[0, 1],
    );
    // The second is the first once more.
    check_set(
        &[
            key(&one, "ES256"),
            key(&one, "ES256"),
            key(&other, "ES256"),
            one.jwk("RS256"),
        ],
        &[("RS256", &["RS256"])],
        &[0, 1, 2],
    );
}

#[test]
fn an_unusable_key_is_named_with_its_reason() {
    let unknown = json!({"kty": "future", "kid": "f1"});
    let set = json!({"keys": [unknown, Issuer::new().jwk("ES256")]});
    let (keys, warnings) = load_file(&set.to_string());
    assert_eq!(keys.len(), 1);
    holds(
        &warnings[0].to_string(),
        "key 0 (kid \"f1\"): the key is left out. Its type",
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
        ("{}", "kty is missing"),
        (
            "{\"kty\":\"oct\",\"k\":\"c2hvcnQ\"}",
            "The secret is shorter",
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

#[test]
fn one_kid_in_two_files_of_a_provider_is_warned_of() {
    let (one, other) = (Issuer::new(), Issuer::new());
    let load = |one: &serde_json::Value, other: &serde_json::Value| {
        let root = files(&[("a", &one.to_string()), ("b", &other.to_string())]);
        load(&[&root.path().join("a"), &root.path().join("b")]).unwrap()
    };
    let (keys, warnings) = load(&one.jwk("ES256"), &other.jwk("ES256"));
    assert_eq!(keys.len(), 2);
    assert_eq!(warnings[0].problem, Problem::AmbiguousKid);
    // The same one twice is one.
    let (keys, warnings) = load(&one.jwk("ES256"), &one.jwk("ES256"));
    assert_eq!((keys.len(), warnings.len()), (1, 1));
    let (keys, warnings) = load(&one.jwk("ES256"), &named(one.jwk("RS256"), "ES256"));
    assert_eq!((keys.len(), warnings.len()), (2, 0));
}

/// What is said of a key in a set, beside one that is good.
#[track_caller]
fn check_said(key: &serde_json::Value, expected: &str) {
    let set = json!({"keys": [Issuer::new().jwk("ES256"), key]});
    let (keys, warnings) = load_file(&set.to_string());
    assert_eq!((keys.len(), warnings.len()), (1, 1), "{key}");
    let said = warnings[0].to_string();
    holds(&said, expected);
    assert!(!said.contains("not the JSON of a JWK"), "{said}");
}

// K5: what cannot be taken is named, with what is wrong with it.
#[test]
fn a_warning_names_the_member_and_what_is_wrong_with_it() {
    let issuer = Issuer::new();
    let with = |alg: &str, member: &str, value: serde_json::Value| {
        let mut jwk = named(issuer.jwk(alg), "k");
        jwk[member] = value;
        jwk
    };
    let n = issuer.jwk("RS256")["n"].as_str().unwrap().to_owned();
    for (key, expected) in [
        (with("RS256", "n", json!(null)), "n is missing"),
        (with("RS256", "n", json!(7)), "n is not a string"),
        (
            with("RS256", "n", json!(format!("{n}="))),
            "n is not base64url",
        ),
        (
            with("RS256", "n", json!(format!("+_{}", &n[2..]))),
            "n mixes",
        ),
        (with("RS256", "n", json!("A".repeat(2000))), "n is too long"),
        (with("ES256", "x", json!("AAAA")), "x has the wrong length"),
        (with("ES256", "crv", json!(null)), "crv is missing"),
        (with("ES256", "use", json!(1)), "use is not a string"),
        (with("ES256", "kid", json!(1)), "kid is not a string"),
        (
            with("ES256", "kid", json!("k".repeat(300))),
            "kid is too long",
        ),
        (with("ES256", "alg", json!(1)), "alg is not a string"),
        (with("ES256", "alg", json!("ES256K")), "ES256K"),
        (with("ES256", "kty", json!(null)), "kty is missing"),
        (with("ES256", "kty", json!(1)), "kty is not a string"),
        (
            with("ES256", "key_ops", json!("verify")),
            "key_ops is not an array",
        ),
        (with("ES256", "key_ops", json!(["verify", 0])), "key_ops"),
        (
            with("ES256", "key_ops", json!(["verify", "verify"])),
            "key_ops",
        ),
    ] {
        check_said(&key, expected);
    }
}

#[test]
fn types_and_curves_that_are_not_supported_are_named() {
    for (kty, crv, expected) in [
        ("AKP", None, "AKP (ML-DSA)"),
        ("OKP", Some("Ed448"), "Ed448"),
        ("OKP", Some("X25519"), "X25519"),
        ("OKP", Some("X448"), "X448"),
        ("EC", Some("secp256k1"), "secp256k1"),
        ("EC", Some("P-256K"), "P-256K"),
        ("EC", Some("brainpoolP256r1"), "brainpoolP256r1"),
        ("LMS", None, "LMS"),
    ] {
        let mut jwk = json!({"kty": kty, "kid": "k", "pub": "AAAA", "x": "AAAA", "y": "AAAA"});
        if let Some(crv) = crv {
            jwk["crv"] = json!(crv);
        }
        check_said(&jwk, expected);
    }
    // Nothing that could be anything but a name.
    for kty in [
        "x".repeat(200),
        "a\nb".to_owned(),
        "a b".to_owned(),
        "é".to_owned(),
    ] {
        let set = json!({"keys": [{"kty": kty}, Issuer::new().jwk("ES256")]});
        let (_, warnings) = load_file(&set.to_string());
        let said = warnings[0].to_string();
        assert!(!said.contains(&kty), "{said}");
    }
}
