//! Tokens that both servers take.

use std::time::{SystemTime, UNIX_EPOCH};

use gatepost_tests::mint::Issuer;
use serde_json::json;

/// Whose they are.
pub(crate) const USER: &str = "alice@example.com";

/// The issuer of those that nobody looks up.
pub(crate) const ISSUER: &str = "https://id.example.com";

/// Many tokens, no two of which are alike.
pub(crate) struct Tokens(Vec<String>);

impl Tokens {
    /// So many, of the size that providers mint.
    pub(crate) fn mint(issuer: &Issuer, algorithm: &str, number: usize) -> Self {
        Self::make(issuer, algorithm, algorithm, number, ISSUER)
    }

    pub(crate) fn mint_for(issuer: &Issuer, algorithm: &str, number: usize, name: &str) -> Self {
        Self::make(issuer, algorithm, algorithm, number, name)
    }

    /// Under as many `kid`s that nobody has published.
    pub(crate) fn unknown(issuer: &Issuer, number: usize, name: &str) -> Self {
        let one = |n: usize| Self::make(issuer, "ES256", &format!("unknown-{n}"), 1, name).0;
        Self((0..number).flat_map(one).collect())
    }

    fn make(issuer: &Issuer, algorithm: &str, kid: &str, number: usize, name: &str) -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now = since.as_secs();
        // Dovecot 2.3 takes no other `typ`.
        let header = json!({"alg": algorithm, "kid": kid, "typ": "JWT"});
        let token = |n: usize| {
            let claims = json!({
                "iss": name, "sub": "248289761001", "aud": "mail", "email": USER, "jti": n,
                "iat": now - 300, "exp": now + 3600, "scope": "openid email profile mail",
                "preferred_username": "alice", "email_verified": true, "name": "Alice Example",
                "session_state": "0f8fad5b-d9cb-469f-a165-70867728950e", "groups": ["mail", "staff"],
            });
            issuer.sign_with_header(algorithm, &header, claims.to_string().as_bytes())
        };
        Self((0..number).map(token).collect())
    }

    pub(crate) fn first(&self) -> &str {
        &self.0[0]
    }

    pub(crate) fn all(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }

    pub(crate) fn chunks(&self, length: usize) -> Vec<Vec<&str>> {
        let all = self.all();
        all.chunks(length).map(<[&str]>::to_vec).collect()
    }
}
