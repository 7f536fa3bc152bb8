//! Answers that the provider has signed (RFC 9701, OIDC Core section 5.3.2).

use gatepost_core_tests::judge::BACKENDS;
use gatepost_core_tests::mint::Issuer;
use serde_json::{Value, json};

use super::*;

const INTROSPECTION: &str = "application/token-introspection+jwt";
const USERINFO: &str = "application/jwt";

fn answer(content_type: &str, jwt: String) -> Reply {
    Reply {
        status: 200,
        content_type: content_type.to_owned(),
        www_authenticate: String::new(),
        body: jwt.into_bytes(),
    }
}

#[track_caller]
fn check(issuer: &Issuer, mode: Mode, reply: &Reply, expected: Result<&str, &str>) {
    let policy = policy();
    let mut other = policy;
    other.provider = "other";
    let keys = BACKENDS[0].prepare_all(&[issuer.jwk("ES256"), issuer.jwk("RS256")]);
    let keys = [keys[0].trusted(&policy), keys[1].trusted(&other)];
    let providers = [Provider {
        policy: &policy,
        endpoints: Some(Endpoints {
            allow_missing_audience: mode == Mode::Auth,
            ..endpoints(mode)
        }),
    }];
    let mut setup = Setup::new(&providers);
    setup.keys = Some(&keys);
    setup.check(&[Ok(reply.clone())], expected);
}

fn sign(issuer: &Issuer, alg: &str, typ: &str, payload: &Value) -> String {
    let header = json!({"alg": alg, "kid": alg, "typ": typ});
    issuer.sign_with_header(alg, &header, payload.to_string().as_bytes())
}

#[test]
fn an_introspection_answer_is_taken_from_its_signer_only() {
    let issuer = Issuer::new();
    let good_payload = || json!({"iss": ISSUER, "aud": "rs", "token_introspection": good()});
    let typ = "token-introspection+jwt";
    let jwt = |alg: &str, typ: &str, payload: &Value| {
        answer(INTROSPECTION, sign(&issuer, alg, typ, payload))
    };
    let check = |reply: &Reply, expected| check(&issuer, Mode::Post, reply, expected);
    check(&jwt("ES256", typ, &good_payload()), Ok(ALICE));

    let mut inactive = good_payload();
    inactive["token_introspection"] = json!({"active": false});
    check(&jwt("ES256", typ, &inactive), Err("token_refused"));
    let mut expired = good_payload();
    expired["token_introspection"]["exp"] = json!(NOW - 61);
    check(&jwt("ES256", typ, &expired), Err("expired"));

    let unusable = Err("unusable_answer");
    // Another provider's key, another type, another reader, another issuer, and no answer inside.
    check(&jwt("RS256", typ, &good_payload()), unusable);
    check(&jwt("ES256", "JWT", &good_payload()), unusable);
    for (name, value) in [
        ("aud", json!("someone-else")),
        ("iss", json!("https://evil.example")),
        ("token_introspection", json!("x")),
        ("token_introspection", json!({})),
    ] {
        let mut payload = good_payload();
        payload[name] = value;
        check(&jwt("ES256", typ, &payload), unusable);
    }
    let stranger = Issuer::new();
    let forged = sign(&stranger, "ES256", typ, &good_payload());
    check(&answer(INTROSPECTION, forged), unusable);
    check(&answer(INTROSPECTION, "garbage".to_owned()), unusable);
}

#[test]
fn userinfo_may_be_signed_and_its_audience_is_not_the_tokens() {
    let issuer = Issuer::new();
    let payload = json!({"iss": ISSUER, "aud": "rs", "sub": "s-1", "email": ALICE});
    let check = |payload: &Value, expected| {
        let reply = answer(USERINFO, sign(&issuer, "ES256", "JWT", payload));
        check(&issuer, Mode::Auth, &reply, expected);
    };
    check(&payload, Ok(ALICE));
    let mut foreign = payload.clone();
    foreign["aud"] = json!("mail");
    check(&foreign, Err("unusable_answer"));
}

/// RFC 9701 section 5 requires `iss` in every answer; here the key identifies the provider.
#[test]
fn a_signed_answer_may_name_any_issuer_where_the_provider_may() {
    let issuer = Issuer::new();
    let mut policy = policy();
    policy.issuer = None;
    let keys = BACKENDS[0].prepare_all(&[issuer.jwk("ES256")]);
    let keys = [keys[0].trusted(&policy)];
    let providers = [Provider {
        policy: &policy,
        endpoints: Some(endpoints(Mode::Post)),
    }];
    let unusable = Err("unusable_answer");
    for (iss, expected) in [
        (json!(ISSUER), Ok(ALICE)),
        (json!("https://other.example.com"), Ok(ALICE)),
        (Value::Null, Ok(ALICE)),
        (json!(7), unusable),
        (json!([ISSUER]), unusable),
    ] {
        let payload = json!({"iss": iss, "aud": "rs", "token_introspection": good()});
        let typ = "token-introspection+jwt";
        for (signer, expected) in [(&issuer, expected), (&Issuer::new(), unusable)] {
            let mut setup = Setup::new(&providers);
            setup.keys = Some(&keys);
            let reply = answer(INTROSPECTION, sign(signer, "ES256", typ, &payload));
            setup.check(&[Ok(reply)], expected);
        }
    }
}

/// A signature makes no good answer of an error.
#[test]
fn a_signed_error_vouches_for_nobody() {
    let issuer = Issuer::new();
    let payload = json!({"iss": ISSUER, "aud": "rs", "error": "invalid_token", "email": ALICE});
    let reply = answer(USERINFO, sign(&issuer, "ES256", "JWT", &payload));
    check(&issuer, Mode::Auth, &reply, Err("token_refused"));
}

/// K7: a name is for the log; a provider's answers are signed with its own keys.
#[test]
fn a_key_of_another_provider_of_the_same_name_signs_nothing() {
    let (issuer, stranger) = (Issuer::new(), Issuer::new());
    let (ours, theirs) = (policy(), policy());
    let keys = [&issuer, &stranger].map(|issuer| BACKENDS[0].prepare_all(&[issuer.jwk("ES256")]));
    let keys = [keys[0][0].trusted(&ours), keys[1][0].trusted(&theirs)];
    let providers = [
        Provider {
            policy: &ours,
            endpoints: Some(endpoints(Mode::Post)),
        },
        Provider::new(&theirs),
    ];
    let payload = json!({"iss": ISSUER, "aud": "rs", "token_introspection": good()});
    for (signer, expected) in [(&issuer, Ok(ALICE)), (&stranger, Err("unusable_answer"))] {
        let reply = answer(
            INTROSPECTION,
            sign(signer, "ES256", "token-introspection+jwt", &payload),
        );
        let mut setup = Setup::new(&providers);
        setup.keys = Some(&keys);
        setup.check(&[Ok(reply)], expected);
    }
}

/// Each answer is tried with the provider's first key first, whichever key the one before was signed with.
#[test]
fn every_answer_may_be_signed_with_any_key() {
    let signers = [Issuer::new(), Issuer::new()];
    let keys = signers
        .each_ref()
        .map(|issuer| BACKENDS[0].prepare_all(&[issuer.jwk("ES256")]));
    let mut policy = policy();
    policy.scopes = &["mail"];
    let keys = keys.each_ref().map(|keys| keys[0].trusted(&policy));
    let providers = [Provider {
        policy: &policy,
        endpoints: Some(Endpoints {
            tokeninfo: Some("https://id.example.com/tokeninfo?t="),
            ..endpoints(Mode::Post)
        }),
    }];
    let mut told = good();
    told["scope"] = json!("mail");
    for (first, second) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        // Without a scope, so that introspection has to say the rest.
        let payload = json!({"iss": ISSUER, "aud": "rs", "sub": "s-1", "email": ALICE});
        let header = json!({"alg": "ES256", "typ": "JWT"});
        let tokeninfo =
            signers[first].sign_with_header("ES256", &header, payload.to_string().as_bytes());
        let payload = json!({"iss": ISSUER, "aud": "rs", "token_introspection": told});
        let header = json!({"alg": "ES256", "typ": "token-introspection+jwt"});
        let introspection =
            signers[second].sign_with_header("ES256", &header, payload.to_string().as_bytes());
        let mut setup = Setup::new(&providers);
        setup.keys = Some(&keys);
        setup.check(
            &[
                Ok(answer(USERINFO, tokeninfo)),
                Ok(answer(INTROSPECTION, introspection)),
            ],
            Ok(ALICE),
        );
    }
}

/// A key that counts how often it is asked, and never verifies.
#[derive(Default)]
struct CountingKey(std::sync::atomic::AtomicUsize);

impl gatepost_core::crypto::VerifyingKey for CountingKey {
    fn algorithms(&self) -> gatepost_core::crypto::AlgorithmSet {
        gatepost_core::crypto::AlgorithmSet::ALL
    }

    fn verify(
        &self,
        _: gatepost_core::crypto::Algorithm,
        _: &[u8],
        _: &[u8],
    ) -> Result<(), gatepost_core::crypto::InvalidSignature> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Err(gatepost_core::crypto::InvalidSignature)
    }
}

/// K8: a signed answer costs one verification a step, however many keys may have signed it.
#[test]
fn a_signed_answer_costs_one_verification_a_step() {
    use gatepost_core::Exchange;
    use gatepost_core::exchange::{Input, Output};
    use gatepost_core::introspection::Answer;
    let key = CountingKey::default();
    let policy = policy();
    let payload = json!({"iss": ISSUER, "aud": "rs", "token_introspection": good()});
    let header = json!({"alg": "ES256", "typ": "token-introspection+jwt"});
    let jwt = Issuer::new().sign_with_header("ES256", &header, payload.to_string().as_bytes());
    let answer = Answer {
        status: 200,
        content_type: INTROSPECTION,
        www_authenticate: "",
        body: jwt.as_bytes(),
    };
    let providers = [Provider {
        policy: &policy,
        endpoints: Some(endpoints(Mode::Post)),
    }];
    let rules = LoginSettings::new(&providers);
    let keys = vec![gatepost_core::exchange::TrustedKey::new(&key, None); 6];
    let keys = [keys.as_slice()];
    let mut scratch = vec![0; Answer::MAX_LEN];
    let message = oauthbearer(TOKEN);
    let mut exchange = Exchange::new(rules, Mechanism::OAuthBearer, &message);
    let mut steps = Vec::new();
    let mut input = Input::Start;
    let code = loop {
        let before = key.0.load(std::sync::atomic::Ordering::Relaxed);
        let output = exchange.step(UnixTime::from_seconds(NOW), input);
        steps.push(key.0.load(std::sync::atomic::Ordering::Relaxed) - before);
        input = match output {
            Output::Fetch(_) | Output::Again => Input::Fetched {
                answer: &answer,
                keys: &keys,
                scratch: &mut scratch,
            },
            Output::Reject(why) => break why.code(),
            other => panic!("{other:?}"),
        };
    };
    assert_eq!(code, "unusable_answer");
    assert_eq!(steps.iter().max(), Some(&1));
    assert_eq!(steps.iter().sum::<usize>(), 4, "four an answer");
}

/// A provider is known by its place, also where its answers are verified.
#[test]
fn the_keys_of_the_provider_that_was_asked_verify_its_answer() {
    let issuer = Issuer::new();
    let (silent, asked) = (policy(), policy());
    let keys = BACKENDS[0].prepare_all(&[issuer.jwk("ES256")]);
    let keys = [keys[0].trusted(&asked)];
    let providers = [(&silent, None), (&asked, Some(endpoints(Mode::Post)))]
        .map(|(policy, endpoints)| Provider { policy, endpoints });
    let payload = json!({"iss": ISSUER, "aud": "rs", "token_introspection": good()});
    let jwt = sign(&issuer, "ES256", "token-introspection+jwt", &payload);
    let mut setup = Setup::new(&providers);
    setup.keys = Some(&keys);
    setup.check(&[Ok(answer(INTROSPECTION, jwt))], Ok(ALICE));
}

/// Four keys are tried for an answer: those of other algorithms are none of them.
#[test]
fn a_signed_answer_is_tried_with_keys_of_its_algorithm_alone() {
    let issuer = Issuer::new();
    let policy = policy();
    let algorithms = ["RS256", "RS384", "RS512", "PS256", "ES256"];
    let keys = BACKENDS[0].prepare_all(&algorithms.map(|alg| issuer.jwk(alg)));
    let keys: Vec<_> = keys.iter().map(|key| key.trusted(&policy)).collect();
    let providers = [Provider {
        policy: &policy,
        endpoints: Some(endpoints(Mode::Post)),
    }];
    let payload = json!({"iss": ISSUER, "aud": "rs", "token_introspection": good()});
    let header = json!({"alg": "ES256", "typ": "token-introspection+jwt"});
    let jwt = issuer.sign_with_header("ES256", &header, payload.to_string().as_bytes());
    let mut setup = Setup::new(&providers);
    setup.keys = Some(&keys);
    setup.check(&[Ok(answer(INTROSPECTION, jwt))], Ok(ALICE));
}
