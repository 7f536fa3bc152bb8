//! Every answer of a provider over every way of asking: the reason, the client's JSON, the mail server's code.

use gatepost_core::dovecot::FailCode;
use gatepost_core_tests::judge::Outcome;

use super::*;

/// The ways in which a provider is asked: Dovecot's names.
const WAYS: [&str; 4] = ["tokeninfo", "auth", "get", "post"];

fn way(name: &str) -> Endpoints<'static> {
    let mode = match name {
        "get" => Mode::Get,
        "post" => Mode::Post,
        _ => Mode::Auth,
    };
    let mut endpoints = endpoints(mode);
    if name == "tokeninfo" {
        endpoints.tokeninfo = endpoints.introspection.take();
    }
    endpoints
}

/// What the client is told over XOAUTH2 and over OAUTHBEARER, and the code for the mail server.
fn wire(code: &str) -> (Option<[&'static str; 2]>, Option<FailCode>) {
    const TOKEN: Option<[&str; 2]> = Some([
        r#"{"status":"401","schemes":"bearer"}"#,
        r#"{"status":"invalid_token"}"#,
    ]);
    const SCOPE: Option<[&str; 2]> = Some([
        r#"{"status":"403","schemes":"bearer"}"#,
        r#"{"status":"insufficient_scope"}"#,
    ]);
    match code {
        "provider_unavailable" | "unusable_answer" | "client_refused" => {
            (None, Some(FailCode::TempFail))
        }
        "insufficient_scope" | "unmet_requirement" => (SCOPE, Some(FailCode::AuthzFail)),
        "wrong_user" => (TOKEN, Some(FailCode::AuthzFail)),
        "inactive" => (TOKEN, Some(FailCode::UserDisabled)),
        _ => (TOKEN, None),
    }
}

#[track_caller]
fn check_wire(outcome: &Outcome, mechanism: Mechanism, expected: &str, what: &str) {
    let rejection = outcome.verdict.as_ref().expect_err(what);
    assert_eq!(rejection.code(), expected, "{what}");
    let (replies, code) = wire(expected);
    let reply = replies.map(|replies| match mechanism {
        Mechanism::XOAuth2 => replies[0],
        _ => replies[1],
    });
    let sent: Vec<&str> = outcome.challenges.iter().map(String::as_str).collect();
    assert_eq!(sent, Vec::from_iter(reply), "{what}");
    let failure = rejection.failure(None);
    assert_eq!(failure.code, code, "{what}");
    let is_temporary = failure.reason.starts_with("Temporary failure");
    assert_eq!(is_temporary, reply.is_none(), "{what}");
}

#[track_caller]
fn check(what: &str, answer: &Result<Reply, FetchFailure>, expected: [&str; 4]) {
    let mut policy = policy();
    policy.scopes = &["mail"];
    policy.active = Some(gatepost_core::Active {
        claim: "enabled",
        value: Some("true"),
    });
    for (name, code) in WAYS.into_iter().zip(expected) {
        let providers = [Provider {
            policy: &policy,
            endpoints: Some(way(name)),
        }];
        for mechanism in [Mechanism::XOAuth2, Mechanism::OAuthBearer] {
            let setup = Setup::new(&providers);
            let (outcome, _) = setup.run_over(mechanism, std::slice::from_ref(answer));
            let what = format!("{what} by {name} over {}", mechanism.name());
            if code == "accept" {
                assert_eq!(outcome.code(), Ok(ALICE), "{what}");
            } else {
                check_wire(&outcome, mechanism, code, &what);
            }
        }
    }
}

fn said(changes: &[(&str, serde_json::Value)]) -> Result<Reply, FetchFailure> {
    let mut answer = good();
    answer["scope"] = serde_json::json!("openid mail");
    answer["enabled"] = serde_json::json!(true);
    for (name, value) in changes {
        answer[*name] = value.clone();
    }
    ok(&answer)
}

#[test]
fn invariant_4_a_failing_provider_is_never_a_bad_token() {
    const TEMPORARY: [&str; 4] = ["provider_unavailable"; 4];
    const UNUSABLE: [&str; 4] = ["unusable_answer"; 4];
    let status = |status| Ok(Reply::json(status, ""));
    for code in [301, 302, 307, 404, 405, 408, 410, 429, 500, 502, 503, 504] {
        check(&format!("status {code}"), &status(code), TEMPORARY);
    }
    for why in [
        FetchFailure::Timeout,
        FetchFailure::Connection,
        FetchFailure::Tls,
        FetchFailure::NotAsked,
    ] {
        check(&format!("{why:?}"), &Err(why), TEMPORARY);
    }
    check("65 KiB", &Err(FetchFailure::TooLarge), UNUSABLE);
    let deep = format!(
        r#"{{"active":true,"x":{}{}}}"#,
        "[".repeat(40),
        "]".repeat(40)
    );
    for (what, body) in [
        ("an empty body", ""),
        ("no JSON", "<html>"),
        ("no object", "[]"),
        ("half an answer", r#"{"active":true,"ema"#),
        ("deep JSON", &deep),
        ("a duplicate", r#"{"active":true,"sub":"a","sub":"b"}"#),
    ] {
        check(what, &Ok(Reply::json(200, body)), UNUSABLE);
    }
    let mut html = said(&[]).expect("an answer");
    html.content_type = "text/html".to_owned();
    check("HTML", &Ok(html), UNUSABLE);
    let credentials = [
        "token_refused",
        "token_refused",
        "client_refused",
        "client_refused",
    ];
    check("status 401", &status(401), credentials);
    check(
        "status 403",
        &status(403),
        [
            "provider_unavailable",
            "provider_unavailable",
            "client_refused",
            "client_refused",
        ],
    );
}

#[test]
fn invariant_4_a_bad_token_is_never_a_temporary_failure() {
    use serde_json::json;
    check("good", &said(&[]), ["accept"; 4]);
    check(
        "status 400",
        &Ok(Reply::json(400, "{}")),
        [
            "token_refused",
            "token_refused",
            "provider_unavailable",
            "provider_unavailable",
        ],
    );
    check(
        "unsupported_token_type",
        &Ok(Reply::json(400, r#"{"error":"unsupported_token_type"}"#)),
        ["token_refused"; 4],
    );
    check(
        "an error beside what is good",
        &said(&[("active", json!(true)), ("error", json!("invalid_token"))]),
        // RFC 7662 section 2.2: what `active` says counts.
        ["token_refused", "token_refused", "accept", "accept"],
    );
    for (what, changes, code) in [
        ("expired", ("exp", json!(NOW - 61)), "expired"),
        ("not yet valid", ("nbf", json!(NOW + 61)), "not_yet_valid"),
        ("audience", ("aud", json!("web")), "wrong_audience"),
        (
            "issuer",
            ("iss", json!("https://x.example")),
            "wrong_issuer",
        ),
        ("scope", ("scope", json!("openid")), "insufficient_scope"),
        ("user", ("email", json!("bob@example.com")), "wrong_user"),
        ("disabled", ("enabled", json!(false)), "inactive"),
    ] {
        check(what, &said(&[changes]), [code; 4]);
    }
    // Only introspection has to speak of `active`, but nobody is let in against it.
    check(
        "inactive",
        &said(&[("active", json!(false))]),
        ["token_refused"; 4],
    );
}

#[test]
fn a_status_that_is_no_success_vouches_for_nobody() {
    for status in [400, 401, 403, 404, 500] {
        let Ok(answer) = said(&[]) else { continue };
        let answer = Ok(Reply { status, ..answer });
        for name in WAYS {
            let policy = policy();
            let providers = [Provider {
                policy: &policy,
                endpoints: Some(way(name)),
            }];
            let (outcome, _) = Setup::new(&providers).run(std::slice::from_ref(&answer));
            assert!(outcome.verdict.is_err(), "{status} by {name}");
        }
    }
}

#[test]
fn credentials_are_blamed_unless_the_operator_knows_better() {
    let policy = policy();
    let mut endpoints = endpoints(Mode::Post);
    endpoints.unauthorized_is_invalid_token = true;
    let providers = [Provider {
        policy: &policy,
        endpoints: Some(endpoints),
    }];
    for status in [401, 403] {
        let answer = Ok(Reply::json(status, ""));
        Setup::new(&providers).check(&[answer], Err("token_refused"));
    }
}
