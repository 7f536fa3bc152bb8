//! What is read of a document that is longer than the room for it.
//!
//! The document comes in pieces, into a buffer of the caller's. The grammar of all of it is checked as it passes,
//! each byte once; the members that somebody reads gather at the front of the buffer, and the others are dropped.

use super::{
    Error, Text,
    scan::{Nesting, escape, scalar},
};
use crate::wire::scanned;

/// Longest number, in bytes: one of 64 bits has 20.
const MAX_SCALAR: usize = 64;

/// Longest escape, in bytes: two code units.
const MAX_ESCAPE: usize = 12;

/// What is read of a document.
pub(crate) struct Wanted {
    /// The member whose elements are handed out one by one; `None` keeps the document as one.
    pub(crate) array: Option<&'static str>,
    /// The members that are kept, of each element or of the document.
    pub(crate) members: &'static [&'static str],
}

/// A document on its way through a buffer.
pub(crate) struct Excerpt {
    wanted: &'static Wanted,
    next: Next,
    open: Nesting,
    /// How much is kept at the front of the buffer.
    kept: usize,
    /// Where in it the last member begins that may be dropped.
    name: usize,
    /// How many containers the value lies in that is being dropped.
    dropped: Option<u8>,
    /// Whether the buffer was too short for what is being read.
    overflows: bool,
    has_array: bool,
    is_complete: bool,
}

/// What comes next.
#[derive(Clone, Copy)]
enum Next {
    Value {
        or_end: bool,
    },
    Name {
        or_end: bool,
    },
    Colon,
    /// Or the end of what is open.
    Comma,
    /// The rest of a string.
    Text {
        is_name: bool,
    },
    Nothing,
}

impl Excerpt {
    pub(crate) const fn new(wanted: &'static Wanted) -> Self {
        Self {
            wanted,
            next: Next::Value { or_end: false },
            open: Nesting::new(),
            kept: 0,
            name: 0,
            dropped: None,
            overflows: false,
            has_array: false,
            is_complete: false,
        }
    }

    /// Reads what has come: the first `length` bytes of `buffer`, of which those that stayed the last time are the
    /// first. Returns how many stay; the next ones are to follow them.
    ///
    /// `each` is given every element, or `None` for one that is too long for the buffer.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        length: usize,
        mut each: impl FnMut(Option<&[u8]>),
    ) -> Result<usize, Error> {
        let mut at = self.kept;
        loop {
            let behind = self.token(buffer, at, length)?;
            if behind == at {
                return self.make_room(buffer, at, length);
            }
            scanned::add(behind.saturating_sub(at));
            at = behind;
            if core::mem::take(&mut self.is_complete) {
                let element = buffer.get(..self.kept);
                each(element.filter(|_| !self.overflows));
                self.forget();
            }
        }
    }

    /// Whether the document was whole, and is what was wanted.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        let has_all = self.wanted.array.is_none() || self.has_array;
        match self.next {
            Next::Nothing if self.overflows => Err(Error::TooLong),
            Next::Nothing if has_all => Ok(()),
            _ => Err(Error::Syntax),
        }
    }

    /// How many containers an element lies in.
    fn around(&self) -> u8 {
        if self.wanted.array.is_some() { 2 } else { 0 }
    }

    /// Whether the innermost container is an element, whose members are kept by their names.
    fn is_in_element(&self) -> bool {
        self.open.depth() == self.around().saturating_add(1)
    }

    /// Whether the innermost container is an object around the elements.
    fn is_outside(&self) -> bool {
        self.open.depth() < self.around()
    }

    fn forget(&mut self) {
        self.kept = 0;
        self.overflows = false;
    }

    /// Moves what could not be read yet behind what is kept.
    fn make_room(&mut self, buffer: &mut [u8], at: usize, length: usize) -> Result<usize, Error> {
        let left = length.saturating_sub(at);
        if self.kept.saturating_add(left) >= buffer.len() {
            self.kept = 0;
            self.overflows = true;
        }
        buffer.copy_within(at..at.saturating_add(left), self.kept);
        let stays = self.kept.saturating_add(left);
        (stays < buffer.len())
            .then_some(stays)
            .ok_or(Error::TooLong)
    }

    /// Reads one token, or a part of a string; returns where it ends, which is `at` where more has to come first.
    fn token(&mut self, buffer: &mut [u8], at: usize, length: usize) -> Result<usize, Error> {
        if let Next::Text { is_name } = self.next {
            return self.text(buffer, at, length, is_name);
        }
        let rest = buffer.get(at..length).unwrap_or_default();
        let Some(byte) = rest.first().copied() else {
            return Ok(at);
        };
        match (self.next, byte) {
            (_, b' ' | b'\t' | b'\n' | b'\r') => {}
            (Next::Name { .. }, b'"') => self.begin_name(buffer),
            (Next::Name { or_end: true } | Next::Comma, b'}')
            | (Next::Value { or_end: true } | Next::Comma, b']') => self.leave(buffer, byte)?,
            (Next::Colon, b':') => self.colon(buffer)?,
            (Next::Comma, b',') => self.comma(buffer),
            (Next::Value { .. }, b'"') => {
                self.check_type(byte)?;
                self.keep(buffer, byte);
                self.next = Next::Text { is_name: false };
            }
            (Next::Value { .. }, b'{' | b'[') => self.enter(buffer, byte)?,
            (Next::Value { .. }, _) => return self.scalar(buffer, at, length),
            _ => return Err(Error::Syntax),
        }
        Ok(at.saturating_add(1))
    }

    /// The document is an object, and the elements lie in an array.
    fn check_type(&self, first: u8) -> Result<(), Error> {
        match self.open.depth() {
            0 if first != b'{' => Err(Error::Syntax),
            1 if self.is_outside() && self.dropped.is_none() && first != b'[' => Err(Error::Type),
            _ => Ok(()),
        }
    }

    fn begin_name(&mut self, buffer: &mut [u8]) {
        if self.dropped.is_none() {
            if self.is_outside() {
                self.forget();
            }
            self.name = self.kept;
        }
        self.keep(buffer, b'"');
        self.next = Next::Text { is_name: true };
    }

    /// Behind a name: its member may be dropped.
    fn colon(&mut self, buffer: &mut [u8]) -> Result<(), Error> {
        self.next = Next::Value { or_end: false };
        if self.dropped.is_some() || !(self.is_outside() || self.is_in_element()) {
            self.keep(buffer, b':');
            return Ok(());
        }
        let is_outside = self.is_outside();
        let wanted = if is_outside {
            self.wanted.array.as_slice()
        } else {
            self.wanted.members
        };
        let name = self.name_in(buffer);
        let is_wanted = !self.overflows && wanted.iter().any(|wanted| name == **wanted);
        self.dropped = (!is_wanted).then_some(self.open.depth());
        if is_outside {
            self.forget();
            if is_wanted && core::mem::replace(&mut self.has_array, true) {
                return Err(Error::DuplicateName);
            }
        } else if is_wanted {
            self.keep(buffer, b':');
        } else if self.wanted.array.is_some() {
            // Whoever reads an element looks at all its names.
            self.put(buffer, b':');
        } else if !self.overflows {
            self.kept = self.name;
        }
        Ok(())
    }

    /// The name that was kept last.
    fn name_in<'b>(&self, buffer: &'b [u8]) -> Text<'b> {
        let end = self.kept.saturating_sub(1);
        let from_quote = buffer.get(self.name..end).unwrap_or_default();
        if from_quote.contains(&b'\\') {
            Text::escaped(from_quote)
        } else {
            Text::plain(from_quote.strip_prefix(b"\"").unwrap_or_default())
        }
    }

    fn comma(&mut self, buffer: &mut [u8]) {
        self.next = if self.open.in_object() {
            Next::Name { or_end: false }
        } else {
            Next::Value { or_end: false }
        };
        // It may follow a member that has been dropped.
        let last = self.last(buffer);
        if self.open.depth() > self.around() && !matches!(last, Some(b'{' | b',')) {
            self.keep(buffer, b',');
        }
    }

    /// The byte that was kept last.
    fn last(&self, buffer: &[u8]) -> Option<u8> {
        let last = self.kept.checked_sub(1)?;
        buffer.get(last).copied()
    }

    fn enter(&mut self, buffer: &mut [u8], bracket: u8) -> Result<(), Error> {
        self.check_type(bracket)?;
        if !self.is_outside() {
            self.keep(buffer, bracket);
        }
        let is_object = bracket == b'{';
        self.open.enter(is_object)?;
        self.next = if is_object {
            Next::Name { or_end: true }
        } else {
            Next::Value { or_end: true }
        };
        Ok(())
    }

    fn leave(&mut self, buffer: &mut [u8], bracket: u8) -> Result<(), Error> {
        self.open.leave(bracket == b'}')?;
        if self.dropped.is_none() && self.last(buffer) == Some(b',') {
            self.kept = self.kept.saturating_sub(1);
        }
        if !self.is_outside() {
            self.keep(buffer, bracket);
        }
        self.end_value(buffer);
        Ok(())
    }

    fn end_value(&mut self, buffer: &mut [u8]) {
        let depth = self.open.depth();
        self.next = if depth == 0 {
            Next::Nothing
        } else {
            Next::Comma
        };
        if self.dropped == Some(depth) {
            self.dropped = None;
            if self.wanted.array.is_some() && self.is_in_element() {
                self.keep(buffer, b'0');
            }
        } else if self.dropped.is_none() && self.wanted.array.is_some() {
            self.is_complete = depth == self.around();
        }
    }

    fn scalar(&mut self, buffer: &mut [u8], at: usize, length: usize) -> Result<usize, Error> {
        let rest = buffer.get(at..length).unwrap_or_default();
        self.check_type(0)?;
        let is_end = |byte: &u8| b",]} \t\n\r".contains(byte);
        let end = rest.iter().position(is_end).unwrap_or(rest.len());
        if end > MAX_SCALAR {
            return Err(Error::Syntax);
        }
        if end == rest.len() {
            return Ok(at);
        }
        let run = rest.get(..end).unwrap_or_default();
        if !scalar(run)?.1.is_empty() {
            return Err(Error::Syntax);
        }
        self.keep_run(buffer, at, end);
        self.end_value(buffer);
        Ok(at.saturating_add(end))
    }

    /// Reads a part of a string, or its end.
    fn text(
        &mut self,
        buffer: &mut [u8],
        at: usize,
        length: usize,
        is_name: bool,
    ) -> Result<usize, Error> {
        let rest = buffer.get(at..length).unwrap_or_default();
        let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..b' ');
        let plain = rest.iter().position(is_special).unwrap_or(rest.len());
        let run = match (
            core::str::from_utf8(rest.get(..plain).unwrap_or_default()),
            rest,
        ) {
            (Ok(text), _) if !text.is_empty() => text.len(),
            // The last character may be cut off.
            (Err(error), _) if plain == rest.len() && error.error_len().is_none() => {
                error.valid_up_to()
            }
            (Err(_), _) => return Err(Error::Encoding),
            (_, []) => 0,
            (_, [b'"', ..]) => {
                self.keep(buffer, b'"');
                if is_name {
                    self.next = Next::Colon;
                } else {
                    self.end_value(buffer);
                }
                return Ok(at.saturating_add(1));
            }
            (_, [b'\\', behind @ ..]) => match escape(behind) {
                Ok(behind) => rest.len().saturating_sub(behind.len()),
                Err(_) if rest.len() < MAX_ESCAPE => 0,
                Err(error) => return Err(error),
            },
            _ => return Err(Error::Syntax),
        };
        self.keep_run(buffer, at, run);
        Ok(at.saturating_add(run))
    }

    /// Keeps a byte, unless it is part of what is dropped: never more are kept than were read.
    fn keep(&mut self, buffer: &mut [u8], byte: u8) {
        if self.dropped.is_none() {
            self.put(buffer, byte);
        }
    }

    fn put(&mut self, buffer: &mut [u8], byte: u8) {
        if let Some(place) = buffer.get_mut(self.kept).filter(|_| !self.overflows) {
            *place = byte;
            self.kept = self.kept.saturating_add(1);
        }
    }

    fn keep_run(&mut self, buffer: &mut [u8], at: usize, run: usize) {
        if self.dropped.is_none() && !self.overflows {
            buffer.copy_within(at..at.saturating_add(run), self.kept);
            self.kept = self.kept.saturating_add(run);
        }
    }
}

#[cfg(test)]
mod tests;
