//! The JOSE header of a JWS (RFC 7515 section 4).

use super::Error;
use crate::{
    claims::TokenType,
    crypto::Algorithm,
    wire::{
        base64,
        json::{self, Object, Value},
    },
};

/// A `kid`.
pub(crate) type KeyId = heapless::String<{ Header::MAX_KID }>;

/// What of a header matters: which algorithm, which key, which type of token.
///
/// Keys in the header (`jwk`, `jku`, `x5u`, `x5c`) are never looked at: a token does not choose whom to
/// trust.
#[derive(Clone, Debug)]
pub struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<KeyId>,
    pub(crate) token_type: TokenType,
}

impl Header {
    /// Longest header taken, in decoded bytes (real ones stay below 200; `x5c` chains are of no use here).
    pub const MAX_LEN: usize = 1024;
    /// Longest `kid` taken, in bytes (thumbprints have 43 characters; some providers use URLs).
    pub const MAX_KID: usize = 256;

    /// The algorithm that the token claims to be signed with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Which key it claims to be signed with.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether an encoded header is that of a JWE (RFC 7516 section 4.1.2).
    pub(super) fn names_encryption(encoded: &[u8]) -> bool {
        let mut decoded = [0; Self::MAX_LEN];
        let Ok(decoded) = base64::decode(encoded, &mut decoded) else {
            return false;
        };
        let Ok(object) = Object::parse(decoded) else {
            return false;
        };
        let mut members = object.members_unchecked().flatten();
        members.any(|(name, _)| name == *"enc")
    }

    /// Decodes and reads a header, and keeps its `kid`.
    pub(super) fn read(
        encoded: &[u8],
        kid: &mut Option<KeyId>,
    ) -> Result<(Algorithm, TokenType), Error> {
        let (mut usual, mut longest) = ([0; USUAL_LEN], None);
        let buffer: &mut [u8] = if base64::decoded_len(encoded.len()) <= USUAL_LEN {
            &mut usual
        } else {
            longest.insert([0; Self::MAX_LEN])
        };
        let decoded = base64::decode(encoded, buffer).map_err(|error| match error {
            base64::Error::TooLong => Error::HeaderTooLong,
            base64::Error::Malformed => Error::Encoding,
        })?;
        let object = Object::parse(decoded).map_err(|_| Error::Header)?;
        let mut algorithm = None;
        let mut token_type = TokenType::Unspecified;
        for member in object.members() {
            let (name, value) = member?;
            match name.as_bytes() {
                Some(b"alg") => algorithm = Some(parse_algorithm(value)?),
                Some(b"kid") => parse_kid(value, kid.insert(KeyId::new()))?,
                Some(b"typ") => token_type = parse_type(value)?,
                Some(b"crit") => return Err(Error::CriticalExtension),
                Some(b"b64") => return Err(Error::UnencodedPayload),
                Some(_) => {}
                // No header parameter needs escapes; one that has them hides from somebody.
                None => return Err(Error::Header),
            }
        }
        let algorithm = algorithm.ok_or(Error::MissingAlgorithm)?;
        Ok((algorithm, token_type))
    }
}

impl From<json::Error> for Error {
    fn from(error: json::Error) -> Self {
        match error {
            json::Error::DuplicateName => Self::DuplicateHeader,
            _ => Self::Header,
        }
    }
}

/// How long headers are that need not have a buffer cleared for the longest.
const USUAL_LEN: usize = 128;

fn parse_algorithm(value: Value<'_>) -> Result<Algorithm, Error> {
    let name = value.string().map_err(|_| Error::MissingAlgorithm)?;
    name.as_bytes()
        .and_then(Algorithm::from_bytes)
        .ok_or(Error::UnsupportedAlgorithm)
}

fn parse_kid(value: Value<'_>, kid: &mut KeyId) -> Result<(), Error> {
    let text = value.string().ok().filter(|text| !text.is_empty());
    text.and_then(|text| text.push_to(kid)).ok_or(Error::KeyId)
}

/// What media types begin with (RFC 7515 section 4.1.9).
const PREFIX: &[u8] = b"application/";

fn parse_type(value: Value<'_>) -> Result<TokenType, Error> {
    let name = value.string().map_err(|_| Error::TokenType)?;
    let Some(name) = name.as_bytes() else {
        return Ok(TokenType::Other);
    };
    // RFC 7515 section 4.1.9: media types, compared without case, `application/` left out or not.
    let name = match name.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => name,
    };
    let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
    Ok(match () {
        () if is(b"at+jwt") => TokenType::AccessToken,
        () if is(b"jwt") => TokenType::Unspecified,
        () if is(b"token-introspection+jwt") => TokenType::IntrospectionAnswer,
        () => TokenType::Other,
    })
}
