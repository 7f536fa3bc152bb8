//! How the real command finds a provider: where its metadata are, and what of them it uses.

use gatepost_tests::mint::Issuer;
use gatepost_tests::stub::Stub;
use serde_json::{Value, json};

use crate::online::{Daemon, doctor, log_in};
use crate::serving::now;

/// The issuer of a provider that is reached by another name.
const ISSUER: &str = "https://id.example.org/realms/m";

fn token(issuer: &Issuer, iss: &str) -> String {
    let claims = json!({"iss": iss, "sub": "x", "aud": "mail", "exp": now() + 60});
    issuer.sign("ES256", &claims)
}

/// A provider of [`ISSUER`] whose metadata are where nobody would look for them.
fn internal(issuer: &Issuer) -> (Stub, Value) {
    let stub = Stub::start().unwrap();
    let metadata = json!({"issuer": ISSUER, "jwks_uri": stub.url("/jwks")});
    stub.set_json("/internal/metadata", &metadata);
    stub.set_json("/jwks", &json!({"keys": [issuer.jwk("ES256")]}));
    (stub, metadata)
}

fn configuration(stub: &Stub) -> String {
    let url = stub.url("/internal/metadata");
    format!("[[provider]]\nissuer = \"{ISSUER}\"\nmetadata_url = \"{url}\"\naudience = \"mail\"\n")
}

// J17.
#[test]
fn a_provider_is_reached_by_another_name_than_its_issuer() {
    let issuer = Issuer::new();
    let (stub, _) = internal(&issuer);
    let daemon = Daemon::start(&configuration(&stub));
    let found = log_in(&daemon.address, "XOAUTH2", "x", &token(&issuer, ISSUER));
    assert!(found.last.starts_with("OK\t1\tuser=x"), "{found:?}");
    // Where it is reached names nobody.
    let foreign = token(&issuer, &stub.issuer());
    let found = log_in(&daemon.address, "XOAUTH2", "x", &foreign);
    assert!(found.last.starts_with("FAIL"), "{found:?}");
    assert_eq!(stub.seen("/internal/metadata").len(), 1);
}

#[test]
fn the_doctor_asks_at_the_url_of_the_metadata() {
    let issuer = Issuer::new();
    let (stub, _) = internal(&issuer);
    let config = format!("listen = \"tcp:127.0.0.1:1\"\n{}", configuration(&stub));
    let (said, code) = doctor(&config, &token(&issuer, ISSUER));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&stub.url("/internal/metadata")), "{said}");
}

#[test]
fn metadata_of_another_issuer_are_refused_wherever_they_are() {
    let issuer = Issuer::new();
    let (stub, mut metadata) = internal(&issuer);
    for other in [stub.issuer(), format!("{ISSUER}/"), ISSUER.to_uppercase()] {
        metadata["issuer"] = json!(other);
        stub.set_json("/internal/metadata", &metadata);
        let daemon = Daemon::start(&configuration(&stub));
        let found = log_in(&daemon.address, "XOAUTH2", "x", &token(&issuer, ISSUER));
        assert!(found.last.contains("code=temp_fail"), "{other}: {found:?}");
    }
}

// K4: what is left out of metadata is named, and the rest is used.
#[test]
fn an_endpoint_that_cannot_be_used_is_named_and_the_keys_are_found() {
    let stub = Stub::provider().unwrap();
    let issuer = Issuer::new();
    stub.set_json("/jwks", &json!({"keys": [issuer.jwk("ES256")]}));
    let mut metadata = stub.metadata();
    metadata["userinfo_endpoint"] = json!("ftp://id.example.org/me");
    metadata["introspection_endpoint"] = json!("");
    metadata["token_endpoint"] = json!(null);
    stub.set_json("/.well-known/openid-configuration", &metadata);
    let text = format!(
        "[[provider]]\nissuer = \"{}\"\naudience = \"mail\"\n",
        stub.issuer()
    );
    let daemon = Daemon::start(&text);
    let found = log_in(
        &daemon.address,
        "XOAUTH2",
        "x",
        &token(&issuer, &stub.issuer()),
    );
    assert!(found.last.starts_with("OK\t1\tuser=x"), "{found:?}");
    let log = daemon.serving.stop();
    for member in [
        "userinfo_endpoint",
        "introspection_endpoint",
        "token_endpoint",
    ] {
        let lines = log.lines().filter(|line| line.contains(member));
        assert_eq!(lines.count(), 1, "{member} in {log}");
    }
}

#[test]
fn a_key_set_that_cannot_be_found_is_named_with_what_to_write() {
    let stub = Stub::provider().unwrap();
    let issuer = Issuer::new();
    let mut metadata = stub.metadata();
    metadata["jwks_uri"] = json!("/jwks");
    stub.set_json("/.well-known/openid-configuration", &metadata);
    let text = format!(
        "[[provider]]\nissuer = \"{}\"\naudience = \"mail\"\n",
        stub.issuer()
    );
    let daemon = Daemon::start(&text);
    let found = log_in(
        &daemon.address,
        "XOAUTH2",
        "x",
        &token(&issuer, &stub.issuer()),
    );
    assert!(found.last.contains("code=temp_fail"), "{found:?}");
    let log = daemon.serving.stop();
    let line = log.lines().find(|line| line.contains("endpoint left out"));
    let line = line.unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("jwks_uri is not an https URL"), "{line}");
    assert!(line.contains("write key_set_url"), "{line}");
}

/// K3: the `kid` and the algorithm choose, over the wire as in a file.
#[test]
fn a_set_that_repeats_keys_and_kids_serves_what_is_clear() {
    let stub = Stub::provider().unwrap();
    let (issuer, other) = (Issuer::new(), Issuer::new());
    let named = |issuer: &Issuer, alg: &str| {
        let mut jwk = issuer.jwk(alg);
        jwk["kid"] = json!("k");
        jwk
    };
    let keys = [
        named(&issuer, "RS256"),
        named(&issuer, "ES256"),
        named(&issuer, "ES256"),
        named(&issuer, "ES384"),
        named(&other, "ES384"),
        json!({"kty": "AKP", "alg": "ML-DSA-44", "kid": "pq", "pub": "AAAA"}),
    ];
    stub.set_json("/jwks", &json!({"keys": keys}));
    let text = format!(
        "[[provider]]\nissuer = \"{}\"\naudience = \"mail\"\n",
        stub.issuer()
    );
    let daemon = Daemon::start(&text);
    let claims = json!({"iss": stub.issuer(), "sub": "x", "aud": "mail", "exp": now() + 60});
    for (alg, start) in [("RS256", "OK"), ("ES256", "OK"), ("ES384", "FAIL")] {
        let header = json!({"alg": alg, "kid": "k", "typ": "at+jwt"});
        let token = issuer.sign_with_header(alg, &header, claims.to_string().as_bytes());
        let found = log_in(&daemon.address, "XOAUTH2", "x", &token);
        assert!(found.last.starts_with(start), "{alg}: {found:?}");
    }
    let log = daemon.serving.stop();
    for words in ["key 2 (kid", "key 3 (kid", "key 4 (kid", "AKP (ML-DSA)"] {
        assert!(
            log.contains(&words.replace('"', "\\\"")),
            "{words} in {log}"
        );
    }
}
