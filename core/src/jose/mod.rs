//! JSON Web Signatures and Keys (RFC 7515, RFC 7517): reads tokens and key material, prepares nothing.

mod header;
mod jwk;
mod jwk_set;
mod jws;
mod key_error;
mod spki;

pub use header::Header;
pub use jwk::{Jwk, KeyBuffer};
pub use jwk_set::{JwkSet, JwkSetReader};
pub use jws::{UnverifiedJwt, VerifyError};
pub use key_error::{KeyError, Member, MemberFault, ShortName};
pub use spki::{pem, public_key_der, secret_base64};

use crate::wire::base64;

/// Why a token is not a JWS that can be judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// Not three parts between dots: an opaque token, or another serialisation.
    NotCompactJws,
    /// A JWE (RFC 7516 section 7.1): only its recipient can read it.
    Encrypted,
    /// A part is not strict base64url (RFC 7515 section 2).
    Encoding,
    /// The header is not one JSON object (RFC 7515 section 4).
    Header,
    /// The header decodes to more than [`Header::MAX_LEN`].
    HeaderTooLong,
    /// A header name occurs twice (RFC 7515 section 4).
    DuplicateHeader,
    /// No `alg`, or not a string (RFC 7515 section 4.1.1).
    MissingAlgorithm,
    /// An `alg` that is not among ours; `none` is never.
    UnsupportedAlgorithm,
    /// `kid` is not a string, is empty, or longer than [`Header::MAX_KID`].
    KeyId,
    /// The token is not of a type that gives access: a `typ` other than `JWT` and `at+jwt`.
    TokenType,
    /// `crit` names extensions, and none is understood (RFC 7515 section 4.1.11).
    CriticalExtension,
    /// `b64` asks for an unencoded payload (RFC 7797).
    UnencodedPayload,
    /// The signature is longer than any of ours.
    SignatureTooLong,
    /// The payload is not one JSON object (RFC 7519 section 7.2), or two readers could read it differently.
    Payload,
    /// The payload does not fit the scratch space that was lent: the caller's fault, not the token's.
    PayloadTooLong,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Encrypted => "The token is encrypted (JWE), and only its recipient can read it",
            Self::NotCompactJws => "The token does not have the three parts of a JWS",
            Self::Encoding => "A part of the token is not base64url",
            Self::Header => "The token's header is not one JSON object",
            Self::HeaderTooLong => "The token's header is too long",
            Self::DuplicateHeader => "A name occurs twice in the token's header",
            Self::MissingAlgorithm => "The token's header names no algorithm",
            Self::UnsupportedAlgorithm => "The token's algorithm is not supported",
            Self::KeyId => "The token's key identifier is no string, empty or too long",
            Self::TokenType => "The token is not of a type that gives access",
            Self::CriticalExtension => "The token needs an extension that is not supported",
            Self::UnencodedPayload => "The token's payload is not encoded",
            Self::SignatureTooLong => "The token's signature is too long",
            Self::Payload => "The token's payload is not one JSON object",
            Self::PayloadTooLong => "The token's payload does not fit the buffer lent for it",
        })
    }
}

impl core::error::Error for Error {}

impl From<base64::Error> for Error {
    fn from(_: base64::Error) -> Self {
        Self::Encoding
    }
}

#[cfg(test)]
mod tests;
