//! What a client is told when its token was refused (RFC 7628 section 3.2.2, and XOAUTH2's older form).

use super::Mechanism;
use serde::Serialize;

/// Longest reply, in bytes; [`Discovery`] is refused where it would not fit.
const MAX_REPLY: usize = 1024;

/// The error names of RFC 6750 section 3.1, of which a failure reply holds one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// The message is malformed: the client is at fault.
    InvalidRequest,
    /// The token is no good: the client should get a new one.
    InvalidToken,
    /// The token is good, but not for this.
    InsufficientScope,
}

impl Status {
    /// The name, as OAUTHBEARER carries it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
        }
    }

    /// The HTTP status that RFC 6750 section 3.1 gives the name, as XOAUTH2 carries it.
    #[must_use]
    pub const fn http_status(self) -> &'static str {
        match self {
            Self::InvalidRequest => "400",
            Self::InvalidToken => "401",
            Self::InsufficientScope => "403",
        }
    }
}

/// Where a client may get a better token. Both may be absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discovery<'d> {
    /// Space-separated scopes that a token needs.
    pub scope: Option<&'d str>,
    /// URL of the provider's metadata.
    pub openid_configuration: Option<&'d str>,
}

impl Discovery<'_> {
    /// Whether a failure reply with these values fits its bound of 1,024 bytes.
    #[must_use]
    pub fn fits(&self) -> bool {
        let reply = |mechanism| FailureReply {
            mechanism,
            status: Status::InsufficientScope,
            discovery: *self,
        };
        Mechanism::ALL
            .into_iter()
            .all(|mechanism| reply(mechanism).render().is_some())
    }
}

/// The one challenge after a failure: JSON for the client.
#[derive(Clone, Copy, Debug)]
pub struct FailureReply<'d> {
    pub(crate) mechanism: Mechanism,
    pub(crate) status: Status,
    pub(crate) discovery: Discovery<'d>,
}

#[derive(Serialize)]
struct Reply<'d> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    schemes: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'d str>,
    #[serde(
        rename = "openid-configuration",
        skip_serializing_if = "Option::is_none"
    )]
    openid_configuration: Option<&'d str>,
}

impl FailureReply<'_> {
    /// The reply, not yet base64-encoded. One that does not [fit](Discovery::fits) goes without discovery.
    #[must_use]
    pub fn json(&self) -> heapless::Vec<u8, MAX_REPLY> {
        let bare = Self {
            discovery: Discovery::default(),
            ..*self
        };
        self.render().or_else(|| bare.render()).unwrap_or_default()
    }

    fn render(&self) -> Option<heapless::Vec<u8, MAX_REPLY>> {
        let (status, schemes) = match self.mechanism {
            Mechanism::OAuthBearer => (self.status.name(), None),
            // The mechanisms of passwords have no such reply, and nobody is sent one.
            Mechanism::XOAuth2 | Mechanism::Plain | Mechanism::Login => {
                (self.status.http_status(), Some("bearer"))
            }
        };
        let Discovery {
            scope,
            openid_configuration,
        } = self.discovery;
        let reply = Reply {
            status,
            schemes,
            scope,
            openid_configuration,
        };
        let mut json = heapless::Vec::new();
        json.resize(MAX_REPLY, 0).ok()?;
        let len = serde_json_core::to_slice(&reply, &mut json).ok()?;
        json.truncate(len);
        Some(json)
    }
}
