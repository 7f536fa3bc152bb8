//! The compact serialisation of a JWS (RFC 7515 section 7.1).

use super::{Error, Header};
use crate::{
    claims::VerifiedPayload,
    crypto::{InvalidSignature, VerifyingKey},
    wire::{base64, search},
};

/// Longest signature, in bytes: RSA with 4,096 bits.
const MAX_SIGNATURE: usize = 512;

/// A JWS whose header has been read, and whose signature has not been checked yet.
///
/// Nothing of its payload can be had before [`verify`](Self::verify).
#[derive(Clone)]
pub struct UnverifiedJwt<'t> {
    header: Header,
    signing_input: &'t [u8],
    payload: &'t [u8],
    signature: &'t [u8],
}

impl<'t> UnverifiedJwt<'t> {
    /// Splits `token` at its dots and reads its header.
    ///
    /// # Errors
    /// [`Error::NotCompactJws`] where it is opaque; else what is wrong with it.
    pub fn parse(token: &'t str) -> Result<Self, Error> {
        Self::read(token.as_bytes())
    }

    /// As [`parse`](Self::parse).
    pub(crate) fn read(token: &'t [u8]) -> Result<Self, Error> {
        let (header, rest) = split_dot(token).ok_or(Error::NotCompactJws)?;
        let (payload, signature) = split_dot(rest).ok_or(Error::NotCompactJws)?;
        if let Some((_, rest)) = split_dot(signature) {
            // RFC 7516 section 9: five parts, and `enc` in the header.
            let is_jwe = memchr::memchr_iter(b'.', rest).count() == 1;
            return Err(if is_jwe && Header::names_encryption(header) {
                Error::Encrypted
            } else {
                Error::NotCompactJws
            });
        }
        if base64::decoded_len(signature.len()) > MAX_SIGNATURE {
            return Err(Error::SignatureTooLong);
        }
        let signed = token
            .len()
            .saturating_sub(signature.len())
            .saturating_sub(1);
        // In its place: it is as long as a `kid` may be.
        let mut kid = None;
        let (algorithm, token_type) = Header::read(header, &mut kid)?;
        Ok(Self {
            header: Header {
                algorithm,
                kid,
                token_type,
            },
            signing_input: token.get(..signed).unwrap_or_default(),
            payload,
            signature,
        })
    }

    /// What the header says: hints, until the signature verifies.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Checks the signature with `key`, then decodes the payload into `scratch`.
    ///
    /// `scratch` needs three bytes for every four of the token's.
    ///
    /// # Errors
    /// [`VerifyError::Signature`] where it does not hold, or `key` does not serve the header's algorithm.
    pub fn verify<'s>(
        &self,
        key: &dyn VerifyingKey,
        scratch: &'s mut [u8],
    ) -> Result<VerifiedPayload<'s>, VerifyError> {
        self.check_signature(key)?;
        let bytes = self.decode_payload(scratch)?;
        Ok(VerifiedPayload::new(bytes, self.header.token_type))
    }

    /// As [`verify`](Self::verify), for a payload that [`decode_payload`](Self::decode_payload) has decoded.
    pub(crate) fn verify_decoded<'s>(
        &self,
        key: &dyn VerifyingKey,
        payload: &'s [u8],
    ) -> Result<VerifiedPayload<'s>, VerifyError> {
        self.check_signature(key)?;
        Ok(VerifiedPayload::new(payload, self.header.token_type))
    }

    fn check_signature(&self, key: &dyn VerifyingKey) -> Result<(), VerifyError> {
        let mut buffer = [0; MAX_SIGNATURE];
        let signature = base64::decode(self.signature, &mut buffer).map_err(Error::from)?;
        let algorithm = self.header.algorithm;
        if !key.algorithms().contains(algorithm) {
            return Err(VerifyError::Signature);
        }
        Ok(key.verify(algorithm, self.signing_input, signature)?)
    }

    /// Decodes the payload of a token whose header may be unreadable: good for what it says against itself.
    pub(crate) fn decode_payload_of<'s>(
        token: &[u8],
        scratch: &'s mut [u8],
    ) -> Result<&'s [u8], Error> {
        let (_, rest) = split_dot(token).ok_or(Error::NotCompactJws)?;
        let (payload, signature) = split_dot(rest).ok_or(Error::NotCompactJws)?;
        if search::find(b'.', signature).is_some() {
            return Err(Error::NotCompactJws);
        }
        decode(payload, scratch)
    }

    /// The payload before anything vouches for it: good for hints only.
    pub(crate) fn decode_payload<'s>(&self, scratch: &'s mut [u8]) -> Result<&'s [u8], Error> {
        decode(self.payload, scratch)
    }
}

fn decode<'s>(payload: &[u8], scratch: &'s mut [u8]) -> Result<&'s [u8], Error> {
    base64::decode(payload, scratch).map_err(|error| match error {
        base64::Error::TooLong => Error::PayloadTooLong,
        base64::Error::Malformed => Error::Encoding,
    })
}

impl core::fmt::Debug for UnverifiedJwt<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("UnverifiedJwt")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

/// Why a payload is not available.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VerifyError {
    /// The signature does not hold.
    Signature,
    /// The token is malformed.
    Token(Error),
}

impl core::fmt::Display for VerifyError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Signature => "The signature does not hold",
            Self::Token(_) => "The token is malformed",
        })
    }
}

impl core::error::Error for VerifyError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Signature => None,
            Self::Token(error) => Some(error),
        }
    }
}

impl From<InvalidSignature> for VerifyError {
    fn from(_: InvalidSignature) -> Self {
        Self::Signature
    }
}

impl From<Error> for VerifyError {
    fn from(error: Error) -> Self {
        Self::Token(error)
    }
}

fn split_dot(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = search::find(b'.', text)?;
    let (part, rest) = text.split_at_checked(at)?;
    Some((part, rest.get(1..)?))
}
