//! Providers that are found, asked and kept current over the network.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gatepost_aws_lc::AwsLc;
use gatepost_core::introspection::{About, ClientPlace, Mode};
use gatepost_core::{UnixTime, exchange::LoginSettings, sasl::Mechanism};
use gatepost_tests::mint::Issuer;
use gatepost_tests::stub::{Behaviour, Page, Stub};
use gatepost_tokio::{
    Attempt, ClientSettings, Network, OnlineSettings, Outcome, Place, ProviderSettings, Providers,
    Verdict, judge,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Handle;

const ALICE: &str = "alice@example.com";
const NETWORK: Network = Network::of_connection(1);
const METADATA: &str = "/.well-known/openid-configuration";

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs().try_into().unwrap()
}

fn settings(issuer: &str) -> ProviderSettings {
    let mut settings = ProviderSettings::new("example", Some(vec!["mail".to_owned()]));
    settings.issuer = Some(issuer.to_owned());
    settings.username_claims = vec!["email".to_owned()];
    let mut online = OnlineSettings::default();
    online.http.timeout = Duration::from_millis(500);
    settings.online = Some(online);
    settings
}

/// Settings of a provider that is asked about opaque tokens by introspection.
fn asking(issuer: &str) -> ProviderSettings {
    let mut settings = settings(issuer);
    let online = settings.online.as_mut().unwrap();
    online.about = Some(About::OpaqueTokens);
    online.introspection_mode = Mode::Post;
    online.client = Some(ClientSettings {
        id: "rs".to_owned(),
        secret: "secret".to_owned(),
        place: ClientPlace::Basic,
    });
    settings
}

fn place(state: Option<&TempDir>) -> Place {
    Place {
        runtime: Handle::current(),
        state: state.map(|state| state.path().to_owned()),
        answer_cache: 64 << 20,
    }
}

async fn start(settings: ProviderSettings, place: &Place) -> Arc<Providers> {
    let (providers, warnings) = Providers::start(&AwsLc, vec![settings], place, None).unwrap();
    assert_eq!(warnings, []);
    providers.looked_for().await;
    Arc::new(providers)
}

async fn login(providers: &Providers, token: &str) -> Verdict {
    let message = format!("user={ALICE}\x01auth=Bearer {token}\x01\x01");
    let attempt = Attempt {
        mechanism: Mechanism::XOAuth2,
        message: message.as_bytes(),
        origin: None,
        network: NETWORK,
    };
    let clock = || UnixTime::from_seconds(now());
    judge(providers, LoginSettings::default(), attempt, clock).await
}

fn code(verdict: &Verdict) -> Result<&str, &'static str> {
    match &verdict.outcome {
        Outcome::Accepted(identity) => Ok(identity.user()),
        Outcome::Refused { rejection, .. } => Err(rejection.code()),
    }
}

#[track_caller]
fn check(verdict: &Verdict, expected: Result<&str, &str>) {
    assert_eq!(code(verdict), expected);
}

fn claims(issuer: &str) -> Value {
    json!({
        "iss": issuer, "sub": "1", "aud": "mail", "email": ALICE,
        "iat": now() - 120, "exp": now() + 600,
    })
}

fn public(issuer: &Issuer, kid: &str) -> Value {
    let mut jwk = issuer.jwk("ES256");
    jwk["kid"] = json!(kid);
    jwk
}

fn signed(issuer: &Issuer, kid: &str, claims: &Value) -> String {
    let header = json!({"alg": "ES256", "kid": kid, "typ": "at+jwt"});
    issuer.sign_with_header("ES256", &header, claims.to_string().as_bytes())
}

#[tokio::test]
async fn an_issuer_alone_is_enough_and_its_rotation_is_followed() {
    let stub = Stub::provider().unwrap();
    let (old, new) = (Issuer::new(), Issuer::new());
    stub.set_json("/jwks", &json!({"keys": [public(&old, "old")]}));
    let providers = start(settings(&stub.issuer()), &place(None)).await;
    let claims = claims(&stub.issuer());
    check(
        &login(&providers, &signed(&old, "old", &claims)).await,
        Ok(ALICE),
    );
    stub.set_json("/jwks", &json!({"keys": [public(&new, "new")]}));
    check(
        &login(&providers, &signed(&new, "new", &claims)).await,
        Ok(ALICE),
    );
    // The old key is gone, and nobody is asked again so soon.
    let verdict = login(&providers, &signed(&old, "old", &claims)).await;
    check(&verdict, Err("unknown_key"));
    assert_eq!(stub.seen("/jwks").len(), 2);
}

#[tokio::test]
async fn a_thousand_unknown_keys_cause_one_fetch_and_tell_bad_from_unknown() {
    let stub = Stub::provider().unwrap();
    let issuer = Issuer::new();
    stub.set_json("/jwks", &json!({"keys": [public(&issuer, "k")]}));
    let providers = start(settings(&stub.issuer()), &place(None)).await;
    let claims = claims(&stub.issuer());
    let stranger = Issuer::new();
    let mut codes = std::collections::BTreeMap::new();
    for index in 0..1000 {
        let token = signed(&stranger, &format!("k{index}"), &claims);
        let verdict = login(&providers, &token).await;
        *codes.entry(code(&verdict).unwrap_err()).or_insert(0) += 1;
    }
    // Issued two minutes before the set was fetched: the key would be there.
    assert_eq!(codes, [("unknown_key", 1000)].into());
    let mut fresh = claims.clone();
    fresh["iat"] = json!(now());
    // Issued since: it may be signed with a key that is newer than the set.
    let verdict = login(&providers, &signed(&stranger, "newer", &fresh)).await;
    check(&verdict, Err("keys_unavailable"));
    assert_eq!(stub.seen("/jwks").len(), 2);
    check(
        &login(&providers, &signed(&issuer, "k", &claims)).await,
        Ok(ALICE),
    );
}

#[tokio::test]
async fn invariant_7_waiting_for_a_slow_key_set_delays_nobody_else() {
    let stub = Stub::provider().unwrap();
    let issuer = Issuer::new();
    let keys = json!({"keys": [public(&issuer, "k")]});
    stub.set_json("/jwks", &keys);
    let providers = start(settings(&stub.issuer()), &place(None)).await;
    stub.set("/jwks", Behaviour::Silence);
    let claims = claims(&stub.issuer());
    let unknown = signed(&Issuer::new(), "x", &claims);
    let waiting: Vec<_> = (0..200)
        .map(|_| {
            let (providers, unknown) = (Arc::clone(&providers), unknown.clone());
            tokio::spawn(async move { code(&login(&providers, &unknown).await).unwrap_err() })
        })
        .collect();
    tokio::task::yield_now().await;
    check(
        &login(&providers, &signed(&issuer, "k", &claims)).await,
        Ok(ALICE),
    );
    assert!(
        waiting.iter().any(|login| !login.is_finished()),
        "it was not waited for"
    );
    for login in waiting {
        assert_eq!(login.await.unwrap(), "keys_unavailable");
    }
    assert_eq!(stub.seen("/jwks").len(), 2);
}

#[tokio::test]
async fn a_start_without_the_provider_uses_what_lies_on_disk() {
    let state = TempDir::new().unwrap();
    let stub = Stub::provider().unwrap();
    let issuer = Issuer::new();
    stub.set_json("/jwks", &json!({"keys": [public(&issuer, "k")]}));
    let name = stub.issuer();
    drop(start(settings(&name), &place(Some(&state))).await);
    drop(stub);
    let token = signed(&issuer, "k", &claims(&name));
    let providers = start(settings(&name), &place(Some(&state))).await;
    check(&login(&providers, &token).await, Ok(ALICE));
    let newer = signed(&Issuer::new(), "newer", &claims(&name));
    check(&login(&providers, &newer).await, Err("keys_unavailable"));

    // Nothing there, or nothing that is whole and the issuer's own: it is our fault, not the token's.
    let nothing = start(settings(&name), &place(None)).await;
    check(&login(&nothing, &token).await, Err("keys_unavailable"));
    let file = std::fs::read_dir(&state).unwrap().next().unwrap().unwrap();
    let text = std::fs::read_to_string(file.path()).unwrap();
    for damaged in [
        text[..text.len() / 2].to_owned(),
        text.replacen(&name, "https://other.example", 1),
        "x".repeat(300_000),
    ] {
        std::fs::write(file.path(), damaged).unwrap();
        let providers = start(settings(&name), &place(Some(&state))).await;
        check(&login(&providers, &token).await, Err("keys_unavailable"));
    }
}

#[tokio::test]
async fn metadata_of_another_issuer_and_foreign_redirects_are_refused() {
    let stub = Stub::provider().unwrap();
    let other = Stub::provider().unwrap();
    let issuer = Issuer::new();
    let keys = json!({"keys": [public(&issuer, "k")]});
    stub.set_json("/jwks", &keys);
    other.set_json("/jwks", &keys);
    let token = signed(&issuer, "k", &claims(&stub.issuer()));
    let mut foreign = stub.metadata();
    foreign["issuer"] = json!(format!("{}/", stub.issuer()));
    let redirect = |to: String| {
        let page = Page::of(302, "text/plain", "").with(&format!("Location: {to}"));
        Behaviour::Answer(page)
    };
    for (path, behaviour, expected) in [
        (
            METADATA,
            Behaviour::Answer(Page::json(200, &foreign)),
            Err("keys_unavailable"),
        ),
        (
            METADATA,
            redirect(other.url(METADATA)),
            Err("keys_unavailable"),
        ),
        (METADATA, redirect("/moved".to_owned()), Ok(ALICE)),
        (
            "/jwks",
            redirect(other.url("/jwks")),
            Err("keys_unavailable"),
        ),
        (
            "/jwks",
            redirect("/jwks".to_owned()),
            Err("keys_unavailable"),
        ),
        (
            "/jwks",
            Behaviour::Answer(Page::of(200, "text/html", "<html>")),
            Err("keys_unavailable"),
        ),
        (
            "/jwks",
            Behaviour::Half(Page::json(200, &keys)),
            Err("keys_unavailable"),
        ),
        (
            "/jwks",
            Behaviour::Answer(Page::json(500, &keys)),
            Err("keys_unavailable"),
        ),
        (
            "/jwks",
            Behaviour::Answer(Page::of(200, "application/json", vec![b' '; 65_537])),
            Err("keys_unavailable"),
        ),
    ] {
        stub.set_json(METADATA, &stub.metadata());
        stub.set_json("/moved", &stub.metadata());
        stub.set_json("/jwks", &keys);
        stub.set(path, behaviour.clone());
        let providers = start(settings(&stub.issuer()), &place(None)).await;
        let verdict = login(&providers, &token).await;
        assert_eq!(code(&verdict), expected, "{path} {behaviour:?}");
    }
    assert_eq!(other.seen("/jwks").len() + other.seen(METADATA).len(), 0);
}

#[tokio::test]
async fn oauth_metadata_are_looked_for_where_openid_has_none() {
    let stub = Stub::start().unwrap();
    let issuer = Issuer::new();
    stub.set_json("/.well-known/oauth-authorization-server", &stub.metadata());
    stub.set_json("/jwks", &json!({"keys": [public(&issuer, "k")]}));
    let providers = start(settings(&stub.issuer()), &place(None)).await;
    let token = signed(&issuer, "k", &claims(&stub.issuer()));
    check(&login(&providers, &token).await, Ok(ALICE));
}

#[tokio::test]
async fn a_published_secret_verifies_nothing() {
    let stub = Stub::provider().unwrap();
    let issuer = Issuer::new();
    let keys = json!({"keys": [issuer.jwk("HS256"), issuer.jwk("ES256")]});
    stub.set_json("/jwks", &keys);
    let providers = start(settings(&stub.issuer()), &place(None)).await;
    let claims = claims(&stub.issuer());
    check(
        &login(&providers, &issuer.sign("ES256", &claims)).await,
        Ok(ALICE),
    );
    let verdict = login(&providers, &issuer.sign("HS256", &claims)).await;
    check(&verdict, Err("unknown_key"));
}

#[tokio::test]
async fn keys_never_cross_issuers() {
    let (one, other) = (Stub::provider().unwrap(), Stub::provider().unwrap());
    let (ours, theirs) = (Issuer::new(), Issuer::new());
    one.set_json("/jwks", &json!({"keys": [public(&ours, "a")]}));
    other.set_json("/jwks", &json!({"keys": [public(&theirs, "b")]}));
    let mut second = settings(&other.issuer());
    second.name = "other".to_owned();
    let all = vec![settings(&one.issuer()), second];
    let (providers, _) = Providers::start(&AwsLc, all, &place(None), None).unwrap();
    providers.looked_for().await;
    let forged = signed(&theirs, "b", &claims(&one.issuer()));
    check(&login(&providers, &forged).await, Err("unknown_key"));
    for (issuer, kid, stub) in [(&ours, "a", &one), (&theirs, "b", &other)] {
        let token = signed(issuer, kid, &claims(&stub.issuer()));
        check(&login(&providers, &token).await, Ok(ALICE));
    }
}

fn active() -> Value {
    json!({"active": true, "aud": "mail", "email": ALICE, "exp": now() + 600})
}

#[tokio::test]
async fn simultaneous_logins_with_one_token_ask_once() {
    let stub = Stub::provider().unwrap();
    stub.set_json("/jwks", &json!({"keys": [public(&Issuer::new(), "k")]}));
    let page = Page::json(200, &active());
    stub.set(
        "/introspect",
        Behaviour::After(Duration::from_millis(100), page),
    );
    let providers = start(asking(&stub.issuer()), &place(None)).await;
    let logins: Vec<_> = (0..500)
        .map(|_| {
            let providers = Arc::clone(&providers);
            tokio::spawn(async move { code(&login(&providers, "opaque").await).map(str::to_owned) })
        })
        .collect();
    for login in logins {
        assert_eq!(login.await.unwrap().as_deref(), Ok(ALICE));
    }
    let seen = stub.seen("/introspect");
    assert_eq!(seen.len(), 1);
    assert_eq!((&*seen[0].method, &*seen[0].body), ("POST", "token=opaque"));
    assert_eq!(seen[0].headers["authorization"], "Basic cnM6c2VjcmV0");
    assert_eq!(
        seen[0].headers["content-type"],
        "application/x-www-form-urlencoded"
    );
    // Another token is another question.
    check(&login(&providers, "other").await, Ok(ALICE));
    assert_eq!(stub.seen("/introspect").len(), 2);
}

#[tokio::test]
async fn answers_are_believed_for_as_long_as_they_are_settled() {
    let stub = Stub::provider().unwrap();
    stub.set_json("/jwks", &json!({"keys": [public(&Issuer::new(), "k")]}));
    let mut never = asking(&stub.issuer());
    never.online.as_mut().unwrap().cache = Duration::ZERO;
    let never = start(never, &place(None)).await;
    let kept = start(asking(&stub.issuer()), &place(None)).await;
    let asked = || stub.seen("/introspect").len();
    stub.set_json("/introspect", &active());
    for expected in [1, 2] {
        check(&login(&never, "t").await, Ok(ALICE));
        assert_eq!(asked(), expected, "nothing is kept");
    }
    check(&login(&kept, "t").await, Ok(ALICE));
    stub.set_json("/introspect", &json!({"active": false}));
    check(&login(&kept, "t").await, Ok(ALICE));
    assert_eq!(asked(), 3, "a good answer is kept");
    check(&login(&kept, "bad").await, Err("token_refused"));
    stub.set_json("/introspect", &active());
    check(&login(&kept, "bad").await, Err("token_refused"));
    assert_eq!(asked(), 4, "a bad one as well, for a moment");
    stub.set(
        "/introspect",
        Behaviour::Answer(Page::json(500, &json!({}))),
    );
    for expected in [5, 6] {
        check(&login(&kept, "new").await, Err("provider_unavailable"));
        assert_eq!(asked(), expected, "a failure is not");
    }
}

#[tokio::test]
async fn a_kept_answer_is_judged_anew() {
    let stub = Stub::provider().unwrap();
    stub.set_json("/jwks", &json!({"keys": [public(&Issuer::new(), "k")]}));
    let providers = start(asking(&stub.issuer()), &place(None)).await;
    let mut answer = active();
    answer["exp"] = json!(now() - 50);
    stub.set_json("/introspect", &answer);
    check(&login(&providers, "t").await, Ok(ALICE));
    let attempt = Attempt {
        mechanism: Mechanism::XOAuth2,
        message: b"user=bob@example.com\x01auth=Bearer t\x01\x01",
        origin: None,
        network: NETWORK,
    };
    let at = |seconds| move || UnixTime::from_seconds(now() + seconds);
    let verdict = judge(&providers, LoginSettings::default(), attempt, at(0)).await;
    check(&verdict, Err("wrong_user"));
    let message = format!("user={ALICE}\x01auth=Bearer t\x01\x01");
    let attempt = Attempt {
        message: message.as_bytes(),
        ..attempt
    };
    let verdict = judge(&providers, LoginSettings::default(), attempt, at(20)).await;
    check(&verdict, Err("expired"));
    assert_eq!(stub.seen("/introspect").len(), 1);
}

#[tokio::test]
async fn faults_of_the_provider_are_temporary_and_bounded() {
    let stub = Stub::provider().unwrap();
    stub.set_json("/jwks", &json!({"keys": [public(&Issuer::new(), "k")]}));
    let page = || Page::json(200, &active());
    let long = Page::of(200, "application/json", vec![b' '; 65_537]);
    for (behaviour, expected) in [
        (Behaviour::Silence, "provider_unavailable"),
        (Behaviour::Reset, "provider_unavailable"),
        (Behaviour::Half(page()), "provider_unavailable"),
        (
            Behaviour::Drip(Duration::from_millis(50), page()),
            "provider_unavailable",
        ),
        (
            Behaviour::After(Duration::from_secs(2), page()),
            "provider_unavailable",
        ),
        (Behaviour::Answer(long), "unusable_answer"),
        (
            Behaviour::Answer(Page::of(302, "text/plain", "").with("Location: /good")),
            "provider_unavailable",
        ),
        (
            Behaviour::Answer(Page::json(401, &json!({"email": ALICE}))),
            "client_refused",
        ),
        (
            Behaviour::Answer(Page::of(200, "text/html", "<html>")),
            "unusable_answer",
        ),
    ] {
        stub.set_json("/good", &active());
        stub.set("/introspect", behaviour.clone());
        // A breaker of its own for each.
        let providers = start(asking(&stub.issuer()), &place(None)).await;
        let verdict = login(&providers, "t").await;
        assert_eq!(code(&verdict), Err(expected), "{behaviour:?}");
    }
    assert_eq!(
        stub.seen("/good").len(),
        0,
        "no redirect is followed with a token"
    );
}

#[tokio::test]
async fn a_provider_that_keeps_failing_is_left_alone() {
    let stub = Stub::provider().unwrap();
    stub.set_json("/jwks", &json!({"keys": [public(&Issuer::new(), "k")]}));
    let providers = start(asking(&stub.issuer()), &place(None)).await;
    stub.set("/introspect", Behaviour::Reset);
    for index in 0..20 {
        let verdict = login(&providers, &format!("t{index}")).await;
        check(&verdict, Err("provider_unavailable"));
    }
    assert_eq!(stub.seen("/introspect").len(), 10, "each of five twice");
}

/// K2: a provider that rotates without a new `kid` is looked at again, once in a while.
#[tokio::test]
async fn a_new_key_under_the_old_kid_is_found() {
    let stub = Stub::provider().unwrap();
    let (old, new) = (Issuer::new(), Issuer::new());
    stub.set_json("/jwks", &json!({"keys": [public(&old, "k")]}));
    let providers = start(settings(&stub.issuer()), &place(None)).await;
    let claims = claims(&stub.issuer());
    check(
        &login(&providers, &signed(&old, "k", &claims)).await,
        Ok(ALICE),
    );
    stub.set_json("/jwks", &json!({"keys": [public(&new, "k")]}));
    check(
        &login(&providers, &signed(&new, "k", &claims)).await,
        Ok(ALICE),
    );
    check(
        &login(&providers, &signed(&old, "k", &claims)).await,
        Err("bad_signature"),
    );
    // Whoever forges has the keys fetched no more often than that.
    let fetched = stub.seen("/jwks").len();
    for _ in 0..20 {
        let forged = signed(&Issuer::new(), "k", &claims);
        check(&login(&providers, &forged).await, Err("bad_signature"));
    }
    assert_eq!(stub.seen("/jwks").len(), fetched);
    // Nor does that delay the look for a key that is not known.
    let next = Issuer::new();
    stub.set_json(
        "/jwks",
        &json!({"keys": [public(&new, "k"), public(&next, "next")]}),
    );
    check(
        &login(&providers, &signed(&next, "next", &claims)).await,
        Ok(ALICE),
    );
}

#[tokio::test]
async fn a_probe_asks_where_the_metadata_are_fetched() {
    let stub = Stub::start().unwrap();
    let settings = |issuer: String, metadata_url: Option<String>| {
        let mut settings = settings(&issuer);
        settings.online.as_mut().unwrap().metadata_url = metadata_url;
        settings
    };
    let well_known = |path: &str| stub.url(&format!("{path}/.well-known/openid-configuration"));
    for (settings, expected) in [
        (settings(stub.issuer(), None), well_known("")),
        (
            settings(stub.url("/{tenantid}/v2.0"), None),
            well_known("/organizations/v2.0"),
        ),
        (
            settings("accounts.example.com".to_owned(), Some(stub.url("/m"))),
            stub.url("/m"),
        ),
    ] {
        let providers = start(settings, &place(None)).await;
        assert_eq!(providers.probe(0).await.unwrap().url, expected);
    }
}
