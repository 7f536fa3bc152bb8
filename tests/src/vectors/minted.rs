//! Access tokens as RFC 9068 wants them, freshly signed with every algorithm.

use serde_json::json;

use super::Case;
use super::rfc::altered;
use crate::mint::{ALGORITHMS, Issuer};

/// A token of each algorithm with the key of each: those of its own verify it, and no other does, nor
/// does it verify with one character changed.
#[must_use]
pub fn tokens() -> Vec<Case> {
    let issuer = Issuer::new();
    let claims = json!({
        "iss": "https://id.example.com", "sub": "alice", "aud": "mail", "exp": 1_795_312_300,
        "iat": 1_795_312_000, "client_id": "roundcube", "jti": "1", "scope": "mail",
    });
    let mut cases = vec![];
    for signed in ALGORITHMS {
        let token = issuer.sign(signed, &claims);
        for served in ALGORITHMS {
            let name = format!("{signed} with the key of {served}");
            cases.push(Case::token(
                name,
                &issuer.jwk(served),
                &token,
                signed == served,
            ));
        }
        for changed in altered(&token) {
            let name = format!("{signed} with another character");
            cases.push(Case::token(name, &issuer.jwk(signed), &changed, false));
        }
    }
    cases
}
