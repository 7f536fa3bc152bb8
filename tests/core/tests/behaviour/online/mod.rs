//! Tokens that a provider is asked about: what it is asked, and what its answers mean.
//!
//! No socket is involved; over real sockets and through the whole daemon the same is asked in
//! `adapters/daemon/tests/serve/online.rs`.

mod flow;
mod granting;
mod matrix;
mod requests;
mod room;
mod routing;
mod signed;
mod vouched;

use gatepost_core::exchange::{LoginSettings, Provider};
use gatepost_core::introspection::{About, Client, ClientPlace, Endpoints, FetchFailure, Mode};
use gatepost_core::sasl::Mechanism;
use gatepost_core::{Audience, Policy, UnixTime};
use gatepost_core_tests::judge::{Asked, Key, Outcome, Reply, judge_asking, oauthbearer, xoauth2};

const NOW: i64 = 1_795_312_000;
const ISSUER: &str = "https://id.example.com";
const TOKEN: &str = "opaque/+token~1=";
const ALICE: &str = "alice@example.com";

fn policy() -> Policy<'static> {
    let mut policy = Policy::new("example", Audience::OneOf(&["mail"]));
    policy.issuer = Some(ISSUER);
    policy.username_claims = &["email", "username"];
    policy
}

fn endpoints(mode: Mode) -> Endpoints<'static> {
    Endpoints {
        tokeninfo: None,
        introspection: Some("https://id.example.com/ask"),
        mode,
        force_introspection: false,
        about: Some(About::OpaqueTokens),
        grant: None,
        client: Some(Client {
            id: "rs",
            secret: "s:cret",
            place: ClientPlace::Basic,
        }),
        allow_missing_audience: false,
        unauthorized_is_invalid_token: false,
        signed_answers: false,
    }
}

/// What an endpoint says of a token that is good everywhere here.
fn good() -> serde_json::Value {
    serde_json::json!({
        "active": true, "iss": ISSUER, "sub": "s-1", "aud": ["mail"], "email": ALICE,
        "exp": NOW + 300, "token_type": "Bearer",
    })
}

/// Providers, the keys of all of them, and the token that is presented.
struct Setup<'s> {
    providers: &'s [Provider<'s>],
    keys: Option<&'s [Key<'s>]>,
    token: &'s str,
    user: Option<&'s str>,
}

impl<'s> Setup<'s> {
    fn new(providers: &'s [Provider<'s>]) -> Self {
        Self {
            providers,
            keys: Some(&[]),
            token: TOKEN,
            user: Some(ALICE),
        }
    }

    /// Judges a login; answers are taken in their order.
    #[track_caller]
    fn run(&self, answers: &[Result<Reply, FetchFailure>]) -> (Outcome, Vec<Asked>) {
        let mechanism = match self.user {
            Some(_) => Mechanism::XOAuth2,
            None => Mechanism::OAuthBearer,
        };
        self.run_over(mechanism, answers)
    }

    #[track_caller]
    fn run_over(
        &self,
        mechanism: Mechanism,
        answers: &[Result<Reply, FetchFailure>],
    ) -> (Outcome, Vec<Asked>) {
        let message = match (mechanism, self.user) {
            (Mechanism::XOAuth2, user) => xoauth2(user.unwrap_or(ALICE), self.token),
            (_, None) => oauthbearer(self.token),
            (_, Some(user)) => {
                format!("n,a={user},\x01auth=Bearer {}\x01\x01", self.token).into_bytes()
            }
        };
        let rules = LoginSettings::new(self.providers);
        let mut asked = Vec::new();
        let mut answers = answers.iter();
        let mut ask = |question: &Asked| {
            asked.push(question.clone());
            answers.next().expect("an answer to each question").clone()
        };
        let now = UnixTime::from_seconds(NOW);
        let outcome = judge_asking(rules, mechanism, &message, self.keys, now, &mut ask);
        assert!(answers.next().is_none(), "every answer was wanted");
        (outcome, asked)
    }

    #[track_caller]
    fn check(&self, answers: &[Result<Reply, FetchFailure>], expected: Result<&str, &str>) {
        let (outcome, _) = self.run(answers);
        assert_eq!(outcome.code(), expected);
    }
}

#[expect(clippy::unnecessary_wraps, reason = "what a provider does may fail")]
fn ok(body: &serde_json::Value) -> Result<Reply, FetchFailure> {
    Ok(Reply::json(200, &body.to_string()))
}
