//! One JSON Web Key (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2).

use super::{Header, KeyError};
use crate::{
    crypto::{
        Algorithm, AlgorithmSet, Curve, EcPublicKey, Ed25519PublicKey, HmacSecret, KeyMaterial,
        RsaPublicKey,
    },
    wire::{
        base64url,
        json::{Object, Text, Value},
    },
};

/// Longest name of a member that is looked at, in bytes: `key_ops`.
const MAX_NAME: usize = 7;

/// A JWK whose members have been read; its numbers are decoded by [`material`](Self::material).
///
/// Private members, such as the `d` of a key pair, are never looked at.
#[derive(Clone, Debug)]
pub struct Jwk<'j> {
    kid: Option<heapless::String<{ Header::MAX_KID }>>,
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

/// The members that matter, as they stand in the object.
#[derive(Default)]
struct Members<'j> {
    kty: Option<Value<'j>>,
    kid: Option<Value<'j>>,
    alg: Option<Value<'j>>,
    usage: Option<Value<'j>>,
    key_ops: Option<Value<'j>>,
    crv: Option<Value<'j>>,
    x: Option<Value<'j>>,
    y: Option<Value<'j>>,
    n: Option<Value<'j>>,
    e: Option<Value<'j>>,
    k: Option<Value<'j>>,
}

impl<'j> Jwk<'j> {
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
            algorithms: members.algorithms()?,
            numbers,
        })
    }

    /// Which key this is, where it says so.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The one algorithm of its `alg`, or all: its type narrows them down when it is prepared.
    #[must_use]
    pub fn algorithms(&self) -> AlgorithmSet {
        self.algorithms
    }

    /// Decodes the numbers into `buffer`.
    ///
    /// # Errors
    /// [`KeyError::Member`] or [`KeyError::Material`].
    pub fn material<'b>(&self, buffer: &'b mut KeyBuffer) -> Result<KeyMaterial<'b>, KeyError> {
        let KeyBuffer { main, exponent } = buffer;
        Ok(match self.numbers {
            Numbers::Hmac { k } => KeyMaterial::Hmac(HmacSecret::new(decode(k, main)?)?),
            Numbers::Rsa { n, e } => {
                KeyMaterial::Rsa(RsaPublicKey::new(decode(n, main)?, decode(e, exponent)?)?)
            }
            Numbers::Ec { curve, x, y } => {
                KeyMaterial::Ec(EcPublicKey::new(curve, join_point(curve, x, y, main)?)?)
            }
            Numbers::Ed25519 { x } => {
                let bytes = decode(x, main)?.try_into().map_err(|_| KeyError::Member)?;
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
                Some("crv") => &mut members.crv,
                Some("x") => &mut members.x,
                Some("y") => &mut members.y,
                Some("n") => &mut members.n,
                Some("e") => &mut members.e,
                Some("k") => &mut members.k,
                _ => continue,
            };
            *place = Some(value);
        }
        Ok(members)
    }

    fn numbers(&self) -> Result<Numbers<'j>, KeyError> {
        let kty = self.kty.ok_or(KeyError::Malformed)?.string()?;
        let crv = self.crv.and_then(|crv| crv.string().ok()?.as_str());
        Ok(match (kty.as_str(), crv) {
            (Some("oct"), _) => Numbers::Hmac {
                k: required(self.k)?,
            },
            (Some("RSA"), _) => Numbers::Rsa {
                n: required(self.n)?,
                e: required(self.e)?,
            },
            (Some("EC"), Some(name)) => {
                let curve = curve(name).ok_or(KeyError::UnsupportedType)?;
                Numbers::Ec {
                    curve,
                    x: required(self.x)?,
                    y: required(self.y)?,
                }
            }
            (Some("OKP"), Some("Ed25519")) => Numbers::Ed25519 {
                x: required(self.x)?,
            },
            (Some("EC" | "OKP"), None) => return Err(KeyError::Member),
            _ => return Err(KeyError::UnsupportedType),
        })
    }

    /// RFC 7517 sections 4.2 and 4.3: either may be absent, neither may forbid.
    fn check_use(&self) -> Result<(), KeyError> {
        let is = |text: Text<'_>, wanted: &str| text == *wanted;
        if let Some(usage) = self.usage
            && !is(usage.string()?, "sig")
        {
            return Err(KeyError::NotForSignatures);
        }
        let Some(operations) = self.key_ops else {
            return Ok(());
        };
        for operation in operations.array()?.items() {
            if is(operation?.string()?, "verify") {
                return Ok(());
            }
        }
        Err(KeyError::NotForSignatures)
    }

    fn kid(&self) -> Result<Option<heapless::String<{ Header::MAX_KID }>>, KeyError> {
        let Some(kid) = self.kid else { return Ok(None) };
        let kid = kid.string().ok().filter(|kid| !kid.is_empty());
        kid.and_then(Text::to_string)
            .ok_or(KeyError::KeyId)
            .map(Some)
    }

    fn algorithms(&self) -> Result<AlgorithmSet, KeyError> {
        let Some(algorithm) = self.alg else {
            return Ok(AlgorithmSet::ALL);
        };
        let algorithm = algorithm.string()?.as_str().and_then(Algorithm::from_name);
        Ok(AlgorithmSet::of(&[
            algorithm.ok_or(KeyError::UnsupportedAlgorithm)?
        ]))
    }
}

fn required(value: Option<Value<'_>>) -> Result<Text<'_>, KeyError> {
    value
        .and_then(|value| value.string().ok())
        .ok_or(KeyError::Member)
}

fn curve(name: &str) -> Option<Curve> {
    Some(match name {
        "P-256" => Curve::P256,
        "P-384" => Curve::P384,
        "P-521" => Curve::P521,
        _ => return None,
    })
}

fn decode<'b>(number: Text<'_>, buffer: &'b mut [u8]) -> Result<&'b [u8], KeyError> {
    let text = number.as_str().ok_or(KeyError::Member)?;
    base64url::decode(text.as_bytes(), buffer).map_err(|_| KeyError::Member)
}

/// `04 || x || y`; both coordinates have the full length of the field (RFC 7518 section 6.2.1.2).
fn join_point<'b>(
    curve: Curve,
    x: Text<'_>,
    y: Text<'_>,
    buffer: &'b mut [u8; KeyBuffer::MAIN],
) -> Result<&'b [u8], KeyError> {
    let len = curve.field_len();
    let (tag, rest) = buffer.split_at_mut(1);
    tag.fill(4);
    for (index, coordinate) in [x, y].into_iter().enumerate() {
        let place = rest
            .get_mut(index.saturating_mul(len)..)
            .unwrap_or_default();
        if decode(coordinate, place)?.len() != len {
            return Err(KeyError::Member);
        }
    }
    buffer
        .get(..len.saturating_mul(2).saturating_add(1))
        .ok_or(KeyError::Member)
}

#[cfg(test)]
mod tests;
