//! Which key may vouch for a token.

mod several;

use gatepost_core::exchange::{Input, LoginSettings, MAX_PAYLOAD, Output, Provider, TrustedKey};
use gatepost_core::sasl::Mechanism;
use gatepost_core::{Active, Audience, Exchange, Policy, Rejection, Requirement, UnixTime};
use gatepost_core_tests::judge::{BACKENDS, Key, Outcome, judge, oauthbearer};
use serde_json::{Value, json};

use super::{ALICE, KEYS, NOW, claims, policy, policy_with, with, without};

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
        let trusted: Vec<Key<'_>> = keys
            .iter()
            .zip(list)
            .map(|(key, (_, kid, owner, policy))| Key {
                key: &*key.key,
                kid: *kid,
                owner: *owner,
                issuer: None,
                policy,
            })
            .collect();
        let (message, now) = (oauthbearer(&token), UnixTime::from_seconds(NOW));
        judge(
            LoginSettings::default(),
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
                LoginSettings::default(),
                Mechanism::OAuthBearer,
                &oauthbearer(&token),
                &trusted,
                now,
            );
            outcome.verdict.map_err(Rejection::code)
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
        Err("unknown_key")
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
            Err("wrong_authorized_party"),
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

/// J13: how much room there is, is the adapter's doing and none of the token's.
#[test]
fn too_little_room_is_our_fault() {
    let token = KEYS[0].sign("HS256", &claims());
    let [backend, _] = BACKENDS;
    let keys = backend.prepare_all(&[KEYS[0].jwk("HS256"), KEYS[1].jwk("HS256")]);
    let policy = policy();
    let trusted = keys
        .iter()
        .map(|key| TrustedKey::new(&*key.key, key.kid.as_deref()));
    let trusted: Vec<_> = trusted.collect();
    let providers = [Provider::new(&policy)];
    let rules = LoginSettings::new(&providers);
    let message = oauthbearer(&token);
    for trusted in [&trusted[..1], &trusted] {
        for room in [0, 1, 40] {
            let mut scratch = vec![0; room];
            let mut exchange = Exchange::new(rules, Mechanism::OAuthBearer, &message);
            let now = UnixTime::from_seconds(NOW);
            assert!(matches!(
                exchange.step(now, Input::Start),
                Output::FindKeys(_)
            ));
            let scratch = &mut scratch;
            let input = Input::Keys {
                keys: &[trusted],
                scratch,
            };
            let Output::Reject(why) = exchange.step(now, input) else {
                panic!("the client can do nothing about it");
            };
            assert_eq!(why.code(), "internal_error");
            assert_eq!(why.status(), None);
            assert!(!why.is_guess());
        }
    }
}

/// A store that holds many keys looks them up by what the token says of its own.
#[test]
fn a_query_names_the_key_that_the_token_names() {
    use gatepost_core::crypto::Algorithm;
    for (header, kid, algorithm) in [
        (json!({"alg": "HS256"}), None, Algorithm::Hs256),
        (
            json!({"alg": "ES384", "kid": "k-1"}),
            Some("k-1"),
            Algorithm::Es384,
        ),
    ] {
        let alg = header["alg"].as_str().expect("a name");
        let payload = claims().to_string();
        let token = KEYS[0].sign_with_header(alg, &header, payload.as_bytes());
        let message = oauthbearer(&token);
        let mut exchange =
            Exchange::new(LoginSettings::default(), Mechanism::OAuthBearer, &message);
        let now = UnixTime::from_seconds(NOW);
        let Output::FindKeys(query) = exchange.step(now, Input::Start) else {
            panic!("a JWT is verified with a key");
        };
        assert_eq!((query.kid(), query.algorithm()), (kid, algorithm));
    }
}

/// The longest token that a message may carry finds room in as much as the core says that it takes.
#[test]
fn the_longest_token_finds_room() {
    use gatepost_core::sasl::BearerToken;
    let longer = |by: usize| with(&[("pad", json!("x".repeat(by)))]);
    let bare = KEYS[0].sign("HS256", &longer(0)).len();
    let token = KEYS[0].sign("HS256", &longer((BearerToken::MAX_LEN - bare) / 4 * 3));
    assert!((BearerToken::MAX_LEN - 4..=BearerToken::MAX_LEN).contains(&token.len()));
    assert_eq!(MAX_PAYLOAD, 6144, "what 8 KiB of base64url hold");
    let keys = BACKENDS[0].prepare_all(&[KEYS[0].jwk("HS256")]);
    let trusted = [TrustedKey::new(&*keys[0].key, None)];
    let policy = policy();
    let providers = [Provider::new(&policy)];
    let rules = LoginSettings::new(&providers);
    let message = oauthbearer(&token);
    let mut scratch = [0; MAX_PAYLOAD];
    let mut exchange = Exchange::new(rules, Mechanism::OAuthBearer, &message);
    let now = UnixTime::from_seconds(NOW);
    assert!(matches!(
        exchange.step(now, Input::Start),
        Output::FindKeys(_)
    ));
    let (keys, scratch) = (&[&trusted[..]], &mut scratch);
    let ended = exchange.step(now, Input::Keys { keys, scratch });
    assert!(matches!(ended, Output::Accept(_)), "{ended:?}");
}

/// K1: whose `kid` it is does not matter; the issuer chooses the provider first.
#[test]
fn a_kid_of_one_provider_says_nothing_of_anothers_keys() {
    let [a, b] = [("a", "https://a.example"), ("b", "https://b.example")].map(|(name, issuer)| {
        policy_with(|policy| {
            policy.provider = name;
            policy.issuer = Some(issuer);
        })
    });
    let list = [(0, Some("b-2026"), None, &a), (1, None, None, &b)];
    let claims = with(&[("iss", json!("https://b.example"))]);
    let outcome = choose(&list, 1, Some("b-2026"), &claims);
    assert_eq!(
        (outcome.code(), outcome.provider.as_deref()),
        (ALICE, Some("b"))
    );
    let forged = choose(&list, 0, Some("b-2026"), &claims);
    assert_eq!(forged.code(), Err("bad_signature"));
    // Where b has no key at all, a's are not tried either.
    let list = [(0, Some("k"), None, &a), (1, Some("l"), None, &b)];
    let unknown = choose(&list, 0, Some("k"), &claims);
    assert_eq!(unknown.code(), Err("unknown_key"));
}

/// K3: `kid` and `alg` choose together (RFC 7517 section 4.5 asks for no more).
#[test]
fn one_kid_may_stand_for_a_key_of_each_algorithm() {
    let policy = policy();
    for backend in BACKENDS {
        let keys = backend.prepare_all(&[KEYS[0].jwk("ES256"), KEYS[0].jwk("RS256")]);
        let trusted: Vec<_> = keys
            .iter()
            .map(|key| Key {
                kid: Some("k"),
                ..key.trusted(&policy)
            })
            .collect();
        for alg in ["ES256", "RS256"] {
            let header = json!({"alg": alg, "kid": "k"});
            let token = KEYS[0].sign_with_header(alg, &header, claims().to_string().as_bytes());
            let (message, now) = (oauthbearer(&token), UnixTime::from_seconds(NOW));
            let outcome = judge(
                LoginSettings::default(),
                Mechanism::OAuthBearer,
                &message,
                &trusted,
                now,
            );
            assert_eq!(outcome.code(), ALICE, "{alg}");
        }
    }
}

#[test]
fn providers_of_one_issuer_take_each_its_own_tokens() {
    // One realm, one key, two clients: an audience of its own each.
    let mail = policy();
    let groupware = policy_with(|policy| policy.audience = Audience::OneOf(&["groupware"]));
    let of_app = policy_with(|policy| policy.authorized_parties = &["app"]);
    let of_domain = policy_with(|policy| policy.domains = &["example.net"]);
    let k = Some("k");
    for (first, second) in [
        (&mail, &groupware),
        (&groupware, &mail),
        (&of_app, &mail),
        (&of_domain, &mail),
    ] {
        let list = [(0, k, None, first), (0, k, None, second)];
        assert_eq!(choose(&list, 0, k, &claims()).code(), ALICE);
        assert_eq!(choose(&list, 1, k, &claims()).code(), Err("bad_signature"));
    }
    let list = [(0, k, None, &mail), (0, k, None, &groupware)];
    let groupware_user = with(&[("aud", json!("groupware"))]);
    assert_eq!(choose(&list, 0, k, &groupware_user).code(), ALICE);
    // What none takes is no guess.
    let foreign = with(&[("aud", json!("wiki"))]);
    assert_eq!(choose(&list, 0, k, &foreign).code(), Err("wrong_audience"));
    let list = [(0, k, None, &mail), (1, k, None, &groupware)];
    assert_eq!(choose(&list, 0, k, &foreign).code(), Err("wrong_audience"));
    // Whom a token is meant for does not ask of it less than it has to have.
    let strict = policy_with(|policy| policy.scopes = &["imap"]);
    let list = [(0, k, None, &strict), (0, k, None, &mail)];
    let outcome = choose(&list, 0, k, &claims());
    assert_eq!(outcome.code(), Err("insufficient_scope"));
    // What is wrong with the token itself is wrong for all.
    let late = with(&[("exp", json!(NOW - 300)), ("aud", json!("groupware"))]);
    assert_eq!(choose(&list, 0, k, &late).code(), Err("expired"));
}

/// Which provider a token is for is told by its audience, its party and its user's domain, whatever else the
/// others' policies want: nothing of it is asked of a token that is not theirs.
#[test]
fn what_the_others_of_one_issuer_want_beside_is_not_asked_of_a_token_that_is_not_theirs() {
    let k = Some("k");
    let mail = policy();
    let other = |change: fn(&mut Policy<'static>)| {
        policy_with(|policy| {
            policy.audience = Audience::OneOf(&["groupware"]);
            change(policy);
        })
    };
    let of_domain = |change: fn(&mut Policy<'static>)| {
        policy_with(|policy| {
            policy.domains = &["example.net"];
            change(policy);
        })
    };
    let typed = other(|policy| policy.require_type = true);
    for first in [
        typed,
        of_domain(|policy| policy.scopes = &["imap"]),
        of_domain(|policy| policy.username_claims = &["upn"]),
        of_domain(|policy| {
            policy.required = &[Requirement {
                claim: "groups",
                any_of: &["staff"],
            }];
        }),
        of_domain(|policy| {
            policy.active = Some(Active {
                claim: "active",
                value: None,
            });
        }),
    ] {
        let list = [(0, k, None, &first), (0, k, None, &mail)];
        assert_eq!(choose(&list, 0, k, &claims()).code(), ALICE, "{first:?}");
    }
    // One takes ID tokens, the other does not.
    let groupware = other(|_| ());
    let of_ids = policy_with(|policy| policy.id_tokens = true);
    let list = [(0, k, None, &groupware), (0, k, None, &of_ids)];
    let id_token = with(&[("typ", json!("ID"))]);
    assert_eq!(choose(&list, 0, k, &id_token).code(), ALICE);
    // A user of the second whose address is not verified.
    let strict = of_domain(|_| ());
    let lax = policy_with(|policy| policy.unverified_email = true);
    let list = [(0, k, None, &strict), (0, k, None, &lax)];
    let unverified = with(&[("email_verified", json!(false))]);
    assert_eq!(choose(&list, 0, k, &unverified).code(), ALICE);
    // A token without an audience is for whoever needs none.
    let any = policy_with(|policy| policy.audience = Audience::Any);
    let list = [(0, k, None, &mail), (0, k, None, &any)];
    assert_eq!(choose(&list, 0, k, &without("aud")).code(), ALICE);
}

/// The one that a token is for says why it is refused, not the one that is looked at last.
#[test]
fn of_several_providers_of_one_issuer_the_tokens_own_says_why_it_is_refused() {
    let k = Some("k");
    let strict = policy_with(|policy| policy.scopes = &["imap"]);
    let groupware = policy_with(|policy| policy.audience = Audience::OneOf(&["groupware"]));
    for list in [
        [(0, k, None, &strict), (0, k, None, &groupware)],
        [(0, k, None, &groupware), (0, k, None, &strict)],
    ] {
        let outcome = choose(&list, 0, k, &claims());
        assert_eq!(outcome.code(), Err("insufficient_scope"));
    }
}

/// Keys that have failed once are tried again beside a new one, and count anew.
#[test]
fn keys_that_failed_before_a_look_take_no_attempt_from_those_after_it() {
    let policy = policy();
    let providers = [Provider::new(&policy)];
    let header = json!({"alg": "ES256"});
    let token = KEYS[3].sign_with_header("ES256", &header, claims().to_string().as_bytes());
    let message = oauthbearer(&token);
    let jwks = [0, 1, 2, 3].map(|index: usize| KEYS[index].jwk("ES256"));
    let prepared = BACKENDS[0].prepare_all(&jwks);
    let all: Vec<_> = prepared
        .iter()
        .map(|key| TrustedKey::new(&*key.key, None))
        .collect();
    let mut scratch = [0; MAX_PAYLOAD];
    let settings = LoginSettings::new(&providers);
    let mut exchange = Exchange::new(settings, Mechanism::OAuthBearer, &message);
    let now = UnixTime::from_seconds(NOW);
    let (mut known, mut looks) = (3, 0);
    let mut output = exchange.step(now, Input::Start);
    loop {
        if matches!(output, Output::FindNewerKeys(_)) {
            (known, looks) = (4, looks + 1);
        }
        output = match output {
            Output::FindKeys(_) | Output::FindNewerKeys(_) => exchange.step(
                now,
                Input::Keys {
                    keys: &[&all[..known]],
                    scratch: &mut scratch,
                },
            ),
            Output::Accept(identity) => break assert_eq!(identity.user(), "alice@example.com"),
            other => panic!("{other:?}"),
        };
    }
    assert_eq!(looks, 1);
}
