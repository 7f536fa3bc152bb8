//! The promises of the core, each with a test of its name.
//!
//! The third is kept by the compiler: see the examples that must not compile at `Identity` and
//! `VerifiedPayload`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::errors::{RESPONSES, TOKENS, VIOLATIONS};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gatepost_core::app_password::Unfit;
use gatepost_core::crypto::{
    Algorithm, AlgorithmSet, HmacSecret, InvalidSignature, KeyMaterial, VerifyingKey,
};
use gatepost_core::dovecot::FailCode;
use gatepost_core::exchange::{Input, LoginSettings, MAX_PAYLOAD, Output, Provider, TrustedKey};
use gatepost_core::introspection::{Answer, FetchFailure};
use gatepost_core::jose::{self, Jwk, JwkSet, KeyBuffer, UnverifiedJwt};
use gatepost_core::sasl::{BearerToken, ClientResponse, Compat, Mechanism};
use gatepost_core::{Audience, Claim, Exchange, Policy, Rejection, UnixTime, Violation};
use gatepost_core_tests::judge::{BACKENDS, Key, judge, oauthbearer, xoauth2};
use gatepost_core_tests::mint::{ALGORITHMS, Issuer};
use serde_json::{Value, json};

const NOW: i64 = 1_795_312_000;

fn now() -> UnixTime {
    UnixTime::from_seconds(NOW)
}

fn policy() -> Policy<'static> {
    let mut policy = Policy::new("example", Audience::OneOf(&["mail"]));
    policy.issuer = Some("https://id.example.com");
    policy
}

fn claims() -> Value {
    json!({"iss": "https://id.example.com", "sub": "alice", "aud": "mail", "exp": NOW + 300})
}

/// Counts what the calling thread asks of the heap.
struct Counting;

thread_local! {
    static REQUESTS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator as it came; counting touches no heap.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        REQUESTS.with(|requests| requests.set(requests.get() + 1));
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static HEAP: Counting = Counting;

/// From the first step to the last: how often the heap was asked, and whether the login was accepted.
fn heap_requests(message: &[u8], key: Key<'_>) -> (usize, bool) {
    let mut scratch = [0; MAX_PAYLOAD];
    let providers = [Provider::new(key.policy)];
    let keys = [TrustedKey::new(key.key, key.kid)];
    let keys = &[&keys[..]];
    let rules = LoginSettings::new(&providers);
    let before = REQUESTS.get();
    let mut exchange = Exchange::new(rules, Mechanism::OAuthBearer, message);
    let mut input = Input::Start;
    let accepted = loop {
        input = match exchange.step(now(), input) {
            Output::FindKeys(_) => {
                let scratch = &mut scratch;
                Input::Keys { keys, scratch }
            }
            Output::Challenge(reply) => {
                assert!(!reply.json().is_empty());
                Input::Reply
            }
            Output::Accept(_) => break true,
            Output::Reject(_) => break false,
            Output::FindNewerKeys(_) => Input::NoNewerKeys,
            other @ (Output::Fetch(_) | Output::Again) => panic!("{other:?}"),
        };
    };
    (REQUESTS.get() - before, accepted)
}

#[test]
fn invariant_1_the_core_cannot_allocate() {
    let issuer = Issuer::new();
    let policy = policy();
    let [rustcrypto, _] = BACKENDS;
    let before = REQUESTS.get();
    drop(Box::new(1));
    assert!(REQUESTS.get() > before, "the counter counts");
    for alg in ALGORITHMS {
        let keys = rustcrypto.prepare_all(&[issuer.jwk(alg)]);
        let trusted = keys[0].trusted(&policy);
        let good = issuer.sign(alg, &claims());
        let bad = format!("{good}A");
        assert_eq!(
            heap_requests(&oauthbearer(&good), trusted),
            (0, true),
            "{alg}"
        );
        assert_eq!(
            heap_requests(&oauthbearer(&bad), trusted),
            (0, false),
            "{alg}"
        );
    }
}

#[test]
fn invariant_2_no_claim_is_judged_before_its_signature_verifies() {
    let issuer = Issuer::new();
    let policy = policy();
    let faults = [
        ("exp", json!(NOW - 1000), "expired"),
        ("exp", json!("x"), "malformed_claims"),
        ("nbf", json!(NOW + 1000), "not_yet_valid"),
        ("iat", json!(NOW + 1000), "issued_in_future"),
        ("iss", json!("https://evil.example"), "wrong_issuer"),
        ("aud", json!("other"), "wrong_audience"),
        ("cnf", json!({}), "key_bound_token"),
        ("nonce", json!("n"), "not_access_token"),
        ("sub", json!("a b"), "unusable_user_name"),
        ("sub", json!("bob"), "wrong_user"),
    ];
    for backend in BACKENDS {
        let keys = backend.prepare_all(&[issuer.jwk("ES256")]);
        let trusted = [keys[0].trusted(&policy)];
        let login = |header: &Value, payload: &str| {
            let token = issuer.sign_with_header("ES256", header, payload.as_bytes());
            let code = |token: &str| {
                let message = xoauth2("alice", token);
                let outcome = judge(
                    LoginSettings::default(),
                    Mechanism::XOAuth2,
                    &message,
                    &trusted,
                    now(),
                );
                (outcome.code().err(), outcome.provider)
            };
            (code(&token).0, code(&forged(&token)))
        };
        let header = json!({"alg": "ES256"});
        let forgery = (Some("bad_signature"), None);
        for (name, value, code) in &faults {
            let mut claims = claims();
            claims[*name] = value.clone();
            assert_eq!(
                login(&header, &claims.to_string()),
                (Some(*code), forgery.clone()),
                "{claims}"
            );
        }
        for payload in ["[]", "{", "", r#"{"exp":1,"exp":2}"#] {
            assert_eq!(
                login(&header, payload),
                (Some("malformed_claims"), forgery.clone()),
                "{payload}"
            );
        }
        // The header's type is a claim about the token as well.
        let typed = json!({"alg": "ES256", "typ": "logout+jwt"});
        let (judged, forged) = login(&typed, &claims().to_string());
        assert_eq!(
            (judged, forged),
            (Some("not_access_token"), forgery.clone())
        );
        assert_eq!(login(&header, &claims().to_string()), (None, forgery));
    }
}

/// `token` with the first bit of its signature changed.
fn forged(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').expect("a signature");
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    bytes[0] ^= 1;
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes))
}

fn faults_of_the_client() -> Vec<Rejection> {
    let alone = [
        Rejection::ResponseTooLong,
        Rejection::OpaqueToken,
        Rejection::UnknownKey,
        Rejection::AmbiguousKey,
        Rejection::AlgorithmNotAllowed,
        Rejection::BadSignature,
        Rejection::TokenRefused,
        Rejection::PasswordNotTaken,
        Rejection::PasswordRefused,
        Rejection::PasswordGrantRefused,
        Rejection::MistypedPassword,
        Rejection::AppPassword(Unfit::Unknown),
        Rejection::AppPassword(Unfit::WrongService),
        Rejection::AppPassword(Unfit::WrongNetwork),
        Rejection::AppPassword(Unfit::Expired),
        Rejection::AppPassword(Unfit::Revoked),
        Rejection::AppPassword(Unfit::Disabled),
        Rejection::AppPasswordRequired,
        Rejection::PasswordNotAllowed,
        Rejection::UnknownAccount,
        Rejection::AccountDisabled,
        Rejection::AccountRenamed,
        Rejection::NoMailbox,
        Rejection::AddressTaken,
    ];
    let responses = RESPONSES.map(Rejection::Response);
    // How much room there is, or what a policy asks for, is no token's fault.
    let tokens = TOKENS.into_iter();
    let tokens = tokens.filter(|error| *error != jose::Error::PayloadTooLong);
    let tokens = tokens.map(Rejection::Token);
    let claims = VIOLATIONS.into_iter();
    let claims = claims.filter(|violation| *violation != Violation::PolicyTooLarge);
    let claims = claims.map(Rejection::Claims);
    alone
        .into_iter()
        .chain(responses)
        .chain(tokens)
        .chain(claims)
        .collect()
}

const FAULTS_OF_OURS: [Rejection; 12] = [
    Rejection::Claims(Violation::PolicyTooLarge),
    Rejection::MalformedMember(Claim::Exp),
    Rejection::NoKeys,
    Rejection::ClockNotSet,
    Rejection::KeysUnavailable,
    Rejection::ProviderUnavailable,
    Rejection::UnusableAnswer,
    Rejection::ClientRefused,
    Rejection::AccountsUnavailable,
    Rejection::Busy,
    Rejection::OutOfOrder,
    Rejection::NoRoom,
];

#[test]
fn invariant_4_a_bad_token_is_never_a_temporary_failure() {
    for rejection in faults_of_the_client() {
        assert!(rejection.status().is_some(), "{rejection:?}");
        assert_ne!(
            rejection.failure(None).code,
            Some(FailCode::TempFail),
            "{rejection:?}"
        );
        assert!(
            !rejection.reason().starts_with("Temporary"),
            "{rejection:?}"
        );
    }
    for rejection in FAULTS_OF_OURS {
        assert_eq!(rejection.status(), None, "{rejection:?}");
        assert_eq!(
            rejection.failure(None).code,
            Some(FailCode::TempFail),
            "{rejection:?}"
        );
        assert!(
            rejection.reason().starts_with("Temporary failure: "),
            "{rejection:?}"
        );
    }
    // Nothing was forgotten: the lists above hold every variant there is.
    let all: Vec<Rejection> = faults_of_the_client()
        .into_iter()
        .chain(FAULTS_OF_OURS)
        .collect();
    check_complete(
        include_str!("../../../../core/src/rejection.rs"),
        "enum Rejection",
        &all,
    );
    check_complete(
        include_str!("../../../../core/src/sasl/error.rs"),
        "enum Error",
        &RESPONSES,
    );
    check_complete(
        include_str!("../../../../core/src/jose/mod.rs"),
        "enum Error",
        &TOKENS,
    );
    check_complete(
        include_str!("../../../../core/src/policy.rs"),
        "enum Violation",
        &VIOLATIONS,
    );
}

/// The variants of the enum in `source` are those that `values` show.
#[track_caller]
fn check_complete(source: &str, head: &str, values: &[impl Debug]) {
    let (_, body) = source.split_once(head).expect("the enum is there");
    let body = body.split("\n}").next().expect("its end");
    let variant = |text: &str| {
        text.split(|c: char| !c.is_alphanumeric())
            .next()
            .map(str::to_owned)
    };
    let written = body.lines().filter_map(|line| line.strip_prefix("    "));
    let written = written.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
    let written: BTreeSet<_> = written.filter_map(variant).collect();
    let listed: BTreeSet<_> = values
        .iter()
        .filter_map(|value| variant(&format!("{value:?}")))
        .collect();
    assert_eq!(listed, written, "{head}");
}

#[test]
fn invariant_5_debug_shows_no_token_and_no_secret() {
    let issuer = Issuer::new();
    let policy = policy();
    let token = issuer.sign("HS256", &claims());
    let message = oauthbearer(&token);
    let secret = issuer.secret("HS256");
    let jwk = issuer.jwk("HS256").to_string();
    let set = issuer.jwk_set().to_string();
    let mut shown = vec![];
    let mut show = |value: &dyn Debug| {
        // It says what it is, if not what it holds.
        assert!(!format!("{value:?}").is_empty());
        shown.extend([format!("{value:?}"), format!("{value:#?}")]);
    };

    let response = ClientResponse::parse(Mechanism::OAuthBearer, Compat::Strict, &message).unwrap();
    show(&response);
    let password = [b"\0alice\0", token.as_bytes()].concat();
    let response = ClientResponse::parse(Mechanism::Plain, Compat::Strict, &password).unwrap();
    show(&response);
    show(&BearerToken::new(token.as_bytes()).unwrap());
    let parsed = Jwk::parse(jwk.as_bytes()).unwrap();
    let mut buffer = KeyBuffer::new();
    show(&parsed);
    show(&parsed.material_or_secret(&mut buffer).unwrap());
    show(&buffer);
    show(&HmacSecret::new(secret).unwrap());
    show(&KeyMaterial::Hmac(HmacSecret::new(secret).unwrap()));
    show(&JwkSet::parse(set.as_bytes()).unwrap());
    show_prepared_keys(&parsed, &mut show);
    let jwt = UnverifiedJwt::parse(&token).unwrap();
    show(&jwt);
    let key = BACKENDS[0].prepare(&issuer.jwk("HS256")).unwrap();
    show(&jwt.verify(&*key.key, &mut [0; MAX_PAYLOAD]).unwrap());
    show(&Answer {
        www_authenticate: "",
        status: 200,
        content_type: "application/json",
        body: token.as_bytes(),
    });

    let providers = [Provider::new(&policy)];
    let trusted = [TrustedKey::new(&*key.key, key.kid.as_deref())];
    for keys in [&[&trusted[..]], &[&[][..]]] {
        show(&keys);
        let rules = LoginSettings::new(&providers);
        let mut exchange = Exchange::new(rules, Mechanism::OAuthBearer, &message);
        show(&exchange);
        show(&exchange.step(now(), Input::Start));
        show(&exchange);
        let mut scratch = token.as_bytes().to_vec();
        show(&Input::Keys {
            keys,
            scratch: &mut scratch,
        });
        scratch.resize(MAX_PAYLOAD, 0);
        show(&exchange.step(
            now(),
            Input::Keys {
                keys,
                scratch: &mut scratch,
            },
        ));
        show(&exchange);
    }
    assert!(shown.len() > 40);
    for text in &shown {
        for part in token
            .split('.')
            .skip(1)
            .chain([&*URL_SAFE_NO_PAD.encode(secret)])
        {
            assert!(!text.contains(part), "{text}");
        }
        for bytes in [secret, token.as_bytes(), claims().to_string().as_bytes()] {
            assert!(!shows_bytes(text, &bytes[..8]), "{text}");
        }
    }
}

fn show_prepared_keys(jwk: &Jwk<'_>, show: &mut impl FnMut(&dyn Debug)) {
    use gatepost_core::crypto::{Backend as _, RustCrypto};
    let mut buffer = KeyBuffer::new();
    let material = jwk.material_or_secret(&mut buffer).unwrap();
    show(&RustCrypto.prepare(&material, AlgorithmSet::ALL).unwrap());
    show(
        &gatepost_aws_lc::AwsLc
            .prepare(&material, AlgorithmSet::ALL)
            .unwrap(),
    );
}

/// Whether `text` holds `bytes` as a list of numbers, on one line or on many.
fn shows_bytes(text: &str, bytes: &[u8]) -> bool {
    let list = bytes
        .iter()
        .map(u8::to_string)
        .collect::<Vec<_>>()
        .join(",");
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    text.contains(&list)
}

/// A key that counts how often it is asked, and never verifies.
#[derive(Default)]
struct CountingKey(AtomicUsize);

impl VerifyingKey for CountingKey {
    fn algorithms(&self) -> AlgorithmSet {
        AlgorithmSet::ALL
    }

    fn verify(&self, _: Algorithm, _: &[u8], _: &[u8]) -> Result<(), InvalidSignature> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Err(InvalidSignature)
    }
}

/// Judges `message` with `count` keys; what came of it, and the verifications of each step.
fn verifications(mechanism: Mechanism, message: &[u8], count: usize) -> (&'static str, Vec<usize>) {
    let key = CountingKey::default();
    let policy = policy();
    let keys = vec![TrustedKey::new(&key, None); count];
    let keys = [keys.as_slice()];
    let providers = [Provider::new(&policy)];
    let rules = LoginSettings::new(&providers);
    let mut scratch = [0; MAX_PAYLOAD];
    let mut steps = vec![];
    let mut exchange = Exchange::new(rules, mechanism, message);
    let mut input = Input::Start;
    loop {
        let before = key.0.load(Ordering::Relaxed);
        let output = exchange.step(now(), input);
        steps.push(key.0.load(Ordering::Relaxed) - before);
        input = match output {
            Output::FindKeys(_) => Input::Keys {
                keys: &keys,
                scratch: &mut scratch,
            },
            Output::Challenge(_) => Input::Reply,
            Output::Reject(rejection) => return (rejection.code(), steps),
            Output::FindNewerKeys(_) => Input::NoNewerKeys,
            other @ (Output::Fetch(_) | Output::Again | Output::Accept(_)) => {
                panic!("{other:?}")
            }
        };
    }
}

/// A token of HS256 with any header, payload and signature of zeros.
fn unsigned(header: &Value, payload: &str, signature: usize) -> String {
    let signature = URL_SAFE_NO_PAD.encode(vec![0; signature]);
    format!(
        "{}.{}.{signature}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(payload)
    )
}

#[test]
fn invariant_6_the_work_of_a_step_is_bounded() {
    let header = json!({"alg": "HS256"});
    let code =
        |token: &str, count| verifications(Mechanism::OAuthBearer, &oauthbearer(token), count);
    let plain = unsigned(&header, &claims().to_string(), 32);
    for count in 1..=64 {
        let (code, steps) = code(&plain, count);
        assert_eq!(code, "bad_signature");
        assert_eq!(steps.iter().max(), Some(&1), "one verification a step");
        assert_eq!(steps.iter().sum::<usize>(), count.min(4), "four a login");
    }
    // At the bounds, the signature is what is wrong; beyond them, it is never looked at.
    let with = |name: &str, length: usize| json!({"alg": "HS256", name: "a".repeat(length)});
    let filler = header_filler();
    let padded = |length: usize| {
        let token = unsigned(&header, &claims().to_string(), 32);
        let (head, signature) = token.rsplit_once('.').expect("a signature");
        format!("{head}{}.{signature}", "A".repeat(length - token.len()))
    };
    for (within, beyond, expected) in [
        (
            unsigned(&with("kid", 256), "{}", 32),
            unsigned(&with("kid", 257), "{}", 32),
            "malformed_token",
        ),
        (
            unsigned(&with("x", filler), "{}", 32),
            unsigned(&with("x", filler + 1), "{}", 32),
            "malformed_token",
        ),
        (
            unsigned(&header, "{}", 512),
            unsigned(&header, "{}", 513),
            "malformed_token",
        ),
        (padded(8192), padded(8193), "token_too_long"),
    ] {
        assert_eq!(
            code(&within, 1),
            ("bad_signature", vec![0, 1, 0]),
            "{}",
            within.len()
        );
        assert_eq!(code(&beyond, 1), (expected, vec![0, 0]), "{}", beyond.len());
    }
}

/// How long the member `x` of a header may be, so that the header has 1,024 bytes.
fn header_filler() -> usize {
    1024 - json!({"alg": "HS256", "x": ""}).to_string().len()
}

#[test]
fn invariant_8_defaults_are_the_safe_choice() {
    let issuer = Issuer::new();
    let keys = BACKENDS[0].prepare_all(&[issuer.jwk("HS256")]);
    let policy = Policy::new("example", Audience::OneOf(&["mail"]));
    let trusted = [keys[0].trusted(&policy)];
    let login = |claims: &Value, end: &str| {
        let header = json!({"alg": "HS256"});
        let token = issuer.sign_with_header("HS256", &header, claims.to_string().as_bytes());
        let message = format!("n,,\x01auth=Bearer {token}{end}");
        let outcome = judge(
            LoginSettings::default(),
            Mechanism::OAuthBearer,
            message.as_bytes(),
            &trusted,
            now(),
        );
        outcome.verdict.map_err(Rejection::code)
    };
    assert_eq!(login(&claims(), "\x01\x01").as_deref(), Ok("alice"));
    assert_eq!(
        login(&claims(), "\x01"),
        Err("malformed_response"),
        "what Dovecot 2.3 takes"
    );
    for (name, value, code) in [
        ("aud", json!("other"), "wrong_audience"),
        ("nonce", json!("n"), "not_access_token"),
        ("cnf", json!({}), "key_bound_token"),
        ("exp", json!(NOW - 60), "expired"),
    ] {
        let mut claims = claims();
        claims[name] = value;
        assert_eq!(login(&claims, "\x01\x01"), Err(code), "{name}");
    }
    let failure = FetchFailure::Timeout;
    let mut exchange = Exchange::new(LoginSettings::default(), Mechanism::OAuthBearer, b"n,,\x01");
    let ended = exchange.step(now(), Input::FetchFailed(failure));
    assert!(
        matches!(ended, Output::Reject(Rejection::OutOfOrder)),
        "what was not asked for is refused"
    );
}
