//! Every error of the core that a login may end with, one value for each variant.

use gatepost_core::{Claim, UnixTime, Violation, jose, sasl};

/// What may be wrong with a client's response.
pub const RESPONSES: [sasl::Error; 17] = [
    sasl::Error::Empty,
    sasl::Error::BadGs2Header,
    sasl::Error::ChannelBinding,
    sasl::Error::BadName,
    sasl::Error::MissingUser,
    sasl::Error::BadKeyValue,
    sasl::Error::DuplicateKey,
    sasl::Error::Unterminated,
    sasl::Error::TrailingData,
    sasl::Error::BadPlain,
    sasl::Error::ForeignAuthzid,
    sasl::Error::BadPassword,
    sasl::Error::MissingAuth,
    sasl::Error::NotBearer,
    sasl::Error::MissingToken,
    sasl::Error::BadToken,
    sasl::Error::TokenTooLong,
];

/// What may be wrong with a token before its signature verifies.
pub const TOKENS: [jose::Error; 15] = [
    jose::Error::Encrypted,
    jose::Error::NotCompactJws,
    jose::Error::Encoding,
    jose::Error::Header,
    jose::Error::HeaderTooLong,
    jose::Error::DuplicateHeader,
    jose::Error::MissingAlgorithm,
    jose::Error::UnsupportedAlgorithm,
    jose::Error::KeyId,
    jose::Error::TokenType,
    jose::Error::CriticalExtension,
    jose::Error::UnencodedPayload,
    jose::Error::SignatureTooLong,
    jose::Error::Payload,
    jose::Error::PayloadTooLong,
];

/// What claims may break.
pub const VIOLATIONS: [Violation; 19] = [
    Violation::Malformed,
    Violation::MalformedClaim(Claim::Exp),
    Violation::Missing(Claim::User),
    Violation::KeyBound,
    Violation::NotAccessToken(Claim::Typ),
    Violation::Expired {
        now: SOME_TIME,
        expires_at: SOME_TIME,
    },
    Violation::NotYetValid {
        not_before: SOME_TIME,
    },
    Violation::IssuedInFuture,
    Violation::ConflictingDates,
    Violation::WrongIssuer,
    Violation::WrongAudience,
    Violation::WrongAuthorizedParty,
    Violation::EmailNotVerified,
    Violation::InsufficientScope,
    Violation::UnmetRequirement { place: 0 },
    Violation::WrongDomain,
    Violation::Inactive,
    Violation::UnusableUserName,
    Violation::WrongUser,
];

const SOME_TIME: UnixTime = UnixTime::from_seconds(0);
