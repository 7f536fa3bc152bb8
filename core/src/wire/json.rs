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
    /// From behind the opening brace; as far as the text goes.
    inside: &'j str,
    depth: u8,
}

impl<'j> Object<'j> {
    /// Reads `bytes` as one object and nothing else; its members are checked as they are walked over.
    pub(crate) fn parse(bytes: &'j [u8]) -> Result<Self, Error> {
        scanned::add(bytes.len());
        let text = core::str::from_utf8(bytes).map_err(|_| Error::Encoding)?;
        let inside = scan::after(scan::skip_space(text), b'{').ok_or(Error::Syntax)?;
        Ok(Self { inside, depth: 1 })
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
        Walk {
            rest: Some(self.inside),
            depth: self.depth,
            first: true,
        }
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
pub(crate) struct Walk<'j> {
    rest: Option<&'j str>,
    depth: u8,
    first: bool,
}

impl<'j> Walk<'j> {
    /// `None` at the closing brace; otherwise the member and the text behind it.
    fn member(&self, rest: &'j str) -> Result<Option<(Text<'j>, Value<'j>, &'j str)>, Error> {
        let rest = scan::skip_space(rest);
        if let Some(behind) = scan::after(rest, b'}') {
            return self.close(behind).map(|()| None);
        }
        let rest = behind_comma(rest, self.first)?;
        let (name, rest) = scan::text(rest)?;
        let rest = scan::after(scan::skip_space(rest), b':').ok_or(Error::Syntax)?;
        let (value, rest) = scan::value(scan::skip_space(rest), self.depth)?;
        Ok(Some((name, value, rest)))
    }

    /// Nothing but white space may follow the outermost object.
    fn close(&self, behind: &str) -> Result<(), Error> {
        if self.depth > 1 || scan::skip_space(behind).is_empty() {
            Ok(())
        } else {
            Err(Error::Syntax)
        }
    }
}

impl<'j> Iterator for Walk<'j> {
    type Item = Result<(Text<'j>, Value<'j>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let before = self.rest.take()?;
        match self.member(before) {
            Ok(None) => None,
            Ok(Some((name, value, rest))) => {
                scanned::add(before.len().saturating_sub(rest.len()));
                self.rest = Some(rest);
                self.first = false;
                Some(Ok((name, value)))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// All but the first entry of a container follow a comma.
fn behind_comma(rest: &str, first: bool) -> Result<&str, Error> {
    if first {
        return Ok(rest);
    }
    scan::after(rest, b',')
        .map(scan::skip_space)
        .ok_or(Error::Syntax)
}

/// An array; its elements are read by [`items`](Self::items).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Array<'j> {
    inside: &'j str,
    depth: u8,
}

impl<'j> Array<'j> {
    pub(crate) fn items(self) -> Items<'j> {
        Items {
            rest: Some(self.inside),
            depth: self.depth,
            first: true,
        }
    }
}

/// Iterates over the elements of an [`Array`]. Ends after its first error.
pub(crate) struct Items<'j> {
    rest: Option<&'j str>,
    depth: u8,
    first: bool,
}

impl<'j> Items<'j> {
    /// No element.
    pub(crate) fn empty() -> Self {
        Self {
            rest: None,
            depth: 0,
            first: true,
        }
    }

    fn item(&self, rest: &'j str) -> Result<Option<(Value<'j>, &'j str)>, Error> {
        let rest = scan::skip_space(rest);
        if scan::after(rest, b']').is_some() {
            return Ok(None);
        }
        let rest = behind_comma(rest, self.first)?;
        scan::value(rest, self.depth).map(Some)
    }
}

impl<'j> Iterator for Items<'j> {
    type Item = Result<Value<'j>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let before = self.rest.take()?;
        match self.item(before) {
            Ok(None) => None,
            Ok(Some((value, rest))) => {
                scanned::add(before.len().saturating_sub(rest.len()));
                self.rest = Some(rest);
                self.first = false;
                Some(Ok(value))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests;
