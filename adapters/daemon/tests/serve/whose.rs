//! A15: the log says whose a refused token was once a signature or a provider has vouched for it, and never mixes that with whom
//! a client claims to be.

use gatepost_tests::mint::Issuer;
use gatepost_tests::stub::{Behaviour, Page, Stub};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::online::{self, log_in};
use crate::serving::now;
use crate::sockets::{ALICE, Daemon, handshake, login};

const BOB: &str = "bob@example.com";

/// The line of a login as `claimed` with a token of `issuer`'s for Alice, whose claims are changed.
fn line_of(daemon: &mut Daemon, issuer: &Issuer, claimed: &str, changes: &Value) -> Value {
    let mut claims = json!({
        "iss": "https://id.example.com", "sub": "1", "aud": "mail", "email": "Alice@EXAMPLE.com",
        "exp": now() + 600,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let token = issuer.sign("ES256", &claims);
    let mut client = handshake(daemon.unix());
    login(&mut client, 1, claimed, &token);
    daemon.serving.wait_for("login")
}

#[track_caller]
fn check(changes: &Value, claimed: &str, reason: Option<&str>, user: Option<&str>) {
    let mut daemon = Daemon::start("");
    let issuer = std::mem::replace(&mut daemon.issuer, Issuer::new());
    let event = line_of(&mut daemon, &issuer, claimed, changes);
    assert_eq!(event["reason"].as_str(), reason, "{event}");
    assert_eq!(event["user"].as_str(), user, "{event}");
    let expected = reason.map(|_| claimed);
    assert_eq!(event["claimed"].as_str(), expected, "{event}");
}

#[test]
fn a_refused_token_has_its_user_where_its_signature_verified() {
    let normalised = Some("Alice@example.com");
    for (changes, reason) in [
        (json!({"exp": 1}), "expired"),
        (json!({"aud": "other"}), "wrong_audience"),
        (json!({"nbf": now() + 500}), "not_yet_valid"),
        (json!({"cnf": {}}), "key_bound_token"),
        (json!({}), "wrong_user"),
    ] {
        check(&changes, BOB, Some(reason), normalised);
    }
    check(&json!({}), "Alice@example.com", None, normalised);
}

#[test]
fn nobody_is_named_where_the_name_cannot_be_used() {
    let changes = json!({"exp": 1, "email": "two words"});
    check(&changes, BOB, Some("expired"), None);
}

#[test]
fn a_forged_token_names_nobody() {
    let mut daemon = Daemon::start("");
    let event = line_of(&mut daemon, &Issuer::new(), ALICE, &json!({}));
    assert_eq!(event["reason"], "bad_signature", "{event}");
    assert_eq!(event["user"].as_str(), None, "{event}");
    assert_eq!(event["claimed"], ALICE, "{event}");
}

/// An opaque token is whose its provider says.
#[test]
fn a_refused_token_has_its_user_where_an_endpoint_has_vouched_for_it() {
    let stub = Stub::start().unwrap();
    let provider = |rest: &str| {
        format!(
            "[[provider]]\nname = \"p\"\naudience = \"mail\"\nusername_claims = [\"email\"]\nnegative_cache_seconds = 0\n\
             client_id = \"rs\"\nclient_secret = \"x\"\nintrospection_url = \"{}\"\n{rest}",
            stub.url("/introspect")
        )
    };
    let tokeninfo = format!("tokeninfo_url = \"{}\"\n", stub.url("/info?token="));
    let said = |changes: Value| {
        let mut answer = json!({"active": true, "aud": "mail", "email": "Alice@EXAMPLE.com", "exp": now() + 600});
        for (name, value) in changes.as_object().unwrap() {
            answer[name] = value.clone();
        }
        answer
    };
    let alice = Some("Alice@example.com");
    let mut daemon = online::Daemon::start(&provider(""));
    for (status, answer, reason, user) in [
        (200, said(json!({"aud": "other"})), "wrong_audience", alice),
        (200, said(json!({"exp": 1})), "expired", alice),
        (200, said(json!({})), "wrong_user", alice),
        (
            200,
            said(json!({"exp": 1, "email": "two words"})),
            "expired",
            None,
        ),
        // These vouch for nobody.
        (200, said(json!({"active": false})), "token_refused", None),
        (
            400,
            said(json!({"error": "invalid_token"})),
            "provider_unavailable",
            None,
        ),
        (200, said(json!({"exp": "x"})), "unusable_answer", None),
        (500, said(json!({})), "provider_unavailable", None),
    ] {
        stub.set(
            "/introspect",
            Behaviour::Answer(Page::json(status, &answer)),
        );
        log_in(&daemon.address, "XOAUTH2", BOB, "opaque");
        let event = daemon.serving.wait_for("login");
        assert_eq!(event["reason"], reason, "{event}");
        assert_eq!(event["user"].as_str(), user, "{event}");
        assert_eq!(event["claimed"], BOB, "{event}");
    }
    // Of two answers the last one counts.
    let mut daemon = online::Daemon::start(&provider(&tokeninfo));
    let info = json!({"email": "Alice@EXAMPLE.com"});
    stub.set("/info", Behaviour::Answer(Page::json(200, &info)));
    stub.set(
        "/introspect",
        Behaviour::Answer(Page::json(200, &said(json!({"aud": "other"})))),
    );
    log_in(&daemon.address, "XOAUTH2", BOB, "opaque");
    let event = daemon.serving.wait_for("login");
    assert_eq!(event["reason"], "wrong_audience", "{event}");
    assert_eq!(event["user"].as_str(), alice, "{event}");
}

/// `answer` as it is signed for `client`.
fn signed(signer: &Issuer, client: &str, answer: &Value) -> Page {
    let header = json!({"alg": "ES256", "kid": "ES256", "typ": "token-introspection+jwt"});
    let payload =
        json!({"iss": "https://id.example.com", "aud": client, "token_introspection": answer});
    let jwt = signer.sign_with_header("ES256", &header, payload.to_string().as_bytes());
    Page::of(200, "application/token-introspection+jwt", jwt)
}

/// A signed answer (RFC 9701) says it as well, once its signature has verified.
#[test]
fn a_refused_token_has_its_user_where_a_signed_answer_has_vouched_for_it() {
    let stub = Stub::start().unwrap();
    let (ours, stranger) = (&Issuer::new(), &Issuer::new());
    let root = TempDir::new().unwrap();
    let keys = root.path().join("jwks.json");
    std::fs::write(&keys, ours.jwk_set().to_string()).unwrap();
    let mut daemon = online::Daemon::start(&format!(
        "[[provider]]\nname = \"p\"\nissuer = \"https://id.example.com\"\ndiscovery = false\naudience = \"mail\"\n\
         keys = [\"{}\"]\nusername_claims = [\"email\"]\nnegative_cache_seconds = 0\n\
         client_id = \"rs\"\nclient_secret = \"x\"\nintrospection_url = \"{}\"\n",
        keys.display(),
        stub.url("/introspect")
    ));
    let said = |signer, client, name: &str, value: Value| {
        let mut answer = json!({"active": true, "aud": "mail", "email": "Alice@EXAMPLE.com", "exp": now() + 600});
        answer[name] = value;
        signed(signer, client, &answer)
    };
    let told = |name, value| said(ours, "rs", name, value);
    let alice = Some("Alice@example.com");
    for (page, reason, user) in [
        (told("aud", json!("other")), "wrong_audience", alice),
        (told("exp", json!(1)), "expired", alice),
        (told("x", json!(1)), "wrong_user", alice),
        (
            told("email", json!("two words")),
            "unusable_user_name",
            None,
        ),
        (told("active", json!(false)), "token_refused", None),
        (
            said(ours, "other", "exp", json!(1)),
            "unusable_answer",
            None,
        ),
        (
            said(stranger, "rs", "exp", json!(1)),
            "unusable_answer",
            None,
        ),
    ] {
        stub.set("/introspect", Behaviour::Answer(page));
        log_in(&daemon.address, "XOAUTH2", BOB, "opaque");
        let event = daemon.serving.wait_for("login");
        assert_eq!(event["reason"], reason, "{event}");
        assert_eq!(event["user"].as_str(), user, "{event}");
        assert_eq!(event["claimed"], BOB, "{event}");
    }
}
