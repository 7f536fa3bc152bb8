//! Tokens that both servers take.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use gatepost_tests::mint::Issuer;
use serde_json::json;

/// Whose they are.
pub(crate) const USER: &str = "alice@example.com";

/// The issuer of those that nobody looks up.
pub(crate) const ISSUER: &str = "https://id.example.com";

/// Numbers tokens, so that none is minted twice.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Many tokens, no two of which are alike.
pub(crate) struct Tokens(Vec<String>);

impl Tokens {
    /// So many, of the size that providers mint.
    pub(crate) fn mint(issuer: &Issuer, algorithm: &str, number: usize) -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now = since.as_secs();
        // Dovecot 2.3 takes no other `typ`.
        let header = json!({"alg": algorithm, "kid": algorithm, "typ": "JWT"});
        let token = |_| {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let claims = json!({
                "iss": ISSUER, "sub": "248289761001", "aud": "mail", "email": USER, "jti": number,
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
