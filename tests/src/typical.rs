//! Tokens with the claims that providers send: what benchmarks judge.

use serde_json::json;

use crate::mint::Issuer;

/// When all of them are good, in seconds since 1970.
pub const NOW: i64 = 1_795_312_000;
/// Who issues them.
pub const ISSUER: &str = "https://id.example.com/realms/example";
/// One of their audiences.
pub const AUDIENCE: &str = "mail";
/// One of their scopes.
pub const SCOPE: &str = "mail";
/// Whose they are, by the claim [`USERNAME_CLAIM`].
pub const USER: &str = "alice@example.com";
/// The claim that names the user.
pub const USERNAME_CLAIM: &str = "email";

/// A token signed by `issuer` with `alg`, padded to `len` bytes.
///
/// # Panics
/// Where its claims alone are longer.
#[must_use]
pub fn token(issuer: &Issuer, alg: &str, len: usize) -> String {
    let claims = |padding: usize| {
        json!({
            "iss": ISSUER, "sub": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "aud": ["account", AUDIENCE], "azp": "roundcube", "exp": NOW + 300, "iat": NOW, "nbf": NOW,
            "scope": format!("openid profile email {SCOPE}"), USERNAME_CLAIM: USER, "email_verified": true,
            "preferred_username": "alice", "groups": ["staff", "mail-users"], "sid": "x".repeat(padding),
        })
    };
    let token = |padding| issuer.sign(alg, &claims(padding));
    let missing = len.saturating_sub(token(0).len());
    let text = (missing * 3 / 4..=missing)
        .map(token)
        .find(|token| token.len() >= len);
    text.expect("a length that can be met")
}
