//! Too little room for what is asked about is the adapter's fault, and no reason to look away (J13).

use gatepost_core::Exchange;
use gatepost_core::exchange::{Input, MAX_PAYLOAD, Output, TrustedKey};
use gatepost_core::introspection::Answer;
use gatepost_core_tests::judge::BACKENDS;
use gatepost_core_tests::mint::Issuer;
use serde_json::json;

use super::*;

/// What a login ends with whose provider is asked first, and answers `body`, with `room` to read it in.
#[track_caller]
fn check(token: &str, (content_type, body): (&str, &str), room: usize, expected: &str) {
    let policy = policy();
    let providers = [Provider {
        policy: &policy,
        endpoints: Some(Endpoints {
            about: Some(About::EveryToken),
            ..endpoints(Mode::Post)
        }),
    }];
    let rules = LoginSettings::new(&providers);
    let prepared = BACKENDS[0].prepare_all(&[SIGNER.jwk("ES256")]);
    let keys = [TrustedKey::new(&*prepared[0].key, None)];
    let keys: &[&[TrustedKey<'_>]] = &[&keys];
    let message = oauthbearer(token);
    let answer = Answer {
        status: 200,
        content_type,
        www_authenticate: "",
        body: body.as_bytes(),
    };
    let mut enough = vec![0; MAX_PAYLOAD];
    let mut lent = vec![0; room];
    let now = UnixTime::from_seconds(NOW);
    let mut exchange = Exchange::new(rules, Mechanism::OAuthBearer, &message);
    let mut input = Input::Start;
    let code = loop {
        input = match exchange.step(now, input) {
            Output::FindKeys(_) => Input::Keys {
                keys,
                scratch: &mut enough,
            },
            Output::Fetch(_) => Input::Fetched {
                answer: &answer,
                keys,
                scratch: &mut lent,
            },
            Output::Challenge(_) => Input::Reply,
            Output::Accept(identity) => break identity.user().to_owned(),
            Output::Reject(why) => break why.code().to_owned(),
            other => panic!("{other:?}"),
        };
    };
    assert_eq!(code, expected, "{room}");
}

static SIGNER: std::sync::LazyLock<Issuer> = std::sync::LazyLock::new(Issuer::new);

#[test]
fn what_a_token_says_against_itself_is_heard_or_nothing_is_accepted() {
    let claims = json!({"iss": ISSUER, "cnf": {"jkt": "x"}, "pad": "x".repeat(60)});
    let token = SIGNER.sign("ES256", &claims);
    let good = good().to_string();
    let answer = ("application/json", good.as_str());
    check(&token, answer, MAX_PAYLOAD, "key_bound_token");
    for room in [0, 1, 60] {
        check(&token, answer, room, "internal_error");
    }
    check(TOKEN, answer, 0, ALICE); // An opaque token takes no room.
}

#[test]
fn a_signed_answer_that_finds_no_room_is_not_the_providers_fault() {
    let payload = json!({"iss": ISSUER, "aud": "rs", "token_introspection": good()});
    let header = json!({"alg": "ES256", "typ": "token-introspection+jwt"});
    let signed = SIGNER.sign_with_header("ES256", &header, payload.to_string().as_bytes());
    let answer = ("application/token-introspection+jwt", signed.as_str());
    check(TOKEN, answer, MAX_PAYLOAD, ALICE);
    for room in [0, 1, 60] {
        check(TOKEN, answer, room, "internal_error");
    }
}
