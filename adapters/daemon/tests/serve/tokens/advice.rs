//! A7: what is wrong with a token, and what to do about it.

use super::*;

/// A7: what is pasted instead of a token, and what to paste.
#[test]
fn what_is_no_token_is_told_by_its_shape() {
    let desk = Desk::new("");
    let token = desk.token(&json!({}));
    let (two, signature) = token.rsplit_once('.').unwrap();
    let answer = json!({"access_token": token, "token_type": "Bearer", "refresh_token": "r"});
    let pretty = serde_json::to_string_pretty(&answer).unwrap();
    let id_only = json!({"id_token": token}).to_string();
    let jwe = URL_SAFE_NO_PAD.encode(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#) + ".a.b.c.d";
    let middle = token.len() / 2;
    for (pasted, reason, advice) in [
        (
            answer.to_string(),
            "malformed_token",
            "paste the value of access_token",
        ),
        (pretty, "malformed_token", "paste the value of access_token"),
        (id_only, "malformed_token", "holds no access_token"),
        (
            format!("Bearer {token}"),
            "malformed_token",
            "leave out the word Bearer",
        ),
        (
            format!("Authorization: Bearer {token}"),
            "malformed_token",
            "leave out the word Bearer",
        ),
        (
            format!("\"{token}\""),
            "malformed_token",
            "without the quotes",
        ),
        (
            format!("'{token}'"),
            "malformed_token",
            "without the quotes",
        ),
        (
            format!("{}\n{}", &token[..middle], &token[middle..]),
            "malformed_token",
            "a line break inside",
        ),
        (
            format!("{} {}", &token[..middle], &token[middle..]),
            "malformed_token",
            "a space inside",
        ),
        (two.to_owned(), "opaque_token", "third part is missing"),
        (format!("{two}."), "bad_signature", "third part is empty"),
        (
            token[..middle].to_owned(),
            "opaque_token",
            "is missing: it was cut off",
        ),
        (
            token[..30].to_owned(),
            "opaque_token",
            "is missing: it was cut off",
        ),
        (
            format!("{two}.{}", &signature[..40]),
            "bad_signature",
            "cut off",
        ),
        (
            format!("{two}.{}", &signature[..41]),
            "malformed_token",
            "cut off",
        ),
        (
            token[20..].to_owned(),
            "malformed_token",
            "its beginning is missing",
        ),
        (format!("{}...", &token[..40]), "opaque_token", "cut off"),
        (jwe, "encrypted_token", "signed access tokens"),
        (
            "opaque".to_owned(),
            "opaque_token",
            "client_id and client_secret",
        ),
    ] {
        let (object, code) = desk.check(&[], &pasted);
        assert_eq!(code, Some(1), "{object}");
        let said = object["advice"].as_str().unwrap_or_default();
        assert!(said.contains(advice), "{advice}: {object}\n{pasted}");
        if object["reason"] != reason {
            assert!(
                pasted.starts_with(&token[20..]),
                "{reason}: {object}\n{pasted}"
            );
        }
        assert!(!object.to_string().contains(signature), "{object}");
        let (said, _) = desk.run("doctor", &[], &pasted);
        assert!(said.contains(advice), "{advice}: {said}");
    }
}

/// As PowerShell and Notepad write files.
#[test]
fn a_token_in_another_encoding_is_told_by_it() {
    let desk = Desk::new("");
    let token = desk.token(&json!({}));
    let wide: String = token.chars().flat_map(|c| [c, '\0']).collect();
    for pasted in [wide, format!("\u{feff}{token}")] {
        let (object, code) = desk.check(&[], &pasted);
        let reason = json!("malformed_response");
        assert_eq!((&object["reason"], code), (&reason, Some(1)));
        let said = object["advice"].as_str().unwrap_or_default();
        assert!(said.contains("save it as UTF-8"), "{object}");
    }
}

/// Words of the configuration, changes of the claims, who asks, and parts of the advice.
type Case<'c> = (&'c str, Value, &'c str, &'c [&'c str]);

#[track_caller]
fn check_advice(cases: &[Case<'_>]) {
    for (words, changes, user, advice) in cases {
        let desk = Desk::new(words);
        let user = if user.is_empty() {
            &[][..]
        } else {
            &["--user", user]
        };
        let header = json!({"alg": "ES256", "kid": "ES256"});
        let payload = claims(changes).to_string();
        let token = desk
            .issuer
            .sign_with_header("ES256", &header, payload.as_bytes());
        let (object, code) = desk.check(user, &token);
        assert_eq!(code, Some(1), "{changes} {object}");
        let said = object["advice"].as_str().unwrap_or_default();
        for part in *advice {
            assert!(said.contains(part), "{part}: {changes}\n{object}");
        }
    }
}

/// A7: what to do about a claim that is missing, or is another's.
#[test]
fn what_is_missing_or_foreign_has_its_own_advice() {
    let words = "username_claims = \"email\"";
    let azp = "authorized_parties = \"web\"";
    check_advice(&[
        (
            words,
            json!({"exp": null}),
            "",
            &["no exp", "limited life"][..],
        ),
        (words, json!({"sub": null}), "", &["no sub"]),
        (words, json!({"aud": null}), "", &["no aud", "\"mail\""]),
        (
            words,
            json!({"email": null}),
            "",
            &["email", "username_claims"],
        ),
        (azp, json!({}), "", &["no azp", "authorized_parties"]),
        (
            azp,
            json!({"azp": "app"}),
            "",
            &["\"app\"", "authorized_parties"],
        ),
        (
            words,
            json!({"aud": "web"}),
            "",
            &["\"web\"", "\"mail\"", "audience"],
        ),
        (
            words,
            json!({"iss": "https://127.0.0.1:9/"}),
            "",
            &["slash", "issuer = \"https://127.0.0.1:9/\""],
        ),
        (
            words,
            json!({"iss": "https://HOST.example"}),
            "",
            &["https://HOST.example", "issuer"],
        ),
    ]);
}

/// A7: what to do about a user, a kind, a date.
#[test]
fn each_refusal_has_its_own_advice() {
    let words = "username_claims = \"email\"";
    check_advice(&[
        (
            words,
            json!({"email": "Alice@example.com"}),
            "alice@example.com",
            &["user_case = \"lower\""],
        ),
        (words, json!({}), "bob@example.com", &["alice@example.com"]),
        (words, json!({"nonce": "n"}), "", &["ID token", "nonce"]),
        (
            words,
            json!({"typ": "ID"}),
            "",
            &["ID token", "typ", "access token"],
        ),
        (
            words,
            json!({"typ": "Refresh"}),
            "",
            &["refresh token", "access_token"],
        ),
        (
            words,
            json!({"token_use": "refresh"}),
            "",
            &["refresh token", "token_use"],
        ),
        (
            words,
            json!({"events": {}}),
            "",
            &["events", "access token"],
        ),
        (
            words,
            json!({"email_verified": false}),
            "",
            &["unverified_email = true", "any address"],
        ),
        (words, json!({"exp": now() - 500}), "", &["new token"]),
        (words, json!({"nbf": now() + 500}), "", &["clock"]),
        (words, json!({"iat": now() + 500}), "", &["clock"]),
        (words, json!({"iat": now() * 1000}), "", &["milliseconds"]),
        (words, json!({"exp": "soon"}), "", &["exp", "number"]),
        (words, json!({"cnf": {"jkt": "x"}}), "", &["DPoP", "bearer"]),
        (
            "scopes = [\"imap\"]",
            json!({"scope": "openid"}),
            "",
            &["imap", "client"],
        ),
        (
            "require = { groups = \"mail\" }",
            json!({"groups": ["a"]}),
            "",
            &["groups", "\"mail\""],
        ),
        (
            "active_attribute = \"enabled\"",
            json!({}),
            "",
            &["enabled"],
        ),
        (
            "domains = \"example.net\"\nusername_claims = \"email\"",
            json!({}),
            "",
            &["example.com", "domains"],
        ),
        (
            words,
            json!({"email": "a b@example.com"}),
            "",
            &["email", "username_claims"],
        ),
    ]);
}

/// A7: what is wrong with a key, and a refresh token that is signed with a key of the provider's own.
#[test]
fn unknown_keys_are_explained() {
    let desk = Desk::new("");
    let sign = |alg: &str, kid: &str, changes: Value| {
        let header = json!({"alg": alg, "kid": kid});
        let payload = claims(&changes).to_string();
        desk.issuer
            .sign_with_header(alg, &header, payload.as_bytes())
    };
    for (token, reason, advice) in [
        (
            sign("ES256", "new", json!({})),
            "unknown_key",
            "kid \"new\"",
        ),
        (
            sign("HS512", "own", json!({"typ": "Refresh"})),
            "unknown_key",
            "refresh token",
        ),
        (
            sign("ES256", "new", json!({"iss": "https://127.0.0.1:9/"})),
            "unknown_key",
            "slash",
        ),
        (
            sign("ES256", "RS256", json!({})),
            "algorithm_not_allowed",
            "ES256",
        ),
    ] {
        let (object, _) = desk.check(&[], &token);
        assert_eq!(object["reason"], reason, "{object}");
        let said = object["advice"].as_str().unwrap_or_default();
        assert!(said.contains(advice), "{advice}: {object}");
    }
}
