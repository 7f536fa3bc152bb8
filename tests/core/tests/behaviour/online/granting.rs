//! The password grant: what is asked for a token, and how the token is judged then.

use super::*;

use gatepost_core::Exchange;
use gatepost_core::exchange::{Input, Output};
use gatepost_core::introspection::{Answer, Grant};
use gatepost_core_tests::judge::BACKENDS;
use gatepost_core_tests::mint::Issuer;

const GRANT_URL: &str = "https://id.example.com/token";
const MESSAGE: &[u8] = b"\0alice@example.com\0s&cret";

fn granting() -> Endpoints<'static> {
    Endpoints {
        grant: Some(Grant {
            url: GRANT_URL,
            scope: Some("mail openid"),
        }),
        ..endpoints(Mode::Post)
    }
}

#[track_caller]
fn run(
    endpoints: Endpoints<'_>,
    message: &[u8],
    answers: &[Result<Reply, FetchFailure>],
) -> (Outcome, Vec<Asked>) {
    run_with(endpoints, message, &[], answers)
}

#[track_caller]
fn run_with(
    endpoints: Endpoints<'_>,
    message: &[u8],
    keys: &[Key<'_>],
    answers: &[Result<Reply, FetchFailure>],
) -> (Outcome, Vec<Asked>) {
    let policy = policy();
    let providers = [Provider {
        policy: &policy,
        endpoints: Some(endpoints),
    }];
    let rules = LoginSettings::new(&providers);
    let mut asked = Vec::new();
    let mut answers = answers.iter();
    let mut ask = |question: &Asked| {
        asked.push(question.clone());
        answers.next().expect("an answer to each question").clone()
    };
    let now = UnixTime::from_seconds(NOW);
    let outcome = judge_asking(rules, Mechanism::Plain, message, Some(keys), now, &mut ask);
    assert!(answers.next().is_none(), "every answer was wanted");
    (outcome, asked)
}

fn granted() -> Result<Reply, FetchFailure> {
    ok(&serde_json::json!({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 300}))
}

#[test]
fn a_password_is_exchanged_for_a_token_which_is_judged_like_any_other() {
    let (outcome, asked) = run(granting(), MESSAGE, &[granted(), ok(&good())]);
    assert_eq!(outcome.code(), Ok(ALICE));
    assert_eq!(asked[0].url, GRANT_URL);
    assert_eq!(asked[0].method, "POST");
    assert_eq!(asked[0].authorization, "Basic cnM6cyUzQWNyZXQ=");
    assert_eq!(
        asked[0].form,
        "grant_type=password&username=alice%40example.com&password=s%26cret&scope=mail%20openid"
    );
    assert_eq!(asked[1].form, "token=opaque%2F%2Btoken~1%3D");

    let mut foreign = good();
    foreign["aud"] = "another".into();
    let (outcome, _) = run(granting(), MESSAGE, &[granted(), ok(&foreign)]);
    assert_eq!(outcome.code(), Err("wrong_audience"));
    assert!(
        outcome.challenges.is_empty(),
        "PLAIN has no failure challenge"
    );

    let (outcome, _) = run(
        granting(),
        b"\0bob@example.com\0x",
        &[granted(), ok(&good())],
    );
    assert_eq!(outcome.code(), Err("wrong_user"));
}

#[test]
fn a_granted_jwt_is_verified_here() {
    let issuer = Issuer::new();
    let claims = serde_json::json!({
        "iss": ISSUER, "sub": "s-1", "aud": "mail", "email": ALICE, "exp": NOW + 300, "iat": NOW,
    });
    let token = issuer.sign("ES256", &claims);
    let policy = policy();
    let keys = BACKENDS[0].prepare_all(&[issuer.jwk("ES256")]);
    let keys = [keys[0].trusted(&policy)];
    let answer = ok(&serde_json::json!({"access_token": token}));
    let (outcome, asked) = run_with(granting(), MESSAGE, &keys, &[answer]);
    assert_eq!(outcome.code(), Ok(ALICE));
    assert_eq!(asked.len(), 1);
}

#[test]
fn what_the_token_endpoint_answers_means_one_thing() {
    let error = |status, error: &str| Ok(Reply::json(status, &format!(r#"{{"error":"{error}"}}"#)));
    for (answer, expected) in [
        (error(400, "invalid_grant"), "password_refused"),
        (error(401, "invalid_grant"), "password_refused"),
        (error(403, "invalid_grant"), "password_refused"),
        (error(400, "invalid_client"), "client_refused"),
        (error(401, "invalid_client"), "client_refused"),
        (error(403, "invalid_client"), "client_refused"),
        (error(400, "unauthorized_client"), "client_refused"),
        (error(400, "unsupported_grant_type"), "client_refused"),
        (error(400, "invalid_scope"), "client_refused"),
        (error(400, "invalid_request"), "client_refused"),
        (error(400, "server_error"), "provider_unavailable"),
        (
            error(400, "temporarily_unavailable"),
            "provider_unavailable",
        ),
        (error(403, "slow_down"), "provider_unavailable"),
        (error(403, "what_nobody_knows"), "provider_unavailable"),
        (Ok(Reply::json(400, "{}")), "provider_unavailable"),
        (Ok(Reply::json(401, "{}")), "client_refused"),
        (Ok(Reply::json(403, "")), "provider_unavailable"),
        (
            Ok(Reply::json(403, r#"{"error":["invalid_grant"]}"#)),
            "provider_unavailable",
        ),
        (
            Ok(Reply {
                www_authenticate: r#"Bearer error="invalid_grant""#.to_owned(),
                ..Reply::json(401, "")
            }),
            "password_refused",
        ),
        (error(404, "invalid_grant"), "provider_unavailable"),
        (error(429, "invalid_grant"), "provider_unavailable"),
        (error(500, "invalid_grant"), "provider_unavailable"),
        (error(302, "invalid_grant"), "provider_unavailable"),
        (Err(FetchFailure::Timeout), "provider_unavailable"),
        (Err(FetchFailure::TooLarge), "unusable_answer"),
        (
            Ok(Reply {
                content_type: "text/html".to_owned(),
                ..Reply::json(200, r#"{"access_token":"a"}"#)
            }),
            "unusable_answer",
        ),
        // GitHub answers so, whatever the error.
        (error(200, "invalid_grant"), "password_refused"),
        (error(200, "mfa_required"), "password_grant_refused"),
        (error(200, "invalid_client"), "client_refused"),
        (error(200, "server_error"), "provider_unavailable"),
        (Ok(Reply::json(200, "")), "unusable_answer"),
        (Ok(Reply::json(200, "{}")), "unusable_answer"),
        (
            Ok(Reply::json(200, r#"{"access_token":7}"#)),
            "unusable_answer",
        ),
        (
            Ok(Reply::json(200, r#"{"access_token":"a b"}"#)),
            "unusable_answer",
        ),
        (
            Ok(Reply::json(
                200,
                r#"{"access_token":"a","token_type":"DPoP"}"#,
            )),
            "unusable_answer",
        ),
    ] {
        let shown = format!("{answer:?}");
        let (outcome, _) = run(granting(), MESSAGE, &[answer]);
        assert_eq!(outcome.code(), Err(expected), "{shown}");
    }
}

/// J7: the password may well be right; the user has to take another way in.
#[test]
fn a_user_whom_no_password_lets_in_is_told_so() {
    let named = |status, error: &str| Reply::json(status, &format!(r#"{{"error":"{error}"}}"#));
    for error in [
        "interaction_required",       // Entra, OpenID Connect Core section 3.1.2.6
        "login_required",             // OpenID Connect Core
        "consent_required",           // OpenID Connect Core
        "account_selection_required", // OpenID Connect Core
        "mfa_required",               // Auth0
        "mfa_registration_required",  // Auth0
        "password_leaked",            // Auth0
        "two_factor_required",        // FusionAuth
        "change_password_required",   // FusionAuth
        "access_denied",              // Okta, FusionAuth; RFC 6749 section 4.1.2.1
    ] {
        for status in [400, 401, 403] {
            check_refused(named(status, error));
        }
    }
    // Entra: the grant is invalid for want of something that only a browser can give.
    for suberror in [
        "basic_action",
        "additional_action",
        "message_only",
        "consent_required",
        "user_password_expired",
    ] {
        check_refused(Reply::json(
            400,
            &format!(r#"{{"error":"invalid_grant","suberror":"{suberror}"}}"#),
        ));
    }
    for members in [
        r#","suberror":"""#,
        r#","suberror":null"#,
        r#","suberror":"bad_token""#,
    ] {
        let body = format!(r#"{{"error":"invalid_grant"{members}}}"#);
        let (outcome, _) = run(granting(), MESSAGE, &[Ok(Reply::json(400, &body))]);
        assert_eq!(outcome.code(), Err("password_refused"), "{body}");
    }
}

#[track_caller]
fn check_refused(reply: Reply) {
    let shown = format!("{reply:?}");
    let (outcome, _) = run(granting(), MESSAGE, &[Ok(reply)]);
    assert_eq!(outcome.code(), Err("password_grant_refused"), "{shown}");
    let rejection = outcome.verdict.expect_err("refused");
    assert!(rejection.status().is_some(), "no temporary failure");
    assert!(!rejection.is_guess(), "{shown}");
}

#[test]
fn a_wrong_password_is_a_guess_whatever_the_status() {
    for status in [400, 401, 403] {
        let reply = Reply::json(status, r#"{"error":"invalid_grant"}"#);
        let (outcome, _) = run(granting(), MESSAGE, &[Ok(reply)]);
        let rejection = outcome.verdict.expect_err("refused");
        assert!(rejection.is_guess(), "{status}");
    }
}

/// J13: the adapter lends the room for a token that is granted.
#[test]
fn too_little_room_for_a_granted_token_is_our_fault() {
    let policy = policy();
    let providers = [Provider {
        policy: &policy,
        endpoints: Some(granting()),
    }];
    let rules = LoginSettings::new(&providers);
    let body = format!(r#"{{"access_token":"{TOKEN}"}}"#);
    let answer = Answer {
        status: 200,
        content_type: "application/json",
        www_authenticate: "",
        body: body.as_bytes(),
    };
    let mut room = [0; 4];
    let mut exchange = Exchange::new(rules, Mechanism::Plain, MESSAGE).with_grant_buffer(&mut room);
    let now = UnixTime::from_seconds(NOW);
    assert!(matches!(exchange.step(now, Input::Start), Output::Fetch(_)));
    let (answer, keys, scratch) = (&answer, &[], &mut [][..]);
    let input = Input::Fetched {
        answer,
        keys,
        scratch,
    };
    let Output::Reject(why) = exchange.step(now, input) else {
        panic!("the client can do nothing about it");
    };
    assert_eq!(why.code(), "internal_error");
}

#[test]
fn no_password_is_shown_to_anybody_who_is_not_configured_to_take_it() {
    let (outcome, asked) = run(endpoints(Mode::Post), MESSAGE, &[]);
    assert_eq!(outcome.code(), Err("password_not_taken"));
    assert_eq!(asked, []);
}

#[test]
fn the_provider_that_granted_a_token_is_the_one_that_is_asked_about_it() {
    let (mut ours, mut theirs) = (policy(), policy());
    (ours.provider, ours.domains) = ("ours", &["example.com"]);
    (theirs.provider, theirs.domains) = ("theirs", &["example.org"]);
    let asked_only = endpoints(Mode::Post);
    let grants_only = Endpoints {
        about: None,
        ..granting()
    };
    let providers = [
        Provider {
            policy: &ours,
            endpoints: Some(grants_only),
        },
        Provider {
            policy: &theirs,
            endpoints: Some(asked_only),
        },
    ];
    let rules = LoginSettings::new(&providers);
    let mut questions = 0;
    let mut ask = |asked: &Asked| {
        questions += 1;
        assert_eq!(asked.provider, 0);
        granted()
    };
    let now = UnixTime::from_seconds(NOW);
    let outcome = judge_asking(rules, Mechanism::Login, MESSAGE, Some(&[]), now, &mut ask);
    assert_eq!(outcome.code(), Err("opaque_token"));
    assert_eq!(questions, 1);
}

#[test]
fn a_granted_token_is_bounded_as_a_clients_is() {
    use gatepost_core::sasl::BearerToken;
    let granted = |length| ok(&serde_json::json!({"access_token": "x".repeat(length)}));
    let longest = granted(BearerToken::MAX_LEN);
    let (outcome, asked) = run(granting(), MESSAGE, &[longest, ok(&good())]);
    assert_eq!((outcome.code(), asked.len()), (Ok(ALICE), 2));
    let longer = granted(BearerToken::MAX_LEN + 1);
    let (outcome, _) = run(granting(), MESSAGE, &[longer]);
    assert_eq!(outcome.code(), Err("unusable_answer"));
}

/// Three ways to write one that is well formed, and what nobody could have been given.
const APPLICATION_PASSWORDS: [&str; 5] = [
    "gp-0123-4567-89ab-cdef-ghjk-mnpq",
    "  GP-0123456789ABCDEFGHJKMNPQ",
    "gp-O1l3 4567 89ab cdef ghjk mnpq\t",
    "gp-",
    "gp-secret\u{e9}",
];

#[test]
fn an_application_password_is_shown_to_no_provider() {
    for password in APPLICATION_PASSWORDS {
        let message = format!("\0{ALICE}\0{password}");
        let (outcome, asked) = run(granting(), message.as_bytes(), &[]);
        assert_eq!(outcome.code(), Err("password_not_taken"), "{password}");
        assert_eq!(outcome.claimed.as_deref(), Some(ALICE));
        assert_eq!(asked, []);
    }
    for similar in ["gp", "gp_0123", "agp-0123", "gpg-0123", "g p-0123"] {
        let message = format!("\0{ALICE}\0{similar}");
        let (outcome, asked) = run(granting(), message.as_bytes(), &[granted(), ok(&good())]);
        assert_eq!((outcome.code(), asked.len()), (Ok(ALICE), 2), "{similar}");
    }
}

#[test]
fn an_application_password_in_the_place_of_the_name_is_repeated_to_nobody() {
    for name in &APPLICATION_PASSWORDS[..3] {
        for message in [
            format!("\0{name}\0secret"),
            format!("{name}\0{name}\0secret"),
        ] {
            let (outcome, asked) = run(granting(), message.as_bytes(), &[]);
            assert_eq!(outcome.code(), Err("mistyped_password"), "{name}");
            assert_eq!((outcome.claimed, asked), (None, vec![]), "{name}");
        }
    }
    for name in ["gp-alice@example.com", "gp-0123-4567"] {
        let message = format!("\0{name}\0secret");
        let (outcome, _) = run(granting(), message.as_bytes(), &[granted(), ok(&good())]);
        assert_eq!(outcome.code(), Err("wrong_user"));
        assert_eq!(outcome.claimed.as_deref(), Some(name));
    }
}
