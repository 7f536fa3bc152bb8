//! The line of a refused login: which claim was to blame, and never what it said.

use std::fs;

use gatepost_tests::mint::Issuer;
use gatepost_tests::stub::{Behaviour, Page, Stub};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::online::{Daemon, log_in};
use crate::serving::now;

const USER: &str = "alice@example.com";

#[test]
fn the_line_of_a_refused_token_names_the_claim() {
    let (issuer, root) = (Issuer::new(), TempDir::new().unwrap());
    let keys = root.path().join("jwks.json");
    fs::write(&keys, issuer.jwk_set().to_string()).unwrap();
    let mut daemon = Daemon::start(&format!(
        "[[provider]]\nissuer = \"https://id.example.com\"\naudience = \"mail\"\nusername_claims = \"email\"\n\
         keys = {keys:?}\nrequire = {{ groups = \"staff\", \"realm.roles\" = [\"mail\", \"post\"] }}\n"
    ));
    let good = json!({
        "iss": "https://id.example.com", "sub": "1", "aud": "mail", "email": USER, "exp": now() + 600,
        "groups": ["staff"], "realm": {"roles": ["post"]},
    });
    let (email, secret) = (json!(["secret@x", "secret@y"]), json!({"secret": 1}));
    for (name, value, reason, claim) in [
        (
            "groups",
            json!(["secret"]),
            "unmet_requirement",
            "require 1",
        ),
        (
            "realm",
            json!({"roles": "secret"}),
            "unmet_requirement",
            "require 2",
        ),
        ("exp", json!("secret"), "malformed_claims", "exp"),
        ("aud", secret.clone(), "malformed_claims", "aud"),
        ("sub", Value::Null, "missing_claim", "sub"),
        ("email", email, "unusable_user_name", ""),
        ("email", secret, "malformed_claims", "username_claims"),
        ("email", Value::Null, "no_user_name", "username_claims"),
        (
            "token_use",
            json!("secret"),
            "not_access_token",
            "token_use",
        ),
    ] {
        let mut claims = good.clone();
        claims[name] = value;
        let token = issuer.sign("ES256", &claims);
        log_in(&daemon.address, "XOAUTH2", USER, &token);
        let line = daemon.serving.wait_for("login");
        assert_eq!(line["reason"], reason, "{line}");
        assert_eq!(line["claim"].as_str().unwrap_or_default(), claim, "{line}");
        assert!(!line.to_string().contains("secret"), "{line}");
    }
}

#[test]
fn the_line_of_an_unusable_answer_names_the_member() {
    for (name, value) in [("exp", json!("secret")), ("aud", json!({"secret": 1}))] {
        let stub = Stub::start().unwrap();
        let mut answer = json!({"active": true, "aud": "mail", "email": USER});
        answer[name] = value;
        let page = Page::of(200, "application/json", answer.to_string());
        stub.set("/introspect", Behaviour::Answer(page));
        let mut daemon = Daemon::start(&format!(
            "[[provider]]\nintrospection_url = \"{}\"\nclient_id = \"rs\"\nclient_secret = \"s\"\n\
             audience = \"mail\"\nusername_claims = \"email\"\n",
            stub.url("/introspect")
        ));
        log_in(&daemon.address, "XOAUTH2", USER, "an-opaque-token");
        let trouble = daemon.serving.wait_for("answer not usable");
        assert_eq!(
            trouble["fault"],
            format!("its member {name:?} is malformed")
        );
        let line = daemon.serving.wait_for("login");
        assert_eq!(line["reason"], "unusable_answer", "{line}");
        assert_eq!(line["claim"], name, "{line}");
        assert!(
            !format!("{trouble} {line}").contains("secret"),
            "{trouble} {line}"
        );
    }
}
