//! What an exchange says between two steps, and how it takes an input that was not due.

use gatepost_core::Exchange;
use gatepost_core::exchange::{Input, LoginSettings, MAX_PAYLOAD, Output, Provider, TrustedKey};
use gatepost_core::sasl::Mechanism;
use gatepost_core::{Policy, Rejection, UnixTime};
use gatepost_core_tests::judge::{BACKENDS, PreparedKey, oauthbearer};
use serde_json::json;

use super::{ALICE, KEYS, NOW, claims, policy, policy_with, with};

fn now() -> UnixTime {
    UnixTime::from_seconds(NOW)
}

fn secrets(count: usize) -> Vec<PreparedKey> {
    let jwks: Vec<_> = KEYS[..count]
        .iter()
        .map(|issuer| issuer.jwk("HS256"))
        .collect();
    BACKENDS[0].prepare_all(&jwks)
}

fn nameless(keys: &[PreparedKey]) -> Vec<TrustedKey<'_>> {
    let mut trusted = vec![];
    for key in keys {
        trusted.push(TrustedKey::new(&*key.key, None));
    }
    trusted
}

fn settings<'s>(providers: &'s [Provider<'s>]) -> LoginSettings<'s> {
    LoginSettings {
        providers,
        ..LoginSettings::default()
    }
}

fn of<'p>(policy: &'p Policy<'p>) -> Provider<'p> {
    Provider {
        policy,
        endpoints: None,
    }
}

fn verdict(output: &Output<'_>) -> Result<String, &'static str> {
    match output {
        Output::Accept(identity) => Ok(identity.user().to_owned()),
        Output::Reject(why) => Err(why.code()),
        other => panic!("no verdict: {other:?}"),
    }
}

#[test]
fn a_verdict_stands_whatever_input_follows() {
    let (policy, prepared) = (policy(), secrets(1));
    let providers = [of(&policy)];
    let trusted = nameless(&prepared);
    let keys: &[&[TrustedKey<'_>]] = &[&trusted];
    let expired = with(&[("exp", json!(NOW - 61))]);
    for (claims, expected) in [(claims(), ALICE), (expired, Err("expired"))] {
        let token = KEYS[0].sign("HS256", &claims);
        let mut scratch = [0; MAX_PAYLOAD];
        let mut exchange = Exchange::of_token(settings(&providers), token.as_bytes());
        let asked = exchange.step(now(), Input::Start);
        assert!(matches!(asked, Output::FindKeys(_)));
        for late in 0..5 {
            let scratch = &mut scratch;
            let input = match late {
                0 | 1 => Input::Keys { keys, scratch },
                2 => Input::Start,
                3 => Input::NoNewerKeys,
                _ => Input::Reply,
            };
            let output = exchange.step(now(), input);
            assert_eq!(verdict(&output).as_deref(), expected.as_ref().copied());
        }
    }
}

#[test]
fn the_token_is_known_once_the_message_has_been_parsed() {
    let policy = policy();
    let providers = [of(&policy)];
    let token = KEYS[0].sign("HS256", &claims());
    let message = oauthbearer(&token);
    let mut exchange = Exchange::new(settings(&providers), Mechanism::OAuthBearer, &message);
    assert!(exchange.token().is_none());
    let _ = exchange.step(now(), Input::Start);
    let known = exchange.token().expect("a token");
    assert_eq!(known.expose(), token);
}

#[test]
fn debug_says_how_far_a_login_is_and_nothing_of_its_token() {
    let policy = policy();
    let providers = [of(&policy)];
    let token = KEYS[0].sign("HS256", &claims());
    let message = oauthbearer(&token);
    let mut exchange = Exchange::new(settings(&providers), Mechanism::OAuthBearer, &message);
    assert!(format!("{exchange:?}").contains("Received"));
    let _ = exchange.step(now(), Input::Start);
    let shown = format!("{exchange:?}");
    assert!(shown.contains("AwaitingKeys"), "{shown}");
    let _ = exchange.step(now(), Input::Reply);
    let shown = format!("{exchange:?}");
    assert!(shown.contains("Rejected"), "{shown}");
    assert!(!shown.contains(&token));
    let prepared = secrets(1);
    let key = TrustedKey::new(&*prepared[0].key, Some("k-1"));
    assert!(format!("{key:?}").contains("k-1"));
}

/// Whether a look for newer keys is due to a forged signature decides how soon there is another.
#[test]
fn a_query_for_newer_keys_says_whether_a_known_key_has_failed() {
    let policy = policy();
    let providers = [of(&policy)];
    let prepared = BACKENDS[0].prepare_all(&[KEYS[0].jwk("ES256")]);
    let trusted = nameless(&prepared);
    let token = KEYS[1].sign("ES256", &claims());
    for (keys, is_key_known) in [(&trusted[..], true), (&[], false)] {
        let (keys, scratch) = (&[keys], &mut [0; MAX_PAYLOAD]);
        let mut exchange = Exchange::of_token(settings(&providers), token.as_bytes());
        let _ = exchange.step(now(), Input::Start);
        let Output::FindNewerKeys(query) = exchange.step(now(), Input::Keys { keys, scratch })
        else {
            panic!("newer keys may verify it");
        };
        assert_eq!(
            (query.provider, query.reason.is_key_known),
            (0, is_key_known)
        );
        assert_eq!(query.reason.issued_at, Some(now()));
    }
}

#[test]
fn keys_that_vanish_between_two_steps_leave_a_bad_signature() {
    let (policy, prepared) = (policy(), secrets(2));
    let providers = [of(&policy)];
    let trusted = nameless(&prepared);
    let token = KEYS[1].sign_with_header(
        "HS256",
        &json!({"alg": "HS256"}),
        claims().to_string().as_bytes(),
    );
    let mut exchange = Exchange::of_token(settings(&providers), token.as_bytes());
    let _ = exchange.step(now(), Input::Start);
    let (keys, scratch) = (&[&trusted[..]], &mut [0; MAX_PAYLOAD]);
    let next = exchange.step(now(), Input::Keys { keys, scratch });
    assert!(matches!(next, Output::FindKeys(_)), "the second is to try");
    let (keys, scratch) = (&[&trusted[..1]], &mut [0; MAX_PAYLOAD]);
    let ended = exchange.step(now(), Input::Keys { keys, scratch });
    assert_eq!(verdict(&ended), Err("bad_signature"));
}

#[test]
fn a_token_without_issuer_is_one_of_a_provider_without_issuer() {
    let (named, any) = (policy(), policy_with(|policy| policy.issuer = None));
    let prepared = secrets(2);
    let providers = [of(&named), of(&any)];
    let trusted = nameless(&prepared);
    let mut claims = claims();
    claims.as_object_mut().expect("an object").remove("iss");
    let header = json!({"alg": "HS256"});
    for (signer, expected) in [(1, ALICE), (0, Err("bad_signature"))] {
        let payload = claims.to_string();
        let token = KEYS[signer].sign_with_header("HS256", &header, payload.as_bytes());
        let mut scratch = [0; MAX_PAYLOAD];
        let mut exchange = Exchange::of_token(settings(&providers), token.as_bytes());
        let _ = exchange.step(now(), Input::Start);
        let (keys, scratch) = (&[&trusted[..1], &trusted[1..]], &mut scratch);
        let ended = exchange.step(now(), Input::Keys { keys, scratch });
        assert_eq!(
            verdict(&ended).as_deref(),
            expected.as_ref().copied(),
            "{signer}"
        );
    }
}

#[test]
fn why_a_login_fails_is_known_before_the_client_replies() {
    let policy = policy();
    let providers = [of(&policy)];
    let message = oauthbearer("opaque");
    let mut exchange = Exchange::new(settings(&providers), Mechanism::OAuthBearer, &message);
    assert_eq!(exchange.rejection(), None);
    let told = exchange.step(now(), Input::Start);
    assert!(matches!(told, Output::Challenge(_)), "{told:?}");
    let why = exchange.rejection().map(Rejection::code);
    assert_eq!(why, Some("opaque_token"));
    let ended = exchange.step(now(), Input::Reply);
    assert_eq!(verdict(&ended), Err("opaque_token"));
    assert_eq!(exchange.rejection().map(Rejection::code), why);
}

/// They are looked for once a login, and tried from the first on, however many have failed before.
#[test]
fn newer_keys_are_looked_for_once_and_all_of_them_tried() {
    let policy = policy();
    let providers = [of(&policy)];
    let jwks: Vec<_> = KEYS[..4].iter().map(|one| one.jwk("ES256")).collect();
    let prepared = BACKENDS[0].prepare_all(&jwks);
    let all = nameless(&prepared);
    let [before, after]: [&[&[TrustedKey<'_>]]; 2] = [&[&all[1..3]], &[&all[..3]]];
    let header = json!({"alg": "ES256"});
    for (signer, expected) in [(0, ALICE), (3, Err("bad_signature"))] {
        let payload = claims().to_string();
        let token = KEYS[signer].sign_with_header("ES256", &header, payload.as_bytes());
        let mut exchange = Exchange::of_token(settings(&providers), token.as_bytes());
        let mut scratch = [0; MAX_PAYLOAD];
        let (mut keys, mut looks, mut input) = (before, 0, Input::Start);
        let ended = loop {
            match exchange.step(now(), input) {
                Output::FindKeys(_) => {}
                Output::FindNewerKeys(_) => {
                    looks += 1;
                    assert_eq!(looks, 1, "one look");
                    keys = after;
                }
                ended => break verdict(&ended),
            }
            let scratch = &mut scratch;
            input = Input::Keys { keys, scratch };
        };
        assert_eq!(ended.as_deref(), expected.as_ref().copied(), "{signer}");
    }
}
