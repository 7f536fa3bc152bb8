//! What a policy takes and refuses, at its boundaries, with the time as data.
//!
//! Every login that is accepted has a counterpart with one thing wrong. All of them run on both backends.

use std::sync::LazyLock;

use gatepost_core::exchange::{Rules, TrustedKey};
use gatepost_core::jose::{Jwk, KeyError};
use gatepost_core::sasl::Mechanism;
use gatepost_core::{Active, Audience, Policy, UnixTime, UserCase};
use gatepost_tests::judge::{BACKENDS, Outcome, judge, oauthbearer, xoauth2};
use gatepost_tests::mint::Issuer;
use serde_json::{Value, json};

const NOW: i64 = 1_795_312_000;
const ISSUER: &str = "https://id.example.com";
const ALICE: Result<&str, &str> = Ok("alice@example.com");

static KEYS: LazyLock<[Issuer; 6]> = LazyLock::new(|| std::array::from_fn(|_| Issuer::new()));

fn policy() -> Policy<'static> {
    let mut policy = Policy::new("example", Audience::OneOf(&["mail"]));
    policy.issuer = Some(ISSUER);
    policy.username_claims = &["email"];
    policy
}

fn policy_with(change: impl FnOnce(&mut Policy<'static>)) -> Policy<'static> {
    let mut policy = policy();
    change(&mut policy);
    policy
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "s-1", "aud": "mail", "email": "alice@example.com",
        "exp": NOW + 300, "iat": NOW,
    })
}

fn with(changes: &[(&str, Value)]) -> Value {
    let mut claims = claims();
    for (name, value) in changes {
        claims[*name] = value.clone();
    }
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().expect("an object").remove(name);
    claims
}

/// The claims, with `raw` instead of any member of the same names; for what `Value` cannot write.
fn raw(removed: &[&str], raw: &str) -> String {
    let mut claims = claims();
    for name in removed {
        claims.as_object_mut().expect("an object").remove(*name);
    }
    let text = claims.to_string();
    format!("{},{raw}}}", text.strip_suffix('}').expect("an object"))
}

/// Judges a token that is signed with HS256, on both backends.
#[track_caller]
fn outcome(
    policy: &Policy<'_>,
    now: i64,
    header: &Value,
    payload: &str,
    user: Option<&str>,
) -> Outcome {
    let token = KEYS[0].sign_with_header("HS256", header, payload.as_bytes());
    let jwks = [KEYS[0].jwk("HS256")];
    let (mechanism, message) = match user {
        Some(user) => (Mechanism::XOAuth2, xoauth2(user, &token)),
        None => (Mechanism::OAuthBearer, oauthbearer(&token)),
    };
    let [first, second] = BACKENDS.map(|backend| {
        let keys = backend.prepare_all(&jwks);
        let trusted = [keys[0].trusted(policy)];
        judge(
            Rules::default(),
            mechanism,
            &message,
            &trusted,
            UnixTime::from_seconds(now),
        )
    });
    assert_eq!(first, second, "the backends agree");
    first
}

#[track_caller]
fn check_at(policy: &Policy<'_>, now: i64, payload: &str, expected: Result<&str, &str>) {
    let header = json!({"alg": "HS256"});
    let outcome = outcome(policy, now, &header, payload, None);
    assert_eq!(outcome.code(), expected, "{payload} at {now}");
}

#[track_caller]
fn check(policy: &Policy<'_>, claims: &Value, expected: Result<&str, &str>) {
    check_at(policy, NOW, &claims.to_string(), expected);
}

/// `good` is taken, and each of `bad` is refused for its reason.
#[track_caller]
fn pair(policy: &Policy<'_>, good: &Value, bad: &[(Value, &str)]) {
    check(policy, good, ALICE);
    for (claims, code) in bad {
        check(policy, claims, Err(code));
    }
}

#[test]
fn a_token_expires_at_the_second() {
    let exp = NOW + 300;
    let payload = claims().to_string();
    for (now, expected) in [
        (exp - 1, ALICE),
        (exp + 59, ALICE),
        (exp + 60, Err("expired")),
    ] {
        check_at(&policy(), now, &payload, expected);
    }
    let mut strict = policy();
    strict.skew = 0;
    check_at(&strict, exp - 1, &payload, ALICE);
    check_at(&strict, exp, &payload, Err("expired"));
}

#[test]
fn a_token_begins_at_the_second() {
    for (name, code) in [("nbf", "not_yet_valid"), ("iat", "issued_in_future")] {
        let payload = with(&[(name, json!(NOW)), ("exp", json!(NOW + 600))]).to_string();
        let payload = if name == "nbf" {
            payload.replace(&format!("\"iat\":{NOW}"), "\"iat\":1")
        } else {
            payload
        };
        check_at(&policy(), NOW - 60, &payload, ALICE);
        check_at(&policy(), NOW - 61, &payload, Err(code));
        let mut strict = policy();
        strict.skew = 0;
        check_at(&strict, NOW, &payload, ALICE);
        check_at(&strict, NOW - 1, &payload, Err(code));
    }
}

#[test]
fn dates_are_numbers_of_any_notation() {
    let exp = NOW + 300;
    for written in [
        format!("{exp}"),
        format!("{exp}.0"),
        format!("{exp}.999"),
        format!("{exp}.000E+0"),
        format!("{exp}0e-1"),
        format!("{}.{}e3", exp / 1000, exp % 1000),
    ] {
        let payload = raw(&["exp"], &format!("\"exp\":{written}"));
        check_at(&policy(), exp + 59, &payload, ALICE);
        check_at(&policy(), exp + 60, &payload, Err("expired"));
    }
    check_at(&policy(), NOW, &raw(&["exp"], r#""exp":1e18"#), ALICE);
    for written in [
        "1e19",
        "1e400",
        "-1",
        "-1e9",
        "null",
        "true",
        "\"1795312300\"",
        "[1795312300]",
        "{}",
        "\"2026-11-22T05:00:00Z\"",
    ] {
        for name in ["exp", "nbf", "iat"] {
            let payload = raw(&[name], &format!("\"{name}\":{written}"));
            check_at(&policy(), NOW, &payload, Err("malformed_claims"));
        }
    }
    // No number of JSON at all.
    for written in ["01", "+1", ".5", "1.", "0x10", "NaN"] {
        let payload = raw(&["exp"], &format!("\"exp\":{written}"));
        check_at(&policy(), NOW, &payload, Err("malformed_claims"));
    }
}

#[test]
fn a_token_that_was_never_good_is_refused() {
    let exp = ("exp", json!(NOW - 30));
    let good = with(&[
        exp.clone(),
        ("iat", json!(NOW - 31)),
        ("nbf", json!(NOW - 30)),
    ]);
    let late = |name| {
        with(&[
            exp.clone(),
            ("iat", json!(NOW - 31)),
            (name, json!(NOW - 29)),
        ])
    };
    pair(
        &policy(),
        &good,
        &[
            (late("iat"), "malformed_claims"),
            (late("nbf"), "malformed_claims"),
        ],
    );
}

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
fn a_claim_that_is_null_is_not_a_claim_that_is_absent() {
    let nulls = ["exp", "sub", "iss", "aud", "email", "iat", "nbf"];
    let bad = nulls.map(|name| (with(&[(name, Value::Null)]), "malformed_claims"));
    pair(&policy(), &claims(), &bad);
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
            (azp(Value::Null), "malformed_claims"),
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
                    (scope(Value::Null), "malformed_claims"),
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
            (second(json!(5)), "malformed_claims"),
            (second(json!(["alice@example.com"])), "malformed_claims"),
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
        &[
            (claims(), "inactive"),
            (on(Value::Null), "malformed_claims"),
        ],
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
                (on(Value::Null), "malformed_claims"),
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

#[test]
fn a_token_that_is_bound_to_a_key_is_refused() {
    let shapes = [
        json!({"jkt": "x"}),
        json!({"x5t#S256": "x"}),
        json!({}),
        json!([]),
        json!("x"),
        json!(false),
        Value::Null,
    ];
    let bad: Vec<_> = shapes
        .into_iter()
        .map(|cnf| (with(&[("cnf", cnf)]), "key_bound_token"))
        .collect();
    pair(&policy(), &claims(), &bad);
}

#[test]
fn escapes_hide_no_claim() {
    check(&policy(), &claims(), ALICE);
    for (written, code) in [
        (r#""\u0063nf":{"jkt":"x"}"#, "key_bound_token"),
        (r#""n\u0062f":1900000000"#, "not_yet_valid"),
        (r#""non\u0063e":"x""#, "not_access_token"),
        (r#""token_\u0075se":"refresh""#, "not_access_token"),
        (r#""\u0065xp":1"#, "malformed_claims"),
    ] {
        check_at(&policy(), NOW, &raw(&[], written), Err(code));
    }
    check_at(
        &policy(),
        NOW,
        &raw(&["exp"], r#""\u0065xp":1795312300"#),
        ALICE,
    );
    check_at(
        &policy(),
        NOW,
        &raw(&["exp"], r#""\u0065xp":1795311000"#),
        Err("expired"),
    );
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

#[test]
fn odd_json_is_refused_cleanly() {
    let nested = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let members = |count| {
        (0..count)
            .map(|i| format!("\"m{i}\":0"))
            .collect::<Vec<_>>()
            .join(",")
    };
    check_at(
        &policy(),
        NOW,
        &raw(&[], &format!("\"x\":{}", nested(15))),
        ALICE,
    );
    check_at(&policy(), NOW, &raw(&[], &members(122)), ALICE);
    let whole = claims().to_string();
    for payload in [
        raw(&[], &format!("\"x\":{}", nested(16))),
        raw(&[], &format!("\"x\":{}", nested(200))),
        raw(&[], &members(123)),
        raw(&[], r#""exp":1900000000"#),
        raw(&[], r#""email":"bob@example.com""#),
        raw(&[], r#""x":1,"x":2"#),
        raw(&[], r#""x":"\ud800""#),
        raw(&[], r#""x":tru"#),
        format!("{whole}x"),
        format!("{whole}{whole}"),
        format!("[{whole}]"),
        format!("\u{feff}{whole}"),
        whole.replace('}', ",}"),
        whole.replace('}', ""),
        whole.replace('"', "'"),
        "[]".to_owned(),
        "null".to_owned(),
        "5".to_owned(),
        "\"x\"".to_owned(),
        String::new(),
        nested(200),
    ] {
        check_at(&policy(), NOW, &payload, Err("malformed_claims"));
    }
}

#[test]
fn odd_headers_are_refused_cleanly() {
    let payload = claims().to_string();
    let judge = |header: Value| outcome(&policy(), NOW, &header, &payload, None);
    let alg = |name: &str, value: Value| {
        let mut header = json!({"alg": "HS256"});
        header[name] = value;
        header
    };
    for good in [
        json!({"alg": "HS256"}),
        alg("kid", json!("HS256")),
        alg("jku", json!("https://evil.example")),
    ] {
        assert_eq!(judge(good.clone()).code(), ALICE, "{good}");
    }
    let deep = (0..200).fold(json!(1), |value, _| json!([value]));
    for (bad, code) in [
        (json!([]), "malformed_token"),
        (json!([{"alg": "HS256"}]), "malformed_token"),
        (json!(null), "malformed_token"),
        (json!("HS256"), "malformed_token"),
        (json!({}), "malformed_token"),
        (alg("x", deep), "malformed_token"),
        (alg("kid", json!("")), "malformed_token"),
        (alg("kid", json!(5)), "malformed_token"),
        (alg("kid", Value::Null), "malformed_token"),
        (alg("typ", json!(5)), "not_access_token"),
        (alg("alg", json!("hs256")), "unsupported_algorithm"),
        (alg("alg", json!("none")), "unsupported_algorithm"),
        (alg("alg", json!(5)), "malformed_token"),
        (alg("crit", json!(["exp"])), "unsupported_extension"),
        (alg("crit", json!([])), "unsupported_extension"),
        (alg("b64", json!(false)), "unsupported_extension"),
        (alg("b64", json!(true)), "unsupported_extension"),
        (alg("kid", json!("other")), "unknown_key"),
        (alg("alg", json!("HS384")), "unknown_key"),
    ] {
        assert_eq!(judge(bad.clone()).code(), Err(code), "{bad}");
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
    assert_eq!(
        login(Some("alice@example.com ")).code(),
        Err("unusable_user_name")
    );
}

/// A key in a list: whose secret it is, its `kid`, its owner, and which policy it belongs to.
type Listed<'k> = (usize, Option<&'k str>, Option<&'k str>, &'k Policy<'k>);

/// Judges a token that key `signer` has signed under `kid`, on both backends.
#[track_caller]
fn choose(list: &[Listed<'_>], signer: usize, kid: Option<&str>, claims: &Value) -> Outcome {
    let mut header = json!({"alg": "HS256"});
    if let Some(kid) = kid {
        header["kid"] = json!(kid);
    }
    let token = KEYS[signer].sign_with_header("HS256", &header, claims.to_string().as_bytes());
    let jwks: Vec<Value> = list
        .iter()
        .map(|(key, ..)| KEYS[*key].jwk("HS256"))
        .collect();
    let [first, second] = BACKENDS.map(|backend| {
        let keys = backend.prepare_all(&jwks);
        let trusted: Vec<TrustedKey<'_>> = keys
            .iter()
            .zip(list)
            .map(|(key, (_, kid, owner, policy))| TrustedKey {
                key: &*key.key,
                kid: *kid,
                owner: *owner,
                policy,
            })
            .collect();
        let (message, now) = (oauthbearer(&token), UnixTime::from_seconds(NOW));
        judge(
            Rules::default(),
            Mechanism::OAuthBearer,
            &message,
            &trusted,
            now,
        )
    });
    assert_eq!(first, second, "the backends agree");
    first
}

#[test]
fn without_kid_four_keys_are_tried() {
    let policy = policy();
    let list: Vec<Listed<'_>> = (0..5).map(|key| (key, None, None, &policy)).collect();
    for (signer, expected, attempts) in [
        (0, ALICE, 1),
        (3, ALICE, 4),
        (4, Err("bad_signature"), 4),
        (5, Err("bad_signature"), 4),
    ] {
        let outcome = choose(&list, signer, None, &claims());
        assert_eq!(
            (outcome.code(), outcome.attempts),
            (expected, attempts),
            "key {signer}"
        );
    }
    // Keys with a kid count as well, and the reverse.
    let named: Vec<Listed<'_>> = list
        .iter()
        .map(|(key, ..)| (*key, Some("k"), None, &policy))
        .collect();
    assert_eq!(choose(&named, 3, None, &claims()).code(), ALICE);
    assert_eq!(
        choose(&named, 4, None, &claims()).code(),
        Err("bad_signature")
    );
    assert_eq!(choose(&list, 3, Some("any"), &claims()).code(), ALICE);
    assert_eq!(
        choose(&list, 4, Some("any"), &claims()).code(),
        Err("bad_signature")
    );
}

#[test]
fn a_kid_stands_for_one_key() {
    let policy = policy();
    let list = |second| {
        [
            (0, Some("a"), None, &policy),
            (1, Some(second), None, &policy),
        ]
    };
    assert_eq!(choose(&list("b"), 0, Some("a"), &claims()).code(), ALICE);
    assert_eq!(choose(&list("b"), 1, Some("b"), &claims()).code(), ALICE);
    assert_eq!(
        choose(&list("b"), 0, Some("b"), &claims()).code(),
        Err("bad_signature")
    );
    assert_eq!(
        choose(&list("b"), 0, Some("c"), &claims()).code(),
        Err("unknown_key")
    );
    assert_eq!(
        choose(&list("b"), 0, Some("A"), &claims()).code(),
        Err("unknown_key")
    );
    assert_eq!(
        choose(&list("a"), 0, Some("a"), &claims()).code(),
        Err("ambiguous_key")
    );
}

#[test]
fn no_key_is_nobodys_fault_but_ours() {
    let outcome = choose(&[], 0, None, &claims());
    assert_eq!(
        (outcome.code(), outcome.challenges.len()),
        (Err("no_keys"), 0)
    );
}

#[test]
fn a_key_serves_its_own_algorithms_only() {
    let policy = policy();
    for backend in BACKENDS {
        let keys = backend.prepare_all(&[
            KEYS[0].jwk("ES256"),
            KEYS[0].jwk("RS256"),
            KEYS[0].jwk("HS256"),
        ]);
        let trusted: Vec<_> = keys.iter().map(|key| key.trusted(&policy)).collect();
        let login = |alg: &str, kid: &str| {
            let header = json!({"alg": alg, "kid": kid});
            let token = KEYS[0].sign_with_header(alg, &header, claims().to_string().as_bytes());
            let now = UnixTime::from_seconds(NOW);
            let outcome = judge(
                Rules::default(),
                Mechanism::OAuthBearer,
                &oauthbearer(&token),
                &trusted,
                now,
            );
            outcome.verdict.map_err(|rejection| rejection.code())
        };
        for alg in ["ES256", "RS256", "HS256"] {
            assert_eq!(login(alg, alg).as_deref(), Ok("alice@example.com"), "{alg}");
        }
        for (alg, kid) in [
            ("HS256", "RS256"),
            ("HS256", "ES256"),
            ("RS512", "RS256"),
            ("PS256", "RS256"),
            ("ES384", "ES256"),
            ("RS256", "ES256"),
            ("HS384", "HS256"),
        ] {
            assert_eq!(
                login(alg, kid),
                Err("algorithm_not_allowed"),
                "{alg} {kid} {}",
                backend.name
            );
        }
    }
}

#[test]
fn providers_that_share_a_kid_are_told_apart_by_their_issuer() {
    let [a, b] = [("a", "https://a.example"), ("b", "https://b.example")].map(|(name, issuer)| {
        policy_with(|policy| {
            policy.provider = name;
            policy.issuer = Some(issuer);
        })
    });
    let list = [(0, Some("k"), None, &a), (1, Some("k"), None, &b)];
    let iss = |issuer: &str| with(&[("iss", json!(issuer))]);
    for kid in [Some("k"), None] {
        for (signer, issuer, expected, provider) in [
            (0, "https://a.example", ALICE, Some("a")),
            (1, "https://b.example", ALICE, Some("b")),
            (0, "https://b.example", Err("bad_signature"), None),
            (1, "https://a.example", Err("bad_signature"), None),
            (0, "https://c.example", Err("unknown_key"), None),
        ] {
            let outcome = choose(&list, signer, kid, &iss(issuer));
            assert_eq!(
                (outcome.code(), outcome.provider.as_deref()),
                (expected, provider),
                "{signer} {issuer}"
            );
        }
    }
    // The only key that has the kid is not the issuer's.
    let list = [(0, Some("k"), None, &a), (1, Some("l"), None, &b)];
    assert_eq!(
        choose(&list, 0, Some("k"), &iss("https://a.example")).code(),
        ALICE
    );
    assert_eq!(
        choose(&list, 0, Some("k"), &iss("https://b.example")).code(),
        Err("wrong_issuer")
    );
    let mut none = claims();
    none.as_object_mut().expect("an object").remove("iss");
    assert_eq!(
        choose(&list, 0, Some("k"), &none).code(),
        Err("missing_claim")
    );
}

#[test]
fn a_key_of_dovecots_layout_signs_for_its_owner() {
    let policy = policy();
    let list = [
        (0, Some("k"), Some("web"), &policy),
        (1, Some("k"), Some("default"), &policy),
        (2, Some("l"), Some("web"), &policy),
    ];
    let azp = |party: &str| with(&[("azp", json!(party))]);
    for (signer, kid, claims, expected) in [
        (0, "k", azp("web"), ALICE),
        (1, "k", claims(), ALICE),
        (1, "k", azp("default"), ALICE),
        (2, "l", azp("web"), ALICE),
        (0, "k", claims(), Err("bad_signature")),
        (1, "k", azp("web"), Err("bad_signature")),
        (0, "k", azp("other"), Err("unknown_key")),
        (2, "l", azp("other"), Err("wrong_authorized_party")),
        (2, "l", claims(), Err("wrong_authorized_party")),
        (
            2,
            "l",
            with(&[("azp", Value::Null)]),
            Err("malformed_claims"),
        ),
        (
            2,
            "l",
            with(&[("azp", json!(["web"]))]),
            Err("malformed_claims"),
        ),
    ] {
        assert_eq!(
            choose(&list, signer, Some(kid), &claims).code(),
            expected,
            "{signer} {kid} {claims}"
        );
    }
}

#[test]
fn escapes_hide_no_member_of_a_key() {
    let jwk = |written: &str| {
        format!(
            r#"{{"kty":"OKP","crv":"Ed25519","x":"{}",{written}}}"#,
            "A".repeat(43)
        )
    };
    let parse = |written: &str| Jwk::parse(jwk(written).as_bytes()).err();
    assert_eq!(parse(r#""use":"sig""#), None);
    for (written, error) in [
        (r#""\u0075se":"enc""#, KeyError::NotForSignatures),
        (r#""key_\u006fps":["sign"]"#, KeyError::NotForSignatures),
        (r#""\u0061lg":"ES224""#, KeyError::UnsupportedAlgorithm),
    ] {
        assert_eq!(parse(written), Some(error), "{written}");
    }
}
