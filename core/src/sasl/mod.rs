//! SASL mechanisms that carry a bearer token (RFC 4422, RFC 7628).

/// A SASL mechanism that Gatepost judges.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mechanism {
    /// RFC 7628 section 3.
    OAuthBearer,
    /// Google's precursor of OAUTHBEARER, which most clients speak.
    XOAuth2,
}

impl Mechanism {
    /// Every mechanism, in the order in which they are offered.
    pub const ALL: [Self; 2] = [Self::OAuthBearer, Self::XOAuth2];

    /// The mechanism registered as `name`, in any case (RFC 4422 section 3.1 registers upper case).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    /// The registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
        }
    }
}
