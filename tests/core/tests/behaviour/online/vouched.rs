//! Whose a token is, for the log: only where a signature or an answer has vouched for it, whatever became of the login.

use gatepost_core_tests::judge::BACKENDS;
use gatepost_core_tests::mint::Issuer;
use serde_json::{Value, json};

use super::*;

/// Asks about opaque tokens, at an endpoint that answers signed or not.
#[track_caller]
fn check_asked(
    mode: Mode,
    keys: &[Key<'_>],
    policy: &Policy<'_>,
    reply: Result<Reply, FetchFailure>,
    expected: (&str, Option<&str>),
) {
    let providers = [Provider {
        policy,
        endpoints: Some(endpoints(mode)),
    }];
    let mut setup = Setup::new(&providers);
    setup.keys = Some(keys);
    let shown = format!("{reply:?}");
    let (outcome, _) = setup.run(&[reply]);
    let told = (
        outcome.code().unwrap_or_else(|code| code),
        outcome.vouched.as_deref(),
    );
    assert_eq!(told, expected, "{shown}");
}

#[test]
fn a_token_is_its_users_where_its_signature_verifies() {
    let (issuer, stranger) = (Issuer::new(), Issuer::new());
    let policy = policy();
    let keys = BACKENDS[0].prepare_all(&[issuer.jwk("ES256")]);
    let keys = [keys[0].trusted(&policy)];
    let providers = [Provider::new(&policy)];
    let claims = |changes: &[(&str, Value)]| {
        let mut claims = json!({
            "iss": ISSUER, "sub": "s-1", "aud": "mail", "email": "Alice@EXAMPLE.com", "exp": NOW + 300,
        });
        for (name, value) in changes {
            claims[*name] = value.clone();
        }
        claims
    };
    let expired = ("exp", json!(NOW - 61));
    for (signer, changes, code, vouched) in [
        (
            &issuer,
            vec![],
            "Alice@example.com",
            Some("Alice@example.com"),
        ),
        (
            &issuer,
            vec![expired.clone()],
            "expired",
            Some("Alice@example.com"),
        ),
        (
            &issuer,
            vec![("email", json!(7)), expired.clone()],
            "expired",
            None,
        ),
        (
            &issuer,
            vec![("email", Value::Null), expired.clone()],
            "expired",
            None,
        ),
        (&stranger, vec![], "bad_signature", None),
        (&stranger, vec![expired], "bad_signature", None),
    ] {
        let token = signer.sign("ES256", &claims(&changes));
        let mut setup = Setup::new(&providers);
        (setup.token, setup.keys, setup.user) = (&token, Some(&keys[..]), None);
        let (outcome, _) = setup.run(&[]);
        let told = outcome.code().unwrap_or_else(|code| code);
        assert_eq!(
            (told, outcome.vouched.as_deref()),
            (code, vouched),
            "{changes:?}"
        );
    }
}

#[test]
fn a_token_is_the_users_whom_an_answer_names() {
    let policy = policy();
    let check = |mode, reply, expected| check_asked(mode, &[], &policy, reply, expected);
    let told = |changes: &[(&str, Value)]| {
        let mut answer = good();
        for (name, value) in changes {
            answer[*name] = value.clone();
        }
        ok(&answer)
    };
    let expired = told(&[("exp", json!(NOW - 61))]);
    check(Mode::Post, expired.clone(), ("expired", Some(ALICE)));
    check(Mode::Auth, expired, ("expired", Some(ALICE)));
    let bobs = told(&[("email", json!("bob@example.com"))]);
    check(Mode::Post, bobs, ("wrong_user", Some("bob@example.com")));
    check(
        Mode::Post,
        told(&[("email", json!("a b"))]),
        ("unusable_user_name", None),
    );
    let inactive = told(&[("active", json!(false))]);
    check(Mode::Post, inactive.clone(), ("token_refused", None));
    check(Mode::Auth, inactive, ("token_refused", None));
    let refused = Ok(Reply::json(401, &good().to_string()));
    check(Mode::Auth, refused, ("token_refused", None));
    let html = Ok(Reply {
        content_type: "text/html".to_owned(),
        ..Reply::json(200, &good().to_string())
    });
    check(Mode::Post, html, ("unusable_answer", None));
    check(
        Mode::Post,
        Err(FetchFailure::Timeout),
        ("provider_unavailable", None),
    );
}

#[test]
fn a_signed_answer_names_a_user_once_its_signature_has_verified() {
    let (issuer, stranger) = (Issuer::new(), Issuer::new());
    let policy = policy();
    let keys = BACKENDS[0].prepare_all(&[issuer.jwk("ES256")]);
    let keys = [keys[0].trusted(&policy)];
    let mut about = good();
    about["exp"] = json!(NOW - 61);
    let answered = |signer: &Issuer, (content_type, typ): (&str, &str), payload: &Value| {
        let header = json!({"alg": "ES256", "typ": typ});
        let jwt = signer.sign_with_header("ES256", &header, payload.to_string().as_bytes());
        Ok(Reply {
            content_type: content_type.to_owned(),
            body: jwt.into_bytes(),
            ..Reply::json(200, "")
        })
    };
    let introspection = (
        "application/token-introspection+jwt",
        "token-introspection+jwt",
    );
    let payload = json!({"iss": ISSUER, "aud": "rs", "token_introspection": about});
    let check = |mode, reply, expected| check_asked(mode, &keys, &policy, reply, expected);
    check(
        Mode::Post,
        answered(&issuer, introspection, &payload),
        ("expired", Some(ALICE)),
    );
    check(
        Mode::Post,
        answered(&stranger, introspection, &payload),
        ("unusable_answer", None),
    );
    let mut others = payload;
    others["aud"] = json!("another");
    check(
        Mode::Post,
        answered(&issuer, introspection, &others),
        ("unusable_answer", None),
    );

    let userinfo = ("application/jwt", "JWT");
    let payload = json!({
        "iss": ISSUER, "aud": "rs", "sub": "s-1", "email": "bob@example.com", "token_introspection": null,
    });
    let bob = Some("bob@example.com");
    check(
        Mode::Auth,
        answered(&issuer, userinfo, &payload),
        ("unusable_answer", None),
    );
    let payload = json!({"iss": ISSUER, "aud": "rs", "sub": "s-1", "email": "bob@example.com"});
    check(
        Mode::Auth,
        answered(&issuer, userinfo, &payload),
        ("missing_claim", bob),
    );
    check(
        Mode::Auth,
        answered(&stranger, userinfo, &payload),
        ("unusable_answer", None),
    );
}

/// The client's word, not to be believed: the log says so.
#[test]
fn whom_a_client_claims_to_be_is_known_once_its_message_has_been_parsed() {
    let policy = policy();
    let providers = [Provider::new(&policy)];
    for user in [Some(ALICE), None] {
        let mut setup = Setup::new(&providers);
        setup.user = user;
        let (outcome, _) = setup.run(&[]);
        assert_eq!(outcome.code(), Err("opaque_token"));
        assert_eq!((outcome.claimed.as_deref(), outcome.vouched), (user, None));
    }
}
