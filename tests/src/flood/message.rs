//! What strangers send, what everybody else sends, and the provider that tells them apart.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::mint::Issuer;
use crate::stub::{Behaviour, Page, Seen, Stub};

/// Whom the good logins are of, and whose password is guessed.
const ALICE: &str = "alice@example.com";

/// The mechanism and its response, not yet in base64.
pub type Message = (&'static str, String);

/// What strangers send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Junk {
    /// Tokens that only the provider can tell from good ones.
    Opaque,
    /// Tokens under `kid`s that nobody has published.
    UnknownKey,
    /// Tokens under a known key of an algorithm, which nobody signed.
    Forged(&'static str),
    /// Wrong passwords.
    Password,
}

impl Junk {
    /// Each kind.
    pub const ALL: [Self; 5] = [
        Self::Opaque,
        Self::UnknownKey,
        Self::Forged("RS256"),
        Self::Forged("ES512"),
        Self::Password,
    ];

    /// Another message for each number.
    #[must_use]
    pub fn message(self, number: u64, issuer: &str) -> Message {
        let token = match self {
            Self::Opaque => format!("junk-{number}"),
            Self::UnknownKey => forged("ES256", &format!("unknown-{number}"), number, issuer),
            Self::Forged(algorithm) => forged(algorithm, algorithm, number, issuer),
            Self::Password => return ("PLAIN", format!("\0{ALICE}\0guess-{number}")),
        };
        bearer(&token)
    }
}

/// A token that nobody signed, whose signature is as long as a real one.
fn forged(algorithm: &str, key: &str, number: u64, issuer: &str) -> String {
    let header = json!({"alg": algorithm, "kid": key, "typ": "at+jwt"});
    let mut claims = claims(issuer);
    claims["jti"] = json!(number);
    let length = match algorithm {
        "RS256" => 256,
        "ES512" => 132,
        _ => 64,
    };
    // Below every modulus and order, so that it is verified in full.
    let mut signature = vec![0x5a; length];
    if algorithm == "ES512" {
        signature[0] = 0;
        signature[66] = 0;
    }
    let [header, claims] = [header, claims].map(|json| URL_SAFE_NO_PAD.encode(json.to_string()));
    format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn claims(issuer: &str) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    json!({"iss": issuer, "aud": "mail", "sub": ALICE, "email": ALICE, "exp": now + 3600})
}

fn bearer(token: &str) -> Message {
    let message = format!("user={ALICE}\x01auth=Bearer {token}\x01\x01");
    ("XOAUTH2", message)
}

/// How a good login is made.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Good {
    /// By a JWT (ES256).
    Signed,
    /// By a token that the provider is asked about.
    Opaque,
    /// By a password that the provider exchanges for a token.
    Password,
}

impl Good {
    /// Each way.
    pub const ALL: [Self; 3] = [Self::Signed, Self::Opaque, Self::Password];

    /// Another message for each number, but for the password, of which there is one.
    #[must_use]
    pub fn message(self, number: u64, provider: &Provider) -> Message {
        match self {
            Self::Signed => Self::signed("ES256", number, provider),
            Self::Opaque => bearer(&format!("good-{number}")),
            Self::Password => ("PLAIN", format!("\0{ALICE}\0right")),
        }
    }

    /// A good login by a JWT of `algorithm`, another for each number.
    #[must_use]
    pub fn signed(algorithm: &str, number: u64, provider: &Provider) -> Message {
        let mut claims = claims(&provider.stub.issuer());
        claims["jti"] = json!(format!("good-{number}"));
        bearer(&provider.issuer.sign(algorithm, &claims))
    }
}

/// Knows Alice's tokens and password, and nothing else.
pub struct Provider {
    /// What answers for it.
    pub stub: Stub,
    /// Whose keys it has published.
    pub issuer: Issuer,
}

impl Provider {
    /// Starts one on loopback.
    ///
    /// # Errors
    /// As [`Stub::start`].
    pub fn start() -> io::Result<Self> {
        let issuer = Issuer::new();
        let keys = issuer.jwk_set();
        Ok(Self::behind(Stub::start()?, issuer, &keys))
    }

    /// Behind `stub`, with the keys of `issuer` that it publishes.
    #[must_use]
    pub fn behind(stub: Stub, issuer: Issuer, keys: &Value) -> Self {
        stub.publish(keys);
        let provider = Self { stub, issuer };
        provider.behave();
        provider
    }

    /// Answers questions about tokens and passwords from now on, whatever it did before.
    pub fn behave(&self) {
        self.stub.set("/introspect", Behaviour::Judge(introspect));
        self.stub.set("/token", Behaviour::Judge(grant));
    }

    /// What a configuration says of it.
    #[must_use]
    pub fn settings(&self) -> String {
        format!(
            "[[provider]]\nissuer = \"{}\"\naudience = \"mail\"\nusername_claims = [\"email\"]\n\
             client_id = \"rs\"\nclient_secret = \"s\"\nintrospection_url = \"{}\"\ngrant_url = \"{}\"\n",
            self.stub.issuer(),
            self.stub.url("/introspect"),
            self.stub.url("/token"),
        )
    }
}

fn introspect(seen: &Seen) -> Page {
    if !seen.body.contains("token=good-") {
        return Page::json(200, &json!({"active": false}));
    }
    let mut said = claims("");
    said["active"] = json!(true);
    if let Some(said) = said.as_object_mut() {
        said.remove("iss");
    }
    Page::json(200, &said)
}

fn grant(seen: &Seen) -> Page {
    if seen.body.contains("password=right") {
        let granted = json!({"access_token": "good-granted", "token_type": "Bearer"});
        return Page::json(200, &granted);
    }
    Page::json(400, &json!({"error": "invalid_grant"}))
}
