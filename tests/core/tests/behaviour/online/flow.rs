//! Which endpoint is asked after which, and what several of them say together.

use gatepost_core::{Active, Requirement, Tenant};
use gatepost_core_tests::judge::BACKENDS;
use gatepost_core_tests::mint::Issuer;
use serde_json::{Value, json};

use super::*;

const TOKENINFO: &str = "https://id.example.com/info?access_token=";

fn without(names: &[&str]) -> Value {
    let mut claims = good();
    for name in names {
        claims.as_object_mut().expect("an object").remove(*name);
    }
    claims
}

fn with(changes: &[(&str, Value)]) -> Value {
    let mut claims = good();
    for (name, value) in changes {
        claims[*name] = value.clone();
    }
    claims
}

#[track_caller]
fn check(
    policy: &Policy<'_>,
    endpoints: Endpoints<'_>,
    answers: &[Value],
    expected: Result<&str, &str>,
) {
    let providers = [Provider {
        policy,
        endpoints: Some(endpoints),
    }];
    let answers: Vec<_> = answers.iter().map(ok).collect();
    Setup::new(&providers).check(&answers, expected);
}

#[test]
fn what_tokeninfo_leaves_out_introspection_says() {
    let mut both = endpoints(Mode::Auth);
    both.tokeninfo = Some(TOKENINFO);
    let policy = policy();
    check(&policy, both, &[good()], Ok(ALICE));
    check(
        &policy,
        both,
        &[without(&["email"]), without(&["aud"])],
        Ok(ALICE),
    );
    check(
        &policy,
        both,
        &[without(&["email", "aud"]), without(&["aud"])],
        Err("missing_claim"),
    );
    check(
        &policy,
        both,
        &[with(&[("aud", json!("web"))])],
        Err("wrong_audience"),
    );
    check(
        &policy,
        both,
        &[without(&["email"]), with(&[("sub", json!("s-2"))])],
        Err("unusable_answer"),
    );
    check(
        &policy,
        both,
        &[
            without(&["email", "aud"]),
            with(&[("email", json!("bob@example.com"))]),
        ],
        Err("wrong_user"),
    );
    both.force_introspection = true;
    check(&policy, both, &[good(), good()], Ok(ALICE));
    check(
        &policy,
        both,
        &[good(), with(&[("exp", json!(NOW - 61))])],
        Err("expired"),
    );
}

#[test]
fn introspection_is_asked_only_for_what_tokeninfo_left_out() {
    let mut both = endpoints(Mode::Auth);
    both.tokeninfo = Some(TOKENINFO);
    let mut strict = policy();
    strict.authorized_parties = &["client"];
    strict.scopes = &["mail"];
    strict.active = Some(Active {
        claim: "enabled",
        value: None,
    });
    strict.required = &[Requirement {
        claim: "groups",
        any_of: &["mail"],
    }];
    let everything = with(&[
        ("azp", json!("client")),
        ("scope", json!("mail")),
        ("enabled", json!(true)),
        ("groups", json!(["mail"])),
    ]);
    check(&strict, both, std::slice::from_ref(&everything), Ok(ALICE));
    for name in ["azp", "scope", "enabled", "groups", "aud", "email"] {
        let mut part = everything.clone();
        part.as_object_mut().expect("an object").remove(name);
        check(&strict, both, &[part, everything.clone()], Ok(ALICE));
        // What the first has said the second need not repeat.
        let mut first = everything.clone();
        first.as_object_mut().expect("an object").remove("email");
        let mut second = everything.clone();
        second.as_object_mut().expect("an object").remove(name);
        let expected = if name == "email" {
            Err("no_user_name")
        } else {
            Ok(ALICE)
        };
        check(&strict, both, &[first, second], expected);
    }
}

/// Tokeninfo answers first, and introspection where it is asked.
#[track_caller]
fn check_as(user: &str, policy: &Policy<'_>, answers: &[Value], expected: Result<&str, &str>) {
    let mut both = endpoints(Mode::Auth);
    both.tokeninfo = Some(TOKENINFO);
    let providers = [Provider {
        policy,
        endpoints: Some(both),
    }];
    let mut setup = Setup::new(&providers);
    setup.user = Some(user);
    let answers: Vec<_> = answers.iter().map(ok).collect();
    setup.check(&answers, expected);
}

#[test]
fn whom_a_user_may_act_as_introspection_may_say() {
    const SHARED: &str = "info@example.com";
    let mut policy = policy();
    policy.domains = &["example.com"];
    policy.delegates_claim = Some("mailboxes");
    let told = with(&[("mailboxes", json!([SHARED]))]);
    let other = with(&[("mailboxes", json!(["team@example.com"]))]);
    let expected = Ok(SHARED);
    check_as(SHARED, &policy, std::slice::from_ref(&told), expected);
    for first in [good(), other.clone()] {
        check_as(SHARED, &policy, &[first, told.clone()], expected);
    }
    let refused = Err("wrong_user");
    check_as(SHARED, &policy, &[good(), good()], refused);
    check_as(SHARED, &policy, &[good(), other], refused);
    // Who logs in as themselves needs no such claim.
    check_as(ALICE, &policy, &[good()], Ok(ALICE));
    policy.delegates_claim = None;
    check_as(SHARED, &policy, &[good()], refused);
}

#[test]
fn a_name_that_counts_first_introspection_may_say() {
    let mut policy = policy();
    let named = |name: &str| json!({"username": name, "sub": "s-1", "aud": "mail"});
    check_as(ALICE, &policy, &[named("alice"), good()], Ok(ALICE));
    check_as(
        ALICE,
        &policy,
        &[named("alice"), named("alice")],
        Err("wrong_user"),
    );
    check_as("alice", &policy, &[named("alice")], Ok("alice"));
    policy.domains = &["example.com"];
    check_as(ALICE, &policy, &[named("a@example.org"), good()], Ok(ALICE));
    // No other claim counts before this one.
    let bob = with(&[("email", json!("bob@example.com"))]);
    check_as(ALICE, &policy, &[bob], Err("wrong_user"));
}

#[test]
fn two_names_of_one_user_contradict_each_other() {
    let mut both = endpoints(Mode::Auth);
    both.tokeninfo = Some(TOKENINFO);
    both.force_introspection = true;
    let bob = with(&[("email", json!("bob@example.com"))]);
    check(&policy(), both, &[good(), bob], Err("unusable_answer"));
    // The candidate that was named first counts, whichever answer has it.
    let username = json!({"username": "someone", "sub": "s-1", "aud": "mail"});
    check(&policy(), both, &[username, good()], Ok(ALICE));
}

#[test]
fn an_audience_is_mandatory_and_client_id_is_none() {
    let mut post = endpoints(Mode::Post);
    let mut answer = without(&["aud"]);
    answer["client_id"] = json!("mail");
    check(&policy(), post, &[answer.clone()], Err("missing_claim"));
    post.allow_missing_audience = true;
    check(&policy(), post, &[answer], Ok(ALICE));
    // One that is there has to be ours all the same.
    let foreign = with(&[("aud", json!(["web"]))]);
    check(&policy(), post, &[foreign], Err("wrong_audience"));
}

#[test]
fn an_answer_is_judged_as_a_token_is() {
    let post = endpoints(Mode::Post);
    let plain = policy();
    for (answer, code) in [
        (with(&[("exp", json!(NOW - 61))]), "expired"),
        (with(&[("nbf", json!(NOW + 61))]), "not_yet_valid"),
        (with(&[("iat", json!(NOW + 61))]), "issued_in_future"),
        (
            with(&[("iss", json!("https://evil.example"))]),
            "wrong_issuer",
        ),
        (with(&[("aud", json!(["web"]))]), "wrong_audience"),
        (with(&[("email", json!("bob@example.com"))]), "wrong_user"),
        (with(&[("cnf", json!({"jkt": "x"}))]), "key_bound_token"),
        (with(&[("token_type", json!("DPoP"))]), "key_bound_token"),
        (
            with(&[("token_type", json!("refresh_token"))]),
            "not_access_token",
        ),
        (with(&[("typ", json!("Refresh"))]), "not_access_token"),
        (with(&[("token_use", json!("id"))]), "not_access_token"),
        (without(&["email"]), "no_user_name"),
        (with(&[("exp", json!("soon"))]), "unusable_answer"),
        (with(&[("aud", json!(7))]), "unusable_answer"),
        (with(&[("email", json!({"x": 1}))]), "unusable_answer"),
    ] {
        check(&plain, post, &[answer], Err(code));
    }
    for answer in [
        // Floats (Canaille), strings (Google), and no date at all (RFC 7662 section 2.2).
        with(&[("exp", json!(1_795_312_300.5))]),
        with(&[("exp", json!("1795312300"))]),
        without(&["exp", "iss", "sub"]),
        with(&[("aud", json!("mail"))]),
        with(&[("token_type", json!("bearer"))]),
    ] {
        check(&plain, post, &[answer], Ok(ALICE));
    }
}

#[test]
fn rules_beyond_the_standard_claims_are_asked_for() {
    let mut strict = policy();
    strict.scopes = &["mail"];
    strict.active = Some(Active {
        claim: "enabled",
        value: Some("true"),
    });
    strict.required = &[Requirement {
        claim: "realm_access.roles",
        any_of: &["mail-user"],
    }];
    let extra = |changes: &[(&str, Value)]| {
        let mut answer = with(&[
            ("scope", json!("openid mail")),
            ("enabled", json!(true)),
            ("realm_access", json!({"roles": ["x", "mail-user"]})),
        ]);
        for (name, value) in changes {
            answer[*name] = value.clone();
        }
        answer
    };
    let post = endpoints(Mode::Post);
    check(&strict, post, &[extra(&[])], Ok(ALICE));
    for (change, code) in [
        (("scope", json!("openid")), "insufficient_scope"),
        (("scope", Value::Null), "insufficient_scope"),
        (("enabled", json!(false)), "inactive"),
        (
            ("realm_access", json!({"roles": ["x"]})),
            "unmet_requirement",
        ),
        (("realm_access", json!({})), "unmet_requirement"),
    ] {
        check(&strict, post, &[extra(&[change])], Err(code));
    }
}

#[test]
fn a_domain_that_is_not_the_providers_is_refused() {
    let mut tenant = policy();
    tenant.domains = &["Example.COM"];
    let post = endpoints(Mode::Post);
    check(&tenant, post, &[good()], Ok(ALICE));
    tenant.domains = &["example.org"];
    let providers = [Provider {
        policy: &tenant,
        endpoints: Some(post),
    }];
    let mut setup = Setup::new(&providers);
    setup.user = None;
    setup.check(&[ok(&good())], Err("wrong_domain"));
    let nameless = json!({"active": true, "aud": "mail", "username": "alice"});
    setup.check(&[ok(&nameless)], Err("wrong_domain"));
}

#[test]
fn jwts_are_verified_here_and_asked_about_only_where_that_is_wanted() {
    let issuer = Issuer::new();
    let claims = json!({
        "iss": ISSUER, "sub": "s-1", "aud": "mail", "email": ALICE, "exp": NOW + 300, "iat": NOW,
    });
    let token = issuer.sign("ES256", &claims);
    let altered = format!("{}AAAA", &token[..token.len() - 4]);
    let policy = policy();
    let ours = BACKENDS[0].prepare_all(&[issuer.jwk("ES256")]);
    let foreign = BACKENDS[0].prepare_all(&[issuer.jwk("RS256")]);
    let ours = [ours[0].trusted(&policy)];
    let foreign = [foreign[0].trusted(&policy)];
    let refused = || Ok(Reply::json(200, r#"{"active":false}"#));
    let unsupported = || Ok(Reply::json(400, r#"{"error":"unsupported_token_type"}"#));
    let run = |about, token: &str, keys, answers: &[_], expected| {
        let endpoints = Endpoints {
            about: Some(about),
            ..endpoints(Mode::Post)
        };
        let providers = [Provider {
            policy: &policy,
            endpoints: Some(endpoints),
        }];
        let mut setup = Setup::new(&providers);
        (setup.token, setup.keys) = (token, keys);
        setup.check(answers, expected);
    };
    let good = || ok(&good());

    run(About::OpaqueTokens, &token, Some(&ours), &[], Ok(ALICE));
    run(
        About::OpaqueTokens,
        &token,
        Some(&foreign),
        &[],
        Err("unknown_key"),
    );
    run(
        About::OpaqueTokens,
        &token,
        None,
        &[],
        Err("keys_unavailable"),
    );
    run(About::OpaqueTokens, TOKEN, None, &[good()], Ok(ALICE));

    let fallback = About::UnverifiableTokens;
    run(fallback, &token, Some(&ours), &[], Ok(ALICE));
    run(fallback, &token, Some(&foreign), &[good()], Ok(ALICE));
    run(fallback, &token, Some(&[]), &[good()], Ok(ALICE));
    run(fallback, &token, None, &[good()], Ok(ALICE));
    run(fallback, &altered, Some(&ours), &[], Err("bad_signature"));
    run(
        fallback,
        &token,
        Some(&foreign),
        &[unsupported()],
        Err("token_refused"),
    );

    let always = About::EveryToken;
    run(always, &token, Some(&ours), &[good()], Ok(ALICE));
    run(
        always,
        &token,
        Some(&ours),
        &[refused()],
        Err("token_refused"),
    );
    run(always, &token, Some(&ours), &[unsupported()], Ok(ALICE));
    run(
        always,
        &altered,
        Some(&ours),
        &[unsupported()],
        Err("bad_signature"),
    );
    run(
        always,
        &token,
        Some(&foreign),
        &[unsupported()],
        Err("token_refused"),
    );
    run(
        always,
        &token,
        None,
        &[unsupported()],
        Err("keys_unavailable"),
    );
    run(
        always,
        TOKEN,
        Some(&ours),
        &[unsupported()],
        Err("token_refused"),
    );
}

/// J3, J2: what Janssen and Hydra answer.
#[test]
fn null_members_of_an_answer_are_absent() {
    let post = endpoints(Mode::Post);
    let nulls = [
        "nbf",
        "cnf",
        "jti",
        "username",
        "events",
        "acr_values",
        "token_use",
        "typ",
    ];
    let answer = with(&nulls.map(|name| (name, Value::Null)));
    check(&policy(), post, &[answer], Ok(ALICE));
    let mut behind = with(&[("email", Value::Null), ("username", json!(ALICE))]);
    check(&policy(), post, &[behind.clone()], Ok(ALICE));
    behind["token_use"] = json!("access_token");
    check(&policy(), post, &[behind], Ok(ALICE));
}

/// J4: a token that gives no access gives none by introspection either.
#[test]
fn an_answer_tells_the_kind_of_a_token_as_its_claims_do() {
    let post = endpoints(Mode::Post);
    let logout = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    for (changes, code) in [
        (vec![("typ", json!("ID"))], "not_access_token"),
        (vec![("typ", json!("Logout"))], "not_access_token"),
        (vec![("typ", json!("Refresh"))], "not_access_token"),
        (vec![("events", logout)], "not_access_token"),
        (
            vec![("nonce", json!("n")), ("at_hash", json!("h"))],
            "not_access_token",
        ),
        (vec![("token_use", json!("id_token"))], "not_access_token"),
        (vec![("token_type", json!("id_token"))], "not_access_token"),
        (vec![("cnf", json!({}))], "key_bound_token"),
    ] {
        let shown = format!("{changes:?}");
        let providers = [Provider {
            policy: &policy(),
            endpoints: Some(post),
        }];
        let (outcome, _) = Setup::new(&providers).run(&[ok(&with(&changes))]);
        assert_eq!(outcome.code(), Err(code), "{shown}");
    }
}

/// J4: what a JWT says against itself is heard, even where its provider vouches for it.
#[test]
fn a_jwt_that_speaks_against_itself_is_refused_whoever_vouches() {
    let issuer = Issuer::new();
    let policy = policy();
    let claims = |changes: &[(&str, Value)]| {
        let mut claims = json!({"iss": ISSUER, "sub": "s-1", "aud": "mail", "exp": NOW + 300});
        for (name, value) in changes {
            claims[*name] = value.clone();
        }
        claims.to_string()
    };
    let sign = |typ: &str, changes: &[(&str, Value)]| {
        let header = json!({"alg": "ES256", "typ": typ});
        issuer.sign_with_header("ES256", &header, claims(changes).as_bytes())
    };
    for (token, expected) in [
        (sign("JWT", &[]), Ok(ALICE)),
        (sign("at+jwt", &[]), Ok(ALICE)),
        (sign("logout+jwt", &[]), Err("not_access_token")),
        (
            sign("JWT", &[("cnf", json!({"jkt": "x"}))]),
            Err("key_bound_token"),
        ),
        (
            sign("JWT", &[("typ", json!("ID"))]),
            Err("not_access_token"),
        ),
        (
            sign("JWT", &[("events", json!({}))]),
            Err("not_access_token"),
        ),
    ] {
        for about in [About::EveryToken, About::UnverifiableTokens] {
            let providers = [Provider {
                policy: &policy,
                endpoints: Some(Endpoints {
                    about: Some(about),
                    ..endpoints(Mode::Post)
                }),
            }];
            let mut setup = Setup::new(&providers);
            setup.token = &token;
            let (outcome, _) = setup.run(&[ok(&good())]);
            assert_eq!(outcome.code(), expected, "{token} {about:?}");
        }
    }
}

/// J5: an account that an endpoint calls inactive is refused, whatever the endpoint is for.
#[test]
fn inactive_is_inactive_at_every_endpoint() {
    let mut tokeninfo = endpoints(Mode::Auth);
    (tokeninfo.tokeninfo, tokeninfo.introspection) = (Some(TOKENINFO), None);
    for endpoints in [tokeninfo, endpoints(Mode::Auth), endpoints(Mode::Post)] {
        let inactive = with(&[("active", json!(false))]);
        check(&policy(), endpoints, &[inactive], Err("token_refused"));
        check(&policy(), endpoints, &[good()], Ok(ALICE));
    }
    // Where an answer need not say so, null and absence are one.
    for value in [Value::Null, json!(true), json!("true")] {
        let answer = with(&[("active", value)]);
        check(&policy(), endpoints(Mode::Auth), &[answer], Ok(ALICE));
    }
    let answer = with(&[("active", json!("false"))]);
    check(
        &policy(),
        endpoints(Mode::Auth),
        &[answer],
        Err("token_refused"),
    );
}

/// J6: whichever answer says so.
#[test]
fn an_unverified_address_in_an_answer_names_nobody() {
    let post = endpoints(Mode::Post);
    let unverified = with(&[("email_verified", json!("false"))]);
    check(&policy(), post, &[unverified], Err("email_not_verified"));
    let mut both = endpoints(Mode::Auth);
    both.tokeninfo = Some(TOKENINFO);
    both.force_introspection = true;
    let mut second = without(&["email"]);
    second["email_verified"] = json!(false);
    let answers = [good(), second.clone()];
    check(&policy(), both, &answers, Err("email_not_verified"));
    let answers = [second, good()];
    check(&policy(), both, &answers, Err("email_not_verified"));
}

/// J10: each requirement may be met by another answer.
#[test]
fn requirements_are_met_by_any_of_the_answers() {
    let mut both = endpoints(Mode::Auth);
    both.tokeninfo = Some(TOKENINFO);
    let mut strict = policy();
    strict.required = &[
        Requirement {
            claim: "groups",
            any_of: &["mail"],
        },
        Requirement {
            claim: "roles",
            any_of: &["user"],
        },
    ];
    let groups = with(&[("groups", json!(["mail"]))]);
    let roles = with(&[("roles", json!(["user"]))]);
    let answers = [groups.clone(), roles.clone()];
    check(&strict, both, &answers, Ok(ALICE));
    check(&strict, both, &[roles, groups.clone()], Ok(ALICE));
    let answers = [groups.clone(), groups];
    check(&strict, both, &answers, Err("unmet_requirement"));
}

/// A header that cannot be read here hides nothing of what the claims say.
#[test]
fn a_jwt_speaks_against_itself_whatever_its_header() {
    let issuer = Issuer::new();
    let claims = |changes: &[(&str, Value)]| {
        let mut claims = json!({"iss": ISSUER, "sub": "s-1", "aud": "mail", "exp": NOW + 300});
        for (name, value) in changes {
            claims[*name] = value.clone();
        }
        claims.to_string()
    };
    let long = json!(["A".repeat(1_200)]);
    for header in [
        json!({"alg": "ES256K"}),
        json!({"alg": "ES256", "x5c": long}),
        json!({"alg": "ES256", "crit": ["x"], "x": 1}),
    ] {
        let sign = |changes: &[(&str, Value)]| {
            issuer.sign_with_header("ES256", &header, claims(changes).as_bytes())
        };
        let policy = policy();
        check_vouched(&policy, &sign(&[]), Ok(ALICE));
        let bound = sign(&[("cnf", json!({"jkt": "x"}))]);
        check_vouched(&policy, &bound, Err("key_bound_token"));
        let refresh = sign(&[("typ", json!("Refresh"))]);
        check_vouched(&policy, &refresh, Err("not_access_token"));
    }
}

/// Judges a JWT for which its provider vouches.
#[track_caller]
fn check_vouched(policy: &Policy<'_>, token: &str, expected: Result<&str, &str>) {
    let providers = [Provider {
        policy,
        endpoints: Some(Endpoints {
            about: Some(About::EveryToken),
            ..endpoints(Mode::Post)
        }),
    }];
    let mut setup = Setup::new(&providers);
    setup.token = token;
    setup.check(&[ok(&good())], expected);
}

/// Which tenant a user is of decides which domains count.
#[test]
fn an_answer_has_to_name_one_of_the_tenants() {
    const TENANT: &str = "https://login.example.com/aaaa/v2.0";
    let mut policy = policy();
    policy.issuer = Some("https://login.example.com/{tenantid}/v2.0");
    policy.tenants = &[Tenant {
        id: "aaaa",
        domains: &["example.com"],
    }];
    let answer = |changes: &[(&str, Value)]| {
        let mut answer = without(&["email"]);
        answer["username"] = json!(ALICE);
        answer["iss"] = json!(TENANT);
        answer["tid"] = json!("aaaa");
        for (name, value) in changes {
            answer[*name] = value.clone();
        }
        answer
    };
    let post = endpoints(Mode::Post);
    check(&policy, post, &[answer(&[])], Ok(ALICE));
    for (change, code) in [
        (("iss", Value::Null), "missing_claim"),
        (("tid", Value::Null), "missing_claim"),
        (("tid", json!("bbbb")), "wrong_issuer"),
        (("username", json!("alice@example.org")), "wrong_domain"),
    ] {
        check(&policy, post, &[answer(&[change])], Err(code));
    }
    // Two answers speak of one.
    policy.tenants = &[
        Tenant {
            id: "aaaa",
            domains: &["example.com"],
        },
        Tenant {
            id: "bbbb",
            domains: &["example.com"],
        },
    ];
    let mut both = endpoints(Mode::Post);
    both.tokeninfo = Some(TOKENINFO);
    both.force_introspection = true;
    let other = [
        ("iss", json!("https://login.example.com/bbbb/v2.0")),
        ("tid", json!("bbbb")),
    ];
    let [ours, theirs] = [answer(&[]), answer(&other)];
    check(&policy, both, &[ours.clone(), ours.clone()], Ok(ALICE));
    check(&policy, both, &[ours, theirs], Err("unusable_answer"));
}

/// authentik writes as `client_id` who asked, whoever the token is for.
#[test]
fn the_client_that_asks_is_no_party_that_the_token_was_minted_for() {
    let mut strict = policy();
    strict.authorized_parties = &["web", "rs"];
    let post = endpoints(Mode::Post);
    for (changes, expected) in [
        (vec![("client_id", json!("web"))], Ok(ALICE)),
        (
            vec![("client_id", json!("phone"))],
            Err("wrong_authorized_party"),
        ),
        (vec![("client_id", json!("rs"))], Err("missing_claim")),
        (
            vec![("client_id", json!("rs")), ("azp", json!("web"))],
            Ok(ALICE),
        ),
        (
            vec![("client_id", json!("rs")), ("cid", json!("phone"))],
            Err("wrong_authorized_party"),
        ),
    ] {
        check(&strict, post, &[with(&changes)], expected);
    }
}
