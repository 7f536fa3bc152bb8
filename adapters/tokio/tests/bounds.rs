//! What many logins share at a provider, and what strangers cannot take from others.

use std::sync::Arc;
use std::time::Duration;

use gatepost_aws_lc::AwsLc;
use gatepost_core::introspection::{About, ClientPlace, Mode};
use gatepost_core::{UnixTime, exchange::LoginSettings, sasl::Mechanism};
use gatepost_tests::mint::Issuer;
use gatepost_tests::stub::{Behaviour, Page, Stub};
use gatepost_tokio::{
    Attempt, ClientSettings, Network, OnlineSettings, Outcome, Place, ProviderSettings, Providers,
    judge,
};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

const ALICE: &str = "alice@example.com";

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs().try_into().unwrap()
}

fn network(last: u8) -> Network {
    Network::of([192, 0, 2, last].into())
}

/// A provider with keys that is asked about opaque tokens by introspection.
fn asking(stub: &Stub) -> ProviderSettings {
    stub.set_json("/jwks", &json!({"keys": [public(&Issuer::new(), "k")]}));
    let mut settings = bare(stub);
    let online = settings.online.as_mut().unwrap();
    online.introspection_mode = Mode::Post;
    online.client = Some(ClientSettings {
        id: "rs".to_owned(),
        secret: "secret".to_owned(),
        place: ClientPlace::Basic,
    });
    settings
}

/// A provider whose tokeninfo endpoint is asked: a token is a path of the stub there.
fn informing(stub: &Stub) -> ProviderSettings {
    stub.set_json("/jwks", &json!({"keys": [public(&Issuer::new(), "k")]}));
    let mut settings = bare(stub);
    settings.online.as_mut().unwrap().tokeninfo_url = Some(stub.url("/info/"));
    settings
}

fn bare(stub: &Stub) -> ProviderSettings {
    let mut settings = ProviderSettings::new("example", Some(vec!["mail".to_owned()]));
    settings.issuer = Some(stub.issuer());
    settings.username_claims = vec!["email".to_owned()];
    let mut online = OnlineSettings {
        about: Some(About::OpaqueTokens),
        ..OnlineSettings::default()
    };
    online.http.timeout = Duration::from_millis(500);
    settings.online = Some(online);
    settings
}

fn public(issuer: &Issuer, kid: &str) -> Value {
    let mut jwk = issuer.jwk("ES256");
    jwk["kid"] = json!(kid);
    jwk
}

fn active() -> Value {
    json!({"active": true, "aud": "mail", "email": ALICE, "exp": now() + 600})
}

fn place() -> Place {
    Place {
        runtime: Handle::current(),
        state: None,
        answer_cache: 64 << 20,
    }
}

async fn start(settings: ProviderSettings) -> Arc<Providers> {
    let (providers, _) = Providers::start(&AwsLc, vec![settings], &place(), None).unwrap();
    providers.looked_for().await;
    Arc::new(providers)
}

/// The user, or the code of the rejection.
async fn login(
    providers: &Providers,
    network: Network,
    token: &str,
) -> Result<String, &'static str> {
    let message = format!("user={ALICE}\x01auth=Bearer {token}\x01\x01");
    let attempt = Attempt {
        mechanism: Mechanism::XOAuth2,
        message: message.as_bytes(),
        origin: None,
        network,
    };
    let clock = || UnixTime::from_seconds(now());
    let verdict = judge(providers, LoginSettings::default(), attempt, clock).await;
    match verdict.outcome {
        Outcome::Accepted(identity) => Ok(identity.user().to_owned()),
        Outcome::Refused { rejection, .. } => Err(rejection.code()),
    }
}

/// So many logins at once, each with a token of its own.
fn burst(
    providers: &Arc<Providers>,
    network: Network,
    name: &'static str,
    number: usize,
) -> Vec<JoinHandle<Result<String, &'static str>>> {
    let one = |index| {
        let providers = Arc::clone(providers);
        tokio::spawn(async move { login(&providers, network, &format!("{name}{index}")).await })
    };
    (0..number).map(one).collect()
}

async fn all(
    logins: Vec<JoinHandle<Result<String, &'static str>>>,
) -> Vec<Result<String, &'static str>> {
    let mut outcomes = Vec::new();
    for login in logins {
        outcomes.push(login.await.unwrap());
    }
    outcomes
}

fn is_good(outcome: &Result<String, &'static str>) -> bool {
    outcome.as_deref() == Ok(ALICE)
}

/// N3: 360 tokens of one network that wait leave the others their share, and their turn.
#[tokio::test]
async fn whoever_asks_much_keeps_nobody_else_from_asking() {
    let stub = Stub::provider().unwrap();
    let page = Page::json(200, &active());
    stub.set(
        "/introspect",
        Behaviour::After(Duration::from_millis(5), page),
    );
    let mut settings = asking(&stub);
    settings.online.as_mut().unwrap().http.concurrency = 4;
    let providers = start(settings).await;
    let flood = burst(&providers, network(1), "junk", 360);
    let good = burst(&providers, network(2), "good", 40);
    assert!(all(good).await.iter().all(is_good));
    let seen = stub.seen("/introspect");
    let last = seen.iter().rposition(|seen| seen.body.contains("good"));
    let junk = seen
        .iter()
        .take(last.unwrap())
        .filter(|seen| seen.body.contains("junk"));
    let junk = junk.count();
    assert!(junk <= 48, "{junk} of the flood before 40 good ones");
    // None of these is refused either: thousands may wait.
    assert!(all(flood).await.iter().all(is_good));
}

/// N4: what waits for its turn is not late.
#[tokio::test]
async fn a_question_has_its_whole_time_from_when_it_is_sent() {
    let stub = Stub::provider().unwrap();
    let page = Page::json(200, &active());
    stub.set(
        "/introspect",
        Behaviour::After(Duration::from_millis(100), page),
    );
    let mut settings = asking(&stub);
    settings.online.as_mut().unwrap().http.concurrency = 4;
    let providers = start(settings).await;
    // Ten rounds of 100 ms, where a question may take 500 ms.
    let outcomes = all(burst(&providers, network(1), "token", 40)).await;
    assert!(outcomes.iter().all(is_good), "{outcomes:?}");
}

/// N5: a provider that fails at unknown tokens is asked about the others all the same.
#[tokio::test]
async fn tokens_that_a_provider_fails_at_harm_no_others() {
    let stub = Stub::provider().unwrap();
    let mut alone = informing(&stub);
    let failure = || Behaviour::Answer(Page::json(500, &json!({})));
    for index in 0..20 {
        stub.set(&format!("/info/junk{index}"), failure());
    }
    stub.set_json("/info/good", &active());
    stub.set_json("/info/better", &active());
    // One that has metadata, and one of which nothing is known but the endpoint.
    let found = informing(&stub);
    alone.issuer = None;
    alone.online.as_mut().unwrap().discovery = false;
    for settings in [found, alone] {
        let providers = start(settings).await;
        for outcome in all(burst(&providers, network(1), "junk", 20)).await {
            assert_eq!(outcome, Err("provider_unavailable"));
        }
        for (network, token) in [(network(2), "good"), (network(1), "better")] {
            let outcome = login(&providers, network, token).await;
            assert_eq!(outcome.as_deref(), Ok(ALICE), "{token}");
        }
    }
}

/// N5: nobody's login is needed to find out that a provider is back.
#[tokio::test]
async fn a_silent_provider_is_found_to_be_back_without_a_login() {
    let stub = Stub::provider().unwrap();
    let providers = start(asking(&stub)).await;
    stub.set("/introspect", Behaviour::Reset);
    for outcome in all(burst(&providers, network(1), "token", 5)).await {
        assert_eq!(outcome, Err("provider_unavailable"));
    }
    assert!(providers.statistics()[0].is_left_alone);
    let asked = stub.seen("/introspect").len();
    let outcome = login(&providers, network(1), "token").await;
    assert_eq!(outcome, Err("provider_unavailable"));
    assert_eq!(stub.seen("/introspect").len(), asked);
    stub.set_json("/introspect", &active());
    while providers.statistics()[0].is_left_alone {
        tokio::task::yield_now().await;
    }
    assert_eq!(stub.seen("/introspect").len(), asked, "metadata do as well");
    assert!(is_good(&login(&providers, network(1), "token").await));
}

/// N5: keys are fetched whether logins may ask or not.
#[tokio::test]
async fn a_rotation_is_followed_while_introspection_is_left_alone() {
    let stub = Stub::provider().unwrap();
    let providers = start(asking(&stub)).await;
    stub.set("/introspect", Behaviour::Reset);
    // Metadata that are not answered leave it alone for longer than this test takes.
    let metadata = "/.well-known/openid-configuration";
    stub.set(metadata, Behaviour::Silence);
    for outcome in all(burst(&providers, network(1), "token", 5)).await {
        assert_eq!(outcome, Err("provider_unavailable"));
    }
    assert!(providers.statistics()[0].is_left_alone);
    stub.set_json(metadata, &stub.metadata());
    let new = Issuer::new();
    stub.set_json("/jwks", &json!({"keys": [public(&new, "new")]}));
    let outcome = login(&providers, network(2), &signed(&stub, &new, "new")).await;
    assert_eq!(outcome.as_deref(), Ok(ALICE));
}

/// A provider that asks for a pause has it; one that refuses a guesser at the token endpoint refuses nobody else.
#[tokio::test]
async fn a_provider_that_asks_for_a_pause_has_it() {
    let stub = Stub::provider().unwrap();
    let providers = start(asking(&stub)).await;
    for (status, header, good) in [
        (429, "X: 1", "a"),
        (429, "Retry-After: 0", "b"),
        (503, "Retry-After: 1", "c"),
    ] {
        let page = Page::json(status, &json!({})).with(header);
        stub.set("/introspect", Behaviour::Answer(page));
        // The second time it is no stranger: it has had a good login.
        let outcome = login(&providers, network(2), "token").await;
        assert_eq!(outcome, Err("provider_unavailable"), "{status} {header}");
        stub.set_json("/introspect", &active());
        let outcome = login(&providers, network(1), "token").await;
        assert_eq!(outcome, Err("provider_unavailable"), "{status} {header}");
        while !is_good(&login(&providers, network(2), good).await) {
            tokio::task::yield_now().await;
        }
    }
}

/// A JWT of Alice's that is signed with a key of this name.
fn signed(stub: &Stub, issuer: &Issuer, kid: &str) -> String {
    let claims = json!({
        "iss": stub.issuer(), "sub": "1", "aud": "mail", "email": ALICE,
        "iat": now(), "exp": now() + 600,
    });
    let header = json!({"alg": "ES256", "kid": kid, "typ": "at+jwt"});
    issuer.sign_with_header("ES256", &header, claims.to_string().as_bytes())
}

/// N6: whoever makes up names of keys hides no new key from others.
#[tokio::test]
async fn unknown_keys_of_one_network_hide_no_rotation_from_another() {
    let stub = Stub::provider().unwrap();
    let providers = start(asking(&stub)).await;
    let stranger = Issuer::new();
    for index in 0..50 {
        let token = signed(&stub, &stranger, &format!("x{index}"));
        assert!(login(&providers, network(1), &token).await.is_err());
    }
    assert_eq!(stub.seen("/jwks").len(), 2, "one look for all of them");
    let new = Issuer::new();
    stub.set_json("/jwks", &json!({"keys": [public(&new, "new")]}));
    let outcome = login(&providers, network(2), &signed(&stub, &new, "new")).await;
    assert_eq!(outcome.as_deref(), Ok(ALICE));
    let outcome = login(&providers, network(1), &signed(&stub, &new, "new")).await;
    assert_eq!(outcome.as_deref(), Ok(ALICE));
}

/// N12: a reload that changes nothing forgets nothing.
#[tokio::test]
async fn a_reload_keeps_what_is_still_true() {
    let stub = Stub::provider().unwrap();
    let settings = asking(&stub);
    let issuer = Issuer::new();
    stub.set_json("/jwks", &json!({"keys": [public(&issuer, "k")]}));
    stub.set_json("/introspect", &active());
    let first = start(settings.clone()).await;
    assert!(
        all(burst(&first, network(1), "token", 20))
            .await
            .iter()
            .all(is_good)
    );
    let jwt = signed(&stub, &issuer, "k");
    assert!(is_good(&login(&first, network(1), &jwt).await));
    stub.set("/introspect", Behaviour::Reset);
    let (second, _) =
        Providers::start(&AwsLc, vec![settings.clone()], &place(), Some(&first)).unwrap();
    drop(first);
    // At once, before the provider has been looked for.
    let second = Arc::new(second);
    assert!(is_good(&login(&second, network(1), &jwt).await));
    let figures = &second.statistics()[0];
    assert_eq!(figures.signatures.hits, 1, "{figures:?}");
    let asked = stub.seen("/introspect").len();
    assert!(
        all(burst(&second, network(1), "token", 20))
            .await
            .iter()
            .all(is_good)
    );
    assert_eq!(stub.seen("/introspect").len(), asked);
    for outcome in all(burst(&second, network(1), "other", 5)).await {
        assert_eq!(outcome, Err("provider_unavailable"));
    }
    let mut changed = settings.clone();
    changed.online.as_mut().unwrap().client.as_mut().unwrap().id = "other".to_owned();
    for (settings, left_alone) in [(settings, 1), (changed, 0)] {
        let (third, _) = Providers::start(&AwsLc, vec![settings], &place(), Some(&second)).unwrap();
        let figures = &third.statistics()[0];
        assert_eq!(figures.left_alone, left_alone, "{figures:?}");
    }
}

/// Of a provider without metadata nothing is fetched after a reload that would tell that it is back.
#[tokio::test]
async fn a_provider_that_was_left_alone_before_a_reload_is_found_to_be_back_without_a_login() {
    let stub = Stub::provider().unwrap();
    let mut settings = asking(&stub);
    settings.issuer = None;
    let online = settings.online.as_mut().unwrap();
    online.discovery = false;
    online.introspection_url = Some(stub.url("/introspect"));
    let first = start(settings.clone()).await;
    stub.set("/introspect", Behaviour::Reset);
    for outcome in all(burst(&first, network(1), "token", 5)).await {
        assert_eq!(outcome, Err("provider_unavailable"));
    }
    let (second, _) = Providers::start(&AwsLc, vec![settings], &place(), Some(&first)).unwrap();
    drop(first);
    assert!(second.statistics()[0].is_left_alone);
    stub.set_json("/introspect", &active());
    let is_back = async {
        while second.statistics()[0].is_left_alone {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(40), is_back).await;
    assert!(waited.is_ok(), "nobody tries");
}

/// N16: the answers about some thousand users are kept.
#[tokio::test]
async fn answers_of_thousands_of_users_are_kept() {
    let stub = Stub::provider().unwrap();
    let mut answer = active();
    answer["groups"] = json!("g".repeat(4_000));
    stub.set_json("/introspect", &answer);
    let providers = start(asking(&stub)).await;
    for _ in 0..2 {
        assert!(
            all(burst(&providers, network(1), "token", 2_000))
                .await
                .iter()
                .all(is_good)
        );
    }
    assert_eq!(stub.seen("/introspect").len(), 2_000);
}

/// What a peak has left behind is not kept for ever, also where nobody comes who needs its room.
#[tokio::test]
async fn answers_that_are_too_old_are_forgotten() {
    let stub = Stub::provider().unwrap();
    stub.set_json("/introspect", &active());
    let providers = start(asking(&stub)).await;
    let outcomes = all(burst(&providers, network(1), "token", 100)).await;
    assert!(outcomes.iter().all(is_good));
    let kept = |providers: &Providers| providers.statistics()[0].answers_kept;
    assert_eq!(kept(&providers), 100);
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(kept(&providers), 100);
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(kept(&providers), 0);
}

/// N16: whoever is never asked about a token takes no room from those that are.
#[tokio::test]
async fn answers_have_all_the_room_however_many_providers_sign_their_tokens() {
    let stub = Stub::provider().unwrap();
    let mut answer = active();
    answer["groups"] = json!("g".repeat(4_000));
    stub.set_json("/introspect", &answer);
    let mut settings = vec![asking(&stub)];
    for index in 0..49 {
        let mut signing = bare(&stub);
        signing.name = format!("signing{index}");
        signing.online.as_mut().unwrap().about = None;
        settings.push(signing);
    }
    let (providers, _) = Providers::start(&AwsLc, settings, &place(), None).unwrap();
    providers.looked_for().await;
    let providers = Arc::new(providers);
    for _ in 0..2 {
        let outcomes = burst(&providers, network(1), "token", 2_000);
        assert!(all(outcomes).await.iter().all(is_good));
    }
    assert_eq!(stub.seen("/introspect").len(), 2_000);
    assert_eq!(providers.statistics()[0].answers_kept, 2_000);
}

/// N14: a file system that hangs delays no login, and not the thread that serves.
#[test]
fn a_state_directory_that_hangs_delays_nobody() {
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let state = tempfile::TempDir::new().unwrap();
            let place = Place {
                runtime: Handle::current(),
                state: Some(state.path().to_owned()),
                answer_cache: 64 << 20,
            };
            let stub = Stub::provider().unwrap();
            let issuer = Issuer::new();
            let settings = asking(&stub);
            stub.set_json("/jwks", &json!({"keys": [public(&issuer, "k")]}));
            let first = Providers::start(&AwsLc, vec![settings.clone()], &place, None)
                .unwrap()
                .0;
            first.looked_for().await;
            let kept = loop {
                let mut files = std::fs::read_dir(state.path())
                    .unwrap()
                    .map(|file| file.unwrap().path());
                match files.find(|path| path.extension() == Some("json".as_ref())) {
                    Some(kept) => break kept,
                    None => tokio::task::yield_now().await,
                }
            };
            // Whoever opens a pipe that nobody else has opened waits.
            std::fs::remove_file(&kept).unwrap();
            for pipe in [kept.with_extension("new"), kept] {
                assert!(
                    std::process::Command::new("mkfifo")
                        .arg(pipe)
                        .status()
                        .unwrap()
                        .success()
                );
            }
            let second = Providers::start(&AwsLc, vec![settings], &place, None)
                .unwrap()
                .0;
            second.looked_for().await;
            let outcome = login(&second, network(1), &signed(&stub, &issuer, "k")).await;
            assert_eq!(outcome.as_deref(), Ok(ALICE));
        });
        done.send(()).unwrap();
    });
    let patience = Duration::from_secs(10);
    assert_eq!(is_done.recv_timeout(patience), Ok(()));
}
