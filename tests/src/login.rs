//! What clients present: one good login, and the same login with one thing wrong.

use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::mint::Issuer;

/// The user that every login claims to be.
pub const USER: &str = "alice@example.test";
/// The issuer that the tests' provider trusts.
pub const ISSUER: &str = "https://id.example.test";
/// The audience that it asks for.
pub const AUDIENCE: &str = "mail";
/// The scope that it asks for.
pub const SCOPE: &str = "mail";

/// The two mechanisms that carry a bearer token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mechanism {
    /// Google's.
    Xoauth2,
    /// RFC 7628.
    OauthBearer,
}

/// A login, by what is wrong with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Login {
    /// Nothing is wrong.
    Good,
    /// `exp` is an hour ago.
    Expired,
    /// `nbf` is in an hour.
    NotYetValid,
    /// `aud` names another application.
    WrongAudience,
    /// `iss` names another issuer.
    WrongIssuer,
    /// The token belongs to another user.
    WrongUser,
    /// The token lacks the scope.
    MissingScope,
    /// One character of the signature is another.
    AlteredSignature,
    /// Signed under a `kid` that the issuer does not publish.
    UnknownKey,
    /// Not signed: `"alg":"none"` (RFC 7515, appendix A.5).
    Unsigned,
    /// An opaque token that nobody issued.
    Garbage,
    /// The token is good, but the message around it breaks its mechanism's grammar.
    Malformed,
}

/// Makes the logins of one run, and remembers every token.
pub struct Logins {
    issuer: Issuer,
    tokens: Mutex<Vec<String>>,
}

impl Mechanism {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Xoauth2, Self::OauthBearer];

    /// The registered name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Xoauth2 => "XOAUTH2",
            Self::OauthBearer => "OAUTHBEARER",
        }
    }

    /// The initial response that presents `token` for [`USER`].
    #[must_use]
    pub fn response(self, token: &str) -> Vec<u8> {
        match self {
            Self::Xoauth2 => format!("user={USER}\x01auth=Bearer {token}\x01\x01"),
            Self::OauthBearer => {
                let header = format!("n,a={USER},");
                format!("{header}\x01host=127.0.0.1\x01port=587\x01auth=Bearer {token}\x01\x01")
            }
        }
        .into_bytes()
    }

    /// What a well-behaved client answers to the failure challenge.
    #[must_use]
    pub fn answer(self) -> &'static str {
        match self {
            Self::Xoauth2 => "",
            Self::OauthBearer => "AQ==",
        }
    }
}

impl Login {
    /// Every login that must fail.
    pub const BAD: [Self; 11] = [
        Self::Expired,
        Self::NotYetValid,
        Self::WrongAudience,
        Self::WrongIssuer,
        Self::WrongUser,
        Self::MissingScope,
        Self::AlteredSignature,
        Self::UnknownKey,
        Self::Unsigned,
        Self::Garbage,
        Self::Malformed,
    ];

    /// The reason code that Gatepost logs; `None` for the good one.
    #[must_use]
    pub fn reason(self) -> Option<&'static str> {
        Some(match self {
            Self::Good => return None,
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongAudience => "wrong_audience",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongUser => "wrong_user",
            Self::MissingScope => "insufficient_scope",
            Self::AlteredSignature => "bad_signature",
            Self::UnknownKey => "unknown_key",
            Self::Unsigned => "unsupported_algorithm",
            Self::Garbage => "opaque_token",
            Self::Malformed => "malformed_response",
        })
    }

    /// The JSON of the failure challenge (RFC 7628 section 3.2.2), for a login that is not good.
    #[must_use]
    pub fn challenge(self, mechanism: Mechanism) -> Value {
        let (status, number) = match self {
            Self::MissingScope => ("insufficient_scope", "403"),
            Self::Malformed => ("invalid_request", "400"),
            _ => ("invalid_token", "401"),
        };
        match mechanism {
            Mechanism::Xoauth2 => json!({"status": number, "schemes": "bearer", "scope": SCOPE}),
            Mechanism::OauthBearer => json!({"status": status, "scope": SCOPE}),
        }
    }
}

impl Logins {
    /// A fresh issuer, and no token yet.
    #[must_use]
    pub fn new(issuer: Issuer) -> Self {
        Self {
            issuer,
            tokens: Mutex::default(),
        }
    }

    /// The initial response of `login`, signed with `algorithm` where it is signed.
    #[must_use]
    pub fn response(&self, login: Login, mechanism: Mechanism, algorithm: &str) -> Vec<u8> {
        let token = self.token(login, algorithm);
        if login != Login::Malformed {
            return mechanism.response(&token);
        }
        match mechanism {
            // No separator between the two.
            Mechanism::Xoauth2 => format!("user={USER} auth=Bearer {token}"),
            // Neither of the two closing separators.
            Mechanism::OauthBearer => format!("n,a={USER},\x01auth=Bearer {token}"),
        }
        .into_bytes()
    }

    /// The token of `login`.
    #[must_use]
    pub fn token(&self, login: Login, algorithm: &str) -> String {
        let claims = claims(login);
        let unsigned = |alg, kid: &str| json!({"alg": alg, "kid": kid, "typ": "at+jwt"});
        let body = claims.to_string();
        let sign = |header: Value| {
            self.issuer
                .sign_with_header(algorithm, &header, body.as_bytes())
        };
        let token = match login {
            Login::AlteredSignature => altered(&self.issuer.sign(algorithm, &claims)),
            Login::UnknownKey => sign(unsigned(algorithm, "never-published")),
            Login::Unsigned => {
                let token = sign(unsigned("none", algorithm));
                let end = token.rfind('.').map_or(0, |dot| dot + 1);
                token[..end].to_owned()
            }
            Login::Garbage => format!("opaque{:032x}", now()),
            _ => self.issuer.sign(algorithm, &claims),
        };
        self.remember(token)
    }

    /// A good token of `length` bytes, or of one less where base64 has no such length.
    #[must_use]
    pub fn token_of_length(&self, length: usize) -> String {
        let mut claims = claims(Login::Good);
        let mut padding = length * 3 / 4;
        loop {
            claims["padding"] = json!("x".repeat(padding));
            let token = self.issuer.sign("ES256", &claims);
            if token.len() <= length {
                return self.remember(token);
            }
            padding -= 1;
        }
    }

    /// The keys that verify the good tokens.
    #[must_use]
    pub fn jwk_set(&self) -> Value {
        self.issuer.jwk_set()
    }

    /// Every token that was made so far.
    ///
    /// # Panics
    /// When a maker of tokens has panicked.
    #[must_use]
    pub fn tokens(&self) -> Vec<String> {
        self.tokens.lock().expect("no maker panics").clone()
    }

    /// Counts `token`, which somebody else has made, among those that no log may hold.
    ///
    /// # Panics
    /// When a maker of tokens has panicked.
    pub fn remember(&self, token: String) -> String {
        let mut tokens = self.tokens.lock().expect("no maker panics");
        tokens.push(token.clone());
        token
    }
}

fn claims(login: Login) -> Value {
    let now = now();
    let mut claims = json!({
        "iss": ISSUER,
        "aud": [AUDIENCE],
        "sub": "248289761001",
        "email": USER,
        "scope": format!("openid {SCOPE}"),
        "client_id": "client",
        "jti": format!("{now}"),
        "iat": now - 7200,
        "exp": now + 3600,
    });
    let (name, value) = match login {
        Login::Expired => ("exp", json!(now - 3600)),
        Login::NotYetValid => ("nbf", json!(now + 3600)),
        Login::WrongAudience => ("aud", json!(["calendar"])),
        Login::WrongIssuer => ("iss", json!("https://other.example.test")),
        Login::WrongUser => ("email", json!("bob@example.test")),
        Login::MissingScope => ("scope", json!("openid profile")),
        _ => return claims,
    };
    claims[name] = value;
    claims
}

/// `token` with another character in the middle of its signature.
fn altered(token: &str) -> String {
    let signature = token.rfind('.').map_or(0, |dot| dot + 1);
    let middle = usize::midpoint(signature, token.len());
    let other = if token.as_bytes()[middle] == b'A' {
        "B"
    } else {
        "A"
    };
    format!("{}{other}{}", &token[..middle], &token[middle + 1..])
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |duration| duration.as_secs())
}
