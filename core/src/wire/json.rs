//! A pull reader for JSON that nobody has vouched for yet (RFC 8259).
//!
//! It never recurses, copies nothing, checks the whole grammar of what it walks over, and refuses what
//! two readers could read differently: duplicate names, lone surrogates, anything after the value.

mod excerpt;
mod fingerprint;
mod number;
mod scan;
mod text;

pub(crate) use excerpt::{Excerpt, Wanted};
pub(crate) use number::Number;
pub(crate) use text::Text;

use super::{ascii, scanned};
use fingerprint::Fingerprint;
use scan::{member, read_value, token};

/// Deepest nesting, in objects and arrays (five levels occur in real tokens).
pub(crate) const MAX_DEPTH: u8 = 16;

/// Most members of an object whose names are told apart (30 occur in real tokens): each is held against
/// so many fingerprints at most.
const MAX_MEMBERS: usize = 128;

/// Why text is not the JSON that was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Error {
    /// Not UTF-8 (RFC 8259 section 8.1).
    Encoding,
    /// Against the grammar, or cut off.
    Syntax,
    /// Nested deeper than [`MAX_DEPTH`].
    Depth,
    /// A name occurs twice in one object.
    DuplicateName,
    /// More members than [`MAX_MEMBERS`].
    TooManyMembers,
    /// Another type than was asked for.
    Type,
    /// Longer than the room for it.
    TooLong,
}

/// A value whose grammar has been checked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'j> {
    Null,
    Bool(bool),
    Number(Number<'j>),
    String(Text<'j>),
    Array(Array<'j>),
    Object(Object<'j>),
}

impl<'j> Value<'j> {
    pub(crate) fn string(self) -> Result<Text<'j>, Error> {
        match self {
            Self::String(text) => Ok(text),
            _ => Err(Error::Type),
        }
    }

    pub(crate) fn object(self) -> Result<Object<'j>, Error> {
        match self {
            Self::Object(object) => Ok(object),
            _ => Err(Error::Type),
        }
    }

    pub(crate) fn array(self) -> Result<Array<'j>, Error> {
        match self {
            Self::Array(array) => Ok(array),
            _ => Err(Error::Type),
        }
    }

    /// A string, or each string of an array: the shape of `aud` (RFC 7519 section 4.1.3).
    pub(crate) fn strings(self) -> Strings<'j> {
        match self {
            Self::Array(array) => Strings::Many(array.items()),
            one => Strings::One(Some(one)),
        }
    }
}

/// Iterates over [`Value::strings`].
pub(crate) enum Strings<'j> {
    One(Option<Value<'j>>),
    Many(Items<'j>),
}

impl<'j> Iterator for Strings<'j> {
    type Item = Result<Text<'j>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::One(value) => value.take().map(Value::string),
            Self::Many(items) => items.next().map(|item| item.and_then(Value::string)),
        }
    }
}

/// An object; its members are read by [`members`](Self::members).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object<'j> {
    /// From behind the opening brace to behind the closing one, or, of the outermost, to the text's end.
    inside: &'j [u8],
}

impl<'j> Object<'j> {
    /// Reads `bytes` as one object and nothing else; its members are checked as they are walked over.
    pub(crate) fn parse(bytes: &'j [u8]) -> Result<Self, Error> {
        scanned::add(bytes.len());
        if !ascii::is_all(bytes) {
            core::str::from_utf8(bytes).map_err(|_| Error::Encoding)?;
        }
        match token(bytes) {
            [b'{', inside @ ..] => Ok(Self { inside }),
            _ => Err(Error::Syntax),
        }
    }

    /// The members in order; a second one of the same name is an error.
    pub(crate) fn members(self) -> Members<'j> {
        Members {
            walk: self.members_unchecked(),
            names: Names::new(),
        }
    }

    /// Visits the [`members`](Self::members), each where it has been read: to move them costs more than to read them.
    #[inline]
    pub(crate) fn each_member<E: From<Error>>(
        self,
        mut visit: impl FnMut(Text<'j>, &Value<'j>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut names = Names::new();
        // A bit for each name, which it shares with few others.
        let mut known = 0;
        let mut value = Value::Null;
        let mut rest = token(self.inside);
        let mut is_over = rest.starts_with(b"}");
        while !is_over {
            let ((name, fingerprint), behind) =
                member(rest, &mut value).inspect_err(|_| scanned::add(rest.len()))?;
            scanned::add(rest.len().wrapping_sub(behind.len()));
            names.check(fingerprint, known & fingerprint.bit() != 0)?;
            known |= fingerprint.bit();
            visit(name, &value)?;
            rest = token(behind);
            match rest {
                [b',', next @ ..] => rest = next,
                _ => is_over = true,
            }
        }
        match rest {
            [b'}', behind @ ..] if token(behind).is_empty() => Ok(()),
            _ => Err(Error::Syntax.into()),
        }
    }

    /// The members in order, however often a name occurs: for hints, which something else vouches for later.
    pub(crate) fn members_unchecked(self) -> Walk<'j> {
        Walk(Entries::new(self.inside))
    }
}

/// Iterates over the members of an [`Object`], refusing duplicate names.
///
/// Two names of one fingerprint count as one name, and are never compared: the walk stays linear whatever
/// somebody makes up. Names that nobody has made up for it collide once in 10^15 objects.
pub(crate) struct Members<'j> {
    walk: Walk<'j>,
    names: Names,
}

/// The names that an object has had, by their fingerprints.
struct Names(heapless::Vec<Fingerprint, MAX_MEMBERS>);

impl Names {
    const fn new() -> Self {
        Self(heapless::Vec::new())
    }

    /// Adds one; `may_be_known` is false where it is known not to be there yet.
    #[inline]
    fn check(&mut self, name: Fingerprint, may_be_known: bool) -> Result<(), Error> {
        if may_be_known && self.0.contains(&name) {
            return Err(Error::DuplicateName);
        }
        self.0.push(name).map_err(|_| Error::TooManyMembers)
    }
}

impl<'j> Iterator for Members<'j> {
    type Item = Result<(Text<'j>, Value<'j>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let member = match self.walk.member()? {
            Ok(member) => member,
            Err(error) => return Some(Err(error)),
        };
        let checked = self.names.check(member.fingerprint, true);
        Some(checked.map(|()| (member.name, member.value)))
    }
}

/// Walks over an object's members, checking grammar alone. Ends after its first error.
pub(crate) struct Walk<'j>(Entries<'j>);

/// A name, and what stands there.
struct Member<'j> {
    name: Text<'j>,
    fingerprint: Fingerprint,
    value: Value<'j>,
}

impl<'j> Walk<'j> {
    /// Reads the member that is next: once in an image, whoever asks for members one by one.
    #[inline(never)]
    fn member(&mut self) -> Option<Result<Member<'j>, Error>> {
        let next = match self.0.next(b'}')? {
            Ok(next) => next,
            Err(error) => return Some(Err(error)),
        };
        let mut value = Value::Null;
        let read = self.0.take(member(next, &mut value));
        Some(read.map(|(name, fingerprint)| Member {
            name,
            fingerprint,
            value,
        }))
    }
}

impl<'j> Iterator for Walk<'j> {
    type Item = Result<(Text<'j>, Value<'j>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let member = self.member()?;
        Some(member.map(|member| (member.name, member.value)))
    }
}

/// A place among the entries of a container.
struct Entries<'j> {
    rest: &'j [u8],
    is_first: bool,
    is_over: bool,
}

impl<'j> Entries<'j> {
    fn new(inside: &'j [u8]) -> Self {
        Self {
            rest: inside,
            is_first: true,
            is_over: false,
        }
    }

    /// What is left at the next entry, unless the container ends; all but the first follow a comma.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "it is called once, or in small functions"
    )]
    fn next(&mut self, end: u8) -> Option<Result<&'j [u8], Error>> {
        if self.is_over {
            return None;
        }
        let next = match token(self.rest) {
            [byte, behind @ ..] if *byte == end => {
                self.is_over = true;
                // Nothing but white space may follow the outermost object; in what lies in it nothing does.
                return (!token(behind).is_empty()).then_some(Err(Error::Syntax));
            }
            [b',', next @ ..] if !self.is_first => next,
            first if self.is_first => first,
            // No entry begins here.
            _ => &[],
        };
        self.is_first = false;
        Some(Ok(next))
    }

    /// Goes on behind the entry that has been read.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "it is called once, or in small functions"
    )]
    fn take<T>(&mut self, entry: Result<(T, &'j [u8]), Error>) -> Result<T, Error> {
        match entry {
            Ok((entry, rest)) => {
                scanned::add(self.rest.len().wrapping_sub(rest.len()));
                self.rest = rest;
                Ok(entry)
            }
            Err(error) => {
                scanned::add(self.rest.len());
                self.is_over = true;
                Err(error)
            }
        }
    }
}

/// An array; its elements are read by [`items`](Self::items).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Array<'j> {
    /// As of an [`Object`].
    inside: &'j [u8],
}

impl<'j> Array<'j> {
    pub(crate) fn items(self) -> Items<'j> {
        Items(Entries::new(self.inside))
    }
}

/// Iterates over the elements of an [`Array`]. Ends after its first error.
pub(crate) struct Items<'j>(Entries<'j>);

impl Items<'_> {
    /// No element.
    pub(crate) fn empty() -> Self {
        Array { inside: b"]" }.items()
    }
}

impl<'j> Iterator for Items<'j> {
    type Item = Result<Value<'j>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.0.next(b']')? {
            Ok(next) => {
                let mut value = Value::Null;
                let read = read_value(next, &mut value).map(|rest| ((), rest));
                Some(self.0.take(read).map(|()| value))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests;
