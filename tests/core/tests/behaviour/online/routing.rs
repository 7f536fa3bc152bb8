//! Whom to ask: a token is never shown to a provider that it may not belong to.

use gatepost_core_tests::judge::BACKENDS;
use gatepost_core_tests::mint::Issuer;
use serde_json::json;

use super::*;

fn tenant(name: &'static str, domains: &'static [&'static str]) -> Policy<'static> {
    let mut policy = policy();
    policy.provider = name;
    policy.domains = domains;
    policy
}

/// The provider that is asked first about a login as `user`, if any is.
#[track_caller]
fn asked(policies: &[Policy<'_>], token: &str, user: Option<&str>) -> Option<usize> {
    let refused = if token == TOKEN {
        "opaque_token"
    } else {
        "no_keys"
    };
    asked_or_refused(policies, token, user, refused)
}

/// As [`asked`]; `refused` says why where nobody is.
#[track_caller]
fn asked_or_refused(
    policies: &[Policy<'_>],
    token: &str,
    user: Option<&str>,
    refused: &str,
) -> Option<usize> {
    let endpoints = Endpoints {
        about: Some(About::EveryToken),
        grant: None,
        ..endpoints(Mode::Post)
    };
    let providers: Vec<_> = policies
        .iter()
        .map(|policy| Provider {
            policy,
            endpoints: Some(endpoints),
        })
        .collect();
    let rules = LoginSettings::new(&providers);
    let message = match user {
        Some(user) => xoauth2(user, token),
        None => oauthbearer(token),
    };
    let mechanism = match user {
        Some(_) => Mechanism::XOAuth2,
        None => Mechanism::OAuthBearer,
    };
    let mut asked = None;
    let mut ask = |question: &Asked| {
        asked = Some(question.provider);
        Err(FetchFailure::Timeout)
    };
    let now = UnixTime::from_seconds(NOW);
    let outcome = judge_asking(rules, mechanism, &message, Some(&[]), now, &mut ask);
    let expected = match asked {
        Some(_) => "provider_unavailable",
        None => refused,
    };
    assert_eq!(outcome.code(), Err(expected));
    asked
}

#[test]
fn the_claimed_users_domain_chooses_among_tenants() {
    let tenants = [
        tenant("a", &["a.example"]),
        tenant("b", &["b.example", "c.example"]),
    ];
    assert_eq!(asked(&tenants, TOKEN, Some("u@a.example")), Some(0));
    assert_eq!(asked(&tenants, TOKEN, Some("u@C.Example")), Some(1));
    assert_eq!(asked(&tenants, TOKEN, Some("u@x@b.example")), Some(1));
    for nobodys in ["u@d.example", "u", "u@", "a.example", "u@a.example.org"] {
        assert_eq!(asked(&tenants, TOKEN, Some(nobodys)), None, "{nobodys}");
    }
    assert_eq!(asked(&tenants, TOKEN, None), None);
    assert_eq!(asked(&tenants[..1], TOKEN, None), Some(0));
}

#[test]
fn a_provider_for_any_domain_is_asked_where_it_is_the_only_one() {
    let mixed = [tenant("a", &["a.example"]), tenant("any", &[])];
    assert_eq!(asked(&mixed, TOKEN, Some("u@a.example")), Some(0));
    assert_eq!(asked(&mixed, TOKEN, Some("u@b.example")), Some(1));
    assert_eq!(asked(&mixed, TOKEN, None), None);
    let two = [tenant("one", &[]), tenant("two", &[])];
    assert_eq!(asked(&two, TOKEN, Some("u@b.example")), None);
}

#[test]
fn a_jwt_goes_to_the_issuer_that_it_names_and_to_nobody_else() {
    let issuer = Issuer::new();
    let mint = |iss: &str| issuer.sign("ES256", &json!({"iss": iss, "sub": "s"}));
    let mut policies = [tenant("a", &[]), tenant("b", &[]), tenant("c", &[])];
    policies[0].issuer = Some("https://a.example");
    policies[1].issuer = Some("https://b.example");
    policies[2].issuer = None;
    let user = Some("u@any.example");
    assert_eq!(asked(&policies, &mint("https://a.example"), user), Some(0));
    assert_eq!(asked(&policies, &mint("https://b.example"), user), Some(1));
    assert_eq!(asked(&policies, &mint("https://x.example"), user), Some(2));
    // Whom the client claims to be changes nothing of that: it is for the answer to say that it is another's.
    let mut of_domain = [policies[0]];
    of_domain[0].domains = &["a.example"];
    let token = mint("https://a.example");
    assert_eq!(asked(&of_domain, &token, Some("u@d.example")), Some(0));
    assert_eq!(asked(&of_domain, &token, Some("u")), Some(0));
    // One that names nobody may be anybody's, if there is only one to ask.
    let nameless = issuer.sign("ES256", &json!({"sub": "s"}));
    assert_eq!(asked(&policies, &nameless, user), None);
    assert_eq!(asked(&policies[..1], &nameless, user), Some(0));
    let named = &policies[..2];
    // Whatever keys there are or come, none is of an issuer that nobody has configured.
    let foreign = mint("https://x.example");
    for policies in [named, &policies[..1]] {
        let asked = asked_or_refused(policies, &foreign, user, "unknown_key");
        assert_eq!(asked, None);
    }
}

#[test]
fn an_opaque_token_may_look_like_a_jwt_at_first_sight() {
    let policy = policy();
    let providers = [Provider {
        policy: &policy,
        endpoints: Some(endpoints(Mode::Post)),
    }];
    let mut setup = Setup::new(&providers);
    for token in ["v1.local.abc", "a.b.c", "bm8.json.x"] {
        setup.token = token;
        setup.check(&[ok(&good())], Ok(ALICE));
    }
    // What has the header of a JWT is one, and is not shown to anybody as it is.
    setup.token = "eyJhbGciOiJub25lIn0.e30.";
    setup.check(&[], Err("unsupported_algorithm"));
    let providers = [Provider::new(&policy)];
    let mut nobody = Setup::new(&providers);
    nobody.token = "v1.local.abc";
    nobody.check(&[], Err("malformed_token"));
}

#[test]
fn an_endpoint_that_is_not_known_yet_is_no_fault_of_the_tokens() {
    let policy = policy();
    let providers = [Provider {
        policy: &policy,
        endpoints: Some(Endpoints {
            introspection: None,
            ..endpoints(Mode::Post)
        }),
    }];
    Setup::new(&providers).check(&[], Err("provider_unavailable"));
    let providers = [Provider::new(&policy)];
    Setup::new(&providers).check(&[], Err("opaque_token"));
}

#[test]
fn unused_keys_of_other_providers_do_not_matter() {
    let issuer = Issuer::new();
    let policy = policy();
    let keys = BACKENDS[0].prepare_all(&[issuer.jwk("ES256")]);
    let keys = [keys[0].trusted(&policy)];
    let providers = [Provider {
        policy: &policy,
        endpoints: Some(endpoints(Mode::Post)),
    }];
    let mut setup = Setup::new(&providers);
    setup.keys = Some(&keys);
    setup.check(&[ok(&good())], Ok(ALICE));
}

/// A provider that is to be asked about every token is asked about each that its key has signed, although the client
/// leaves out, or makes up, the name by which one of several would be chosen.
#[test]
fn no_client_keeps_a_provider_from_being_asked_that_is_asked_about_every_token() {
    let issuer = Issuer::new();
    let policies = [tenant("a", &["example.com"]), tenant("b", &["b.example"])];
    let every = Endpoints {
        about: Some(About::EveryToken),
        ..endpoints(Mode::Post)
    };
    let both = policies.each_ref().map(|policy| Provider {
        policy,
        endpoints: Some(every),
    });
    let mut claims = good();
    claims["aud"] = json!("mail");
    let token = issuer.sign("ES256", &claims);
    let revoked = json!({"active": false});
    for backend in BACKENDS {
        let prepared = backend.prepare_all(&[issuer.jwk("ES256")]);
        let keys = [
            prepared[0].trusted(&policies[0]),
            prepared[0].trusted(&policies[1]),
        ];
        for (providers, user) in [(&both[..], None), (&both[..], Some(ALICE))] {
            let setup = Setup {
                keys: Some(&keys),
                token: &token,
                user,
                ..Setup::new(providers)
            };
            let (outcome, asked) = setup.run(&[ok(&revoked)]);
            assert_eq!(outcome.code(), Err("token_refused"), "{user:?}");
            assert_eq!(asked[0].provider, 0);
            let (outcome, _) = setup.run(&[ok(&good())]);
            assert_eq!(outcome.code(), Ok(ALICE), "{user:?}");
        }
        // One that does not judge JWTs leaves it to its key.
        let setup = Setup {
            keys: Some(&keys),
            token: &token,
            user: None,
            ..Setup::new(&both)
        };
        let unsupported = Reply::json(400, r#"{"error":"unsupported_token_type"}"#);
        let (outcome, _) = setup.run(&[Ok(unsupported)]);
        assert_eq!(outcome.code(), Ok(ALICE));
    }
}

/// Of two clients of one realm, one of which is asked about every token, the other's tokens are its own key's to judge.
#[test]
fn a_token_for_one_of_two_providers_of_an_issuer_is_not_shown_to_the_other() {
    let issuer = Issuer::new();
    let mut groupware = tenant("groupware", &[]);
    groupware.audience = Audience::OneOf(&["groupware"]);
    let mail = tenant("mail", &[]);
    let every = Endpoints {
        about: Some(About::EveryToken),
        ..endpoints(Mode::Post)
    };
    let providers = [
        Provider {
            policy: &groupware,
            endpoints: Some(every),
        },
        Provider::new(&mail),
    ];
    let token = issuer.sign("ES256", &good());
    for backend in BACKENDS {
        let prepared = backend.prepare_all(&[issuer.jwk("ES256")]);
        let keys = [prepared[0].trusted(&groupware), prepared[0].trusted(&mail)];
        for user in [None, Some(ALICE)] {
            let setup = Setup {
                keys: Some(&keys),
                token: &token,
                user,
                ..Setup::new(&providers)
            };
            setup.check(&[], Ok(ALICE));
        }
    }
}
