//! What is measured.

use std::{cell::RefCell, hint::black_box, rc::Rc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gatepost_aws_lc::AwsLc;
use gatepost_core::{
    Exchange, UnixTime,
    crypto::{RustCrypto, VerifyingKey},
    exchange::{Input, LoginSettings, MAX_PAYLOAD, Output, Provider, TrustedKey},
    sasl::Mechanism,
};

use gatepost_tests::typical::NOW;

use super::judged_by::{self, NoSignature};
use super::token::{Token, Tokens};

/// One thing to run over and over.
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) work: Box<dyn Fn()>,
}

impl Subject {
    fn new(name: String, work: impl Fn() + 'static) -> Self {
        Self {
            name,
            work: Box::new(work),
        }
    }
}

/// Every subject, in the order of the table.
pub(crate) fn all(tokens: &Tokens) -> Vec<Subject> {
    let mut subjects = Vec::new();
    subjects.extend(logins("RS256", &tokens.rs256));
    subjects.extend(logins("ES256", &tokens.es256));
    subjects.extend(rsa_against_ring(2048, &tokens.rs256));
    subjects.extend(rsa_against_ring(4096, &tokens.rs256_4096));
    subjects
}

/// Whole logins with one token: by each backend, without signature, and the same check by jsonwebtoken.
fn logins(alg: &str, token: &Rc<Token>) -> [Subject; 6] {
    [
        login(format!("{alg} login without signature"), token, NoSignature),
        bare(
            format!("{alg} signature, aws-lc"),
            token,
            token.prepare(&AwsLc),
        ),
        login(format!("{alg} login, aws-lc"), token, token.prepare(&AwsLc)),
        jsonwebtoken(format!("{alg} jsonwebtoken, aws-lc"), token),
        bare(
            format!("{alg} signature, core"),
            token,
            token.prepare(&RustCrypto),
        ),
        login(
            format!("{alg} login, core"),
            token,
            token.prepare(&RustCrypto),
        ),
    ]
}

/// Bare RSA verification: the core's, without heap, and ring's.
fn rsa_against_ring(bits: usize, token: &Rc<Token>) -> [Subject; 2] {
    let decode = |name: &str| {
        URL_SAFE_NO_PAD
            .decode(token.jwk[name].as_str().expect("a member"))
            .expect("base64url")
    };
    let components = ring::signature::RsaPublicKeyComponents {
        n: decode("n"),
        e: decode("e"),
    };
    let ring_token = Rc::clone(token);
    let ring = move || {
        let algorithm = &ring::signature::RSA_PKCS1_2048_8192_SHA256;
        let (input, signature) = (ring_token.signing_input(), &ring_token.signature);
        components
            .verify(algorithm, input, signature)
            .expect("a good signature");
    };
    [
        Subject::new(format!("RSA-{bits} signature, ring"), ring),
        bare(
            format!("RSA-{bits} signature, core"),
            token,
            token.prepare(&RustCrypto),
        ),
    ]
}

fn bare(name: String, token: &Rc<Token>, key: impl VerifyingKey + 'static) -> Subject {
    let token = Rc::clone(token);
    Subject::new(name, move || {
        let (input, signature) = (token.signing_input(), &token.signature);
        key.verify(token.algorithm, black_box(input), signature)
            .expect("a good signature");
    })
}

fn login(name: String, token: &Token, key: impl VerifyingKey + 'static) -> Subject {
    let message = format!(
        "user=alice@example.com\x01auth=Bearer {}\x01\x01",
        token.text
    );
    let alg = token.algorithm.name();
    // One a verifying thread, as the daemon has it.
    let scratch = RefCell::new(vec![0; MAX_PAYLOAD]);
    Subject::new(name, move || {
        let policy = judged_by::policy();
        let keys = [TrustedKey::new(&key, Some(alg))];
        let providers = [Provider::new(&policy)];
        let rules = LoginSettings::new(&providers);
        let scratch = &mut *scratch.borrow_mut();
        let message = black_box(message.as_bytes());
        let mut exchange = Exchange::new(rules, Mechanism::XOAuth2, message);
        let now = UnixTime::from_seconds(NOW);
        let asked = exchange.step(now, Input::Start);
        assert!(matches!(asked, Output::FindKeys(_)));
        let verdict = exchange.step(
            now,
            Input::Keys {
                keys: &[&keys],
                scratch,
            },
        );
        assert!(
            matches!(verdict, Output::Accept(identity) if identity.user() == "alice@example.com")
        );
    })
}

/// The claims that jsonwebtoken's users commonly deserialise.
#[derive(serde::Deserialize)]
struct CommonClaims {
    email: String,
    scope: String,
}

fn jsonwebtoken(name: String, token: &Rc<Token>) -> Subject {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, jwk::Jwk};
    let jwk: Jwk = serde_json::from_value(token.jwk.clone()).expect("a JWK");
    let key = DecodingKey::from_jwk(&jwk).expect("a usable key");
    let mut validation = Validation::new(match token.algorithm.name() {
        "RS256" => Algorithm::RS256,
        _ => Algorithm::ES256,
    });
    validation.set_audience(&["mail"]);
    validation.set_issuer(&["https://id.example.com/realms/example"]);
    validation.validate_nbf = true;
    // The token's dates are fixed; judging them costs the same.
    validation.leeway = 1_000_000_000;
    let token = Rc::clone(token);
    Subject::new(name, move || {
        let decoded = decode::<CommonClaims>(black_box(&token.text), &key, &validation)
            .expect("a good token");
        assert!(decoded.claims.email == "alice@example.com");
        assert!(decoded.claims.scope.split(' ').any(|scope| scope == "mail"));
    })
}
