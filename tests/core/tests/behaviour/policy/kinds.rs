//! Tokens of other kinds: bound to a key, or giving no access.

use serde_json::{Value, json};

use super::{ALICE, NOW, check, claims, outcome, pair, policy, policy_with, with};

#[test]
fn a_token_that_is_bound_to_a_key_is_refused() {
    let shapes = [
        json!({"jkt": "x"}),
        json!({"x5t#S256": "x"}),
        json!({}),
        json!([]),
        json!("x"),
        json!(false),
    ];
    let bad: Vec<_> = shapes
        .into_iter()
        .map(|cnf| (with(&[("cnf", cnf)]), "key_bound_token"))
        .collect();
    pair(&policy(), &claims(), &bad);
}

/// Judges `claims` under a header with `typ`; both with and without ID tokens being taken.
#[track_caller]
fn check_kind(typ: Option<&str>, changes: &[(&str, Value)], expected: [Result<&str, &str>; 2]) {
    let mut header = json!({"alg": "HS256"});
    if let Some(typ) = typ {
        header["typ"] = json!(typ);
    }
    let payload = with(changes).to_string();
    for (id_tokens, expected) in [false, true].into_iter().zip(expected) {
        let policy = policy_with(|policy| policy.id_tokens = id_tokens);
        let outcome = outcome(&policy, NOW, &header, &payload, None);
        assert_eq!(
            outcome.code(),
            expected,
            "{typ:?} {payload} id_tokens {id_tokens}"
        );
    }
}

#[test]
fn tokens_that_give_no_access_are_told_apart() {
    let access = [ALICE, ALICE];
    let id = [Err("not_access_token"), ALICE];
    let other = [Err("not_access_token"); 2];
    for typ in [
        None,
        Some("JWT"),
        Some("jwt"),
        Some("at+jwt"),
        Some("AT+JWT"),
        Some("application/at+jwt"),
    ] {
        check_kind(typ, &[], access);
    }
    for typ in [
        "logout+jwt",
        "dpop+jwt",
        "id_token+jwt",
        "secevent+jwt",
        "token-introspection+jwt",
        "",
    ] {
        check_kind(Some(typ), &[], other);
    }
    let string = |name, value: &str| (name, json!(value));
    check_kind(None, &[string("typ", "Bearer")], access);
    check_kind(None, &[string("token_use", "access")], access);
    for tell in [
        string("typ", "ID"),
        string("token_use", "id"),
        string("nonce", "n"),
        string("at_hash", "h"),
    ] {
        check_kind(None, std::slice::from_ref(&tell), id);
        check_kind(Some("JWT"), &[tell], id);
    }
    for tell in [
        string("typ", "Refresh"),
        string("typ", "Offline"),
        string("typ", "Logout"),
        string("token_use", "refresh"),
        ("token_use", json!(5)),
        // OpenID Connect Back-Channel Logout 1.0 section 2.4.
        (
            "events",
            json!({"http://schemas.openid.net/event/backchannel-logout": {}}),
        ),
    ] {
        check_kind(None, &[tell], other);
    }
    check_kind(
        None,
        &[("nonce", json!("n")), string("typ", "Bearer")],
        access,
    );
}

/// J1: a nonce alone makes no ID token where something stands beside it that only access tokens have.
#[test]
fn an_access_token_of_a_code_exchange_may_carry_the_nonce() {
    let authentik: &[(&str, Value)] = &[
        ("nonce", json!("n-0S6_WzA2Mj")),
        ("azp", json!("mail")),
        ("uid", json!("x1")),
        ("auth_time", json!(NOW - 5)),
        ("acr", json!("goauthentik.io/providers/oauth2/default")),
        ("amr", json!(["pwd"])),
        ("sid", json!("s1")),
    ];
    check_kind(Some("JWT"), authentik, [ALICE, ALICE]);
    let id = [Err("not_access_token"), ALICE];
    for name in ["uid", "azp"] {
        let without: Vec<_> = authentik
            .iter()
            .filter(|(other, _)| *other != name)
            .cloned()
            .collect();
        check_kind(Some("JWT"), &without, id);
    }
}

/// J2: Hydra writes `access_token`.
#[test]
fn every_spelling_of_access_gives_access() {
    for value in ["access", "access_token"] {
        check_kind(None, &[("token_use", json!(value))], [ALICE, ALICE]);
    }
    for value in ["id_token", "refresh_token"] {
        let changes = [("token_use", json!(value))];
        let header = json!({"alg": "HS256"});
        let outcome = outcome(&policy(), NOW, &header, &with(&changes).to_string(), None);
        assert_eq!(outcome.code(), Err("not_access_token"), "{value}");
    }
}

/// J3: what is null is not there.
#[test]
fn a_null_member_tells_nothing() {
    for name in ["cnf", "events", "nonce", "at_hash", "typ", "token_use"] {
        check_kind(None, &[(name, Value::Null)], [ALICE, ALICE]);
    }
}

/// Hydra leaves `token_use` empty; `typ` may say that it is a JWT.
#[test]
fn a_word_that_names_no_kind_tells_nothing() {
    for change in [
        ("token_use", json!("")),
        ("typ", json!("JWT")),
        ("typ", json!("application/jwt")),
    ] {
        check_kind(None, &[change], [ALICE, ALICE]);
    }
}

/// RFC 9068 section 2.1, for those who insist on it.
#[test]
fn the_header_may_have_to_name_an_access_token() {
    let strict = policy_with(|policy| policy.require_type = true);
    for (typ, expected) in [
        (Some("at+jwt"), ALICE),
        (Some("application/AT+JWT"), ALICE),
        (Some("JWT"), Err("not_access_token")),
        (None, Err("not_access_token")),
    ] {
        let mut header = json!({"alg": "HS256"});
        if let Some(typ) = typ {
            header["typ"] = json!(typ);
        }
        let outcome = outcome(&strict, NOW, &header, &claims().to_string(), None);
        assert_eq!(outcome.code(), expected, "{typ:?}");
    }
}

/// A JWE is refused as what it is.
#[test]
fn an_encrypted_token_is_named() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let jwe = part(&json!({"alg": "RSA-OAEP", "enc": "A256GCM", "cty": "JWT"}));
    let jws = part(&json!({"alg": "ES256"}));
    for (token, expected) in [
        (format!("{jwe}.a2V5.aXY.dGV4dA.dGFn"), "encrypted_token"),
        (format!("{jwe}..aXY.dGV4dA.dGFn"), "encrypted_token"),
        (format!("{jws}.a2V5.aXY.dGV4dA.dGFn"), "opaque_token"),
        (format!("{jwe}.a2V5.aXY.dGV4dA"), "opaque_token"),
        ("a.b.c.d.e".to_owned(), "opaque_token"),
    ] {
        let outcome = gatepost_core_tests::judge::judge(
            super::LoginSettings::default(),
            super::Mechanism::OAuthBearer,
            &gatepost_core_tests::judge::oauthbearer(&token),
            &[],
            None,
        );
        assert_eq!(outcome.code(), Err(expected), "{token}");
    }
}

/// Casdoor and Pocket ID have members of their own. Their names are common ones, so only known words count.
#[test]
fn members_of_single_providers_tell_of_other_tokens() {
    for member in ["tokenType", "TokenType", "type"] {
        let said = |word: &str| with(&[(member, json!(word))]);
        let refused = [
            "refresh-token",
            "Refresh_Token",
            "offline",
            "logout",
            "id-token",
        ];
        let bad = refused.map(|word| (said(word), "not_access_token"));
        pair(&policy(), &said("access-token"), &bad);
        check(&policy(), &said("application"), ALICE);
        check(&policy(), &said("DPoP"), Err("key_bound_token"));
    }
}
