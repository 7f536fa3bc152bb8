//! What a token has to say: subject, issuer, audience, client, scope.

use gatepost_core::Audience;
use serde_json::{Value, json};

use super::{
    ALICE, ISSUER, NOW, check, check_at, claims, pair, policy, policy_with, raw, with, without,
};

#[test]
fn required_claims_are_required() {
    pair(
        &policy(),
        &claims(),
        &[
            (without("exp"), "missing_claim"),
            (without("sub"), "missing_claim"),
            (without("iss"), "missing_claim"),
            (without("aud"), "missing_claim"),
            (without("email"), "no_user_name"),
        ],
    );
    check(&policy(), &without("iat"), ALICE);
}

#[test]
fn an_audience_is_a_string_or_an_array() {
    let aud = |value: Value| with(&[("aud", value)]);
    for good in [json!("mail"), json!(["mail"]), json!(["web", "mail"])] {
        pair(
            &policy(),
            &aud(good),
            &[
                (aud(json!("Mail")), "wrong_audience"),
                (aud(json!("mail ")), "wrong_audience"),
                (aud(json!("web mail")), "wrong_audience"),
                (aud(json!("")), "wrong_audience"),
                (aud(json!([])), "wrong_audience"),
                (aud(json!(["web"])), "wrong_audience"),
                (aud(json!(["mail", 5])), "malformed_claims"),
                (aud(json!([["mail"]])), "malformed_claims"),
                (aud(json!({"mail": true})), "malformed_claims"),
                (aud(json!(5)), "malformed_claims"),
            ],
        );
    }
    let nobody = policy_with(|policy| policy.audience = Audience::OneOf(&[]));
    check(&nobody, &claims(), Err("wrong_audience"));
    let any = policy_with(|policy| policy.audience = Audience::Any);
    for claims in [without("aud"), aud(json!("web")), aud(json!([]))] {
        check(&any, &claims, ALICE);
        check(
            &policy(),
            &claims,
            Err(if claims["aud"].is_null() {
                "missing_claim"
            } else {
                "wrong_audience"
            }),
        );
    }
    let either = policy_with(|policy| policy.audience = Audience::OneOf(&["web", "mail"]));
    pair(
        &either,
        &aud(json!("web")),
        &[(aud(json!("chat")), "wrong_audience")],
    );
}

#[test]
fn an_issuer_is_the_same_byte_for_byte() {
    let iss = |value: Value| with(&[("iss", value)]);
    pair(
        &policy(),
        &claims(),
        &[
            (iss(json!("https://id.example.com/")), "wrong_issuer"),
            (iss(json!("https://ID.example.com")), "wrong_issuer"),
            (iss(json!("https://id.example.co")), "wrong_issuer"),
            (iss(json!("")), "wrong_issuer"),
            (iss(json!([ISSUER])), "malformed_claims"),
        ],
    );
    let mut slash = policy();
    slash.issuer = Some("https://id.example.com/");
    check(&slash, &iss(json!("https://id.example.com/")), ALICE);
    check(&slash, &claims(), Err("wrong_issuer"));
    // Another spelling of JSON is the same issuer.
    check_at(
        &policy(),
        NOW,
        &raw(&["iss"], r#""iss":"https:\/\/id.ex\u0061mple.com""#),
        ALICE,
    );
}

#[test]
fn an_authorized_party_is_one_of_those_listed() {
    let mut policy = policy();
    policy.authorized_parties = &["roundcube", "thunderbird"];
    let azp = |value: Value| with(&[("azp", value)]);
    pair(
        &policy,
        &azp(json!("thunderbird")),
        &[
            (claims(), "missing_claim"),
            (azp(json!("other")), "wrong_authorized_party"),
            (azp(json!("Roundcube")), "wrong_authorized_party"),
            (azp(json!(["roundcube"])), "malformed_claims"),
            (azp(Value::Null), "missing_claim"),
        ],
    );
}

#[test]
fn every_scope_is_needed_whatever_claim_holds_them() {
    let mut policy = policy();
    policy.scopes = &["mail", "imap"];
    for name in ["scope", "scp"] {
        let scope = |value: Value| with(&[(name, value)]);
        for good in [
            json!("mail imap"),
            json!("openid imap  mail"),
            json!(["imap", "mail"]),
            json!(["imap mail", "x"]),
        ] {
            pair(
                &policy,
                &scope(good),
                &[
                    (claims(), "insufficient_scope"),
                    (scope(json!("mail")), "insufficient_scope"),
                    (scope(json!("")), "insufficient_scope"),
                    (scope(json!([])), "insufficient_scope"),
                    (scope(json!("mail Imap")), "insufficient_scope"),
                    (scope(json!("mail imapx")), "insufficient_scope"),
                    (scope(json!("mail,imap")), "insufficient_scope"),
                    (scope(json!("mail\timap")), "insufficient_scope"),
                    (scope(json!(5)), "malformed_claims"),
                    (scope(Value::Null), "insufficient_scope"),
                ],
            );
        }
    }
    // Dovecot once took the audience for a scope.
    check(
        &policy,
        &with(&[("aud", json!(["mail", "imap"]))]),
        Err("insufficient_scope"),
    );
}

/// J11: RFC 9068 and Cognito write `client_id`, Okta `cid`, Entra's first version `appid`.
#[test]
fn an_authorized_party_has_four_names() {
    let mut policy = policy();
    policy.authorized_parties = &["roundcube"];
    for name in ["azp", "client_id", "cid", "appid"] {
        pair(
            &policy,
            &with(&[(name, json!("roundcube"))]),
            &[
                (with(&[(name, json!("other"))]), "wrong_authorized_party"),
                (with(&[(name, json!(5))]), "malformed_claims"),
                (with(&[(name, Value::Null)]), "missing_claim"),
            ],
        );
    }
    // The standard's own name counts first.
    let both = with(&[("azp", json!("other")), ("client_id", json!("roundcube"))]);
    check(&policy, &both, Err("wrong_authorized_party"));
    let null = with(&[("azp", Value::Null), ("client_id", json!("roundcube"))]);
    check(&policy, &null, ALICE);
}

/// J6: an address that the provider has not verified names nobody.
#[test]
fn an_unverified_address_names_nobody() {
    let verified = |value: Value| with(&[("email_verified", value)]);
    let refused = "email_not_verified";
    for good in [json!(true), json!("true"), Value::Null] {
        pair(
            &policy(),
            &verified(good),
            &[
                (verified(json!(false)), refused),
                (verified(json!("false")), refused),
                (verified(json!(0)), refused),
                (verified(json!("no")), refused),
                (verified(json!([])), refused),
            ],
        );
    }
    // Where another claim names the user, the address does not matter.
    let by_sub = policy_with(|policy| policy.username_claims = &["sub"]);
    check(&by_sub, &verified(json!(false)), Ok("s-1"));
    let first = policy_with(|policy| policy.username_claims = &["preferred_username", "email"]);
    let mut named = verified(json!(false));
    named["preferred_username"] = json!("alice@example.com");
    check(&first, &named, ALICE);
}

/// PHP writes a slash as `\/`: it is the same scope (RFC 8259 section 7).
#[test]
fn escapes_hide_no_scope() {
    let policy = policy_with(|policy| policy.scopes = &["https://mail.example.com/"]);
    for (written, expected) in [
        (r#""openid https:\/\/mail.example.com\/""#, ALICE),
        (r#""https:\/\/mail.example.com\/ openid""#, ALICE),
        (r#"["x", "https:\/\/mail.ex\u0061mple.com\/"]"#, ALICE),
        (
            r#""https:\/\/mail.example.com\/x""#,
            Err("insufficient_scope"),
        ),
        (r#""https:\/\/mail.example.com""#, Err("insufficient_scope")),
        (
            r#""xhttps:\/\/mail.example.com\/""#,
            Err("insufficient_scope"),
        ),
    ] {
        let payload = raw(&[], &format!("\"scope\":{written}"));
        check_at(&policy, NOW, &payload, expected);
    }
}

/// Auth0 takes no claims but such as are named by a URL.
#[test]
fn an_unverified_address_names_nobody_whatever_its_claim_is_called() {
    for name in ["https://example.com/email", "urn:example:email"] {
        let token = with(&[(name, json!("alice@example.com"))]);
        let mut unverified = token.clone();
        unverified["email_verified"] = json!(false);
        let claims = [name];
        let mut policy = policy();
        policy.username_claims = &claims;
        pair(&policy, &token, &[(unverified, "email_not_verified")]);
    }
}

/// Auth0 has an action name `email_verified` by the same URL as the address.
#[test]
fn an_unverified_address_is_seen_by_the_name_beside_its_own() {
    for (name, verified) in [
        (
            "https://example.com/email",
            "https://example.com/email_verified",
        ),
        ("urn:example:email", "urn:example:email_verified"),
        ("user.email", "user.email_verified"),
        ("user.emails", "user.email_verified"),
        (
            "https://example.com/\u{e9}/email",
            "https://example.com/\u{e9}/email_verified",
        ),
    ] {
        let token = with(&[
            (name, json!("alice@example.com")),
            (verified, json!(true)),
            ("other_email_verified", json!(false)),
        ]);
        let mut unverified = token.clone();
        unverified[verified] = json!(false);
        // The order of members says nothing.
        let reversed = raw(
            &[],
            &format!("{verified:?}:false,{name:?}:\"alice@example.com\""),
        );
        let claims = [name];
        let mut policy = policy();
        policy.username_claims = &claims;
        pair(&policy, &token, &[(unverified, "email_not_verified")]);
        check_at(&policy, NOW, &reversed, Err("email_not_verified"));
    }
}

/// However many requirements there are, none is met because another rule is.
#[test]
fn every_requirement_is_judged_however_many_there_are() {
    let token = with(&[("groups", json!(["mail"]))]);
    let requirement = |name| gatepost_core::Requirement {
        claim: "groups",
        any_of: name,
    };
    for (count, expected) in [
        (1, "unmet_requirement"),
        (51, "unmet_requirement"),
        (52, "internal_error"),
        (300, "internal_error"),
    ] {
        let mut required = vec![requirement(&["mail"]); count];
        required.push(requirement(&["admin"]));
        let mut policy = policy();
        policy.required = &required;
        check(&policy, &token, Err(expected));
    }
}

#[test]
fn the_first_rule_that_is_not_met_is_the_reason() {
    for (missing, code) in [("sub", "missing_claim"), ("email", "wrong_audience")] {
        let mut claims = without(missing);
        claims["aud"] = json!("another");
        check(&policy(), &claims, Err(code));
    }
}

/// What says so stands beside the address.
#[test]
fn a_nested_address_may_be_unverified_where_it_stands() {
    let policy = policy_with(|policy| policy.username_claims = &["user.email"]);
    let token = |user: Value| {
        let mut claims = without("email");
        claims["user"] = user;
        claims
    };
    let address = "alice@example.com";
    for good in [
        json!({"email": address}),
        json!({"email": address, "verified": false}),
        json!({"email": address, "email_verified": true}),
        json!({"email": address, "email_verified": null}),
    ] {
        pair(
            &policy,
            &token(good),
            &[
                (
                    token(json!({"email": address, "email_verified": false})),
                    "email_not_verified",
                ),
                (
                    token(json!({"email_verified": "no", "email": address, "id": 7})),
                    "email_not_verified",
                ),
            ],
        );
    }
}
