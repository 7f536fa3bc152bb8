//! Why a key cannot be used, down to the member.

use core::fmt;

use super::JwkSet;
use crate::{crypto::Unsupported, wire::json};

/// Why a key cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum KeyError {
    /// Not the JSON of a JWK or a JWK Set (RFC 7517 sections 4 and 5).
    Malformed,
    /// A member occurs twice.
    DuplicateMember,
    /// More keys than [`JwkSet::MAX_KEYS`].
    TooManyKeys,
    /// What is read of it is longer than the buffer of a [`JwkSetReader`](super::JwkSetReader).
    TooLong,
    /// `kty` or `crv` is none of ours (RFC 7517 section 5: such keys are ignored).
    UnsupportedType(ShortName),
    /// `alg` is none of ours.
    UnsupportedAlgorithm(ShortName),
    /// `use` or `key_ops` keeps it from verifying signatures (RFC 7517 sections 4.2 and 4.3).
    NotForSignatures,
    /// A member is not what its standard says (RFC 7517 section 4, RFC 7518 section 6).
    Member(Member, MemberFault),
    /// A shared secret (`oct`) where only public keys are taken: anyone who reads a published one can sign
    /// with it.
    SharedSecret,
    /// The numbers are no key that may be used.
    Material(Unsupported),
    /// Neither PEM nor DER of a `SubjectPublicKeyInfo` (RFC 5280 section 4.1, RFC 7468 section 13).
    PublicKeyInfo,
    /// Not base64.
    Secret,
}

/// A member of a JWK that is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is named after its member")]
pub enum Member {
    Kty,
    Kid,
    Alg,
    Use,
    KeyOps,
    Issuer,
    Crv,
    X,
    Y,
    N,
    E,
    K,
}

impl Member {
    /// The member's name in the object.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kty => "kty",
            Self::Kid => "kid",
            Self::Alg => "alg",
            Self::Use => "use",
            Self::KeyOps => "key_ops",
            Self::Issuer => "issuer",
            Self::Crv => "crv",
            Self::X => "x",
            Self::Y => "y",
            Self::N => "n",
            Self::E => "e",
            Self::K => "k",
        }
    }
}

/// What is wrong with a [`Member`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum MemberFault {
    /// It is absent or `null`.
    Missing,
    /// It is no string, or no array of strings where that is wanted.
    Type,
    /// It is longer than any that is taken.
    TooLong,
    /// An entry occurs twice (RFC 7517 section 4.3).
    Repeated,
    /// It is not base64url (RFC 7515 section 2): white space, misplaced padding, or bits left over.
    Encoding,
    /// Characters of base64 and of base64url in one value.
    MixedAlphabets,
    /// It decodes to another length than its curve has.
    Length,
}

impl Member {
    pub(super) fn is(self, fault: MemberFault) -> KeyError {
        KeyError::Member(self, fault)
    }
}

/// The name of a type, a curve or an algorithm that is not supported, for a message.
///
/// Empty where it is longer than [`MAX_LEN`](Self::MAX_LEN) or could be anything but a name.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct ShortName {
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

impl ShortName {
    /// Longest name that is kept, in bytes: `brainpoolP256r1` and `Ed25519ph` fit.
    pub const MAX_LEN: usize = 16;

    /// Nothing to call it by.
    pub(super) const NONE: Self = Self {
        bytes: [0; Self::MAX_LEN],
        len: 0,
    };

    /// Keeps `name` where it is short, and of letters, digits, `-`, `_`, `.` and `+`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
        let mut kept = Self::NONE;
        if let (Some(place), Ok(len)) = (kept.bytes.get_mut(..name.len()), name.len().try_into())
            && name.bytes().all(is_plain)
        {
            place.copy_from_slice(name.as_bytes());
            kept.len = len;
        }
        kept
    }

    /// The name, or nothing.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let name = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        core::str::from_utf8(name).unwrap_or_default()
    }
}

impl fmt::Debug for ShortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for ShortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is wrong, as a sentence about the key.
impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("It is not a JSON object that can be read"),
            Self::DuplicateMember => f.write_str("A member occurs twice"),
            Self::TooManyKeys => {
                write!(f, "The set holds more than {} keys", JwkSet::MAX_KEYS)
            }
            Self::TooLong => f.write_str("It is longer than the room for one key"),
            Self::UnsupportedType(name) => {
                write!(f, "Its type or curve{} is not supported", Named(name))
            }
            Self::UnsupportedAlgorithm(name) => {
                write!(f, "Its alg{} is not supported", Named(name))
            }
            Self::NotForSignatures => {
                f.write_str("Its use or key_ops is not for verifying signatures")
            }
            Self::Member(member, fault) => {
                write!(f, "Its {} {}", member.name(), fault.predicate(*member))
            }
            Self::SharedSecret => {
                f.write_str("It is a shared secret (oct), and only public keys are taken here")
            }
            Self::Material(unsupported) => f.write_str(numbers(*unsupported)),
            Self::PublicKeyInfo => {
                f.write_str("It is not one PEM block -----BEGIN PUBLIC KEY-----")
            }
            Self::Secret => f.write_str("The secret is not base64"),
        }
    }
}

impl core::error::Error for KeyError {}

impl MemberFault {
    const fn predicate(self, member: Member) -> &'static str {
        match self {
            Self::Missing => "is missing",
            Self::Type if matches!(member, Member::KeyOps) => "is not an array of strings",
            Self::Type => "is not a string",
            Self::TooLong => "is too long",
            Self::Repeated => "names an operation twice",
            Self::Encoding => "is not base64url",
            Self::MixedAlphabets => "mixes the alphabets of base64 and base64url",
            Self::Length => "has the wrong length for its curve",
        }
    }
}

const fn numbers(unsupported: Unsupported) -> &'static str {
    match unsupported {
        Unsupported::NoAlgorithm => "It serves none of the algorithms allowed here",
        Unsupported::SecretLength => {
            "The secret is shorter than the algorithm's hash or over 256 bytes"
        }
        Unsupported::ModulusSize => "Its n does not have 2048 to 4096 bits",
        Unsupported::Modulus => "Its n is no RSA modulus",
        Unsupported::Exponent => "Its e is no RSA exponent",
        Unsupported::Point => "Its x and y are no point on the curve",
    }
}

/// ` NAME`, or nothing; RFC 9964 calls the one type of ML-DSA keys `AKP`.
struct Named<'n>(&'n ShortName);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_str() {
            "" => Ok(()),
            "AKP" => f.write_str(" AKP (ML-DSA)"),
            name => write!(f, " {name}"),
        }
    }
}

impl From<json::Error> for KeyError {
    fn from(error: json::Error) -> Self {
        match error {
            json::Error::DuplicateName => Self::DuplicateMember,
            _ => Self::Malformed,
        }
    }
}

impl From<Unsupported> for KeyError {
    fn from(error: Unsupported) -> Self {
        Self::Material(error)
    }
}
