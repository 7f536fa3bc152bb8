//! Whose a token is, and whether the account is active.

use gatepost_core::exchange::LoginSettings;
use gatepost_core::sasl::Mechanism;
use gatepost_core::{Active, Identity, UnixTime, UserCase};
use gatepost_core_tests::judge::{BACKENDS, judge};
use serde_json::{Value, json};

use super::{
    ALICE, KEYS, NOW, check, check_at, claims, outcome, pair, policy, policy_with, raw, with,
    without,
};

#[test]
fn the_first_claim_that_is_there_names_the_user() {
    let mut policy = policy();
    policy.username_claims = &["email", "preferred_username"];
    let second = |value: Value| {
        let mut claims = without("email");
        claims["preferred_username"] = value;
        claims
    };
    pair(
        &policy,
        &second(json!("alice@example.com")),
        &[
            (without("email"), "no_user_name"),
            (second(json!("")), "unusable_user_name"),
            (second(json!("a b")), "unusable_user_name"),
            (second(json!("a\u{0}b")), "unusable_user_name"),
            (second(json!("a\nb")), "unusable_user_name"),
            (second(json!("a\u{2028}b")), "unusable_user_name"),
            (second(json!("a".repeat(257))), "unusable_user_name"),
            (second(json!("a@Gatepost.invalid")), "unusable_user_name"),
            (second(json!(5)), "malformed_claims"),
        ],
    );
    let longest = "a".repeat(256);
    check(&policy, &second(json!(longest)), Ok(&longest));
    // No silent way round a claim that is there.
    let both = with(&[("preferred_username", json!("bob@example.com"))]);
    check(&policy, &both, ALICE);
    let mut empty = both.clone();
    empty["email"] = json!("");
    check(&policy, &empty, Err("unusable_user_name"));
}

/// What becomes of a name at a mail server: a path, a line, a query, an address.
#[test]
fn a_name_is_one_address_or_one_word() {
    let named = |name: &str| with(&[("email", json!(name))]);
    for name in [
        "alice",
        "o'brien+tag@example.com",
        "a.b-c_d@example.com",
        "!#$%&'*+-=?^_`{|}~@example.com",
        "auth0|5f7c8ec7c33c6c004bbafe82",
        "-alice@example.com",
        "jérôme@exämple.com",
        "jero\u{302}me@example.com",
        "ρήγας@παράδειγμα.ελ",
        "дмитрий@пример.рф",
        "משה@example.com",
        "محمد@example.com",
        "राम@उदाहरण.भारत",
        "用户@例子.广告",
        "ユーザー@例え.jp",
        "사용자@example.com",
    ] {
        check(&policy(), &named(name), Ok(name));
    }
    let refused = |name: &str| check(&policy(), &named(name), Err("unusable_user_name"));
    // J12: paths, in either part and in the whole.
    for name in [
        "../../x@example.com",
        "..@example.com",
        ".@example.com",
        ".",
        "..",
        "alice@..",
        "alice@.",
        "alice@../x",
        "alice/bob@example.com",
        "alice\\bob@example.com",
        "/etc/passwd",
        ".alice@example.com",
        "alice.@example.com",
        "a..b@example.com",
        "alice@.example.com",
        "alice@example.com.",
        "alice@example..com",
        ".alice",
        "alice.",
    ] {
        refused(name);
    }
    // Addresses of which two readers could take two parts.
    for name in ["a@b@c", "a@@b", "@example.com", "alice@", "@"] {
        refused(name);
    }
    // Characters that end a field or have to be quoted (RFC 5321 section 4.1.2).
    for c in "\"(),:;<>[\\]/ \t\r\n\0\u{7f}".chars() {
        refused(&format!("al{c}ice@example.com"));
        refused(&format!("alice@exa{c}mple.com"));
        refused(&format!("al{c}ice"));
    }
}

#[test]
fn no_character_of_a_name_is_invisible_or_stands_for_another() {
    let refused = |name: String| {
        let claims = with(&[("email", json!(name))]);
        check(&policy(), &claims, Err("unusable_user_name"));
    };
    // J12: of each range that is refused, its ends.
    let everywhere = "\u{80}\u{85}\u{9f}\u{a0}\u{ad}\u{34f}\u{600}\u{605}\u{61c}\u{6dd}\u{70f}\u{890}\u{891}\
        \u{8e2}\u{115f}\u{1160}\u{1680}\u{17b4}\u{17b5}\u{180b}\u{180e}\u{180f}\u{2000}\u{200b}\u{200c}\u{200d}\
        \u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{202f}\u{205f}\u{2060}\u{2065}\u{2066}\u{2069}\u{206f}\
        \u{2800}\u{3000}\u{3164}\u{e000}\u{f8ff}\u{fdd0}\u{fdef}\u{fe00}\u{fe0f}\u{feff}\u{ffa0}\u{fff0}\u{fff9}\
        \u{fffb}\u{fffc}\u{fffd}\u{ffff}\u{110bd}\u{110cd}\u{13430}\u{1343f}\u{1bca0}\u{1bca3}\u{1d159}\
        \u{1d173}\u{1d17a}\u{1fffe}\u{2ffff}\u{e0001}\u{e0020}\u{e007f}\u{e0100}\u{e01ef}\u{effff}\u{f0000}\
        \u{10fffd}\u{10ffff}";
    // What normalisation makes of these separates: ./@:\
    let compatible = "\u{2024}\u{2025}\u{2026}\u{2100}\u{2105}\u{2a74}\u{3002}\u{fe13}\u{fe30}\u{fe52}\u{fe55}\u{fe68}\
        \u{fe6b}\u{ff0e}\u{ff0f}\u{ff1a}\u{ff20}\u{ff3c}\u{ff61}";
    for c in everywhere.chars().chain(compatible.chars()) {
        refused(format!("al{c}ice@example.com"));
        refused(format!("{c}alice@example.com"));
        refused(format!("alice@example.com{c}"));
        refused(c.to_string());
    }
    // A mark has to have something to combine with.
    for mark in "\u{300}\u{36f}\u{489}\u{1ab0}\u{1dff}\u{20d0}\u{20f0}\u{3099}".chars() {
        refused(format!("{mark}"));
        refused(format!("{mark}alice@example.com"));
        refused(format!("alice@{mark}example.com"));
        refused(format!("al.{mark}ice@example.com"));
        let name = format!("al{mark}ice@example.com");
        check(&policy(), &with(&[("email", json!(name))]), Ok(&name));
    }
}

/// J12: a part of what is no name makes none, not even where what is left of it looks like one.
#[test]
fn a_name_is_made_of_parts_of_good_names() {
    let mut policy = policy();
    policy.domains = &["example.com"];
    for (template, value, expected) in [
        ("%{mail | username}@example.com", "alice@example.org", ALICE),
        ("%{mail | username}@example.com", "alice", ALICE),
        ("alice@%{mail | domain}", "bob@example.com", ALICE),
        (
            "%{mail | username}",
            "alice@example.com@example.org",
            Err("unusable_user_name"),
        ),
        (
            "alice@%{mail | domain}",
            "a@b@example.com",
            Err("unusable_user_name"),
        ),
        (
            "%{mail | username}@example.com",
            "alice@evil\u{200b}.example",
            Err("unusable_user_name"),
        ),
        (
            "alice@%{mail | domain}",
            "../../etc@example.com",
            Err("unusable_user_name"),
        ),
    ] {
        let candidates = [template];
        let mut policy: gatepost_core::Policy<'_> = policy;
        policy.username_claims = &candidates;
        check(&policy, &with(&[("mail", json!(value))]), expected);
    }
}

#[test]
fn a_path_leads_to_one_place() {
    let mut policy = policy();
    policy.username_claims = &["mail.name"];
    let mail = |value: Value| with(&[("mail", value)]);
    pair(
        &policy,
        &mail(json!({"name": "alice@example.com"})),
        &[
            (mail(json!({"names": "alice@example.com"})), "no_user_name"),
            (mail(json!("alice@example.com")), "no_user_name"),
            (mail(json!([{"name": "alice@example.com"}])), "no_user_name"),
            (
                with(&[("mail.name", json!("x")), ("mail", json!({"name": "y"}))]),
                "malformed_claims",
            ),
        ],
    );
    check(
        &policy,
        &with(&[("mail.name", json!("alice@example.com"))]),
        ALICE,
    );
    let twice = raw(
        &[],
        r#""mail":{"name":"alice@example.com","name":"bob@example.com"}"#,
    );
    check_at(&policy, NOW, &twice, Err("malformed_claims"));
}

#[test]
fn names_are_compared_after_their_case_is_normalised() {
    let token = with(&[("email", json!("Alice@EXAMPLE.com"))]).to_string();
    for (case, user, others) in [
        (
            UserCase::LowerDomain,
            "Alice@example.com",
            ["alice@example.com", "Alice@example.co"],
        ),
        (
            UserCase::Lower,
            "alice@example.com",
            ["alice@example.co", "bob@example.com"],
        ),
        (
            UserCase::Keep,
            "Alice@EXAMPLE.com",
            ["alice@example.com", "Alice@example.com"],
        ),
    ] {
        let policy = policy_with(|policy| policy.user_case = case);
        let header = json!({"alg": "HS256"});
        let login = |user| outcome(&policy, NOW, &header, &token, user);
        for claimed in [None, Some("Alice@EXAMPLE.com"), Some(user)] {
            assert_eq!(login(claimed).code(), Ok(user), "{case:?} {claimed:?}");
        }
        for claimed in others {
            assert_eq!(
                login(Some(claimed)).code(),
                Err("wrong_user"),
                "{case:?} {claimed}"
            );
        }
    }
}

#[test]
fn the_client_may_only_be_whom_the_token_names() {
    let header = json!({"alg": "HS256"});
    let payload = claims().to_string();
    let login = |user| outcome(&policy(), NOW, &header, &payload, user);
    assert_eq!(login(Some("alice@example.com")).code(), ALICE);
    assert_eq!(login(Some("bob@example.com")).code(), Err("wrong_user"));
    assert_eq!(login(Some("alice")).code(), Err("wrong_user"));
    // What can be nobody's name is not the token's user's: nothing is wrong with the token.
    for nobodys in ["alice@example.com ", "a@b@c"] {
        assert_eq!(login(Some(nobodys)).code(), Err("wrong_user"), "{nobodys}");
    }
}

#[test]
fn an_account_is_active_or_not() {
    let mut policy = policy();
    policy.active = Some(Active {
        claim: "on",
        value: None,
    });
    let on = |value: Value| with(&[("on", value)]);
    pair(
        &policy,
        &on(json!(false)),
        &[(claims(), "inactive"), (on(Value::Null), "inactive")],
    );
    for (wanted, good, bad) in [
        ("true", json!(true), json!(false)),
        ("true", json!("true"), json!("True")),
        ("1", json!(1), json!(1.0)),
        ("yes", json!("yes"), json!("yes ")),
    ] {
        policy.active = Some(Active {
            claim: "on",
            value: Some(wanted),
        });
        pair(
            &policy,
            &on(good),
            &[
                (on(bad), "inactive"),
                (claims(), "inactive"),
                (on(Value::Null), "inactive"),
                (on(json!([wanted])), "malformed_claims"),
            ],
        );
    }
    policy.active = Some(Active {
        claim: "account.on",
        value: Some("true"),
    });
    let nested = |value: Value| with(&[("account", json!({"on": value}))]);
    pair(
        &policy,
        &nested(json!(true)),
        &[(nested(json!(false)), "inactive")],
    );
}

/// J3, J15: what is null is not there, and an array with one usable name names somebody.
#[test]
fn a_name_may_stand_in_an_array_or_behind_a_null() {
    let mut policy = policy();
    policy.username_claims = &["email", "emails"];
    let emails = |value: Value| with(&[("email", Value::Null), ("emails", value)]);
    for good in [
        json!("alice@example.com"),
        json!(["alice@example.com"]),
        json!([null, "alice@example.com"]),
        json!(["", "alice@example.com"]),
    ] {
        pair(
            &policy,
            &emails(good),
            &[
                (emails(json!([])), "no_user_name"),
                (emails(json!([""])), "unusable_user_name"),
                (
                    emails(json!(["alice@example.com", "bob@example.com"])),
                    "unusable_user_name",
                ),
                (emails(json!([["alice@example.com"]])), "malformed_claims"),
                (emails(json!({"a": "b"})), "malformed_claims"),
            ],
        );
    }
    // Of several names one may be of a domain that the provider speaks for.
    policy.domains = &["example.com"];
    let two = json!(["alice@example.org", "alice@example.com"]);
    check(&policy, &emails(two), ALICE);
    // One user, written in two ways.
    let twice = json!(["alice@example.com", "alice@EXAMPLE.com"]);
    check(&policy, &emails(twice), ALICE);
}

/// An array without a name is no name, as `null` is none: the next candidate is asked.
#[test]
fn an_empty_array_hides_no_other_candidate() {
    let mut policy = policy();
    policy.username_claims = &["emails", "email"];
    for nobody in [json!([]), json!([null])] {
        let token = with(&[("emails", nobody), ("email", json!("alice@example.com"))]);
        check(&policy, &token, ALICE);
    }
    let named = with(&[
        ("emails", json!(["no name"])),
        ("email", json!("alice@example.com")),
    ]);
    check(&policy, &named, Err("unusable_user_name"));
}

/// J15: roles are an array (Keycloak), or an object whose members are the roles (Zitadel).
#[test]
fn a_requirement_is_held_by_a_scalar_an_array_or_an_object() {
    let mut policy = policy();
    policy.required = &[gatepost_core::Requirement {
        claim: "roles",
        any_of: &["mail"],
    }];
    let roles = |value: Value| with(&[("roles", value)]);
    for good in [
        json!("mail"),
        json!(["x", "mail"]),
        json!({"x": {"1": "a"}, "mail": {"2": "b"}}),
    ] {
        pair(
            &policy,
            &roles(good),
            &[
                (roles(json!({"mail": null})), "unmet_requirement"),
                (roles(json!({"mail": false})), "unmet_requirement"),
                (roles(json!({"mails": {}})), "unmet_requirement"),
                (roles(json!({"x": "mail"})), "unmet_requirement"),
                (roles(json!([["mail"]])), "unmet_requirement"),
            ],
        );
    }
}

/// J16: names that are made of claims, and parts of addresses.
#[test]
fn a_template_makes_a_name_of_claims() {
    let token = with(&[
        ("preferred_username", json!("alice")),
        ("hd", json!("Example.COM")),
        ("empty", json!("")),
        ("number", json!(7)),
    ]);
    for (templates, expected) in [
        (
            &["%{preferred_username}@example.com"][..],
            Ok("alice@example.com"),
        ),
        (&["%{preferred_username}@%{hd}"], Ok("alice@example.com")),
        (&["%{email | username}"], Ok("alice")),
        (&["%{email|username}@%{ hd }"], Ok("alice@example.com")),
        (&["x@%{email | domain}"], Ok("x@example.com")),
        (
            &["%{upn}@example.org", "%{nick}", "preferred_username"],
            Ok("alice"),
        ),
        (&["%{upn}@example.org"], Err("no_user_name")),
        (&["%{empty}@example.com"], Err("unusable_user_name")),
        // An address within an address is none.
        (&["%{email}@example.org"], Err("unusable_user_name")),
        (
            &["%{preferred_username | domain}@x"],
            Err("unusable_user_name"),
        ),
        (&["%{number}@example.com"], Err("malformed_claims")),
    ] {
        let policy = policy_with(|policy| policy.username_claims = templates);
        check(&policy, &token, expected);
    }
}

/// An adapter asks for names that come from elsewhere: a table, or a proxy.
#[test]
fn what_a_user_may_be_called_is_known_without_a_token() {
    for name in ["alice", "alice@example.com", "a/b"] {
        assert_eq!(Identity::is_user_name(name), name != "a/b", "{name}");
    }
    let longest = "a".repeat(256);
    assert!(Identity::is_user_name(&longest));
    assert!(!Identity::is_user_name(&format!("{longest}a")));
}

/// RFC 5801 section 4: `=2C` and `=3D` stand for a comma and an equals sign.
#[test]
fn a_claimed_name_is_read_before_it_is_compared() {
    let policy = policy();
    let keys = BACKENDS[0].prepare_all(&[KEYS[0].jwk("HS256")]);
    let keys = [keys[0].trusted(&policy)];
    for (claimed, named, expected) in [
        ("alice=3D1@example.com", "alice=1@example.com", true),
        ("alice=3D1@example.com", "alice=3D1@example.com", false),
        ("alice=3D3D1@example.com", "alice=3D1@example.com", true),
        ("alice@example.com", "alice@example.com", true),
    ] {
        let token = KEYS[0].sign("HS256", &with(&[("email", json!(named))]));
        let message = format!("n,a={claimed},\x01auth=Bearer {token}\x01\x01");
        let outcome = judge(
            LoginSettings::default(),
            Mechanism::OAuthBearer,
            message.as_bytes(),
            &keys,
            UnixTime::from_seconds(NOW),
        );
        let expected = expected.then_some(named).ok_or("wrong_user");
        assert_eq!(outcome.code(), expected, "{claimed}");
    }
}
