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
    let mut online = OnlineSettings::default();
    online.about = Some(About::OpaqueTokens);
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
