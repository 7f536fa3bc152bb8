//! Several providers of one issuer: the clients of a realm, each with its own users and its own set of keys.

use super::*;

/// As many clients as a realm has.
#[test]
fn of_any_number_of_providers_of_one_issuer_each_takes_its_own_tokens() {
    let k = Some("k");
    let others: Vec<_> = (0..7)
        .map(|_| policy_with(|policy| policy.audience = Audience::OneOf(&["groupware"])))
        .collect();
    let mail = policy();
    let all = others.iter().chain([&mail]);
    let list: Vec<Listed<'_>> = all.map(|policy| (0, k, None, policy)).collect();
    assert_eq!(choose(&list, 0, k, &claims()).code(), ALICE);
    // What is forged is not tried for longer.
    let forged = choose(&list, 1, k, &claims());
    assert_eq!((forged.code(), forged.attempts), (Err("bad_signature"), 4));
}

/// Gives the keys of two providers of one issuer, of which each knows the newest once it has been looked at, unless it
/// does `from_start`; `unreachable` cannot be looked at.
fn with_rotated_keys(
    claims: &Value,
    from_start: [bool; 2],
    unreachable: Option<usize>,
) -> Result<String, &'static str> {
    let mail = policy();
    let groupware = policy_with(|policy| policy.audience = Audience::OneOf(&["groupware"]));
    let providers = [Provider::new(&groupware), Provider::new(&mail)];
    let header = json!({"alg": "ES256", "kid": "new"});
    let token = KEYS[1].sign_with_header("ES256", &header, claims.to_string().as_bytes());
    let message = oauthbearer(&token);
    let jwks = [KEYS[0].jwk("ES256"), KEYS[1].jwk("ES256")];
    let prepared = BACKENDS[0].prepare_all(&jwks);
    let (old, new) = (&*prepared[0].key, &*prepared[1].key);
    let all = [
        TrustedKey::new(old, Some("old")),
        TrustedKey::new(new, Some("new")),
    ];
    let mut known = from_start;
    let mut scratch = [0; MAX_PAYLOAD];
    let settings = LoginSettings::new(&providers);
    let mut exchange = Exchange::new(settings, Mechanism::OAuthBearer, &message);
    let now = UnixTime::from_seconds(NOW);
    let mut output = exchange.step(now, Input::Start);
    loop {
        output = match output {
            Output::FindNewerKeys(query) if unreachable == Some(query.provider) => {
                exchange.step(now, Input::KeysUnavailable)
            }
            Output::FindNewerKeys(query) if known[query.provider] => {
                exchange.step(now, Input::NoNewerKeys)
            }
            Output::FindKeys(_) | Output::FindNewerKeys(_) => {
                if let Output::FindNewerKeys(query) = output {
                    known[query.provider] = true;
                }
                let keys = known.map(|is_known| &all[..=usize::from(is_known)]);
                let scratch = &mut scratch[..];
                exchange.step(
                    now,
                    Input::Keys {
                        keys: &keys,
                        scratch,
                    },
                )
            }
            Output::Challenge(_) => exchange.step(now, Input::Reply),
            Output::Accept(identity) => return Ok(identity.user().to_owned()),
            Output::Reject(why) => return Err(why.code()),
            other => panic!("{other:?}"),
        };
    }
}

/// Each provider has a set of its own, and finds out by itself that its issuer has a new key.
#[test]
fn a_new_key_is_looked_for_at_the_provider_that_the_token_is_for() {
    let outcome = |claims: &Value, from_start, unreachable| {
        let outcome = with_rotated_keys(claims, from_start, unreachable);
        outcome.map_err(str::to_owned)
    };
    let user = |name: &str| Ok(name.to_owned());
    let alice = || user("alice@example.com");
    for from_start in [[false, false], [true, false], [false, true], [true, true]] {
        assert_eq!(
            outcome(&claims(), from_start, None),
            alice(),
            "{from_start:?}"
        );
    }
    // A token that is for none of them stays so.
    let foreign = with(&[("aud", json!("wiki"))]);
    let wrong = || Err("wrong_audience".to_owned());
    for from_start in [[false, false], [true, false], [true, true]] {
        assert_eq!(
            outcome(&foreign, from_start, None),
            wrong(),
            "{from_start:?}"
        );
    }
    // Nobody is looked at for what is for nobody, so that nobody who cannot be reached makes it a failure for now.
    for unreachable in [Some(0), Some(1)] {
        assert_eq!(outcome(&foreign, [true, false], unreachable), wrong());
    }
    // Whether it is for one that cannot be reached is not known.
    let unavailable = Err("keys_unavailable".to_owned());
    for from_start in [[false, false], [true, false]] {
        assert_eq!(outcome(&claims(), from_start, Some(1)), unavailable);
    }
}
