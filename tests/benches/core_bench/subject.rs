//! What is measured.

use aws_lc_rs::rsa::KeySize;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gatepost_aws_lc::AwsLc;
use gatepost_core::{
    Audience, Exchange, Policy, UnixTime,
    crypto::{Algorithm, AlgorithmSet, Backend, InvalidSignature, RustCrypto, VerifyingKey},
    exchange::{Input, MAX_PAYLOAD, Output, Rules, TrustedKey},
    jose::{Jwk, KeyBuffer},
    sasl::Mechanism,
};
use gatepost_tests::mint::Issuer;
use serde_json::{Value, json};
use std::{hint::black_box, rc::Rc};

const NOW: i64 = 1_795_312_000;

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

/// A signed token, taken apart once.
struct Token {
    text: String,
    algorithm: Algorithm,
    signature: Vec<u8>,
    jwk: Value,
}

impl Token {
    /// A token with the claims that providers send, padded to `len` bytes.
    fn new(issuer: &Issuer, alg: &str, len: usize) -> Self {
        let claims = |padding: usize| {
            json!({
                "iss": "https://id.example.com/realms/example", "sub": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
                "aud": ["account", "mail"], "azp": "roundcube", "exp": NOW + 300, "iat": NOW, "nbf": NOW,
                "jti": "4f6b2f0e-3a0c-4c36-8a5e-5ff2f3c0b3c9", "auth_time": NOW - 60,
                "scope": "openid profile email mail", "email": "alice@example.com", "email_verified": true,
                "name": "Alice Example", "preferred_username": "alice", "groups": ["staff", "mail-users"],
                "sid": "x".repeat(padding),
            })
        };
        let token = |padding| issuer.sign(alg, &claims(padding));
        let base = token(0).len();
        let text = (0..len)
            .map(|padding| padding * 3 / 4)
            .find_map(|padding| (base + padding * 4 / 3 >= len).then(|| token(padding)));
        let text = text.expect("a length that can be met");
        let signature = URL_SAFE_NO_PAD
            .decode(text.rsplit_once('.').expect("a JWS").1)
            .expect("base64url");
        let algorithm = Algorithm::from_name(alg).expect("a known algorithm");
        Self {
            text,
            algorithm,
            signature,
            jwk: issuer.jwk(alg),
        }
    }

    fn signing_input(&self) -> &[u8] {
        self.text.rsplit_once('.').expect("a JWS").0.as_bytes()
    }

    fn prepare<B: Backend>(&self, backend: &B) -> B::Key {
        let json = self.jwk.to_string();
        let mut buffer = KeyBuffer::new();
        let jwk = Jwk::parse(json.as_bytes()).expect("a JWK");
        let material = jwk.material(&mut buffer).expect("numbers");
        backend
            .prepare(&material, jwk.algorithms())
            .expect("a usable key")
    }
}

/// Verifies nothing: what remains is everything but the signature.
struct NoSignature;

impl VerifyingKey for NoSignature {
    fn algorithms(&self) -> AlgorithmSet {
        AlgorithmSet::ALL
    }

    fn verify(&self, _: Algorithm, input: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        black_box((input, signature));
        Ok(())
    }
}

/// Whole logins with one token: by each backend, without signature, and the same check by jsonwebtoken.
pub(crate) fn logins(alg: &str, len: usize, rsa: KeySize) -> Vec<Subject> {
    let issuer = Issuer::with_rsa_size(rsa);
    let token = Rc::new(Token::new(&issuer, alg, len));
    println!("{alg}: a token of {} bytes", token.text.len());
    vec![
        login(
            format!("{alg} login without signature"),
            &token,
            NoSignature,
        ),
        bare(
            format!("{alg} signature, aws-lc"),
            &token,
            token.prepare(&AwsLc),
        ),
        login(
            format!("{alg} login, aws-lc"),
            &token,
            token.prepare(&AwsLc),
        ),
        jsonwebtoken(format!("{alg} jsonwebtoken, aws-lc"), &token),
        bare(
            format!("{alg} signature, core"),
            &token,
            token.prepare(&RustCrypto),
        ),
        login(
            format!("{alg} login, core"),
            &token,
            token.prepare(&RustCrypto),
        ),
    ]
}

/// Bare RSA verification: the core's, without heap, and ring's.
pub(crate) fn rsa_against_ring(bits: usize, size: KeySize) -> Vec<Subject> {
    let issuer = Issuer::with_rsa_size(size);
    let token = Rc::new(Token::new(&issuer, "RS256", 1075));
    let decode = |name: &str| {
        URL_SAFE_NO_PAD
            .decode(token.jwk[name].as_str().expect("a member"))
            .expect("base64url")
    };
    let components = ring::signature::RsaPublicKeyComponents {
        n: decode("n"),
        e: decode("e"),
    };
    let ring_token = Rc::clone(&token);
    let ring = move || {
        let algorithm = &ring::signature::RSA_PKCS1_2048_8192_SHA256;
        let (input, signature) = (ring_token.signing_input(), &ring_token.signature);
        components
            .verify(algorithm, input, signature)
            .expect("a good signature");
    };
    vec![
        Subject::new(format!("RSA-{bits} signature, ring"), ring),
        bare(
            format!("RSA-{bits} signature, core"),
            &token,
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
    Subject::new(name, move || {
        let mut policy = Policy::new("example", Audience::OneOf(&["mail"]));
        policy.issuer = Some("https://id.example.com/realms/example");
        policy.username_claims = &["email"];
        policy.scopes = &["mail"];
        let keys = [TrustedKey {
            key: &key,
            kid: Some(alg),
            owner: None,
            policy: &policy,
        }];
        let mut scratch = [0; MAX_PAYLOAD];
        let message = black_box(message.as_bytes());
        let mut exchange = Exchange::new(Rules::default(), Mechanism::XOAuth2, message);
        let now = UnixTime::from_seconds(NOW);
        let asked = exchange.step(now, Input::Start);
        assert!(matches!(asked, Output::FindKeys(_)));
        let verdict = exchange.step(
            now,
            Input::Keys {
                keys: &keys,
                scratch: &mut scratch,
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
