//! One JSON Web Key (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2).

mod number;

use super::{Header, KeyError, Member, MemberFault, ShortName};
use crate::{
    crypto::{
        Algorithm, AlgorithmSet, Curve, EcPublicKey, Ed25519PublicKey, HmacSecret, KeyMaterial,
        RsaPublicKey,
    },
    wire::json::{Object, Text, Value},
};

/// Longest name of a member that is looked at, in bytes: `key_ops`.
const MAX_NAME: usize = 7;

/// Longest `issuer`, in bytes: Entra's have 75.
const MAX_ISSUER: usize = 256;

/// Most entries of `key_ops`: RFC 7517 section 4.3 registers 8.
const MAX_OPERATIONS: usize = 16;

/// Longest value of `kty`, `crv` and `alg` that is compared, in bytes.
const MAX_VALUE: usize = 64;

/// A JWK whose members have been read; its numbers are decoded by [`material`](Self::material).
///
/// Private members, such as the `d` of a key pair, are never looked at.
#[derive(Clone, Debug)]
pub struct Jwk<'j> {
    kid: Option<heapless::String<{ Header::MAX_KID }>>,
    issuer: Option<heapless::String<MAX_ISSUER>>,
    algorithms: AlgorithmSet,
    numbers: Numbers<'j>,
}

/// Room for the decoded numbers of any one key.
#[derive(Clone)]
pub struct KeyBuffer {
    /// The modulus, the point, the secret or the public key.
    main: [u8; KeyBuffer::MAIN],
    exponent: [u8; 8],
}

impl KeyBuffer {
    /// A modulus of 4,096 bits, with one leading zero that some writers leave.
    const MAIN: usize = 513;

    /// An empty buffer.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            main: [0; Self::MAIN],
            exponent: [0; 8],
        }
    }

    pub(super) fn main(&mut self) -> &mut [u8] {
        &mut self.main
    }
}

impl Default for KeyBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for KeyBuffer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("KeyBuffer(..)")
    }
}

#[derive(Clone, Copy, Debug)]
enum Numbers<'j> {
    Hmac {
        k: Text<'j>,
    },
    Rsa {
        n: Text<'j>,
        e: Text<'j>,
    },
    Ec {
        curve: Curve,
        x: Text<'j>,
        y: Text<'j>,
    },
    Ed25519 {
        x: Text<'j>,
    },
}

/// The members that matter, as they stand in the object; one that is `null` is absent.
#[derive(Default)]
struct Members<'j> {
    kty: Option<Value<'j>>,
    kid: Option<Value<'j>>,
    alg: Option<Value<'j>>,
    usage: Option<Value<'j>>,
    key_ops: Option<Value<'j>>,
    issuer: Option<Value<'j>>,
    crv: Option<Value<'j>>,
    x: Option<Value<'j>>,
    y: Option<Value<'j>>,
    n: Option<Value<'j>>,
    e: Option<Value<'j>>,
    k: Option<Value<'j>>,
}

impl<'j> Jwk<'j> {
    /// Longest `issuer`, in bytes.
    pub const MAX_ISSUER: usize = MAX_ISSUER;

    /// The members that are looked at.
    pub(super) const MEMBERS: [&'static str; 12] = [
        "kty", "kid", "alg", "use", "key_ops", "issuer", "crv", "x", "y", "n", "e", "k",
    ];

    /// Reads one JWK.
    ///
    /// # Errors
    /// Why it cannot be used; for a key of an unknown type that is to be ignored, not to be reported.
    pub fn parse(json: &'j [u8]) -> Result<Self, KeyError> {
        Self::from_object(Object::parse(json)?)
    }

    pub(super) fn from_object(object: Object<'j>) -> Result<Self, KeyError> {
        let members = Members::read(object)?;
        let numbers = members.numbers()?;
        members.check_use()?;
        Ok(Self {
            kid: members.kid()?,
            issuer: members.issuer()?,
            algorithms: members.algorithms()?,
            numbers,
        })
    }

    /// Which key this is, where it says so.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The only issuer whose tokens it signs, where the key says so itself.
    ///
    /// Entra's common key sets hold keys of several issuers; `{tenantid}` in the text stands for any tenant.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// The one algorithm of its `alg`, or all: its type narrows them down when it is prepared.
    #[must_use]
    pub fn algorithms(&self) -> AlgorithmSet {
        self.algorithms
    }

    /// Decodes the numbers of a public key into `buffer`.
    ///
    /// # Errors
    /// [`KeyError::Member`] or [`KeyError::Material`]; [`KeyError::SharedSecret`] for an `oct` key: anyone who
    /// reads a published secret can sign with it.
    pub fn material<'b>(&self, buffer: &'b mut KeyBuffer) -> Result<KeyMaterial<'b>, KeyError> {
        if matches!(self.numbers, Numbers::Hmac { .. }) {
            return Err(KeyError::SharedSecret);
        }
        self.material_or_secret(buffer)
    }

    /// As [`material`](Self::material), and takes shared secrets as well: for JWKs that never were public,
    /// such as a file of the operator's.
    ///
    /// # Errors
    /// [`KeyError::Member`] or [`KeyError::Material`].
    pub fn material_or_secret<'b>(
        &self,
        buffer: &'b mut KeyBuffer,
    ) -> Result<KeyMaterial<'b>, KeyError> {
        let KeyBuffer { main, exponent } = buffer;
        Ok(match self.numbers {
            Numbers::Hmac { k } => {
                let secret = number::secret(k, main).map_err(|fault| Member::K.is(fault))?;
                KeyMaterial::Hmac(HmacSecret::new(secret)?)
            }
            Numbers::Rsa { n, e } => {
                let n = number::public(n, main).map_err(|fault| Member::N.is(fault))?;
                let e = number::public(e, exponent).map_err(|fault| Member::E.is(fault))?;
                KeyMaterial::Rsa(RsaPublicKey::new(n, e)?)
            }
            Numbers::Ec { curve, x, y } => {
                KeyMaterial::Ec(EcPublicKey::new(curve, join_point(curve, x, y, main)?)?)
            }
            Numbers::Ed25519 { x } => {
                let bytes = number::public(x, main).map_err(|fault| Member::X.is(fault))?;
                let bytes = bytes
                    .try_into()
                    .map_err(|_| Member::X.is(MemberFault::Length))?;
                KeyMaterial::Ed25519(Ed25519PublicKey::new(bytes))
            }
        })
    }
}

impl<'j> Members<'j> {
    fn read(object: Object<'j>) -> Result<Self, KeyError> {
        let mut members = Self::default();
        for member in object.members() {
            let (name, value) = member?;
            // Escapes hide no member: `\u0075se` is `use` (RFC 8259 section 8.3).
            let name = name.to_string::<MAX_NAME>();
            let place = match name.as_deref() {
                Some("kty") => &mut members.kty,
                Some("kid") => &mut members.kid,
                Some("alg") => &mut members.alg,
                Some("use") => &mut members.usage,
                Some("key_ops") => &mut members.key_ops,
                Some("issuer") => &mut members.issuer,
                Some("crv") => &mut members.crv,
                Some("x") => &mut members.x,
                Some("y") => &mut members.y,
                Some("n") => &mut members.n,
                Some("e") => &mut members.e,
                Some("k") => &mut members.k,
                _ => continue,
            };
            *place = Some(value).filter(|value| !matches!(value, Value::Null));
        }
        Ok(members)
    }

    fn numbers(&self) -> Result<Numbers<'j>, KeyError> {
        let kty = name(Member::Kty, required(Member::Kty, self.kty)?)?;
        Ok(match kty.as_str() {
            "oct" => Numbers::Hmac {
                k: required(Member::K, self.k)?,
            },
            "RSA" => Numbers::Rsa {
                n: required(Member::N, self.n)?,
                e: required(Member::E, self.e)?,
            },
            "EC" => Numbers::Ec {
                curve: self.curve()?,
                x: required(Member::X, self.x)?,
                y: required(Member::Y, self.y)?,
            },
            "OKP" => {
                let crv = self.crv()?;
                if crv != "Ed25519" {
                    return Err(KeyError::UnsupportedType(ShortName::new(&crv)));
                }
                Numbers::Ed25519 {
                    x: required(Member::X, self.x)?,
                }
            }
            other => return Err(KeyError::UnsupportedType(ShortName::new(other))),
        })
    }

    fn crv(&self) -> Result<heapless::String<MAX_VALUE>, KeyError> {
        name(Member::Crv, required(Member::Crv, self.crv)?)
    }

    fn curve(&self) -> Result<Curve, KeyError> {
        let crv = self.crv()?;
        Ok(match crv.as_str() {
            "P-256" => Curve::P256,
            "P-384" => Curve::P384,
            "P-521" => Curve::P521,
            other => return Err(KeyError::UnsupportedType(ShortName::new(other))),
        })
    }

    /// RFC 7517 sections 4.2 and 4.3: either may be absent, neither may forbid.
    fn check_use(&self) -> Result<(), KeyError> {
        if let Some(usage) = optional(Member::Use, self.usage)?
            && usage != *"sig"
        {
            return Err(KeyError::NotForSignatures);
        }
        let Some(operations) = self.key_ops else {
            return Ok(());
        };
        let wrong = |fault| Member::KeyOps.is(fault);
        let operations = operations.array().map_err(|_| wrong(MemberFault::Type))?;
        let mut seen: heapless::Vec<Text<'j>, MAX_OPERATIONS> = heapless::Vec::new();
        for operation in operations.items() {
            let operation = operation?.string().map_err(|_| wrong(MemberFault::Type))?;
            if seen.contains(&operation) {
                return Err(wrong(MemberFault::Repeated));
            }
            seen.push(operation)
                .map_err(|_| wrong(MemberFault::TooLong))?;
        }
        if seen.iter().any(|operation| *operation == *"verify") {
            Ok(())
        } else {
            Err(KeyError::NotForSignatures)
        }
    }

    /// An empty one is none: no token can name it.
    fn kid(&self) -> Result<Option<heapless::String<{ Header::MAX_KID }>>, KeyError> {
        let kid = optional(Member::Kid, self.kid)?.filter(|kid| !kid.is_empty());
        kid.map(|kid| copied(Member::Kid, kid)).transpose()
    }

    fn issuer(&self) -> Result<Option<heapless::String<MAX_ISSUER>>, KeyError> {
        let issuer = optional(Member::Issuer, self.issuer)?.filter(|issuer| !issuer.is_empty());
        issuer
            .map(|issuer| copied(Member::Issuer, issuer))
            .transpose()
    }

    fn algorithms(&self) -> Result<AlgorithmSet, KeyError> {
        let Some(algorithm) = optional(Member::Alg, self.alg)? else {
            return Ok(AlgorithmSet::ALL);
        };
        let written = name(Member::Alg, algorithm)?;
        match Algorithm::from_name(&written) {
            Some(algorithm) => Ok(AlgorithmSet::of(&[algorithm])),
            None => Err(KeyError::UnsupportedAlgorithm(ShortName::new(&written))),
        }
    }
}

/// The identifier of an object that is not a usable key.
pub(super) fn kid_of(object: Object<'_>) -> Option<heapless::String<{ Header::MAX_KID }>> {
    let mut members = object.members_unchecked().map_while(Result::ok);
    let (_, kid) = members.find(|(name, _)| *name == *"kid")?;
    kid.string().ok()?.to_string()
}

fn optional(member: Member, value: Option<Value<'_>>) -> Result<Option<Text<'_>>, KeyError> {
    let text = value.map(Value::string).transpose();
    text.map_err(|_| member.is(MemberFault::Type))
}

fn required(member: Member, value: Option<Value<'_>>) -> Result<Text<'_>, KeyError> {
    optional(member, value)?.ok_or(member.is(MemberFault::Missing))
}

fn copied<const N: usize>(member: Member, text: Text<'_>) -> Result<heapless::String<N>, KeyError> {
    text.to_string().ok_or(member.is(MemberFault::TooLong))
}

fn name(member: Member, text: Text<'_>) -> Result<heapless::String<MAX_VALUE>, KeyError> {
    copied(member, text)
}

/// `04 || x || y`; both coordinates get the full length of the field (RFC 7518 section 6.2.1.2).
fn join_point<'b>(
    curve: Curve,
    x: Text<'_>,
    y: Text<'_>,
    buffer: &'b mut [u8; KeyBuffer::MAIN],
) -> Result<&'b [u8], KeyError> {
    let len = curve.field_len();
    let point = buffer
        .get_mut(..len.saturating_mul(2).saturating_add(1))
        .ok_or(Member::X.is(MemberFault::Length))?;
    if let Some((tag, rest)) = point.split_first_mut()
        && let Some((place_of_x, place_of_y)) = rest.split_at_mut_checked(len)
    {
        *tag = 4;
        number::coordinate(x, place_of_x).map_err(|fault| Member::X.is(fault))?;
        number::coordinate(y, place_of_y).map_err(|fault| Member::Y.is(fault))?;
    }
    Ok(point)
}

#[cfg(test)]
mod tests;
