//! Logins judged through a [`Trust`] that was loaded from files, with both backends.

use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use gatepost_aws_lc::AwsLc;
use gatepost_core::{
    Rejection, UnixTime, Violation,
    crypto::{
        Algorithm, AlgorithmSet, Backend, InvalidSignature, KeyMaterial, RustCrypto, Unsupported,
        VerifyingKey,
    },
    exchange::LoginSettings,
    sasl::{Mechanism, Status},
};
use gatepost_tests::mint::{ALGORITHMS, Issuer};
use gatepost_tokio::{
    Attempt, LoadError, Network, Outcome, ProviderSettings, Providers, Trust, Verdict, judge,
    judge_token,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const NETWORK: Network = Network::of_connection(1);
const NOW: i64 = 1_795_312_000;

fn claims(user: &str) -> Value {
    json!({
        "iss": "https://id.example.com", "sub": "1", "aud": "mail", "email": user, "exp": NOW + 600,
    })
}

fn settings(keys: PathBuf) -> ProviderSettings {
    let mut settings = ProviderSettings::new("example", Some(vec!["mail".to_owned()]));
    settings.issuer = Some("https://id.example.com".to_owned());
    settings.username_claims = vec!["email".to_owned()];
    settings.keys = vec![keys];
    settings
}

fn trust<B>(backend: &B, issuer: &Issuer) -> (TempDir, Providers)
where
    B: Backend,
    B::Key: 'static,
{
    let root = TempDir::new().unwrap();
    let path = root.path().join("jwks.json");
    std::fs::write(&path, issuer.jwk_set().to_string()).unwrap();
    let (trust, warnings) = Trust::load(backend, vec![settings(path)]).unwrap();
    assert_eq!(warnings, []);
    (root, Providers::fixed(trust))
}

async fn login(trust: &Providers, user: &str, token: &str) -> Verdict {
    let message = format!("user={user}\x01auth=Bearer {token}\x01\x01");
    judge_message(trust, NETWORK, &message).await
}

async fn login_from(trust: &Providers, network: Network, token: &str) -> Verdict {
    let message = format!("user=alice@example.com\x01auth=Bearer {token}\x01\x01");
    judge_message(trust, network, &message).await
}

async fn judge_message(trust: &Providers, network: Network, message: &str) -> Verdict {
    let now = || UnixTime::from_seconds(NOW);
    let attempt = Attempt {
        mechanism: Mechanism::XOAuth2,
        message: message.as_bytes(),
        origin: None,
        network,
    };
    judge(trust, LoginSettings::default(), attempt, now).await
}

async fn every_algorithm<B>(backend: B)
where
    B: Backend,
    B::Key: 'static,
{
    let issuer = Issuer::new();
    let (_root, trust) = trust(&backend, &issuer);
    for alg in ALGORITHMS {
        let token = issuer.sign(alg, &claims("alice@example.com"));
        let verdict = login(&trust, "alice@EXAMPLE.com", &token).await;
        let Outcome::Accepted(identity) = &verdict.outcome else {
            panic!("{alg}: {verdict:?}");
        };
        assert_eq!(identity.user(), "alice@example.com");
        assert_eq!(verdict.claimed.as_deref(), Some("alice@EXAMPLE.com"));
        assert_eq!(verdict.provider.as_deref(), Some("example"));
        assert_eq!(verdict.kid.as_deref(), Some(alg));
        assert_eq!(verdict.algorithm.unwrap().name(), alg);
    }
}

#[tokio::test]
async fn tokens_of_every_algorithm_are_accepted_with_aws_lc() {
    every_algorithm(AwsLc).await;
}

#[tokio::test]
async fn tokens_of_every_algorithm_are_accepted_with_rustcrypto() {
    every_algorithm(RustCrypto).await;
}

#[tokio::test]
async fn a_refusal_says_why_and_what_the_client_is_told() {
    let issuer = Issuer::new();
    let (_root, trust) = trust(&AwsLc, &issuer);
    let token = issuer.sign("ES256", &claims("alice@example.com"));
    let verdict = login(&trust, "bob@example.com", &token).await;
    let Outcome::Refused {
        rejection,
        challenge,
    } = verdict.outcome
    else {
        panic!("{verdict:?}");
    };
    assert_eq!(rejection, Rejection::Claims(Violation::WrongUser));
    let challenge: Value = serde_json::from_slice(&challenge.unwrap()).unwrap();
    assert_eq!(challenge, json!({"status": "401", "schemes": "bearer"}));
    assert_eq!(verdict.provider.as_deref(), Some("example"));
    // Whose it is, which the client did not say.
    assert_eq!(verdict.vouched.as_deref(), Some("alice@example.com"));
    let forged = Issuer::new().sign("ES256", &claims("alice@example.com"));
    assert_eq!(
        login(&trust, "alice@example.com", &forged).await.vouched,
        None
    );
}

async fn bare(trust: &Providers, token: &str) -> Verdict {
    let now = || UnixTime::from_seconds(NOW);
    judge_token(
        trust,
        LoginSettings::default(),
        (token.as_bytes(), None),
        NETWORK,
        now,
    )
    .await
}

#[tokio::test]
async fn a_token_without_a_login_says_whose_it_is() {
    let issuer = Issuer::new();
    let (_root, trust) = trust(&AwsLc, &issuer);
    let token = issuer.sign("ES256", &claims("Bob@EXAMPLE.com"));
    let verdict = bare(&trust, &token).await;
    let Outcome::Accepted(identity) = &verdict.outcome else {
        panic!("{verdict:?}");
    };
    assert_eq!(identity.user(), "Bob@example.com");
    assert_eq!(verdict.claimed, None);
    assert_eq!(verdict.provider.as_deref(), Some("example"));
}

#[tokio::test]
async fn a_bad_token_without_a_login_is_no_temporary_failure_and_challenges_nobody() {
    let issuer = Issuer::new();
    let (_root, trust) = trust(&AwsLc, &issuer);
    let good = issuer.sign("ES256", &claims("bob@example.com"));
    let forged = Issuer::new().sign("ES256", &claims("bob@example.com"));
    let nobody = issuer.sign("ES256", &claims("bob@gatepost.invalid"));
    for (token, code) in [
        (&*forged, "bad_signature"),
        (&*nobody, "unusable_user_name"),
        (good.split_once('.').unwrap().0, "opaque_token"),
        ("a token", "malformed_token"),
        ("a\x01token", "malformed_token"),
        (&*"t".repeat(8193), "token_too_long"),
    ] {
        let verdict = bare(&trust, token).await;
        let Outcome::Refused {
            rejection,
            challenge: None,
        } = verdict.outcome
        else {
            panic!("{code}: {verdict:?}");
        };
        assert_eq!(rejection.code(), code);
        assert_eq!(rejection.status(), Some(Status::InvalidToken), "{code}");
    }
    let verdict = bare(&trust, "").await;
    assert!(matches!(
        verdict.outcome,
        Outcome::Refused { rejection, .. } if rejection.status() == Some(Status::InvalidToken)
    ));
}

#[tokio::test]
async fn a_claimed_name_is_kept_in_part_only() {
    let (_root, trust) = trust(&AwsLc, &Issuer::new());
    let verdict = login(&trust, &"\u{e4}".repeat(1000), "t").await;
    let claimed = verdict.claimed.unwrap();
    assert_eq!(claimed.len(), Verdict::MAX_CLAIMED);
}

/// Invariant 7: no login, key or provider delays another login by more than one signature verification.
#[tokio::test]
async fn invariant_7_no_login_delays_another_by_more_than_one_verification() {
    let issuer = Issuer::new();
    let root = TempDir::new().unwrap();
    let mut keys = Vec::new();
    for index in 0..4 {
        let path = root.path().join(index.to_string());
        let other = if index == 3 { &issuer } else { &Issuer::new() };
        std::fs::write(&path, other.spki_pem("ES256")).unwrap();
        keys.push(path);
    }
    let mut settings = settings(keys[0].clone());
    settings.keys = keys;
    let (trust, _) = Trust::load(&AwsLc, vec![settings]).unwrap();
    let trust = Providers::fixed(trust);
    let token = issuer.sign("ES256", &claims("alice@example.com"));
    let mut login = std::pin::pin!(login(&trust, "alice@example.com", &token));
    let mut turns_of_others = 0;
    let verdict = poll_fn(|context| match login.as_mut().poll(context) {
        Poll::Pending => {
            turns_of_others += 1;
            Poll::Pending
        }
        ready @ Poll::Ready(_) => ready,
    })
    .await;
    assert!(matches!(verdict.outcome, Outcome::Accepted(_)));
    assert_eq!(turns_of_others, 4, "one after each of four verifications");
}

#[test]
fn trust_is_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    let (_root, trust) = trust(&AwsLc, &Issuer::new());
    shared(&trust);
    let trust = trust.trust();
    assert_eq!(trust.keys()[0].len(), ALGORITHMS.len());
    assert_eq!(trust.policies().len(), 1);
}

#[test]
fn settings_under_which_no_login_could_succeed_are_refused() {
    let good = || settings(PathBuf::from("/nonexistent"));
    let load = |providers| Trust::load(&AwsLc, providers).err().unwrap();
    assert!(matches!(load(vec![]), LoadError::NoProvider));
    assert!(matches!(
        load(vec![good(), good()]),
        LoadError::DuplicateName(_)
    ));
    let change = |change: fn(&mut ProviderSettings)| {
        let mut settings = good();
        change(&mut settings);
        load(vec![settings])
    };
    assert!(matches!(
        change(|s| s.name = "n".repeat(65)),
        LoadError::Name(_)
    ));
    assert!(matches!(
        change(|s| s.username_claims.clear()),
        LoadError::UsernameClaims(_)
    ));
    for bad in ["%{email", "%{email | upper}", ""] {
        let mut settings = good();
        settings.username_claims.push(bad.to_owned());
        let error = load(vec![settings]);
        let named = format!("username claim {bad:?}");
        assert!(error.to_string().contains(&named), "{error}");
    }
    // The core looks for 16 paths, whatever names them.
    let many = || (0..15).fold(String::new(), |all, i| all + &format!("%{{c{i}}}"));
    for words in [0, 1, 2] {
        let mut settings = good();
        settings.username_claims = vec![many()];
        settings.active = (words > 0).then(|| ("enabled".to_owned(), None));
        settings.delegates_claim = (words > 1).then(|| "mailboxes".to_owned());
        let error = load(vec![settings]);
        assert_eq!(matches!(error, LoadError::Paths(_)), words > 1, "{error}");
    }
    assert!(matches!(
        change(|s| s.audience = Some(vec![])),
        LoadError::NoAudience(_)
    ));
    assert!(matches!(change(|s| s.keys.clear()), LoadError::NoKeys(_)));
    assert!(matches!(change(|_| {}), LoadError::Keys { .. }));
}

/// A backend that counts what its keys verify.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

struct CountingKey(<AwsLc as Backend>::Key, Arc<AtomicUsize>);

impl Backend for Counting {
    type Key = CountingKey;

    fn prepare(
        &self,
        material: &KeyMaterial<'_>,
        algorithms: AlgorithmSet,
    ) -> Result<CountingKey, Unsupported> {
        let key = AwsLc.prepare(material, algorithms)?;
        Ok(CountingKey(key, Arc::clone(&self.0)))
    }
}

impl VerifyingKey for CountingKey {
    fn algorithms(&self) -> AlgorithmSet {
        self.0.algorithms()
    }

    fn verify(
        &self,
        algorithm: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.verify(algorithm, signing_input, signature)
    }
}

/// Verifications that others have had when the login of `ours` is judged, which comes after 100 forged tokens of
/// each of `strangers`.
async fn verified_before(ours: Network, strangers: &[Network]) -> usize {
    let issuer = Issuer::new();
    let backend = Counting::default();
    let (_root, trust) = trust(&backend, &issuer);
    let trust = Arc::new(trust);
    let forged = Issuer::new().sign("ES256", &claims("alice@example.com"));
    let flood: Vec<_> = strangers
        .iter()
        .flat_map(|network| std::iter::repeat_n(*network, 100))
        .map(|network| {
            let (trust, forged) = (Arc::clone(&trust), forged.clone());
            tokio::spawn(async move { login_from(&trust, network, &forged).await })
        })
        .collect();
    let token = issuer.sign("ES256", &claims("alice@example.com"));
    let counted = Arc::clone(&backend.0);
    let good = tokio::spawn(async move {
        let verdict = login_from(&trust, ours, &token).await;
        (verdict, counted.load(Ordering::SeqCst))
    });
    let (verdict, after) = good.await.unwrap();
    assert!(matches!(verdict.outcome, Outcome::Accepted(_)));
    for login in flood {
        let verdict = login.await.unwrap();
        assert!(matches!(
            verdict.outcome,
            Outcome::Refused {
                rejection: Rejection::BadSignature,
                ..
            }
        ));
    }
    after - 1
}

fn network(address: &str) -> Network {
    Network::of(address.parse().unwrap())
}

/// N1: forged tokens of strangers, however many, cost a login of another network two verifications at most.
#[tokio::test]
async fn invariant_7_a_flood_of_one_network_delays_no_other() {
    let stranger = network("192.0.2.1");
    for ours in ["192.0.2.2", "2001:db8::1"] {
        let others = verified_before(network(ours), &[stranger]).await;
        assert!(others <= 2, "{others} before {ours}");
    }
    // Who has many networks of one site has no more than one.
    let many: Vec<_> = (0..8)
        .map(|subnet| network(&format!("2001:db8:1:{subnet}::1")))
        .collect();
    let others = verified_before(network("2001:db8:2::1"), &many).await;
    assert!(others <= 2, "{others} of a /48");
    let others = verified_before(Network::of_connection(1), &[stranger, many[0]]).await;
    assert!(others <= 3, "{others} of two networks");
}
