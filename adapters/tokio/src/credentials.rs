//! Tokens for client credentials (RFC 6749 section 4.4): of a client that acts for itself.

use std::fmt::{self, Write as _};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gatepost_core::introspection::Method;
use serde::Deserialize;

use crate::fetch::Fetcher;
use crate::http::{Fault, Outgoing};
use crate::statistics::EndpointKind;
use crate::trouble::known_error;

/// Longest token that is taken, in bytes.
const MAX_TOKEN: usize = 8 << 10;

/// Longest that a token is shown, whatever its `expires_in` says.
const MAX_LIFETIME: Duration = Duration::from_hours(24);

/// Who asks for a token, where, and for what.
#[derive(Clone, Copy)]
pub struct Credentials<'c> {
    /// URL of the token endpoint.
    pub token_url: &'c str,
    /// The client identifier.
    pub client_id: &'c str,
    /// The client secret; never printed.
    pub client_secret: &'c str,
    /// The scopes to ask for, separated by spaces.
    pub scope: Option<&'c str>,
}

/// A token that was granted; never printed.
pub struct Granted {
    /// The bearer token.
    pub token: String,
    /// For how long it is good (`expires_in`), if that is told; a day at most.
    pub lifetime: Option<Duration>,
}

/// Why no token was granted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum GrantFault {
    /// There is no answer.
    NotReached(Fault),
    /// It is refused, with an error code of RFC 6749 section 5.2 or another that is known, if any.
    Refused(u16, Option<&'static str>),
    /// The answer holds no token of the type `Bearer`.
    NoToken,
}

impl GrantFault {
    /// What to do about it.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::NotReached(fault) => fault.advice(),
            Self::Refused(_, Some("invalid_client")) | Self::Refused(401, _) => {
                "correct client_id, or the secret in client_secret_file"
            }
            Self::Refused(_, Some("invalid_scope")) => "correct scope, or let the client have it",
            Self::Refused(_, Some("unauthorized_client" | "unsupported_grant_type")) => {
                "let the client have the grant type client_credentials at the provider"
            }
            Self::Refused(..) | Self::NoToken => "correct token_url: the provider's token endpoint",
        }
    }
}

impl fmt::Display for GrantFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReached(fault) => write!(f, "no answer of the token endpoint: {fault}"),
            Self::Refused(status, Some(code)) => {
                write!(f, "the token endpoint answers {status} ({code})")
            }
            Self::Refused(status, None) => write!(f, "the token endpoint answers {status}"),
            Self::NoToken => f.write_str("the token endpoint's answer holds no bearer token"),
        }
    }
}

impl std::error::Error for GrantFault {}

/// RFC 6749 sections 5.1 and 5.2.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    access_token: String,
    token_type: String,
    expires_in: serde_json::Value,
    error: String,
}

impl Fetcher {
    /// Asks for a token, once; redirects are not followed.
    ///
    /// # Errors
    /// [`GrantFault`]: none is granted.
    pub async fn grant(&self, credentials: Credentials<'_>) -> Result<Granted, GrantFault> {
        let outgoing = Outgoing {
            method: Method::Post,
            authorization: Some(basic(credentials.client_id, credentials.client_secret)),
            form: Some(form(credentials.scope)),
            ..Outgoing::get(EndpointKind::Token, credentials.token_url)
        };
        let incoming = self.client.ask(outgoing).await;
        let incoming = incoming.map_err(GrantFault::NotReached)?;
        let answer = serde_json::from_slice::<Answer>(&incoming.body);
        let answer = answer.unwrap_or_default();
        if incoming.status != 200 {
            let code = known_error(&answer.error);
            return Err(GrantFault::Refused(incoming.status, code));
        }
        let token = answer.access_token;
        let is_token = (1..=MAX_TOKEN).contains(&token.len());
        let is_bearer = answer.token_type.eq_ignore_ascii_case("bearer");
        if !is_token || !is_bearer || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(GrantFault::NoToken);
        }
        // Some write the number as a text.
        let seconds = match &answer.expires_in {
            serde_json::Value::String(text) => text.parse().ok(),
            number => number.as_u64(),
        };
        let lifetime = seconds.map(|seconds| Duration::from_secs(seconds).min(MAX_LIFETIME));
        Ok(Granted { token, lifetime })
    }
}

/// Section 4.4.2.
fn form(scope: Option<&str>) -> String {
    let scope = scope.map(|scope| format!("&scope={}", encoded(scope)));
    format!("grant_type=client_credentials{}", scope.unwrap_or_default())
}

/// Section 2.3.1.
fn basic(id: &str, secret: &str) -> String {
    let both = format!("{}:{}", encoded(id), encoded(secret));
    format!("Basic {}", BASE64_STANDARD.encode(both))
}

/// `text` percent-encoded.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            // A string always has room.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
