//! Verifies OAuth 2.0 bearer tokens, and tells whose they are.
//!
//! No I/O, no clock, no allocator, no panics: keys, tokens and the time come in, a verdict comes out.
//!
//! ```
//! # const JWK_SET: &[u8] = br#"{"keys":[{"kty":"EC","crv":"P-256","kid":"2026-11","alg":"ES256",
//! #     "x":"zhxL26a4qAdGnAYHWQ1O02GoJrpsCgPB127GeuNYPTI",
//! #     "y":"2uA9RpTgXyzY9sDlthCKARjzWBAqMUhYCC6hRtKQUBU"}]}"#;
//! # const TOKEN: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6IjIwMjYtMTEiLCJ0eXAiOiJhdCtqd3QifQ.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUuY29tIiwic3ViIjoiMSIsImF1ZCI6Im1haWwiLCJlbWFpbCI6IkFsaWNlQEV4YW1wbGUuQ09NIiwic2NvcGUiOiJvcGVuaWQgbWFpbCIsImlhdCI6MTc5NTMxMjAwMCwiZXhwIjoxNzk1MzEyMzAwfQ.Zru9PqqKHjHVz_xYrkdgMkB8Y1doW12n1aBtlWG1br4dNTXibMaTjSmbbMrlq4UBhjT4VLz54XcaK4AxaucwMA";
//! use gatepost_core::{Audience, KeySet, Policy, UnixTime, exchange::MAX_PAYLOAD, verify};
//!
//! // What the provider publishes at its `jwks_uri`. Secrets in it are refused; keys left out are reported.
//! let mut keys = KeySet::<8>::new();
//! keys.add_jwk_set(JWK_SET, |report| eprintln!("{report}"))?;
//!
//! let mut policy = Policy::new("example", Audience::OneOf(&["mail"]));
//! policy.issuer = Some("https://id.example.com");
//! policy.username_claims = &["email"];
//!
//! let now = UnixTime::from_seconds(1_795_312_100); // From your clock.
//! let mut scratch = [0; MAX_PAYLOAD];
//! let verified = verify(TOKEN, &keys, &policy, now, &mut scratch)?;
//! assert_eq!(verified.user(), "Alice@example.com");
//! assert!(verified.text("sub").is_some_and(|sub| sub == "1"));
//! assert!(verified.scopes().any(|scope| scope == "mail"));
//! assert_eq!(verified.date("iat"), Some(UnixTime::from_seconds(1_795_312_000)));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Verified`] hands out any claim by its path: [`text`](Verified::text), [`integer`](Verified::integer),
//! [`boolean`](Verified::boolean), [`date`](Verified::date), [`strings`](Verified::strings). [`Policy`] lists
//! what else a token may have to say. A host prepares keys with `gatepost-aws-lc`:
//! `KeySet::<8, _>::with_backend(AwsLc)`.
//!
//! # What errors mean
//! [`verify`] returns a [`Rejection`]. Its [`code`](Rejection::code) is stable, for logs; its
//! [`reason`](Rejection::reason) is a sentence; its [`status`](Rejection::status) says what to answer:
//!
//! | `status()` | HTTP answer | such as | what to do |
//! |---|---|---|---|
//! | `InvalidToken` | 401, `error="invalid_token"` | `expired`, `bad_signature`, `wrong_issuer`, `wrong_audience`, `malformed_token` | the client needs another token; many [guesses](Rejection::is_guess) are an attack |
//! | `InsufficientScope` | 403, `error="insufficient_scope"` | `insufficient_scope`, `unmet_requirement` | the token is good, and not for this |
//! | `None` | 503 | `no_keys`, `internal_error` | not the token's fault: fetch keys, or lend a longer scratch buffer |
//!
//! `unknown_key` comes with `InvalidToken`; after a provider's rotation it is a reason to fetch its keys again,
//! not more often than every 30 seconds or so: anyone can invent a `kid`. `opaque_token` is no JWT: only its
//! provider can tell, which [`Exchange`] asks about. A key of a JWK Set that cannot be used is a
//! [`KeyProblem`], and spoils no other.
//!
//! # Logins
//! [`Exchange`] takes a whole SASL login from the client's first bytes to the verdict, with several providers,
//! introspection and keys that change: see [`exchange`] for the loop that drives it.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

#[cfg(test)]
extern crate std;

pub mod app_password;
mod claims;
pub mod crypto;
pub mod dovecot;
pub mod exchange;
pub mod introspection;
pub mod jose;
mod key_set;
mod policy;
pub mod provider;
mod rejection;
pub mod sasl;
mod time;
mod verified;
mod wire;

pub use claims::{TokenType, VerifiedPayload};
pub use exchange::Exchange;
pub use key_set::{KeyProblem, KeyReport, KeySet};
pub use policy::{
    Active, AnsweredClaims, Audience, Claim, DEFAULT_SKEW, Delegate, Identity, Policy, Requirement,
    Rule, TemplateError, Tenant, UserCase, UsernameTemplate, Violation, VouchedUser,
};
pub use rejection::Rejection;
pub use time::UnixTime;
pub use verified::{ClaimText, Verified, verify};
