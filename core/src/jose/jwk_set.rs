//! A JWK Set (RFC 7517 section 5).

use super::{Header, Jwk, KeyError, jwk};
use crate::wire::json::{Items, Object, Value};

/// The keys of a JWK Set, in order.
///
/// Each is read on its own: one bad key does not spoil the others.
pub struct JwkSet<'j> {
    items: Items<'j>,
    left: usize,
}

impl<'j> JwkSet<'j> {
    /// Most keys of one set: real ones hold 1 to 20.
    pub const MAX_KEYS: usize = 64;

    /// Finds the keys in `json`.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] or [`KeyError::DuplicateMember`] for the set as a whole.
    pub fn parse(json: &'j [u8]) -> Result<Self, KeyError> {
        let mut keys = None;
        // Other members may be anything (RFC 7517 section 5).
        for member in Object::parse(json)?.members_unchecked() {
            let (name, value) = member?;
            if name == *"keys" && keys.replace(value.array()?).is_some() {
                return Err(KeyError::DuplicateMember);
            }
        }
        let items = keys.ok_or(KeyError::Malformed)?.items();
        Ok(Self {
            items,
            left: Self::MAX_KEYS,
        })
    }
}

/// A key that cannot be used, and the identifier that it may have all the same.
pub(crate) struct Unusable {
    kid: Option<heapless::String<{ Header::MAX_KID }>>,
    pub(crate) error: KeyError,
}

impl Unusable {
    pub(crate) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }
}

impl From<KeyError> for Unusable {
    fn from(error: KeyError) -> Self {
        Self { kid: None, error }
    }
}

impl<'j> JwkSet<'j> {
    /// The next key; an unusable one with its identifier.
    pub(crate) fn next_or_unusable(&mut self) -> Option<Result<Jwk<'j>, Unusable>> {
        let item = self.items.next()?;
        let Some(left) = self.left.checked_sub(1) else {
            self.items = Items::empty();
            return Some(Err(KeyError::TooManyKeys.into()));
        };
        self.left = left;
        Some(match item.and_then(Value::object) {
            Ok(object) => Jwk::from_object(object).map_err(|error| Unusable {
                kid: jwk::kid_of(object),
                error,
            }),
            Err(error) => Err(KeyError::from(error).into()),
        })
    }
}

/// Ends after the first key beyond [`JwkSet::MAX_KEYS`].
impl<'j> Iterator for JwkSet<'j> {
    type Item = Result<Jwk<'j>, KeyError>;

    fn next(&mut self) -> Option<Self::Item> {
        let jwk = self.next_or_unusable()?;
        Some(jwk.map_err(|unusable| unusable.error))
    }
}

impl core::fmt::Debug for JwkSet<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("JwkSet(..)")
    }
}
