//! A JWK Set (RFC 7517 section 5).

use super::{Header, Jwk, KeyError, jwk};
use crate::wire::json::{Excerpt, Items, Object, Value, Wanted};

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

/// Reads a JWK Set of any length that comes in pieces, key by key, in a buffer that has room for one key.
///
/// What nobody reads of a key takes no room, such as `x5c`.
pub struct JwkSetReader {
    excerpt: Excerpt,
    /// Elements that have been read.
    elements: usize,
    outcome: Result<(), KeyError>,
}

impl JwkSetReader {
    const WANTED: Wanted = Wanted {
        array: Some("keys"),
        members: &Jwk::MEMBERS,
    };

    /// A reader of one set.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            excerpt: Excerpt::new(&Self::WANTED),
            elements: 0,
            outcome: Ok(()),
        }
    }

    /// Reads what has come: the first `length` bytes of `buffer`, of which those that stayed the last time are the
    /// first. Gives every key to `each`, and returns how many bytes stay: the next ones are to follow them.
    ///
    /// As long as [`finish`](Self::finish) has not said that the set is one, nobody knows whether it is. Of more than
    /// [`JwkSet::MAX_KEYS`] elements the others are left out, as by [`JwkSet`].
    pub fn read(
        &mut self,
        buffer: &mut [u8],
        length: usize,
        mut each: impl FnMut(Result<Jwk<'_>, KeyError>),
    ) -> usize {
        if self.outcome.is_err() {
            return 0;
        }
        let elements = &mut self.elements;
        let read = self.excerpt.read(buffer, length, |key| {
            *elements = elements.saturating_add(1);
            // What is beyond the bound is said once.
            match elements.checked_sub(JwkSet::MAX_KEYS) {
                None | Some(0) => each(key.map_or(Err(KeyError::TooLong), Jwk::parse)),
                Some(1) => each(Err(KeyError::TooManyKeys)),
                Some(_) => {}
            }
        });
        read.unwrap_or_else(|error| {
            self.outcome = Err(error.into());
            0
        })
    }

    /// Tells whether all of it was one JWK Set.
    ///
    /// # Errors
    /// As [`JwkSet::parse`]; [`KeyError::Malformed`] where its end is missing.
    pub fn finish(&self) -> Result<(), KeyError> {
        self.outcome?;
        Ok(self.excerpt.finish()?)
    }
}

impl Default for JwkSetReader {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for JwkSetReader {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("JwkSetReader(..)")
    }
}

impl core::fmt::Debug for JwkSet<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("JwkSet(..)")
    }
}
