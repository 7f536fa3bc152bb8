//! Every reason a login fails, its stable code, and its one mapping to the wire.

use crate::{
    app_password::Unfit,
    dovecot::{FailCode, Failure},
    introspection::FetchFailure,
    jose::{self, VerifyError},
    policy::{Claim, Violation},
    sasl::{self, Status},
};

/// Why a login failed.
///
/// What the client is told is decided by [`status`](Self::status) alone: a bad token is never a
/// temporary failure, and a failing provider is never a bad token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Rejection {
    /// The client's message is malformed.
    Response(sasl::Error),
    /// The client's message is longer than any that is taken.
    ResponseTooLong,
    /// The token is malformed, or of a kind that is never judged.
    Token(jose::Error),
    /// The token is opaque, and nobody is configured to be asked about it.
    OpaqueToken,
    /// No key has the token's `kid`, or none serves its algorithm where it has none.
    UnknownKey,
    /// Several keys have the token's `kid`: whichever verified would be a guess (RFC 7517 section 4.5).
    AmbiguousKey,
    /// The key with the token's `kid` does not serve the token's algorithm (RFC 8725 section 3.1).
    AlgorithmNotAllowed,
    /// The signature does not hold.
    BadSignature,
    /// The claims are no good.
    Claims(Violation),
    /// There are no keys to verify with: ours or the provider's fault.
    NoKeys,
    /// It is not known what time it is.
    ClockNotSet,
    /// The provider says that the token is not good: expired, revoked, or never its own.
    TokenRefused,
    /// No provider is configured to be asked for a token in exchange for a password.
    PasswordNotTaken,
    /// The provider grants no token for this name and password.
    PasswordRefused,
    /// The provider grants this user no token for a password, right or wrong: it wants a second factor, say.
    PasswordGrantRefused,
    /// The password has the prefix of application passwords, and is not well formed: a typing error.
    MistypedPassword,
    /// The application password is well formed, and opens nothing here.
    AppPassword(Unfit),
    /// Only application passwords are taken for this service.
    AppPasswordRequired,
    /// No password of this user, or for this service, is taken from this network.
    PasswordNotAllowed,
    /// The key that the token names may be newer than those known here, and newer ones cannot be fetched.
    KeysUnavailable,
    /// The provider could not be asked, or failed to answer.
    ProviderUnavailable,
    /// The provider answered something that says nothing about the token.
    UnusableAnswer,
    /// A member of the provider's answer has another type than the standard gives it.
    MalformedMember(Claim),
    /// The provider does not accept the credentials that it is asked with, or does not let us ask so.
    ClientRefused,
    /// Nobody has an account whom the token could belong to.
    UnknownAccount,
    /// The account may not log in.
    AccountDisabled,
    /// The client calls itself by another address of the account than its mailbox.
    AccountRenamed,
    /// The account has no mailbox.
    NoMailbox,
    /// The token's user has no account, and another's account has the address that names him.
    AddressTaken,
    /// What there is of accounts is not known.
    AccountsUnavailable,
    /// Too many logins at once.
    Busy,
    /// The program that drives the exchange gave it something that it had not asked for.
    OutOfOrder,
    /// The program that drives the exchange lent a shorter buffer than a token takes.
    NoRoom,
}

impl Rejection {
    /// A stable name for logs and filters: what is documented is what is here.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Response(sasl::Error::TokenTooLong) => "token_too_long",
            Self::Response(sasl::Error::BadToken) => "malformed_token",
            Self::Response(sasl::Error::MissingToken) => "no_token",
            Self::Response(sasl::Error::PasswordAsName) | Self::MistypedPassword => {
                "mistyped_password"
            }
            Self::Response(_) => "malformed_response",
            Self::ResponseTooLong => "response_too_long",
            Self::Token(error) => token_code(error),
            Self::OpaqueToken => "opaque_token",
            Self::UnknownKey => "unknown_key",
            Self::AmbiguousKey => "ambiguous_key",
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::BadSignature => "bad_signature",
            Self::Claims(violation) => claims_code(violation),
            Self::NoKeys => "no_keys",
            Self::ClockNotSet => "clock_not_set",
            Self::TokenRefused => "token_refused",
            Self::PasswordNotTaken => "password_not_taken",
            Self::PasswordRefused => "password_refused",
            Self::PasswordGrantRefused => "password_grant_refused",
            Self::AppPassword(unfit) => app_password_code(unfit),
            Self::AppPasswordRequired => "app_password_required",
            Self::PasswordNotAllowed => "password_not_allowed",
            Self::KeysUnavailable => "keys_unavailable",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::UnusableAnswer | Self::MalformedMember(_) => "unusable_answer",
            Self::ClientRefused => "client_refused",
            Self::UnknownAccount => "unknown_account",
            Self::AccountDisabled => "account_disabled",
            Self::AccountRenamed => "account_renamed",
            Self::NoMailbox => "no_mailbox",
            Self::AddressTaken => "address_taken",
            Self::AccountsUnavailable => "accounts_unavailable",
            Self::Busy => "busy",
            Self::OutOfOrder | Self::NoRoom => "internal_error",
        }
    }

    /// What the client is told it is (RFC 6750 section 3.1); `None` for a temporary failure.
    #[must_use]
    pub const fn status(self) -> Option<Status> {
        match self {
            Self::Response(
                sasl::Error::TokenTooLong | sasl::Error::BadToken | sasl::Error::MissingToken,
            ) => Some(Status::InvalidToken),
            Self::Response(_) | Self::ResponseTooLong => Some(Status::InvalidRequest),
            Self::Claims(Violation::InsufficientScope | Violation::UnmetRequirement { .. }) => {
                Some(Status::InsufficientScope)
            }
            Self::Claims(Violation::PolicyTooLarge)
            | Self::NoKeys
            | Self::ClockNotSet
            | Self::KeysUnavailable
            | Self::ProviderUnavailable
            | Self::UnusableAnswer
            | Self::MalformedMember(_)
            | Self::ClientRefused
            | Self::AccountsUnavailable
            | Self::Busy
            | Self::OutOfOrder
            | Self::NoRoom => None,
            Self::Token(_)
            | Self::OpaqueToken
            | Self::UnknownKey
            | Self::AmbiguousKey
            | Self::AlgorithmNotAllowed
            | Self::BadSignature
            | Self::TokenRefused
            | Self::PasswordNotTaken
            | Self::PasswordRefused
            | Self::PasswordGrantRefused
            | Self::MistypedPassword
            | Self::AppPassword(_)
            | Self::AppPasswordRequired
            | Self::PasswordNotAllowed
            | Self::UnknownAccount
            | Self::AccountDisabled
            | Self::AccountRenamed
            | Self::NoMailbox
            | Self::AddressTaken
            | Self::Claims(_) => Some(Status::InvalidToken),
        }
    }

    /// Whether it looks like somebody's guess: what no provider ever issued, or a wrong password.
    ///
    /// A token that was good once is none, whatever has come of it since: expired, revoked, signed with a
    /// key that is gone. What a provider refuses may be any of these. An application password that opens nothing is
    /// one, whatever is wrong with it: an answer that is quicker would tell.
    #[must_use]
    pub const fn is_guess(self) -> bool {
        matches!(
            self,
            Self::BadSignature | Self::PasswordRefused | Self::AppPassword(_) | Self::Token(_)
        )
    }

    /// What the mail server is told; `user` is who the client claimed to be.
    #[must_use]
    pub const fn failure(self, user: Option<&str>) -> Failure<'_> {
        let code = match self {
            Self::Claims(
                Violation::WrongUser
                | Violation::WrongDomain
                | Violation::InsufficientScope
                | Violation::UnmetRequirement { .. },
            )
            | Self::PasswordGrantRefused
            | Self::UnknownAccount
            | Self::AccountRenamed
            | Self::NoMailbox
            | Self::AddressTaken => Some(FailCode::AuthzFail),
            Self::Claims(Violation::Inactive) | Self::AccountDisabled => {
                Some(FailCode::UserDisabled)
            }
            _ if self.status().is_none() => Some(FailCode::TempFail),
            _ => None,
        };
        Failure {
            user,
            code,
            reason: self.reason(),
        }
    }

    /// One sentence for the user; Postfix appends it to its own. A temporary one says so first.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Response(error) => error.sentence(),
            Self::ResponseTooLong => "The SASL response is longer than 12288 characters",
            Self::Token(error) => token_reason(error),
            Self::OpaqueToken => {
                "The token is not a JWT, and no provider is configured to be asked about it"
            }
            Self::UnknownKey => "The token is signed with a key that is not known here",
            Self::AmbiguousKey => "The token's key identifier belongs to several keys",
            Self::AlgorithmNotAllowed => "The token's key does not serve the token's algorithm",
            Self::BadSignature => "The token's signature does not hold",
            Self::Claims(violation) => violation.sentence(),
            Self::NoKeys => "Temporary failure: there are no keys to verify tokens with",
            Self::ClockNotSet => "Temporary failure: the clock is not set yet",
            Self::TokenRefused => "The identity provider says that the token is not good any more",
            Self::PasswordNotTaken => {
                "No identity provider is configured to take passwords: log in with a token"
            }
            Self::PasswordRefused => "The identity provider refuses this name and password",
            Self::PasswordGrantRefused => {
                "The identity provider wants more of this user than a password: log in with a token"
            }
            Self::MistypedPassword => "The application password is mistyped",
            Self::AppPassword(_) => "There is no such user, or the application password is not his",
            Self::AppPasswordRequired => "Log in with an application password",
            Self::PasswordNotAllowed => "Passwords are not taken here: log in with a token",
            Self::KeysUnavailable => {
                "Temporary failure: the identity provider's newest keys cannot be fetched"
            }
            Self::ProviderUnavailable => "Temporary failure: the identity provider cannot be asked",
            Self::UnusableAnswer | Self::MalformedMember(_) => {
                "Temporary failure: the identity provider's answer cannot be used"
            }
            Self::ClientRefused => {
                "Temporary failure: the identity provider refuses this mail server as its client"
            }
            Self::UnknownAccount => "There is no account here for the token's user",
            Self::AccountDisabled => "The account may not log in",
            Self::AccountRenamed => {
                "The account's mailbox has another address: log in under that one"
            }
            Self::NoMailbox => "The account has no mailbox",
            Self::AddressTaken => "The address of the token's user belongs to another account",
            Self::AccountsUnavailable => "Temporary failure: the accounts cannot be looked up now",
            Self::Busy => "Temporary failure: too many logins at once",
            Self::OutOfOrder | Self::NoRoom => "Temporary failure: internal error",
        }
    }
}

/// The sentence of [`reason`](Rejection::reason).
impl core::fmt::Display for Rejection {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.reason())
    }
}

impl core::error::Error for Rejection {}

const fn app_password_code(unfit: Unfit) -> &'static str {
    match unfit {
        Unfit::Unknown => "app_password_unknown",
        Unfit::WrongService => "app_password_wrong_service",
        Unfit::WrongNetwork => "app_password_wrong_network",
        Unfit::Expired => "app_password_expired",
        Unfit::Revoked => "app_password_revoked",
        Unfit::Disabled => Rejection::AccountDisabled.code(),
    }
}

const fn token_code(error: jose::Error) -> &'static str {
    match error {
        jose::Error::UnsupportedAlgorithm => "unsupported_algorithm",
        jose::Error::TokenType => "not_access_token",
        jose::Error::Encrypted => "encrypted_token",
        jose::Error::CriticalExtension | jose::Error::UnencodedPayload => "unsupported_extension",
        _ => "malformed_token",
    }
}

const fn claims_code(violation: Violation) -> &'static str {
    match violation {
        Violation::Malformed | Violation::MalformedClaim(_) | Violation::ConflictingDates => {
            "malformed_claims"
        }
        Violation::Missing(Claim::User) => "no_user_name",
        Violation::Missing(_) => "missing_claim",
        Violation::KeyBound => "key_bound_token",
        Violation::NotAccessToken(_) => "not_access_token",
        Violation::Expired { .. } => "expired",
        Violation::NotYetValid { .. } => "not_yet_valid",
        Violation::IssuedInFuture => "issued_in_future",
        Violation::WrongIssuer => "wrong_issuer",
        Violation::WrongAudience => "wrong_audience",
        Violation::WrongAuthorizedParty => "wrong_authorized_party",
        Violation::EmailNotVerified => "email_not_verified",
        Violation::InsufficientScope => "insufficient_scope",
        Violation::UnmetRequirement { .. } => "unmet_requirement",
        Violation::WrongDomain => "wrong_domain",
        Violation::Inactive => "inactive",
        Violation::UnusableUserName => "unusable_user_name",
        Violation::WrongUser => "wrong_user",
        Violation::PolicyTooLarge => "internal_error",
    }
}

const fn token_reason(error: jose::Error) -> &'static str {
    match error {
        jose::Error::UnsupportedAlgorithm => "The token's algorithm is not supported",
        jose::Error::TokenType => "The token is not an access token",
        jose::Error::Encrypted => "The token is encrypted (JWE), and only the provider can read it",
        jose::Error::CriticalExtension | jose::Error::UnencodedPayload => {
            "The token needs an extension that is not supported"
        }
        _ => "The token is malformed",
    }
}

impl From<sasl::Error> for Rejection {
    fn from(error: sasl::Error) -> Self {
        Self::Response(error)
    }
}

impl From<jose::Error> for Rejection {
    fn from(error: jose::Error) -> Self {
        match error {
            jose::Error::NotCompactJws => Self::OpaqueToken,
            jose::Error::PayloadTooLong => Self::NoRoom,
            _ => Self::Token(error),
        }
    }
}

impl From<VerifyError> for Rejection {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Signature => Self::BadSignature,
            VerifyError::Token(error) => error.into(),
        }
    }
}

impl From<Violation> for Rejection {
    fn from(violation: Violation) -> Self {
        Self::Claims(violation)
    }
}

impl From<FetchFailure> for Rejection {
    fn from(failure: FetchFailure) -> Self {
        match failure {
            FetchFailure::TooLarge => Self::UnusableAnswer,
            _ => Self::ProviderUnavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString as _;

    #[test]
    fn a_reason_is_a_sentence_that_tells_what_is_wrong() {
        for (rejection, expected) in [
            (sasl::Error::NotBearer.into(), "holds no Bearer token"),
            (
                sasl::Error::BadGs2Header.into(),
                "GS2 header such as n,a=user,",
            ),
            (
                jose::Error::UnsupportedAlgorithm.into(),
                "algorithm is not supported",
            ),
            (jose::Error::TokenType.into(), "is not an access token"),
            (
                jose::Error::CriticalExtension.into(),
                "extension that is not supported",
            ),
            (
                jose::Error::UnencodedPayload.into(),
                "extension that is not supported",
            ),
            (jose::Error::Encoding.into(), "token is malformed"),
            (Violation::WrongAudience.into(), "another audience"),
            (
                Violation::Missing(Claim::User).into(),
                "does not name a user",
            ),
            (Violation::Missing(Claim::Aud).into(), "lacks the claim aud"),
            (
                Violation::Missing(Claim::Azp).into(),
                "azp (or client_id, cid, appid)",
            ),
            (
                Violation::MalformedClaim(Claim::Exp).into(),
                "claim exp is malformed",
            ),
            (
                Violation::NotAccessToken(Claim::Nonce).into(),
                "not an access token: it holds nonce",
            ),
            (
                Violation::NotAccessToken(Claim::TokenUse).into(),
                "as it says in token_use",
            ),
            (
                Violation::NotAccessToken(Claim::HeaderType).into(),
                "typ in its header is not at+jwt",
            ),
            (Rejection::UnknownKey, "a key that is not known here"),
            (jose::Error::Encrypted.into(), "encrypted (JWE)"),
        ] {
            let reason: Rejection = rejection;
            assert!(reason.reason().contains(expected), "{reason:?}: {reason}");
            assert_eq!(reason.to_string(), reason.reason());
        }
    }

    #[test]
    fn what_was_good_once_is_no_guess() {
        for guess in [
            Rejection::BadSignature,
            Rejection::PasswordRefused,
            Rejection::AppPassword(Unfit::Unknown),
            Rejection::AppPassword(Unfit::Expired),
            jose::Error::Encoding.into(),
        ] {
            assert!(guess.is_guess(), "{guess:?}");
        }
        for other in [
            Rejection::TokenRefused,
            Rejection::UnknownKey,
            Rejection::MistypedPassword,
            Rejection::AppPasswordRequired,
            Rejection::PasswordNotAllowed,
            sasl::Error::PasswordAsName.into(),
            Rejection::ProviderUnavailable,
            Violation::WrongUser.into(),
            Violation::WrongAudience.into(),
        ] {
            let other: Rejection = other;
            assert!(!other.is_guess(), "{other:?}");
        }
    }
}
