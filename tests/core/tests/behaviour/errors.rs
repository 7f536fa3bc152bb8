//! Every error of the core is one for a program, and a sentence for whoever reads a log.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Debug;
use std::path::Path;

use gatepost_core::crypto::{InvalidSignature, Unsupported};
use gatepost_core::dovecot::{NotSent, ProtocolError, RefusalReason};
use gatepost_core::introspection::FetchFailure;
use gatepost_core::jose::{self, KeyError, Member, MemberFault, ShortName, VerifyError};
use gatepost_core::provider::MetadataError;
use gatepost_core::{Claim, Rejection, UnixTime, Violation, sasl};

/// What may be wrong with a client's response.
pub(crate) const RESPONSES: [sasl::Error; 18] = [
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
    sasl::Error::PasswordAsName,
    sasl::Error::MissingAuth,
    sasl::Error::NotBearer,
    sasl::Error::MissingToken,
    sasl::Error::BadToken,
    sasl::Error::TokenTooLong,
];

/// What may be wrong with a token before its signature verifies.
pub(crate) const TOKENS: [jose::Error; 15] = [
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
pub(crate) const VIOLATIONS: [Violation; 20] = [
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
    Violation::PolicyTooLarge,
];

const SOME_TIME: UnixTime = UnixTime::from_seconds(0);

/// Each of `errors` says something of its own.
#[track_caller]
fn check<E: Error + Copy + Debug>(errors: &[E]) {
    let mut said = BTreeSet::new();
    for error in errors {
        let text = error.to_string();
        let begins_well = text.starts_with(|c: char| c.is_ascii_uppercase());
        assert!(begins_well && text.contains(' '), "{error:?}: {text}");
        assert!(!text.ends_with('.') && text.is_ascii(), "{error:?}: {text}");
        assert!(!text.contains(&format!("{error:?}")), "{error:?}: {text}");
        assert!(said.insert(text), "{error:?} says what another says");
    }
}

#[test]
fn an_error_of_a_mail_server_is_a_sentence() {
    check(&[NotSent::NotPending, NotSent::OutputFull]);
    check(&[
        ProtocolError::LineTooLong,
        ProtocolError::VersionExpected,
        ProtocolError::UnsupportedVersion,
        ProtocolError::CpidExpected,
        ProtocolError::InvalidCpid,
        ProtocolError::UnknownCommand,
        ProtocolError::MissingParameter,
        ProtocolError::InvalidId,
        ProtocolError::DuplicateId,
        ProtocolError::MissingService,
        ProtocolError::FieldAfterResponse,
        ProtocolError::OutputFull,
    ]);
    check(&REFUSALS.map(|(reason, _)| reason));
}

/// Why a login is refused before it is judged, and the codes that the log has for it.
const REFUSALS: [(RefusalReason, &str); 7] = [
    (RefusalReason::MechanismNotOffered, "mechanism_not_offered"),
    (RefusalReason::UnusableService, "unusable_service"),
    (RefusalReason::InvalidBase64, "invalid_base64"),
    (RefusalReason::ResponseTooLong, "response_too_long"),
    (
        RefusalReason::UnexpectedContinuation,
        "unexpected_continuation",
    ),
    (RefusalReason::UnknownId, "unknown_id"),
    (RefusalReason::Busy, "busy"),
];

#[test]
fn a_refusal_has_the_code_that_is_documented() {
    for (reason, code) in REFUSALS {
        assert_eq!(reason.code(), code);
    }
}

#[test]
fn an_error_of_a_token_is_a_sentence() {
    check(&[InvalidSignature]);
    check(&[
        Unsupported::NoAlgorithm,
        Unsupported::SecretLength,
        Unsupported::ModulusSize,
        Unsupported::Modulus,
        Unsupported::Exponent,
        Unsupported::Point,
    ]);
    check(&[
        FetchFailure::Timeout,
        FetchFailure::Connection,
        FetchFailure::Tls,
        FetchFailure::TooLarge,
        FetchFailure::NotAsked,
    ]);
    check(&RESPONSES);
    check(&TOKENS);
    check(&[
        VerifyError::Signature,
        VerifyError::Token(jose::Error::Encoding),
    ]);
    check(&VIOLATIONS);
    check(&[Rejection::UnknownKey, Rejection::Busy]);
}

#[test]
fn an_error_about_a_provider_is_a_sentence() {
    check(&[
        KeyError::Malformed,
        KeyError::DuplicateMember,
        KeyError::TooManyKeys,
        KeyError::UnsupportedType(ShortName::new("AKP")),
        KeyError::UnsupportedType(ShortName::new("")),
        KeyError::UnsupportedAlgorithm(ShortName::new("ES256K")),
        KeyError::NotForSignatures,
        KeyError::Member(Member::N, MemberFault::Missing),
        KeyError::Member(Member::N, MemberFault::Type),
        KeyError::Member(Member::KeyOps, MemberFault::Type),
        KeyError::Member(Member::KeyOps, MemberFault::Repeated),
        KeyError::Member(Member::N, MemberFault::TooLong),
        KeyError::Member(Member::N, MemberFault::Encoding),
        KeyError::Member(Member::N, MemberFault::MixedAlphabets),
        KeyError::Member(Member::X, MemberFault::Length),
        KeyError::Material(Unsupported::Point),
        KeyError::PublicKeyInfo,
        KeyError::Secret,
    ]);
    check(&[
        MetadataError::Malformed,
        MetadataError::MissingIssuer,
        MetadataError::WrongIssuer,
    ]);
}

#[test]
fn an_error_names_its_cause() {
    let error = VerifyError::Token(jose::Error::Payload);
    let cause = error.source().map(ToString::to_string);
    assert_eq!(cause, Some(jose::Error::Payload.to_string()));
    assert!(VerifyError::Signature.source().is_none());
}

/// Whoever adds an error finds this test.
#[test]
fn every_error_is_one_for_a_program() -> std::io::Result<()> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../core/src")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = std::fs::read_to_string(&path)?;
            let enums = source.lines().filter_map(|line| {
                let name = line.strip_prefix("pub enum ")?.split([' ', '<']).next()?;
                let ends = ["Error", "Failure", "Violation", "Reason", "Rejection"];
                ends.iter().any(|end| name.ends_with(end)).then_some(name)
            });
            for name in enums {
                seen += 1;
                let is_error = source.contains(&format!("core::error::Error for {name} "));
                assert!(is_error, "{}: {name}", path.display());
            }
        }
    }
    assert!(seen > 8, "{seen} errors");
    Ok(())
}
