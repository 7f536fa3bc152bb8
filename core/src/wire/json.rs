//! A pull reader for JSON that nobody has vouched for yet (RFC 8259).
//!
//! It never recurses, copies nothing, checks the whole grammar of what it walks over, and refuses what
//! two readers could read differently: duplicate names, lone surrogates, anything after the value.

mod number;
mod scan;
mod text;

pub(crate) use number::Number;
pub(crate) use text::Text;

use super::scanned;
use scan::Cursor;

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
    inside: &'j str,
}

impl<'j> Object<'j> {
    /// Reads `bytes` as one object and nothing else; its members are checked as they are walked over.
    pub(crate) fn parse(bytes: &'j [u8]) -> Result<Self, Error> {
        scanned::add(bytes.len());
        let text = core::str::from_utf8(bytes).map_err(|_| Error::Encoding)?;
        let mut cursor = Cursor::new(text);
        match cursor.token() {
            Some(b'{') => Ok(Self {
                inside: cursor.behind(1)?,
            }),
            _ => Err(Error::Syntax),
        }
    }

    /// The members in order; a second one of the same name is an error.
    pub(crate) fn members(self) -> Members<'j> {
        Members {
            walk: self.members_unchecked(),
            seen: heapless::Vec::new(),
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
    seen: heapless::Vec<u64, MAX_MEMBERS>,
}

impl Members<'_> {
    fn check_name(&mut self, name: Text<'_>) -> Result<(), Error> {
        let fingerprint = name.fingerprint();
        if self.seen.contains(&fingerprint) {
            return Err(Error::DuplicateName);
        }
        self.seen
            .push(fingerprint)
            .map_err(|_| Error::TooManyMembers)
    }
}

impl<'j> Iterator for Members<'j> {
    type Item = Result<(Text<'j>, Value<'j>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let member = self.walk.next()?;
        // The member goes on as it lies: to move it costs more than to look at its name.
        if let Ok((name, _)) = &member
            && let Err(error) = self.check_name(*name)
        {
            return Some(Err(error));
        }
        Some(member)
    }
}

/// Walks over an object's members, checking grammar alone. Ends after its first error.
pub(crate) struct Walk<'j>(Entries<'j>);

impl<'j> Walk<'j> {
    /// Reads the member that is next.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `next`")]
    fn member(&mut self) -> Result<(Text<'j>, Value<'j>), Error> {
        let cursor = &mut self.0.cursor;
        if cursor.token() != Some(b'"') {
            return Err(Error::Syntax);
        }
        let name = cursor.name()?;
        let value = cursor.value()?;
        Ok((name, value))
    }

    /// Nothing but white space may follow an object.
    fn close(&mut self) -> Option<Error> {
        self.0.cursor.token().map(|_| Error::Syntax)
    }
}

impl<'j> Iterator for Walk<'j> {
    type Item = Result<(Text<'j>, Value<'j>), Error>;

    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "to move a member costs more than to read it"
    )]
    fn next(&mut self) -> Option<Self::Item> {
        let member = match self.0.next(b'}') {
            Next::Entry => self.member(),
            Next::End => return self.close().map(Err),
            Next::Error => Err(Error::Syntax),
            Next::Over => return None,
        };
        self.0.is_over = member.is_err();
        Some(member)
    }
}

/// A place among the entries of a container.
struct Entries<'j> {
    cursor: Cursor<'j>,
    is_first: bool,
    is_over: bool,
}

/// What a container goes on with.
enum Next {
    Entry,
    End,
    Error,
    /// The end, or an error, was there before.
    Over,
}

impl<'j> Entries<'j> {
    fn new(inside: &'j str) -> Self {
        Self {
            cursor: Cursor::new(inside),
            is_first: true,
            is_over: false,
        }
    }

    /// Moves to the next entry, or behind the `end`; all but the first follow a comma.
    fn next(&mut self, end: u8) -> Next {
        if self.is_over {
            return Next::Over;
        }
        let token = self.cursor.token();
        if token == Some(end) {
            self.is_over = true;
            self.cursor.advance(1);
            return Next::End;
        }
        if !self.is_first {
            if token != Some(b',') {
                return Next::Error;
            }
            self.cursor.advance(1);
        }
        self.is_first = false;
        Next::Entry
    }
}

/// An array; its elements are read by [`items`](Self::items).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Array<'j> {
    /// As of an [`Object`].
    inside: &'j str,
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
        Array { inside: "]" }.items()
    }
}

impl<'j> Iterator for Items<'j> {
    type Item = Result<Value<'j>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = match self.0.next(b']') {
            Next::Entry => self.0.cursor.value(),
            Next::Error => Err(Error::Syntax),
            Next::End | Next::Over => return None,
        };
        self.0.is_over = item.is_err();
        Some(item)
    }
}

#[cfg(test)]
mod tests;
