//! Sentences that name the member which is at fault, and never its value.

use super::Claim;

/// The sentence about a claim, whose name stands in the middle.
macro_rules! about {
    ($claim:expr, $before:literal, $after:literal) => {
        match $claim {
            Claim::Exp => concat!($before, "exp", $after),
            Claim::Nbf => concat!($before, "nbf", $after),
            Claim::Iat => concat!($before, "iat", $after),
            Claim::Iss => concat!($before, "iss", $after),
            Claim::Sub => concat!($before, "sub", $after),
            Claim::Aud => concat!($before, "aud", $after),
            Claim::Azp => concat!($before, "azp (or client_id, cid, appid)", $after),
            Claim::Scope => concat!($before, "scope (or scp)", $after),
            Claim::Tid => concat!($before, "tid", $after),
            Claim::Events => concat!($before, "events", $after),
            Claim::Nonce => concat!($before, "nonce", $after),
            Claim::AtHash => concat!($before, "at_hash (or c_hash, s_hash)", $after),
            Claim::Typ => concat!($before, "typ", $after),
            Claim::HeaderType => concat!($before, "typ, in the header", $after),
            Claim::TokenType => concat!($before, "token_type (or tokenType, type)", $after),
            Claim::TokenUse => concat!($before, "token_use", $after),
            Claim::Active => concat!($before, "that tells active accounts", $after),
            Claim::User => concat!($before, "that names the user", $after),
        }
    };
}

pub(super) const fn missing(claim: Claim) -> &'static str {
    match claim {
        Claim::User => "The token does not name a user",
        _ => about!(claim, "The token lacks the claim ", ""),
    }
}

pub(super) const fn malformed(claim: Claim) -> &'static str {
    about!(claim, "The token's claim ", " is malformed")
}

pub(super) const fn not_access_token(claim: Claim) -> &'static str {
    match claim {
        // What others lack says it by being there.
        Claim::Events | Claim::Nonce | Claim::AtHash => {
            about!(claim, "The token is not an access token: it holds ", "")
        }
        Claim::HeaderType => "The token is not an access token: typ in its header is not at+jwt",
        _ => about!(
            claim,
            "The token is not an access token, as it says in ",
            ""
        ),
    }
}
