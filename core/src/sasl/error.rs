//! What is wrong with a client response.

#[cfg(doc)]
use super::{BearerToken, UserPassword};

/// Why a client response was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The message is empty: there is nothing to judge.
    Empty,
    /// Not `[authzid] NUL name NUL password` (RFC 4616 section 2).
    BadPlain,
    /// The client asks to act as somebody else than whose password it knows.
    ForeignAuthzid,
    /// The password is empty, not UTF-8, or longer than [`UserPassword::MAX_LEN`].
    BadPassword,
    /// An application password stands in the place of the user's name.
    PasswordAsName,
    /// Not a GS2 header, `n,a=user,` or `n,,` (RFC 5801 section 4).
    BadGs2Header,
    /// The client insists on channel binding, of which these mechanisms have none (RFC 7628 section 3.1).
    ChannelBinding,
    /// The name is empty, not UTF-8, or wrongly escaped.
    BadName,
    /// XOAUTH2 without `user=` in front.
    MissingUser,
    /// Not `key=value`, each ended by `^A`.
    BadKeyValue,
    /// A key occurs twice; accepting either value would be a guess.
    DuplicateKey,
    /// The message does not end in `^A^A`.
    Unterminated,
    /// Something follows the `^A^A` that ends the message.
    TrailingData,
    /// No `auth=`.
    MissingAuth,
    /// `auth=` holds another scheme than `Bearer`.
    NotBearer,
    /// `auth=` or `auth=Bearer` without a token: the client asks where to get one (RFC 7628 section 4.3).
    MissingToken,
    /// The token has characters that no token may have (RFC 6750 section 2.1).
    BadToken,
    /// The token is longer than [`BearerToken::MAX_LEN`].
    TokenTooLong,
}

impl Error {
    /// What is wrong, for the client's user.
    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::Empty => "The SASL response is empty",
            Self::BadPlain => "The SASL response is not authzid NUL name NUL password",
            Self::ForeignAuthzid => "One user cannot log in as another here",
            Self::BadPassword => "The password is empty, longer than 1024 bytes, or not UTF-8",
            Self::PasswordAsName => "An application password stands where the user name belongs",
            Self::BadGs2Header => {
                "The SASL response does not start with a GS2 header such as n,a=user,"
            }
            Self::ChannelBinding => "Channel binding is not offered",
            Self::BadName => "The user name in the SASL response is malformed",
            Self::MissingUser => "The SASL response does not start with user=",
            Self::BadKeyValue => "The SASL response holds a malformed key-value pair",
            Self::DuplicateKey => "The SASL response holds a key twice",
            Self::Unterminated => "The SASL response is not terminated",
            Self::TrailingData => "The SASL response continues after its end",
            Self::MissingAuth => "The SASL response holds no auth=",
            Self::NotBearer => "The SASL response holds no Bearer token",
            Self::MissingToken => "The client has no token: get one from the identity provider",
            Self::BadToken => "The token holds characters that no token may have",
            Self::TokenTooLong => "The token is longer than 8192 bytes",
        }
    }
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.sentence())
    }
}

impl core::error::Error for Error {}
